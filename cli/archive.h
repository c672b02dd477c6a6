/** The archive of the configuration, with what it needs of it. */
#ifndef MUR_CLI_ARCHIVE_H
#define MUR_CLI_ARCHIVE_H

#include "archive/archive.h"
#include "core/config.h"
#include "core/error.h"
#include "mapping/links.h"
#include "mapping/mapping.h"

struct mur_cli_archive {
    struct mur_mapping *mapping; /**< of the ISA-Tab */
    struct mur_link_rules *links;
    struct mur_archive *archive;
};
#define MUR_AUTO_CLI_ARCHIVE __attribute__((cleanup(mur_cli_archive_free)))
void mur_cli_archive_free(struct mur_cli_archive *of); /**< the content */

/** What is made from now on is nobody's beyond the group (files 0640, folders 0750), whatever the
 * umask was; for commands that may make or extend an archive. Threads: before the first is made. */
void mur_cli_private_files(void);

/** What every command says alike of an archive; the caller adds its own. Borrows from both. */
struct mur_archive_options mur_cli_archive_options(const struct mur_config *config,
                                                   const struct mur_cli_archive *of);

/** Loads the mapping and its rules: needed by whatever adds series or tables. */
MUR_NODISCARD
enum mur_status mur_cli_load_links(struct mur_cli_archive *out, const struct mur_config *config,
                                   struct mur_error *error);

/** An archive that is there, with mapping and rules.
 * @param[out] out  zeroed before; mur_cli_archive_free(), also after a failure */
MUR_NODISCARD
enum mur_status mur_cli_open_archive(struct mur_cli_archive *out, const struct mur_config *config,
                                     struct mur_error *error);

#endif
