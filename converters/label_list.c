/* The labels of a file, before anybody says what they mean. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "converters/label_bits.h"
#include "converters/label_values.h"
#include "converters/labels_to_seg.h"

struct scan {
    struct mur_label_map *map;
    const struct mur_label_map_header *header;
    struct mur_label_table table; /* all labels are welcome */
    uint16_t byte_entries[MUR_BYTE_VALUES];
    uint8_t *plane;
    size_t plane_size;
    bool (*seen)[MUR_LABEL_VALUES]; /* of each layer */
};

void mur_label_list_free(struct mur_label_list *list)
{
    free(list->items);
    mur_label_map_free(list->map);
    *list = (struct mur_label_list){.items = NULL};
}

/* Any values, one by one. */
static bool see_values(const struct scan *scan, bool seen[MUR_LABEL_VALUES], const void *voxels)
{
    size_t count = (size_t)scan->header->dims[0] * scan->header->dims[1];
    double last = NAN;
    for (size_t index = 0; index < count; index++) {
        double value = mur_label_value_at(scan->header, voxels, index);
        if (value == last)
            continue;
        last = value;
        if (mur_label_entry_of(&scan->table, scan->header, value) != 0)
            return false;
        seen[lrint(value)] = true;
    }
    return true;
}

static bool see_bytes(const struct scan *scan, bool seen[MUR_LABEL_VALUES])
{
    bool present[MUR_BYTE_VALUES];
    mur_bytes_present(present, scan->plane, scan->plane_size);
    for (unsigned byte = 0; byte < MUR_BYTE_VALUES; byte++) {
        if (present[byte] && scan->byte_entries[byte] != 0)
            return false;
        seen[byte] = seen[byte] || present[byte];
    }
    return true;
}

static enum mur_status see_slice(const struct scan *scan, uint32_t layer, uint32_t slice,
                                 struct mur_error *error)
{
    const void *voxels = NULL;
    enum mur_status status = mur_label_map_read_slice(&voxels, scan->map, layer, slice, error);
    if (status != MUR_OK)
        return status;
    const struct mur_label_steps steps = {.step = {1, scan->header->dims[0]}};
    bool *seen = scan->seen[layer];
    bool good = !scan->header->scaled && mur_label_narrow(scan->plane, &steps, scan->header, voxels)
                    ? see_bytes(scan, seen)
                    : see_values(scan, seen, voxels);
    return good ? MUR_OK : mur_label_refuse(scan->map, &scan->table, voxels, layer, slice, error);
}

static enum mur_status see_file(const struct scan *scan, struct mur_error *error)
{
    const struct mur_label_map_header *header = scan->header;
    uint32_t outer = header->interleaved ? header->dims[2] : header->layers;
    uint32_t inner = header->interleaved ? header->layers : header->dims[2];
    enum mur_status status = MUR_OK;
    for (uint32_t a = 0; status == MUR_OK && a < outer; a++)
        for (uint32_t b = 0; status == MUR_OK && b < inner; b++)
            status =
                see_slice(scan, header->interleaved ? b : a, header->interleaved ? a : b, error);
    return status;
}

static enum mur_status list_seen(struct mur_label_list *out, const struct scan *scan,
                                 const char *path, struct mur_error *error)
{
    size_t count = 0;
    for (uint32_t layer = 0; layer < scan->header->layers; layer++) {
        size_t before = count;
        for (uint32_t value = 1; value < MUR_LABEL_VALUES; value++)
            count += scan->seen[layer][value];
        if (count - before > MUR_LABEL_LIMIT)
            return mur_error_set(error, MUR_LIMIT, "%s: %zu labels: more than %d are no label map",
                                 path, count - before, MUR_LABEL_LIMIT);
    }
    out->items = calloc(count + 1, sizeof *out->items);
    if (out->items == NULL)
        return mur_error_no_memory(error);
    for (uint32_t layer = 0; layer < scan->header->layers; layer++)
        for (uint32_t value = 1; value < MUR_LABEL_VALUES; value++)
            if (scan->seen[layer][value])
                out->items[out->count++] =
                    (struct mur_label_found){.layer = layer + 1, .value = value};
    out->layers = scan->header->layers;
    return MUR_OK;
}

enum mur_status mur_label_list_read(struct mur_label_list *out, const char *path,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO_LABEL_LIST struct mur_label_list list = {.items = NULL};
    enum mur_status status = mur_label_map_open(&list.map, path, warnings, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_FREE struct scan *scan = calloc(1, sizeof *scan);
    if (scan == NULL)
        return mur_error_no_memory(error);
    scan->map = list.map;
    scan->header = mur_label_map_header(list.map);
    scan->plane_size = ((size_t)scan->header->dims[0] * scan->header->dims[1] + 7) / 8 * 8;
    MUR_AUTO_FREE uint8_t *plane = scan->plane = calloc(scan->plane_size, 1);
    MUR_AUTO_FREE void *seen = scan->seen = calloc(scan->header->layers, sizeof *scan->seen);
    if (plane == NULL || seen == NULL)
        return mur_error_no_memory(error);
    mur_label_byte_entries(scan->byte_entries, &scan->table, scan->header);
    status = see_file(scan, error);
    if (status == MUR_OK)
        status = list_seen(&list, scan, path, error);
    if (status == MUR_OK) {
        *out = list;
        list = (struct mur_label_list){.items = NULL};
    }
    return status;
}
