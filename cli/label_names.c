#include "cli/label_names.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"

struct maker {
    struct mur_label_names *out;
    const struct mur_label_naming *naming;
    const struct mur_organs *organs;
    struct mur_warnings *warnings;
    struct mur_error *error;
};

void mur_label_names_free(struct mur_label_names *names)
{
    for (size_t index = 0; index < names->text_count; index++)
        free(names->texts[index]);
    for (size_t index = 0; index < names->list_count; index++)
        mur_label_list_free(&names->lists[index]);
    free(names->texts);
    free(names->lists);
    free(names->segments);
    mur_labels_free(&names->described);
    mur_label_json_free(&names->json);
    mur_organs_free(names->organs);
    memset(names, 0, sizeof *names);
}

/* ---- pieces -----------------------------------------------------------------------------------
 */

/* Keeps a text as long as the names. */
static enum mur_status keep_text(const char **out, struct maker *maker, char *text)
{
    struct mur_label_names *names = maker->out;
    if (names->text_count == names->text_capacity) {
        size_t capacity = names->text_capacity == 0 ? 16 : names->text_capacity * 2;
        char **texts = reallocarray(names->texts, capacity, sizeof *texts);
        if (texts == NULL) {
            free(text);
            return mur_error_no_memory(maker->error);
        }
        names->texts = texts;
        names->text_capacity = capacity;
    }
    *out = names->texts[names->text_count++] = text;
    return MUR_OK;
}

static struct mur_code code_of(const struct mur_organ_code *code)
{
    return (struct mur_code){
        .value = code->value, .scheme = code->scheme, .meaning = code->meaning};
}

static const struct mur_organ *organ_of(const struct maker *maker, const char *name)
{
    const struct mur_organ *organ = mur_organs_find(maker->organs, name);
    return organ != NULL ? organ : mur_organs_unknown(maker->organs);
}

/* Adds a segment; what it does not say of codes and colour comes from the organ. @param[in] said
 * its name was given by somebody */
static enum mur_status add(struct maker *maker, const struct mur_label_segment *given,
                           const struct mur_organ *organ, bool said)
{
    struct mur_label_names *names = maker->out;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 16 : names->capacity * 2;
        struct mur_label_segment *segments =
            reallocarray(names->segments, capacity, sizeof *segments);
        if (segments == NULL)
            return mur_error_no_memory(maker->error);
        names->segments = segments;
        names->capacity = capacity;
    }
    struct mur_label_segment *added = &names->segments[names->count++];
    struct mur_segment *segment = &added->segment;
    *added = *given;
    if (segment->algorithm_name == NULL) {
        segment->algorithm = maker->naming->algorithm;
        segment->algorithm_name = maker->naming->algorithm_name;
    }
    if (!segment->has_color && organ->has_rgb) {
        segment->has_color = true;
        memcpy(segment->rgb, organ->rgb, sizeof segment->rgb);
    }
    if (mur_code_given(&segment->category) && mur_code_given(&segment->type))
        return MUR_OK;
    segment->category = code_of(&organ->category);
    segment->type = code_of(&organ->type);
    segment->type_modifier = code_of(&organ->modifier);
    segment->region = code_of(&organ->region);
    return !said || organ != mur_organs_unknown(maker->organs)
               ? MUR_OK
               : mur_warn(maker->warnings, maker->error,
                          "\"%s\" is no name of the organ table: coded as %s", segment->label,
                          organ->type.meaning);
}

static enum mur_status add_named(struct maker *maker, size_t file, uint32_t layer, int64_t value,
                                 const char *name, const uint8_t *rgb)
{
    struct mur_label_segment given = {
        .file = file, .layer = layer, .value = value, .segment = {.label = name}};
    if (rgb != NULL) {
        given.segment.has_color = true;
        memcpy(given.segment.rgb, rgb, sizeof given.segment.rgb);
    }
    return add(maker, &given, organ_of(maker, name), true);
}

/* The labels of a file, read at most once. */
static enum mur_status list_of(const struct mur_label_list **out, struct maker *maker, size_t file)
{
    struct mur_label_names *names = maker->out;
    if (names->lists == NULL)
        names->lists = calloc(maker->naming->file_count, sizeof *names->lists);
    if (names->lists == NULL)
        return mur_error_no_memory(maker->error);
    names->list_count = maker->naming->file_count;
    *out = &names->lists[file];
    if (names->lists[file].map != NULL)
        return MUR_OK;
    return mur_label_list_read(&names->lists[file], maker->naming->files[file], maker->warnings,
                               maker->error);
}

static bool has_label(const struct mur_label_list *list, uint32_t layer, int64_t value)
{
    for (size_t index = 0; index < list->count; index++)
        if (list->items[index].value == value && (layer == 0 || list->items[index].layer == layer))
            return true;
    return false;
}

/* ---- what the user says -----------------------------------------------------------------------
 */

/* Of a single file all that is said holds, so that what it lacks can be told; of several each has
 * what it has. */
