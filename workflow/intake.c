#include "workflow/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"

enum { UNDER_WAY = 64, READ_SIZE = 256 * 1024 };

/* UIDs of objects that this scan brought anew. */
struct uid_list {
    char **uids;
    size_t count;
    size_t capacity;
};

struct mur_intake {
    struct mur_archive *archive; /* borrowed; NULL = dry run */
    struct mur_isa_link isa[2];  /* of images, of segmentations: ingests under way point to them */
    bool has_isa;
    bool segmentation; /* what is being written */
    const char *path;  /* borrowed: of the source that is being read */
    struct mur_import_series *series;
    size_t series_count;
    size_t series_capacity;
    struct uid_list stored;
    struct mur_ingest *under_way[UNDER_WAY];
    char *under_way_uid[UNDER_WAY];
    size_t first, count; /* a ring */
    /* The object that is being written. */
    struct mur_ingest *ingest;
    struct mur_instance known; /* what is stored under its UID */
    bool is_known;
    struct mur_xxh128 *digest; /* of a known one */
    uint64_t length;
    char sop_instance[MUR_UID_TEXT_SIZE];
    bool brought_new; /* of the source that is being read */
    struct mur_converted_list converted;
    bool committed;
    char *buffer;
};

static enum mur_status uid_list_add(struct uid_list *list, char *uid, struct mur_error *error)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        char **uids = realloc(list->uids, capacity * sizeof *uids);
        if (uids == NULL)
            return mur_error_no_memory(error);
        list->uids = uids;
        list->capacity = capacity;
    }
    list->uids[list->count++] = uid;
    return MUR_OK;
}

