#include "web/auth.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/log.h"
#include "core/password.h"
#include "web/address.h"
#include "web/audit.h"

enum { FILE_LIMIT = 1 << 20, USERS = 4096, KNOWN = 64, NONCE = 32, HEADER_LIMIT = 8192 };
static const struct timespec failure_delay = {.tv_nsec = 300 * 1000 * 1000};

struct user {
    const char *name;
    enum mur_rights rights;
    const char *kept;
    bool token;
};

struct mur_auth {
    struct mur_buffer text; /* of the file, cut into what the users point to */
    struct user *users;
    size_t count;
    uint8_t nonce[NONCE];     /* so that digests of credentials mean nothing elsewhere */
    pthread_mutex_t deriving; /* one at a time: each takes memory and a processor */
    pthread_mutex_t mutex;    /* guards what follows */
    struct {
        uint8_t digest[MUR_SHA256_SIZE]; /* of an Authorization header that was right */
        const struct user *user;         /* NULL: free */
    } known[KNOWN];
    size_t next;
};

/* ---- the file -------------------------------------------------------------------------------- */

static enum mur_status read_line(struct mur_auth *auth, char *line, struct mur_error *error)
{
    char *rest = line;
    const char *name = strsep(&rest, ":");
    const char *role = strsep(&rest, ":");
    const char *kept = rest;
    if (kept == NULL || name[0] == '\0')
        return mur_error_set(error, MUR_INVALID, "a line is name:role:hash (murpacs user add)");
    struct user user = {.name = name, .kept = kept, .token = mur_password_is_token(kept)};
    if (strcmp(role, "r") == 0)
        user.rights = MUR_RIGHTS_READ;
    else if (strcmp(role, "rw") == 0)
        user.rights = MUR_RIGHTS_BOTH;
    else
        return mur_error_set(error, MUR_INVALID, "the role of %.80s is neither r nor rw", name);
    if (!mur_password_is_hash(kept))
        return mur_error_set(error, MUR_INVALID,
                             "the third field of %.80s is no hash (murpacs user add)", name);
    for (size_t i = 0; i < auth->count; i++)
        if (strcmp(auth->users[i].name, name) == 0)
            return mur_error_set(error, MUR_INVALID, "%.80s is there twice", name);
    if (auth->count == USERS)
        return mur_error_set(error, MUR_LIMIT, "more than %d users", (int)USERS);
    auth->users[auth->count++] = user;
    return MUR_OK;
}

static enum mur_status check_permissions(const char *path, struct mur_error *error)
{
    struct stat details;
    if (stat(path, &details) != 0)
        return mur_error_set_errno(error, errno, "%s (web.users_file)", path);
    if ((details.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return mur_error_set(error, MUR_DENIED,
                             "%s (web.users_file) is open to others: chmod 600 it", path);
    return MUR_OK;
}

static enum mur_status read_file(struct mur_auth *auth, const char *path, struct mur_error *error)
{
    enum mur_status status = check_permissions(path, error);
    if (status == MUR_OK)
        status = mur_file_read_all(&auth->text, path, FILE_LIMIT, error);
    if (status != MUR_OK)
        return status;
    auth->users = calloc(USERS, sizeof *auth->users);
    if (auth->users == NULL)
        return mur_error_no_memory(error);
    char *rest = auth->text.data;
    unsigned number = 0;
    for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL;) {
        number++;
        if (line[0] == '\0' || line[0] == '#')
            continue;
        status = read_line(auth, line, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "%s:%u", path, number);
    }
    return MUR_OK;
}

enum mur_status mur_auth_create(struct mur_auth **out, const struct mur_config *config, bool local,
                                struct mur_error *error)
{
    if (config->web_users_file[0] == '\0' && !local)
        return mur_error_set(error, MUR_DENIED,
                             "%s can be reached from outside and nobody has to say who they are: "
                             "make a file of users (murpacs user add NAME) and name it in "
                             "web.users_file, or set web.bind = \"127.0.0.1\"",
                             config->web_bind);
    if (config->web_users_file[0] == '\0') {
        *out = NULL;
        return MUR_OK;
    }
    struct mur_auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL)
        return mur_error_no_memory(error);
    (void)pthread_mutex_init(&auth->deriving, NULL);
    (void)pthread_mutex_init(&auth->mutex, NULL);
    enum mur_status status = mur_random_bytes(auth->nonce, NONCE, error);
    if (status == MUR_OK)
        status = read_file(auth, config->web_users_file, error);
    if (status != MUR_OK) {
        mur_auth_free(auth);
        return status;
    }
    *out = auth;
    return MUR_OK;
}

