/* Metrics and the status page. */
#include "web_support.h"

#include "core/log.h"

static void metrics_count_what_is_stored_and_what_was_answered(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    fill_node(&site.node, 2, 3);
    AUTO_HTTP struct http_answer absent = http_get(&site, "/dicom-web/nothing");
    assert_int_equal(absent.code, 404);
    mur_log_error(MUR_LOG_ARCHIVE, "a disk hums <loudly>");
    AUTO_HTTP struct http_answer metrics = http_get(&site, "/metrics");
    assert_int_equal(metrics.code, 200);
    assert_true(has_header(&metrics, "Content-Type: text/plain; version=0.0.4"));
    static const char *const lines[] = {"\nmurpacs_studies 2\n",
                                        "\nmurpacs_instances 6\n",
                                        "\nmurpacs_arrived_last_minute 6\n",
                                        "\nmurpacs_failures_total 1\n",
                                        "\nmurpacs_http_requests_total{code=\"404\"} 1\n",
                                        "\nmurpacs_disk_free_bytes "};
    for (size_t i = 0; i < MUR_COUNT(lines); i++)
        if (strstr(mur_buffer_text(&metrics.body), lines[i]) == NULL)
            fail_msg("no %s in %s", lines[i], mur_buffer_text(&metrics.body));
    stop_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_count_what_is_stored_and_what_was_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