static enum mur_status is_wanted(bool *out, struct maker *maker, size_t file, uint32_t layer,
                                 int64_t value)
{
    const struct mur_label_list *list = NULL;
    *out = true;
    if (maker->naming->file_count == 1)
        return MUR_OK;
    enum mur_status status = list_of(&list, maker, file);
    if (status == MUR_OK)
        *out = has_label(list, layer, value);
    return status;
}

static enum mur_status name_wanted(struct maker *maker, size_t file, int64_t value,
                                   const char *name, const uint8_t *rgb)
{
    bool wanted = false;
    enum mur_status status = is_wanted(&wanted, maker, file, 0, value);
    return status == MUR_OK && wanted ? add_named(maker, file, 0, value, name, rgb) : status;
}

static enum mur_status add_texts(struct maker *maker, size_t file)
{
    enum mur_status status = MUR_OK;
    for (char *const *next = maker->naming->texts;
         status == MUR_OK && next != NULL && *next != NULL; next++) {
        const char *mark = strchr(*next, '=');
        int64_t value = 0;
        struct mur_slice number = {.data = *next,
                                   .length = mark == NULL ? 0 : (size_t)(mark - *next)};
        if (mark == NULL || mark[1] == '\0' ||
            mur_parse_int64(&value, number, 1, MUR_LABEL_LARGEST, NULL) != MUR_OK)
            return mur_error_set(maker->error, MUR_INVALID,
                                 "--label %s: not VALUE=NAME with a value from 1 to %d", *next,
                                 MUR_LABEL_LARGEST);
        status = name_wanted(maker, file, value, mark + 1, NULL);
    }
    return status;
}

static enum mur_status add_described(struct maker *maker, size_t file)
{
    const struct mur_labels *labels = &maker->out->described;
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < labels->count; index++)
        status = name_wanted(maker, file, labels->items[index].value, labels->items[index].name,
                             labels->items[index].rgb);
    return status;
}

static enum mur_status add_json(struct maker *maker, size_t file)
{
    const struct mur_label_json *json = &maker->out->json;
    bool by_file = json->file_count > 1;
    if (by_file && maker->naming->file_count > 1 && json->file_count != maker->naming->file_count)
        return mur_error_set(maker->error, MUR_INVALID, "%s speaks of %zu label maps, not of %zu",
                             maker->naming->labels_path, json->file_count,
                             maker->naming->file_count);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < json->count; index++) {
        struct mur_label_segment given = json->segments[index];
        bool wanted = true;
        if (by_file && maker->naming->file_count > 1)
            wanted = given.file == file;
        else
            status = is_wanted(&wanted, maker, file, given.layer, given.value);
        if (status != MUR_OK || !wanted)
            continue;
        given.file = file;
        if (given.segment.label == NULL)
            return mur_error_set(maker->error, MUR_INVALID, "%s: label %" PRId64 " has no name",
                                 maker->naming->labels_path, given.value);
        status = add(maker, &given, organ_of(maker, given.segment.label), true);
    }
    return status;
}

static enum mur_status add_masks(struct maker *maker)
{
    size_t count = 0;
    enum mur_status status = MUR_OK;
    for (char *const *next = maker->naming->masks; status == MUR_OK && *next != NULL; next++)
        status = add_named(maker, count++, 0, MUR_LABEL_ANY, *next, NULL);
    if (status == MUR_OK && count != maker->naming->file_count)
        return mur_error_set(maker->error, MUR_INVALID, "%zu label maps, but %zu times --organ",
                             maker->naming->file_count, count);
    return status;
}

/* ---- what the files say -----------------------------------------------------------------------
 */

/* Segments of a .seg.nrrd. */
static enum mur_status add_own(struct maker *maker, size_t file,
                               const struct mur_label_map_header *header)
{
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < header->segment_count; index++) {
        const struct mur_nrrd_segment *own = &header->segments[index];
        struct mur_label_segment given = {
            .file = file,
            .layer = header->layers > 1 ? own->layer + 1 : 0,
            .value = own->value,
            .segment = {.label = own->name,
                        .category = own->category,
                        .type = own->type,
                        .type_modifier = own->type_modifier,
                        .region = own->region,
                        .region_modifier = own->region_modifier,
                        .has_color = own->has_rgb,
                        .rgb = {own->rgb[0], own->rgb[1], own->rgb[2]}},
        };
        if (own->value < 1)
            return mur_error_set(maker->error, MUR_LIMIT,
                                 "%s: segment \"%s\" has label %" PRId64 "; 1 to %d are possible",
                                 maker->naming->files[file], own->name, own->value,
                                 MUR_LABEL_LARGEST);
        status = add(maker, &given, organ_of(maker, own->name), true);
    }
    return status;
}

static bool is_own(const struct mur_label_map_header *header, const struct mur_label_found *label)
{
    for (size_t index = 0; index < header->segment_count; index++)
        if (header->segments[index].value == label->value &&
            header->segments[index].layer + 1 == label->layer)
            return true;
    return false;
}

