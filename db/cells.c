/* What our private block says of scans: each column and each text once, whoever says so. */
#include <string.h>

#include "core/text.h"
#include "db/connection.h"
#include "db/said.h"
#include "db/scan_values.h"

/* @param[out] out  row of the cell's column, made when it is new */
static enum mur_status column_row(int64_t *out, struct mur_database *database,
                                  const struct mur_isa_cell *cell, struct mur_error *error)
{
    bool found = false;
    int64_t id = 0;
    const char *vr = cell->element != 0 ? mur_vr_name(cell->vr) : "";
    enum mur_status status = MUR_QUERY_INTEGER(
        &id, &found, database, error,
        "SELECT id FROM isa_column WHERE element = ? AND kind = ? AND name = ? AND vr = ?",
        MUR_I(cell->element), MUR_T(cell->kind), MUR_T(cell->name), MUR_T(vr));
    if (status != MUR_OK || found) {
        if (status == MUR_OK)
            *out = id;
        return status;
    }
    MUR_AUTO_FREE char *heading = NULL;
    MUR_AUTO_FREE char *heading_fold = NULL;
    MUR_AUTO_FREE char *name_fold = NULL;
    status = mur_text_format(&heading, error, "%s:%s", cell->kind, cell->name);
    if (status == MUR_OK)
        status = mur_text_fold(&heading_fold, mur_slice_of(heading), error);
    if (status == MUR_OK)
        status = mur_text_fold(&name_fold, mur_slice_of(cell->name), error);
    if (status == MUR_OK)
        status = MUR_RUN(database, error,
                         "INSERT INTO isa_column(element, vr, kind, name, name_fold, heading_fold)"
                         " VALUES (?, ?, ?, ?, ?, ?)",
                         MUR_I(cell->element), MUR_T(vr), MUR_T(cell->kind), MUR_T(cell->name),
                         MUR_T(name_fold), MUR_T(heading_fold));
    if (status == MUR_OK)
        *out = sqlite3_last_insert_rowid(database->handle);
    return status;
}

static enum mur_status cell_row(int64_t *out, int64_t *out_column, struct mur_database *database,
                                const struct mur_isa_cell *cell, struct mur_error *error)
{
    int64_t column = 0;
    bool found = false;
    int64_t id = 0;
    enum mur_status status = column_row(&column, database, cell, error);
    if (status == MUR_OK)
        status =
            MUR_QUERY_INTEGER(&id, &found, database, error,
                              "SELECT id FROM isa_cell WHERE column = ? AND text = ? AND unit = ?",
                              MUR_I(column), MUR_T(cell->text), MUR_T(cell->unit));
    if (status == MUR_OK && !found) {
        bool odd = strchr(cell->text, '=') != NULL || strchr(cell->name, '=') != NULL;
        status = MUR_RUN(database, error,
                         "INSERT INTO isa_cell(column, text, unit, number, odd)"
                         " VALUES (?, ?, ?, ?, ?)",
                         MUR_I(column), MUR_T(cell->text), MUR_T(cell->unit),
                         cell->has_number ? MUR_R(cell->number) : MUR_NULL,
                         MUR_I(odd && cell->element == 0));
        id = sqlite3_last_insert_rowid(database->handle);
    }
    if (status == MUR_OK) {
        *out = id;
        *out_column = column;
    }
    return status;
}

/* Adds a cell to what the scan says, and to that in one piece. */
static enum mur_status put_cell(struct mur_buffer *said, struct mur_database *database,
                                int64_t scan, const struct mur_isa_cell *cell, size_t place,
                                struct mur_error *error)
{
    int64_t id = 0;
    int64_t column = 0;
    enum mur_status status = cell_row(&id, &column, database, cell, error);
    if (status == MUR_OK)
        status = MUR_RUN(database, error,
                         "INSERT INTO isa_scan_cell(scan, ordinal, cell) VALUES (?, ?, ?)",
                         MUR_I(scan), MUR_I(mur_cell_ordinal(cell->element, place)), MUR_I(id));
    const struct mur_said one = {.place = place,
                                 .cell = (uint64_t)id,
                                 .column = (uint64_t)column,
                                 .text = mur_slice_of(cell->text),
                                 .unit = mur_slice_of(cell->unit),
                                 .has_number = cell->has_number,
                                 .number = cell->number};
    return status == MUR_OK && cell->element == 0 ? mur_said_append(said, &one, error) : status;
}

enum mur_status mur_put_cells(struct mur_database *database, int64_t scan,
                              const struct mur_isa_cell *cells, size_t count,
                              struct mur_error *error)
{
    /* Texts that nobody else says go with the scan's old version. */
    enum mur_status status =
        MUR_RUN(database, error,
                "DELETE FROM isa_cell WHERE id IN (SELECT cell FROM isa_scan_cell WHERE scan = ?1)"
                " AND NOT EXISTS (SELECT 1 FROM isa_scan_cell o WHERE o.cell = isa_cell.id"
                " AND o.scan <> ?1)",
                MUR_I(scan));
    if (status == MUR_OK)
        status = MUR_RUN(database, error, "DELETE FROM isa_scan_cell WHERE scan = ?", MUR_I(scan));
    if (status == MUR_OK)
        status = MUR_RUN(database, error, "DELETE FROM isa_said WHERE scan = ?", MUR_I(scan));
    MUR_AUTO_BUFFER struct mur_buffer said = MUR_BUFFER_INIT;
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = put_cell(&said, database, scan, &cells[i], i, error);
    return status == MUR_OK && said.length > 0
               ? MUR_RUN(database, error, "INSERT INTO isa_said(scan, cells) VALUES (?, ?)",
                         MUR_I(scan), MUR_B(said.data, said.length))
               : status;
}
