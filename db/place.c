/* Where series belong, and what answers for them: a function of the headers, the links and the
 * ISA-Tabs as they are now, however that came about, so that an index made anew says the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "db/connection.h"
#include "db/header_values.h"
#include "dicom/dictionary.h"

/* ---- what the linked scans say of one row ---------------------------------------------------- */

bool mur_is_scan_text(uint32_t tag)
{
    return tag == MUR_TAG_AdditionalPatientHistory || tag == MUR_TAG_PatientComments;
}

struct value_list {
    struct mur_index_value *values; /* texts owned */
    size_t count;
    size_t capacity;
};

static void value_list_free(struct value_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)(uintptr_t)list->values[i].text);
    free(list->values);
}

/* First scan first: values of later ones are passed over. */
static enum mur_status value_list_add(struct value_list *list, struct mur_index_value value,
                                      struct mur_error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct mur_index_value *other = &list->values[i];
        if (mur_attribute_path_equal(&other->path, &value.path) && other->item == value.item &&
            other->position == value.position)
            return MUR_OK;
    }
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct mur_index_value *values = realloc(list->values, capacity * sizeof *values);
        if (values == NULL)
            return mur_error_no_memory(error);
        list->values = values;
        list->capacity = capacity;
    }
    char *text = NULL;
    enum mur_status status = mur_text_copy(&text, mur_slice_of(value.text), error);
    if (status != MUR_OK)
        return status;
    value.text = text;
    list->values[list->count++] = value;
    return MUR_OK;
}

