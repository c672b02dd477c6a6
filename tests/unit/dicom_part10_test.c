/* The head of a file: written, read again, missing, damaged. */
#include "dicom_support.h"

#include <sys/mman.h>

#include "dicom/transfer_syntax.h"

static const struct mur_part10 sample = {.transfer_syntax = "1.2.840.10008.1.2.1",
                                         .sop_class = "1.2.840.10008.5.1.4.1.1.2",
                                         .sop_instance = "2.25.1",
                                         .source_ae = "SENDER"};

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer file = MUR_BUFFER_INIT;
    struct mur_part10 head;
    assert_int_equal(mur_part10_write(&file, &sample, NULL), MUR_OK);
    size_t length = file.length;
    assert_int_equal(length % 2, 0);
    assert_int_equal(mur_buffer_append(&file, "\x08\0\x60\0CS\2\0MR", 10, NULL), MUR_OK);
    assert_int_equal(mur_part10_parse(&head, file.data, file.length, "sample", NULL), MUR_OK);
    assert_string_equal(head.transfer_syntax, sample.transfer_syntax);
    assert_string_equal(head.sop_class, sample.sop_class);
    assert_string_equal(head.sop_instance, sample.sop_instance);
    assert_string_equal(head.source_ae, sample.source_ae);
    assert_int_equal(head.offset, length);
    assert_false(head.bare);
    /* the group length counts what follows it */
    assert_int_equal((unsigned char)file.data[140] | (unsigned char)file.data[141] << 8,
                     (int)length - 144);
}

static void a_file_is_read_through_its_descriptor(void **state)
{
    (void)state;
    char path[1024];
    struct mur_part10 head;
    need_testdata(path, "dicom/MR_small_RLE.dcm");
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(mur_part10_read(&head, fileno(file), path, NULL), MUR_OK);
    assert_string_equal(head.transfer_syntax, mur_uid_RLELossless);
    assert_string_equal(head.sop_class, "1.2.840.10008.5.1.4.1.1.4");
    (void)fclose(file);
}

static void the_head_must_name_its_uids(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer file = MUR_BUFFER_INIT;
    struct mur_part10 head = sample;
    head.sop_instance[0] = '\0';
    assert_int_equal(mur_part10_write(&file, &head, NULL), MUR_INVALID);
    assert_int_equal(file.length, 0);
}

static void data_sets_without_head_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *transfer_syntax;
        size_t length;
    } cases[] = {
        {"\x08\0\x05\0\x0A\0\0\0ISO_IR 100", mur_uid_ImplicitVRLittleEndian, 18},
        {"\x08\0\x05\0CS\x0A\0ISO_IR 100", mur_uid_ExplicitVRLittleEndian, 18},
        {"\0\x08\0\x05"
         "CS\0\x0AISO_IR 100",
         mur_uid_ExplicitVRBigEndian, 18},
        {"\x08\0\0\0\4\0\0\0\x0A\0\0\0", mur_uid_ImplicitVRLittleEndian, 12},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_part10 head;
        assert_int_equal(mur_part10_parse(&head, cases[i].bytes, cases[i].length, "bare", NULL),
                         MUR_OK);
        assert_true(head.bare);
        assert_int_equal(head.offset, 0);
        assert_string_equal(head.transfer_syntax, cases[i].transfer_syntax);
    }
}

static void other_files_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "GIF89a", "i_Investigation.txt\tONTOLOGY",
                                        "\x08\0\x05\0\xFF\xFF\xFF\x7F"};
    for (size_t i = 0; i < MUR_COUNT(texts); i++) {
        struct mur_part10 head;
        struct mur_error error = MUR_ERROR_INIT;
        assert_int_equal(mur_part10_parse(&head, texts[i], strlen(texts[i]), "notes.txt", &error),
                         MUR_PARSE);
        assert_string_equal(error.message, "notes.txt: not a DICOM file");
    }
}

static void a_damaged_head_is_refused_wherever_it_is_cut(void **state)
{
    (void)state;
    MUR_AUTO_BUFFER struct mur_buffer file = MUR_BUFFER_INIT;
    struct mur_part10 head;
    assert_int_equal(mur_part10_write(&file, &sample, NULL), MUR_OK);
    for (size_t length = 1; length < 200; length++)
        assert_int_equal(mur_part10_parse(&head, file.data, length, "cut", NULL), MUR_PARSE);
    file.data[136] = 'x'; /* the VR of the group length */
    assert_int_equal(mur_part10_parse(&head, file.data, file.length, "damaged", NULL), MUR_PARSE);
}

/* A long value is passed over, not read; the Data Set cannot begin behind the end of the file. */
static void a_head_longer_than_its_file_is_refused(void **state)
{
    (void)state;
    static const char value[] = "\2\0\2\1OB\0\0\0\x20\0\0";
    MUR_AUTO_BUFFER struct mur_buffer file = MUR_BUFFER_INIT;
    MUR_AUTO_CLOSE int descriptor = memfd_create("head", MFD_CLOEXEC);
    struct mur_part10 head;
    assert_int_equal(mur_part10_write(&file, &sample, NULL), MUR_OK);
    assert_int_equal(mur_buffer_append(&file, value, sizeof value - 1, NULL), MUR_OK);
    for (int length = 0; length < 0x2000; length += 0x1000) {
        assert_int_equal(mur_part10_parse(&head, file.data, file.length, "lying", NULL), MUR_PARSE);
        assert_int_equal(ftruncate(descriptor, 0), 0);
        assert_int_equal(mur_pwrite_full(descriptor, file.data, file.length, 0, "head", NULL),
                         MUR_OK);
        assert_int_equal(mur_part10_read(&head, descriptor, "lying", NULL), MUR_PARSE);
        assert_int_equal(mur_buffer_reserve(&file, 0x1000, NULL), MUR_OK);
        memset(file.data + file.length, 0, 0x1000);
        file.length += 0x1000;
    }
    assert_int_equal(mur_part10_parse(&head, file.data, file.length, "right", NULL), MUR_OK);
    assert_int_equal(head.offset, file.length);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(a_file_is_read_through_its_descriptor),
        cmocka_unit_test(the_head_must_name_its_uids),
        cmocka_unit_test(data_sets_without_head_are_recognised),
        cmocka_unit_test(other_files_are_refused_by_name),
        cmocka_unit_test(a_damaged_head_is_refused_wherever_it_is_cut),
        cmocka_unit_test(a_head_longer_than_its_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
