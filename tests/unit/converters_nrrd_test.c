#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "converters/label_json.h"
#include "converters/nrrd.h"
#include "core/file.h"

#define AXES "space directions: (0.1,0,0) (0,0.2,0) (0,0,0.3)\n"
#define GOOD                                                                                       \
    "NRRD0004\n# a comment\ntype: uint8\ndimension: 3\nspace: left-posterior-superior\n"           \
    "sizes: 4 3 2\n" AXES "encoding: raw\nspace origin: (1,2,3)\n"

static enum mur_status parse(struct mur_nrrd_header *out, const char *text, struct mur_error *error)
{
    memset(out, 0, sizeof *out);
    return mur_nrrd_header_parse(out, mur_slice_of(text), "x.nrrd", NULL, error);
}

static void a_header_says_where_voxels_lie(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_nrrd_header header;
    assert_int_equal(parse(&header, GOOD "\n", &error), MUR_OK);
    assert_int_equal(header.length, strlen(GOOD "\n"));
    assert_true(header.geometry.origin_lps_mm[1] == 2 && header.geometry.spacing_mm[2] == 0.3);
    assert_true(header.geometry.row_dir_lps[0] == 1);
    mur_nrrd_header_free(&header);
    assert_int_equal(parse(&header,
                           "NRRD0005\r\ntype: short\r\nendian: big\r\ndimension: 4\r\n"
                           "space: RAS\r\nsizes: 2 4 3 2\r\nkinds: list domain domain "
                           "domain\r\nspace directions: none (0.1,0,0) (0,0.2,0) "
                           "(0,0,0.3)\r\nencoding: gzip\r\n\r\n",
                           &error),
                     MUR_OK);
    assert_true(header.big_endian && header.gzip && header.interleaved);
    assert_int_equal(header.layers, 2);
    assert_true(header.geometry.row_dir_lps[0] == -1);
    mur_nrrd_header_free(&header);
}

static void segments_of_3d_slicer_are_read(void **state)
{
    (void)state;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_nrrd_header header;
    assert_int_equal(
        parse(&header,
              GOOD "Segment1_Name:=left\\nlung\nSegment1_LabelValue:=7\nSegment1_Layer:=0\n"
                   "Segment0_Color:=1 0.5 0\nSegment0_Tags:=a:b|TerminologyEntry:c~SCT^1^Cat~"
                   "SCT^2^Type~SCT^3^Left~d~SCT^4^Region~^^|\nSegmentation_Source:=x\n\n",
              &error),
        MUR_OK);
    assert_int_equal(header.segment_count, 2);
    const struct mur_nrrd_segment *first = &header.segments[0], *second = &header.segments[1];
    assert_string_equal(first->name, "Label 1"); /* of old files, by its number */
    assert_true(first->has_rgb && first->rgb[0] == 255 && first->rgb[1] == 128);
    assert_string_equal(first->category.value, "1");
    assert_string_equal(first->type.meaning, "Type");
    assert_string_equal(first->type_modifier.scheme, "SCT");
    assert_string_equal(first->region.value, "4");
    assert_null(first->region_modifier.value);
    assert_string_equal(second->name, "left lung");
    assert_int_equal(second->value, 7);
    mur_nrrd_header_free(&header);
}

