/* What comes into the archive, what is refused, and what stays after an unclean end. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive_support.h"
#include "core/file.h"
#include "db/db.h"
#include "dicom/part10.h"

static void the_data_set_is_kept_byte_by_byte(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    MUR_AUTO_BUFFER struct mur_buffer sent = MUR_BUFFER_INIT;
    encode(&sent, &object);
    store(f->archive, &object);
    struct mur_instance instance;
    bool found = false;
    assert_int_equal(mur_archive_look_up(&found, &instance, f->archive, "1.2.1.1.1", NULL), MUR_OK);
    assert_true(found);
    assert_int_equal(instance.length, sent.length);
    int fd = -1;
    assert_int_equal(mur_archive_open_item(&fd, f->archive, &instance, NULL), MUR_OK);
    char *bytes = malloc(sent.length);
    assert_int_equal(pread(fd, bytes, sent.length, (off_t)instance.offset), sent.length);
    assert_memory_equal(bytes, sent.data, sent.length);
    struct mur_part10 head;
    assert_int_equal(mur_part10_read(&head, fd, "stored", NULL), MUR_OK);
    assert_string_equal(head.sop_instance, "1.2.1.1.1");
    assert_string_equal(head.source_ae, "TESTER");
    (void)close(fd);
    free(bytes);
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
}

static void the_same_content_again_is_unchanged_in_whatever_encoding(void **state)
{
    struct archive_fixture *f = *state;
    enum mur_ingest_outcome outcome;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_STORED);
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_UNCHANGED);
    object.transfer_syntax = mur_uid_ImplicitVRLittleEndian;
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_UNCHANGED);
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
    assert_int_equal(stored_files(f), 1);
}

static void other_content_under_a_stored_uid_is_refused_and_the_first_kept(void **state)
{
    struct archive_fixture *f = *state;
    enum mur_ingest_outcome outcome;
    struct mur_error error = MUR_ERROR_INIT;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    store(f->archive, &object);
    set_text(&object, MUR_TAG_StudyDescription, MUR_VR_LO, "another");
    assert_int_equal(ingest_object(&outcome, f->archive, &object, &error), MUR_EXISTS);
    set_text(&object, MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.2.1.2");
    assert_int_equal(ingest_object(&outcome, f->archive, &object, &error), MUR_EXISTS);
    const struct element keys[] = {{MUR_TAG_StudyDescription, MUR_VR_LO, ""}, {0}};
    assert_answer(f->archive, MUR_LEVEL_STUDY, keys, "a study");
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
    assert_int_equal(stored_files(f), 1);
}

enum { DAMAGES = 7 };

/* @param how  0: a byte of the end, 1: cut, 2: gone, 3: a FIFO, 4: empty, 5: a byte of the
 * preamble, 6: a folder */
static void damage(const struct archive_fixture *f, const char *sop_instance, int how)
{
    struct mur_instance instance;
    bool found = false;
    MUR_AUTO_FREE char *path = NULL;
    assert_int_equal(mur_archive_look_up(&found, &instance, f->archive, sop_instance, NULL),
                     MUR_OK);
    assert_int_equal(mur_archive_item_path(&path, f->archive, &instance, NULL), MUR_OK);
    if (how == 0 || how == 5) {
        int file = open(path, O_RDWR | O_CLOEXEC);
        off_t at = how == 0 ? (off_t)(instance.offset + instance.length - 1) : 5;
        assert_int_equal(pwrite(file, "~", 1, at), 1);
        assert_int_equal(close(file), 0);
    } else if (how == 6) {
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkdir(path, 0700), 0);
    } else if (how == 1) {
        assert_int_equal(truncate(path, (off_t)instance.offset + 10), 0);
    } else if (how < 4) {
        assert_int_equal(unlink(path), 0);
        assert_true(how == 2 || mkfifo(path, 0600) == 0);
    } else {
        assert_int_equal(truncate(path, 0), 0);
    }
}

