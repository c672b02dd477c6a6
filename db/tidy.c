/* Counters, and rows that nothing belongs to any more. */
#include <stdio.h>
#include <string.h>

#include "db/connection.h"

enum mur_status mur_recount(struct mur_database *database, int64_t study, int64_t patient,
                            struct mur_error *error)
{
    static const char *const of_study[] = {
        "UPDATE study SET series_count = (SELECT count(*) FROM series WHERE study = ?1),"
        " instance_count = (SELECT coalesce(sum(instance_count), 0) FROM series WHERE study = ?1),"
        " modalities = coalesce((SELECT group_concat(modality, '\\') FROM (SELECT DISTINCT modality"
        "   FROM series WHERE study = ?1 AND modality <> '' ORDER BY modality)), ''),"
        " sop_classes = coalesce((SELECT group_concat(uid, '\\') FROM (SELECT DISTINCT u.uid AS uid"
        "   FROM series e JOIN instance i ON i.series = e.id JOIN uid u ON u.id = i.sop_class"
        "   WHERE e.study = ?1 ORDER BY u.uid)), '') WHERE id = ?1",
    };
    static const char *const of_patient[] = {
        "UPDATE patient SET study_count = (SELECT count(*) FROM study WHERE patient = ?1),"
        " series_count = (SELECT coalesce(sum(series_count), 0) FROM study WHERE patient = ?1),"
        " instance_count = (SELECT coalesce(sum(instance_count), 0) FROM study WHERE patient = ?1)"
        " WHERE id = ?1",
    };
    enum mur_status status = MUR_OK;
    if (study != 0)
        status = MUR_RUN(database, error, of_study[0], MUR_I(study));
    if (status == MUR_OK && patient != 0)
        status = MUR_RUN(database, error, of_patient[0], MUR_I(patient));
    return status;
}

/* A patient or study that nothing belongs to any more. */
enum mur_status mur_drop_empty(struct mur_database *database, int64_t study, int64_t patient,
                               struct mur_error *error)
{
    static const struct {
        const char *sql;
        bool of_study;
    } steps[] = {
        {"DELETE FROM study_claim WHERE study = ?1"
         " AND NOT EXISTS (SELECT 1 FROM series WHERE study = ?1)",
         true},
        {"DELETE FROM attribute WHERE level = 1 AND owner = ?1"
         " AND NOT EXISTS (SELECT 1 FROM series WHERE study = ?1)",
         true},
        {"DELETE FROM overwritten WHERE level = 1 AND owner = ?1"
         " AND NOT EXISTS (SELECT 1 FROM series WHERE study = ?1)",
         true},
        {"DELETE FROM study WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM series WHERE study = ?1)",
         true},
        {"DELETE FROM attribute WHERE level = 0 AND owner = ?1"
         " AND NOT EXISTS (SELECT 1 FROM study WHERE patient = ?1)",
         false},
        {"DELETE FROM overwritten WHERE level = 0 AND owner = ?1"
         " AND NOT EXISTS (SELECT 1 FROM study WHERE patient = ?1)",
         false},
        {"DELETE FROM patient WHERE id = ?1 AND NOT EXISTS"
         " (SELECT 1 FROM study WHERE patient = ?1)",
         false},
    };
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(steps); i++) {
        int64_t row = steps[i].of_study ? study : patient;
        if (row != 0)
            status = MUR_RUN(database, error, steps[i].sql, MUR_I(row));
    }
    return status;
}

static const char *const of_empty_series[] = {
    "DELETE FROM attribute WHERE level = 2 AND owner = ?1"
    " AND NOT EXISTS (SELECT 1 FROM instance WHERE series = ?1)",
    "DELETE FROM overwritten WHERE level = 2 AND owner = ?1"
    " AND NOT EXISTS (SELECT 1 FROM instance WHERE series = ?1)",
    "DELETE FROM series WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM instance WHERE series = ?1)",
};

/* Its header may have spoken for series, study and patient: now the next one does. */
static enum mur_status touch_what_had_it_first(struct mur_database *database,
                                               const struct mur_instance *instance, int64_t study,
                                               int64_t patient, struct mur_error *error)
{
    bool found = false;
    int64_t other = 0;
    enum mur_status status = mur_touch(database, MUR_LEVEL_SERIES, instance->series, true, error);
    if (status == MUR_OK) /* any series has the whole study placed anew */
        status = MUR_QUERY_INTEGER(&other, &found, database, error,
                                   "SELECT e.id FROM study s JOIN series e ON e.study = s.id"
                                   " WHERE s.study_uid = ? LIMIT 1",
                                   MUR_T(instance->study_instance));
    if (status == MUR_OK && found)
        status = mur_touch(database, MUR_LEVEL_SERIES, other, false, error);
    if (status == MUR_OK)
        status = mur_touch(database, MUR_LEVEL_STUDY, study, true, error);
    return status == MUR_OK ? mur_touch(database, MUR_LEVEL_PATIENT, patient, true, error) : status;
}

enum mur_status mur_database_remove_instance(bool *found, struct mur_instance *out,
                                             struct mur_database *database,
                                             const char *sop_instance, struct mur_error *error)
{
    bool there = false;
    struct mur_instance instance;
    enum mur_status status =
        mur_database_find_instance(&there, &instance, database, sop_instance, error);
    if (status != MUR_OK || !there) {
        *found = false;
        return status;
    }
    int64_t study = 0;
    int64_t patient = 0;
    int64_t scan = 0;
    int64_t first = 0;
    bool row = false;
    status =
        MUR_QUERY_INTEGER(&first, &row, database, error,
                          "SELECT min(id) FROM instance WHERE series = ?", MUR_I(instance.series));
    if (status == MUR_OK)
        status = MUR_QUERY_INTEGER(&scan, &row, database, error,
                                   "SELECT coalesce(isa_scan, 0) FROM series WHERE id = ?",
                                   MUR_I(instance.series));
    if (status == MUR_OK)
        status = MUR_QUERY_INTEGER(&study, &row, database, error,
                                   "SELECT study FROM series WHERE id = ?", MUR_I(instance.series));
    if (status == MUR_OK)
        status = MUR_QUERY_INTEGER(&patient, &row, database, error,
                                   "SELECT patient FROM study WHERE id = ?", MUR_I(study));
    if (status == MUR_OK)
        status = mur_count_pending(database, error);
    if (status == MUR_OK) /* its header goes along (ON DELETE CASCADE) */
        status = MUR_RUN(database, error, "DELETE FROM instance WHERE id = ?", MUR_I(instance.id));
    if (status == MUR_OK)
        status = MUR_RUN(database, error, "DELETE FROM attribute WHERE level = 3 AND owner = ?",
                         MUR_I(instance.id));
    if (status == MUR_OK)
        status = MUR_RUN(database, error,
                         "UPDATE series SET instance_count = instance_count - 1,"
                         " bytes = bytes - ? WHERE id = ?",
                         MUR_I(instance.offset + instance.length), MUR_I(instance.series));
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(of_empty_series); i++)
        status = MUR_RUN(database, error, of_empty_series[i], MUR_I(instance.series));
    if (status == MUR_OK && scan != 0)
        status = mur_drop_gone_scan(database, scan, error);
    if (status == MUR_OK && first == instance.id)
        status = touch_what_had_it_first(database, &instance, study, patient, error);
    if (status == MUR_OK)
        status = mur_recount(database, study, patient, error);
    if (status == MUR_OK)
        status = mur_drop_empty(database, study, patient, error);
    mur_forget_series(database);
    if (status == MUR_OK) {
        *out = instance;
        *found = true;
    }
    return status;
}
