/* What is stored of a scan: names for its file columns, and its files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/coerce.h"
#include "core/file.h"
#include "core/text.h"
#include "workflow/export_parts.h"

enum { PIECE = 256 * 1024 };

/** The object with the attributes by which the archive knows it. @param[out] done  false: it says
 * all this already, or cannot be made to; it is to be copied as it is stored */
static enum mur_status coerce_instance(bool *done, const struct mur_export *export,
                                       const struct mur_instance *item, int from, const char *path,
                                       struct mur_error *error)
{
    char stored[64];
    (void)snprintf(stored, sizeof stored, "/proc/self/fd/%d", from);
    MUR_AUTO(mur_dataset) *dataset = NULL;
    bool differs = false;
    enum mur_status status = mur_dataset_load(&dataset, stored, MUR_WHOLE, error);
    if (status == MUR_OK)
        status = mur_archive_coerce(&differs, dataset, export->archive, item, error);
    *done = status == MUR_OK && differs;
    if (*done)
        status = mur_dataset_save(dataset, path, NULL, error);
    return status == MUR_UNSUPPORTED ? MUR_OK : status; /* text in an unknown character set */
}

static enum mur_status copy_instance(const struct mur_export *export,
                                     const struct mur_instance *item, const char *path,
                                     struct mur_error *error)
{
    MUR_AUTO_CLOSE int from = -1;
    enum mur_status status = mur_archive_open_item(&from, export->archive, item, error);
    bool done = false;
    if (status == MUR_OK && export->options->coerce)
        status = coerce_instance(&done, export, item, from, path, error);
    if (status != MUR_OK || done)
        return status;
    MUR_AUTO_CLOSE int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (to < 0)
        return mur_error_set_errno(error, errno, "%s", path);
    MUR_AUTO_FREE char *piece = malloc(PIECE);
    if (piece == NULL)
        return mur_error_no_memory(error);
    off_t at = 0;
    for (size_t got = PIECE; status == MUR_OK && got == PIECE; at += (off_t)got) {
        status = mur_pread_full(&got, from, piece, PIECE, at, path, error);
        if (status == MUR_OK)
            status = mur_write_full(to, piece, got, path, error);
    }
    return status;
}

static enum mur_status plan_series(struct mur_plan *out, const struct mur_export *export,
                                   const char *uid, struct mur_error *error)
{
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_SERIES};
    const struct mur_attribute_path path = mur_attribute_path_of(MUR_TAG_SeriesInstanceUID);
    enum mur_status status =
        mur_query_add(&query, &path, MUR_VR_UI, mur_slice_of(uid), true, error);
    return status == MUR_OK ? mur_archive_plan(out, export->archive, &query, error) : status;
}

/** Writes the instances of a series to @p folder, below the dataset's. */
static enum mur_status copy_series(const struct mur_export_writing *writing,
                                   const struct mur_plan *plan, const char *folder,
                                   struct mur_error *error)
{
    struct mur_export *export = writing->export;
    MUR_AUTO_FREE char *target = NULL;
    enum mur_status status = mur_path_join(&target, writing->directory, folder, error);
    if (status == MUR_OK)
        status = mur_directory_create(target, 0777, error);
    for (size_t i = 0; status == MUR_OK && i < plan->count; i++) {
        if (mur_export_is_cancelled(export))
            return mur_error_set(error, MUR_CANCELLED, "stopped by request");
        MUR_AUTO_FREE char *path = NULL;
        status = mur_text_format(&path, error, "%s/%s.dcm", target, plan->items[i].sop_instance);
        if (status == MUR_OK)
            status = copy_instance(export, &plan->items[i], path, error);
        export->summary.instances += status == MUR_OK ? 1 : 0;
    }
    return status;
}

/** Adds a UID to a list joined by ';', unless it is the last one. */
static enum mur_status join_uid(const char **list, const struct mur_export *export, const char *uid,
                                struct mur_error *error)
{
    const char *last = *list == NULL ? NULL : strrchr(*list, ';');
    last = last == NULL ? *list : last + 1;
    if (last != NULL && strcmp(last, uid) == 0)
        return MUR_OK;
    MUR_AUTO_FREE char *text = NULL;
    enum mur_status status = mur_text_format(&text, error, "%s%s%s", *list == NULL ? "" : *list,
                                             *list == NULL ? "" : ";", uid);
    return status == MUR_OK ? mur_export_keep(list, export, text, error) : status;
}

