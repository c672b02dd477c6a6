/* A new instance and the patient, study and series that it brings along. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/text.h"
#include "db/connection.h"

static uint64_t key_of(const char *const *parts, size_t count)
{
    uint64_t key = 0;
    for (size_t i = 0; i < count; i++)
        key = (key ^ mur_xxh64_of(parts[i], strlen(parts[i]))) * 0x9E3779B97F4A7C15u;
    return key | 1u;
}

static uint64_t series_key(const char *study, const char *series, const char *patient_id,
                           const char *issuer)
{
    const char *const parts[] = {study, series, patient_id, issuer};
    return key_of(parts, MUR_COUNT(parts));
}

static struct mur_known_series *known_slot(struct mur_database *database, uint64_t key)
{
    return &database->known[(key >> 32) % MUR_SERIES_SLOTS];
}

bool mur_database_knows_series(struct mur_database *database, const char *study_uid,
                               const char *series_uid, const char *patient_id, const char *issuer)
{
    uint64_t key = series_key(study_uid, series_uid, patient_id, issuer);
    return known_slot(database, key)->key == key;
}

void mur_read_instance(struct mur_instance *out, sqlite3_stmt *row)
{
    struct mur_instance instance = {.id = sqlite3_column_int64(row, 0),
                                    .series = sqlite3_column_int64(row, 1),
                                    .offset = (uint64_t)sqlite3_column_int64(row, 6),
                                    .length = (uint64_t)sqlite3_column_int64(row, 7),
                                    .version = (unsigned)sqlite3_column_int(row, 9)};
    char *const texts[] = {instance.sop_class, instance.transfer_syntax, instance.study_instance,
                           instance.series_instance};
    for (int i = 0; i < (int)MUR_COUNT(texts); i++)
        (void)snprintf(texts[i], MUR_UID_TEXT_SIZE, "%s",
                       (const char *)sqlite3_column_text(row, i + 2));
    (void)snprintf(instance.sop_instance, MUR_UID_TEXT_SIZE, "%s",
                   (const char *)sqlite3_column_text(row, 10));
    if (sqlite3_column_bytes(row, 8) == (int)sizeof instance.digest)
        memcpy(instance.digest, sqlite3_column_blob(row, 8), sizeof instance.digest);
    *out = instance;
}

static enum mur_status find_one(bool *found, struct mur_instance *out,
                                struct mur_database *database, const char *sql,
                                const struct mur_bind *binds, size_t count, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(&row, database, sql, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, count, error);
    if (status == MUR_OK) {
        int result = sqlite3_step(row);
        if (result == SQLITE_ROW)
            mur_read_instance(out, row);
        else if (result != SQLITE_DONE)
            status = mur_sqlite_error(error, database, result, "looking for an instance");
        if (status == MUR_OK)
            *found = result == SQLITE_ROW;
    }
    mur_statement_done(database, row);
    return status;
}

enum mur_status mur_database_find_instance(bool *found, struct mur_instance *out,
                                           struct mur_database *database, const char *sop_instance,
                                           struct mur_error *error)
{
    return find_one(found, out, database,
                    "SELECT " MUR_INSTANCE_COLUMNS MUR_INSTANCE_TABLES "i.sop_uid = ?",
                    &MUR_T(sop_instance), 1, error);
}

enum mur_status mur_database_next_instance(bool *found, struct mur_instance *out,
                                           struct mur_database *database, int64_t after,
                                           int64_t last, struct mur_error *error)
{
    const struct mur_bind binds[] = {MUR_I(after), MUR_I(last)};
    return find_one(found, out, database,
                    "SELECT " MUR_INSTANCE_COLUMNS MUR_INSTANCE_TABLES
                    "i.id > ? AND i.id <= ? ORDER BY i.id LIMIT 1",
                    binds, MUR_COUNT(binds), error);
}

enum mur_status mur_patient_row(int64_t *out, bool *made, struct mur_database *database,
                                const char *patient_id, const char *issuer, const char *fallback,
                                struct mur_error *error)
{
    /* Animals without a Patient ID are not one animal: each Study is taken for one of its own. */
    MUR_AUTO_FREE char *identity = NULL;
    enum mur_status status =
        patient_id[0] != '\0' ? mur_text_format(&identity, error, "id\\%s\\%s", patient_id, issuer)
                              : mur_text_format(&identity, error, "study\\%s", fallback);
    bool found = false;
    int64_t id = 0;
    if (status == MUR_OK)
        status = MUR_QUERY_INTEGER(&id, &found, database, error,
                                   "SELECT id FROM patient WHERE identity = ?", MUR_T(identity));
    if (status == MUR_OK && !found) {
        status = MUR_RUN(
            database, error,
            "INSERT INTO patient(identity, patient_id, issuer_of_patient_id) VALUES (?, ?, ?)",
            MUR_T(identity), MUR_T(patient_id), MUR_T(issuer));
        id = sqlite3_last_insert_rowid(database->handle);
    }
    if (status == MUR_OK) {
        *out = id;
        *made = !found;
    }
    return status;
}

