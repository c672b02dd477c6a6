/* Who may do what by HTTP, and which pages may ask. */
#include "web_support.h"

#include "core/file.h"
#include "core/password.h"

#define STUDIES "/dicom-web/studies"
/* reader:secret, writer:secret, writer:wrong, nobody:secret */
#define READER "Authorization: Basic cmVhZGVyOnNlY3JldA==\r\n"
#define WRITER "Authorization: basic  d3JpdGVyOnNlY3JldA==\r\n"
#define WRONG "Authorization: Basic d3JpdGVyOndyb25n\r\n"
#define NOBODY "Authorization: Basic bm9ib2R5OnNlY3JldA==\r\n"

static char users[64];
static char token[MUR_TOKEN_SIZE];

static int make_users(void **state)
{
    (void)state;
    MUR_AUTO_FREE char *kept = NULL;
    MUR_AUTO_FREE char *kept_token = NULL;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    (void)snprintf(users, sizeof users, "/tmp/murpacs-users-%d", (int)getpid());
    assert_int_equal(mur_password_hash(&kept, mur_slice_of("secret"), NULL), MUR_OK);
    assert_int_equal(mur_token_create(token, &kept_token, NULL), MUR_OK);
    assert_int_equal(mur_buffer_append_format(&text, NULL,
                                              "# who may\n\nreader:r:%s\nwriter:rw:%s\nbot:rw:%s\n",
                                              kept, kept, kept_token),
                     MUR_OK);
    assert_int_equal(mur_file_write_all(users, text.data, text.length, 0600, NULL), MUR_OK);
    return 0;
}

static int remove_users(void **state)
{
    (void)state;
    return unlink(users);
}

static void start_guarded(struct site *site, const char *more)
{
    char settings[256];
    (void)snprintf(settings, sizeof settings, "web.users_file=%s;%s", users, more);
    start_site(site, settings);
}

static int code_of(const struct site *site, const char *method, const char *target,
                   const char *headers)
{
    AUTO_HTTP struct http_answer answer = http_request(site, method, target, headers);
    return answer.code;
}

/* ---- users ----------------------------------------------------------------------------------- */

static void without_users_this_machine_may_do_everything(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    assert_int_equal(code_of(&site, "GET", STUDIES, NULL), 200);
    assert_int_equal(code_of(&site, "POST", STUDIES, NULL), 415);
    stop_site(&site);
}

static void with_users_everybody_says_who_they_are(void **state)
{
    (void)state;
    struct site site;
    start_guarded(&site, "");
    AUTO_HTTP struct http_answer answer = http_get(&site, STUDIES);
    assert_int_equal(answer.code, 401);
    assert_true(has_header(&answer, "WWW-Authenticate: Basic realm="));
    assert_true(has_header(&answer, "WWW-Authenticate: Bearer"));
    assert_int_equal(code_of(&site, "GET", "/", NULL), 401);
    assert_int_equal(code_of(&site, "GET", "/health", NULL), 200);
    for (int i = 0; i < 2; i++) /* derived, then remembered */
        assert_int_equal(code_of(&site, "GET", STUDIES, READER), 200);
    assert_int_equal(code_of(&site, "GET", STUDIES, WRITER), 200);
    stop_site(&site);
}

static void only_who_may_write_stores(void **state)
{
    (void)state;
    struct site site;
    char bearer[128];
    (void)snprintf(bearer, sizeof bearer, "Authorization: Bearer %s\r\n", token);
    start_guarded(&site, "");
    assert_int_equal(code_of(&site, "POST", STUDIES, READER), 403);
    assert_int_equal(code_of(&site, "POST", STUDIES, WRITER), 415);
    assert_int_equal(code_of(&site, "POST", STUDIES, bearer), 415);
    assert_int_equal(code_of(&site, "POST", STUDIES, NULL), 401);
    stop_site(&site);
}