static void what_is_damaged_is_mended_by_the_same_bytes_alone(void **state)
{
    struct archive_fixture *f = *state;
    enum mur_ingest_outcome outcome;
    for (int how = 0; how < DAMAGES; how++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_instance instance;
        bool found = false;
        bool whole = true;
        char uid[32];
        (void)snprintf(uid, sizeof uid, "1.2.1.1.%d", how + 1);
        struct object object = make_object("P1", "1.2.1", "1.2.1.1", uid);
        /* White space at the end counts for nothing in a comparison of contents. */
        set_text(&object, MUR_TAG_ImageComments, MUR_VR_LT, "a mouse  ");
        store(f->archive, &object);
        damage(f, uid, how);
        struct object other = object;
        other.transfer_syntax = mur_uid_ImplicitVRLittleEndian;
        assert_int_equal(ingest_object(&outcome, f->archive, &other, &error), MUR_EXISTS);
        assert_non_null(strstr(error.message, "is damaged"));
        other = object;
        set_text(&other, MUR_TAG_StudyDescription, MUR_VR_LO, "another");
        assert_int_equal(ingest_object(&outcome, f->archive, &other, &error), MUR_EXISTS);
        assert_int_equal(mur_archive_look_up(&found, &instance, f->archive, uid, NULL), MUR_OK);
        assert_int_equal(mur_archive_is_whole(&whole, f->archive, &instance, NULL), MUR_OK);
        assert_false(whole);
        assert_int_equal(ingest_object(&outcome, f->archive, &object, &error), MUR_OK);
        assert_int_equal(outcome, MUR_MENDED);
        assert_int_equal(mur_archive_look_up(&found, &instance, f->archive, uid, NULL), MUR_OK);
        assert_int_equal(mur_archive_is_whole(&whole, f->archive, &instance, NULL), MUR_OK);
        assert_true(whole);
        assert_int_equal(stored_files(f), how + 1);
    }
    const struct element keys[] = {{MUR_TAG_StudyDescription, MUR_VR_LO, ""}, {0}};
    assert_answer(f->archive, MUR_LEVEL_STUDY, keys, "a study");
    assert_bytes_counted(f->archive);
}

static void by_configuration_the_new_one_takes_the_place_of_a_damaged_one(void **state)
{
    struct archive_fixture *f = *state;
    mur_archive_close(f->archive);
    f->archive = open_archive_with(f->folder, MUR_DUPLICATES_REPLACE_CHANGED);
    for (int how = 0; how < DAMAGES; how++) {
        enum mur_ingest_outcome outcome;
        char uid[32];
        (void)snprintf(uid, sizeof uid, "1.2.1.1.%d", how + 1);
        struct object object = make_object("P1", "1.2.1", "1.2.1.1", uid);
        store(f->archive, &object);
        damage(f, uid, how);
        object.transfer_syntax = mur_uid_ImplicitVRLittleEndian;
        assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_OK);
        assert_int_equal(outcome, MUR_STORED);
        assert_int_equal(stored_files(f), how + 1);
    }
    assert_bytes_counted(f->archive);
}

static void one_that_cannot_be_decoded_to_be_compared_gives_its_place_to_another(void **state)
{
    static const char pixels[] = "\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF"
                                 "\xFE\xFF\0\xE0\0\0\0\0"
                                 "\xFE\xFF\0\xE0\x04\0\0\0\xFF\x4F\xFF\x51"
                                 "\xFE\xFF\xDD\xE0\0\0\0\0";
    struct archive_fixture *f = *state;
    mur_archive_close(f->archive);
    f->archive = open_archive_with(f->folder, MUR_DUPLICATES_REPLACE_CHANGED);
    enum mur_ingest_outcome outcome;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode(&bytes, &object);
    assert_int_equal(mur_buffer_append(&bytes, pixels, sizeof(pixels) - 1, NULL), MUR_OK);
    assert_int_equal(ingest_bytes(&outcome, f->archive, "1.2.1.1.1", mur_uid_JPEG2000Lossless,
                                  bytes.data, bytes.length, NULL),
                     MUR_OK);
    struct mur_error error = MUR_ERROR_INIT;
    if (ingest_object(&outcome, f->archive, &object, &error) != MUR_OK)
        fail_msg("%s", error.message);
    assert_int_equal(outcome, MUR_STORED);
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_int_equal(stored_files(f), 1);
}

