/* QIDO-RS over raw HTTP. */
#include "web_support.h"

#include "dicom/dictionary.h"

#define ROOT "/dicom-web"

/* Three studies of two instances each: 1.2.3.N, patient M<N>; and one of another kind. */
static void fill_site(struct site *site, const char *settings)
{
    start_site(site, settings);
    fill_node(&site->node, 3, 2);
    struct object other = CT_OBJECT;
    other.sop_instance = "1.2.9.1.1";
    other.study = "1.2.9";
    other.series = "1.2.9.1";
    other.patient_id = "Rat7";
    other.patient_name = "R\xC3\xA4tin^Zo\xC3\xAB=\xE9\xBC\xA0";
    other.study_date = "20250101";
    other.modality = "MR";
    other.description = "";
    struct mur_association *association = connect_for(&site->node, other.sop_class);
    assert_int_equal(store_object(association, &other).status, 0);
    release_client(association);
}

/* Number of answers; -1 with another status than 200. */
static int count(const struct site *site, const char *target)
{
    AUTO_HTTP struct http_answer answer = http_get(site, target);
    if (answer.code != 200)
        return -1;
    MUR_AUTO(mur_json) *json = http_json(&answer);
    assert_int_equal(mur_json_type(json), MUR_JSON_ARRAY);
    return (int)mur_json_count(json);
}

/* The only answer. @param out  what it belongs to */
static const struct mur_json *only(struct mur_json **out, const struct site *site,
                                   const char *target)
{
    AUTO_HTTP struct http_answer answer = http_get(site, target);
    if (answer.code != 200)
        fail_msg("%s: %d %s", target, answer.code, mur_buffer_text(&answer.body));
    *out = http_json(&answer);
    assert_int_equal(mur_json_count(*out), 1);
    return mur_json_at(*out, 0);
}

static const char *first_text(const struct mur_json *answer, uint32_t tag)
{
    return mur_json_text(mur_json_item(mur_json_element(answer, tag), 0));
}

static int64_t first_number(const struct mur_json *answer, uint32_t tag)
{
    int64_t number = -1;
    assert_int_equal(
        mur_json_get_int(&number, mur_json_item(mur_json_element(answer, tag), 0), NULL), MUR_OK);
    return number;
}

static void assert_refused(const struct site *site, const char *target, int code, const char *why)
{
    AUTO_HTTP struct http_answer answer = http_get(site, target);
    if (answer.code != code || strstr(mur_buffer_text(&answer.body), why) == NULL)
        fail_msg("%s: %d %s", target, answer.code, mur_buffer_text(&answer.body));
}

static void a_study_is_answered_as_the_table_says(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, NULL);
    MUR_AUTO(mur_json) *json = NULL;
    const struct mur_json *study = only(&json, &site, ROOT "/studies?PatientID=Rat7");
    assert_string_equal(first_text(study, MUR_TAG_SpecificCharacterSet), "ISO_IR 192");
    assert_string_equal(first_text(study, MUR_TAG_StudyInstanceUID), "1.2.9");
    assert_string_equal(first_text(study, MUR_TAG_RetrieveURL), ROOT "/studies/1.2.9");
    assert_string_equal(first_text(study, MUR_TAG_ModalitiesInStudy), "MR");
    assert_string_equal(first_text(study, MUR_TAG_InstanceAvailability), "ONLINE");
    assert_int_equal(first_number(study, MUR_TAG_NumberOfStudyRelatedSeries), 1);
    assert_int_equal(first_number(study, MUR_TAG_NumberOfStudyRelatedInstances), 1);
    const struct mur_json *name = mur_json_item(mur_json_element(study, MUR_TAG_PatientName), 0);
    assert_string_equal(mur_json_text(mur_json_get(name, "Alphabetic")), "R\xC3\xA4tin^Zo\xC3\xAB");
    assert_string_equal(mur_json_text(mur_json_get(name, "Ideographic")), "\xE9\xBC\xA0");
    /* It has none: there and empty. */
    const struct mur_json *empty = mur_json_element(study, MUR_TAG_ReferringPhysicianName);
    assert_string_equal(mur_json_text(mur_json_get(empty, "vr")), "PN");
    assert_null(mur_json_get(empty, "Value"));
    assert_null(mur_json_element(study, MUR_TAG_TimezoneOffsetFromUTC));
    assert_null(mur_json_element(study, MUR_TAG_StudyDescription));
    stop_site(&site);
}

