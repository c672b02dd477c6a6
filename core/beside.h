/**
 * Work that is done beside the caller's, on a thread of its own: what is waited for anyhow.
 * Threads: whoever started it waits for it.
 */
#ifndef MUR_CORE_BESIDE_H
#define MUR_CORE_BESIDE_H

struct mur_beside;

/** Begins @p work. Where the system gives no thread it is done before this returns.
 * @return for mur_beside_wait() */
struct mur_beside *mur_beside_start(void (*work)(void *user), void *user);
/** Returns when the work is done. NULL is fine. */
void mur_beside_wait(struct mur_beside *beside);

#endif
