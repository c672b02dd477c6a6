#include "cli/client_tls.h"

#include <stdlib.h>
#include <string.h>

enum { AUTHORITIES = 16 };

struct mur_client_tls_words mur_client_tls_words;

/* What was among the arguments: one command line a program. */
static struct {
    bool with_certificate, anonymous;
    const char *key, *certificate;
    const char *authorities[AUTHORITIES];
    size_t authority_count;
    const char **rest; /* the other arguments */
    struct mur_tls *tls;
} said;

static bool is_word(const char *argument, const char *word)
{
    return strcmp(argument, word) == 0;
}

/* @param[in,out] at  of the word; then of the last that belongs to it */
static enum mur_status take_word(bool *taken, size_t *at, const struct mur_cli *cli,
                                 struct mur_error *error)
{
    const char *word = cli->arguments[*at];
    bool is_pair = is_word(word, "+tls");
    bool is_authority = is_word(word, "+cf") || is_word(word, "+cd");
    size_t values = is_pair ? 2 : is_authority ? 1 : 0;
    *taken = is_pair || is_authority || is_word(word, "+tla");
    if (*at + values >= cli->argument_count)
        return mur_error_set(error, MUR_INVALID,
                             "what follows %s? +tls KEY CERTIFICATE, +cf FILE, "
                             "+cd FOLDER",
                             word);
    if (is_authority && said.authority_count == AUTHORITIES)
        return mur_error_set(error, MUR_INVALID, "more than %d times +cf and +cd", AUTHORITIES);
    if (is_pair) {
        said.with_certificate = true;
        said.key = cli->arguments[*at + 1];
        said.certificate = cli->arguments[*at + 2];
    } else if (is_authority) {
        said.authorities[said.authority_count++] = cli->arguments[*at + 1];
    } else if (*taken) {
        said.anonymous = true;
    }
    *at += values;
    return MUR_OK;
}

enum mur_status mur_client_tls_take(struct mur_cli *cli, struct mur_error *error)
{
    size_t count = 0;
    free(said.rest);
    said.rest = calloc(cli->argument_count + 1, sizeof *said.rest);
    if (said.rest == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < cli->argument_count; i++) {
        const char *word = cli->arguments[i];
        bool taken = false;
        enum mur_status status = take_word(&taken, &i, cli, error);
        if (status != MUR_OK)
            return status;
        if (!taken)
            said.rest[count++] = word;
    }
    cli->arguments = said.rest;
    cli->argument_count = count;
    return MUR_OK;
}

enum mur_status mur_client_tls_open(struct mur_tls **out, const struct mur_cli *cli,
                                    bool configured, struct mur_error *error)
{
    bool by_words = said.with_certificate || said.anonymous;
    bool wanted = by_words || mur_client_tls_words.secure != 0 || configured;
    if (said.with_certificate + said.anonymous + (mur_client_tls_words.secure != 0) +
            (mur_client_tls_words.plain != 0) >
        1)
        return mur_error_set(error, MUR_INVALID,
                             "+tls, +tla, --secure and -tls exclude one another");
    *out = NULL;
    if (mur_client_tls_words.plain != 0)
        return MUR_OK;
    if (!wanted && (said.authority_count > 0 || mur_client_tls_words.ignore != 0))
        return mur_error_set(error, MUR_INVALID,
                             "+cf, +cd and -ic are about TLS: +tls KEY "
                             "CERTIFICATE, +tla or --secure");
    if (!wanted)
        return MUR_OK;
    struct mur_tls_options options = mur_tls_options_of(cli->config);
    if (by_words) {
        options.key = said.with_certificate ? said.key : "";
        options.certificate = said.with_certificate ? said.certificate : "";
        options.verify = MUR_TLS_VERIFY_REQUIRE;
    }
    if (said.authority_count > 0) {
        options.authorities = said.authorities;
        options.authority_count = said.authority_count;
    }
    if (mur_client_tls_words.ignore != 0)
        options.verify = MUR_TLS_VERIFY_NONE;
    enum mur_status status = mur_tls_create(&said.tls, &options, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "TLS (+tls, +cf, -ic, dicom.tls_...)");
    *out = said.tls;
    return MUR_OK;
}
