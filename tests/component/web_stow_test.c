/* STOW-RS over raw HTTP. */
#include "web_support.h"

#include <sys/resource.h>

#include "dicom/dictionary.h"

#define STUDIES "/dicom-web/studies"
#define RELATED "multipart/related; type=\"application/dicom\"; boundary=b1"
#define SEG_LABEL_MAP "1.2.840.10008.5.1.4.1.1.66.7"

enum { FAILED_SOP = 0x00081198, REFERENCED_SOP = 0x00081199, OTHER_FAILURES = 0x0008119A };

/* ---- requests -------------------------------------------------------------------------------- */

static void add_text(struct mur_buffer *body, const char *text)
{
    assert_int_equal(mur_buffer_append_text(body, text, NULL), MUR_OK);
}

static void add_file(struct mur_buffer *body, const struct object *object, const char *syntax)
{
    struct mur_part10 head = {.bare = false};
    (void)snprintf(head.transfer_syntax, sizeof head.transfer_syntax, "%s", syntax);
    (void)snprintf(head.sop_class, sizeof head.sop_class, "%s", object->sop_class);
    (void)snprintf(head.sop_instance, sizeof head.sop_instance, "%s", object->sop_instance);
    assert_int_equal(mur_part10_write(body, &head, NULL), MUR_OK);
    encode_object(body, object, syntax);
}

static void add_part(struct mur_buffer *body, const struct object *object)
{
    add_text(body, "--b1\r\nContent-Type: application/dicom\r\n\r\n");
    add_file(body, object, EXPLICIT_LITTLE);
    add_text(body, "\r\n");
}

/* @param announced  Content-Length. @param more  headers with their line ends */
static struct http_answer post_as(const struct site *site, const char *target, const char *type,
                                  const struct mur_buffer *body, size_t announced, const char *more)
{
    MUR_AUTO_BUFFER struct mur_buffer request = MUR_BUFFER_INIT;
    assert_int_equal(
        mur_buffer_append_format(&request, NULL,
                                 "POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                 "Content-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
                                 target, type, announced, more),
        MUR_OK);
    assert_int_equal(mur_buffer_append(&request, mur_buffer_text(body), body->length, NULL),
                     MUR_OK);
    return http_exchange(site, request.data, request.length);
}

static struct http_answer post(const struct site *site, const char *target, const char *type,
                               const struct mur_buffer *body)
{
    return post_as(site, target, type, body, body->length, "");
}

/* Code of the answer. @param out  its body */
static int store(struct mur_json **out, const struct site *site, const char *target,
                 struct mur_buffer *body)
{
    add_text(body, "--b1--");
    AUTO_HTTP struct http_answer answer = post(site, target, RELATED, body);
    if (!has_header(&answer, "Content-Type: application/dicom+json"))
        fail_msg("%d %s", answer.code, mur_buffer_text(&answer.body));
    *out = http_json(&answer);
    return answer.code;
}

static size_t count_of(const struct mur_json *answer, uint32_t sequence)
{
    const struct mur_json *element = mur_json_element(answer, sequence);
    return element == NULL ? 0 : mur_json_count(mur_json_get(element, "Value"));
}

static const struct mur_json *item_of(const struct mur_json *answer, uint32_t sequence,
                                      size_t place)
{
    return mur_json_at(mur_json_get(mur_json_element(answer, sequence), "Value"), place);
}

static const char *text_of(const struct mur_json *item, uint32_t tag)
{
    return mur_json_text(mur_json_item(mur_json_element(item, tag), 0));
}

static int64_t reason_of(const struct mur_json *answer, uint32_t sequence, size_t place)
{
    int64_t reason = -1;
    assert_int_equal(
        mur_json_get_int(
            &reason,
            mur_json_item(mur_json_element(item_of(answer, sequence, place), MUR_TAG_FailureReason),
                          0),
            NULL),
        MUR_OK);
    return reason;
}

static void assert_empty(struct site *site)
{
    assert_int_equal(instances_of(&site->node), 0);
    assert_int_equal(objects_of(&site->node), 0);
}

/* ---- what is stored -------------------------------------------------------------------------- */