static void by_configuration_the_new_one_takes_the_place_of_the_old_one(void **state)
{
    struct archive_fixture *f = *state;
    enum mur_ingest_outcome outcome;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    store(f->archive, &object);
    mur_archive_close(f->archive);
    f->archive = open_archive_with(f->folder, MUR_DUPLICATES_REPLACE_CHANGED);
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_UNCHANGED);
    set_text(&object, MUR_TAG_StudyDescription, MUR_VR_LO, "another");
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_STORED);
    const struct element keys[] = {{MUR_TAG_StudyDescription, MUR_VR_LO, ""}, {0}};
    assert_answer(f->archive, MUR_LEVEL_STUDY, keys, "another");
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
    assert_int_equal(stored_files(f), 1);
    struct mur_instance instance;
    bool found = false;
    assert_int_equal(mur_archive_look_up(&found, &instance, f->archive, "1.2.1.1.1", NULL), MUR_OK);
    int fd = -1;
    assert_int_equal(mur_archive_open_item(&fd, f->archive, &instance, NULL), MUR_OK);
    (void)close(fd);
    mur_archive_close(f->archive);
    f->archive = open_archive_with(f->folder, MUR_DUPLICATES_REPLACE);
    assert_int_equal(ingest_object(&outcome, f->archive, &object, NULL), MUR_OK);
    assert_int_equal(outcome, MUR_STORED);
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
    assert_int_equal(stored_files(f), 1);
}

static void missing_or_other_uids_are_a_mismatch_and_leave_nothing(void **state)
{
    struct archive_fixture *f = *state;
    static const uint32_t tags[] = {MUR_TAG_SOPClassUID, MUR_TAG_StudyInstanceUID,
                                    MUR_TAG_SeriesInstanceUID};
    enum mur_ingest_outcome outcome;
    struct mur_error error = MUR_ERROR_INIT;
    for (size_t i = 0; i < MUR_COUNT(tags); i++) {
        struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
        drop(&object, tags[i]);
        assert_int_equal(ingest_object(&outcome, f->archive, &object, &error), MUR_MISMATCH);
        object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
        set_text(&object, tags[i], MUR_VR_UI, "");
        assert_int_equal(ingest_object(&outcome, f->archive, &object, &error), MUR_MISMATCH);
        set_text(&object, tags[i], MUR_VR_UI, "../../etc");
        assert_int_equal(ingest_object(&outcome, f->archive, &object, &error), MUR_MISMATCH);
    }
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode(&bytes, &object);
    assert_int_equal(ingest_bytes(&outcome, f->archive, "1.2.3", mur_uid_ExplicitVRLittleEndian,
                                  bytes.data, bytes.length, &error),
                     MUR_MISMATCH);
    assert_counts(f->archive, 0, 0, 0, 0);
    assert_bytes_counted(f->archive);
    assert_int_equal(stored_files(f), 0);
}

static void a_cut_data_set_is_refused_wherever_it_is_cut(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode(&bytes, &object);
    enum mur_ingest_outcome outcome;
    for (size_t length = 1; length < bytes.length; length += 1) {
        bool between_elements = false;
        struct object part = object;
        for (size_t n = 0; part.elements[n].tag != 0 && !between_elements; n++) {
            MUR_AUTO_BUFFER struct mur_buffer prefix = MUR_BUFFER_INIT;
            part.elements[n].tag = 0;
            encode(&prefix, &part);
            part.elements[n].tag = object.elements[n].tag;
            between_elements = prefix.length == length;
        }
        if (!between_elements)
            assert_int_equal(ingest_bytes(&outcome, f->archive, "1.2.1.1.1",
                                          mur_uid_ExplicitVRLittleEndian, bytes.data, length, NULL),
                             MUR_PARSE);
    }
    assert_int_equal(stored_files(f), 0);
    assert_counts(f->archive, 0, 0, 0, 0);
    assert_bytes_counted(f->archive);
}

static void an_ingest_given_up_leaves_nothing(void **state)
{
    struct archive_fixture *f = *state;
    struct mur_ingest *ingest = NULL;
    const struct mur_origin origin = {.how = "test"};
    assert_int_equal(mur_ingest_begin(&ingest, f->archive, "1.2.840.10008.5.1.4.1.1.4", "1.2.3",
                                      mur_uid_ExplicitVRLittleEndian, &origin, NULL),
                     MUR_OK);
    assert_int_equal(stored_files(f), 1);
    mur_ingest_free(ingest);
    assert_int_equal(stored_files(f), 0);
}

