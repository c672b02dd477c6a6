/* A dataset as a ZIP: nothing of it may come to lie outside of its folder. */
#include "fuzz.h"
#include "isa/isa.h"
#include "isa/unpack.h"

static enum mur_status count(void *user, const struct mur_walk_entry *entry, bool *skip,
                             struct mur_error *error)
{
    (void)skip;
    (void)error;
    fuzz_check(entry->kind != MUR_WALK_OTHER, "%s is no file of ours", entry->path);
    ++*(size_t *)user;
    return MUR_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { ENTRIES = 100, BYTES = 1 << 20 };
    char parent[128];
    (void)snprintf(parent, sizeof parent, "%s/unpacked", fuzz_folder());
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_unpack_options options = {
        .parent = parent,
        .tables_only = size % 2 == 1,
        .limits = {.entries = ENTRIES, .total_bytes = BYTES, .any_ratio = BYTES}};
    const char *path = fuzz_file("input.zip", data, size);
    if (!mur_is_zip(path))
        return 0;
    MUR_AUTO_ISA_DIAGNOSTICS struct mur_isa_diagnostics diagnostics = MUR_ISA_DIAGNOSTICS_INIT;
    MUR_AUTO(mur_unpacked) *unpacked = NULL;
    enum mur_status status = mur_unpack(&unpacked, path, &options, &diagnostics, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK) {
        size_t entries = 0;
        const char *folder = mur_unpacked_directory(unpacked);
        fuzz_check(strncmp(folder, parent, strlen(parent)) == 0, "%s", folder);
        fuzz_check_status(mur_directory_walk(folder, count, &entries, &error), &error);
        fuzz_check(entries <= ENTRIES * MUR_UNPACK_DEPTH, "%zu entries", entries);
    }
    size_t strangers = 0;
    fuzz_check_status(mur_directory_walk(fuzz_folder(), count, &strangers, &error), &error);
    return 0;
}