/* Values of one level from all scans that a query names, in the order of the scans. */
static enum mur_status read_values(struct value_list *list, struct mur_database *database,
                                   enum mur_level level, const char *sql, int64_t owner,
                                   struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status =
            mur_bind_all(database, row, (struct mur_bind[]){MUR_I(level), MUR_I(owner)}, 2, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        struct mur_index_value value = {
            .level = level,
            .vr = mur_vr_from_name((const char *)sqlite3_column_text(row, 1)),
            .item = (unsigned)sqlite3_column_int(row, 2),
            .position = (unsigned)sqlite3_column_int(row, 3),
            .text = (const char *)sqlite3_column_text(row, 4),
            .has_number = sqlite3_column_type(row, 5) != SQLITE_NULL,
            .number = sqlite3_column_double(row, 5)};
        status = mur_attribute_path_parse(
            &value.path, mur_slice_of((const char *)sqlite3_column_text(row, 0)), error);
        if (status == MUR_OK)
            status = value_list_add(list, value, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading ISA values");
    mur_statement_done(database, row);
    return status;
}

/* @param which  condition on rows of isa_value; ?2 is the owner */
static enum mur_status refresh(struct mur_database *database, enum mur_level level, int64_t owner,
                               const char *which, struct mur_error *error)
{
    MUR_AUTO_FREE char *sql = NULL;
    enum mur_status status =
        mur_text_format(&sql, error,
                        "SELECT v.path, v.vr, v.item, v.position, v.text, v.number FROM isa_value v"
                        " JOIN isa_scan c ON c.id = v.scan WHERE v.level = ?1 AND v.%s"
                        " ORDER BY c.dataset, c.ordinal, v.ordinal",
                        which);
    if (status != MUR_OK)
        return status;
    struct value_list list = {0};
    status = read_values(&list, database, level, sql, owner, error);
    if (status == MUR_OK)
        status = mur_put_values(database, level, owner, 1, list.values, list.count, error);
    value_list_free(&list);
    return status;
}

/* Patient IDs that headers give the animal stay findable, as Other Patient IDs (0010,1000). */
static enum mur_status put_other_ids(struct mur_database *database, int64_t patient,
                                     struct mur_error *error)
{
    char text[MUR_ATTRIBUTE_PATH_SIZE];
    int64_t path = 0;
    const struct mur_attribute_path other = mur_attribute_path_of(MUR_TAG_OtherPatientIDs);
    enum mur_status status =
        mur_path_row(&path, database, mur_attribute_path_format(text, &other), error);
    if (status != MUR_OK)
        return status;
    return MUR_RUN(database, error,
                   "INSERT OR REPLACE INTO attribute(level, owner, path, source, item, position,"
                   " text) SELECT 0, ?1, ?2, 1, 0, row_number() OVER (ORDER BY patient_id),"
                   " patient_id FROM (SELECT DISTINCT c.patient_id AS patient_id FROM study_claim c"
                   " JOIN study s ON s.id = c.study WHERE s.patient = ?1 AND c.patient_id <> ''"
                   " AND c.patient_id <> (SELECT p.patient_id FROM patient p WHERE p.id = ?1))",
                   MUR_I(patient), MUR_I(path));
}

static enum mur_status refresh_patient(struct mur_database *database, int64_t patient,
                                       struct mur_error *error)
{
    enum mur_status status =
        MUR_RUN(database, error,
                "UPDATE patient SET isa = EXISTS (SELECT 1 FROM study s JOIN series e"
                " ON e.study = s.id JOIN isa_value v ON v.scan = e.isa_scan WHERE s.patient = ?1"
                " AND v.level = 0 AND v.path = '00100020') WHERE id = ?1",
                MUR_I(patient));
    if (status == MUR_OK)
        status = refresh(database, MUR_LEVEL_PATIENT, patient,
                         "scan IN (SELECT e.isa_scan FROM series e JOIN study s ON s.id = e.study"
                         " WHERE s.patient = ?2 AND e.isa_scan IS NOT NULL)",
                         error);
    return status == MUR_OK ? put_other_ids(database, patient, error) : status;
}

static enum mur_status refresh_study(struct mur_database *database, int64_t study,
                                     struct mur_error *error)
{
    return refresh(
        database, MUR_LEVEL_STUDY, study,
        "scan IN (SELECT isa_scan FROM series WHERE study = ?2 AND isa_scan IS NOT NULL)", error);
}

/* A segmentation was not made by the scanner: it has none of the scan's standard series attributes
 * (device, protocol). What can be searched, the cells, it shares with it. */
static enum mur_status refresh_series(struct mur_database *database, int64_t series,
                                      struct mur_error *error)
{
    bool found = false;
    int64_t segmentation = 0;
    enum mur_status status =
        MUR_QUERY_INTEGER(&segmentation, &found, database, error,
                          "SELECT segmentation FROM series WHERE id = ?", MUR_I(series));
    if (status != MUR_OK)
        return status;
    return refresh(database, MUR_LEVEL_SERIES, series,
                   segmentation != 0 ? "scan = 0 AND ?2"
                                     : "scan = (SELECT isa_scan FROM series WHERE id = ?2)",
                   error);
}

/* ---- what the first header says -------------------------------------------------------------- */

static enum mur_status run_for_owner(struct mur_database *database, const char *sql,
                                     enum mur_level level, int64_t owner, struct mur_error *error)
{
    return MUR_RUN(database, error, sql, MUR_I(level), MUR_I(owner));
}

/* A row without anything of a header: its typed columns are empty. */
static enum mur_status clear_header(struct mur_database *database, enum mur_level level,
                                    int64_t owner, struct mur_error *error)
{
    enum mur_status status = run_for_owner(
        database, "DELETE FROM overwritten WHERE level = ? AND owner = ?", level, owner, error);
    if (status == MUR_OK)
        status = run_for_owner(database,
                               "DELETE FROM attribute WHERE level = ? AND owner = ? AND source = 0",
                               level, owner, error);
    size_t count;
    const struct mur_attribute *attributes = mur_attributes(&count);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        if (attributes[i].level == level && attributes[i].storage == MUR_STORAGE_COLUMN)
            status = mur_clear_column(database, &attributes[i], owner, error);
    return status;
}

static enum mur_status keep_said(struct mur_database *database, int64_t series,
                                 const struct mur_header_values *values, struct mur_error *error)
{
    static const uint32_t tags[] = {MUR_TAG_PatientID, MUR_TAG_IssuerOfPatientID,
                                    MUR_TAG_PatientName, MUR_TAG_PatientBirthDate,
                                    MUR_TAG_PatientSex};
    const char *said[MUR_COUNT(tags)] = {"", "", "", "", ""};
    for (size_t i = 0; i < values->count; i++)
        for (size_t t = 0; t < MUR_COUNT(tags); t++)
            if (values->values[i].path.depth == 1 && values->values[i].path.tags[0] == tags[t])
                said[t] = values->values[i].text;
    return MUR_RUN(database, error,
                   "UPDATE series SET said_patient_id = ?, said_issuer = ?, said_name = ?,"
                   " said_birth_date = ?, said_sex = ? WHERE id = ?",
                   MUR_T(said[0]), MUR_T(said[1]), MUR_T(said[2]), MUR_T(said[3]), MUR_T(said[4]),
                   MUR_I(series));
}

/* Header values of a row are those of the instance that came first. The ISA-Tab's are to be put
 * again afterwards. */
static enum mur_status read_first_header(struct mur_database *database, enum mur_level level,
                                         int64_t owner, struct mur_error *error)
{
    static const char *const first[] = {
        "SELECT form, json FROM header WHERE instance = (SELECT min((SELECT min(id) FROM instance"
        " WHERE series = e.id)) FROM study s JOIN series e ON e.study = s.id WHERE s.patient = ?)",
        "SELECT form, json FROM header WHERE instance = (SELECT min((SELECT min(id) FROM instance"
        " WHERE series = e.id)) FROM series e WHERE e.study = ?)",
        "SELECT form, json FROM header WHERE instance ="
        " (SELECT min(id) FROM instance WHERE series = ?)",
    };
    sqlite3_stmt *row = NULL;
    MUR_AUTO_BUFFER struct mur_buffer json = MUR_BUFFER_INIT;
    MUR_AUTO_HEADER_VALUES struct mur_header_values values = {0};
    bool found = false;
    enum mur_status status = mur_statement_get(&row, database, first[level], error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(owner), 1, error);
    if (status == MUR_OK && sqlite3_step(row) == SQLITE_ROW) {
        found = true;
        status = mur_header_unpack(&json, sqlite3_column_int(row, 0), sqlite3_column_blob(row, 1),
                                   (size_t)sqlite3_column_bytes(row, 1), error);
    }
    mur_statement_done(database, row);
    if (status != MUR_OK || !found)
        return status;
    status = mur_header_values_add_json(&values, (struct mur_slice){json.data, json.length},
                                        MUR_HEADER_ALL, error);
    mur_header_values_end(&values);
    if (status == MUR_OK)
        status = clear_header(database, level, owner, error);
    if (status == MUR_OK)
        status = mur_put_values(database, level, owner, 0, values.values, values.count, error);
    if (status == MUR_OK && level == MUR_LEVEL_SERIES)
        status = keep_said(database, owner, &values, error);
    return status;
}

/* ---- moving ---------------------------------------------------------------------------------- */

/* The study row of the same UID under another patient, made when it is new. */
static enum mur_status study_of_patient(int64_t *out, struct mur_database *database, int64_t study,
                                        int64_t patient, struct mur_error *error)
{
    bool found = false;
    int64_t id = 0;
    enum mur_status status =
        MUR_QUERY_INTEGER(&id, &found, database, error,
                          "SELECT id FROM study WHERE patient = ? AND study_uid = (SELECT "
                          "study_uid FROM study WHERE id = ?)",
                          MUR_I(patient), MUR_I(study));
    if (status == MUR_OK && !found) {
        status = MUR_RUN(database, error,
                         "INSERT INTO study(patient, study_uid, study_date, study_time,"
                         " accession_number, study_id, study_description,"
                         " referring_physician_name, referring_physician_name_fold)"
                         " SELECT ?, study_uid, study_date, study_time, accession_number,"
                         " study_id, study_description, referring_physician_name,"
                         " referring_physician_name_fold FROM study WHERE id = ?",
                         MUR_I(patient), MUR_I(study));
        id = sqlite3_last_insert_rowid(database->handle);
    }
    if (status == MUR_OK)
        *out = id;
    return status;
}

/* Moves one series to a study; where that has a series of the same UID already, they become one. */
static enum mur_status move_series(int64_t *out, struct mur_database *database, int64_t series,
                                   int64_t study, struct mur_error *error)
{
    bool found = false;
    int64_t other = 0;
    enum mur_status status =
        MUR_QUERY_INTEGER(&other, &found, database, error,
                          "SELECT id FROM series WHERE study = ? AND series_uid = (SELECT "
                          "series_uid FROM series WHERE id = ?)",
                          MUR_I(study), MUR_I(series));
    if (status != MUR_OK)
        return status;
    if (!found) {
        *out = series;
        return MUR_RUN(database, error, "UPDATE series SET study = ? WHERE id = ?", MUR_I(study),
                       MUR_I(series));
    }
    if (other != series) {
        status = MUR_RUN(database, error, "UPDATE instance SET series = ? WHERE series = ?",
                         MUR_I(other), MUR_I(series));
        if (status == MUR_OK)
            status = MUR_RUN(database, error,
                             "UPDATE series SET instance_count = instance_count +"
                             " (SELECT instance_count FROM series WHERE id = ?1), bytes = bytes +"
                             " (SELECT bytes FROM series WHERE id = ?1) WHERE id = ?2",
                             MUR_I(series), MUR_I(other));
        if (status == MUR_OK)
            status = MUR_RUN(database, error, "DELETE FROM attribute WHERE level = 2 AND owner = ?",
                             MUR_I(series));
        if (status == MUR_OK)
            status =
                MUR_RUN(database, error, "DELETE FROM overwritten WHERE level = 2 AND owner = ?",
                        MUR_I(series));
        if (status == MUR_OK)
            status = MUR_RUN(database, error, "DELETE FROM series WHERE id = ?", MUR_I(series));
    }
    *out = other;
    return status;
}

/* ---- the series of one Study Instance UID ------------------------------------------------------
 */

/* Who a series is of, in the order in which series came. Texts are its own. */
struct placed {
    int64_t series, study, patient; /* rows as they are */
    char *said[2];                  /* Patient ID and issuer of its header */
    char *animal[2];                /* of its scan; NULL where there is none */
    int64_t study_now;
};

struct placed_list {
    struct placed *items;
    size_t count;
};

static void placed_list_free(struct placed_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        for (size_t t = 0; t < 2; t++) {
            free(list->items[i].said[t]);
            free(list->items[i].animal[t]);
        }
    free(list->items);
}

static enum mur_status read_placed(struct placed_list *list, struct mur_database *database,
                                   const char *study_uid, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT e.id, s.id, s.patient, e.said_patient_id, e.said_issuer,"
        " (SELECT text FROM isa_value WHERE scan = e.isa_scan AND level = 0 AND path = '00100020'"
        "  ORDER BY ordinal LIMIT 1),"
        " coalesce((SELECT text FROM isa_value WHERE scan = e.isa_scan AND level = 0"
        "  AND path = '00100021' ORDER BY ordinal LIMIT 1), '')"
        " FROM study s JOIN series e ON e.study = s.id WHERE s.study_uid = ?"
        " ORDER BY (SELECT min(id) FROM instance WHERE series = e.id)",
        error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_T(study_uid), 1, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        struct placed *items = reallocarray(list->items, list->count + 1, sizeof *items);
        if (items == NULL) {
            status = mur_error_no_memory(error);
            break;
        }
        list->items = items;
        struct placed *one = &items[list->count++];
        *one = (struct placed){.series = sqlite3_column_int64(row, 0),
                               .study = sqlite3_column_int64(row, 1),
                               .patient = sqlite3_column_int64(row, 2)};
        const char *animal = (const char *)sqlite3_column_text(row, 5);
        bool known = animal != NULL && animal[0] != '\0';
        for (int t = 0; status == MUR_OK && t < 2; t++) {
            status = mur_text_copy(
                &one->said[t], mur_slice_of((const char *)sqlite3_column_text(row, 3 + t)), error);
            if (status == MUR_OK && known)
                status = mur_text_copy(&one->animal[t],
                                       mur_slice_of((const char *)sqlite3_column_text(row, 5 + t)),
                                       error);
        }
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading series");
    mur_statement_done(database, row);
    return status;
}

static bool same_claim(const struct placed *a, const struct placed *b)
{
    return strcmp(a->said[0], b->said[0]) == 0 && strcmp(a->said[1], b->said[1]) == 0;
}

/* Of a series that is linked, its animal. The others of a study go with the first one of the same
 * header identity that is; or stay with the patient that their header names. */
static const struct placed *animal_of(const struct placed_list *list, const struct placed *one,
                                      bool own)
{
    if (own && one->animal[0] != NULL)
        return one;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].animal[0] != NULL && same_claim(&list->items[i], one))
            return &list->items[i];
    return NULL;
}

