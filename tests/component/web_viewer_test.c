/* The viewer's files and settings. */
#include "web_support.h"

#include <fcntl.h>

static const char *const files[] = {"index.html", "app-config.js",
                                    "app.bundle.0f6159c501addfe9.js"};

/* A folder with an application of one page. */
static void make_viewer(char folder[64])
{
    (void)snprintf(folder, 64, "/tmp/murpacs-viewer-XXXXXX");
    assert_non_null(mkdtemp(folder));
    static const char *const contents[MUR_COUNT(files)] = {"<p>page</p>", "elsewhere", "1"};
    for (size_t i = 0; i < MUR_COUNT(files); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        MUR_AUTO_CLOSE int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        size_t length = strlen(contents[i]);
        assert_int_equal(write(file, contents[i], length), length);
    }
}

static void remove_viewer(const char *folder)
{
    for (size_t i = 0; i < MUR_COUNT(files); i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void the_viewer_is_told_to_ask_its_own_origin(void **state)
{
    (void)state;
    struct site site;
    char folder[64];
    char setting[128];
    make_viewer(folder);
    (void)snprintf(setting, sizeof setting, "web.viewer_dir=%s", folder);
    start_site(&site, setting);
    AUTO_HTTP struct http_answer settings = http_get(&site, "/app-config.js");
    assert_int_equal(settings.code, 200);
    assert_true(has_header(&settings, "Content-Type: text/javascript"));
    assert_non_null(strstr(mur_buffer_text(&settings.body), "wadoRoot: '/dicom-web'"));
    assert_null(strstr(mur_buffer_text(&settings.body), "://"));
    assert_null(strstr(mur_buffer_text(&settings.body), "elsewhere"));
    AUTO_HTTP struct http_answer page = http_get(&site, "/viewer?StudyInstanceUIDs=1.2.3");
    assert_int_equal(page.code, 200);
    assert_string_equal(mur_buffer_text(&page.body), "<p>page</p>");
    AUTO_HTTP struct http_answer absent = http_get(&site, "/absent.js");
    assert_int_equal(absent.code, 404);
    AUTO_HTTP struct http_answer outside = http_get(&site, "/..%2f..%2fetc%2fpasswd.txt");
    assert_int_equal(outside.code, 404);
    stop_site(&site);
    remove_viewer(folder);
}

static void files_are_kept_by_browsers(void **state)
{
    (void)state;
    struct site site;
    char folder[64];
    char setting[128];
    make_viewer(folder);
    (void)snprintf(setting, sizeof setting, "web.viewer_dir=%s", folder);
    start_site(&site, setting);
    AUTO_HTTP struct http_answer script = http_get(&site, "/app.bundle.0f6159c501addfe9.js");
    assert_int_equal(script.code, 200);
    assert_true(has_header(&script, "Cache-Control: private, max-age=31536000, immutable"));
    AUTO_HTTP struct http_answer page = http_get(&site, "/");
    assert_int_equal(page.code, 200);
    assert_true(has_header(&page, "Cache-Control: private, no-cache"));
    AUTO_HTTP struct http_answer again =
        http_request(&site, "GET", "/", "If-None-Match: \"0\", *\r\n");
    assert_int_equal(again.code, 304);
    AUTO_HTTP struct http_answer other =
        http_request(&site, "GET", "/", "If-None-Match: \"0\"\r\n");
    assert_int_equal(other.code, 200);
    stop_site(&site);
    remove_viewer(folder);
}

static void without_a_viewer_the_node_says_where_to_get_one(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    AUTO_HTTP struct http_answer answer = http_get(&site, "/");
    assert_int_equal(answer.code, 404);
    assert_non_null(strstr(mur_buffer_text(&answer.body), "fetch-viewer.sh"));
    stop_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_viewer_is_told_to_ask_its_own_origin),
        cmocka_unit_test(files_are_kept_by_browsers),
        cmocka_unit_test(without_a_viewer_the_node_says_where_to_get_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