static enum mur_status study_row(int64_t *study, int64_t *patient, struct mur_database *database,
                                 const struct mur_new_instance *record, struct mur_error *error)
{
    const char *uid = record->instance.study_instance;
    bool found = false;
    int64_t study_id = 0;
    int64_t patient_id = 0;
    enum mur_status status = MUR_QUERY_INTEGER(
        &study_id, &found, database, error,
        "SELECT study FROM study_claim WHERE study_uid = ? AND patient_id = ? AND issuer = ?",
        MUR_T(uid), MUR_T(record->patient_id), MUR_T(record->issuer));
    if (status == MUR_OK && found)
        status = MUR_QUERY_INTEGER(&patient_id, &found, database, error,
                                   "SELECT patient FROM study WHERE id = ?", MUR_I(study_id));
    if (status != MUR_OK || found) {
        *study = study_id;
        *patient = patient_id;
        return status;
    }
    bool made = false;
    status = mur_patient_row(&patient_id, &made, database, record->patient_id, record->issuer, uid,
                             error);
    if (status == MUR_OK && made)
        status = mur_put_values(database, MUR_LEVEL_PATIENT, patient_id, 0, record->values,
                                record->value_count, error);
    if (status == MUR_OK)
        status = MUR_QUERY_INTEGER(&study_id, &found, database, error,
                                   "SELECT id FROM study WHERE study_uid = ? AND patient = ?",
                                   MUR_T(uid), MUR_I(patient_id));
    if (status == MUR_OK && !found) {
        status = MUR_RUN(database, error, "INSERT INTO study(patient, study_uid) VALUES (?, ?)",
                         MUR_I(patient_id), MUR_T(uid));
        study_id = sqlite3_last_insert_rowid(database->handle);
        if (status == MUR_OK)
            status = MUR_RUN(database, error,
                             "UPDATE patient SET study_count = study_count + 1 WHERE id = ?",
                             MUR_I(patient_id));
        if (status == MUR_OK)
            status = mur_put_values(database, MUR_LEVEL_STUDY, study_id, 0, record->values,
                                    record->value_count, error);
    }
    if (status == MUR_OK)
        status = MUR_RUN(
            database, error,
            "INSERT INTO study_claim(study_uid, patient_id, issuer, study) VALUES (?, ?, ?, ?)",
            MUR_T(uid), MUR_T(record->patient_id), MUR_T(record->issuer), MUR_I(study_id));
    if (status == MUR_OK) {
        *study = study_id;
        *patient = patient_id;
    }
    return status;
}

/* Adds a value to a backslash-separated, sorted set in a column of study. */
static enum mur_status add_to_set(struct mur_database *database, int64_t study, const char *select,
                                  const char *update, const char *value, struct mur_error *error)
{
    if (value[0] == '\0')
        return MUR_OK;
    sqlite3_stmt *row = NULL;
    MUR_AUTO_BUFFER struct mur_buffer set = MUR_BUFFER_INIT;
    bool present = false;
    bool placed = false;
    enum mur_status status = mur_statement_get(&row, database, select, error);
    if (status == MUR_OK)
        status = mur_bind_all(database, row, &MUR_I(study), 1, error);
    if (status == MUR_OK && sqlite3_step(row) == SQLITE_ROW) {
        const char *at = (const char *)sqlite3_column_text(row, 0);
        while (status == MUR_OK && at != NULL && *at != '\0') {
            struct mur_slice one = {.data = at, .length = strcspn(at, "\\")};
            present = present || mur_slice_equal(one, value);
            if (!placed && strncmp(value, one.data, one.length) < 0) {
                status = mur_buffer_append_format(&set, error, "%s\\", value);
                placed = true;
            }
            if (status == MUR_OK)
                status = mur_buffer_append_format(&set, error, "%.*s\\", (int)one.length, one.data);
            at += one.length + (at[one.length] == '\\' ? 1 : 0);
        }
    }
    mur_statement_done(database, row);
    if (status != MUR_OK || present)
        return status;
    if (!placed)
        status = mur_buffer_append_format(&set, error, "%s\\", value);
    if (status == MUR_OK) {
        set.data[set.length - 1] = '\0';
        status = MUR_RUN(database, error, update, MUR_T(set.data), MUR_I(study));
    }
    return status;
}

