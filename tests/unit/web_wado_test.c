/* What WADO-RS decides without an archive: representations, ranges, fragments, stored headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dicom/transfer_syntax.h"
#include "web/frames_image.h"
#include "web/metadata_json.h"

/* ---- stored headers -------------------------------------------------------------------------- */

static const char stored[] =
    "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO 2022 IR 6\",\"ISO 2022 IR 87\"]},"
    "\"00081140\":{\"vr\":\"SQ\",\"Value\":[{\"00080005\":{\"vr\":\"CS\"}},"
    "{\"00290010\":{\"vr\":\"LO\",\"Value\":[\"#1,2 \\\"{[\"]},"
    "\"00291001\":{\"vr\":\"OB\",\"BulkDataURI\":\"#70,90000\"}}]},"
    "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"BulkDataURI\"}]},"
    "\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"#95000,8,encapsulated\"}}";

static const char wanted[] =
    "{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR 192\"]},"
    "\"00081140\":{\"vr\":\"SQ\",\"Value\":[{\"00080005\":{\"vr\":\"CS\",\"Value\":[\"ISO_IR "
    "192\"]}},"
    "{\"00290010\":{\"vr\":\"LO\",\"Value\":[\"#1,2 \\\"{[\"]},"
    "\"00291001\":{\"vr\":\"OB\",\"BulkDataURI\":\"/b/00081140/2/00291001\"}}]},"
    "\"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"BulkDataURI\"}]},"
    "\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"/b/7FE00010\"}}";

static enum mur_status pass(struct mur_metadata_filter *filter, const char *text, size_t piece)
{
    struct mur_sink sink = mur_metadata_filter_sink(filter);
    size_t length = strlen(text);
    for (size_t at = 0; at < length; at += piece) {
        size_t count = length - at < piece ? length - at : piece;
        enum mur_status status = sink.write(sink.user, text + at, count, NULL);
        if (status != MUR_OK)
            return status;
    }
    return mur_metadata_filter_finish(filter, NULL);
}

static void places_become_addresses_however_a_header_is_cut(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 7, 50, sizeof stored};
    for (size_t i = 0; i < MUR_COUNT(pieces); i++) {
        static struct mur_metadata_filter filter;
        MUR_AUTO_BUFFER struct mur_buffer out = MUR_BUFFER_INIT;
        mur_metadata_filter_init(&filter, mur_sink_buffer(&out), "/b/");
        assert_int_equal(pass(&filter, stored, pieces[i]), MUR_OK);
        assert_string_equal(mur_buffer_text(&out), wanted);
    }
}

static void strings_longer_than_what_is_held_pass_whole(void **state)
{
    (void)state;
    static struct mur_metadata_filter filter;
    char text[6000];
    char value[5001];
    for (size_t i = 0; i < sizeof value - 1; i++)
        value[i] = "ab{}[]:,"[i % 8];
    value[sizeof value - 1] = '\0';
    (void)snprintf(text, sizeof text,
                   "{\"00204000\":{\"vr\":\"LT\",\"Value\":[\"%s\\\\\\\"\"]},"
                   "\"7FE00010\":{\"vr\":\"OW\",\"BulkDataURI\":\"/b/7FE00010\"}}",
                   value);
    MUR_AUTO_BUFFER struct mur_buffer out = MUR_BUFFER_INIT;
    mur_metadata_filter_init(&filter, mur_sink_buffer(&out), "/b/");
    assert_int_equal(pass(&filter, text, 11), MUR_OK);
    assert_string_equal(mur_buffer_text(&out), text);
}

