/** From keys to the cells of an ISA-Tab that they mean: "SELECT f.id FROM isa_cell f ...", where
 * each text stands once. What matches is found by a column and the beginning of a text, by a
 * number, or by trigrams (FTS5) where a pattern begins with a wild card. */
#ifndef MUR_DB_CELL_CONDITION_H
#define MUR_DB_CELL_CONDITION_H

#include "db/condition.h"

bool mur_condition_has_sql(const struct mur_condition *condition);
bool mur_has_wildcard(struct mur_slice text);
/** Whether a key of the query has a value that counts. */
bool mur_is_matched(const struct mur_query *query, size_t key);
/** The longest part without @p separators. @return false: it is too short to be looked for */
bool mur_longest_piece(struct mur_slice *out, struct mur_slice text, const char *separators);

/** "kind:name=value": up to the first "=" it is the heading, which may go without its kind. In
 * cells that have a "=" themselves it may be another one, and without any the whole is looked at.
 * @param whole  the expression, over isa_column k and isa_cell f, that is compared then */
MUR_NODISCARD
enum mur_status mur_condition_add_whole_cell(struct mur_condition *cells, struct mur_slice text,
                                             const char *whole, struct mur_error *error);
/** Element xx01: any of its values. Appends nothing if there is none. */
MUR_NODISCARD
enum mur_status mur_condition_add_attribute_cells(struct mur_condition *cells, const char *text,
                                                  struct mur_error *error);
/** A plain element of the private block. */
MUR_NODISCARD
enum mur_status mur_condition_add_element_cells(struct mur_condition *cells,
                                                const struct mur_query_key *key,
                                                struct mur_error *error);
/** All keys of the item of element xx02 that key number @p first is of; marks them as @p done. */
MUR_NODISCARD
enum mur_status mur_condition_add_item(struct mur_condition *cells, const struct mur_query *query,
                                       size_t first, bool *done, struct mur_error *error);

/** Appends "SELECT f.id FROM isa_cell f ..." for the cells that element xx02 is answered with;
 * nothing where all are. */
MUR_NODISCARD
enum mur_status mur_condition_list_answered_cells(struct mur_condition *cells,
                                                  const struct mur_query *query,
                                                  struct mur_error *error);

/** Appends " AND (...)" for the cells that element xx02 is answered with, a row f of isa_cell and a
 * row k of isa_column: those that an item of the query matches (PS3.4 C.2.2.2.6); nothing where all
 * are. */
MUR_NODISCARD
enum mur_status mur_condition_add_answered_cells(struct mur_condition *condition,
                                                 const struct mur_query *query,
                                                 struct mur_error *error);

#endif
