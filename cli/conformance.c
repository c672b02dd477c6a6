#include "cli/conformance.h"

#include <string.h>

#include "core/config.h"
#include "core/own.h"
#include "db/query.h"
#include "dicom/attribute.h"
#include "dicom/dictionary.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"
#include "dicom/uid.h"

/* Text on its way out; once something failed nothing more is written. */
struct writer {
    struct mur_buffer *out;
    struct mur_error *error;
    enum mur_status status;
};

#define WRITE(writer, ...)                                                                         \
    do {                                                                                           \
        if ((writer)->status == MUR_OK)                                                            \
            (writer)->status =                                                                     \
                mur_buffer_append_format((writer)->out, (writer)->error, __VA_ARGS__);             \
    } while (0)

static void begin(struct writer *writer, const char *name)
{
    WRITE(writer, "<!-- begin %s -->\n", name);
}

static void end(struct writer *writer, const char *name)
{
    WRITE(writer, "<!-- end %s -->\n\n", name);
}

/* Two entries share a line: long lists stay readable. */
static void begin_pairs(struct writer *writer, const char *columns, size_t column_count)
{
    WRITE(writer, "|%s%s\n|", columns, columns);
    for (size_t i = 0; i < 2 * column_count; i++)
        WRITE(writer, "---|");
    WRITE(writer, "\n");
}

static void begin_entry(struct writer *writer, size_t index)
{
    if (index % 2 == 0)
        WRITE(writer, "|");
}

static void end_entry(struct writer *writer, size_t index)
{
    if (index % 2 != 0)
        WRITE(writer, "\n");
}

static void end_pairs(struct writer *writer, size_t count, size_t column_count)
{
    if (count % 2 == 0)
        return;
    for (size_t i = 0; i < column_count; i++)
        WRITE(writer, " |");
    WRITE(writer, "\n");
}

/* ---- SOP Classes and transfer syntaxes ------------------------------------------------------- */

static void write_storage_classes(struct writer *writer, const char *name, bool retired)
{
    size_t count = 0, written = 0;
    const struct mur_sop_class *classes = mur_sop_classes(&count);
    begin(writer, name);
    begin_pairs(writer, " SOP Class | UID |", 2);
    for (size_t i = 0; i < count; i++) {
        if (classes[i].kind != MUR_SOP_STORAGE || classes[i].retired != retired)
            continue;
        begin_entry(writer, written);
        WRITE(writer, " %s | %s |", classes[i].keyword, classes[i].uid);
        end_entry(writer, written++);
    }
    end_pairs(writer, written, 2);
    end(writer, name);
}

static const char *way_out(const struct mur_transfer_syntax *syntax)
{
    if (mur_transfer_syntax_is_native(syntax->uid))
        return "native";
    return mur_transfer_syntax_converts(syntax->uid, mur_uid_ExplicitVRLittleEndian) ? "decoded"
                                                                                     : "as stored";
}

static void write_transfer_syntaxes(struct writer *writer)
{
    size_t count = 0, written = 0;
    const struct mur_transfer_syntax *syntaxes = mur_transfer_syntaxes(&count);
    begin(writer, "transfer-syntaxes");
    begin_pairs(writer, " Transfer Syntax | UID | Out |", 3);
    for (size_t i = 0; i < count; i++) {
        if ((syntaxes[i].flags & MUR_TS_NO_DATA_SET) != 0)
            continue;
        begin_entry(writer, written);
        WRITE(writer, " %s | %s | %s |", syntaxes[i].keyword, syntaxes[i].uid,
              way_out(&syntaxes[i]));
        end_entry(writer, written++);
    }
    end_pairs(writer, written, 3);
    end(writer, "transfer-syntaxes");
}