static enum mur_status home_of(int64_t *study, int64_t *patient, struct mur_database *database,
                               const struct placed_list *list, const struct placed *one, bool own,
                               const char *study_uid, struct mur_error *error)
{
    const struct placed *animal = animal_of(list, one, own);
    bool made = false;
    enum mur_status status = animal != NULL
                                 ? mur_patient_row(patient, &made, database, animal->animal[0],
                                                   animal->animal[1], "", error)
                                 : mur_patient_row(patient, &made, database, one->said[0],
                                                   one->said[1], study_uid, error);
    return status == MUR_OK ? study_of_patient(study, database, one->study, *patient, error)
                            : status;
}

static enum mur_status claim(struct mur_database *database, const struct placed_list *list,
                             const char *study_uid, struct mur_error *error)
{
    enum mur_status status =
        MUR_RUN(database, error, "DELETE FROM study_claim WHERE study_uid = ?", MUR_T(study_uid));
    for (size_t i = 0; status == MUR_OK && i < list->count; i++) {
        const struct placed *one = &list->items[i];
        bool before = false;
        for (size_t j = 0; j < i && !before; j++)
            before = same_claim(&list->items[j], one);
        if (before)
            continue;
        int64_t study = 0;
        int64_t patient = 0;
        status = home_of(&study, &patient, database, list, one, false, study_uid, error);
        if (status == MUR_OK)
            status =
                MUR_RUN(database, error, "INSERT INTO study_claim VALUES (?, ?, ?, ?)",
                        MUR_T(study_uid), MUR_T(one->said[0]), MUR_T(one->said[1]), MUR_I(study));
    }
    return status;
}

