/* ISA-Tab: the parts of the input, divided by lines of "%%%", are an investigation file, a study
 * table and assay tables. Read, mapped to scans and Data Sets, and written again. */
#include "dicom/data_set.h"
#include "fuzz.h"
#include "isa/isa.h"
#include "isa/write.h"
#include "mapping/mapping.h"

static struct mur_mapping *mapping; /* as long as the process */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct mur_error error = MUR_ERROR_INIT;
    fuzz_check(mur_mapping_load(&mapping, "", "", &error) == MUR_OK, "%s", error.message);
    return 0;
}

static void describe(const struct mur_isa_study *study, const struct mur_isa_table *table)
{
    for (uint32_t column = 0; column < table->column_count; column++) {
        struct mur_column_description about;
        struct mur_error error = MUR_ERROR_INIT;
        enum mur_status status =
            mur_mapping_describe_column(&about, mapping, study, table, column, &error);
        fuzz_check(status == MUR_OK, "%s", error.message);
        mur_column_description_free(&about);
        (void)mur_isa_column_declared(study, table, column);
    }
}

static void apply(const struct mur_scan_list *scans)
{
    for (size_t i = 0; i < scans->count && i < 4; i++) {
        MUR_AUTO(mur_dataset) *dataset = NULL;
        struct mur_error error = MUR_ERROR_INIT;
        enum mur_status status = mur_dataset_create(&dataset, &error);
        if (status == MUR_OK)
            status = mur_mapping_apply(dataset, &scans->scans[i], MUR_LEVEL_IMAGE, &error);
        fuzz_check_status(status, &error);
    }
}

/* Cells that are not blank: a row of blanks says nothing. */
static size_t count_table(const struct mur_isa_table *table)
{
    size_t count = 0;
    for (uint32_t row = 0; row < table->row_count; row++)
        for (uint32_t column = 0; column < table->column_count; column++)
            count += mur_slice_trim(mur_slice_of(mur_isa_cell(table, row, column))).length > 0;
    return count;
}

static size_t count_cells(const struct mur_isa *isa)
{
    size_t count = 0;
    for (size_t i = 0; i < isa->study_count; i++) {
        count += count_table(&isa->studies[i].table);
        for (size_t j = 0; j < isa->studies[i].assay_count; j++)
            count += count_table(&isa->studies[i].assays[j].table);
    }
    return count;
}

/* What is written has all that was read. */
static void check_written(const struct mur_isa *isa)
{
    char folder[128];
    MUR_AUTO(mur_isa) *again = NULL;
    const struct mur_isa_part all = {.has = NULL};
    struct mur_error error = MUR_ERROR_INIT;
    (void)snprintf(folder, sizeof folder, "%s/out", fuzz_folder());
    fuzz_remove(folder);
    enum mur_status status = mur_isa_write(isa, folder, &all, &error);
    fuzz_check_status(status, &error);
    size_t cells = count_cells(isa);
    if (status != MUR_OK || cells == 0)
        return;
    status = mur_isa_read(&again, folder, NULL, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    fuzz_check(count_cells(again) == cells, "%zu cells became %zu", cells, count_cells(again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"in/i_investigation.txt", "in/s_study.txt",
                                        "in/a_assay.txt", "in/a_other.txt"};
    char folder[128];
    (void)snprintf(folder, sizeof folder, "%s/in", fuzz_folder());
    (void)mkdir(folder, 0700);
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        struct mur_slice part = fuzz_until(&data, &size, "%%%\n");
        (void)fuzz_file(names[i], part.data, part.length);
    }
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_isa) *isa = NULL;
    MUR_AUTO(mur_scan_list) *scans = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_isa_read(&isa, folder, &diagnostics, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    for (size_t i = 0; i < isa->study_count; i++) {
        const struct mur_isa_study *study = &isa->studies[i];
        describe(study, &study->table);
        for (size_t j = 0; j < study->assay_count; j++)
            describe(study, &study->assays[j].table);
    }
    status = mur_mapping_scans(&scans, mapping, isa, &diagnostics, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK)
        apply(scans);
    check_written(isa);
    return 0;
}