enum mur_status mur_intake_create(struct mur_intake **out, struct mur_archive *archive,
                                  const struct mur_isa_link *isa, struct mur_error *error)
{
    MUR_AUTO(mur_intake) *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        return mur_error_no_memory(error);
    intake->archive = archive;
    if (isa != NULL) {
        intake->isa[0] = *isa;
        intake->isa[0].segmentation = false;
        intake->isa[1] = *isa;
        intake->isa[1].segmentation = true;
        intake->has_isa = true;
    }
    intake->path = "";
    intake->buffer = malloc(READ_SIZE);
    if (intake->buffer == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_xxh128_create(&intake->digest, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(intake);
    return MUR_OK;
}

/* Waits for the oldest ingest. */
static enum mur_status settle_one(struct mur_intake *intake, struct mur_error *error)
{
    struct mur_ingest *ingest = intake->under_way[intake->first];
    char *uid = intake->under_way_uid[intake->first];
    intake->first = (intake->first + 1) % UNDER_WAY;
    intake->count--;
    enum mur_ingest_outcome outcome = MUR_UNCHANGED;
    enum mur_status status = mur_ingest_wait(&outcome, ingest, error);
    mur_ingest_free(ingest);
    if (status == MUR_OK && outcome == MUR_STORED) {
        status = uid_list_add(&intake->stored, uid, error);
        if (status == MUR_OK)
            return MUR_OK;
    }
    free(uid);
    return status;
}

static enum mur_status settle_all(struct mur_intake *intake, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (intake->count > 0) { /* the first failure is the one to be told */
        enum mur_status one = settle_one(intake, status == MUR_OK ? error : NULL);
        if (status == MUR_OK)
            status = one;
    }
    return status;
}

void mur_intake_free(struct mur_intake *intake)
{
    if (intake == NULL)
        return;
    mur_ingest_free(intake->ingest);
    (void)!settle_all(intake, NULL);
    if (!intake->committed && intake->stored.count > 0)
        (void)!mur_archive_remove(intake->archive, (const char *const *)intake->stored.uids,
                                  intake->stored.count, "the import of its scan failed", NULL);
    for (size_t i = 0; i < intake->stored.count; i++)
        free(intake->stored.uids[i]);
    free(intake->stored.uids);
    free(intake->series);
    mur_converted_list_free(&intake->converted);
    mur_xxh128_free(intake->digest);
    free(intake->buffer);
    free(intake);
}

void mur_intake_source(struct mur_intake *intake, const char *path, bool segmentation)
{
    intake->path = path;
    intake->segmentation = segmentation;
    intake->brought_new = false;
}

enum mur_status mur_intake_made(struct mur_intake *intake, const struct mur_made_series *made,
                                struct mur_error *error)
{
    if (intake->archive == NULL) /* there is nothing that could be read again */
        return MUR_OK;
    return mur_converted_list_add(&intake->converted, made, intake->path, intake->brought_new,
                                  error);
}

static enum mur_status count_series(struct mur_intake *intake, const char *study,
                                    const char *series, struct mur_error *error)
{
    for (size_t i = intake->series_count; i > 0; i--)
        if (strcmp(intake->series[i - 1].series_instance, series) == 0) {
            intake->series[i - 1].instances++;
            return MUR_OK;
        }
    if (intake->series_count == intake->series_capacity) {
        size_t capacity = intake->series_capacity == 0 ? 4 : intake->series_capacity * 2;
        struct mur_import_series *grown = realloc(intake->series, capacity * sizeof *grown);
        if (grown == NULL)
            return mur_error_no_memory(error);
        intake->series = grown;
        intake->series_capacity = capacity;
    }
    struct mur_import_series *added = &intake->series[intake->series_count++];
    *added = (struct mur_import_series){.segmentation = intake->segmentation, .instances = 1};
    (void)snprintf(added->series_instance, sizeof added->series_instance, "%s", series);
    (void)snprintf(added->study_instance, sizeof added->study_instance, "%s", study);
    return MUR_OK;
}

/* ---- one object ------------------------------------------------------------------------------ */

/* @param how  struct mur_origin */
static enum mur_status begin_object(struct mur_intake *intake, const char *how,
                                    const char *sop_class, const char *sop_instance,
                                    const char *transfer_syntax, struct mur_error *error)
{
    intake->is_known = false;
    intake->length = 0;
    (void)snprintf(intake->sop_instance, sizeof intake->sop_instance, "%s", sop_instance);
    if (intake->archive == NULL)
        return MUR_OK;
    enum mur_status status = mur_archive_look_up(&intake->is_known, &intake->known, intake->archive,
                                                 sop_instance, error);
    /* What was damaged is made whole by bringing it once more. */
    if (status == MUR_OK && intake->is_known)
        status = mur_archive_is_whole(&intake->is_known, intake->archive, &intake->known, error);
    if (status != MUR_OK || intake->is_known)
        return status;
    intake->brought_new = true;
    const struct mur_origin origin = {.how = how,
                                      .path = intake->path,
                                      .isa = intake->has_isa ? &intake->isa[intake->segmentation]
                                                             : NULL};
    return mur_ingest_begin(&intake->ingest, intake->archive, sop_class, sop_instance,
                            transfer_syntax, &origin, error);
}

static enum mur_status write_object(struct mur_intake *intake, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    intake->length += length;
    if (intake->is_known)
        mur_xxh128_update(intake->digest, bytes, length);
    else if (intake->ingest != NULL)
        return mur_ingest_write(intake->ingest, bytes, length, error);
    return MUR_OK;
}

/* @param[out] differs  a stored object of this UID has other bytes */
static enum mur_status end_object(bool *differs, struct mur_intake *intake, struct mur_error *error)
{
    *differs = false;
    if (intake->is_known) {
        uint8_t digest[MUR_XXH128_SIZE];
        mur_xxh128_finish(digest, intake->digest);
        *differs = intake->length != intake->known.length ||
                   memcmp(digest, intake->known.digest, sizeof digest) != 0;
        return MUR_OK;
    }
    if (intake->ingest == NULL)
        return MUR_OK;
    enum mur_status status = MUR_OK;
    if (intake->count == UNDER_WAY)
        status = settle_one(intake, error);
    char *uid = NULL;
    if (status == MUR_OK)
        status = mur_text_copy(&uid, mur_slice_of(intake->sop_instance), error);
    if (status == MUR_OK)
        status = mur_ingest_submit(intake->ingest, error);
    if (status != MUR_OK) {
        free(uid);
        return status;
    }
    size_t place = (intake->first + intake->count) % UNDER_WAY;
    intake->under_way[place] = MUR_STEAL(intake->ingest);
    intake->under_way_uid[place] = uid;
    intake->count++;
    return MUR_OK;
}

static void give_up_object(struct mur_intake *intake)
{
    mur_ingest_free(intake->ingest);
    intake->ingest = NULL;
    if (intake->is_known) {
        uint8_t digest[MUR_XXH128_SIZE];
        mur_xxh128_finish(digest, intake->digest); /* begins anew */
    }
}

/* ---- what converters make -------------------------------------------------------------------- */

static enum mur_status output_begin(void *user, const struct mur_made_instance *instance,
                                    struct mur_error *error)
{
    struct mur_intake *intake = user;
    give_up_object(intake);
    enum mur_status status =
        count_series(intake, instance->study_instance, instance->series_instance, error);
    return status == MUR_OK ? begin_object(intake, MUR_HOW_CONVERSION, instance->sop_class,
                                           instance->sop_instance, instance->transfer_syntax, error)
                            : status;
}

static enum mur_status output_write(void *user, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    return write_object(user, bytes, length, error);
}

/* Made again from the same file it may differ where the ISA-Tab was edited since: what is stored is
 * kept, the index answers with the new text. */
static enum mur_status output_end(void *user, struct mur_error *error)
{
    bool differs;
    return end_object(&differs, user, error);
}

struct mur_output mur_intake_output(struct mur_intake *intake)
{
    return (struct mur_output){
        .begin = output_begin, .write = output_write, .end = output_end, .user = intake};
}

void mur_intake_set_segments(struct mur_intake *intake, uint32_t segments)
{
    if (intake->series_count > 0)
        intake->series[intake->series_count - 1].segments = segments;
}

/* ---- files that are DICOM already ------------------------------------------------------------ */

/* UIDs of the Data Set itself, for files without or with a wrong group 0002. */
struct file_uids {
    char uids[4][MUR_UID_TEXT_SIZE];
};
static const uint32_t file_tags[4] = {MUR_TAG_SOPClassUID, MUR_TAG_SOPInstanceUID,
                                      MUR_TAG_StudyInstanceUID, MUR_TAG_SeriesInstanceUID};

static enum mur_status take_uid(void *user, const struct mur_scan_element *element,
                                struct mur_error *error)
{
    (void)error;
    struct file_uids *file = user;
    for (size_t i = 0; element->depth == 0 && i < MUR_COUNT(file_tags); i++)
        if (element->tag == file_tags[i]) {
            struct mur_slice uid = mur_uid_trim(mur_scan_text(element));
            if (uid.length < MUR_UID_TEXT_SIZE)
                (void)snprintf(file->uids[i], MUR_UID_TEXT_SIZE, "%.*s", (int)uid.length, uid.data);
        }
    return MUR_OK;
}

static const struct mur_scan_events uid_events = {.element = take_uid};

typedef enum mur_status piece_function(void *user, const void *bytes, size_t length,
                                       struct mur_error *error);

static enum mur_status read_data_set(struct mur_intake *intake, int file, const char *path,
                                     uint64_t offset, piece_function *take, void *user,
                                     struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t got = READ_SIZE; status == MUR_OK && got == READ_SIZE;) {
        status = mur_pread_full(&got, file, intake->buffer, READ_SIZE, (off_t)offset, path, error);
        offset += got;
        if (status == MUR_OK && got > 0)
            status = take(user, intake->buffer, got, error);
    }
    return status;
}

static enum mur_status scan_piece(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    return mur_scanner_write(user, bytes, length, error);
}

static enum mur_status intake_piece(void *user, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    return write_object(user, bytes, length, error);
}

/* Looks at the whole file before anything is stored: a damaged one stops the scan while nothing of
 * it is in the archive. */
static enum mur_status check_file(struct file_uids *uids, struct mur_part10 *head,
                                  struct mur_intake *intake, int file, const char *path,
                                  struct mur_error *error)
{
    enum mur_status status = mur_part10_read(head, file, path, error);
    MUR_AUTO(mur_scanner) *scanner = NULL;
    if (status == MUR_OK)
        status = mur_scanner_create(&scanner, head->transfer_syntax, &uid_events, uids, error);
    if (status == MUR_OK)
        status = read_data_set(intake, file, path, head->offset, scan_piece, scanner, error);
    if (status == MUR_OK)
        status = mur_scanner_finish(scanner, error);
    if (status != MUR_OK)
        return status;
    static const char *const names[4] = {"SOP Class UID", "SOP Instance UID", "Study Instance UID",
                                         "Series Instance UID"};
    for (size_t i = 0; i < MUR_COUNT(file_tags); i++)
        if (!mur_uid_acceptable(mur_slice_of(uids->uids[i])))
            return mur_error_set(error, MUR_MISMATCH, "%s is missing or is not a UID", names[i]);
    return MUR_OK;
}

enum mur_status mur_intake_file(struct mur_intake *intake, const char *path,
                                struct mur_error *error)
{
    give_up_object(intake);
    MUR_AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return mur_error_set_errno(error, errno, "cannot open the file");
    struct file_uids uids = {0};
    struct mur_part10 head;
    enum mur_status status = check_file(&uids, &head, intake, file, path, error);
    if (status == MUR_OK)
        status = count_series(intake, uids.uids[2], uids.uids[3], error);
    if (status != MUR_OK || intake->archive == NULL)
        return status;
    status =
        begin_object(intake, "import", uids.uids[0], uids.uids[1], head.transfer_syntax, error);
    if (status == MUR_OK)
        status = read_data_set(intake, file, path, head.offset, intake_piece, intake, error);
    bool differs = false;
    if (status == MUR_OK)
        status = end_object(&differs, intake, error);
    if (status != MUR_OK || !differs)
        return status;
    /* Other bytes under a stored UID: the archive says whether it is the same content. */
    const struct mur_origin origin = {.how = "import", .path = intake->path};
    status = mur_ingest_begin(&intake->ingest, intake->archive, uids.uids[0], uids.uids[1],
                              head.transfer_syntax, &origin, error);
    intake->is_known = false;
    if (status == MUR_OK)
        status = read_data_set(intake, file, path, head.offset, intake_piece, intake, error);
    enum mur_ingest_outcome outcome;
    if (status == MUR_OK)
        status = mur_ingest_finish(&outcome, intake->ingest, error);
    give_up_object(intake);
    return status;
}

/* ---- the end --------------------------------------------------------------------------------- */

enum mur_status mur_intake_certify(struct mur_intake *intake, struct mur_error *error)
{
    enum mur_status status = settle_all(intake, error);
    if (status == MUR_OK)
        status = mur_certificates_make(&intake->converted, intake->archive, error);
    for (size_t i = 0; status == MUR_OK && i < intake->series_count; i++)
        intake->series[i].certified =
            mur_converted_list_has(&intake->converted, intake->series[i].series_instance);
    return status;
}

enum mur_status mur_intake_commit(struct mur_intake *intake, uint64_t *new_instances,
                                  bool *link_changed, struct mur_error *error)
{
    enum mur_status status = settle_all(intake, error);
    bool any = false;
    for (size_t i = 0;
         status == MUR_OK && intake->has_isa && intake->archive != NULL && i < intake->series_count;
         i++) {
        bool changed = false;
        status = mur_archive_link(&changed, intake->archive, intake->series[i].series_instance,
                                  &intake->isa[intake->series[i].segmentation], error);
        any = any || changed;
    }
    if (status != MUR_OK)
        return status;
    intake->committed = true;
    *new_instances = intake->stored.count;
    *link_changed = any;
    return MUR_OK;
}

const struct mur_import_series *mur_intake_series(const struct mur_intake *intake, size_t *count)
{
    *count = intake->series_count;
    return intake->series;
}
