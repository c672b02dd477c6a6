/* ISA-Tab rows, and the links by which they answer for patients, studies and series. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "db/connection.h"
#include "dicom/dictionary.h"

enum mur_status mur_database_isa_dataset(int64_t *id, char known_digest[65], int64_t *version,
                                         struct mur_database *database, const char *identifier,
                                         struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database, "SELECT digest, version, id FROM isa_dataset WHERE identifier = ?", error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_T(identifier), 1, error);
    if (status == MUR_OK) {
        int result = sqlite3_step(row);
        known_digest[0] = '\0';
        *version = 0;
        *id = 0;
        if (result == SQLITE_ROW) {
            (void)snprintf(known_digest, 65, "%s", (const char *)sqlite3_column_text(row, 0));
            *version = sqlite3_column_int64(row, 1);
            *id = sqlite3_column_int64(row, 2);
        } else if (result != SQLITE_DONE) {
            status = mur_sqlite_error(error, database, result, "looking for an ISA-Tab");
        }
    }
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_put_isa_dataset(int64_t *id, struct mur_database *database,
                                             const char *identifier, int64_t version,
                                             const char *folder, const char *digest,
                                             int64_t applied_us, struct mur_error *error)
{
    enum mur_status status = MUR_RUN(
        database, error,
        "INSERT INTO isa_dataset(identifier, version, folder, digest, applied_us)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (identifier) DO UPDATE SET version = excluded.version,"
        " folder = excluded.folder, digest = excluded.digest, applied_us = excluded.applied_us",
        MUR_T(identifier), MUR_I(version), MUR_T(folder), MUR_T(digest), MUR_I(applied_us));
    bool found = false;
    int64_t row = 0;
    if (status == MUR_OK)
        status =
            MUR_QUERY_INTEGER(&row, &found, database, error,
                              "SELECT id FROM isa_dataset WHERE identifier = ?", MUR_T(identifier));
    if (status == MUR_OK)
        *id = row;
    return status;
}

/* ---- one scan -------------------------------------------------------------------------------- */

static enum mur_status put_scan_values(struct mur_database *database, int64_t scan,
                                       const struct mur_isa_scan_record *record,
                                       struct mur_error *error)
{
    enum mur_status status =
        MUR_RUN(database, error, "DELETE FROM isa_value WHERE scan = ?", MUR_I(scan));
    for (size_t i = 0; status == MUR_OK && i < record->value_count; i++) {
        const struct mur_index_value *value = &record->values[i];
        char path[MUR_ATTRIBUTE_PATH_SIZE];
        status = MUR_RUN(
            database, error,
            "INSERT INTO isa_value(scan, ordinal, level, path, vr, item, position, text, number)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            MUR_I(scan), MUR_I(i), MUR_I(value->level),
            MUR_T(mur_attribute_path_format(path, &value->path)), MUR_T(mur_vr_name(value->vr)),
            MUR_I(value->item), MUR_I(value->position), MUR_T(value->text),
            value->has_number ? MUR_R(value->number) : MUR_NULL);
    }
    return status;
}

/* Ids of a query's first column, malloc'ed: rows may change while they are worked through. */
static enum mur_status collect_ids(int64_t **out, size_t *count, struct mur_database *database,
                                   const char *sql, const struct mur_bind *binds, size_t bind_count,
                                   struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    MUR_AUTO_BUFFER struct mur_buffer ids = MUR_BUFFER_INIT;
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, bind_count, error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        int64_t id = sqlite3_column_int64(row, 0);
        status = mur_buffer_append(&ids, &id, sizeof id, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "reading the index");
    mur_statement_done(database, row);
    size_t length = ids.length;
    char *bytes = NULL;
    if (status == MUR_OK)
        status = mur_buffer_take(&bytes, &ids, error);
    if (status == MUR_OK) {
        *out = (int64_t *)(void *)bytes;
        *count = length / sizeof(int64_t);
    }
    return status;
}