static void wrong_headers_are_refused_with_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mur_status status;
        const char *words;
    } cases[] = {
        {"NRRX0004\n\n", MUR_PARSE, "not NRRD"},
        {"NRRD0004\n\n", MUR_PARSE, "\"type\" is missing"},
        {GOOD "sizes: 1 1 1\n\n", MUR_PARSE, "\"sizes\" stands twice"},
        {GOOD "nonsense\n\n", MUR_PARSE, "no line of a NRRD header"},
        {GOOD "Segment0_Layer:=1\n\n", MUR_PARSE, "lies in layer 1 of 1"},
        {GOOD "Segment0_LabelValue:=many\n\n", MUR_PARSE, "Segment0_LabelValue"},
        {GOOD "Segment0_Color:=2 0 0\n\n", MUR_PARSE, "colour"},
        {GOOD "Segment99999_Name:=x\n\n", MUR_LIMIT, "segments"},
        {GOOD "byte skip: many\n\n", MUR_PARSE, "byte skip"},
        {GOOD "line skip: 4\n\n", MUR_UNSUPPORTED, "line skip"},
        {GOOD "data file: slice%03d.raw 1 9 1\n\n", MUR_UNSUPPORTED, "several files"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 0 3 2\nencoding: raw\n\n", MUR_PARSE,
         "sizes"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 3\nencoding: raw\n\n", MUR_PARSE, "sizes"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 3 2 1\nencoding: raw\n\n", MUR_PARSE,
         "sizes"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 3 99999\nencoding: raw\n\n", MUR_LIMIT,
         "sizes"},
        {"NRRD0004\ntype: uint8\ndimension: 2\nsizes: 4 3\nencoding: raw\n\n", MUR_UNSUPPORTED,
         "dimension"},
        {"NRRD0004\ntype: uint8\ndimension: 99\nsizes: 4 3\nencoding: raw\n\n", MUR_PARSE,
         "dimension"},
        {"NRRD0004\ntype: uint8\ndimension: 4\nsizes: 4 3 2 2\nencoding: raw\n\n", MUR_UNSUPPORTED,
         "list of layers"},
        {"NRRD0004\ntype: int16\ndimension: 3\nsizes: 4 3 2\nencoding: raw\n\n", MUR_PARSE,
         "endian"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 3 2\nencoding: bzip2\n\n", MUR_UNSUPPORTED,
         "bzip2"},
        {"NRRD0004\ntype: block\ndimension: 3\nsizes: 4 3 2\nencoding: raw\n\n", MUR_UNSUPPORTED,
         "block"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nspace: scanner-xyz\nsizes: 4 3 2\nencoding: raw\n\n",
         MUR_UNSUPPORTED, "scanner-xyz"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nspace: LPS\nsizes: 4 3 2\nencoding: raw\n\n",
         MUR_PARSE, "space directions"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nspace: LPS\nsizes: 4 3 2\nencoding: raw\n"
         "space directions: (1,0,0) (0,1,0) (0,0,nan)\n\n",
         MUR_PARSE, "space directions"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nspace: LPS\nsizes: 4 3 2\nencoding: raw\n"
         "space directions: (1,0,0) (0,1,0) (0,0,0)\n\n",
         MUR_PARSE, "space directions"},
        {"NRRD0004\ntype: uint8\ndimension: 3\nspace: LPS\nsizes: 4 3 2\nencoding: raw\n"
         "space directions: (1,0,0) (0,1,0\n\n",
         MUR_PARSE, "space directions"},
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_nrrd_header header;
        assert_int_equal(parse(&header, cases[index].text, &error), cases[index].status);
        if (strstr(error.message, cases[index].words) == NULL)
            fail_msg("case %zu: %s", index, error.message);
        assert_non_null(strstr(error.message, "x.nrrd"));
    }
}

static void no_beginning_of_a_header_is_read_beyond_its_end(void **state)
{
    (void)state;
    static const char whole[] =
        GOOD "Segment0_Name:=x\nSegment0_Tags:=TerminologyEntry:a~b^c^d\n\n";
    for (size_t length = 0; length < sizeof whole; length++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_nrrd_header header = {.segments = NULL};
        char *text = malloc(length + 1); /* its end is seen by the address sanitizer */
        memcpy(text, whole, length);
        struct mur_slice slice = {.data = text, .length = length};
        if (mur_nrrd_header_parse(&header, slice, "x.nrrd", NULL, &error) == MUR_OK)
            mur_nrrd_header_free(&header);
        free(text);
    }
}

static void wild_headers_are_refused_or_give_a_grid(void **state)
{
    (void)state;
    static const char whole[] =
        "NRRD0004\ntype: short\ndimension: 4\nspace: LPS\nsizes: 2 4 3 2\n"
        "space directions: none (0.1,0,0) (0,0.2,0) (0,0,0.3)\nkinds: list domain domain domain\n"
        "endian: little\nencoding: gzip\nspace origin: (1,2,3)\nspace units: \"mm\" \"mm\" \"mm\"\n"
        "byte skip: 0\nSegment0_Name:=x\\ny\nSegment0_Layer:=1\nSegment0_Color:=1 0 0.5\n"
        "Segment0_Tags:=|TerminologyEntry:a~SCT^1^b~SCT^2^c~^^~d~^^~^^|\n\n";
    static const char *const bits[] = {"9",   "-1", "(",    ")", ",",  "\n",  "nan",    " none",
                                       "\\n", ":=", "\xFF", "~", "^^", "1e9", "Segment"};
    uint32_t seed = 11;
    for (unsigned round = 0; round < 20000; round++) {
        char text[sizeof whole + 64];
        size_t length = sizeof whole - 1;
        memcpy(text, whole, sizeof whole);
        for (unsigned change = 0; change < 1 + round % 4; change++) {
            seed = seed * 1664525u + 1013904223u;
            const char *put = bits[(seed >> 8) % MUR_COUNT(bits)];
            size_t place = (seed >> 16) % (length - 8) + 8, size = strlen(put);
            size_t taken = (seed >> 4) % 3;
            taken = place + taken > length ? length - place : taken;
            if (length + size - taken >= sizeof text)
                continue;
            memmove(text + place + size, text + place + taken, length - place - taken);
            memcpy(text + place, put, size);
            length = length + size - taken;
        }
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_nrrd_header header = {.segments = NULL};
        struct mur_slice slice = {.data = text, .length = length};
        if (mur_nrrd_header_parse(&header, slice, "x.nrrd", NULL, &error) != MUR_OK) {
            if (strstr(error.message, "x.nrrd") == NULL)
                fail_msg("%s", error.message);
            continue;
        }
        for (unsigned axis = 0; axis < 3; axis++) {
            assert_true(header.dims[axis] > 0);
            assert_true(header.geometry.spacing_mm[axis] > 0);
            assert_true(isfinite(header.geometry.origin_lps_mm[axis]));
        }
        mur_nrrd_header_free(&header);
    }
}

