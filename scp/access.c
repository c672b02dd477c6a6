#include "scp/access.h"

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* Whether a host of the list is at this address. */
static bool is_at(const char *host, const char *address)
{
    if (strcmp(host, address) == 0)
        return true;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    bool same = false;
    for (const struct addrinfo *at = found; at != NULL && !same; at = at->ai_next) {
        char numeric[NI_MAXHOST];
        same = getnameinfo(at->ai_addr, at->ai_addrlen, numeric, sizeof(numeric), NULL, 0,
                           NI_NUMERICHOST) == 0 &&
               strcmp(numeric, address) == 0;
    }
    freeaddrinfo(found);
    return same;
}

struct mur_access mur_access_of(const struct mur_config *config, const char *calling_ae_title,
                                const char *address)
{
    const struct mur_peer *peer = mur_config_find_peer(config, calling_ae_title);
    if (peer == NULL)
        return (struct mur_access){.rights = config->dicom_unknown_peers};
    if (!is_at(peer->host, address))
        return (struct mur_access){.rights = config->dicom_unknown_peers,
                                   .remark = "its AE title is listed with another host"};
    return (struct mur_access){.rights = peer->rights};
}
