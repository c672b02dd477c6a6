/* Character sets: the examples of PS3.5 Annex H to K, and what is wrongly labelled. */
#include "dicom_support.h"

#include "dicom/charset.h"

static void decode(const char *charset, const char *bytes, enum mur_vr vr, const char *wanted)
{
    MUR_AUTO(mur_charset) *converter = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(mur_charset_use(&converter, mur_slice_of(charset), NULL), MUR_OK);
    assert_int_equal(mur_charset_to_utf8(&text, converter, mur_slice_of(bytes), vr, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&text), wanted);
}

static void examples_of_the_standard_are_read(void **state)
{
    (void)state;
    decode("ISO_IR 100", "Buc^J\xE9r\xF4me", MUR_VR_PN, "Buc^Jérôme");
    decode("ISO_IR 144", "\xBB\xEE\xDA\xE1\xD5\xDC\xD1\xE3\xE0\xD3", MUR_VR_PN, "Люксембург");
    decode("ISO_IR 192", "Wang^XiaoDong=王^小东", MUR_VR_PN, "Wang^XiaoDong=王^小东");
    decode("GB18030", "Wang^XiaoDong=\xCD\xF5^\xD0\xA1\xB6\xAB", MUR_VR_PN,
           "Wang^XiaoDong=王^小东");
    decode("\\ISO 2022 IR 87", "Yamada^Tarou=\033$B;3ED\033(B^\033$BB@O:\033(B", MUR_VR_PN,
           "Yamada^Tarou=山田^太郎");
    decode("ISO 2022 IR 13\\ISO 2022 IR 87",
           "\xD4\xCF\xC0\xDE^\xC0\xDB\xB3=\033$B;3ED\033(J^\033$BB@O:\033(J", MUR_VR_PN,
           "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎");
    decode("\\ISO 2022 IR 149", "Hong^Gildong=\033$)C\xFB\xF3^\033$)C\xD1\xCE\xD4\xD7", MUR_VR_PN,
           "Hong^Gildong=洪^吉洞");
}

static void sloppy_names_of_sets_are_understood(void **state)
{
    (void)state;
    decode("ISO-IR 100", "J\xE9", MUR_VR_LO, "Jé");
    decode("iso_ir_100 ", "J\xE9", MUR_VR_LO, "Jé");
    decode("ISO 2022 IR 100", "J\xE9", MUR_VR_LO, "Jé");
    decode("UTF-8", "Jé", MUR_VR_LO, "Jé");
    decode("ISO 2022 IR 87", "\033$B;3ED\033(B", MUR_VR_LO, "山田");
    decode("ISO_IR 100\\ISO_IR 192", "Jé", MUR_VR_LO, "Jé");
}

static void wrong_labels_lose_no_text(void **state)
{
    (void)state;
    decode("", "M\xFCller", MUR_VR_PN, "Müller");
    decode("", "Müller", MUR_VR_PN, "Müller");
    decode("ISO_IR 192", "M\xFCller", MUR_VR_PN, "Müller");
    decode("ISO_IR 999", "M\xFCller \x80", MUR_VR_PN, "Müller €");
}

static void control_characters_are_left_out_and_separators_stay(void **state)
{
    (void)state;
    decode("ISO_IR 100", "a\001b\tc\r\nd\177", MUR_VR_LT, "ab\tc\r\nd");
    decode("ISO_IR 100", "\xE9\\\xE9", MUR_VR_LO, "é\\é");
    decode("ISO_IR 13", "\xB1\\\xB2", MUR_VR_LO, "ｱ\\ｲ");
    MUR_AUTO(mur_charset) *converter = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_slice bytes = {.data = "a\0\xE9", .length = 3};
    assert_int_equal(mur_charset_use(&converter, mur_slice_of("ISO_IR 100"), NULL), MUR_OK);
    assert_int_equal(mur_charset_to_utf8(&text, converter, bytes, MUR_VR_LO, NULL), MUR_OK);
    assert_string_equal(mur_buffer_text(&text), "aé");
}

static void text_is_written_in_a_set_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *charset, *text, *bytes;
    } cases[] = {
        {"ISO_IR 100", "Jérôme", "J\xE9r\xF4me"},
        {"ISO_IR 192", "王", "王"},
        {"ISO_IR 100", "王", NULL},
        {"", "Jérôme", NULL},
        {"", "plain", "plain"},
        {"ISO 2022 IR 100\\ISO 2022 IR 126", "é", "\xE9"},
        {"\\ISO 2022 IR 87", "山", NULL},
        {"GB18030", "王", "\xCD\xF5"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        MUR_AUTO(mur_charset) *converter = NULL;
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        assert_int_equal(mur_charset_use(&converter, mur_slice_of(cases[i].charset), NULL), MUR_OK);
        enum mur_status status =
            mur_charset_from_utf8(&bytes, converter, mur_slice_of(cases[i].text), MUR_VR_LO, NULL);
        assert_int_equal(status, cases[i].bytes != NULL ? MUR_OK : MUR_UNSUPPORTED);
        assert_string_equal(mur_buffer_text(&bytes), cases[i].bytes != NULL ? cases[i].bytes : "");
    }
}

static void a_converter_is_kept_while_the_set_is_the_same(void **state)
{
    (void)state;
    MUR_AUTO(mur_charset) *converter = NULL;
    assert_int_equal(mur_charset_use(&converter, mur_slice_of("ISO_IR 100"), NULL), MUR_OK);
    const struct mur_charset *first = converter;
    assert_int_equal(mur_charset_use(&converter, mur_slice_of("ISO_IR 100 "), NULL), MUR_OK);
    assert_ptr_equal(converter, first);
    assert_false(mur_charset_is_utf8(converter));
    assert_int_equal(mur_charset_use(&converter, mur_slice_of("ISO_IR 192"), NULL), MUR_OK);
    assert_true(mur_charset_is_utf8(converter));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_standard_are_read),
        cmocka_unit_test(sloppy_names_of_sets_are_understood),
        cmocka_unit_test(wrong_labels_lose_no_text),
        cmocka_unit_test(control_characters_are_left_out_and_separators_stay),
        cmocka_unit_test(text_is_written_in_a_set_or_refused),
        cmocka_unit_test(a_converter_is_kept_while_the_set_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