struct sender {
    struct mur_archive *archive;
    int number;
    int failures;
};

enum { SENDERS = 8, OBJECTS_EACH = 40 };

/* Records and returns: assertions belong to the test's own thread. */
static void *send_many(void *user)
{
    struct sender *sender = user;
    for (int i = 0; i < OBJECTS_EACH; i++) {
        char instance[64];
        (void)snprintf(instance, sizeof instance, "1.2.1.%d.%d", i % 4 + 1,
                       sender->number * 1000 + i);
        char series[64];
        (void)snprintf(series, sizeof series, "1.2.1.%d", i % 4 + 1);
        struct object object = make_object("P1", "1.2.1", series, instance);
        enum mur_ingest_outcome outcome;
        if (ingest_object(&outcome, sender->archive, &object, NULL) != MUR_OK)
            sender->failures++;
    }
    return NULL;
}

static void many_senders_of_one_study_give_exact_counts(void **state)
{
    struct archive_fixture *f = *state;
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.archive = f->archive, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    int failures = 0;
    for (int i = 0; i < SENDERS; i++) {
        (void)pthread_join(threads[i], NULL);
        failures += senders[i].failures;
    }
    assert_int_equal(failures, 0);
    assert_counts(f->archive, 1, 1, 4, SENDERS * OBJECTS_EACH);
    assert_bytes_counted(f->archive);
    const struct element keys[] = {{MUR_TAG_NumberOfStudyRelatedInstances, MUR_VR_IS, ""}, {0}};
    assert_answer(f->archive, MUR_LEVEL_STUDY, keys, "320");
    const struct element series[] = {{MUR_TAG_NumberOfSeriesRelatedInstances, MUR_VR_IS, ""}, {0}};
    assert_answer(f->archive, MUR_LEVEL_SERIES, series, "80|80|80|80");
    assert_int_equal(stored_files(f), SENDERS * OBJECTS_EACH);
}

static void removed_objects_are_gone_with_what_they_leave_empty(void **state)
{
    struct archive_fixture *f = *state;
    struct object first = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    struct object second = make_object("P1", "1.2.1", "1.2.1.2", "1.2.1.2.1");
    store(f->archive, &first);
    store(f->archive, &second);
    const char *uids[] = {"1.2.1.2.1", "1.9.9"};
    assert_int_equal(mur_archive_remove(f->archive, uids, 2, "test", NULL), MUR_OK);
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
    assert_int_equal(stored_files(f), 1);
    uids[0] = "1.2.1.1.1";
    assert_int_equal(mur_archive_remove(f->archive, uids, 1, "test", NULL), MUR_OK);
    assert_counts(f->archive, 0, 0, 0, 0);
    assert_bytes_counted(f->archive);
    assert_int_equal(stored_files(f), 0);
    store(f->archive, &first); /* and may come again */
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
}

/* A header beyond what the index holds: the whole goes to a sidecar, what can be searched stays. */
static void a_large_header_is_kept_whole_beside_the_object(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    encode(&bytes, &object);
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, &bytes, mur_uid_ExplicitVRLittleEndian, NULL),
                     MUR_OK);
    assert_int_equal(
        mur_encode_sequence_begin(&encoder, MUR_TAG_PerFrameFunctionalGroupsSequence, NULL),
        MUR_OK);
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(mur_encode_item_begin(&encoder, NULL), MUR_OK);
        assert_int_equal(mur_encode_text(&encoder, MUR_TAG_StackID, MUR_VR_SH, "1", NULL), MUR_OK);
        assert_int_equal(
            mur_encode_int(&encoder, MUR_TAG_InStackPositionNumber, MUR_VR_UL, i, NULL), MUR_OK);
        assert_int_equal(mur_encode_item_end(&encoder, NULL), MUR_OK);
    }
    assert_int_equal(mur_encode_sequence_end(&encoder, NULL), MUR_OK);
    enum mur_ingest_outcome outcome;
    assert_int_equal(ingest_bytes(&outcome, f->archive, "1.2.1.1.1", mur_uid_ExplicitVRLittleEndian,
                                  bytes.data, bytes.length, NULL),
                     MUR_OK);
    assert_int_equal(stored_files(f), 2);
    const struct element keys[] = {
        {MUR_TAG_StudyDescription, MUR_VR_LO, ""}, {MUR_TAG_SOPInstanceUID, MUR_VR_UI, ""}, {0}};
    assert_answer(f->archive, MUR_LEVEL_IMAGE, keys, "a study");
    const char *uids[] = {"1.2.1.1.1"};
    assert_int_equal(mur_archive_remove(f->archive, uids, 1, "test", NULL), MUR_OK);
    assert_int_equal(stored_files(f), 0);
}