static void write_implementation(struct writer *writer)
{
    begin(writer, "implementation");
    WRITE(writer, "| Name | Value |\n|---|---|\n");
    WRITE(writer, "| Implementation Class UID | %s |\n", MUR_IMPLEMENTATION_CLASS_UID);
    WRITE(writer, "| Implementation Version Name | %s |\n", MUR_IMPLEMENTATION_VERSION_NAME);
    end(writer, "implementation");
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* What the index does with a key at the attribute's own level. */
static enum mur_status support_of(enum mur_key_support *out, const struct mur_attribute_path *path,
                                  enum mur_vr vr, enum mur_level level, struct mur_error *error)
{
    MUR_AUTO_QUERY struct mur_query query = {.level = level};
    enum mur_status status = mur_query_add(&query, path, vr, mur_slice_of(""), true, error);
    if (status == MUR_OK)
        *out = mur_query_key_support(&query, 0);
    return status;
}

static const char *type_of(const struct mur_attribute *attribute, enum mur_key_support support)
{
    switch (attribute->match) {
    case MUR_MATCH_UNIQUE:
        return "U";
    case MUR_MATCH_REQUIRED:
        return "R";
    case MUR_MATCH_OPTIONAL:
        break;
    }
    return support == MUR_KEY_MATCHED ? "O" : "-";
}

static void write_keys(struct writer *writer, const char *name, enum mur_level level)
{
    size_t count = 0, written = 0;
    const struct mur_attribute *attributes = mur_attributes(&count);
    begin(writer, name);
    begin_pairs(writer, " Attribute | Tag | VR | Key |", 4);
    for (size_t i = 0; i < count; i++) {
        const struct mur_attribute *one = &attributes[i];
        if (one->level != level)
            continue;
        struct mur_attribute_path path = mur_attribute_path_of(one->tag);
        enum mur_key_support support = MUR_KEY_IGNORED;
        if (writer->status == MUR_OK)
            writer->status = support_of(&support, &path, one->vr, level, writer->error);
        begin_entry(writer, written);
        WRITE(writer, " %s | %04X,%04X | %s | %s |", one->keyword, MUR_TAG_GROUP(one->tag),
              MUR_TAG_ELEMENT(one->tag), mur_vr_name(one->vr), type_of(one, support));
        end_entry(writer, written++);
    }
    end_pairs(writer, written, 4);
    end(writer, name);
}

static bool same_sequence(const struct mur_attribute_path *a, const struct mur_attribute_path *b)
{
    return a->depth == b->depth && memcmp(a->tags, b->tags, (a->depth - 1) * sizeof *a->tags) == 0;
}

/* One line for each sequence, with what can be matched in its items. */
static void write_sequence_keys(struct writer *writer)
{
    size_t count = 0;
    const struct mur_attribute_key *keys = mur_attribute_keys(&count);
    begin(writer, "keys-sequences");
    WRITE(writer, "| Level | Sequence | Attributes of its items |\n|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        const struct mur_attribute_path *path = &keys[i].path;
        if (i == 0 || !same_sequence(path, &keys[i - 1].path)) {
            WRITE(writer, "| %s | ", mur_level_name(keys[i].level));
            for (unsigned at = 0; at + 1 < path->depth; at++)
                WRITE(writer, "%s%s", at > 0 ? " > " : "", mur_dictionary_keyword(path->tags[at]));
            WRITE(writer, " | ");
        }
        const struct mur_dictionary_entry *last = mur_dictionary_find(
            path->tags[path->depth - 1], mur_private_creator(path->tags[path->depth - 1]));
        WRITE(writer, "%s%s", last != NULL ? last->keyword : "?",
              MUR_TAG_IS_PRIVATE(path->tags[path->depth - 1]) ? " (section 7.2)" : "");
        WRITE(writer, "%s",
              i + 1 < count && same_sequence(path, &keys[i + 1].path) ? ", " : " |\n");
    }
    end(writer, "keys-sequences");
}

/* ---- private elements ------------------------------------------------------------------------ */

struct private_element {
    enum mur_private_element element;
    const char *multiplicity;
    const char *meaning;
};

static const struct private_element isa_elements[] = {
    {MUR_ISA_ATTRIBUTE, "1-n",
     "every cell of the ISA-Tab as one value, `kind:name=value`, without unit; kinds are below"},
    {MUR_ISA_ATTRIBUTE_SEQUENCE, "1", "the same, one item a cell"},
    {MUR_ISA_ATTRIBUTE_KIND, "1",
     "of an item: CHARACTERISTIC, FACTOR, PARAMETER, COMMENT, NAME, FILE or OTHER"},
    {MUR_ISA_ATTRIBUTE_NAME, "1", "of an item: heading of the column"},
    {MUR_ISA_ATTRIBUTE_TEXT, "1", "of an item: the cell"},
    {MUR_ISA_ATTRIBUTE_NUMBER, "1", "of an item: the cell, if it is a number"},
    {MUR_ISA_ATTRIBUTE_UNIT, "1", "of an item: the unit, if the table gives one"},
    {MUR_ISA_HEALTH_STATUS, "1", "health status"},
    {MUR_ISA_DISEASE_MODEL, "1", "disease model"},
    {MUR_ISA_AGE_DAYS, "1", "age in days"},
    {MUR_ISA_BODY_WEIGHT_G, "1", "body weight in g"},
    {MUR_ISA_TIME_MIN, "1", "time after injection in min"},
    {MUR_ISA_SOURCE, "1", "native or contrast-enhanced"},
    {MUR_ISA_SUPPLIER, "1", "supplier of the animal"},
    {MUR_ISA_SOURCE_NAME, "1", "Source Name (the animal)"},
    {MUR_ISA_SAMPLE_NAME, "1", "Sample Name (the animal at a session)"},
    {MUR_ISA_ASSAY_NAME, "1", "Assay Name (the scan)"},
    {MUR_ISA_STUDY_IDENTIFIER, "1", "Study Identifier of the ISA-Tab"},
    {MUR_ISA_VOXEL_SIZE_MM, "1", "size of voxels in mm as the tables say"},
};

static const struct private_element nifti_elements[] = {
    {MUR_NIFTI_HEADER, "1", "header of the NIfTI or Analyze file, as it is (348 or 540 bytes)"},
    {MUR_NIFTI_EXTENSIONS, "1", "its extensions, as they are; absent without any"},
    {MUR_NIFTI_FILE_NAME, "1", "its name, without folders and without `.gz`"},
    {MUR_NIFTI_FLIPS, "1-3",
     "axes of the file that are reversed in the images: I, J, K; zero length for none"},
    {MUR_NIFTI_SHA256, "1", "SHA-256 of the voxels, little endian, in the order of the file"},
    {MUR_NIFTI_LABEL, "1", "in items of Segment Sequence: value of the segment in the label map"},
    {MUR_NIFTI_LAYER, "1", "in items of Segment Sequence: layer of the label map, from 1"},
    {MUR_NIFTI_VOLUME_ML, "1", "in items of Segment Sequence: volume of the segment in mL"},
};

static void write_private(struct writer *writer, const char *name, const char *creator,
                          const struct private_element *elements, size_t count)
{
    begin(writer, name);
    WRITE(writer, "| Element | Name | VR | VM | Meaning |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < count; i++) {
        const struct private_element *one = &elements[i];
        const struct mur_dictionary_entry *entry =
            mur_dictionary_find(MUR_PRIVATE_TAG(0x10, one->element), creator);
        if (entry == NULL && writer->status == MUR_OK)
            writer->status = mur_error_set(writer->error, MUR_INTERNAL,
                                           "no element %02X of \"%s\" in the dictionary",
                                           (unsigned)one->element, creator);
        if (writer->status != MUR_OK)
            return;
        WRITE(writer, "| (%04X,xx%02X) | %s | %s | %s | %s |\n", MUR_PRIVATE_GROUP,
              (unsigned)one->element, entry->keyword, mur_vr_name(entry->vr), one->multiplicity,
              one->meaning);
    }
    end(writer, name);
}

/* ---- configuration --------------------------------------------------------------------------- */

/* A description in one line. */
static void write_description(struct writer *writer, const char *text)
{
    WRITE(writer, " | ");
    while (*text != '\0') {
        size_t length = strcspn(text, "\n|");
        WRITE(writer, "%.*s", (int)length, text);
        text += length;
        if (*text == '\0')
            break;
        WRITE(writer, *text == '\n' ? " " : "\\|");
        text++;
    }
    WRITE(writer, " |\n");
}

static void write_choice(struct writer *writer, const char *names, int chosen)
{
    for (; chosen > 0; chosen--)
        names += strcspn(names, "|") + 1;
    WRITE(writer, "\"%.*s\"", (int)strcspn(names, "|"), names);
}

/* Groups that change what a DICOM peer meets. */
static bool is_of_dicom(const char *group)
{
    static const char *const groups[] = {"node", "dicom", "index", "find", "isa", "store"};
    for (size_t i = 0; i < MUR_COUNT(groups); i++)
        if (strcmp(group, groups[i]) == 0)
            return true;
    return false;
}

static void write_configuration(struct writer *writer)
{
    begin(writer, "configuration");
    WRITE(writer, "| Key | Default | Meaning |\n|---|---|---|\n");
#define ROW(group, name, description, ...)                                                         \
    if (is_of_dicom(#group)) {                                                                     \
        WRITE(writer, "| %s.%s | ", #group, #name);                                                \
        __VA_ARGS__;                                                                               \
        write_description(writer, description);                                                    \
    }
#define MUR_CONFIG_GROUP(group, description)
#define MUR_CONFIG_STRING(group, name, kind, value, description)                                   \
    ROW(group, name, description, WRITE(writer, "\"%s\"", value))
#define MUR_CONFIG_INT(group, name, value, low, high, description)                                 \
    ROW(group, name, description, WRITE(writer, "%d", value))
#define MUR_CONFIG_SIZE(group, name, value, description)                                           \
    ROW(group, name, description, WRITE(writer, "%s", value))
#define MUR_CONFIG_BOOL(group, name, value, description)                                           \
    ROW(group, name, description, WRITE(writer, "%s", (value) ? "true" : "false"))
#define MUR_CONFIG_CHOICE(group, name, type, names, value, description)                            \
    ROW(group, name, description, write_choice(writer, names, (int)(value)))
#include "core/config.def"
#undef ROW
    end(writer, "configuration");
}

enum mur_status mur_conformance_tables(struct mur_buffer *out, struct mur_error *error)
{
    struct writer writer = {.out = out, .error = error, .status = MUR_OK};
    write_implementation(&writer);
    write_transfer_syntaxes(&writer);
    write_storage_classes(&writer, "storage-classes", false);
    write_storage_classes(&writer, "storage-classes-retired", true);
    write_keys(&writer, "keys-patient", MUR_LEVEL_PATIENT);
    write_keys(&writer, "keys-study", MUR_LEVEL_STUDY);
    write_keys(&writer, "keys-series", MUR_LEVEL_SERIES);
    write_keys(&writer, "keys-image", MUR_LEVEL_IMAGE);
    write_sequence_keys(&writer);
    write_private(&writer, "private-isa", MUR_CREATOR_ISA, isa_elements, MUR_COUNT(isa_elements));
    write_private(&writer, "private-nifti", MUR_CREATOR_NIFTI, nifti_elements,
                  MUR_COUNT(nifti_elements));
    write_configuration(&writer);
    return writer.status;
}
