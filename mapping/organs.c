#include "mapping/organs.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "isa/encoding.h"
#include "mapping/names.h"

enum {
    ORGAN_LIMIT = 10000,
    LABEL_LARGEST = 65535,
    LABEL_CHARACTERS = 64,
    LABEL_FILE_LIMIT = 16 * 1024 * 1024
};

struct organ_name {
    char *key; /* folded */
    size_t organ;
};

/** What a label means by default. */
struct label_meaning {
    int64_t value;
    const struct mur_organ *organ;
};

struct mur_organs {
    struct mur_config_tree *tree; /* holds all texts */
    struct mur_organ *organs;
    size_t count;
    struct organ_name *names; /* sorted by key */
    size_t name_count;
    size_t name_capacity;
    const struct mur_organ *unknown;
    struct label_meaning *labels;
    size_t label_count;
};

void mur_organs_free(struct mur_organs *organs)
{
    if (organs == NULL)
        return;
    for (size_t i = 0; i < organs->name_count; i++)
        free(organs->names[i].key);
    free(organs->names);
    free(organs->labels);
    free(organs->organs);
    mur_config_tree_free(organs->tree);
    free(organs);
}

static enum mur_status read_code(struct mur_organ_code *out, const struct mur_setting *setting,
                                 struct mur_error *error)
{
    struct mur_organ_code code = {"", "", ""};
    if (mur_setting_type(setting) != MUR_SETTING_LIST || mur_setting_count(setting) != 3)
        return mur_setting_error(setting, error, "a code is [\"value\", \"scheme\", \"meaning\"]");
    enum mur_status status = mur_setting_text_at(&code.value, setting, 0, error);
    if (status == MUR_OK)
        status = mur_setting_text_at(&code.scheme, setting, 1, error);
    if (status == MUR_OK)
        status = mur_setting_text_at(&code.meaning, setting, 2, error);
    if (status == MUR_OK)
        *out = code;
    return status;
}

/** A code of its own, or the name of one in the group @p shared. */
static enum mur_status read_shared_code(struct mur_organ_code *out, const struct mur_setting *organ,
                                        const char *member, const struct mur_setting *shared,
                                        struct mur_error *error)
{
    const struct mur_setting *setting = mur_setting_get(organ, member);
    *out = (struct mur_organ_code){"", "", ""};
    if (setting == NULL)
        return MUR_OK;
    if (mur_setting_type(setting) != MUR_SETTING_TEXT)
        return read_code(out, setting, error);
    const char *name = "";
    enum mur_status status = mur_setting_text_at(&name, setting, 0, error);
    if (status != MUR_OK)
        return status;
    const struct mur_setting *code = mur_setting_get(shared, name);
    if (code == NULL)
        return mur_setting_error(setting, error, "there is no \"%s\" above", name);
    return read_code(out, code, error);
}

static enum mur_status read_rgb(struct mur_organ *organ, const struct mur_setting *setting,
                                struct mur_error *error)
{
    const struct mur_setting *rgb = mur_setting_get(setting, "rgb");
    if (rgb == NULL)
        return MUR_OK;
    bool good = mur_setting_count(rgb) == 3;
    for (size_t i = 0; i < 3 && good; i++) {
        int64_t value = 0;
        good = mur_setting_int_at(&value, rgb, i) && value >= 0 && value <= 255;
        organ->rgb[i] = (uint8_t)value;
    }
    if (!good)
        return mur_setting_error(rgb, error, "a colour is [red, green, blue], each 0 to 255");
    organ->has_rgb = true;
    return MUR_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct organ_name *)a)->key, ((const struct organ_name *)b)->key);
}

static enum mur_status add_name(struct mur_organs *organs, const char *name, size_t organ,
                                struct mur_error *error)
{
    if (organs->name_count == organs->name_capacity) {
        size_t capacity = organs->name_capacity == 0 ? 128 : organs->name_capacity * 2;
        struct organ_name *names = reallocarray(organs->names, capacity, sizeof *names);
        if (names == NULL)
            return mur_error_no_memory(error);
        organs->names = names;
        organs->name_capacity = capacity;
    }
    enum mur_status status =
        mur_mapping_key(&organs->names[organs->name_count].key, mur_slice_of(name), error);
    if (status == MUR_OK)
        organs->names[organs->name_count++].organ = organ;
    return status;
}