static void instances_are_stored_and_named(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    struct object object = CT_OBJECT;
    object.pixels = 100000;
    add_part(&body, &object);
    object.sop_instance = "1.2.3.4.1.1.2";
    add_part(&body, &object);
    MUR_AUTO(mur_json) *answer = NULL;
    assert_int_equal(store(&answer, &site, STUDIES, &body), 200);
    assert_int_equal(count_of(answer, REFERENCED_SOP), 2);
    assert_int_equal(count_of(answer, FAILED_SOP), 0);
    assert_string_equal(text_of(answer, MUR_TAG_RetrieveURL), STUDIES "/1.2.3.4.1");
    const struct mur_json *second = item_of(answer, REFERENCED_SOP, 1);
    assert_string_equal(text_of(second, MUR_TAG_ReferencedSOPClassUID), CT_STORAGE);
    assert_string_equal(text_of(second, MUR_TAG_ReferencedSOPInstanceUID), "1.2.3.4.1.1.2");
    assert_string_equal(text_of(second, MUR_TAG_RetrieveURL),
                        STUDIES "/1.2.3.4.1/series/1.2.3.4.1.1/instances/1.2.3.4.1.1.2");
    assert_int_equal(instances_of(&site.node), 2);
    stop_site(&site);
}

/* 400 parts, of which 150 may be held back. @param[out] before  to be set again */
static void make_large_request(struct mur_buffer *body, struct rlimit *before)
{
    struct object object = CT_OBJECT;
    char uid[32];
    object.sop_instance = uid;
    object.pixels = 64;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    struct rlimit few = *before;
    few.rlim_cur = 300; /* a half of which may be held back */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 400; i++) {
        (void)snprintf(uid, sizeof uid, "1.2.3.4.1.1.%d", i + 1);
        add_part(body, &object);
    }
}

static void a_request_may_be_larger_than_what_is_held_back(void **state)
{
    (void)state;
    struct site site;
    struct rlimit before;
    start_site(&site, NULL);
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    make_large_request(&body, &before);
    MUR_AUTO(mur_json) *answer = NULL;
    assert_int_equal(store(&answer, &site, STUDIES "/1.2.3.4.1", &body), 200);
    assert_int_equal(count_of(answer, REFERENCED_SOP), 400);
    assert_int_equal(instances_of(&site.node), 400);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    stop_site(&site);
}

static void a_large_request_that_breaks_off_tells_what_is_stored(void **state)
{
    (void)state;
    struct site site;
    struct rlimit before;
    start_site(&site, NULL);
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    make_large_request(&body, &before);
    AUTO_HTTP struct http_answer answer = post(&site, STUDIES, RELATED, &body);
    assert_int_equal(answer.code, 400);
    char begin[64];
    int64_t stored = instances_of(&site.node);
    assert_in_range(stored, 100, 399);
    (void)snprintf(begin, sizeof begin, "of the first %d parts %d are stored", (int)stored,
                   (int)stored);
    if (strncmp(mur_buffer_text(&answer.body), begin, strlen(begin)) != 0)
        fail_msg("%s: %s", begin, mur_buffer_text(&answer.body));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    stop_site(&site);
}

static void the_same_again_is_a_success_and_other_content_a_failure(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    struct object object = CT_OBJECT;
    for (int i = 0; i < 2; i++) {
        MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
        MUR_AUTO(mur_json) *answer = NULL;
        add_part(&body, &object);
        assert_int_equal(store(&answer, &site, STUDIES, &body), 200);
    }
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *answer = NULL;
    object.patient_name = "Mouse^Other";
    add_part(&body, &object);
    assert_int_equal(store(&answer, &site, STUDIES, &body), 409);
    assert_int_equal(reason_of(answer, FAILED_SOP, 0), 0x0111);
    assert_int_equal(instances_of(&site.node), 1);
    stop_site(&site);
}

