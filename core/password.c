#include "core/password.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>

#include "core/digest.h"
#include "core/own.h"

/* RFC 7914: 16 MiB. What is in a file may ask for so much more, and no more. */
enum {
    COST = 14,
    BLOCK = 8,
    PARALLEL = 1,
    COST_MOST = 18,
    BLOCK_MOST = 16,
    PARALLEL_MOST = 4,
    SALT = 16,
    HASH = 32,
};
static const uint64_t MEMORY_MOST = (uint64_t)600 << 20;
static const char token_prefix[] = "sha256$";

struct kept {
    unsigned cost, block, parallel;
    uint8_t salt[SALT];
    uint8_t hash[HASH];
};

static enum mur_status derive(uint8_t hash[HASH], const struct kept *kept,
                              struct mur_slice password, struct mur_error *error)
{
    if (EVP_PBE_scrypt(password.data, password.length, kept->salt, SALT, (uint64_t)1 << kept->cost,
                       kept->block, kept->parallel, MEMORY_MOST, hash, HASH) != 1)
        return mur_error_set(error, MUR_INTERNAL, "scrypt failed");
    return MUR_OK;
}

enum mur_status mur_random_bytes(void *out, size_t length, struct mur_error *error)
{
    if (length > INT32_MAX || RAND_bytes(out, (int)length) != 1)
        return mur_error_set(error, MUR_INTERNAL, "there are no random numbers");
    return MUR_OK;
}

enum mur_status mur_password_hash(char **out, struct mur_slice password, struct mur_error *error)
{
    if (password.length == 0 || password.length > MUR_PASSWORD_LIMIT)
        return mur_error_set(error, MUR_INVALID, "a password has 1 to %d bytes",
                             (int)MUR_PASSWORD_LIMIT);
    struct kept kept = {.cost = COST, .block = BLOCK, .parallel = PARALLEL};
    enum mur_status status = mur_random_bytes(kept.salt, SALT, error);
    if (status == MUR_OK)
        status = derive(kept.hash, &kept, password, error);
    if (status != MUR_OK)
        return status;
    char salt[2 * SALT + 1];
    char hash[2 * HASH + 1];
    mur_hex_write(salt, kept.salt, SALT);
    mur_hex_write(hash, kept.hash, HASH);
    return mur_text_format(out, error, "scrypt$%d$%d$%d$%s$%s", COST, BLOCK, PARALLEL, salt, hash);
}

enum mur_status mur_token_create(char token[MUR_TOKEN_SIZE], char **kept, struct mur_error *error)
{
    uint8_t secret[32];
    unsigned char text[48]; /* 4 characters for 3 bytes, and NUL */
    enum mur_status status = mur_random_bytes(secret, sizeof secret, error);
    if (status != MUR_OK)
        return status;
    int length = EVP_EncodeBlock(text, secret, (int)sizeof secret);
    while (length > 0 && text[length - 1] == '=')
        text[--length] = '\0';
    for (int i = 0; i < length; i++) /* RFC 4648 5: fits headers and addresses */
        text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    uint8_t hash[MUR_SHA256_SIZE];
    char hex[MUR_SHA256_TEXT_SIZE];
    status = mur_sha256_of(hash, text, (size_t)length, error);
    if (status != MUR_OK)
        return status;
    mur_hex_write(hex, hash, sizeof hash);
    status = mur_text_format(kept, error, "%s%s", token_prefix, hex);
    if (status == MUR_OK)
        memcpy(token, text, MUR_TOKEN_SIZE); /* 43 characters and NUL */
    return status;
}

/* "scrypt$14$8$1$SALT$HASH" */
static bool read_kept(struct kept *out, const char *text)
{
    char salt[2 * SALT + 1];
    char hash[2 * HASH + 1];
    int end = 0;
    if (sscanf(text, "scrypt$%2u$%2u$%1u$%32[0-9a-f]$%64[0-9a-f]%n", &out->cost, &out->block,
               &out->parallel, salt, hash, &end) != 5 ||
        text[end] != '\0')
        return false;
    return out->cost >= 1 && out->cost <= COST_MOST && out->block >= 1 &&
           out->block <= BLOCK_MOST && out->parallel >= 1 && out->parallel <= PARALLEL_MOST &&
           mur_hex_parse(out->salt, SALT, salt, NULL) == MUR_OK &&
           mur_hex_parse(out->hash, HASH, hash, NULL) == MUR_OK;
}

static bool read_token(uint8_t hash[MUR_SHA256_SIZE], const char *text)
{
    size_t length = sizeof token_prefix - 1;
    return strncmp(text, token_prefix, length) == 0 &&
           mur_hex_parse(hash, MUR_SHA256_SIZE, text + length, NULL) == MUR_OK;
}

bool mur_password_is_token(const char *text)
{
    uint8_t hash[MUR_SHA256_SIZE];
    return read_token(hash, text);
}

bool mur_password_is_hash(const char *text)
{
    struct kept kept;
    return mur_password_is_token(text) || read_kept(&kept, text);
}

enum mur_status mur_password_verify(bool *matches, const char *kept, struct mur_slice password,
                                    struct mur_error *error)
{
    struct kept wanted = {.cost = COST, .block = BLOCK, .parallel = PARALLEL};
    uint8_t hash[HASH];
    uint8_t of_token[MUR_SHA256_SIZE];
    enum mur_status status;
    if (read_token(of_token, kept)) {
        status = mur_sha256_of(hash, password.data, password.length, error);
        if (status == MUR_OK)
            *matches = mur_secret_equal(hash, of_token, sizeof of_token);
        return status;
    }
    if (kept[0] != '\0' && !read_kept(&wanted, kept))
        return mur_error_set(error, MUR_INVALID, "it is no hash of a password");
    if (password.length > MUR_PASSWORD_LIMIT)
        password.length = 0; /* matches none */
    status = derive(hash, &wanted, password, error);
    if (status == MUR_OK)
        *matches =
            mur_secret_equal(hash, wanted.hash, HASH) && kept[0] != '\0' && password.length > 0;
    OPENSSL_cleanse(hash, sizeof hash);
    return status;
}

bool mur_secret_equal(const void *a, const void *b, size_t length)
{
    return CRYPTO_memcmp(a, b, length) == 0;
}