enum mur_status mur_database_put_isa_scan(int64_t *id, bool *changed, struct mur_database *database,
                                          int64_t dataset, const struct mur_isa_scan_record *record,
                                          struct mur_error *error)
{
    bool found = false;
    bool same = false;
    int64_t scan = 0;
    enum mur_status status = MUR_QUERY_INTEGER(
        &scan, &found, database, error,
        "SELECT id FROM isa_scan WHERE dataset = ? AND study = ? AND assay_file = ? AND assay = ?",
        MUR_I(dataset), MUR_T(record->study), MUR_T(record->assay_file), MUR_T(record->assay));
    if (status == MUR_OK && found) {
        int64_t one;
        status = MUR_QUERY_INTEGER(&one, &same, database, error,
                                   "SELECT 1 FROM isa_scan WHERE id = ? AND digest = ?",
                                   MUR_I(scan), MUR_T(record->digest));
    }
    if (status != MUR_OK)
        return status;
    if (same) {
        *id = scan;
        *changed = false;
        return MUR_OK;
    }
    if (found) {
        status = MUR_RUN(
            database, error, "UPDATE isa_scan SET source = ?, sample = ?, digest = ? WHERE id = ?",
            MUR_T(record->source), MUR_T(record->sample), MUR_T(record->digest), MUR_I(scan));
    } else {
        status = MUR_RUN(database, error,
                         "INSERT INTO isa_scan(dataset, study, source, sample, assay_file, assay,"
                         " digest) VALUES (?, ?, ?, ?, ?, ?, ?)",
                         MUR_I(dataset), MUR_T(record->study), MUR_T(record->source),
                         MUR_T(record->sample), MUR_T(record->assay_file), MUR_T(record->assay),
                         MUR_T(record->digest));
        scan = sqlite3_last_insert_rowid(database->handle);
    }
    if (status == MUR_OK)
        status = put_scan_values(database, scan, record, error);
    MUR_AUTO_FREE int64_t *series = NULL;
    size_t series_count = 0;
    if (status == MUR_OK && found)
        status = collect_ids(&series, &series_count, database,
                             "SELECT id FROM series WHERE isa_scan = ?", &MUR_I(scan), 1, error);
    for (size_t i = 0; status == MUR_OK && i < series_count; i++) {
        bool one_found = false;
        int64_t segmentation = 0;
        status =
            MUR_QUERY_INTEGER(&segmentation, &one_found, database, error,
                              "SELECT segmentation FROM series WHERE id = ?", MUR_I(series[i]));
        if (status == MUR_OK)
            status = mur_link_series_row(database, series[i], scan, segmentation != 0, error);
    }
    if (status == MUR_OK) {
        *id = scan;
        *changed = true;
    }
    return status;
}

/* ---- what the linked scans say of one row ---------------------------------------------------- */

bool mur_is_isa_list(uint32_t tag)
{
    return tag == MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE) ||
           tag == MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE_SEQUENCE) ||
           tag == MUR_TAG_AdditionalPatientHistory || tag == MUR_TAG_PatientComments;
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

/* First scan first: single values of later ones are passed over, list values are added once. */
static enum mur_status value_list_add(struct value_list *list, struct mur_index_value value,
                                      struct mur_error *error)
{
    bool many = mur_is_isa_list(value.path.tags[0]);
    unsigned next = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct mur_index_value *other = &list->values[i];
        if (!mur_attribute_path_equal(&other->path, &value.path))
            continue;
        if (many ? value.path.depth == 1 && strcmp(other->text, value.text) == 0
                 : other->item == value.item && other->position == value.position)
            return MUR_OK;
        if (other->position >= next)
            next = other->position + 1;
    }
    if (many && value.path.depth == 1)
        value.position = next;
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
    enum mur_status status = mur_text_format(
        &sql, error,
        "SELECT path, vr, item, position, text, number FROM isa_value WHERE level = ?1 AND %s"
        " ORDER BY scan, ordinal",
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
        refresh(database, MUR_LEVEL_PATIENT, patient,
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

/* A segmentation was not made by the scanner: of the scan it has what can be searched, in our
 * private block, but none of its standard series attributes (device, protocol). */
static enum mur_status refresh_series(struct mur_database *database, int64_t series,
                                      bool segmentation, struct mur_error *error)
{
    return refresh(database, MUR_LEVEL_SERIES, series,
                   segmentation ? "scan = (SELECT isa_scan FROM series WHERE id = ?2)"
                                  " AND substr(path, 1, 4) = '0099'"
                                : "scan = (SELECT isa_scan FROM series WHERE id = ?2)",
                   error);
}

/* ---- linking --------------------------------------------------------------------------------- */

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
                             " (SELECT instance_count FROM series WHERE id = ?1) WHERE id = ?2",
                             MUR_I(series), MUR_I(other));
        if (status == MUR_OK)
            status = MUR_RUN(database, error, "DELETE FROM attribute WHERE level = 2 AND owner = ?",
                             MUR_I(series));
        if (status == MUR_OK)
            status = MUR_RUN(database, error, "DELETE FROM series WHERE id = ?", MUR_I(series));
    }
    *out = other;
    return status;
}