static void a_label_map_in_rle_is_stored(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    struct mur_part10 head = {.transfer_syntax = "1.2.840.10008.1.2.5",
                              .sop_class = SEG_LABEL_MAP,
                              .sop_instance = "1.2.3.4.1.9.1"};
    struct object object = CT_OBJECT;
    object.sop_class = SEG_LABEL_MAP;
    object.sop_instance = head.sop_instance;
    object.modality = "SEG";
    MUR_AUTO_BUFFER struct mur_buffer data = MUR_BUFFER_INIT;
    encode_object(&data, &object, EXPLICIT_LITTLE);
    /* Its Pixel Data: an empty offset table and one fragment. */
    static const char pixels[] = "\xE0\x7F\x10\x00OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\0\0\0\0"
                                 "\xFE\xFF\x00\xE0\x04\0\0\0rle\0\xFE\xFF\xDD\xE0\0\0\0\0";
    data.length -= 12 + object.pixels;
    add_text(&body, "--b1\r\nContent-Type: application/dicom; "
                    "transfer-syntax=1.2.840.10008.1.2.5\r\n\r\n");
    assert_int_equal(mur_part10_write(&body, &head, NULL), MUR_OK);
    assert_int_equal(mur_buffer_append(&body, data.data, data.length, NULL), MUR_OK);
    assert_int_equal(mur_buffer_append(&body, pixels, sizeof pixels - 1, NULL), MUR_OK);
    add_text(&body, "\r\n");
    MUR_AUTO(mur_json) *answer = NULL;
    assert_int_equal(store(&answer, &site, STUDIES "/1.2.3.4.1", &body), 200);
    assert_string_equal(text_of(item_of(answer, REFERENCED_SOP, 0), MUR_TAG_ReferencedSOPClassUID),
                        SEG_LABEL_MAP);
    stop_site(&site);
}

static void one_file_may_be_the_whole_body(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    const struct object object = CT_OBJECT;
    add_file(&body, &object, EXPLICIT_LITTLE);
    AUTO_HTTP struct http_answer answer = post(&site, STUDIES, "application/dicom", &body);
    assert_int_equal(answer.code, 200);
    assert_int_equal(instances_of(&site.node), 1);
    stop_site(&site);
}

static void unquoted_types_and_quoted_boundaries_are_understood(void **state)
{
    (void)state;
    static const char *const types[] = {
        "multipart/related; type=application/dicom; boundary=\"b1\"",
        "Multipart/Related;boundary=b1;type=\"application/dicom\"",
        "multipart/related; boundary=b1",
    };
    struct site site;
    start_site(&site, NULL);
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    const struct object object = CT_OBJECT;
    add_text(&body, "preamble\r\n");
    add_part(&body, &object);
    add_text(&body, "--b1--\r\nepilogue\r\n");
    for (size_t i = 0; i < MUR_COUNT(types); i++) {
        AUTO_HTTP struct http_answer answer = post(&site, STUDIES, types[i], &body);
        assert_int_equal(answer.code, 200);
    }
    stop_site(&site);
}

/* ---- what is not ----------------------------------------------------------------------------- */

static void each_failure_has_its_reason_and_the_others_are_stored(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    struct object object = CT_OBJECT;
    add_part(&body, &object);
    object.sop_instance = "1.2.3.4.1.1.2";
    object.study = "1.2.3.4.2"; /* not the address's */
    add_part(&body, &object);
    object = (struct object)CT_OBJECT;
    object.sop_instance = "1.2.3.4.1.1.3";
    object.sop_class = "1.2.840.10008.3.1.2.3.3"; /* a procedure step */
    add_part(&body, &object);
    object = (struct object)CT_OBJECT;
    object.sop_instance = "1.2.3.4.1.1.4";
    add_part(&body, &object);
    body.length -= 20; /* cut inside its pixels */
    add_text(&body, "\r\n--b1\r\nContent-Type: application/dicom\r\n\r\nno DICOM file\r\n");
    add_text(&body, "--b1\r\nContent-Type: application/dicom+json\r\n\r\n[]\r\n");
    add_text(&body, "--b1\r\n\r\n\r\n");
    MUR_AUTO(mur_json) *answer = NULL;
    assert_int_equal(store(&answer, &site, STUDIES "/1.2.3.4.1", &body), 202);
    assert_int_equal(count_of(answer, REFERENCED_SOP), 1);
    assert_int_equal(count_of(answer, FAILED_SOP), 3);
    assert_int_equal(count_of(answer, OTHER_FAILURES), 3);
    assert_string_equal(text_of(item_of(answer, FAILED_SOP, 0), MUR_TAG_ReferencedSOPInstanceUID),
                        "1.2.3.4.1.1.2");
    assert_int_equal(reason_of(answer, FAILED_SOP, 0), 0xA900);
    assert_int_equal(reason_of(answer, FAILED_SOP, 1), 0x0122);
    assert_int_equal(reason_of(answer, FAILED_SOP, 2), 0xC000);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(reason_of(answer, OTHER_FAILURES, i), 0xC000);
    assert_int_equal(instances_of(&site.node), 1);
    assert_int_equal(objects_of(&site.node), 1);
    stop_site(&site);
}