static void wrong_credentials_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        WRONG,
        NOBODY,
        "Authorization: Basic\r\n",
        "Authorization: Basic !!!\r\n",
        "Authorization: Basic d3JpdGVy\r\n",             /* no colon */
        "Authorization: Basic d3JpdGVyADpzZWNyZXQ=\r\n", /* "writer" and a NUL */
        "Authorization: Bearer x\r\n",
        "Authorization: Digest username=\"writer\"\r\n",
        READER "Authorization: Basic d3JpdGVyOndyb25n\r\n", /* two of them */
    };
    struct site site;
    start_guarded(&site, "");
    assert_int_equal(code_of(&site, "GET", STUDIES, WRITER), 200);
    for (size_t i = 0; i < MUR_COUNT(wrong); i++)
        if (code_of(&site, "GET", STUDIES, wrong[i]) != 401)
            fail_msg("%s", wrong[i]);
    stop_site(&site);
}

/* Why the service cannot be made. */
static void assert_not_made(const char *settings, enum mur_status status, const char *why)
{
    struct node node;
    char all[400];
    (void)snprintf(all, sizeof all, "web.port=0;%s", settings);
    make_node(&node, all);
    open_archive(&node);
    struct mur_web *web = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    assert_int_equal(mur_web_create(&web, node.config, node.archive, NULL, &error), status);
    if (strstr(error.message, why) == NULL)
        fail_msg("%s", error.message);
    mur_archive_close(node.archive);
    mur_config_free(node.config);
    (void)nftw(node.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void a_public_address_without_users_is_refused(void **state)
{
    (void)state;
    assert_not_made("web.bind=0.0.0.0", MUR_DENIED, "murpacs user add");
    assert_not_made("web.bind=::", MUR_DENIED, "web.users_file");
}

static void origins_that_no_page_has_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"viewer.example",
                                        "https://viewer.example/",
                                        "https://viewer.example/ohif",
                                        "https://Viewer.example",
                                        "\"https://viewer.example",
                                        "https://*.example",
                                        "https://ok.example http",
                                        "https://",
                                        "://viewer.example"};
    for (size_t i = 0; i < MUR_COUNT(wrong); i++) {
        char settings[128];
        (void)snprintf(settings, sizeof settings, "web.cors_origins=%s", wrong[i]);
        assert_not_made(settings, MUR_INVALID, "is no origin");
    }
}

static void a_file_that_is_open_to_others_or_wrong_is_refused(void **state)
{
    (void)state;
    char path[80];
    char settings[128];
    (void)snprintf(path, sizeof path, "%s-wrong", users);
    (void)snprintf(settings, sizeof settings, "web.users_file=%s", path);
    assert_not_made(settings, MUR_NOT_FOUND, path);
    static const struct {
        const char *text;
        mode_t mode;
        enum mur_status status;
        const char *why;
    } wrong[] = {
        {"", 0640, MUR_DENIED, "chmod 600"},
        {"a:rw\n", 0600, MUR_INVALID, "-wrong:1: "},
        {"#\na:rw:secret\n", 0600, MUR_INVALID, "-wrong:2: "},
        {"a:admin:secret\n", 0600, MUR_INVALID, "neither r nor rw"},
    };
    for (size_t i = 0; i < MUR_COUNT(wrong); i++) {
        assert_int_equal(
            mur_file_write_all(path, wrong[i].text, strlen(wrong[i].text), wrong[i].mode, NULL),
            MUR_OK);
        assert_int_equal(chmod(path, wrong[i].mode), 0);
        assert_not_made(settings, wrong[i].status, wrong[i].why);
    }
    assert_int_equal(unlink(path), 0);
}

static int code_for_host(const struct site *site, const char *target, const char *host)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(
        mur_buffer_append_format(
            &text, NULL, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, host),
        MUR_OK);
    AUTO_HTTP struct http_answer answer = http_exchange(site, text.data, text.length);
    return answer.code;
}

static void without_users_only_names_of_this_machine_are_served(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int code;
    } hosts[] = {
        {"localhost", 200},      {"LocalHost:8042", 200},
        {"127.0.0.1", 200},      {"127.9.9.9:1", 200},
        {"[::1]", 200},          {"[::1]:8042", 200},
        {"evil.example", 403},   {"localhost.evil", 403},
        {"127.0.0.1.evil", 403}, {"10.0.0.1:8042", 403},
        {"[2001:db8::1]", 403},  {"[::1", 403},
        {"[::1]evil", 403},      {"", 403},
    };
    struct site site;
    start_site(&site, NULL);
    for (size_t i = 0; i < MUR_COUNT(hosts); i++) {
        assert_int_equal(code_for_host(&site, STUDIES, hosts[i].host), hosts[i].code);
        assert_int_equal(code_for_host(&site, "/health", hosts[i].host), 200);
    }
    stop_site(&site);
}