void mur_auth_free(struct mur_auth *auth)
{
    if (auth == NULL)
        return;
    (void)pthread_mutex_destroy(&auth->mutex);
    (void)pthread_mutex_destroy(&auth->deriving);
    mur_buffer_free(&auth->text);
    free(auth->users);
    free(auth);
}

/* ---- what was right before ------------------------------------------------------------------- */

static enum mur_status digest_of(uint8_t out[MUR_SHA256_SIZE], const struct mur_auth *auth,
                                 const char *credentials, struct mur_error *error)
{
    MUR_AUTO(mur_sha256) *digest = NULL;
    enum mur_status status = mur_sha256_create(&digest, error);
    if (status == MUR_OK)
        status = mur_sha256_update(digest, auth->nonce, NONCE, error);
    if (status == MUR_OK)
        status = mur_sha256_update(digest, credentials, strlen(credentials), error);
    return status == MUR_OK ? mur_sha256_finish(out, digest, error) : status;
}

static const struct user *recall(struct mur_auth *auth, const uint8_t digest[MUR_SHA256_SIZE])
{
    const struct user *user = NULL;
    (void)pthread_mutex_lock(&auth->mutex);
    for (size_t i = 0; i < KNOWN; i++)
        if (auth->known[i].user != NULL &&
            mur_secret_equal(auth->known[i].digest, digest, MUR_SHA256_SIZE))
            user = auth->known[i].user;
    (void)pthread_mutex_unlock(&auth->mutex);
    return user;
}

static void remember(struct mur_auth *auth, const uint8_t digest[MUR_SHA256_SIZE],
                     const struct user *user)
{
    (void)pthread_mutex_lock(&auth->mutex);
    memcpy(auth->known[auth->next].digest, digest, MUR_SHA256_SIZE);
    auth->known[auth->next].user = user;
    auth->next = (auth->next + 1) % KNOWN;
    (void)pthread_mutex_unlock(&auth->mutex);
}

/* ---- credentials ----------------------------------------------------------------------------- */

/* Whether the header is of that scheme. @param[out] rest  what follows */
static bool is_scheme(const char **rest, const char *header, const char *scheme)
{
    size_t length = strlen(scheme);
    if (strncasecmp(header, scheme, length) != 0 || header[length] != ' ')
        return false;
    *rest = header + length + strspn(header + length, " ");
    return true;
}

/* "name:password" as Base64 (RFC 4648). @param[out] out  of at least strlen(text) + 1 bytes
 * @return its length; 0: it is none */
static size_t decode(char *out, const char *text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (; *text != '\0' && *text != '=' && *text != ' '; text++) {
        const char *digit = strchr(digits, *text);
        if (digit == NULL)
            return 0;
        bits = (bits << 6 | (uint32_t)(digit - digits)) & 0xFFFFFF;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[length++] = (char)(unsigned char)(bits >> have & 0xFF);
        }
    }
    out[length] = '\0';
    return text[strspn(text, "= ")] == '\0' ? length : 0;
}

/* @param[out] out  NULL: the password is wrong, or there is no such user */
static enum mur_status find_by_password(const struct user **out, struct mur_auth *auth,
                                        const char *encoded, struct mur_error *error)
{
    MUR_AUTO_FREE char *text = malloc(strlen(encoded) + 1);
    if (text == NULL)
        return mur_error_no_memory(error);
    size_t length = decode(text, encoded);
    char *colon = memchr(text, ':', length);
    *out = NULL;
    /* A NUL would make another name of it. */
    if (colon == NULL || memchr(text, '\0', (size_t)(colon - text)) != NULL)
        return MUR_OK;
    *colon = '\0';
    const struct user *user = NULL;
    for (size_t i = 0; i < auth->count; i++)
        if (!auth->users[i].token && strcmp(auth->users[i].name, text) == 0)
            user = &auth->users[i];
    const struct mur_slice password = {.data = colon + 1,
                                       .length = length - (size_t)(colon + 1 - text)};
    bool matches = false;
    (void)pthread_mutex_lock(&auth->deriving);
    /* Names that are not there take the same time. */
    enum mur_status status =
        mur_password_verify(&matches, user != NULL ? user->kept : "", password, error);
    (void)pthread_mutex_unlock(&auth->deriving);
    explicit_bzero(text, length);
    if (status == MUR_OK && matches)
        *out = user;
    return status;
}