static enum mur_status read_organ(struct mur_organs *organs, size_t index,
                                  const struct mur_setting *setting, const struct mur_setting *root,
                                  struct mur_error *error)
{
    static const char *const members[] = {"names",  "category", "type",       "modifier",
                                          "region", "rgb",      "unverified", NULL};
    struct mur_organ *organ = &organs->organs[index];
    enum mur_status status = mur_setting_check_names(setting, members, error);
    if (status == MUR_OK)
        status = read_shared_code(&organ->category, setting, "category",
                                  mur_setting_get(root, "categories"), error);
    if (status == MUR_OK)
        status = read_shared_code(&organ->type, setting, "type", NULL, error);
    if (status == MUR_OK)
        status = read_shared_code(&organ->modifier, setting, "modifier",
                                  mur_setting_get(root, "modifiers"), error);
    if (status == MUR_OK)
        status = read_shared_code(&organ->region, setting, "region", NULL, error);
    if (status == MUR_OK)
        status = read_rgb(organ, setting, error);
    if (status == MUR_OK)
        status = mur_setting_get_bool(&organ->unverified, setting, "unverified", error);
    if (status != MUR_OK)
        return status;
    const struct mur_setting *names = mur_setting_get(setting, "names");
    if (mur_setting_count(names) == 0 || organ->category.value[0] == '\0' ||
        organ->type.value[0] == '\0')
        return mur_setting_error(setting, error, "an organ needs names, category and type");
    for (size_t i = 0; i < mur_setting_count(names) && status == MUR_OK; i++) {
        const char *name = "";
        status = mur_setting_text_at(&name, names, i, error);
        if (status == MUR_OK)
            status = add_name(organs, name, index, error);
        if (i == 0)
            organ->name = name;
    }
    return status;
}

/** labels = ( { value = 1; organ = "liver"; } ) */
static enum mur_status read_meanings(struct mur_organs *organs, const struct mur_setting *root,
                                     struct mur_error *error)
{
    static const char *const members[] = {"value", "organ", NULL};
    const struct mur_setting *list = NULL;
    enum mur_status status =
        mur_setting_get_members(&list, root, "labels", MUR_SETTING_LIST, error);
    size_t count = mur_setting_count(list);
    if (status != MUR_OK || count == 0)
        return status;
    if (count > LABEL_LARGEST)
        return mur_setting_error(list, error, "more than %d labels", LABEL_LARGEST);
    organs->labels = calloc(count, sizeof *organs->labels);
    if (organs->labels == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        const struct mur_setting *one = mur_setting_at(list, i);
        struct label_meaning *label = &organs->labels[i];
        const char *name = NULL;
        status = mur_setting_check_names(one, members, error);
        if (status == MUR_OK)
            status = mur_setting_get_int(&label->value, one, "value", 1, LABEL_LARGEST, error);
        if (status == MUR_OK)
            status = mur_setting_get_text(&name, one, "organ", error);
        if (status != MUR_OK)
            return status;
        label->organ = name == NULL ? NULL : mur_organs_find(organs, name);
        if (label->organ == NULL || label->value == 0)
            return mur_setting_error(one, error,
                                     "a label needs a \"value\" and an \"organ\" of the list");
        if (mur_organs_find_label(organs, label->value) != NULL)
            return mur_setting_error(one, error, "label %lld stands twice",
                                     (long long)label->value);
        organs->label_count++;
    }
    return MUR_OK;
}

