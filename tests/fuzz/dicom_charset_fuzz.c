/* Text: the first line is a Specific Character Set, the second a pattern, the rest text. */
#include "dicom/charset.h"
#include "fuzz.h"

static void check_fold(struct mur_slice text)
{
    MUR_AUTO_FREE char *once = NULL;
    MUR_AUTO_FREE char *twice = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_text_fold(&once, text, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    fuzz_check(mur_utf8_valid(mur_slice_of(once)), "it folds to what is no UTF-8");
    status = mur_text_fold(&twice, mur_slice_of(once), &error);
    fuzz_check_status(status, &error);
}

static void check_charset(struct mur_slice name, struct mur_slice bytes, enum mur_vr vr)
{
    MUR_AUTO(mur_charset) *charset = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer back = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer again = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_charset_use(&charset, name, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    status = mur_charset_to_utf8(&text, charset, bytes, vr, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    struct mur_slice decoded = {mur_buffer_text(&text), text.length};
    fuzz_check(mur_utf8_valid(decoded), "it decodes to what is no UTF-8");
    check_fold(decoded);
    status = mur_charset_from_utf8(&back, charset, decoded, vr, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    status = mur_charset_to_utf8(
        &again, charset, (struct mur_slice){mur_buffer_text(&back), back.length}, vr, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    fuzz_check_status(mur_charset_use(&charset, mur_slice_of("ISO_IR 192"), &error), &error);
}

static void check_numbers(struct mur_slice text)
{
    int64_t whole;
    uint64_t natural;
    double number;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_parse_int64(&whole, text, -1000, 1000, &error);
    fuzz_check_status(status, &error);
    fuzz_check(status != MUR_OK || (whole >= -1000 && whole <= 1000), "out of its range");
    status = mur_parse_uint64(&natural, text, 0, UINT64_MAX, &error);
    fuzz_check_status(status, &error);
    status = mur_parse_double(&number, text, &error);
    fuzz_check_status(status, &error);
    fuzz_check(status != MUR_OK || number - number == 0, "not finite");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mur_slice name = fuzz_until(&data, &size, "\n");
    struct mur_slice pattern = fuzz_until(&data, &size, "\n");
    struct mur_slice text = {.data = (const char *)data, .length = size};
    check_charset(name, text, MUR_VR_PN);
    check_charset(name, text, MUR_VR_LT);
    check_fold(text);
    check_numbers(pattern);
    fuzz_check(mur_wildcard_match(mur_slice_of("*"), text), "* matches everything");
    (void)mur_wildcard_match(pattern, text);
    fuzz_check(mur_utf8_cut(text, size / 2) <= size / 2, "cut behind its limit");
    MUR_AUTO_FREE char *latin = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_utf8_from_cp1252(&latin, text, &error) == MUR_OK)
        fuzz_check(mur_utf8_valid(mur_slice_of(latin)), "no UTF-8");
    return 0;
}
