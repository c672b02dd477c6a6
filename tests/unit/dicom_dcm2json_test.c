/* The header as JSON against that of an independent writer, DCMTK's dcm2json, on whole files. */
#include "dicom_support.h"

#include <math.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/json.h"
#include "dicom/attribute.h"
#include "dicom/header_json.h"

enum { SIZE_LIMIT = 1 << 26 };

/* What the program prints; skips the test where it is not installed. */
static void run_dcm2json(struct mur_buffer *out, const char *path)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)execlp("dcm2json", "dcm2json", "--quiet", path, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    for (;;) {
        char piece[65536];
        ssize_t length = read(ends[0], piece, sizeof piece);
        if (length <= 0)
            break;
        assert_int_equal(mur_buffer_append(out, piece, (size_t)length, NULL), MUR_OK);
    }
    (void)close(ends[0]);
    int result = 0;
    (void)waitpid(child, &result, 0);
    if (WIFEXITED(result) && WEXITSTATUS(result) == 127)
        skip();
    assert_true(WIFEXITED(result) && WEXITSTATUS(result) == 0);
}

static void write_ours(struct mur_buffer *out, const struct test_file *file)
{
    MUR_AUTO(mur_header_json) *header = NULL;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    MUR_AUTO_FREE struct mur_json_writer *json = malloc(sizeof *json);
    mur_json_init(json, mur_sink_buffer(out));
    assert_int_equal(mur_header_json_create(&header, json, NULL), MUR_OK);
    assert_int_equal(mur_scanner_create(&scanner, file->head.transfer_syntax,
                                        &mur_header_json_events, header, NULL),
                     MUR_OK);
    assert_int_equal(mur_scanner_write(scanner, file->data, file->length, NULL), MUR_OK);
    assert_int_equal(mur_scanner_finish(scanner, NULL), MUR_OK);
    assert_int_equal(mur_header_json_finish(header, NULL), MUR_OK);
    assert_int_equal(mur_json_finish(json, NULL), MUR_OK);
}

/* ---- comparison: a difference is recorded and asserted on afterwards ----------------------- */

struct comparison {
    const struct mur_json *other;
    unsigned compared;
    char difference[256]; /* "" as long as there is none */
};

static void differ(struct comparison *comparison, const char *where, const char *what)
{
    if (comparison->difference[0] == '\0')
        (void)snprintf(comparison->difference, sizeof comparison->difference, "%.60s: %.180s",
                       where, what);
}

/* A number, or a text that is one: dcm2json writes "+1.0" as a number. */
static bool number_of(double *out, const struct mur_json *value)
{
    if (mur_json_get_double(out, value, NULL) == MUR_OK)
        return true;
    const char *text = mur_json_text(value);
    return text != NULL && mur_parse_double(out, mur_slice_of(text), NULL) == MUR_OK;
}

static bool same_text(const struct mur_json *a, const struct mur_json *b)
{
    const char *text_a = a != NULL ? mur_json_text(a) : NULL;
    const char *text_b = b != NULL ? mur_json_text(b) : NULL;
    return text_a == NULL || text_b == NULL ? text_a == text_b : strcmp(text_a, text_b) == 0;
}

static bool compare_element(void *user, const char *tag, const struct mur_json *ours);

static void compare_value(struct comparison *comparison, const char *tag, const char *vr,
                          const struct mur_json *ours, const struct mur_json *theirs)
{
    double number;
    double other;
    if (strcmp(vr, "SQ") == 0) {
        struct comparison inner = {.other = theirs};
        mur_json_each(ours, compare_element, &inner);
        comparison->compared += inner.compared;
        if (inner.difference[0] != '\0')
            differ(comparison, tag, inner.difference);
        else if (mur_json_count(ours) != mur_json_count(theirs))
            differ(comparison, tag, "elements of an item");
    } else if (strcmp(vr, "PN") == 0) {
        static const char *const groups[] = {"Alphabetic", "Ideographic", "Phonetic"};
        for (size_t i = 0; i < MUR_COUNT(groups); i++)
            if (!same_text(mur_json_get(ours, groups[i]), mur_json_get(theirs, groups[i])))
                differ(comparison, tag, groups[i]);
    } else if (number_of(&number, ours) && number_of(&other, theirs)) {
        if (fabs(number - other) > 1e-7 * fabs(other))
            differ(comparison, tag, "number");
    } else if (!same_text(ours, theirs)) {
        differ(comparison, tag, "text");
    }
}

