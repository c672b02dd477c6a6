/* PDUs and command sets as a peer sends them: the checks that stand before everything else. */
#include "dicom/command.h"
#include "dicom/pdu.h"
#include "fuzz.h"

/* What is understood is written, and understood again as the same. */
static void check_command(const uint8_t *data, size_t size)
{
    struct mur_command command;
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_command_decode(&command, data, size, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK)
        return;
    MUR_AUTO_BUFFER struct mur_buffer once = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer twice = MUR_BUFFER_INIT;
    if (mur_command_encode(&once, &command, &error) != MUR_OK)
        return; /* texts longer than the standard allows are read, not written */
    struct mur_command again;
    status = mur_command_decode(&again, (const uint8_t *)once.data, once.length, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
    fuzz_check(again.field == command.field && again.has == command.has &&
                   again.has_data_set == command.has_data_set,
               "field %04X, has %X and %X", command.field, command.has, again.has);
    fuzz_check(mur_command_encode(&twice, &again, &error) == MUR_OK, "%s", error.message);
    fuzz_check(once.length == twice.length && memcmp(once.data, twice.data, once.length) == 0,
               "%zu and %zu bytes", once.length, twice.length);
    struct mur_command response;
    mur_command_init_response(&response, &command, 0xA700);
    mur_command_set_comment(&response, error.message);
    mur_buffer_clear(&once);
    status = mur_command_encode(&once, &response, &error);
    fuzz_check_status(status, &error);
}

static void check_items(const uint8_t *data, size_t size)
{
    struct mur_pdu_item item;
    const uint8_t *at = data;
    size_t left = size;
    while (left > 0 && mur_pdu_next_item(&item, &at, &left, NULL) == MUR_OK)
        fuzz_check(item.value + item.length == at && at + left == data + size, "an item leads out");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mur_error error = MUR_ERROR_INIT;
    enum mur_status status = mur_pdu_check_associate(data, size, MUR_PDU_ASSOCIATE_RQ, &error);
    fuzz_check_status(status, &error);
    status = mur_pdu_check_associate(data, size, MUR_PDU_ASSOCIATE_AC, &error);
    fuzz_check_status(status, &error);
    status = mur_pdu_check_data(data, size, &error);
    fuzz_check_status(status, &error);
    check_items(data, size);
    check_command(data, size);
    return 0;
}