static bool keep_ascending(void *user, const char *key, const struct mur_json *value)
{
    (void)value;
    char(*last)[9] = user;
    bool ascending = strcmp(*last, key) < 0;
    (void)snprintf(*last, sizeof *last, "%s", ascending ? key : "");
    return ascending;
}

static void elements_are_sorted_by_tag(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, NULL);
    MUR_AUTO(mur_json) *json = NULL;
    const struct mur_json *study = only(
        &json, &site,
        ROOT
        "/studies?PatientID=Rat7&includefield=StudyDescription,00081060&includefield=00104000");
    char last[9] = "0";
    mur_json_each(study, keep_ascending, &last);
    assert_string_not_equal(last, "");
    assert_non_null(mur_json_element(study, MUR_TAG_StudyDescription));
    assert_non_null(mur_json_element(study, MUR_TAG_NameOfPhysiciansReadingStudy));
    assert_non_null(mur_json_element(study, MUR_TAG_PatientComments));
    stop_site(&site);
}

static void every_path_answers_its_level(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, NULL);
    assert_int_equal(count(&site, ROOT "/studies"), 4);
    assert_int_equal(count(&site, ROOT "/series"), 4);
    assert_int_equal(count(&site, ROOT "/instances"), 7);
    assert_int_equal(count(&site, ROOT "/studies/1.2.3.1/series"), 1);
    assert_int_equal(count(&site, ROOT "/studies/1.2.3.1/instances"), 2);
    assert_int_equal(count(&site, ROOT "/studies/1.2.3.1/series/1.2.3.1.1/instances"), 2);
    assert_int_equal(count(&site, ROOT "/studies/1.2.3.1/series/1.2.3.2.1/instances"), 0);
    assert_int_equal(count(&site, ROOT "/studies/1.2.77/series"), 0);

    MUR_AUTO(mur_json) *below = NULL;
    const struct mur_json *series = only(&below, &site, ROOT "/studies/1.2.9/series");
    assert_string_equal(first_text(series, MUR_TAG_Modality), "MR");
    assert_string_equal(first_text(series, MUR_TAG_RetrieveURL),
                        ROOT "/studies/1.2.9/series/1.2.9.1");
    assert_int_equal(first_number(series, MUR_TAG_NumberOfSeriesRelatedInstances), 1);
    assert_null(mur_json_element(series, MUR_TAG_PatientName)); /* the path has named the study */

    MUR_AUTO(mur_json) *all = NULL;
    series = only(&all, &site, ROOT "/series?Modality=MR");
    assert_non_null(mur_json_element(series, MUR_TAG_PatientName));

    MUR_AUTO(mur_json) *deep = NULL;
    const struct mur_json *instance =
        only(&deep, &site, ROOT "/studies/1.2.9/series/1.2.9.1/instances");
    assert_string_equal(first_text(instance, MUR_TAG_RetrieveURL),
                        ROOT "/studies/1.2.9/series/1.2.9.1/instances/1.2.9.1.1");
    assert_int_equal(first_number(instance, MUR_TAG_Rows), 16);
    assert_int_equal(first_number(instance, MUR_TAG_InstanceNumber), 1);
    assert_null(mur_json_element(instance, MUR_TAG_Modality));

    MUR_AUTO(mur_json) *wide = NULL;
    instance = only(&wide, &site, ROOT "/instances?SOPInstanceUID=1.2.9.1.1");
    assert_string_equal(first_text(instance, MUR_TAG_Modality), "MR");
    assert_string_equal(first_text(instance, MUR_TAG_PatientID), "Rat7");
    stop_site(&site);
}

static void keys_are_matched_by_keyword_and_tag(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, NULL);
    static const struct {
        const char *query;
        int found;
    } queries[] = {
        {"PatientID=M2", 1},
        {"00100020=M2", 1},
        {"PatientID=M%3F", 3},
        {"PatientName=*zoe*", 1},
        {"PatientName=%E9%BC%A0", 1},
        {"StudyDate=20240101-20241231", 3},
        {"StudyDate=20241231-", 1},
        {"StudyDate=20240506&StudyTime=1000-1100", 3},
        {"ModalitiesInStudy=MR", 1},
        {"ModalitiesInStudy=CT%5CMR", 4},
        {"ModalitiesInStudy=CT,MR", 4},
        {"ModalitiesInStudy=CT%5CMR&multiplevaluematching=true", 0},
        {"StudyInstanceUID=1.2.3.1,1.2.9", 2},
        {"0020000d=1.2.3.1%5C1.2.9%5C1.2.3.2", 3},
        {"StudyInstanceUID=1.2.3.1%2C1.2.9", 2},
        {"StudyDescription=%22%22", 0},
        {"StudyDescription=%22%22&emptyvaluematching=true", 1},
        {"PatientWeight=%22%22&emptyvaluematching=true", 4},
        {"StrainStockSequence.StrainStockNumber=%22%22&emptyvaluematching=true", 4},
        {"PatientComments=&PatientID=", 4},
        {"StrainStockSequence.StrainStockNumber=*x*", 0},
        {"PatientID=nobody", 0},
    };
    for (size_t i = 0; i < MUR_COUNT(queries); i++) {
        char target[256];
        (void)snprintf(target, sizeof target, ROOT "/studies?%s", queries[i].query);
        int found = count(&site, target);
        if (found != queries[i].found)
            fail_msg("%s: %d", target, found);
    }
    stop_site(&site);
}