static const char *series_value(const struct mur_new_instance *record, uint32_t tag)
{
    for (size_t i = 0; i < record->value_count; i++)
        if (record->values[i].path.depth == 1 && record->values[i].path.tags[0] == tag)
            return record->values[i].text;
    return "";
}

static enum mur_status series_row(int64_t *series, bool *made, int64_t study, int64_t patient,
                                  struct mur_database *database,
                                  const struct mur_new_instance *record, struct mur_error *error)
{
    bool found = false;
    int64_t id = 0;
    enum mur_status status = MUR_QUERY_INTEGER(
        &id, &found, database, error, "SELECT id FROM series WHERE series_uid = ? AND study = ?",
        MUR_T(record->instance.series_instance), MUR_I(study));
    if (status == MUR_OK && !found) {
        status = MUR_RUN(
            database, error,
            "INSERT INTO series(study, series_uid, said_patient_id, said_issuer, said_name,"
            " said_birth_date, said_sex) VALUES (?, ?, ?, ?, ?, ?, ?)",
            MUR_I(study), MUR_T(record->instance.series_instance), MUR_T(record->patient_id),
            MUR_T(record->issuer), MUR_T(series_value(record, MUR_TAG_PatientName)),
            MUR_T(series_value(record, MUR_TAG_PatientBirthDate)),
            MUR_T(series_value(record, MUR_TAG_PatientSex)));
        id = sqlite3_last_insert_rowid(database->handle);
        if (status == MUR_OK)
            status = mur_put_values(database, MUR_LEVEL_SERIES, id, 0, record->values,
                                    record->value_count, error);
        if (status == MUR_OK)
            status = MUR_RUN(database, error,
                             "UPDATE study SET series_count = series_count + 1 WHERE id = ?",
                             MUR_I(study));
        if (status == MUR_OK)
            status = MUR_RUN(database, error,
                             "UPDATE patient SET series_count = series_count + 1 WHERE id = ?",
                             MUR_I(patient));
        if (status == MUR_OK)
            status = add_to_set(database, study, "SELECT modalities FROM study WHERE id = ?",
                                "UPDATE study SET modalities = ? WHERE id = ?",
                                series_value(record, MUR_TAG_Modality), error);
    }
    if (status == MUR_OK) {
        *series = id;
        *made = !found;
    }
    return status;
}

static enum mur_status add_pending(struct mur_database *database, int64_t series, int64_t study,
                                   int64_t patient, int64_t bytes, struct mur_error *error)
{
    for (size_t i = database->pending_count; i > 0; i--)
        if (database->pending[i - 1].series == series) {
            database->pending[i - 1].instances++;
            database->pending[i - 1].bytes += bytes;
            return MUR_OK;
        }
    if (database->pending_count == database->pending_capacity) {
        size_t capacity = database->pending_capacity == 0 ? 16 : database->pending_capacity * 2;
        struct mur_pending_count *pending = realloc(database->pending, capacity * sizeof *pending);
        if (pending == NULL)
            return mur_error_no_memory(error);
        database->pending = pending;
        database->pending_capacity = capacity;
    }
    database->pending[database->pending_count++] = (struct mur_pending_count){
        .series = series, .study = study, .patient = patient, .instances = 1, .bytes = bytes};
    return MUR_OK;
}

static enum mur_status origin_row(int64_t *out, struct mur_database *database,
                                  const struct mur_new_instance *record, struct mur_error *error)
{
    bool found = false;
    int64_t id = 0;
    enum mur_status status =
        MUR_QUERY_INTEGER(&id, &found, database, error,
                          "SELECT id FROM origin WHERE how = ? AND calling_ae = ? AND peer = ?",
                          MUR_T(record->how), MUR_T(record->calling_ae), MUR_T(record->peer));
    if (status == MUR_OK && !found) {
        status =
            MUR_RUN(database, error, "INSERT INTO origin(how, calling_ae, peer) VALUES (?, ?, ?)",
                    MUR_T(record->how), MUR_T(record->calling_ae), MUR_T(record->peer));
        id = sqlite3_last_insert_rowid(database->handle);
    }
    if (status == MUR_OK)
        *out = id;
    return status;
}