static enum mur_status find_by_token(const struct user **out, const struct mur_auth *auth,
                                     const char *token, struct mur_error *error)
{
    *out = NULL;
    for (size_t i = 0; i < auth->count; i++) {
        bool matches = false;
        if (!auth->users[i].token)
            continue;
        enum mur_status status =
            mur_password_verify(&matches, auth->users[i].kept, mur_slice_of(token), error);
        if (status != MUR_OK)
            return status;
        if (matches)
            *out = &auth->users[i];
    }
    return MUR_OK;
}

static enum mur_status find_user(const struct user **out, struct mur_auth *auth, const char *header,
                                 struct mur_error *error)
{
    uint8_t digest[MUR_SHA256_SIZE];
    const char *rest = NULL;
    *out = NULL;
    if (strlen(header) > HEADER_LIMIT)
        return MUR_OK;
    if (is_scheme(&rest, header, "Bearer"))
        return find_by_token(out, auth, rest, error);
    if (!is_scheme(&rest, header, "Basic"))
        return MUR_OK;
    enum mur_status status = digest_of(digest, auth, rest, error);
    if (status != MUR_OK)
        return status;
    *out = recall(auth, digest);
    if (*out != NULL)
        return MUR_OK;
    status = find_by_password(out, auth, rest, error);
    if (status == MUR_OK && *out != NULL)
        remember(auth, digest, *out);
    return status;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static enum mur_status answer_401(struct mur_exchange *exchange, struct mur_error *error)
{
    enum mur_status status =
        mur_answer(exchange, MHD_HTTP_UNAUTHORIZED, "text/plain; charset=utf-8",
                   mur_slice_of("say who you are: a user with password, or a token\n"), error);
    if (status == MUR_OK)
        status = mur_answer_header(exchange, "WWW-Authenticate",
                                   "Basic realm=\"Murpacs\", charset=\"UTF-8\"", error);
    return status == MUR_OK
               ? mur_answer_header(exchange, "WWW-Authenticate", "Bearer realm=\"Murpacs\"", error)
               : status;
}

/* Where somebody tried in vain; what a proxy says of them is for people to read alone. */
static void log_failure(const struct mur_exchange *exchange)
{
    char peer[NI_MAXHOST];
    MUR_AUTO_FREE char *forwarded = NULL;
    mur_exchange_peer(peer, exchange);
    if (mur_exchange_header(&forwarded, exchange, "X-Forwarded-For", NULL) != MUR_OK)
        forwarded = NULL;
    mur_log_warning(MUR_LOG_WEB, "%s %s: 401: wrong name, password or token from %s%s%.100s%s",
                    exchange->method, exchange->path, peer,
                    forwarded != NULL ? " (which says, for " : "",
                    forwarded != NULL ? forwarded : "", forwarded != NULL ? ")" : "");
}

/* Where nobody has to say who they are, a page from elsewhere must not come in by a name of its own
 * that it has made to mean this machine (DNS rebinding): to the browser it is the same origin. */
static enum mur_status check_host(const struct mur_exchange *exchange, struct mur_error *error)
{
    MUR_AUTO_FREE char *host = NULL;
    enum mur_status status = mur_exchange_header(&host, exchange, "Host", error);
    if (status != MUR_OK || host == NULL || mur_host_is_local(host))
        return status;
    return mur_error_set(error, MUR_DENIED,
                         "\"%.200s\" is not how this machine is called by those at it: ask for "
                         "http://127.0.0.1, or set web.users_file",
                         host);
}

enum mur_status mur_auth_check(struct mur_auth *auth, struct mur_exchange *exchange,
                               struct mur_error *error)
{
    if (exchange->route->access == MUR_ACCESS_OPEN)
        return MUR_OK;
    if (auth == NULL)
        return check_host(exchange, error);
    MUR_AUTO_FREE char *header = NULL;
    const struct user *user = NULL;
    enum mur_status status = mur_exchange_header(&header, exchange, "Authorization", error);
    if (status == MUR_OK && header == NULL)
        return answer_401(exchange, error);
    if (status == MUR_OK)
        status = find_user(&user, auth, header, error);
    if (status != MUR_OK)
        return status;
    if (user == NULL) {
        log_failure(exchange);
        mur_web_audit_refusal(exchange, MUR_AUDIT_NOT_AUTHENTICATED);
        (void)nanosleep(&failure_delay, NULL); /* of this connection alone */
        return answer_401(exchange, error);
    }
    exchange->user = user->name;
    if (exchange->route->access == MUR_ACCESS_WRITE && (user->rights & MUR_RIGHTS_WRITE) == 0)
        return mur_error_set(error, MUR_DENIED, "%s may read, not store", user->name);
    return MUR_OK;
}