static void a_request_that_breaks_off_leaves_nothing(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, "web.idle_timeout_s=1");
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    struct object object = CT_OBJECT;
    object.pixels = 50000;
    add_part(&body, &object);
    object.sop_instance = "1.2.3.4.1.1.2";
    add_part(&body, &object);
    add_text(&body, "--b1--");
    size_t whole = body.length;
    for (size_t length = whole; length > whole / 10; length -= whole / 10) {
        body.length = length - 7;
        /* A length that is true of what comes: not a whole multipart. */
        AUTO_HTTP struct http_answer answer = post(&site, STUDIES, RELATED, &body);
        assert_int_equal(answer.code, 400);
        assert_empty(&site);
        /* One that is not: the client goes. */
        MUR_AUTO_CLOSE int client = http_connect(&site);
        MUR_AUTO_BUFFER struct mur_buffer request = MUR_BUFFER_INIT;
        assert_int_equal(mur_buffer_append_format(&request, NULL,
                                                  "POST " STUDIES " HTTP/1.1\r\nHost: localhost\r\n"
                                                  "Content-Type: " RELATED
                                                  "\r\nContent-Length: %zu\r\n\r\n",
                                                  whole),
                         MUR_OK);
        assert_int_equal(mur_buffer_append(&request, body.data, body.length, NULL), MUR_OK);
        assert_int_equal(send(client, request.data, request.length, MSG_NOSIGNAL), request.length);
        assert_int_equal(shutdown(client, SHUT_WR), 0);
        char rest[256];
        while (recv(client, rest, sizeof rest, 0) > 0)
            continue;
    }
    /* Its last thread may be at work still: stopping waits for it. */
    mur_web_stop(site.web);
    assert_empty(&site);
    stop_site(&site);
}

static void assert_code(struct site *site, const char *type, const char *more, const char *text,
                        int code)
{
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    add_text(&body, text);
    AUTO_HTTP struct http_answer answer = post_as(site, STUDIES, type, &body, body.length, more);
    if (answer.code != code)
        fail_msg("%s %s: %d %s", type, text, answer.code, mur_buffer_text(&answer.body));
}

static void other_bodies_are_refused(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, "web.max_body=1K");
    static const char body[] = "--b1--";
    assert_code(&site, "multipart/related; type=\"application/dicom+json\"; boundary=b1", "", body,
                415);
    assert_code(&site, "multipart/related; type=\"application/dicom+xml\"; boundary=b1", "", body,
                415);
    assert_code(&site, "text/plain", "", body, 415);
    assert_code(&site, RELATED, "Content-Encoding: gzip\r\n", body, 415);
    assert_code(&site, RELATED, "Accept: application/dicom+xml\r\n", body, 406);
    assert_code(&site, "multipart/related; type=\"application/dicom\"", "", body, 400);
    assert_code(&site, RELATED, "", body, 400);
    assert_code(&site, RELATED, "", "", 400);
    assert_code(&site, "application/dicom", "", "", 400);
    MUR_AUTO_BUFFER struct mur_buffer large = MUR_BUFFER_INIT;
    const struct object object = CT_OBJECT;
    add_part(&large, &object);
    assert_true(large.length > 1024);
    AUTO_HTTP struct http_answer answer = post(&site, STUDIES, RELATED, &large);
    assert_int_equal(answer.code, 413);
    AUTO_HTTP struct http_answer no_uid = post(&site, STUDIES "/1.2..x", RELATED, &large);
    assert_int_not_equal(no_uid.code, 200);
    assert_empty(&site);
    stop_site(&site);
}

