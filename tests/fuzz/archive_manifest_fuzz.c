/* The manifest, from which an index is made anew: lines of any content. Where an object is named
 * by 1.2.0.3.4, there is one. */
#include "archive/reindex.h"
#include "archive_support.h"

static struct mur_mapping *mapping; /* as long as the process */
static char directory[128];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    struct mur_error error = MUR_ERROR_INIT;
    (void)snprintf(directory, sizeof directory, "%s/archive", fuzz_folder());
    struct mur_archive *archive = fuzz_open_archive(directory);
    fuzz_fill_archive(archive);
    mur_archive_close(archive);
    fuzz_check(mur_mapping_load(&mapping, "", "", &error) == MUR_OK, "%s", error.message);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct mur_archive_options options = {.directory = directory,
                                                .durability = MUR_DURABILITY_PROCESS};
    struct mur_reindex_summary summary;
    struct mur_error error = MUR_ERROR_INIT;
    (void)fuzz_file("archive/manifest.jsonl", data, size);
    enum mur_status status = mur_archive_reindex(&summary, &options, mapping, NULL, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    MUR_AUTO(mur_archive) *archive = NULL;
    struct mur_counts counts;
    fuzz_check(mur_archive_open(&archive, &options, &error) == MUR_OK, "%s", error.message);
    fuzz_check(mur_archive_count(&counts, archive, &error) == MUR_OK, "%s", error.message);
    fuzz_check((size_t)counts.instances == summary.instances,
               "%zu instances are told of, %lld are there", summary.instances,
               (long long)counts.instances);
    return 0;
}