/* Touches studies and patients that something is linked in, or moved to or from. */
static enum mur_status place_study(struct mur_database *database, const char *study_uid,
                                   struct mur_error *error)
{
    struct placed_list list = {0};
    enum mur_status status = read_placed(&list, database, study_uid, error);
    for (size_t i = 0; status == MUR_OK && i < list.count; i++) {
        struct placed *one = &list.items[i];
        int64_t patient = 0;
        status = home_of(&one->study_now, &patient, database, &list, one, true, study_uid, error);
        bool moves = one->study_now != one->study;
        const int64_t rows[][2] = {{MUR_LEVEL_STUDY, one->study},
                                   {MUR_LEVEL_STUDY, one->study_now},
                                   {MUR_LEVEL_PATIENT, one->patient},
                                   {MUR_LEVEL_PATIENT, patient}};
        for (size_t r = 0; status == MUR_OK && r < MUR_COUNT(rows); r++)
            status = mur_touch(database, (enum mur_level)rows[r][0], rows[r][1], moves, error);
    }
    for (size_t i = 0; status == MUR_OK && i < list.count; i++) {
        struct placed *one = &list.items[i];
        int64_t moved = one->series;
        if (one->study_now == one->study)
            continue;
        status = move_series(&moved, database, one->series, one->study_now, error);
        if (status == MUR_OK && moved != one->series)
            status = mur_touch(database, MUR_LEVEL_SERIES, moved, true, error);
    }
    if (status == MUR_OK)
        status = claim(database, &list, study_uid, error);
    placed_list_free(&list);
    return status;
}

