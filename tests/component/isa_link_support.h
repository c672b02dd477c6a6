/** Values of an ISA-Tab's scan put into an archive and linked, without tables. */
#ifndef MUR_TESTS_ISA_LINK_SUPPORT_H
#define MUR_TESTS_ISA_LINK_SUPPORT_H

#include "archive_support.h"

#include "archive/internal.h"

#define ISA_VALUE(at, which, kind, string)                                                         \
    {                                                                                              \
        .level = (at), .path = {.depth = 1, .tags = {which}}, .vr = (kind), .text = (string)       \
    }

/* One scan a series; another @p digest stands for other values. The writer's thread sleeps. */
static inline void link_scan(struct mur_archive *archive, const char *series, bool segmentation,
                             const char *digest, const struct mur_index_value *values, size_t count)
{
    const struct mur_isa_scan_record record = {.study = "LIV",
                                               .source = "Mouse_01",
                                               .sample = "Mouse_01_w8",
                                               .assay_file = "a.txt",
                                               .assay = series,
                                               .digest = digest,
                                               .values = values,
                                               .value_count = count};
    struct mur_database *writer = archive->writer;
    int64_t dataset = 0;
    int64_t scan = 0;
    int64_t linked = 0;
    bool changed = false;
    assert_int_equal(mur_database_begin(writer, NULL), MUR_OK);
    assert_int_equal(
        mur_database_put_isa_dataset(&dataset, writer, "LIV", 1, "LIV/1", digest, 1, NULL), MUR_OK);
    assert_int_equal(mur_database_put_isa_scan(&scan, &changed, writer, dataset, &record, NULL),
                     MUR_OK);
    assert_true(changed);
    assert_int_equal(mur_database_link_series(&linked, writer, series, scan, segmentation, NULL),
                     MUR_OK);
    assert_int_equal(mur_database_commit(writer, NULL), MUR_OK);
}

#endif
