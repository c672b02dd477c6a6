#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "converters/attributes.h"
#include "converters/value_check.h"
#include "core/file.h"
#include "core/own.h"
#include "dicom/attribute.h"

struct fixture {
    char path[64];
    struct mur_dataset *dataset;
    struct mur_error error;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL)
        return -1;
    *state = f;
    (void)snprintf(f->path, sizeof f->path, "/tmp/mur_attributes_XXXXXX");
    int descriptor = mkstemp(f->path);
    if (descriptor < 0 || close(descriptor) != 0)
        return -1;
    return mur_dataset_create(&f->dataset, NULL) == MUR_OK &&
                   mur_dataset_set_utf8(f->dataset, NULL) == MUR_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->path);
    mur_dataset_free(f->dataset);
    free(f);
    return 0;
}

static enum mur_status read_json(struct fixture *f, const char *text)
{
    assert_int_equal(mur_file_write_all(f->path, text, strlen(text), 0600, NULL), MUR_OK);
    return mur_attributes_from_json(f->dataset, f->path, &f->error);
}

static void an_object_or_an_array_of_one_is_taken(void **state)
{
    struct fixture *f = *state;
    static const char one[] =
        "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 100\"]},"
        "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"M\xC3\xBCller^M1\"}]},"
        "\"00180081\":{\"Value\":[2.5]},\"0040A730\":{\"vr\":\"SQ\",\"Value\":[{}]}}";
    char array[sizeof one + 2];
    (void)snprintf(array, sizeof array, "[%s]", one);
    for (int round = 0; round < 2; round++) {
        const char *text = NULL;
        assert_int_equal(read_json(f, round == 0 ? one : array), MUR_OK);
        assert_int_equal(mur_dataset_get_string(&text, f->dataset, MUR_TAG_PatientName, NULL),
                         MUR_OK);
        assert_string_equal(text, "M\xC3\xBCller^M1");
        assert_int_equal(mur_dataset_get_string(&text, f->dataset, MUR_TAG_EchoTime, NULL), MUR_OK);
        assert_string_equal(text, "2.5");
    }
}

static void other_json_is_refused_with_file_and_attribute(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", ""},
        {"[]", "object"},
        {"[{},{}]", "object"},
        {"7", "object"},
        {"{\"nothing\":{}}", "nothing"},
        {"{\"00420011\":{\"vr\":\"OB\",\"InlineBinary\":\"AA==\"}}", "00420011 holds bytes"},
        {"{\"00102202\":{\"vr\":\"LO\",\"Value\":[\"mouse\"]}}", "the standard has SQ"},
        {"{\"00102202\":{\"vr\":\"SQ\",\"Value\":[{\"00080100\":{\"vr\":\"SH\",\"Value\":"
         "[\"12345678901234567\"]}}]}}",
         "CodeValue"},
        {"{\"00100020\":\"M1\"}", "00100020"},
        {"{\"00100020\":{\"vr\":\"SH\",\"Value\":[\"M1\"]}}", "PatientID (0010,0020): VR SH"},
        {"{\"00080020\":{\"vr\":\"DA\",\"Value\":[\"yesterday\"]}}", "StudyDate (0008,0020)"},
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        assert_int_not_equal(read_json(f, cases[index].text), MUR_OK);
        assert_non_null(strstr(f->error.message, f->path));
        assert_non_null(strstr(f->error.message, cases[index].words));
    }
}

static void values_must_suit_their_representation(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t tag;
        const char *right, *wrong;
    } cases[] = {
        {MUR_TAG_PatientAge, "012W", "12W"},
        {MUR_TAG_PatientSex, "M", "m"},
        {MUR_TAG_StudyDate, "20240229", "20230229"},
        {MUR_TAG_StudyTime, "235959.5", "25"},
        {MUR_TAG_AcquisitionDateTime, "2024+0100", "24"},
        {MUR_TAG_PatientID, "M\xC3\xBCller 1", "M\t1"},
        {MUR_TAG_PatientID, "M1", "M\\1"},
        {MUR_TAG_PatientID, "M1 ", "M1\n"},
        {MUR_TAG_PatientName, "A^B", "A\x07z"},
        {MUR_TAG_PatientComments, "one\\1\ntwo", "one\x07two"},
        {MUR_TAG_PixelSpacing, "1.5\\2", "1.5\\2\\3"},
        {MUR_TAG_ScanningSequence, "SE\\GR\\RM\\EP", "SE\\gr"},
        {MUR_TAG_EchoTime, "1.5", "1.5\\2"},
        {MUR_TAG_SeriesNumber, "-7", "7.5"},
        {MUR_TAG_StudyInstanceUID, "1.2.3", "1.02.3"},
        {MUR_TAG_AccessionNumber, "1234567890123456", "12345678901234567"},
        {MUR_TAG_PatientName, "A^B=C^D",
         "0123456789012345678901234567890123456789012345678901234567"
         "890123456789"},
        {MUR_TAG_StudyInstanceUID, "", "x"},
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        const char *const texts[] = {cases[index].wrong, cases[index].right};
        for (int right = 0; right < 2; right++) {
            assert_int_equal(mur_dataset_put_string(f->dataset, cases[index].tag, MUR_VR_NONE,
                                                    texts[right], NULL),
                             MUR_OK);
            assert_int_equal(mur_value_check(f->dataset, &f->error),
                             right != 0 ? MUR_OK : MUR_INVALID);
        }
    }
}

#define IN_FILE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FILE(an_object_or_an_array_of_one_is_taken),
        IN_FILE(other_json_is_refused_with_file_and_attribute),
        IN_FILE(values_must_suit_their_representation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