/* Elements of private groups from 0041 on: @p count of @p length bytes each. */
static void put_private(struct mur_buffer *out, unsigned count, unsigned length)
{
    enum { FIRST_GROUP = 0x41, FIRST_ELEMENT = 0x1000, OF_A_GROUP = 0x10000 - FIRST_ELEMENT };
    MUR_AUTO_FREE char *value = calloc(1, length + 1);
    assert_non_null(value);
    for (unsigned i = 0; i < count; i++) {
        unsigned group = FIRST_GROUP + 2 * (i / OF_A_GROUP);
        unsigned element = FIRST_ELEMENT + i % OF_A_GROUP;
        const uint8_t head[12] = {(uint8_t)group,
                                  (uint8_t)(group >> 8),
                                  (uint8_t)element,
                                  (uint8_t)(element >> 8),
                                  'U',
                                  'N',
                                  0,
                                  0,
                                  (uint8_t)length,
                                  (uint8_t)(length >> 8),
                                  (uint8_t)(length >> 16),
                                  0};
        assert_int_equal(mur_buffer_append(out, head, sizeof head, NULL), MUR_OK);
        assert_int_equal(mur_buffer_append(out, value, length, NULL), MUR_OK);
    }
}

/* No sequence makes these long: values do, or that there are so many. */
static void a_header_of_megabytes_is_no_reason_to_refuse_an_object(void **state)
{
    struct archive_fixture *f = *state;
    static const struct {
        unsigned count, length;
    } cases[] = {{250, 60000}, {3000, 2000}, {250000, 0}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        encode(&bytes, &object);
        put_private(&bytes, cases[i].count, cases[i].length);
        enum mur_ingest_outcome outcome;
        struct mur_error error = MUR_ERROR_INIT;
        if (ingest_bytes(&outcome, f->archive, "1.2.1.1.1", mur_uid_ExplicitVRLittleEndian,
                         bytes.data, bytes.length, &error) != MUR_OK)
            fail_msg("%u of %u bytes: %s", cases[i].count, cases[i].length, error.message);
        assert_int_equal(error.status, MUR_OK);
        assert_int_equal(stored_files(f), 2);
        const struct element keys[] = {{MUR_TAG_StudyDescription, MUR_VR_LO, ""},
                                       {MUR_TAG_SOPInstanceUID, MUR_VR_UI, ""},
                                       {0}};
        assert_answer(f->archive, MUR_LEVEL_IMAGE, keys, "a study");
        const char *uids[] = {"1.2.1.1.1"};
        assert_int_equal(mur_archive_remove(f->archive, uids, 1, "test", NULL), MUR_OK);
    }
}

static void sixty_sequences_in_one_another_are_stored_and_a_thousand_are_not(void **state)
{
    struct archive_fixture *f = *state;
    static const struct {
        int depth;
        bool stored;
    } cases[] = {{60, true}, {1000, false}};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        encode(&bytes, &object);
        /* Private sequences of undefined length, opened and closed. */
        static const unsigned char open_one[] = {0x99, 0x00, 0x01, 0x10, 'S',  'Q',  0,
                                                 0,    0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF,
                                                 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF};
        static const unsigned char close_one[] = {0xFE, 0xFF, 0x0D, 0xE0, 0, 0, 0, 0,
                                                  0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0};
        for (int d = 0; d < cases[i].depth; d++)
            assert_int_equal(mur_buffer_append(&bytes, open_one, sizeof open_one, NULL), MUR_OK);
        for (int d = 0; d < cases[i].depth; d++)
            assert_int_equal(mur_buffer_append(&bytes, close_one, sizeof close_one, NULL), MUR_OK);
        enum mur_ingest_outcome outcome;
        enum mur_status status =
            ingest_bytes(&outcome, f->archive, "1.2.1.1.1", mur_uid_ExplicitVRLittleEndian,
                         bytes.data, bytes.length, NULL);
        assert_int_equal(status, cases[i].stored ? MUR_OK : MUR_LIMIT);
    }
    const struct element keys[] = {{MUR_TAG_SOPInstanceUID, MUR_VR_UI, ""}, {0}};
    assert_answer(f->archive, MUR_LEVEL_IMAGE, keys, "1.2.1.1.1");
}

