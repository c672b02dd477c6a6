/**
 * Which objects a peer has acknowledged, in a file: so that sending can be taken up again after it
 * was stopped, by whatever. Lines of JSON, one written when an acknowledgement has come; the last
 * one may be torn by a crash, then its object is sent once more, which harms nobody. An object
 * counts as the same while UID, size and time of modification are the same.
 *
 *   {"murpacs":"store","version":1,"peer":"ORTHANC at 127.0.0.1 port 4242"}
 *   {"uid":"1.2.3","size":526336,"modified":1714979229123456789,"status":0}
 *
 * Internal to scu/. Threads: mur_send_state_add() one at a time, mur_send_state_has() any.
 */
#ifndef MUR_SCU_SEND_STATE_H
#define MUR_SCU_SEND_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/uid.h"

struct mur_send_state;

struct mur_sent {
    char uid[MUR_UID_TEXT_SIZE];
    uint64_t size;
    int64_t modified_ns;
};

/**
 * Opens the file, or begins it.
 * @param[in] peer  whom it is about
 * @retval MUR_MISMATCH  it is about another peer, something else, or damaged
 * @retval MUR_BUSY      another process sends by it
 */
MUR_NODISCARD
enum mur_status mur_send_state_open(struct mur_send_state **out, const char *path, const char *peer,
                                    struct mur_error *error);
/** Syncs and closes; NULL is fine. */
void mur_send_state_free(struct mur_send_state *state);
MUR_DEFINE_AUTO(mur_send_state, mur_send_state_free)

/** Whether it was acknowledged before the file was opened. */
bool mur_send_state_has(const struct mur_send_state *state, const struct mur_sent *sent);
MUR_NODISCARD
enum mur_status mur_send_state_add(struct mur_send_state *state, const struct mur_sent *sent,
                                   uint16_t status, struct mur_error *error);

#endif