static void bulk_values_are_found_by_their_path(void **state)
{
    (void)state;
    static struct mur_metadata_filter filter;
    mur_metadata_filter_find(&filter, "00081140/2/00291001");
    assert_int_equal(pass(&filter, stored, 5), MUR_OK);
    assert_true(filter.has_found);
    assert_int_equal(filter.found.offset, 70);
    assert_int_equal(filter.found.length, 90000);
    assert_false(filter.found.encapsulated);
    assert_int_equal(filter.found.vr, MUR_VR_OB);
    mur_metadata_filter_find(&filter, "7FE00010");
    assert_int_equal(pass(&filter, stored, 5), MUR_OK);
    assert_true(filter.has_found && filter.found.encapsulated);
    static const char *const absent[] = {"00290010", "00081140/1/00291001", "", "00081140"};
    for (size_t i = 0; i < MUR_COUNT(absent); i++) {
        mur_metadata_filter_find(&filter, absent[i]);
        assert_int_equal(pass(&filter, stored, 5), MUR_OK);
        assert_false(filter.has_found);
    }
}

static void a_header_that_is_cut_or_damaged_is_told(void **state)
{
    (void)state;
    static struct mur_metadata_filter filter;
    static const char *const texts[] = {"{\"00080005\":{\"vr\":\"C",
                                        "{\"00100010\":{\"vr\":\"PN\"}", "{}}", "\"a\""};
    for (size_t i = 0; i < MUR_COUNT(texts); i++) {
        MUR_AUTO_BUFFER struct mur_buffer out = MUR_BUFFER_INIT;
        mur_metadata_filter_init(&filter, mur_sink_buffer(&out), "/b/");
        assert_int_equal(pass(&filter, texts[i], 3), MUR_CORRUPT);
    }
}

/* ---- ranges ---------------------------------------------------------------------------------- */

static void ranges_of_bytes_are_those_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum mur_status status;
        bool ok;
        uint64_t offset, length;
    } cases[] = {
        {"bytes=0-0", MUR_OK, true, 0, 1},
        {"bytes=5-", MUR_OK, true, 5, 95},
        {"bytes=-1", MUR_OK, true, 99, 1},
        {"bytes=-1000", MUR_OK, true, 0, 100},
        {"bytes=90-1000", MUR_OK, true, 90, 10},
        {"bytes=100-", MUR_LIMIT, false, 0, 0},
        {"bytes=-0", MUR_LIMIT, false, 0, 0},
        {"bytes=7-5", MUR_OK, false, 0, 0},
        {"bytes=0-1,5-6", MUR_OK, false, 0, 0},
        {"bytes=-", MUR_OK, false, 0, 0},
        {"lines=0-1", MUR_OK, false, 0, 0},
        {"bytes=a-b", MUR_OK, false, 0, 0},
        {"bytes=", MUR_OK, false, 0, 0},
        {"", MUR_OK, false, 0, 0},
        {"bytes=0-99999999999999999999", MUR_OK, false, 0, 0},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_run run = {.offset = 0};
        bool ok = false;
        assert_int_equal(mur_range_parse(&run, &ok, mur_slice_of(cases[i].text), 100, NULL),
                         cases[i].status);
        assert_int_equal(ok, cases[i].ok);
        assert_int_equal(run.offset, cases[i].offset);
        assert_int_equal(run.length, cases[i].length);
    }
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void fragments_belong_to_frames_by_the_table_or_by_how_they_begin(void **state)
{
    (void)state;
    const struct mur_fragment fragments[] = {{1000, 10, true},
                                             {1018, 10, false},
                                             {1036, 10, false},
                                             {1054, 10, true},
                                             {1072, 10, false}};
    const uint64_t right[] = {0, 54};
    const uint64_t wrong[] = {0, 50};
    const uint64_t late[] = {18, 54};
    uint32_t first[6];
    static const uint64_t *const none = NULL;
    const uint64_t *const tables[] = {right, wrong, none};
    for (size_t i = 0; i < MUR_COUNT(tables); i++) {
        assert_int_equal(mur_frames_divide(first, 2, fragments, 5, tables[i], NULL), MUR_OK);
        assert_int_equal(first[0], 0);
        assert_int_equal(first[1], 3);
        assert_int_equal(first[2], 5);
    }
    assert_int_equal(mur_frames_divide(first, 1, fragments, 5, NULL, NULL), MUR_OK);
    assert_int_equal(first[1], 5);
    assert_int_equal(mur_frames_divide(first, 5, fragments, 5, NULL, NULL), MUR_OK);
    assert_int_equal(first[4], 4);
    assert_int_equal(mur_frames_divide(first, 3, fragments, 5, late, NULL), MUR_UNSUPPORTED);
    assert_int_equal(mur_frames_divide(first, 1, fragments, 0, NULL, NULL), MUR_UNSUPPORTED);
}

