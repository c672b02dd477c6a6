/**
 * What labels mean, from JSON: the files that dcmqi's itkimage2segimage takes (segmentAttributes),
 * and those that mur_seg_to_labels() writes beside a label map (Labels).
 * Threads: any may read what was read.
 */
#ifndef MUR_CONVERTERS_LABEL_JSON_H
#define MUR_CONVERTERS_LABEL_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "converters/labels_to_seg.h"
#include "core/error.h"
#include "core/json.h"

struct mur_label_json {
    struct mur_json *document;          /**< holds all texts */
    struct mur_label_segment *segments; /**< in the order of the text */
    size_t count;
    size_t file_count; /**< label maps that it speaks of: segments[].file is below it */
};

void mur_label_json_free(struct mur_label_json *labels); /**< the content; leaves it empty */
#define MUR_AUTO_LABEL_JSON __attribute__((cleanup(mur_label_json_free)))

/**
 * @param[out] out  empty before; mur_label_json_free(). Codes that are not given have value NULL
 * @retval MUR_PARSE  no JSON; neither of the two; a label without value, or out of range
 * @retval MUR_LIMIT  more than 16 MiB
 */
MUR_NODISCARD
enum mur_status mur_label_json_read(struct mur_label_json *out, const char *path,
                                    struct mur_error *error);

#endif