/* "m1_liver.nii.gz" is named "m1_liver". */
static enum mur_status name_of_file(const char **out, struct maker *maker, size_t file)
{
    char *text = NULL;
    const char *base = mur_path_base(maker->naming->files[file]);
    size_t length = strcspn(base, ".");
    enum mur_status status =
        mur_text_copy(&text, (struct mur_slice){.data = base, .length = length}, maker->error);
    return status == MUR_OK ? keep_text(out, maker, text) : status;
}

static enum mur_status name_of_label(const char **out, struct maker *maker,
                                     const struct mur_label_found *label, bool in_layer)
{
    char *text = NULL;
    enum mur_status status =
        in_layer ? mur_text_format(&text, maker->error, "Layer %" PRIu32 " label %" PRId64,
                                   label->layer, label->value)
                 : mur_text_format(&text, maker->error, "Label %" PRId64, label->value);
    return status == MUR_OK ? keep_text(out, maker, text) : status;
}

/* A label that nothing names: by the site's meanings of labels, by the file's name where it holds
 * nothing else, else by its number. */
static enum mur_status add_nameless(struct maker *maker, size_t file,
                                    const struct mur_label_list *list,
                                    const struct mur_label_found *label)
{
    const char *path = maker->naming->files[file];
    const struct mur_organ *organ = mur_organs_find_label(maker->organs, label->value);
    struct mur_label_segment given = {
        .file = file, .layer = list->layers > 1 ? label->layer : 0, .value = label->value};
    enum mur_status status = MUR_OK;
    if (organ == NULL && list->count == 1)
        organ = mur_organs_find_file(maker->organs, path);
    if (organ != NULL) {
        given.segment.label = organ->name;
        status =
            mur_warn(maker->warnings, maker->error, "%s: label %" PRId64 " is taken for \"%s\"",
                     path, label->value, organ->name);
        return status == MUR_OK ? add(maker, &given, organ, true) : status;
    }
    if (list->count == 1 && maker->naming->file_count > 1)
        status = name_of_file(&given.segment.label, maker, file);
    else
        status = name_of_label(&given.segment.label, maker, label, list->layers > 1);
    if (status == MUR_OK)
        status = mur_warn(maker->warnings, maker->error,
                          "%s: nothing says what label %" PRId64 " means", path, label->value);
    return status == MUR_OK ? add(maker, &given, mur_organs_unknown(maker->organs), false) : status;
}

static enum mur_status add_by_itself(struct maker *maker, size_t file)
{
    const struct mur_label_list *list = NULL;
    enum mur_status status = list_of(&list, maker, file);
    if (status != MUR_OK)
        return status;
    if (list->count == 0)
        return mur_error_set(maker->error, MUR_MISMATCH, "%s: no voxel is labelled",
                             maker->naming->files[file]);
    const struct mur_label_map_header *header = mur_label_map_header(list->map);
    status = add_own(maker, file, header);
    for (size_t index = 0; status == MUR_OK && index < list->count; index++)
        if (!is_own(header, &list->items[index]))
            status = add_nameless(maker, file, list, &list->items[index]);
    return status;
}

/* ---- all together -----------------------------------------------------------------------------
 */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && mur_ascii_equal_ignore_case(text + length - tail, end);
}

static enum mur_status read_labels(struct maker *maker)
{
    const char *path = maker->naming->labels_path;
    struct mur_label_names *out = maker->out;
    if (path == NULL)
        return MUR_OK;
    if (ends_with(path, ".json"))
        return mur_label_json_read(&out->json, path, maker->error);
    if (!ends_with(path, ".cfg"))
        return mur_labels_read(&out->described, path, maker->error);
    enum mur_status status = mur_organs_load(&out->organs, path, maker->error);
    maker->organs = out->organs;
    return status;
}

enum mur_status mur_label_names_make(struct mur_label_names *out,
                                     const struct mur_label_naming *naming,
                                     struct mur_warnings *warnings, struct mur_error *error)
{
    struct maker maker = {.out = out,
                          .naming = naming,
                          .organs = naming->organs,
                          .warnings = warnings,
                          .error = error};
    bool masks = naming->masks != NULL && naming->masks[0] != NULL;
    bool texts = naming->texts != NULL && naming->texts[0] != NULL;
    if (masks && (texts || naming->labels_path != NULL))
        return mur_error_set(error, MUR_INVALID, "--organ excludes --label and --labels");
    if (masks)
        return add_masks(&maker);
    enum mur_status status = read_labels(&maker);
    bool said = texts || out->described.count > 0 || out->json.count > 0;
    for (size_t file = 0; status == MUR_OK && file < naming->file_count; file++) {
        status = said ? add_texts(&maker, file) : add_by_itself(&maker, file);
        if (status == MUR_OK && said)
            status = add_described(&maker, file);
        if (status == MUR_OK && said)
            status = add_json(&maker, file);
    }
    return status;
}
