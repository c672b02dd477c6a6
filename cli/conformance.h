/**
 * The tables of docs/conformance-statement.md (PS3.2), made from the tables that the program works
 * with. scripts/refresh_conformance.py puts them in their places.
 */
#ifndef MUR_CLI_CONFORMANCE_H
#define MUR_CLI_CONFORMANCE_H

#include "core/buffer.h"
#include "core/error.h"

/** Appends all of them as Markdown, each between a line "<!-- begin NAME -->" and a line
 * "<!-- end NAME -->". */
MUR_NODISCARD
enum mur_status mur_conformance_tables(struct mur_buffer *out, struct mur_error *error);

#endif