/* ---- pages from elsewhere -------------------------------------------------------------------- */

#define VIEWER "Origin: https://viewer.example\r\n"
#define PREFLIGHT "Access-Control-Request-Method: POST\r\n"

static void pages_from_elsewhere_get_nothing_unless_listed(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    AUTO_HTTP struct http_answer answer = http_request(&site, "GET", STUDIES, VIEWER);
    assert_false(has_header(&answer, "Access-Control-"));
    assert_int_equal(code_of(&site, "POST", STUDIES, VIEWER), 403);
    assert_int_equal(code_of(&site, "POST", STUDIES, "Origin: null\r\n"), 403);
    assert_int_equal(code_of(&site, "POST", STUDIES, "Origin: http://localhost\r\n"), 415);
    AUTO_HTTP struct http_answer preflight =
        http_request(&site, "OPTIONS", STUDIES, VIEWER PREFLIGHT);
    assert_int_equal(preflight.code, 204);
    assert_true(has_header(&preflight, "Allow: POST, GET, HEAD, OPTIONS\r\n"));
    assert_false(has_header(&preflight, "Access-Control-"));
    stop_site(&site);
}

static void a_listed_page_may_ask_and_store(void **state)
{
    (void)state;
    struct site site;
    start_guarded(&site, "web.cors_origins=http://[::1]:3000, null https://viewer.example");
    AUTO_HTTP struct http_answer preflight =
        http_request(&site, "OPTIONS", STUDIES, VIEWER PREFLIGHT);
    assert_int_equal(preflight.code, 204);
    assert_true(has_header(&preflight, "Access-Control-Allow-Origin: https://viewer.example\r\n"));
    assert_true(has_header(&preflight, "Vary: Origin"));
    assert_true(has_header(&preflight, "Access-Control-Allow-Credentials: true"));
    assert_non_null(strstr(mur_buffer_text(&preflight.head), "POST"));
    assert_non_null(strstr(mur_buffer_text(&preflight.head), "Authorization"));
    AUTO_HTTP struct http_answer refused = http_request(&site, "GET", STUDIES, VIEWER);
    assert_int_equal(refused.code, 401);
    assert_true(has_header(&refused, "Access-Control-Allow-Origin: "));
    assert_int_equal(code_of(&site, "POST", STUDIES, VIEWER WRITER), 415);
    AUTO_HTTP struct http_answer other =
        http_request(&site, "GET", STUDIES, "Origin: https://viewer.example.evil\r\n" READER);
    assert_int_equal(other.code, 200);
    assert_false(has_header(&other, "Access-Control-Allow-Origin"));
    assert_true(has_header(&other, "Vary: Origin"));
    stop_site(&site);
}

static void any_page_may_ask_when_a_star_is_listed(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, "web.cors_origins=*");
    AUTO_HTTP struct http_answer answer = http_request(&site, "GET", STUDIES, VIEWER);
    assert_true(has_header(&answer, "Access-Control-Allow-Origin: *\r\n"));
    assert_false(has_header(&answer, "Access-Control-Allow-Credentials"));
    stop_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_users_this_machine_may_do_everything),
        cmocka_unit_test(with_users_everybody_says_who_they_are),
        cmocka_unit_test(only_who_may_write_stores),
        cmocka_unit_test(wrong_credentials_are_refused),
        cmocka_unit_test(a_public_address_without_users_is_refused),
        cmocka_unit_test(origins_that_no_page_has_are_refused),
        cmocka_unit_test(a_file_that_is_open_to_others_or_wrong_is_refused),
        cmocka_unit_test(without_users_only_names_of_this_machine_are_served),
        cmocka_unit_test(pages_from_elsewhere_get_nothing_unless_listed),
        cmocka_unit_test(a_listed_page_may_ask_and_store),
        cmocka_unit_test(any_page_may_ask_when_a_star_is_listed),
    };
    return cmocka_run_group_tests(tests, make_users, remove_users);
}