/* A study goes to the animal as a whole, unless it holds scans of other animals (a hotel scan). */
static enum mur_status move_to_patient(int64_t *series, int64_t *study,
                                       struct mur_database *database, int64_t patient,
                                       struct mur_error *error)
{
    bool found = false;
    int64_t one;
    enum mur_status status = MUR_QUERY_INTEGER(
        &one, &found, database, error,
        "SELECT 1 FROM series WHERE study = ? AND id <> ? AND isa_scan IS NOT NULL LIMIT 1",
        MUR_I(*study), MUR_I(*series));
    int64_t target = 0;
    if (status == MUR_OK)
        status = study_of_patient(&target, database, *study, patient, error);
    if (status != MUR_OK)
        return status;
    if (found) {
        status = move_series(series, database, *series, target, error);
        if (status == MUR_OK)
            *study = target;
        return status;
    }
    MUR_AUTO_FREE int64_t *all = NULL;
    size_t count = 0;
    status = collect_ids(&all, &count, database, "SELECT id FROM series WHERE study = ?",
                         &MUR_I(*study), 1, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++) {
        int64_t moved = 0;
        status = move_series(&moved, database, all[i], target, error);
        if (status == MUR_OK && all[i] == *series)
            *series = moved;
    }
    if (status == MUR_OK) /* header attributes of the study go along */
        status = MUR_RUN(database, error,
                         "INSERT OR IGNORE INTO attribute SELECT level, ?1, path, source, item,"
                         " position, hidden, text, folded, number FROM attribute"
                         " WHERE level = 1 AND owner = ?2",
                         MUR_I(target), MUR_I(*study));
    if (status == MUR_OK)
        status = MUR_RUN(database, error, "UPDATE study_claim SET study = ? WHERE study = ?",
                         MUR_I(target), MUR_I(*study));
    if (status == MUR_OK)
        *study = target;
    return status;
}

/* What headers say of the animal goes along with its images, unless they disagree (then it may be
 * another one's), or the patient before was an animal of an ISA-Tab too. */
static enum mur_status keep_patient_header(struct mur_database *database, int64_t from, int64_t to,
                                           struct mur_error *error)
{
    static const char *const columns[] = {
#define KEEP(column, tag)                                                                          \
    "UPDATE patient SET " column " = coalesce((SELECT o." column " FROM patient o WHERE o.id = ?1" \
    " AND o.isa = 0 AND NOT EXISTS (SELECT 1 FROM difference d WHERE d.patient = ?1"               \
    " AND d.path = '" tag "')), '') WHERE id = ?2 AND " column " = ''"
        KEEP("patient_name", "00100010"),
        KEEP("patient_name_fold", "00100010"),
        KEEP("patient_birth_date", "00100030"),
        KEEP("patient_sex", "00100040"),
#undef KEEP
    };
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(columns); i++)
        status = MUR_RUN(database, error, columns[i], MUR_I(from), MUR_I(to));
    if (status == MUR_OK)
        status = MUR_RUN(database, error,
                         "INSERT INTO attribute(level, owner, path, source, item, position, hidden,"
                         " text, folded, number) SELECT 0, ?2, a.path, 0, a.item, a.position, 0,"
                         " a.text, a.folded, a.number FROM attribute a JOIN patient o ON o.id = ?1"
                         " WHERE a.level = 0 AND a.owner = ?1 AND a.source = 0 AND o.isa = 0"
                         " AND NOT EXISTS (SELECT 1 FROM attribute b WHERE b.owner = ?2"
                         " AND b.level = 0 AND b.path = a.path AND b.source = 0)",
                         MUR_I(from), MUR_I(to));
    return status;
}