static void write_file(const char *path, const char *text)
{
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_file_write_all(path, text, strlen(text), 0600, &error), MUR_OK);
}

static void a_claim_beyond_the_file_is_refused_before_memory_is_taken(void **state)
{
    (void)state;
    char folder[] = "/tmp/mur_nrrd_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/x.nrrd", folder);
    static const char *const claims[] = {
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 20000 20000 2\nencoding: raw\n\nabc",
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 20000 20000 2\nencoding: gzip\n\nabc",
        "NRRD0004\ntype: double\nendian: little\ndimension: 3\nsizes: 65535 65535 65535\n"
        "encoding: raw\n\nabc",
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 1 1 3\nbyte skip: 9223372036854775807\n"
        "encoding: raw\n\nabc",
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 1 1 3\ndata file: ../x.nrrd\nencoding: "
        "raw\n\n",
        "NRRD0004\ntype: uint8\ndimension: 3\nsizes: 1 1 3\ndata file: /etc/passwd\n"
        "encoding: raw\n\n",
    };
    for (size_t index = 0; index < MUR_COUNT(claims); index++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_nrrd *nrrd = NULL;
        write_file(path, claims[index]);
        assert_int_not_equal(mur_nrrd_open(&nrrd, path, NULL, &error), MUR_OK);
        assert_null(nrrd);
        assert_non_null(strstr(error.message, "x.nrrd"));
    }
    (void)unlink(path);
    (void)rmdir(folder);
}

static void wrong_json_of_labels_is_refused_with_the_field(void **state)
{
    (void)state;
    char folder[] = "/tmp/mur_json_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/x.json", folder);
    static const char *const cases[][2] = {
        {"{", "x.json"},
        {"{}", "no labels"},
        {"{\"segmentAttributes\": []}", "no labels"},
        {"{\"segmentAttributes\": [[{}]]}", "labelID"},
        {"{\"segmentAttributes\": [[{\"labelID\": 0}]]}", "labelID"},
        {"{\"segmentAttributes\": [[{\"labelID\": 65536}]]}", "labelID"},
        {"{\"segmentAttributes\": [[{\"labelID\": 1, \"recommendedDisplayRGBValue\": [1, 2]}]]}",
         "recommendedDisplayRGBValue"},
        {"{\"segmentAttributes\": [[{\"labelID\": 1, \"SegmentAlgorithmType\": \"ROBOT\"}]]}",
         "SegmentAlgorithmType"},
        {"{\"segmentAttributes\": [[{\"labelID\": 1, \"SegmentAlgorithmType\": \"AUTOMATIC\"}]]}",
         "SegmentAlgorithmName"},
        {"{\"Labels\": [{\"Value\": 1, \"Layer\": 0}]}", "Layer"},
    };
    for (size_t index = 0; index < MUR_COUNT(cases); index++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_label_json json = {.document = NULL};
        write_file(path, cases[index][0]);
        assert_int_equal(mur_label_json_read(&json, path, &error), MUR_PARSE);
        assert_non_null(strstr(error.message, cases[index][1]));
        assert_null(json.segments);
    }
    (void)unlink(path);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_says_where_voxels_lie),
        cmocka_unit_test(segments_of_3d_slicer_are_read),
        cmocka_unit_test(wrong_headers_are_refused_with_the_field),
        cmocka_unit_test(no_beginning_of_a_header_is_read_beyond_its_end),
        cmocka_unit_test(wild_headers_are_refused_or_give_a_grid),
        cmocka_unit_test(a_claim_beyond_the_file_is_refused_before_memory_is_taken),
        cmocka_unit_test(wrong_json_of_labels_is_refused_with_the_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