static void chunked_bodies_are_bounded_too(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, "web.max_body=1K");
    MUR_AUTO_BUFFER struct mur_buffer request = MUR_BUFFER_INIT;
    add_text(&request, "POST " STUDIES " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "Content-Type: " RELATED "\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 8; i++)
        assert_int_equal(mur_buffer_append_format(&request, NULL, "200\r\n%0*d\r\n", 512, i),
                         MUR_OK);
    add_text(&request, "0\r\n\r\n");
    AUTO_HTTP struct http_answer answer = http_exchange(&site, request.data, request.length);
    assert_int_equal(answer.code, 413);
    assert_empty(&site);
    stop_site(&site);
}

/* ---- clients that take their time ------------------------------------------------------------ */

static void idle_and_slow_clients_keep_nobody_waiting(void **state)
{
    (void)state;
    enum { CLIENTS = 200 };
    struct site site;
    start_site(&site, NULL);
    int clients[CLIENTS];
    static const char begun[] =
        "POST " STUDIES " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " RELATED
        "\r\nContent-Length: 100000\r\n\r\n--b1\r\nConte";
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = http_connect(&site);
        size_t length = i % 3 == 0 ? 0 : i % 3 == 1 ? 20 : sizeof begun - 1;
        assert_int_equal(send(clients[i], begun, length, MSG_NOSIGNAL), length);
    }
    MUR_AUTO_BUFFER struct mur_buffer body = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *answer = NULL;
    const struct object object = CT_OBJECT;
    add_part(&body, &object);
    assert_int_equal(store(&answer, &site, STUDIES, &body), 200);
    AUTO_HTTP struct http_answer found = http_get(&site, STUDIES);
    assert_int_equal(found.code, 200);
    for (size_t i = 0; i < CLIENTS; i++)
        (void)close(clients[i]);
    stop_site(&site);
}

static void malformed_requests_are_refused_and_the_node_goes_on(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "NONSENSE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST " STUDIES " HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        "POST " STUDIES
        " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST " STUDIES " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " RELATED
        "\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    };
    struct site site;
    start_site(&site, "web.idle_timeout_s=1");
    for (size_t i = 0; i < MUR_COUNT(requests); i++) {
        MUR_AUTO_CLOSE int client = http_connect(&site);
        size_t length = strlen(requests[i]);
        assert_int_equal(send(client, requests[i], length, MSG_NOSIGNAL), length);
        (void)shutdown(client, SHUT_WR);
        char answer[4096] = "";
        ssize_t got = recv(client, answer, sizeof answer - 1, 0);
        /* Closed without a word, or an error. */
        if (got > 0 && strncmp(answer, "HTTP/1.1 4", 10) != 0 &&
            strncmp(answer, "HTTP/1.1 5", 10) != 0)
            fail_msg("%s: %s", requests[i], answer);
    }
    MUR_AUTO_BUFFER struct mur_buffer long_header = MUR_BUFFER_INIT;
    assert_int_equal(mur_buffer_append_format(&long_header, NULL, "X-Long: %0*d\r\n", 200000, 1),
                     MUR_OK);
    AUTO_HTTP struct http_answer refused =
        http_request(&site, "GET", STUDIES, mur_buffer_text(&long_header));
    assert_int_equal(refused.code, 431);
    AUTO_HTTP struct http_answer answer = http_get(&site, "/health");
    assert_int_equal(answer.code, 200);
    assert_empty(&site);
    stop_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_are_stored_and_named),
        cmocka_unit_test(a_request_may_be_larger_than_what_is_held_back),
        cmocka_unit_test(a_large_request_that_breaks_off_tells_what_is_stored),
        cmocka_unit_test(the_same_again_is_a_success_and_other_content_a_failure),
        cmocka_unit_test(a_label_map_in_rle_is_stored),
        cmocka_unit_test(one_file_may_be_the_whole_body),
        cmocka_unit_test(unquoted_types_and_quoted_boundaries_are_understood),
        cmocka_unit_test(each_failure_has_its_reason_and_the_others_are_stored),
        cmocka_unit_test(a_request_that_breaks_off_leaves_nothing),
        cmocka_unit_test(other_bodies_are_refused),
        cmocka_unit_test(chunked_bodies_are_bounded_too),
        cmocka_unit_test(idle_and_slow_clients_keep_nobody_waiting),
        cmocka_unit_test(malformed_requests_are_refused_and_the_node_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