/* ---- all that was touched -------------------------------------------------------------------- */

enum mur_status mur_touch(struct mur_database *database, enum mur_level level, int64_t row,
                          bool anew, struct mur_error *error)
{
    size_t last = database->touched_count;
    if (last > 0 && database->touched[last - 1].level == level &&
        database->touched[last - 1].row == row && (database->touched[last - 1].anew || !anew))
        return MUR_OK;
    if (last == database->touched_capacity) {
        size_t capacity = last == 0 ? 64 : last * 2;
        struct mur_touched *grown = reallocarray(database->touched, capacity, sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        database->touched = grown;
        database->touched_capacity = capacity;
    }
    database->touched[database->touched_count++] =
        (struct mur_touched){.level = level, .row = row, .anew = anew};
    return MUR_OK;
}

/* Series first, patients last; of one row, the one that is to be read anew first. */
static int by_row(const void *left, const void *right)
{
    const struct mur_touched *a = left;
    const struct mur_touched *b = right;
    if (a->level != b->level)
        return a->level > b->level ? -1 : 1;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return (int)b->anew - (int)a->anew;
}

static int by_text(const void *left, const void *right)
{
    const char *const *a = left;
    const char *const *b = right;
    return strcmp(*a, *b);
}

static void sort_touched(struct mur_database *database)
{
    struct mur_touched *list = database->touched;
    size_t count = database->touched_count;
    size_t kept = 1;
    if (count == 0)
        return;
    qsort(list, count, sizeof *list, by_row);
    for (size_t i = 1; i < count; i++)
        if (list[i].level != list[kept - 1].level || list[i].row != list[kept - 1].row)
            list[kept++] = list[i];
    database->touched_count = kept;
}

static enum mur_status study_uid_of(char **out, struct mur_database *database, int64_t series,
                                    struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT s.study_uid FROM series e JOIN study s ON s.id = e.study WHERE e.id = ?", error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(series), 1, error);
    if (status == MUR_OK && sqlite3_step(row) == SQLITE_ROW)
        status = mur_text_copy(out, mur_slice_of((const char *)sqlite3_column_text(row, 0)), error);
    mur_statement_done(database, row);
    return status;
}

static enum mur_status row_is_there(bool *out, struct mur_database *database, enum mur_level level,
                                    int64_t row, struct mur_error *error)
{
    static const char *const sql[] = {"SELECT 1 FROM patient WHERE id = ?",
                                      "SELECT 1 FROM study WHERE id = ?",
                                      "SELECT 1 FROM series WHERE id = ?"};
    int64_t one;
    return MUR_QUERY_INTEGER(&one, out, database, error, sql[level], MUR_I(row));
}

/* Places the studies of all touched series: what moves is touched in turn. */
static enum mur_status place_series(struct mur_database *database, struct mur_error *error)
{
    sort_touched(database);
    size_t count = database->touched_count;
    char **uids = calloc(count + 1, sizeof *uids);
    if (uids == NULL)
        return mur_error_no_memory(error);
    size_t used = 0;
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        const struct mur_touched one = database->touched[i];
        if (one.level != MUR_LEVEL_SERIES)
            continue;
        if (one.anew)
            status = read_first_header(database, MUR_LEVEL_SERIES, one.row, error);
        if (status == MUR_OK)
            status = study_uid_of(&uids[used], database, one.row, error);
        used += uids[used] != NULL ? 1 : 0;
    }
    if (used > 1)
        qsort(uids, used, sizeof *uids, by_text);
    for (size_t i = 0; status == MUR_OK && i < used; i++)
        if (i == 0 || strcmp(uids[i], uids[i - 1]) != 0)
            status = place_study(database, uids[i], error);
    for (size_t i = 0; i < used; i++)
        free(uids[i]);
    free(uids);
    return status;
}