static void two_patients_under_one_study_uid_are_both_kept(void **state)
{
    struct archive_fixture *f = *state;
    struct object first = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    struct object second = make_object("P2", "1.2.1", "1.2.1.1", "1.2.1.1.2");
    struct object nobody = make_object("", "1.2.2", "1.2.2.1", "1.2.2.1.1");
    struct object nobody_else = make_object("", "1.2.3", "1.2.3.1", "1.2.3.1.1");
    store(f->archive, &first);
    store(f->archive, &second);
    store(f->archive, &nobody);
    store(f->archive, &nobody_else);
    assert_counts(f->archive, 4, 4, 4, 4);
    assert_bytes_counted(f->archive); /* no Patient ID: never one animal in silence */
    const struct element keys[] = {
        {MUR_TAG_PatientID, MUR_VR_LO, ""}, {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.1"}, {0}};
    assert_answer(f->archive, MUR_LEVEL_STUDY, keys, "P1|P2");
}

struct conflicts {
    char text[512];
};

static enum mur_status note_conflict(void *user, const struct mur_conflict *one,
                                     struct mur_error *error)
{
    (void)error;
    struct conflicts *conflicts = user;
    size_t used = strlen(conflicts->text);
    (void)snprintf(conflicts->text + used, sizeof conflicts->text - used, "%d %s %s %s/%s\n",
                   (int)one->kind, one->patient_id, one->uid, one->kept, one->other);
    return MUR_OK;
}

static void identities_that_do_not_fit_are_listed(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    set_text(&object, MUR_TAG_PatientBirthDate, MUR_VR_DA, "20240101");
    store(f->archive, &object);
    object = make_object("P1", "1.2.2", "1.2.2.1", "1.2.2.1.1");
    set_text(&object, MUR_TAG_PatientBirthDate, MUR_VR_DA, "20230101");
    store(f->archive, &object);
    object = make_object("P2", "1.2.2", "1.2.2.2", "1.2.2.2.1");
    store(f->archive, &object);
    struct conflicts conflicts = {""};
    assert_int_equal(mur_archive_each_conflict(f->archive, note_conflict, &conflicts, NULL),
                     MUR_OK);
    assert_string_equal(conflicts.text, "0 P1\\P2 1.2.2 /\n1 P1 1.2.2.1 20240101/20230101\n");
    const char *uids[] = {"1.2.1.1.1", "1.2.2.1.1"};
    assert_int_equal(mur_archive_remove(f->archive, uids, 2, "test", NULL), MUR_OK);
    conflicts.text[0] = '\0';
    assert_int_equal(mur_archive_each_conflict(f->archive, note_conflict, &conflicts, NULL),
                     MUR_OK);
    assert_string_equal(conflicts.text, "");
}

static void odd_numbers_in_a_header_do_no_harm(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    set_text(&object, MUR_TAG_PatientWeight, MUR_VR_DS, "1e9999");
    store(f->archive, &object);
    object = make_object("P2", "1.2.2", "1.2.2.1", "1.2.2.1.1");
    set_text(&object, MUR_TAG_PatientWeight, MUR_VR_DS, "99999999999999999999999");
    store(f->archive, &object);
    object = make_object("P3", "1.2.3", "1.2.3.1", "1.2.3.1.1");
    set_text(&object, MUR_TAG_PatientWeight, MUR_VR_DS, "heavy");
    store(f->archive, &object);
    assert_counts(f->archive, 3, 3, 3, 3);
    assert_bytes_counted(f->archive);
}

/* ---- unclean ends ---------------------------------------------------------------------------- */

static size_t manifest_lines(const struct archive_fixture *f)
{
    char path[96];
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    (void)snprintf(path, sizeof path, "%s/manifest.jsonl", f->folder);
    assert_int_equal(mur_file_read_all(&text, path, 1 << 20, NULL), MUR_OK);
    size_t lines = 0;
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n' ? 1 : 0;
    return lines;
}

static void a_manifest_that_is_longer_or_shorter_agrees_again_after_opening(void **state)
{
    struct archive_fixture *f = *state;
    for (int i = 1; i <= 5; i++) {
        char instance[32];
        (void)snprintf(instance, sizeof instance, "1.2.1.1.%d", i);
        struct object object = make_object("P1", "1.2.1", "1.2.1.1", instance);
        store(f->archive, &object);
    }
    mur_archive_close(f->archive);
    char path[96];
    (void)snprintf(path, sizeof path, "%s/manifest.jsonl", f->folder);
    FILE *manifest = fopen(path, "ae"); /* written before a commit that did not come */
    assert_true(fputs("{\"event\":\"stored\",\"n\":6,\"insta", manifest) >= 0);
    assert_int_equal(fclose(manifest), 0);
    f->archive = open_archive(f->folder);
    assert_int_equal(manifest_lines(f), 5);
    mur_archive_close(f->archive);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size / 2), 0); /* a power cut took the rest */
    f->archive = open_archive(f->folder);
    assert_int_equal(manifest_lines(f), 5);
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.6");
    store(f->archive, &object);
    assert_int_equal(manifest_lines(f), 6);
}

