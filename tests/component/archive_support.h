/** A temporary archive and small objects for it, shared by the archive's tests. */
#ifndef MUR_TESTS_ARCHIVE_SUPPORT_H
#define MUR_TESTS_ARCHIVE_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "archive/verify.h"
#include "core/buffer.h"
#include "core/file.h"
#include "dicom/encoder.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

/** One attribute of an object: tags ascending; "" = zero length. */
struct element {
    uint32_t tag;
    enum mur_vr vr;
    const char *text;
};

enum { ELEMENTS = 24 };

struct object {
    struct element elements[ELEMENTS]; /**< ends with tag 0 */
    const char *transfer_syntax;       /**< NULL = explicit little endian */
};

struct archive_fixture {
    char folder[64];
    struct mur_archive *archive;
};

static inline struct mur_archive *open_archive_as(const char *folder,
                                                  enum mur_durability durability,
                                                  enum mur_duplicates duplicates)
{
    struct mur_archive *archive = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_archive_options options = {
        .directory = folder, .durability = durability, .duplicates = duplicates};
    if (mur_archive_open(&archive, &options, &error) != MUR_OK)
        fail_msg("cannot open the archive: %s", error.message);
    return archive;
}

static inline struct mur_archive *open_archive_with(const char *folder,
                                                    enum mur_duplicates duplicates)
{
    return open_archive_as(folder, MUR_DURABILITY_PROCESS, duplicates);
}

static inline struct mur_archive *open_archive(const char *folder)
{
    return open_archive_with(folder, MUR_DUPLICATES_KEEP);
}