static void private_attributes_need_their_creator(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, NULL);
    assert_refused(&site, ROOT "/studies?00991110=x", 400, "00990011=NAME");
    assert_int_equal(count(&site, ROOT "/studies?00990011=MURPACS%20ISA%201.0&00991110=x"), 0);
    assert_int_equal(count(&site, ROOT "/studies?ISAHealthStatus=x"), 0);
    assert_int_equal(count(&site, ROOT "/studies?PatientID=M1&includefield=00990011"), 1);
    assert_int_equal(count(&site, ROOT "/studies?%5BMURPACS%20ISA%201.0%5D0099xx10=x"), 0);
    MUR_AUTO(mur_json) *json = NULL;
    const struct mur_json *study = only(
        &json, &site, ROOT "/studies?PatientID=M1&00990011=MURPACS+ISA+1.0&includefield=00991110");
    assert_string_equal(first_text(study, MUR_TAG(0x0099, 0x0011)), MUR_CREATOR_ISA);
    assert_non_null(mur_json_element(study, MUR_TAG(0x0099, 0x1110)));
    /* A creator that nobody here has heard of. */
    AUTO_HTTP struct http_answer answer = http_get(&site, ROOT "/studies?00290010=ACME&00291001=5");
    assert_int_equal(answer.code, 200);
    assert_true(has_header(
        &answer, "Warning: 299 /dicom-web: These attributes have not been matched: 00291001"));
    stop_site(&site);
}

static void answers_come_in_pages_with_a_warning_of_the_rest(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, "web.search_limit=5");
    AUTO_HTTP struct http_answer cut = http_get(&site, ROOT "/instances");
    MUR_AUTO(mur_json) *json = http_json(&cut);
    assert_int_equal(mur_json_count(json), 5);
    assert_true(has_header(&cut, "Warning: 299 /dicom-web: There are 2 additional results that can "
                                 "be requested\r\n"));
    AUTO_HTTP struct http_answer last = http_get(&site, ROOT "/instances?offset=5");
    assert_false(has_header(&last, "Warning"));
    assert_int_equal(count(&site, ROOT "/instances?offset=5"), 2);
    assert_int_equal(count(&site, ROOT "/instances?offset=50"), 0);
    assert_int_equal(count(&site, ROOT "/instances?limit=3&offset=6"), 1);
    assert_int_equal(count(&site, ROOT "/studies?limit=2"), 2);
    assert_int_equal(count(&site, ROOT "/studies?limit=0"), 0);
    assert_int_equal(count(&site, ROOT "/studies?limit=99999999"), 4);
    assert_refused(&site, ROOT "/studies?limit=-1", 400, "limit");
    assert_refused(&site, ROOT "/studies?offset=x", 400, "offset");
    stop_site(&site);
}

static void what_is_not_done_is_told(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, NULL);
    AUTO_HTTP struct http_answer answer = http_get(
        &site, ROOT "/studies?fuzzymatching=true&Modality=CT&NumberOfStudyRelatedSeries=1");
    assert_int_equal(answer.code, 200);
    assert_true(has_header(&answer, "Warning: 299 /dicom-web: The fuzzymatching parameter is not "
                                    "supported. Only literal matching has been performed.\r\n"));
    assert_true(has_header(&answer, "Warning: 299 /dicom-web: These attributes have not been "
                                    "matched: Modality, NumberOfStudyRelatedSeries\r\n"));
    AUTO_HTTP struct http_answer plain = http_get(
        &site, ROOT "/studies?fuzzymatching=false&emptyvaluematching=true&PatientName=Mouse*");
    assert_false(has_header(&plain, "Warning"));
    stop_site(&site);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, NULL);
    assert_refused(&site, ROOT "/studies?PatientNme=x", 400, "did you mean PatientName");
    assert_refused(&site, ROOT "/studies?includefield=Nonsense", 400, "Nonsense");
    assert_refused(&site, ROOT "/studies?StudyDate=yesterday", 400, "StudyDate");
    assert_refused(&site, ROOT "/studies?PatientID=a&00100020=b", 400, "twice");
    assert_refused(&site, ROOT "/studies?limit=1&limit=2", 400, "twice");
    assert_refused(&site, ROOT "/studies?fuzzymatching=perhaps", 400, "fuzzymatching");
    assert_refused(&site, ROOT "/studies?PatientID=%FF", 400, "UTF-8");
    assert_refused(&site, ROOT "/studies?PatientID=a%00b", 400, "UTF-8");
    assert_refused(&site, ROOT "/studies/1.2.x/series", 400, "UID");
    assert_refused(&site, ROOT "/nothing", 404, ROOT "/nothing");
    stop_site(&site);
}

