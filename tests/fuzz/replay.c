/* Runs a target with every file of the folders that are named: for builds without libFuzzer. */
#include "fuzz.h"

enum { INPUT_LIMIT = 1024 * 1024 };

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    return 0;
}

static enum mur_status run_file(void *user, const struct mur_walk_entry *entry, bool *skip,
                                struct mur_error *error)
{
    (void)skip;
    if (entry->kind != MUR_WALK_FILE)
        return MUR_OK;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    enum mur_status status = mur_file_read_all(&bytes, entry->path, INPUT_LIMIT, error);
    if (status != MUR_OK)
        return status;
    (void)printf("%s\n", entry->path);
    (void)fflush(stdout); /* the last line names the input that crashes */
    /* Exactly as long as the input, so that a sanitizer sees each byte beyond it. */
    MUR_AUTO_FREE uint8_t *input = malloc(bytes.length > 0 ? bytes.length : 1);
    if (input == NULL)
        return mur_error_no_memory(error);
    if (bytes.length > 0)
        memcpy(input, bytes.data, bytes.length);
    (void)LLVMFuzzerTestOneInput(input, bytes.length);
    ++*(size_t *)user;
    return MUR_OK;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    (void)LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        struct mur_error error = MUR_ERROR_INIT;
        if (mur_directory_walk(argv[i], run_file, &count, &error) != MUR_OK) {
            (void)fprintf(stderr, "%s\n", error.message);
            return 1;
        }
    }
    (void)printf("%zu inputs\n", count);
    return count > 0 ? 0 : 1;
}
