/* Identifiers of C-FIND, C-MOVE and C-GET, from their bytes to SQL and back to answers. The first
 * byte is the information model and the transfer syntax; the rest is the identifier. */
#include "archive/query.h"
#include "archive_support.h"
#include "dicom/data_set.h"
#include "scp/identifier.h"

static struct mur_archive *archive; /* as long as the process */

static void close_archive(void)
{
    mur_archive_close(archive);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    char directory[128];
    (void)snprintf(directory, sizeof directory, "%s/archive", fuzz_folder());
    archive = fuzz_open_archive(directory);
    fuzz_fill_archive(archive);
    return atexit(close_archive);
}

static void find(struct mur_identifier *identifier, const char *transfer_syntax)
{
    MUR_AUTO(mur_cursor) *cursor = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_archive_find(&cursor, archive, &identifier->query, &error);
    fuzz_check_status(status, &error);
    fuzz_check(status == MUR_OK || status == MUR_INVALID || status == MUR_LIMIT ||
                   status == MUR_PARSE,
               "%s", error.message);
    for (bool found = status == MUR_OK; found;) {
        const struct mur_value *values = NULL;
        status = mur_cursor_next(&values, &found, cursor, &error);
        fuzz_check(status == MUR_OK, "%s", error.message);
        if (!found)
            break;
        MUR_AUTO_BUFFER struct mur_buffer answer = MUR_BUFFER_INIT;
        MUR_AUTO(mur_dataset) *dataset = NULL;
        status =
            mur_identifier_answer(&answer, identifier, values, transfer_syntax, "FUZZ", &error);
        fuzz_check(status == MUR_OK, "%s", error.message);
        status = mur_dataset_read(&dataset, answer.data, answer.length, transfer_syntax, &error);
        fuzz_check(status == MUR_OK, "an answer is no Data Set: %s", error.message);
    }
}

static void plan(const struct mur_query *query)
{
    MUR_AUTO_PLAN struct mur_plan items = {.items = NULL};
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_archive_plan(&items, archive, query, &error);
    fuzz_check_status(status, &error);
    fuzz_check(status == MUR_OK || status == MUR_INVALID || status == MUR_LIMIT ||
                   status == MUR_PARSE,
               "%s", error.message);
    fuzz_check(items.count <= FUZZ_OBJECTS, "%zu instances", items.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const models[] = {
        "1.2.840.10008.5.1.4.1.2.1.1", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.3.1",
        "1.2.840.10008.5.1.4.1.2.1.2", "1.2.840.10008.5.1.4.1.2.2.3"};
    static const char *const syntaxes[] = {mur_uid_ExplicitVRLittleEndian,
                                           mur_uid_ImplicitVRLittleEndian,
                                           mur_uid_ExplicitVRBigEndian};
    const uint8_t kind = fuzz_byte(&data, &size);
    const char *syntax = syntaxes[kind / 16 % MUR_COUNT(syntaxes)];
    MUR_AUTO_IDENTIFIER struct mur_identifier identifier = {.has_level = false};
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_identifier_parse(&identifier, data, size, syntax,
                                                  models[kind % 16 % MUR_COUNT(models)], &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return 0;
    find(&identifier, syntax);
    plan(&identifier.query);
    return 0;
}
