/** Headers of table columns and what belongs to what. Private to isa/. */
#ifndef MUR_ISA_COLUMN_H
#define MUR_ISA_COLUMN_H

#include "core/error.h"
#include "isa/isa.h"
#include "isa/strings.h"

enum { MUR_ISA_COLUMN_LIMIT = 16384 };

/**
 * Recognises one header: blanks and case do not matter. @p out gets kind, header and name; nothing
 * is attached yet. @param[out] normalised  it was not spelt as the specification has it
 */
MUR_NODISCARD
enum mur_status mur_isa_column_read(struct mur_isa_column *out, bool *normalised,
                                    struct mur_isa_strings *strings, struct mur_slice header,
                                    struct mur_error *error);

/** Gives each column its owner and its qualifiers. A qualifier that follows nothing becomes
 * MUR_ISA_OTHER. @return how many did */
uint32_t mur_isa_columns_attach(struct mur_isa_column *columns, uint32_t count);

#endif
