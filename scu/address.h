/**
 * Whom to talk to, as a user writes it: "HOST PORT" (DCMTK's way), "AET@HOST:PORT" (dcm4che's way;
 * an IPv6 address stands in brackets), or the AE title of a peer in the configuration.
 * Threads: any.
 */
#ifndef MUR_SCU_ADDRESS_H
#define MUR_SCU_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/error.h"

enum { MUR_HOST_SIZE = 256, MUR_AE_TITLE_SIZE = 17 };

/** What is called where nobody said: DCMTK's default. */
#define MUR_ANY_SCP "ANY-SCP"

struct mur_address {
    char host[MUR_HOST_SIZE];
    uint16_t port;
    char called_ae_title[MUR_AE_TITLE_SIZE];  /**< of the peer */
    char calling_ae_title[MUR_AE_TITLE_SIZE]; /**< ours */
    bool tls;                                 /**< the configuration says so of this peer */
};

/** An AE title without the blanks around it (PS3.5 6.2): 1 to 16 printable ASCII characters, no
 * backslash. @param[in] what  for the message: "-aec" */
MUR_NODISCARD
enum mur_status mur_ae_title_parse(char out[MUR_AE_TITLE_SIZE], const char *text, const char *what,
                                   struct mur_error *error);

/**
 * Reads the address at the front of @p words. We call ourselves node.ae_title.
 * @param[out] used  how many words it took: 1 or 2
 * @retval MUR_INVALID  no address; the message says what would be one
 */
MUR_NODISCARD
enum mur_status mur_address_parse(struct mur_address *out, size_t *used, const char *const *words,
                                  size_t count, const struct mur_config *config,
                                  struct mur_error *error);

enum { MUR_ADDRESS_TEXT_SIZE = MUR_HOST_SIZE + MUR_AE_TITLE_SIZE + 16 };
/** "ORTHANC at 127.0.0.1 port 4242"; @return @p out */
const char *mur_address_format(char out[MUR_ADDRESS_TEXT_SIZE], const struct mur_address *address);

#endif