static void the_media_type_is_negotiated(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site, NULL);
    static const struct {
        const char *target;
        const char *accept;
        int code;
        const char *type;
    } cases[] = {
        {ROOT "/studies", "", 200, "Content-Type: application/dicom+json\r\n"},
        {ROOT "/studies", "Accept: application/json\r\n", 200,
         "Content-Type: application/json\r\n"},
        {ROOT "/studies", "Accept: application/dicom+xml\r\n", 406, "Content-Type: text/plain"},
        {ROOT "/studies", "Accept:\r\n", 200, "Content-Type: application/dicom+json\r\n"},
        {ROOT "/studies", "Accept: nothing\r\n", 406, "Content-Type: text/plain"},
        {ROOT "/studies?accept=application/dicom+json", "Accept: text/html\r\n", 200,
         "Content-Type: application/dicom+json\r\n"},
        {ROOT "/studies?accept=application/json", "Accept: */*\r\n", 200,
         "Content-Type: application/json\r\n"},
        {ROOT "/studies",
         "Accept: application/dicom+json, multipart/related; type=application/octet-stream; "
         "transfer-syntax=*\r\n",
         200, "Content-Type: application/dicom+json\r\n"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        AUTO_HTTP struct http_answer answer =
            http_request(&site, "GET", cases[i].target, cases[i].accept);
        assert_int_equal(answer.code, cases[i].code);
        assert_true(has_header(&answer, cases[i].type));
    }
    stop_site(&site);
}

/* Longer than what is sent with its length. */
static void long_answers_are_streamed(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    fill_node(&site.node, 1, 400);
    AUTO_HTTP struct http_answer answer = http_get(&site, ROOT "/instances?includefield=all");
    assert_int_equal(answer.code, 200);
    assert_true(has_header(&answer, "Transfer-Encoding: chunked"));
    MUR_AUTO(mur_json) *json = http_json(&answer);
    assert_int_equal(mur_json_count(json), 400);
    AUTO_HTTP struct http_answer head =
        http_request(&site, "HEAD", ROOT "/instances?includefield=all", NULL);
    assert_int_equal(head.code, 200);
    assert_int_equal(head.body.length, 0);
    stop_site(&site);
}

static void capabilities_name_what_there_is(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    AUTO_HTTP struct http_answer answer =
        http_request(&site, "OPTIONS", ROOT "/", "Accept: application/json\r\n");
    assert_int_equal(answer.code, 200);
    MUR_AUTO(mur_json) *json = http_json(&answer);
    assert_non_null(mur_json_get(json, "application"));
    assert_non_null(
        strstr(mur_buffer_text(&answer.body), "\"studies/{study}/series/{series}/instances\""));
    AUTO_HTTP struct http_answer wadl = http_request(&site, "OPTIONS", ROOT "/", NULL);
    assert_int_equal(wadl.code, 200);
    assert_true(has_header(&wadl, "Content-Type: application/vnd.sun.wadl+xml\r\n"));
    assert_non_null(strstr(mur_buffer_text(&wadl.body),
                           "<resource path=\"studies/{study}/instances\"><method name=\"GET\"/>"));
    stop_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_is_answered_as_the_table_says),
        cmocka_unit_test(elements_are_sorted_by_tag),
        cmocka_unit_test(every_path_answers_its_level),
        cmocka_unit_test(keys_are_matched_by_keyword_and_tag),
        cmocka_unit_test(private_attributes_need_their_creator),
        cmocka_unit_test(answers_come_in_pages_with_a_warning_of_the_rest),
        cmocka_unit_test(what_is_not_done_is_told),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_media_type_is_negotiated),
        cmocka_unit_test(long_answers_are_streamed),
        cmocka_unit_test(capabilities_name_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
