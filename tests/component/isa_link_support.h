/** Values of an ISA-Tab's scan put into an archive and linked, without tables. */
#ifndef MUR_TESTS_ISA_LINK_SUPPORT_H
#define MUR_TESTS_ISA_LINK_SUPPORT_H

#include "archive_support.h"

#include "archive/internal.h"
#include "dicom/dictionary.h"

#define ISA_VALUE(at, which, kind, string)                                                         \
    {                                                                                              \
        .level = (at), .path = {.depth = 1, .tags = {which}}, .vr = (kind), .text = (string)       \
    }

enum { ISA_CELLS = 64 };

/** "factor:diet=western diet" as a cell of the tables. @param[out] copy  its texts point into it */
static inline struct mur_isa_cell make_cell(char copy[1024], const char *text)
{
    (void)snprintf(copy, 1024, "%s", text);
    char *name = strchr(copy, ':');
    *name++ = '\0';
    char *value = strchr(name, '=');
    *value++ = '\0';
    struct mur_isa_cell cell = {.kind = copy, .name = name, .text = value, .unit = ""};
    cell.has_number = mur_parse_double(&cell.number, mur_slice_of(value), NULL) == MUR_OK;
    return cell;
}

/* One scan a series; another @p digest stands for other values. The writer's thread sleeps. */
static inline void link_scan(struct mur_archive *archive, const char *series, bool segmentation,
                             const char *digest, const struct mur_index_value *values, size_t count)
{
    /* Elements of our private block are cells. */
    static char texts[ISA_CELLS][1024];
    struct mur_isa_cell cells[ISA_CELLS];
    struct mur_index_value others[ISA_CELLS];
    size_t cell_count = 0;
    size_t other_count = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned element = values[i].path.tags[0] & 0xFFu;
        if (!MUR_TAG_IS_PRIVATE(values[i].path.tags[0])) {
            others[other_count++] = values[i];
        } else if (element == MUR_ISA_ATTRIBUTE) {
            cells[cell_count] = make_cell(texts[cell_count], values[i].text);
            cell_count++;
        } else {
            struct mur_isa_cell *cell = &cells[cell_count++];
            *cell = (struct mur_isa_cell){.element = element,
                                          .vr = values[i].vr,
                                          .kind = "",
                                          .name = "",
                                          .text = values[i].text,
                                          .unit = ""};
            cell->has_number =
                mur_parse_double(&cell->number, mur_slice_of(cell->text), NULL) == MUR_OK;
        }
    }
    const struct mur_isa_scan_record record = {.study = "LIV",
                                               .source = "Mouse_01",
                                               .sample = "Mouse_01_w8",
                                               .assay_file = "a.txt",
                                               .assay = series,
                                               .digest = digest,
                                               .values = others,
                                               .value_count = other_count,
                                               .cells = cells,
                                               .cell_count = cell_count};
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
