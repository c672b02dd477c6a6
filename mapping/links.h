/**
 * Late scans: rules by which an object that came without a table finds its row of the ISA-Tab. They
 * stand in the list "links" of the mapping file, in order; a rule compares attributes of a header
 * with what the tables say of a scan.
 * Threads: rules may be used by any thread.
 */
#ifndef MUR_MAPPING_LINKS_H
#define MUR_MAPPING_LINKS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/json.h"
#include "core/own.h"
#include "mapping/mapping.h"

struct mur_link_rules;

/** @param[out] out  the caller's; borrows from @p mapping
 * @retval MUR_INVALID  "FILE:LINE: reason" */
MUR_NODISCARD
enum mur_status mur_link_rules_create(struct mur_link_rules **out,
                                      const struct mur_mapping *mapping, struct mur_error *error);
void mur_link_rules_free(struct mur_link_rules *rules); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_link_rules, mur_link_rules_free)

size_t mur_link_rules_count(const struct mur_link_rules *rules); /**< NULL: 0 */
/** All that the rule says, as text: the same for the same rule of another day. Borrowed. */
const char *mur_link_rule_text(const struct mur_link_rules *rules, size_t rule);

/** Whether a rule compares the cells of a column of this name. */
MUR_NODISCARD
enum mur_status mur_link_rules_ask_for(bool *out, const struct mur_link_rules *rules,
                                       const char *column, struct mur_error *error);

/** What the rule compares, as text. */
struct mur_link_keys {
    char **texts; /**< several where the tables say several things of the scan */
    size_t count;
};
void mur_link_keys_free(struct mur_link_keys *keys); /**< the content */
#define MUR_AUTO_LINK_KEYS __attribute__((cleanup(mur_link_keys_free)))

/** What the tables say of a scan. @param[out] out  zeroed before; none where something is missing
 */
MUR_NODISCARD
enum mur_status mur_link_keys_of_scan(struct mur_link_keys *out, const struct mur_link_rules *rules,
                                      size_t rule, const struct mur_scan *scan,
                                      struct mur_error *error);
/** What a header says. @param elements  DICOM JSON; @param file  that it was imported from, or ""
 * @param[out] out  malloc'ed; NULL where something is missing or does not fit the pattern */
MUR_NODISCARD
enum mur_status mur_link_key_of_header(char **out, const struct mur_link_rules *rules, size_t rule,
                                       const struct mur_json *elements, const char *file,
                                       struct mur_error *error);

#endif