static enum mur_status answer_for(struct mur_database *database, const struct mur_touched *one,
                                  struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (one->level == MUR_LEVEL_STUDY)
        status = mur_recount(database, one->row, 0, error);
    else if (one->level == MUR_LEVEL_PATIENT)
        status = mur_recount(database, 0, one->row, error);
    if (status == MUR_OK && one->level != MUR_LEVEL_SERIES)
        status = mur_drop_empty(database, one->level == MUR_LEVEL_STUDY ? one->row : 0,
                                one->level == MUR_LEVEL_PATIENT ? one->row : 0, error);
    bool there = false;
    if (status == MUR_OK)
        status = row_is_there(&there, database, one->level, one->row, error);
    if (status != MUR_OK || !there)
        return status;
    if (one->anew)
        status = read_first_header(database, one->level, one->row, error);
    if (status != MUR_OK)
        return status;
    switch (one->level) {
    case MUR_LEVEL_PATIENT:
        return refresh_patient(database, one->row, error);
    case MUR_LEVEL_STUDY:
        return refresh_study(database, one->row, error);
    case MUR_LEVEL_SERIES:
        return refresh_series(database, one->row, error);
    case MUR_LEVEL_IMAGE:
        break;
    }
    return MUR_OK;
}

enum mur_status mur_place_touched(struct mur_database *database, struct mur_error *error)
{
    if (database->touched_count == 0)
        return MUR_OK;
    enum mur_status status = mur_count_pending(database, error);
    mur_forget_series(database);
    if (status == MUR_OK)
        status = place_series(database, error);
    sort_touched(database);
    for (size_t i = 0; status == MUR_OK && i < database->touched_count; i++)
        status = answer_for(database, &database->touched[i], error);
    database->touched_count = 0;
    return status;
}
