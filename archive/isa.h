/**
 * The ISA-Tab in the archive: its tables are kept as delivered, by version, below isa/; what each
 * scan says answers for the patients, studies and series that are linked to it.
 */
#ifndef MUR_ARCHIVE_ISA_H
#define MUR_ARCHIVE_ISA_H

#include "archive/archive.h"
#include "core/error.h"
#include "isa/isa.h"
#include "mapping/mapping.h"

/** Rows of the index for the scans of an ISA-Tab, in the order of the list. */
struct mur_isa_rows {
    char *dataset; /**< identifier under which it is known */
    int64_t *scans;
    size_t count;
    size_t changed;   /**< scans that are new or say something else than before */
    bool new_version; /**< the tables differ from those that were kept */
};
void mur_isa_rows_free(struct mur_isa_rows *rows); /**< the content; NULL is fine */
#define MUR_AUTO_ISA_ROWS __attribute__((cleanup(mur_isa_rows_free)))

/** Name of an ISA-Tab for ever: the identifiers of its investigations, else of its studies, else
 * the name of its folder. @param[out] out malloc'ed */
MUR_NODISCARD
enum mur_status mur_isa_dataset_identifier(char **out, const struct mur_isa *isa,
                                           struct mur_error *error);

/**
 * Takes an ISA-Tab, or a new version of it, in one transaction: what is linked to a scan whose row
 * has changed answers with the new values at once. Objects are not touched. The same tables again
 * change nothing.
 */
MUR_NODISCARD
enum mur_status mur_archive_put_isa(struct mur_isa_rows *out, struct mur_archive *archive,
                                    const struct mur_isa *isa, const struct mur_scan_list *scans,
                                    struct mur_error *error);

#endif
