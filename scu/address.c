#include "scu/address.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

enum { AE_TITLE_LENGTH = MUR_AE_TITLE_SIZE - 1, NAMES_SIZE = 400 };

static const char forms[] = "HOST PORT, AET@HOST:PORT, or a peer of the configuration";

enum mur_status mur_ae_title_parse(char out[MUR_AE_TITLE_SIZE], const char *text, const char *what,
                                   struct mur_error *error)
{
    struct mur_slice title = mur_slice_trim(mur_slice_of(text));
    bool right = title.length > 0 && title.length <= AE_TITLE_LENGTH;
    for (size_t i = 0; right && i < title.length; i++)
        right = title.data[i] >= ' ' && title.data[i] <= '~' && title.data[i] != '\\';
    if (!right)
        return mur_error_set(error, MUR_INVALID,
                             "%s \"%s\": an AE title has 1 to 16 characters of ASCII, no backslash",
                             what, text);
    memcpy(out, title.data, title.length);
    out[title.length] = '\0';
    return MUR_OK;
}

static enum mur_status set_host(struct mur_address *address, struct mur_slice host,
                                struct mur_error *error)
{
    if (host.length == 0 || host.length >= MUR_HOST_SIZE)
        return mur_error_set(error, MUR_INVALID, "the host is missing or too long");
    memcpy(address->host, host.data, host.length);
    address->host[host.length] = '\0';
    return MUR_OK;
}

static enum mur_status set_port(struct mur_address *address, struct mur_slice text,
                                struct mur_error *error)
{
    int64_t port = 0;
    if (mur_parse_int64(&port, text, 1, UINT16_MAX, NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID, "\"%.*s\" is no port (1 to 65535)",
                             (int)(text.length < NAMES_SIZE ? text.length : NAMES_SIZE), text.data);
    address->port = (uint16_t)port;
    return MUR_OK;
}

/* "AET@HOST:PORT", "AET@[::1]:PORT". An AE title may hold an '@' itself, a host cannot. */
static enum mur_status parse_joined(struct mur_address *address, const char *word,
                                    struct mur_error *error)
{
    const char *at = strrchr(word, '@');
    struct mur_slice title = {.data = word, .length = (size_t)(at - word)};
    const char *colon = strrchr(at, ':');
    char called[MUR_AE_TITLE_SIZE] = "";
    if (title.length >= sizeof called)
        return mur_error_set(error, MUR_INVALID, "the AE title before '@' is longer than 16");
    memcpy(called, title.data, title.length);
    enum mur_status status =
        mur_ae_title_parse(address->called_ae_title, called, "before '@':", error);
    if (status != MUR_OK)
        return status;
    if (colon == NULL)
        return mur_error_set(error, MUR_INVALID, "the port is missing");
    struct mur_slice host = {.data = at + 1, .length = (size_t)(colon - at - 1)};
    bool bracketed = host.length >= 2 && host.data[0] == '[' && host.data[host.length - 1] == ']';
    if (bracketed)
        host = (struct mur_slice){.data = host.data + 1, .length = host.length - 2};
    else if (memchr(host.data, ':', host.length) != NULL)
        return mur_error_set(error, MUR_INVALID,
                             "an IPv6 address stands in brackets: AET@[::1]:104");
    status = set_host(address, host, error);
    return status == MUR_OK ? set_port(address, mur_slice_of(colon + 1), error) : status;
}

static enum mur_status take_peer(struct mur_address *address, const struct mur_peer *peer,
                                 struct mur_error *error)
{
    enum mur_status status = set_host(address, mur_slice_of(peer->host), error);
    if (status == MUR_OK)
        status = mur_ae_title_parse(address->called_ae_title, peer->ae_title, "peers:", error);
    address->port = (uint16_t)peer->port;
    address->tls = peer->tls;
    return status;
}

static enum mur_status unknown(const char *word, const struct mur_config *config,
                               struct mur_error *error)
{
    char names[NAMES_SIZE] = "none";
    size_t used = 0;
    for (size_t i = 0; i < config->peer_count && used < sizeof names - 40; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? ", " : "",
                                 config->peers[i].ae_title);
    return mur_error_set(error, MUR_INVALID,
                         "\"%s\" is no peer of the configuration (there are: %s), and no port "
                         "follows it; an address is %s",
                         word, names, forms);
}

enum mur_status mur_address_parse(struct mur_address *out, size_t *used, const char *const *words,
                                  size_t count, const struct mur_config *config,
                                  struct mur_error *error)
{
    struct mur_address address = {.called_ae_title = MUR_ANY_SCP};
    if (count == 0)
        return mur_error_set(error, MUR_INVALID, "whom to talk to? An address is %s", forms);
    size_t taken = 1;
    enum mur_status status =
        mur_ae_title_parse(address.calling_ae_title, config->node_ae_title, "node.ae_title", error);
    if (status != MUR_OK)
        return status;
    const struct mur_peer *peer = mur_config_find_peer(config, words[0]);
    if (peer != NULL) {
        status = take_peer(&address, peer, error);
    } else if (strchr(words[0], '@') != NULL) {
        status = parse_joined(&address, words[0], error);
    } else if (count == 1 || mur_parse_int64(&(int64_t){0}, mur_slice_of(words[1]), INT64_MIN,
                                             INT64_MAX, NULL) != MUR_OK) {
        return unknown(words[0], config, error);
    } else {
        taken = 2;
        status = set_host(&address, mur_slice_of(words[0]), error);
        if (status == MUR_OK)
            status = set_port(&address, mur_slice_of(words[1]), error);
    }
    if (status != MUR_OK)
        return mur_error_prefix(error, "address \"%s\"", words[0]);
    *out = address;
    *used = taken;
    return MUR_OK;
}

const char *mur_address_format(char out[MUR_ADDRESS_TEXT_SIZE], const struct mur_address *address)
{
    (void)snprintf(out, MUR_ADDRESS_TEXT_SIZE, "%s at %s port %u", address->called_ae_title,
                   address->host, address->port);
    return out;
}
