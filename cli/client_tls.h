/** TLS of the commands that talk to a peer, by DCMTK's options: +tls KEY CERTIFICATE, +tla, +cf
 * FILE, +cd FOLDER among the arguments, -tls and -ic; and --secure. Threads: the program's first.
 */
#ifndef MUR_CLI_CLIENT_TLS_H
#define MUR_CLI_CLIENT_TLS_H

#include <stdbool.h>

#include "cli/cli.h"
#include "dicom/tls.h"

/** What popt read. */
struct mur_client_tls_words {
    int secure, plain, ignore;
};
extern struct mur_client_tls_words mur_client_tls_words;

/** Takes DCMTK's words out of the arguments of @p cli. @retval MUR_INVALID one of them is cut short
 */
MUR_NODISCARD
enum mur_status mur_client_tls_take(struct mur_cli *cli, struct mur_error *error);
/**
 * @param[out] out    what to talk by, as long as the program runs; NULL: plain
 * @param configured  what the configuration says of the peer, if it knows it
 * @retval MUR_INVALID  options that contradict each other, or files of no use
 */
MUR_NODISCARD
enum mur_status mur_client_tls_open(struct mur_tls **out, const struct mur_cli *cli,
                                    bool configured, struct mur_error *error);

#endif