static inline int archive_set_up(void **state)
{
    struct archive_fixture *f = calloc(1, sizeof *f);
    (void)snprintf(f->folder, sizeof f->folder, "/tmp/murpacs-archive-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->archive = open_archive(f->folder);
    *state = f;
    return 0;
}

static inline int archive_tear_down(void **state)
{
    struct archive_fixture *f = *state;
    mur_archive_close(f->archive);
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r '%s'", f->folder);
    int result = system(command); /* ci-allow: a test cleans its own folder */
    free(f);
    return result;
}

static inline const char *object_text(const struct object *object, uint32_t tag)
{
    for (size_t i = 0; object->elements[i].tag != 0; i++)
        if (object->elements[i].tag == tag)
            return object->elements[i].text;
    return "";
}

/** An object that has what every one needs. */
static inline struct object make_object(const char *patient_id, const char *study,
                                        const char *series, const char *instance)
{
    return (struct object){.elements = {
                               {MUR_TAG_SpecificCharacterSet, MUR_VR_CS, "ISO_IR 192"},
                               {MUR_TAG_SOPClassUID, MUR_VR_UI, "1.2.840.10008.5.1.4.1.1.4"},
                               {MUR_TAG_SOPInstanceUID, MUR_VR_UI, instance},
                               {MUR_TAG_StudyDate, MUR_VR_DA, "20240506"},
                               {MUR_TAG_StudyTime, MUR_VR_TM, "101530"},
                               {MUR_TAG_AccessionNumber, MUR_VR_SH, "A1"},
                               {MUR_TAG_Modality, MUR_VR_CS, "MR"},
                               {MUR_TAG_StudyDescription, MUR_VR_LO, "a study"},
                               {MUR_TAG_PatientName, MUR_VR_PN, "Mouse^One"},
                               {MUR_TAG_PatientID, MUR_VR_LO, patient_id},
                               {MUR_TAG_StudyInstanceUID, MUR_VR_UI, study},
                               {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, series},
                               {MUR_TAG_SeriesNumber, MUR_VR_IS, "1"},
                               {MUR_TAG_InstanceNumber, MUR_VR_IS, "7"},
                           }};
}

/** Replaces the text of an attribute; one that is not there is added in its place. */
static inline void set_text(struct object *object, uint32_t tag, enum mur_vr vr, const char *text)
{
    size_t i = 0;
    while (object->elements[i].tag != 0 && object->elements[i].tag < tag)
        i++;
    if (object->elements[i].tag != tag) {
        memmove(&object->elements[i + 1], &object->elements[i],
                (ELEMENTS - i - 1) * sizeof object->elements[0]);
        object->elements[i] = (struct element){tag, vr, text};
    }
    object->elements[i].text = text;
}

static inline void drop(struct object *object, uint32_t tag)
{
    size_t i = 0;
    while (object->elements[i].tag != tag)
        i++;
    memmove(&object->elements[i], &object->elements[i + 1],
            (ELEMENTS - i - 1) * sizeof object->elements[0]);
}

static inline void encode(struct mur_buffer *out, const struct object *object)
{
    struct mur_encoder encoder;
    const char *syntax =
        object->transfer_syntax != NULL ? object->transfer_syntax : mur_uid_ExplicitVRLittleEndian;
    assert_int_equal(mur_encoder_init(&encoder, out, syntax, NULL), MUR_OK);
    for (size_t i = 0; object->elements[i].tag != 0; i++)
        assert_int_equal(mur_encode_any(&encoder, object->elements[i].tag, object->elements[i].vr,
                                        mur_slice_of(object->elements[i].text), NULL),
                         MUR_OK);
}

/** Sends bytes in pieces, as an association would. */
static inline enum mur_status ingest_bytes(enum mur_ingest_outcome *outcome,
                                           struct mur_archive *archive, const char *sop_instance,
                                           const char *transfer_syntax, const char *bytes,
                                           size_t length, struct mur_error *error)
{
    MUR_AUTO(mur_ingest) *ingest = NULL;
    const struct mur_origin origin = {.how = "test", .calling_ae = "TESTER", .peer = "127.0.0.1"};
    enum mur_status status = mur_ingest_begin(&ingest, archive, "1.2.840.10008.5.1.4.1.1.4",
                                              sop_instance, transfer_syntax, &origin, error);
    for (size_t at = 0; status == MUR_OK && at < length; at += 1000)
        status =
            mur_ingest_write(ingest, bytes + at, length - at < 1000 ? length - at : 1000, error);
    return status == MUR_OK ? mur_ingest_finish(outcome, ingest, error) : status;
}

static inline enum mur_status ingest_object(enum mur_ingest_outcome *outcome,
                                            struct mur_archive *archive,
                                            const struct object *object, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode(&bytes, object);
    return ingest_bytes(outcome, archive, object_text(object, MUR_TAG_SOPInstanceUID),
                        object->transfer_syntax != NULL ? object->transfer_syntax
                                                        : mur_uid_ExplicitVRLittleEndian,
                        bytes.data, bytes.length, error);
}

static inline void store(struct mur_archive *archive, const struct object *object)
{
    enum mur_ingest_outcome outcome;
    struct mur_error error = MUR_ERROR_INIT;
    if (ingest_object(&outcome, archive, object, &error) != MUR_OK)
        fail_msg("not stored: %s", error.message);
}

static inline void fill_query(struct mur_query *query, const struct element *keys)
{
    for (size_t i = 0; keys[i].tag != 0; i++) {
        struct mur_attribute_path path = mur_attribute_path_of(keys[i].tag);
        assert_int_equal(
            mur_query_add(query, &path, keys[i].vr, mur_slice_of(keys[i].text), true, NULL),
            MUR_OK);
    }
}

/** Values of the first key in all answers, joined by '|' in the order they came; NULL: refused. */
static inline char *ask_query(struct mur_archive *archive, const struct mur_query *query,
                              struct mur_error *error)
{
    MUR_AUTO(mur_cursor) *cursor = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (mur_archive_find(&cursor, archive, query, error) != MUR_OK)
        return NULL;
    for (;;) {
        const struct mur_value *values = NULL;
        bool found = false;
        assert_int_equal(mur_cursor_next(&values, &found, cursor, error), MUR_OK);
        if (!found)
            break;
        assert_int_equal(
            mur_buffer_append_format(&text, NULL, "%s%s", text.length > 0 ? "|" : "",
                                     values[0].text != NULL ? values[0].text : "(none)"),
            MUR_OK);
    }
    char *out = NULL;
    assert_int_equal(mur_buffer_take(&out, &text, NULL), MUR_OK);
    return out;
}

static inline char *ask(struct mur_archive *archive, enum mur_level level,
                        const struct element *keys, struct mur_error *error)
{
    MUR_AUTO_QUERY struct mur_query query = {.level = level};
    fill_query(&query, keys);
    return ask_query(archive, &query, error);
}

static inline void assert_answer(struct mur_archive *archive, enum mur_level level,
                                 const struct element *keys, const char *wanted)
{
    struct mur_error error = MUR_ERROR_INIT;
    char *got = ask(archive, level, keys, &error);
    if (got == NULL)
        fail_msg("the question was refused: %s", error.message);
    assert_string_equal(got, wanted);
    free(got);
}

static inline enum mur_status add_size(void *user, const struct mur_walk_entry *entry, bool *skip,
                                       struct mur_error *error)
{
    (void)skip;
    (void)error;
    size_t length = strlen(entry->path);
    if (entry->kind == MUR_WALK_FILE && length > 4 && strcmp(entry->path + length - 4, ".dcm") == 0)
        *(int64_t *)user += entry->details.st_size;
    return MUR_OK;
}

static inline void assert_counts(struct mur_archive *archive, int patients, int studies, int series,
                                 int instances)
{
    struct mur_counts counts;
    assert_int_equal(mur_archive_count(&counts, archive, NULL), MUR_OK);
    assert_int_equal(counts.patients, patients);
    assert_int_equal(counts.studies, studies);
    assert_int_equal(counts.series, series);
    assert_int_equal(counts.instances, instances);
}

/** The bytes that are counted are those of the files. */
static inline void assert_bytes_counted(struct mur_archive *archive)
{
    struct mur_counts counts;
    assert_int_equal(mur_archive_count(&counts, archive, NULL), MUR_OK);
    int64_t bytes = 0;
    char objects[512];
    (void)snprintf(objects, sizeof objects, "%s/objects", mur_archive_directory(archive));
    assert_int_equal(mur_directory_walk(objects, add_size, &bytes, NULL), MUR_OK);
    assert_int_equal(counts.bytes, bytes);
}

static inline enum mur_status count_file(void *user, const struct mur_walk_entry *entry, bool *skip,
                                         struct mur_error *error)
{
    (void)skip;
    (void)error;
    if (entry->kind != MUR_WALK_DIRECTORY && strstr(entry->path, "/owner") == NULL)
        ++*(int *)user;
    return MUR_OK;
}

static inline int stored_files(const struct archive_fixture *f)
{
    char objects[96];
    int files = 0;
    (void)snprintf(objects, sizeof objects, "%s/objects", f->folder);
    assert_int_equal(mur_directory_walk(objects, count_file, &files, NULL), MUR_OK);
    return files;
}

static inline void print_found(void *user, const struct mur_finding *finding)
{
    (void)user;
    print_error("%s %s: %s\n", mur_finding_name(finding->kind), finding->path, finding->text);
}

/** Files, rows and manifest agree; there are so many instances and files, and no other file. */
static inline void assert_holds(struct archive_fixture *f, int instances, int files,
                                const char *when)
{
    struct mur_verify_summary summary = {0};
    const struct mur_verify_options options = {.found = print_found};
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_archive_verify(&summary, f->archive, &options, NULL, &error) != MUR_OK)
        fail_msg("%s: cannot verify: %s", when, error.message);
    int counted = stored_files(f);
    if (summary.findings != 0 || summary.instances != (size_t)instances || counted != files)
        fail_msg("%s: %zu findings, %zu instances of %d, %d files of %d", when, summary.findings,
                 summary.instances, instances, counted, files);
}

static inline bool is_stored(struct archive_fixture *f, const char *uid)
{
    struct mur_instance instance;
    bool found = false;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_archive_look_up(&found, &instance, f->archive, uid, &error) != MUR_OK)
        fail_msg("cannot ask: %s", error.message);
    return found;
}

#endif