static enum mur_status add_image(struct mur_export_objects *to,
                                 const struct mur_export_writing *writing, size_t index,
                                 const struct mur_export_series *series, struct mur_error *error)
{
    const struct mur_export *export = writing->export;
    char name[MUR_UID_TEXT_SIZE + 16];
    enum mur_status status = MUR_OK;
    if (export->options->files) {
        MUR_AUTO_PLAN struct mur_plan plan = {0};
        (void)snprintf(name, sizeof name, "dicom/scan-%05zu", index + 1);
        status = plan_series(&plan, export, series->uid, error);
        if (status == MUR_OK)
            status = copy_series(writing, &plan, name, error);
    } else {
        (void)snprintf(name, sizeof name, "urn:oid:%s", series->uid);
    }
    if (status == MUR_OK && to->image == NULL)
        status = mur_export_keep(&to->image, export, name, error);
    if (status == MUR_OK)
        status = join_uid(&to->image_study, export, series->study_uid, error);
    return status == MUR_OK ? join_uid(&to->image_series, export, series->uid, error) : status;
}

/** The Segment Sequence of a series, as the index has it. */
static enum mur_status read_segments(const char **out, const struct mur_export *export,
                                     const char *series, struct mur_error *error)
{
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_SERIES};
    const struct mur_attribute_path uid = mur_attribute_path_of(MUR_TAG_SeriesInstanceUID);
    const struct mur_attribute_path segments = mur_attribute_path_of(MUR_TAG_SegmentSequence);
    enum mur_status status =
        mur_query_add(&query, &uid, MUR_VR_UI, mur_slice_of(series), true, error);
    if (status == MUR_OK)
        status = mur_query_add(&query, &segments, MUR_VR_SQ, mur_slice_of(""), true, error);
    MUR_AUTO(mur_cursor) *cursor = NULL;
    const struct mur_value *values = NULL;
    bool found = false;
    if (status == MUR_OK)
        status = mur_archive_find(&cursor, export->archive, &query, error);
    if (status == MUR_OK)
        status = mur_cursor_next(&values, &found, cursor, error);
    if (status != MUR_OK)
        return status;
    return mur_export_keep(out, export, found && values[1].text != NULL ? values[1].text : "",
                           error);
}

static enum mur_status add_segmentation(struct mur_export_outlines *to,
                                        const struct mur_export_writing *writing, size_t index,
                                        const struct mur_export_series *series,
                                        struct mur_error *error)
{
    const struct mur_export *export = writing->export;
    MUR_AUTO_PLAN struct mur_plan plan = {0};
    enum mur_status status = plan_series(&plan, export, series->uid, error);
    if (status != MUR_OK || plan.count == 0)
        return status;
    MUR_AUTO_FREE char *name = NULL;
    if (export->options->files) {
        char folder[64];
        (void)snprintf(folder, sizeof folder, "dicom/scan-%05zu-outlines", index + 1);
        status = copy_series(writing, &plan, folder, error);
        if (status == MUR_OK)
            status = mur_text_format(&name, error, "%s/%s.dcm", folder, plan.items[0].sop_instance);
    } else {
        status = mur_text_format(&name, error, "urn:oid:%s", plan.items[0].sop_instance);
    }
    if (status == MUR_OK && to->name == NULL)
        status = mur_export_keep(&to->name, export, name, error);
    if (status == MUR_OK && to->json == NULL)
        status = read_segments(&to->json, export, series->uid, error);
    if (status == MUR_OK)
        status = join_uid(&to->study, export, series->study_uid, error);
    return status == MUR_OK ? join_uid(&to->series, export, series->uid, error) : status;
}

/** The series of segmentations came in the order of the tables, one each. */
enum mur_status mur_export_objects_of(const struct mur_export_writing *writing, size_t index,
                                      const struct mur_export_scan *known, struct mur_error *error)
{
    const struct mur_export *export = writing->export;
    const struct mur_scan *scan = &writing->scans->scans[index];
    struct mur_export_objects *to = &writing->objects[index];
    enum mur_status status =
        mur_isa_allocate(&to->segmentations, export->strings, scan->segmentation_count,
                         sizeof *to->segmentations, error);
    size_t place = 0;
    for (uint32_t i = known->first_series; status == MUR_OK && i != MUR_ISA_NONE;
         i = export->series[i].next) {
        const struct mur_export_series *series = &export->series[i];
        if (!series->segmentation) {
            status = add_image(to, writing, index, series, error);
        } else if (scan->segmentation_count > 0) {
            status = add_segmentation(&to->segmentations[place], writing, index, series, error);
            place += place + 1 < scan->segmentation_count ? 1 : 0;
        }
    }
    return status;
}