/* ---- representations ------------------------------------------------------------------------- */

/* "0m", "1s": which one, and whether in several parts; "-" none */
static const char *chosen_for(const char *parameter, const char *header, bool prefer_single)
{
    static char text[8];
    const struct mur_representation offers[] = {{.media_type = "application/octet-stream",
                                                 .transfer_syntax = mur_uid_ExplicitVRLittleEndian,
                                                 .usual = true,
                                                 .single = true,
                                                 .multipart = true},
                                                {.media_type = "image/jls",
                                                 .transfer_syntax = mur_uid_JPEGLSLossless,
                                                 .stored = true,
                                                 .single = true,
                                                 .multipart = true}};
    MUR_AUTO_ACCEPT struct mur_accept accept = {.parameter = {.count = 0}};
    struct mur_chosen chosen;
    assert_int_equal(mur_media_list_parse(&accept.parameter, mur_slice_of(parameter), NULL),
                     MUR_OK);
    assert_int_equal(mur_media_list_parse(&accept.header, mur_slice_of(header), NULL), MUR_OK);
    enum mur_status status = mur_wado_choose(&chosen, &accept, offers, 2, prefer_single, NULL);
    if (status == MUR_UNSUPPORTED)
        return "-";
    assert_int_equal(status, MUR_OK);
    (void)snprintf(text, sizeof text, "%zu%c", chosen.representation, chosen.multipart ? 'm' : 's');
    return text;
}

static void the_representation_is_what_accept_asks_for(void **state)
{
    (void)state;
    static const struct {
        const char *accept, *chosen;
    } cases[] = {
        {"*/*", "0m"},
        {"application/octet-stream", "0s"},
        {"application/octet-stream; transfer-syntax=*", "1s"},
        {"multipart/related; type=application/octet-stream; transfer-syntax=*", "1m"},
        {"multipart/related; type=\"application/octet-stream\"; transfer-syntax=\"*\"", "1m"},
        {"multipart/related; type=\"application/octet-stream\"", "0m"},
        {"multipart/related; type=\"application/octet-stream\"; "
         "transfer-syntax=1.2.840.10008.1.2.1",
         "0m"},
        {"multipart/related; type=application/octet-stream; transfer-syntax=1.2.840.10008.1.2.4.80",
         "1m"},
        {"multipart/related; type=image/jls", "1m"},
        {"multipart/related; type=\"image/*\"", "1m"},
        {"multipart/related", "0m"},
        {"image/jls; transfer-syntax=1.2.840.10008.1.2.4.80", "1s"},
        {"image/jls; transfer-syntax=1.2.840.10008.1.2.4.81", "-"},
        {"IMAGE/JLS", "1s"},
        {"image/*", "1s"},
        {"image/jp2", "-"},
        {"image/jp2, */*;q=0.1", "0m"},
        {"application/octet-stream;q=0.4, image/jls;q=0.6", "1s"},
        {"application/octet-stream;q=0", "-"},
        {"text/html", "-"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++)
        assert_string_equal(chosen_for("", cases[i].accept, false), cases[i].chosen);
    assert_string_equal(chosen_for("", "*/*", true), "0s");
    assert_string_equal(chosen_for("image/jls", "application/octet-stream", false), "1s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_become_addresses_however_a_header_is_cut),
        cmocka_unit_test(strings_longer_than_what_is_held_pass_whole),
        cmocka_unit_test(bulk_values_are_found_by_their_path),
        cmocka_unit_test(a_header_that_is_cut_or_damaged_is_told),
        cmocka_unit_test(ranges_of_bytes_are_those_of_the_standard),
        cmocka_unit_test(fragments_belong_to_frames_by_the_table_or_by_how_they_begin),
        cmocka_unit_test(the_representation_is_what_accept_asks_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
