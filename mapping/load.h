/** Readers of the parts of a mapping file (etc/isa-mapping.cfg). Each gives MUR_OK, or an error
 * that names the file and the line. What a reader has filled is freed by mur_mapping_free(), also
 * after an error. Private to mapping/. */
#ifndef MUR_MAPPING_LOAD_H
#define MUR_MAPPING_LOAD_H

#include "mapping/internal.h"

/* ---- pieces (load_pieces.c) ------------------------------------------------------------------ */

/** Zeroed memory for as many items as @list has; the caller counts them as they are filled.
 * @param[out] out  address of the pointer; freed with free() */
MUR_NODISCARD
enum mur_status mur_load_list(void *out, const struct mur_setting *list, size_t size,
                              struct mur_error *error);

/** How the texts of a list become keys. */
typedef enum mur_status mur_make_key(char **out, struct mur_slice text, struct mur_error *error);

/** The member of @group, a text or a list of texts, as keys; none where it is absent. */
MUR_NODISCARD
enum mur_status mur_load_keys(struct mur_keys *out, const struct mur_setting *group,
                              const char *member, mur_make_key *make, struct mur_error *error);
void mur_keys_free(struct mur_keys *keys);

/** The table that "table" of @group names; *out is as it was where that is absent. */
MUR_NODISCARD
enum mur_status mur_load_table_name(const struct mur_table **out, const struct mur_mapping *mapping,
                                    const struct mur_setting *group, struct mur_error *error);

/** The field with this name among those already read. */
bool mur_load_find_field(size_t *out, const struct mur_mapping *mapping, struct mur_slice name);

/* ---- targets (load_target.c) ----------------------------------------------------------------- */

bool mur_load_find_level(enum mur_level *out, const char *name);

/** "level" of @group; *out is as it was where that is absent. */
MUR_NODISCARD
enum mur_status mur_load_level(enum mur_level *out, const struct mur_setting *group,
                               struct mur_error *error);

/** Attribute, level and conditions: what fields, templates and summaries have in common. */
MUR_NODISCARD
enum mur_status mur_load_place(struct mur_target *target, const struct mur_setting *group,
                               struct mur_error *error);

/** A field's target: the place, and how a value is converted. */
MUR_NODISCARD
enum mur_status mur_load_target(struct mur_target *target, const struct mur_mapping *mapping,
                                const struct mur_setting *group, struct mur_error *error);

/** The member of @group: one attribute, by its keyword or path, or as an element of the private
 * block. *out stays NULL where it is absent. */
MUR_NODISCARD
enum mur_status mur_load_attribute(struct mur_target **out, const struct mur_setting *group,
                                   const char *member, struct mur_error *error);

/** The member of @group: a list of attributes. */
MUR_NODISCARD
enum mur_status mur_load_attributes(struct mur_target **out, size_t *count,
                                    const struct mur_setting *group, const char *member,
                                    struct mur_error *error);

/** What @target holds, not itself. */
void mur_target_free(struct mur_target *target);
/** All of them and the list. */
void mur_targets_free(struct mur_target *targets, size_t count);

/* ---- sections, after the fields -------------------------------------------------------------- */

MUR_NODISCARD
enum mur_status mur_load_templates(struct mur_mapping *mapping, const struct mur_setting *root,
                                   struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_load_summaries(struct mur_mapping *mapping, const struct mur_setting *root,
                                   struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_load_rules(struct mur_mapping *mapping, const struct mur_setting *root,
                               struct mur_error *error);

#endif
