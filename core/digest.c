#include "core/digest.h"

#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h> /* by what the processor can: 2 us for 128 KiB, 7.5 without */
#else
#include <xxhash.h>
#endif

struct mur_sha256 {
    EVP_MD_CTX *context;
};

static enum mur_status digest_failed(struct mur_error *error)
{
    return mur_error_set(error, MUR_INTERNAL, "the digest library failed");
}

/* Looked up once: EVP_sha256() is looked up anew by each digest, which costs more than a UID's. */
static const EVP_MD *sha256_method(void)
{
    static _Atomic(EVP_MD *) kept;
    EVP_MD *method = atomic_load(&kept);
    if (method != NULL)
        return method;
    EVP_MD *fetched = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    if (fetched == NULL)
        return EVP_sha256();
    if (atomic_compare_exchange_strong(&kept, &method, fetched))
        return fetched;
    EVP_MD_free(fetched); /* another thread was first */
    return method;
}

enum mur_status mur_sha256_create(struct mur_sha256 **out, struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = calloc(1, sizeof *digest);
    if (digest == NULL)
        return mur_error_no_memory(error);
    digest->context = EVP_MD_CTX_new();
    if (digest->context == NULL)
        return mur_error_no_memory(error);
    if (EVP_DigestInit_ex(digest->context, sha256_method(), NULL) != 1)
        return digest_failed(error);
    *out = MUR_STEAL(digest);
    return MUR_OK;
}

void mur_sha256_free(struct mur_sha256 *digest)
{
    if (digest == NULL)
        return;
    EVP_MD_CTX_free(digest->context);
    free(digest);
}

enum mur_status mur_sha256_update(struct mur_sha256 *digest, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    if (length > 0 && EVP_DigestUpdate(digest->context, bytes, length) != 1)
        return digest_failed(error);
    return MUR_OK;
}

enum mur_status mur_sha256_finish(uint8_t out[MUR_SHA256_SIZE], struct mur_sha256 *digest,
                                  struct mur_error *error)
{
    uint8_t value[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(digest->context, value, NULL) != 1 ||
        EVP_DigestInit_ex(digest->context, sha256_method(), NULL) != 1)
        return digest_failed(error);
    memcpy(out, value, MUR_SHA256_SIZE);
    return MUR_OK;
}

enum mur_status mur_sha256_of(uint8_t out[MUR_SHA256_SIZE], const void *bytes, size_t length,
                              struct mur_error *error)
{
    uint8_t value[EVP_MAX_MD_SIZE];
    if (EVP_Digest(length > 0 ? bytes : "", length, value, NULL, sha256_method(), NULL) != 1)
        return digest_failed(error);
    memcpy(out, value, MUR_SHA256_SIZE);
    return MUR_OK;
}

struct mur_xxh128 {
    XXH3_state_t *state;
};

enum mur_status mur_xxh128_create(struct mur_xxh128 **out, struct mur_error *error)
{
    MUR_AUTO(mur_xxh128) *digest = calloc(1, sizeof *digest);
    if (digest == NULL)
        return mur_error_no_memory(error);
    digest->state = XXH3_createState();
    if (digest->state == NULL)
        return mur_error_no_memory(error);
    (void)XXH3_128bits_reset(digest->state);
    *out = MUR_STEAL(digest);
    return MUR_OK;
}

void mur_xxh128_free(struct mur_xxh128 *digest)
{
    if (digest == NULL)
        return;
    (void)XXH3_freeState(digest->state);
    free(digest);
}

void mur_xxh128_update(struct mur_xxh128 *digest, const void *bytes, size_t length)
{
    if (length > 0)
        (void)XXH3_128bits_update(digest->state, bytes, length);
}

static void write_xxh128(uint8_t out[MUR_XXH128_SIZE], XXH128_hash_t hash)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(out, canonical.digest, MUR_XXH128_SIZE);
}

void mur_xxh128_finish(uint8_t out[MUR_XXH128_SIZE], struct mur_xxh128 *digest)
{
    write_xxh128(out, XXH3_128bits_digest(digest->state));
    (void)XXH3_128bits_reset(digest->state);
}

void mur_xxh128_of(uint8_t out[MUR_XXH128_SIZE], const void *bytes, size_t length)
{
    write_xxh128(out, XXH3_128bits(length > 0 ? bytes : "", length));
}

uint64_t mur_xxh64_of(const void *bytes, size_t length)
{
    return XXH3_64bits(length > 0 ? bytes : "", length);
}

enum mur_status mur_uuid5(uint8_t out[MUR_UUID_SIZE], const uint8_t name_space[MUR_UUID_SIZE],
                          const void *name, size_t length, struct mur_error *error)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context == NULL)
        return mur_error_no_memory(error);
    uint8_t value[EVP_MAX_MD_SIZE];
    bool done = EVP_DigestInit_ex(context, EVP_sha1(), NULL) == 1 &&
                EVP_DigestUpdate(context, name_space, MUR_UUID_SIZE) == 1 &&
                EVP_DigestUpdate(context, length > 0 ? name : "", length) == 1 &&
                EVP_DigestFinal_ex(context, value, NULL) == 1;
    EVP_MD_CTX_free(context);
    if (!done)
        return digest_failed(error);
    memcpy(out, value, MUR_UUID_SIZE);
    out[6] = (uint8_t)((out[6] & 0x0F) | 0x50); /* version 5 */
    out[8] = (uint8_t)((out[8] & 0x3F) | 0x80); /* variant of RFC 9562 */
    return MUR_OK;
}

void mur_hex_write(char *out, const uint8_t *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 0x0F];
    }
    out[2 * length] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum mur_status mur_hex_parse(uint8_t *out, size_t length, const char *text,
                              struct mur_error *error)
{
    bool right = strlen(text) == 2 * length;
    for (size_t i = 0; right && i < 2 * length; i++)
        right = hex_digit(text[i]) >= 0;
    if (!right)
        return mur_error_set(error, MUR_PARSE, "\"%.80s\" is not %zu hexadecimal digits", text,
                             2 * length);
    for (size_t i = 0; i < length; i++)
        out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
    return MUR_OK;
}
