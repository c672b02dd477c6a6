/**
 * Digests: SHA-256 for certificates and manifests, XXH3 (128 bits) for content checks that need no
 * secrecy, version 5 UUIDs for UIDs made from names.
 * Threads: one at a time per handle; the one-shot functions any.
 */
#ifndef MUR_CORE_DIGEST_H
#define MUR_CORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"

enum {
    MUR_SHA256_SIZE = 32,
    MUR_SHA256_TEXT_SIZE = 65, /**< hexadecimal with its NUL */
    MUR_XXH128_SIZE = 16,
    MUR_XXH128_TEXT_SIZE = 33,
    MUR_UUID_SIZE = 16,
};

struct mur_sha256;
MUR_NODISCARD
enum mur_status mur_sha256_create(struct mur_sha256 **out, struct mur_error *error);
void mur_sha256_free(struct mur_sha256 *digest);
MUR_DEFINE_AUTO(mur_sha256, mur_sha256_free)
MUR_NODISCARD
enum mur_status mur_sha256_update(struct mur_sha256 *digest, const void *bytes, size_t length,
                                  struct mur_error *error);
/** Yields the digest and begins anew. */
MUR_NODISCARD
enum mur_status mur_sha256_finish(uint8_t out[MUR_SHA256_SIZE], struct mur_sha256 *digest,
                                  struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_sha256_of(uint8_t out[MUR_SHA256_SIZE], const void *bytes, size_t length,
                              struct mur_error *error);

struct mur_xxh128;
MUR_NODISCARD
enum mur_status mur_xxh128_create(struct mur_xxh128 **out, struct mur_error *error);
void mur_xxh128_free(struct mur_xxh128 *digest);
MUR_DEFINE_AUTO(mur_xxh128, mur_xxh128_free)
void mur_xxh128_update(struct mur_xxh128 *digest, const void *bytes, size_t length);
/** Yields the digest, most significant byte first, and begins anew. */
void mur_xxh128_finish(uint8_t out[MUR_XXH128_SIZE], struct mur_xxh128 *digest);
void mur_xxh128_of(uint8_t out[MUR_XXH128_SIZE], const void *bytes, size_t length);
/** XXH3, 64 bits: for hash tables and paths. */
uint64_t mur_xxh64_of(const void *bytes, size_t length);

/** RFC 9562 5.5: SHA-1 of name space and name. The same name gives the same UUID forever. */
MUR_NODISCARD
enum mur_status mur_uuid5(uint8_t out[MUR_UUID_SIZE], const uint8_t name_space[MUR_UUID_SIZE],
                          const void *name, size_t length, struct mur_error *error);

/** Lower-case hexadecimal with a NUL: 2 * @p length + 1 bytes. */
void mur_hex_write(char *out, const uint8_t *bytes, size_t length);
/** @p text must be 2 * @p length hexadecimal digits. @retval MUR_PARSE */
MUR_NODISCARD
enum mur_status mur_hex_parse(uint8_t *out, size_t length, const char *text,
                              struct mur_error *error);

#endif