/* By the tables that name it, else, a new series, by the rules.
 * @param[out] linked  now: its study may be another one */
static enum mur_status link_new(bool *linked, struct mur_database *database, int64_t series,
                                bool made, const struct mur_new_instance *record,
                                struct mur_error *error)
{
    int64_t scan = record->isa_scan;
    bool segmentation = record->segmentation;
    enum mur_link_kind kind = MUR_LINK_TABLES;
    enum mur_status status = MUR_OK;
    if (scan != 0) {
        int64_t one;
        bool there = false;
        status = MUR_QUERY_INTEGER(&one, &there, database, error,
                                   "SELECT 1 FROM series WHERE id = ?1"
                                   " AND (link = 3 OR (isa_scan = ?2 AND link = 2))",
                                   MUR_I(series), MUR_I(scan));
        if (there)
            return status;
    } else if (made && database->link.find != NULL) {
        kind = MUR_LINK_RULE;
        status = database->link.find(&scan, &segmentation, database->link.user, record, error);
    }
    if (status == MUR_OK && scan != 0) {
        status = mur_set_link(database, series, scan, segmentation, kind, error);
        if (status == MUR_OK)
            status = mur_place_touched(database, error);
        *linked = true;
    }
    return status;
}

/* What an instance nearly always has in common with the one before it in its series. */
static enum mur_status take_kind(struct mur_known_series *series, struct mur_database *database,
                                 const struct mur_new_instance *record, struct mur_error *error)
{
    const struct mur_instance *instance = &record->instance;
    const char *const parts[] = {instance->sop_class, instance->transfer_syntax, record->how,
                                 record->calling_ae, record->peer};
    uint64_t kind = key_of(parts, MUR_COUNT(parts));
    if (series->kind == kind)
        return MUR_OK;
    series->kind = kind;
    enum mur_status status = mur_uid_row(&series->sop_class, database, instance->sop_class, error);
    if (status == MUR_OK)
        status = mur_uid_row(&series->transfer_syntax, database, instance->transfer_syntax, error);
    if (status == MUR_OK)
        status = origin_row(&series->origin, database, record, error);
    if (status == MUR_OK)
        status =
            add_to_set(database, series->study, "SELECT sop_classes FROM study WHERE id = ?",
                       "UPDATE study SET sop_classes = ? WHERE id = ?", instance->sop_class, error);
    return status;
}

enum mur_status mur_database_insert_instance(int64_t *id, struct mur_database *database,
                                             const struct mur_new_instance *record,
                                             struct mur_error *error)
{
    const struct mur_instance *instance = &record->instance;
    uint64_t key = series_key(instance->study_instance, instance->series_instance,
                              record->patient_id, record->issuer);
    struct mur_known_series *known = known_slot(database, key);
    enum mur_status status = MUR_OK;
    struct mur_known_series series = {0};
    bool made = false;
    if (known->key == key) {
        series = *known;
    } else {
        series.key = key;
        status = study_row(&series.study, &series.patient, database, record, error);
        if (status == MUR_OK)
            status = series_row(&series.series, &made, series.study, series.patient, database,
                                record, error);
    }
    if (status == MUR_OK)
        status = take_kind(&series, database, record, error);
    int64_t row = record->row;
    if (status == MUR_OK)
        status = mur_number_instance(&row, database, error);
    if (status == MUR_OK)
        status = MUR_RUN(
            database, error,
            "INSERT INTO instance(id, series, sop_uid, sop_class, transfer_syntax,"
            " instance_number, rows, columns, number_of_frames, bits_allocated, data_offset,"
            " data_length, digest, received_us, origin, path, version)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            MUR_I(row), MUR_I(series.series), MUR_T(instance->sop_instance),
            MUR_I(series.sop_class), MUR_I(series.transfer_syntax),
            MUR_T(series_value(record, MUR_TAG_InstanceNumber)),
            MUR_T(series_value(record, MUR_TAG_Rows)), MUR_T(series_value(record, MUR_TAG_Columns)),
            MUR_T(series_value(record, MUR_TAG_NumberOfFrames)),
            MUR_T(series_value(record, MUR_TAG_BitsAllocated)), MUR_I(instance->offset),
            MUR_I(instance->length), MUR_B(instance->digest, sizeof instance->digest),
            MUR_I(record->received_us), MUR_I(series.origin), MUR_T(record->path),
            MUR_I(instance->version));
    if (status == MUR_OK)
        status = MUR_RUN(database, error,
                         "INSERT INTO header(instance, form, complete, json) VALUES (?, ?, ?, ?)",
                         MUR_I(row), MUR_I(record->header_form), MUR_I(record->header_complete),
                         MUR_B(record->header, record->header_length));
    if (status == MUR_OK && mur_attributes_of_images_added())
        status = mur_add_attributes(database, MUR_LEVEL_IMAGE, row, record->values,
                                    record->value_count, error);
    if (status == MUR_OK)
        status = add_pending(database, series.series, series.study, series.patient,
                             (int64_t)(instance->offset + instance->length), error);
    bool linked = false;
    if (status == MUR_OK && known->key != key)
        status = link_new(&linked, database, series.series, made, record, error);
    if (status != MUR_OK)
        return status;
    if (!linked) /* linking may have moved the study: its rows are looked up again next time */
        *known = series;
    *id = row;
    return MUR_OK;
}