/* The animal that a scan's values name. @param[out] patient 0: they name none */
static enum mur_status patient_of_scan(int64_t *patient, struct mur_database *database,
                                       int64_t scan, struct mur_error *error)
{
    struct value_list list = {0};
    enum mur_status status = read_values(
        &list, database, MUR_LEVEL_PATIENT,
        "SELECT path, vr, item, position, text, number FROM isa_value WHERE level = ?1 AND scan ="
        " ?2 ORDER BY ordinal",
        scan, error);
    const char *patient_id = "";
    const char *issuer = "";
    for (size_t i = 0; i < list.count; i++) {
        if (list.values[i].path.depth != 1)
            continue;
        if (list.values[i].path.tags[0] == MUR_TAG_PatientID)
            patient_id = list.values[i].text;
        else if (list.values[i].path.tags[0] == MUR_TAG_IssuerOfPatientID)
            issuer = list.values[i].text;
    }
    int64_t row = 0;
    bool made = false;
    if (status == MUR_OK && patient_id[0] != '\0')
        status = mur_patient_row(&row, &made, database, patient_id, issuer, "", error);
    value_list_free(&list);
    if (status == MUR_OK && row != 0)
        status = MUR_RUN(database, error, "UPDATE patient SET isa = 1 WHERE id = ?", MUR_I(row));
    if (status == MUR_OK)
        *patient = row;
    return status;
}

enum mur_status mur_link_series_row(struct mur_database *database, int64_t series, int64_t scan,
                                    bool segmentation, struct mur_error *error)
{
    enum mur_status status = mur_count_pending(database, error);
    mur_forget_series(database);
    bool found = false;
    int64_t study = 0;
    int64_t before = 0;
    int64_t patient = 0;
    if (status == MUR_OK)
        status = MUR_QUERY_INTEGER(&study, &found, database, error,
                                   "SELECT study FROM series WHERE id = ?", MUR_I(series));
    if (status == MUR_OK)
        status = MUR_QUERY_INTEGER(&before, &found, database, error,
                                   "SELECT patient FROM study WHERE id = ?", MUR_I(study));
    if (status == MUR_OK)
        status = patient_of_scan(&patient, database, scan, error);
    if (status != MUR_OK)
        return status;
    int64_t old_study = study;
    if (patient != 0 && patient != before)
        status = keep_patient_header(database, before, patient, error);
    if (status == MUR_OK && patient != 0 && patient != before)
        status = move_to_patient(&series, &study, database, patient, error);
    if (patient == 0)
        patient = before;
    if (status == MUR_OK)
        status = MUR_RUN(database, error,
                         "UPDATE series SET isa_scan = ?, segmentation = ? WHERE id = ?",
                         MUR_I(scan), MUR_I(segmentation), MUR_I(series));
    if (status == MUR_OK)
        status = mur_recount(database, study, patient, error);
    if (status == MUR_OK && (study != old_study || patient != before)) {
        status = mur_recount(database, old_study, before, error);
        if (status == MUR_OK)
            status = mur_drop_empty(database, study != old_study ? old_study : 0,
                                    patient != before ? before : 0, error);
    }
    if (status == MUR_OK)
        status = refresh_patient(database, patient, error);
    if (status == MUR_OK)
        status = refresh_study(database, study, error);
    if (status == MUR_OK)
        status = refresh_series(database, series, segmentation, error);
    return status;
}

enum mur_status mur_database_link_series(int64_t *changed, struct mur_database *database,
                                         const char *series_uid, int64_t scan, bool segmentation,
                                         struct mur_error *error)
{
    MUR_AUTO_FREE int64_t *series = NULL;
    size_t count = 0;
    enum mur_status status = collect_ids(
        &series, &count, database,
        "SELECT id FROM series WHERE series_uid = ? AND (isa_scan IS NOT ? OR segmentation <> ?)",
        (struct mur_bind[]){MUR_T(series_uid), MUR_I(scan), MUR_I(segmentation)}, 3, error);
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = mur_link_series_row(database, series[i], scan, segmentation, error);
    if (status == MUR_OK)
        *changed = (int64_t)count;
    return status;
}
