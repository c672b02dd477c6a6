/* Objects on their way in and out: what is not refused is listed once, comes back byte by byte, and
 * can be coerced. */
#include "archive/coerce.h"
#include "archive_support.h"
#include "dicom/data_set.h"
#include "dicom/part10.h"

static void check_listed(struct mur_archive *archive, const struct mur_instance *instance)
{
    MUR_AUTO_QUERY struct mur_query query = {.level = MUR_LEVEL_IMAGE, .root = MUR_ROOT_STUDY};
    MUR_AUTO_PLAN struct mur_plan items = {.items = NULL};
    struct mur_error error = MUR_ERROR_INIT;
    const struct {
        uint32_t tag;
        const char *uid;
    } keys[] = {{MUR_TAG_StudyInstanceUID, instance->study_instance},
                {MUR_TAG_SeriesInstanceUID, instance->series_instance},
                {MUR_TAG_SOPInstanceUID, instance->sop_instance}};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(keys); i++) {
        struct mur_attribute_path path = mur_attribute_path_of(keys[i].tag);
        status = mur_query_add(&query, &path, MUR_VR_UI, mur_slice_of(keys[i].uid), true, &error);
    }
    if (status == MUR_OK)
        status = mur_archive_plan(&items, archive, &query, &error);
    fuzz_check(status == MUR_OK && items.count == 1, "%s is listed %zu times: %s",
               instance->sop_instance, items.count, error.message);
}

static void check_bytes(int descriptor, const struct mur_instance *instance, const uint8_t *data,
                        size_t size)
{
    MUR_AUTO_FREE uint8_t *stored = malloc(size + 1);
    size_t got = 0;
    struct mur_error error = MUR_ERROR_INIT;
    fuzz_check(stored != NULL, "no memory");
    enum mur_status status = mur_pread_full(&got, descriptor, stored, size + 1,
                                            (off_t)instance->offset, "object", &error);
    fuzz_check(status == MUR_OK && got == size && instance->length == size &&
                   memcmp(stored, data, size) == 0,
               "%zu bytes are stored, %zu came", got, size);
}

static void check_coerced(int descriptor, struct mur_archive *archive,
                          const struct mur_instance *instance)
{
    MUR_AUTO(mur_dataset) *dataset = NULL;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    struct mur_error error = MUR_ERROR_INIT;
    bool changed = false;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    enum mur_status status = mur_dataset_load(&dataset, path, MUR_WHOLE, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK)
        status = mur_archive_coerce(&changed, dataset, archive, instance, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK)
        status = mur_dataset_encode(&bytes, dataset, instance->transfer_syntax, &error);
    fuzz_check_status(status, &error);
}

static void check_stored(struct mur_archive *archive, const char *sop_instance, const uint8_t *data,
                         size_t size)
{
    struct mur_instance instance;
    bool found = false;
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_CLOSE int descriptor = -1;
    enum mur_status status = mur_archive_look_up(&found, &instance, archive, sop_instance, &error);
    fuzz_check(status == MUR_OK && found, "%s is stored, but not listed: %s", sop_instance,
               error.message);
    status = mur_archive_open_item(&descriptor, archive, &instance, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    check_listed(archive, &instance);
    check_bytes(descriptor, &instance, data, size);
    check_coerced(descriptor, archive, &instance);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MOST = 200 }; /* objects before the archive is made anew */
    static struct mur_archive *archive;
    static char directory[128];
    static unsigned stored, round;
    struct mur_part10 head;
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_part10_parse(&head, data, size, "input", &error) != MUR_OK)
        return 0;
    if (archive == NULL) {
        (void)snprintf(directory, sizeof directory, "%s/archive-%u", fuzz_folder(), round++);
        archive = fuzz_open_archive(directory);
    }
    data += head.offset;
    size -= (size_t)head.offset;
    enum mur_status status = fuzz_ingest(archive, head.sop_class, head.sop_instance,
                                         head.transfer_syntax, data, size, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    check_stored(archive, head.sop_instance, data, size);
    status = fuzz_ingest(archive, head.sop_class, head.sop_instance, head.transfer_syntax, data,
                         size, &error);
    fuzz_check(status == MUR_OK, "the same once more: %s", error.message);
    const char *const gone[] = {head.sop_instance};
    status = mur_archive_remove(archive, gone, 1, "fuzzing", &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    struct mur_counts counts;
    status = mur_archive_count(&counts, archive, &error);
    fuzz_check(status == MUR_OK && counts.instances == 0 && counts.series == 0 &&
                   counts.studies == 0 && counts.patients == 0,
               "something stays: %s", error.message);
    if (++stored % MOST == 0) {
        mur_archive_close(archive);
        archive = NULL;
        fuzz_remove(directory);
    }
    return 0;
}