enum mur_status mur_organs_load(struct mur_organs **out, const char *path, struct mur_error *error)
{
    static const char *const members[] = {"categories", "modifiers", "unknown",
                                          "organs",     "labels",    NULL};
    MUR_AUTO(mur_organs) *organs = calloc(1, sizeof *organs);
    if (organs == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_mapping_tree(&organs->tree, path, "organs.cfg", error);
    if (status != MUR_OK)
        return status;
    const struct mur_setting *root = mur_config_tree_root(organs->tree);
    const struct mur_setting *list = NULL;
    const char *unknown = "unknown";
    status = mur_setting_check_names(root, members, error);
    if (status == MUR_OK)
        status = mur_setting_get_members(&list, root, "organs", MUR_SETTING_LIST, error);
    if (status == MUR_OK)
        status = mur_setting_get_text(&unknown, root, "unknown", error);
    if (status != MUR_OK)
        return status;
    size_t count = mur_setting_count(list);
    if (count == 0 || count > ORGAN_LIMIT)
        return mur_error_set(error, MUR_INVALID, "%s: \"organs\" must list 1 to %d organs", path,
                             ORGAN_LIMIT);
    organs->organs = calloc(count, sizeof *organs->organs);
    if (organs->organs == NULL)
        return mur_error_no_memory(error);
    organs->count = count;
    for (size_t i = 0; i < count && status == MUR_OK; i++)
        status = read_organ(organs, i, mur_setting_at(list, i), root, error);
    if (status != MUR_OK)
        return status;
    qsort(organs->names, organs->name_count, sizeof *organs->names, compare_names);
    for (size_t i = 1; i < organs->name_count; i++)
        if (strcmp(organs->names[i - 1].key, organs->names[i].key) == 0 &&
            organs->names[i - 1].organ != organs->names[i].organ)
            return mur_error_set(error, MUR_INVALID, "%s: \"%s\" and \"%s\" share the name \"%s\"",
                                 path, organs->organs[organs->names[i - 1].organ].name,
                                 organs->organs[organs->names[i].organ].name, organs->names[i].key);
    organs->unknown = mur_organs_find(organs, unknown);
    if (organs->unknown == NULL)
        return mur_error_set(error, MUR_INVALID, "%s: \"unknown\" names no organ of the list",
                             path);
    status = read_meanings(organs, root, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(organs);
    return MUR_OK;
}

const struct mur_organ *mur_organs_find(const struct mur_organs *organs, const char *name)
{
    struct mur_error ignored = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *key = NULL;
    if (organs == NULL || mur_mapping_key(&key, mur_slice_of(name), &ignored) != MUR_OK)
        return NULL;
    struct organ_name wanted = {.key = key};
    const struct organ_name *found =
        bsearch(&wanted, organs->names, organs->name_count, sizeof wanted, compare_names);
    return found == NULL ? NULL : &organs->organs[found->organ];
}

const struct mur_organ *mur_organs_find_code(const struct mur_organs *organs, const char *scheme,
                                             const char *value)
{
    for (size_t i = 0; organs != NULL && i < organs->count; i++) {
        const struct mur_organ *organ = &organs->organs[i];
        if (organ->modifier.value[0] == '\0' && strcmp(organ->type.value, value) == 0 &&
            strcmp(organ->type.scheme, scheme) == 0)
            return organ;
    }
    return NULL;
}

const struct mur_organ *mur_organs_find_label(const struct mur_organs *organs, int64_t value)
{
    for (size_t i = 0; organs != NULL && i < organs->label_count; i++)
        if (organs->labels[i].value == value)
            return organs->labels[i].organ;
    return NULL;
}

const struct mur_organ *mur_organs_find_file(const struct mur_organs *organs, const char *path)
{
    char stem[NAME_MAX + 1];
    const char *base = mur_path_base(path);
    size_t length = strcspn(base, ".");
    if (length == 0 || length >= sizeof stem)
        return NULL;
    memcpy(stem, base, length);
    stem[length] = '\0';
    for (const char *part = stem; part != NULL && *part != '\0';) {
        const struct mur_organ *organ = mur_organs_find(organs, part);
        if (organ != NULL)
            return organ;
        part = strpbrk(part, "_- ");
        part = part == NULL ? NULL : part + 1;
    }
    return NULL;
}

const struct mur_organ *mur_organs_unknown(const struct mur_organs *organs)
{
    static const struct mur_organ tissue = {
        .name = "unknown",
        .category = {"85756007", "SCT", "Tissue"},
        .type = {"85756007", "SCT", "Tissue"},
        .modifier = {"", "", ""},
        .region = {"", "", ""},
    };
    return organs == NULL ? &tissue : organs->unknown;
}

/* ---- ITK-SNAP -------------------------------------------------------------------------------- */

void mur_labels_free(struct mur_labels *labels)
{
    for (size_t i = 0; i < labels->count; i++)
        free(labels->items[i].name);
    free(labels->items);
    labels->items = NULL;
    labels->count = 0;
}

static struct mur_slice next_word(struct mur_slice *rest)
{
    *rest = mur_slice_trim(*rest);
    size_t length = 0;
    while (length < rest->length && rest->data[length] != ' ' && rest->data[length] != '\t')
        length++;
    struct mur_slice word = {rest->data, length};
    rest->data += length;
    rest->length -= length;
    return word;
}

/** Without the blanks around it; CR, LF and CRLF end one. */
static struct mur_slice next_line(struct mur_slice *rest)
{
    size_t length = 0;
    while (length < rest->length && rest->data[length] != '\r' && rest->data[length] != '\n')
        length++;
    struct mur_slice line = mur_slice_trim((struct mur_slice){rest->data, length});
    if (length < rest->length)
        length += rest->length - length > 1 && rest->data[length] == '\r' &&
                          rest->data[length + 1] == '\n'
                      ? 2
                      : 1;
    rest->data += length;
    rest->length -= length;
    return line;
}

/** IDX R G B A VIS MSH "LABEL". */
static enum mur_status read_label(struct mur_label *out, struct mur_slice line,
                                  struct mur_error *error)
{
    struct mur_label label = {.value = 0};
    enum mur_status status = mur_parse_int64(&label.value, next_word(&line), 0, UINT16_MAX, error);
    for (int i = 0; i < 6 && status == MUR_OK; i++) {
        double part = 0;
        status = mur_parse_double(&part, next_word(&line), error);
        if (status == MUR_OK && i < 3) {
            if (part < 0 || part > 255)
                return mur_error_set(error, MUR_PARSE, "a colour is 0 to 255");
            label.rgb[i] = (uint8_t)part;
        }
    }
    if (status != MUR_OK)
        return status;
    struct mur_slice name = mur_slice_trim(line);
    if (name.length < 2 || name.data[0] != '"' || name.data[name.length - 1] != '"')
        return mur_error_set(error, MUR_PARSE, "the label's name must be in quotes");
    name = mur_slice_trim((struct mur_slice){name.data + 1, name.length - 2});
    while (mur_utf8_count(name) > LABEL_CHARACTERS)
        name.length = mur_utf8_cut(name, name.length - 1);
    status = mur_text_copy(&label.name, name, error);
    if (status == MUR_OK)
        *out = label;
    return status;
}

enum mur_status mur_labels_read(struct mur_labels *out, const char *path, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_file_read_all(&text, path, LABEL_FILE_LIMIT, error);
    struct mur_isa_decoded decoded;
    if (status == MUR_OK)
        status = mur_isa_decode(&decoded, &text, error);
    MUR_AUTO_LABELS struct mur_labels labels = {NULL, 0};
    size_t capacity = 0;
    struct mur_slice rest = {mur_buffer_text(&text), text.length};
    for (size_t number = 1; status == MUR_OK && rest.length > 0; number++) {
        struct mur_slice line = next_line(&rest);
        if (line.length == 0 || line.data[0] == '#')
            continue;
        struct mur_label label = {.name = NULL};
        status = read_label(&label, line, error);
        if (status != MUR_OK)
            return mur_error_prefix(error, "%s:%zu", path, number);
        if (label.value == 0) {
            free(label.name);
            continue;
        }
        if (labels.count == capacity) {
            capacity = capacity == 0 ? 32 : capacity * 2;
            struct mur_label *items = reallocarray(labels.items, capacity, sizeof *items);
            if (items == NULL) {
                free(label.name);
                return mur_error_no_memory(error);
            }
            labels.items = items;
        }
        labels.items[labels.count++] = label;
    }
    if (status == MUR_OK) {
        *out = labels;
        labels = (struct mur_labels){NULL, 0};
    }
    return status;
}
