/**
 * Writes an archive, or a part of it, as ISA-Tab: UTF-8, LF, headers as the specification spells
 * them, quotes only where they are needed. What the investigation file says beyond the structs
 * (comments of every section, labels that are not known) is copied from the delivered file.
 * Threads: one at a time.
 */
#ifndef MUR_ISA_WRITE_H
#define MUR_ISA_WRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "isa/isa.h"

/** What is written, and how it differs from what was read. Each function may be NULL: all as it is.
 * An assay of NULL stands for the study, and its table. */
struct mur_isa_part {
    /** Whether a study, or an assay of it, is written at all. */
    bool (*has)(void *user, const struct mur_isa_study *study, const struct mur_isa_assay *assay);
    bool (*has_row)(void *user, const struct mur_isa_study *study,
                    const struct mur_isa_assay *assay, uint32_t row);
    /** Headers of columns that are put behind column @p column; NULL-terminated, or NULL. They
     * have cell numbers 1 and up. */
    const char *const *(*columns)(void *user, const struct mur_isa_study *study,
                                  const struct mur_isa_assay *assay, uint32_t column);
    /** What a cell says instead: *@p out holds what was read, or "" in an added column.
     * @param number  0: the column itself; else of the columns behind it */
    enum mur_status (*cell)(const char **out, void *user, const struct mur_isa_study *study,
                            const struct mur_isa_assay *assay, uint32_t row, uint32_t column,
                            size_t number, struct mur_error *error);
    void *user;
};

/**
 * Writes into @p directory, which is made if absent. Tables that were not readable are left out,
 * and so are their assays; a study of which nothing is written is left out; so is an investigation
 * without studies. A study table that several studies name is written once, with the rows that any
 * of them has, and so is an assay table that its study names twice.
 * @param directory  where the investigation file goes: under the folder that it had beneath the
 *                   root
 * @retval MUR_EXISTS  a file that would be written is there already, or two studies have one
 *                     assay table: it cannot name the objects of both
 * @retval MUR_DENIED, MUR_NO_SPACE, MUR_IO, MUR_NO_MEMORY
 */
MUR_NODISCARD
enum mur_status mur_isa_write(const struct mur_isa *isa, const char *directory,
                              const struct mur_isa_part *part, struct mur_error *error);

#endif
