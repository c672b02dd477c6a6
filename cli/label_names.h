/**
 * What the labels of label maps mean, by what the user says of them, else by what the files say
 * themselves, else by the organ table and their names. Threads: one at a time.
 */
#ifndef MUR_CLI_LABEL_NAMES_H
#define MUR_CLI_LABEL_NAMES_H

#include <stddef.h>

#include "converters/label_json.h"
#include "converters/labels_to_seg.h"
#include "converters/report.h"
#include "core/error.h"
#include "mapping/organs.h"

/** What the user said; all borrowed. Lists end with NULL, and may be NULL. */
struct mur_label_naming {
    const char *const *files;
    size_t file_count;
    char *const *texts;      /**< "1=liver" */
    char *const *masks;      /**< what each file shows, whatever its labels */
    const char *labels_path; /**< of ITK-SNAP or JSON (label_json.h) or an organ table; or NULL */
    const struct mur_organs *organs;
    enum mur_segment_algorithm algorithm; /**< where nothing else is said */
    const char *algorithm_name;
};

struct mur_label_names {
    struct mur_label_segment *segments; /**< as mur_labels_to_seg() takes them */
    size_t count, capacity;
    /* What they point into: */
    struct mur_labels described;
    struct mur_label_json json;
    struct mur_organs *organs;
    struct mur_label_list *lists; /* of each file */
    size_t list_count;
    char **texts;
    size_t text_count, text_capacity;
};

void mur_label_names_free(struct mur_label_names *names); /**< the content */
#define MUR_AUTO_LABEL_NAMES __attribute__((cleanup(mur_label_names_free)))

/**
 * @param[out] out  empty before; mur_label_names_free(), also after a failure. Borrows @p naming
 * @param[in,out] warnings  names that the organ table does not know; labels that nobody names
 * @retval MUR_INVALID  contradictions
 * @retval others       as mur_label_list_read(), mur_labels_read(), mur_label_json_read()
 */
MUR_NODISCARD
enum mur_status mur_label_names_make(struct mur_label_names *out,
                                     const struct mur_label_naming *naming,
                                     struct mur_warnings *warnings, struct mur_error *error);

#endif
