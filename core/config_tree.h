/**
 * A configuration file of free form (libconfig syntax) as a read-only tree: groups, lists, texts
 * and numbers, each knowing its line. For tables that are data, such as the mapping of ISA-Tab
 * columns; the node's own settings are in config.h.
 *
 * Settings and texts are borrowed from the tree. Threads: any may read a tree.
 */
#ifndef MUR_CORE_CONFIG_TREE_H
#define MUR_CORE_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"

struct mur_config_tree;
struct mur_setting;

/** @retval MUR_NOT_FOUND, MUR_DENIED, MUR_IO  the file cannot be read
 * @retval MUR_INVALID  "FILE:LINE: reason"; MUR_LIMIT longer than 16 MiB */
MUR_NODISCARD
enum mur_status mur_config_tree_load(struct mur_config_tree **out, const char *path,
                                     struct mur_error *error);
/** From text; @p name stands for the file in messages. */
MUR_NODISCARD
enum mur_status mur_config_tree_parse(struct mur_config_tree **out, const char *text,
                                      const char *name, struct mur_error *error);
void mur_config_tree_free(struct mur_config_tree *tree);
MUR_DEFINE_AUTO(mur_config_tree, mur_config_tree_free)

/** The group that is the file. */
const struct mur_setting *mur_config_tree_root(const struct mur_config_tree *tree);

enum mur_setting_type {
    MUR_SETTING_GROUP, /**< { name = ...; } */
    MUR_SETTING_LIST,  /**< ( ... ) or [ ... ] */
    MUR_SETTING_TEXT,
    MUR_SETTING_INT,
    MUR_SETTING_DOUBLE,
    MUR_SETTING_BOOL,
};
enum mur_setting_type mur_setting_type(const struct mur_setting *setting);
/** "" for elements of a list and for the root. */
const char *mur_setting_name(const struct mur_setting *setting);
/** Members of a group or list; 0 for all others and NULL. */
size_t mur_setting_count(const struct mur_setting *setting);
const struct mur_setting *mur_setting_at(const struct mur_setting *setting, size_t index);
/** The member of a group, or NULL. */
const struct mur_setting *mur_setting_get(const struct mur_setting *group, const char *name);

/** Sets MUR_INVALID, "FILE:LINE: ...". */
enum mur_status mur_setting_error(const struct mur_setting *setting, struct mur_error *error,
                                  const char *format, ...) MUR_PRINTF(3, 4);

/** Every member must be one of @p names (NULL-terminated). @retval MUR_INVALID names the other */
MUR_NODISCARD
enum mur_status mur_setting_check_names(const struct mur_setting *group, const char *const *names,
                                        struct mur_error *error);

/* A member of a group. Absent: success, @p out untouched. Of another type: MUR_INVALID. */

MUR_NODISCARD
enum mur_status mur_setting_get_text(const char **out, const struct mur_setting *group,
                                     const char *name, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_setting_get_int(int64_t *out, const struct mur_setting *group, const char *name,
                                    int64_t low, int64_t high, struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_setting_get_bool(bool *out, const struct mur_setting *group, const char *name,
                                     struct mur_error *error);
/** A group or a list. */
MUR_NODISCARD
enum mur_status mur_setting_get_members(const struct mur_setting **out,
                                        const struct mur_setting *group, const char *name,
                                        enum mur_setting_type type, struct mur_error *error);
/** The text of a list's element, or of a text setting itself at index 0. */
MUR_NODISCARD
enum mur_status mur_setting_text_at(const char **out, const struct mur_setting *list, size_t index,
                                    struct mur_error *error);
/** The whole number that a list's element is; false: it is none. */
bool mur_setting_int_at(int64_t *out, const struct mur_setting *list, size_t index);

#endif