enum mur_status mur_database_each_instance(
    struct mur_database *database, int64_t after,
    enum mur_status (*each)(void *user, const struct mur_new_instance *record, int64_t id,
                            const struct mur_scan_names *scan, struct mur_error *error),
    void *user, struct mur_error *error)
{
    sqlite3_stmt *row = NULL;
    enum mur_status status = mur_statement_get(
        &row, database,
        "SELECT i.id, i.sop_uid, e.series_uid, s.study_uid, i.digest, i.received_us, o.how,"
        " o.calling_ae, o.peer, i.path, d.identifier, c.study, c.assay_file, c.assay,"
        " e.segmentation, i.version FROM instance i JOIN series e ON e.id = i.series"
        " JOIN study s ON s.id = e.study JOIN origin o ON o.id = i.origin"
        " LEFT JOIN isa_scan c ON c.id = e.isa_scan AND e.link = ?2"
        " LEFT JOIN isa_dataset d ON d.id = c.dataset WHERE i.id > ?1 ORDER BY i.id",
        error);
    const struct mur_bind binds[] = {MUR_I(after), MUR_I(MUR_LINK_TABLES)};
    if (status == MUR_OK)
        status = mur_bind_all(database, row, binds, MUR_COUNT(binds), error);
    int result = SQLITE_DONE;
    while (status == MUR_OK && (result = sqlite3_step(row)) == SQLITE_ROW) {
        struct mur_new_instance record = {
            .received_us = sqlite3_column_int64(row, 5),
            .how = (const char *)sqlite3_column_text(row, 6),
            .calling_ae = (const char *)sqlite3_column_text(row, 7),
            .peer = (const char *)sqlite3_column_text(row, 8),
            .path = (const char *)sqlite3_column_text(row, 9),
        };
        record.instance.version = (unsigned)sqlite3_column_int64(row, 15);
        char *const texts[] = {record.instance.sop_instance, record.instance.series_instance,
                               record.instance.study_instance};
        for (int i = 0; i < (int)MUR_COUNT(texts); i++)
            (void)snprintf(texts[i], MUR_UID_TEXT_SIZE, "%s",
                           (const char *)sqlite3_column_text(row, 1 + i));
        if (sqlite3_column_bytes(row, 4) == (int)sizeof record.instance.digest)
            memcpy(record.instance.digest, sqlite3_column_blob(row, 4),
                   sizeof record.instance.digest);
        const struct mur_scan_names scan = {
            .dataset = (const char *)sqlite3_column_text(row, 10),
            .study = (const char *)sqlite3_column_text(row, 11),
            .assay_file = (const char *)sqlite3_column_text(row, 12),
            .assay = (const char *)sqlite3_column_text(row, 13),
            .segmentation = sqlite3_column_int(row, 14) != 0,
        };
        status = each(user, &record, sqlite3_column_int64(row, 0),
                      scan.dataset != NULL ? &scan : NULL, error);
    }
    if (status == MUR_OK && result != SQLITE_DONE)
        status = mur_sqlite_error(error, database, result, "listing instances");
    mur_statement_done(database, row);
    return status;
}
