/**
 * Passwords and tokens as they are kept: only what tells whether one is right. Threads: any.
 */
#ifndef MUR_CORE_PASSWORD_H
#define MUR_CORE_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/text.h"

enum { MUR_PASSWORD_LIMIT = 1024, MUR_TOKEN_SIZE = 44 };

/**
 * What to keep of a password: "scrypt$14$8$1$SALT$HASH", with a salt of its own (RFC 7914).
 * @param[out] out  malloc'ed
 * @retval MUR_INVALID  empty or longer than MUR_PASSWORD_LIMIT
 */
MUR_NODISCARD
enum mur_status mur_password_hash(char **out, struct mur_slice password, struct mur_error *error);

/** Makes a token of 256 random bits, and what to keep of it: "sha256$HASH". Such a one cannot be
 * guessed, so that a fast hash will do. @param[out] kept  malloc'ed */
MUR_NODISCARD
enum mur_status mur_token_create(char token[MUR_TOKEN_SIZE], char **kept, struct mur_error *error);

/** Whether @p text is what one of these two made. */
bool mur_password_is_hash(const char *text);
/** Whether it is of a token. */
bool mur_password_is_token(const char *text);

/**
 * Tells whether a password or token is the one of which @p kept was kept. One of a password takes
 * some 50 ms and 16 MiB, on purpose.
 * @param[in] kept  "" takes the time of a password and matches none
 * @retval MUR_INVALID  @p kept is not what one of these two made
 */
MUR_NODISCARD
enum mur_status mur_password_verify(bool *matches, const char *kept, struct mur_slice password,
                                    struct mur_error *error);

/** Compares in a time that does not depend on what differs. */
bool mur_secret_equal(const void *a, const void *b, size_t length);

/** Cryptographically random. @retval MUR_INTERNAL  the system has none */
MUR_NODISCARD
enum mur_status mur_random_bytes(void *out, size_t length, struct mur_error *error);

#endif