static bool compare_element(void *user, const char *tag, const struct mur_json *ours)
{
    struct comparison *comparison = user;
    const struct mur_json *theirs = mur_json_get(comparison->other, tag);
    const struct mur_json *values = mur_json_get(ours, "Value");
    const struct mur_json *other_values = mur_json_get(theirs, "Value");
    comparison->compared++;
    if (theirs == NULL || !same_text(mur_json_get(ours, "vr"), mur_json_get(theirs, "vr"))) {
        differ(comparison, tag, "absent, or of another VR");
        return false;
    }
    /* dcm2json writes text as UTF-8, and says so; ours keeps the value of the object. */
    if (strcmp(tag, "00080005") == 0 || mur_json_get(ours, "BulkDataURI") != NULL)
        return true;
    if (!same_text(mur_json_get(ours, "InlineBinary"), mur_json_get(theirs, "InlineBinary")))
        differ(comparison, tag, "bytes");
    if (mur_json_count(values) != mur_json_count(other_values))
        differ(comparison, tag, "number of values");
    for (size_t i = 0; comparison->difference[0] == '\0' && i < mur_json_count(values); i++)
        compare_value(comparison, tag, mur_json_text(mur_json_get(ours, "vr")),
                      mur_json_at(values, i), mur_json_at(other_values, i));
    return comparison->difference[0] == '\0';
}

static const struct {
    const char *name;
    bool has_padding; /* Data Set Trailing Padding, which ours leaves out */
} files[] = {
    {"dicom/MR_small.dcm", true},
    {"dicom/MR_small_bigendian.dcm", false},
    {"dicom/MR_small_implicit.dcm", false},
    {"dicom/MR_small_expb.dcm", true},
    {"dicom/MR_small_padded.dcm", true},
    {"dicom/CT_small.dcm", true},
    {"dicom/image_dfl.dcm", false},
    {"dicom/two_slices_0.dcm", false},
    {"seg/24x38x3__image__IMG0001.dcm", false},
    {"seg/ct-3slice__01.dcm", false},
    {"seg/liver.dcm", false},
    {"seg/paramaps__pm-example-slice.dcm", false},
};

static void headers_are_those_of_dcm2json(void **state)
{
    (void)state;
    for (size_t i = 0; i < MUR_COUNT(files); i++) {
        struct test_file file;
        char path[1024];
        need_testdata(path, files[i].name);
        read_test_file(&file, files[i].name);
        MUR_AUTO_BUFFER struct mur_buffer ours = MUR_BUFFER_INIT;
        MUR_AUTO_BUFFER struct mur_buffer theirs = MUR_BUFFER_INIT;
        MUR_AUTO(mur_json) *our_json = NULL;
        MUR_AUTO(mur_json) *their_json = NULL;
        write_ours(&ours, &file);
        mur_buffer_free(&file.bytes);
        run_dcm2json(&theirs, path);
        struct mur_slice our_text = {.data = ours.data, .length = ours.length};
        struct mur_slice their_text = {.data = theirs.data, .length = theirs.length};
        assert_int_equal(mur_json_parse(&our_json, our_text, SIZE_LIMIT, NULL), MUR_OK);
        assert_int_equal(mur_json_parse(&their_json, their_text, SIZE_LIMIT, NULL), MUR_OK);
        struct comparison comparison = {.other = their_json};
        mur_json_each(our_json, compare_element, &comparison);
        if (comparison.difference[0] != '\0')
            fail_msg("%s: %s", files[i].name, comparison.difference);
        size_t wanted = mur_json_count(their_json) - (files[i].has_padding ? 1 : 0);
        assert_int_equal(mur_json_count(our_json), wanted);
        assert_true(comparison.compared >= 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_those_of_dcm2json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
