/* Metrics and the status page. */
#include "web_support.h"

#include "archive/reports.h"
#include "archive/verify.h"
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

/* Each of the texts stands in the page. */
static void assert_page_has(const struct http_answer *page, const char *const *texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(mur_buffer_text(&page->body), texts[i]) == NULL)
            fail_msg("no %s in %s", texts[i], mur_buffer_text(&page->body));
}

static void the_page_tells_what_is_stored_and_what_failed(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    fill_node(&site.node, 2, 3);
    mur_log_error(MUR_LOG_ARCHIVE, "a disk hums <loudly>");
    AUTO_HTTP struct http_answer page = http_get(&site, "/status");
    assert_int_equal(page.code, 200);
    assert_true(has_header(&page, "Content-Security-Policy: default-src 'none'"));
    assert_true(has_header(&page, "Content-Type: text/html; charset=utf-8"));
    static const char *const texts[] = {"Studies</dt><dd>2<",
                                        "a disk hums &lt;loudly&gt;",
                                        "Instances</dt><dd>6<",
                                        "By modality",
                                        "<tr><td>CT</td><td class=\"n\">2<",
                                        "Free on the disk",
                                        "None yet.",
                                        "murpacs verify"};
    assert_page_has(&page, texts, MUR_COUNT(texts));
    assert_null(strstr(mur_buffer_text(&page.body), "<script"));
    stop_site(&site);
}

static void imports_and_the_verification_are_told(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    fill_node(&site.node, 1, 2);
    const struct mur_import_report report = {.source = "mice <2026>",
                                             .ended = "2026-05-06T07:08:09.123456Z",
                                             .imported = 3,
                                             .failed = 1,
                                             .reasons = {"scan 4: no such file"}};
    assert_int_equal(mur_archive_note_import(site.node.archive, &report, NULL), MUR_OK);
    struct mur_verify_summary summary;
    const struct mur_verify_options all = {.shares = 1};
    const struct mur_progress quiet = {0};
    assert_int_equal(mur_archive_verify(&summary, site.node.archive, &all, &quiet, NULL), MUR_OK);
    AUTO_HTTP struct http_answer page = http_get(&site, "/status");
    assert_int_equal(page.code, 200);
    static const char *const texts[] = {"mice &lt;2026&gt;", "2026-05-06 07:08:09 UTC",
                                        "scan 4: no such file", "2 instances, ", "All as it came."};
    assert_page_has(&page, texts, MUR_COUNT(texts));
    stop_site(&site);
}

static void what_is_damaged_is_told_until_its_share_is_looked_at_again(void **state)
{
    (void)state;
    struct site site;
    struct mur_instance instance;
    bool found = false;
    start_site(&site, NULL);
    fill_node(&site.node, 1, 1);
    MUR_AUTO_FREE char *path = NULL;
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_STUDY};
    MUR_AUTO_PLAN struct mur_plan plan = {.items = NULL};
    const struct mur_attribute_path study = mur_attribute_path_of(MUR_TAG_StudyInstanceUID);
    assert_int_equal(mur_query_add(&query, &study, MUR_VR_UI, mur_slice_of("1.2.3.1"), true, NULL),
                     MUR_OK);
    assert_int_equal(mur_archive_plan(&plan, site.node.archive, &query, NULL), MUR_OK);
    assert_int_equal(plan.count, 1);
    assert_int_equal(
        mur_archive_look_up(&found, &instance, site.node.archive, plan.items[0].sop_instance, NULL),
        MUR_OK);
    assert_int_equal(mur_archive_item_path(&path, site.node.archive, &instance, NULL), MUR_OK);
    assert_int_equal(truncate(path, 200), 0);
    AUTO_HTTP struct http_answer before = http_get(&site, "/metrics");
    assert_non_null(strstr(mur_buffer_text(&before.body), "\nmurpacs_last_verify_seconds 0\n"));
    const struct mur_verify_options third = {.shares = 3};
    const struct mur_progress quiet = {0};
    size_t findings = 0;
    for (int night = 0; night < 3; night++) { /* one of them finds it, and all tell it afterwards */
        struct mur_verify_summary summary;
        char line[64];
        assert_int_equal(mur_archive_verify(&summary, site.node.archive, &third, &quiet, NULL),
                         MUR_OK);
        findings += summary.findings;
        AUTO_HTTP struct http_answer metrics = http_get(&site, "/metrics");
        (void)snprintf(line, sizeof line, "\nmurpacs_verify_findings %zu\n", findings);
        assert_non_null(strstr(mur_buffer_text(&metrics.body), line));
        assert_null(strstr(mur_buffer_text(&metrics.body), "\nmurpacs_last_verify_seconds 0\n"));
        AUTO_HTTP struct http_answer page = http_get(&site, "/status");
        const char *told = mur_buffer_text(&page.body);
        assert_true((strstr(told, "All as it came.") != NULL) == (findings == 0));
        assert_true((strstr(told, instance.sop_instance) != NULL) == (findings > 0));
        AUTO_HTTP struct http_answer health = http_get(&site, "/health");
        assert_int_equal(health.code, 200);
    }
    assert_int_equal(findings, 1);
    stop_site(&site);
}

