/* Objects on their way in: what is not refused is listed once, and keeps its bytes. */
#include "archive_support.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"

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
    enum mur_status status =
        fuzz_ingest(archive, head.sop_class, head.sop_instance, head.transfer_syntax,
                    data + head.offset, size - (size_t)head.offset, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK) {
        struct mur_instance instance;
        bool found = false;
        MUR_AUTO_CLOSE int descriptor = -1;
        status = mur_archive_look_up(&found, &instance, archive, head.sop_instance, &error);
        fuzz_check(status == MUR_OK && found, "%s is stored, but not listed: %s", head.sop_instance,
                   error.message);
        status = mur_archive_open_item(&descriptor, archive, &instance, &error);
        fuzz_check(status == MUR_OK, "%s", error.message);
    }
    if (++stored % MOST == 0) {
        mur_archive_close(archive);
        archive = NULL;
        fuzz_remove(directory);
    }
    return 0;
}