static void a_killed_process_leaves_only_what_it_had_acknowledged(void **state)
{
    struct archive_fixture *f = *state;
    mur_archive_close(f->archive);
    f->archive = NULL;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct mur_archive *archive = open_archive(f->folder);
        struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
        store(archive, &object);
        struct mur_ingest *ingest = NULL;
        const struct mur_origin origin = {.how = "test"};
        if (mur_ingest_begin(&ingest, archive, "1.2.840.10008.5.1.4.1.1.4", "1.2.1.1.2",
                             mur_uid_ExplicitVRLittleEndian, &origin, NULL) != MUR_OK)
            _exit(1);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    f->archive = open_archive(f->folder);
    assert_counts(f->archive, 1, 1, 1, 1);
    assert_bytes_counted(f->archive);
    assert_int_equal(stored_files(f), 1);
}

static void a_missing_index_beside_objects_is_refused(void **state)
{
    struct archive_fixture *f = *state;
    struct object object = make_object("P1", "1.2.1", "1.2.1.1", "1.2.1.1.1");
    store(f->archive, &object);
    mur_archive_close(f->archive);
    f->archive = NULL;
    char path[96];
    (void)snprintf(path, sizeof path, "%s/index.sqlite", f->folder);
    assert_int_equal(unlink(path), 0);
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_archive_options options = {.directory = f->folder};
    assert_int_equal(mur_archive_open(&f->archive, &options, &error), MUR_CORRUPT);
    assert_non_null(strstr(error.message, "index.sqlite is missing"));
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, archive_set_up, archive_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_data_set_is_kept_byte_by_byte),
        TEST(the_same_content_again_is_unchanged_in_whatever_encoding),
        TEST(other_content_under_a_stored_uid_is_refused_and_the_first_kept),
        TEST(what_is_damaged_is_mended_by_the_same_bytes_alone),
        TEST(by_configuration_the_new_one_takes_the_place_of_a_damaged_one),
        TEST(one_that_cannot_be_decoded_to_be_compared_gives_its_place_to_another),
        TEST(by_configuration_the_new_one_takes_the_place_of_the_old_one),
        TEST(missing_or_other_uids_are_a_mismatch_and_leave_nothing),
        TEST(a_cut_data_set_is_refused_wherever_it_is_cut),
        TEST(an_ingest_given_up_leaves_nothing),
        TEST(many_senders_of_one_study_give_exact_counts),
        TEST(removed_objects_are_gone_with_what_they_leave_empty),
        TEST(a_large_header_is_kept_whole_beside_the_object),
        TEST(a_header_of_megabytes_is_no_reason_to_refuse_an_object),
        TEST(sixty_sequences_in_one_another_are_stored_and_a_thousand_are_not),
        TEST(two_patients_under_one_study_uid_are_both_kept),
        TEST(identities_that_do_not_fit_are_listed),
        TEST(odd_numbers_in_a_header_do_no_harm),
        TEST(a_manifest_that_is_longer_or_shorter_agrees_again_after_opening),
        TEST(a_killed_process_leaves_only_what_it_had_acknowledged),
        TEST(a_missing_index_beside_objects_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