static void the_search_box_finds_studies(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    fill_node(&site.node, 3, 2);
    AUTO_HTTP struct http_answer page =
        http_get(&site, "/status?q=PatientID%3DM2%3B%20Modality%3DCT");
    assert_int_equal(page.code, 200);
    static const char *const texts[] = {"<h2>1 study</h2>", "/dicom-web/studies/1.2.3.2/metadata",
                                        "value=\"PatientID=M2; Modality=CT\""};
    assert_page_has(&page, texts, MUR_COUNT(texts));
    AUTO_HTTP struct http_answer cell = http_get(&site, "/status?q=Factor+Value%5Bdiet%5D%3Dw*");
    assert_int_equal(cell.code, 200);
    static const char *const none[] = {"<h2>0 studies</h2>"};
    assert_page_has(&cell, none, 1);
    /* What series and instances say of themselves finds their studies, each of them once. */
    static const struct {
        const char *target;
        const char *found;
    } below[] = {
        {"/status?q=SeriesInstanceUID%3D1.2.3.1.1", "<h2>1 study</h2>"},
        {"/status?q=Modality%3DCT%3BSeriesInstanceUID%3D1.2.3.1.1", "<h2>1 study</h2>"},
        {"/status?q=Modality%3DMR%3BSeriesInstanceUID%3D1.2.3.1.1", "<h2>0 studies</h2>"},
        {"/status?q=SOPClassUID%3D1.2.840.10008.5.1.4.1.1.2", "<h2>3 studies</h2>"},
        {"/status?q=PatientID%3DM2%3BSOPClassUID%3D1.2.840.10008.5.1.4.1.1.2", "<h2>1 study</h2>"},
    };
    for (size_t i = 0; i < MUR_COUNT(below); i++) {
        AUTO_HTTP struct http_answer studies = http_get(&site, below[i].target);
        assert_int_equal(studies.code, 200);
        assert_page_has(&studies, &below[i].found, 1);
    }
    AUTO_HTTP struct http_answer pixels = http_get(&site, "/status?q=PixelData%3D1");
    assert_int_equal(pixels.code, 400);
    stop_site(&site);
}

static void a_condition_that_is_none_is_shown_escaped_with_the_reason(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    AUTO_HTTP struct http_answer page = http_get(&site, "/status?q=%22%3E%3Cscript%3E1");
    assert_int_equal(page.code, 400);
    static const char *const texts[] = {"value=\"&quot;&gt;&lt;script&gt;1\"", "is no condition"};
    assert_page_has(&page, texts, MUR_COUNT(texts));
    assert_null(strstr(mur_buffer_text(&page.body), "<script"));
    AUTO_HTTP struct http_answer unknown = http_get(&site, "/status?q=Nonsense%3D1");
    assert_int_equal(unknown.code, 400);
    stop_site(&site);
}

static void the_tables_follow_what_is_stored(void **state)
{
    (void)state;
    struct site site;
    start_site(&site, NULL);
    for (int i = 0; i < 3; i++) {
        struct object object = CT_OBJECT;
        char uid[32];
        (void)snprintf(uid, sizeof uid, "1.2.3.4.1.1.%d", i + 1);
        object.sop_instance = uid;
        struct mur_association *association = connect_for(&site.node, object.sop_class);
        assert_int_equal(store_object(association, &object).status, 0);
        release_client(association);
        char row[96];
        (void)snprintf(row, sizeof row,
                       "<tr><td>CT</td><td class=\"n\">1</td><td class=\"n less\">1</td>"
                       "<td class=\"n\">%d</td>",
                       i + 1);
        AUTO_HTTP struct http_answer page = http_get(&site, "/status");
        assert_page_has(&page, (const char *[]){row}, 1);
    }
    stop_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_count_what_is_stored_and_what_was_answered),
        cmocka_unit_test(the_page_tells_what_is_stored_and_what_failed),
        cmocka_unit_test(the_tables_follow_what_is_stored),
        cmocka_unit_test(imports_and_the_verification_are_told),
        cmocka_unit_test(what_is_damaged_is_told_until_its_share_is_looked_at_again),
        cmocka_unit_test(the_search_box_finds_studies),
        cmocka_unit_test(a_condition_that_is_none_is_shown_escaped_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
