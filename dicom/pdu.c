#include "dicom/pdu.h"

#include <stdbool.h>
#include <string.h>

#include "dicom/association.h"
#include "dicom/uid.h"

enum {
    TRANSFER_SYNTAXES_LIMIT = 256,
    USER_AND_PASSCODE = 2,
    TITLES_AT = 4, /* the called one, then the calling one; of what follows the head */
    TITLE_SIZE = 16,
};

static enum mur_status wrong(struct mur_error *error, const char *what)
{
    return mur_error_set(error, MUR_PARSE, "malformed A-ASSOCIATE PDU: %s", what);
}

enum mur_status mur_pdu_next_item(struct mur_pdu_item *out, const uint8_t **at, size_t *left,
                                  struct mur_error *error)
{
    if (*left < MUR_PDU_ITEM_HEAD)
        return wrong(error, "an item is cut short");
    size_t length = mur_be16(*at + 2);
    if (length > *left - MUR_PDU_ITEM_HEAD)
        return wrong(error, "an item is longer than what holds it");
    *out = (struct mur_pdu_item){.type = **at, .value = *at + MUR_PDU_ITEM_HEAD, .length = length};
    *at += MUR_PDU_ITEM_HEAD + length;
    *left -= MUR_PDU_ITEM_HEAD + length;
    return MUR_OK;
}

/* Peers pad UIDs with NUL against PS3.5 9.1; what it means is for others to judge. */
static bool is_uid_like(const uint8_t *value, size_t length)
{
    while (length > 0 && value[length - 1] == '\0')
        length--;
    if (length == 0 || length > MUR_UID_LENGTH)
        return false;
    for (size_t i = 0; i < length; i++)
        if (value[i] <= ' ' || value[i] > '~')
            return false;
    return true;
}

static enum mur_status check_context(const struct mur_pdu_item *context, bool request,
                                     bool seen[256], struct mur_error *error)
{
    if (context->length < 4)
        return wrong(error, "a presentation context is cut short");
    uint8_t id = context->value[0];
    if (id % 2 == 0)
        return wrong(error, "a presentation context identifier is even");
    if (seen[id])
        return wrong(error, "a presentation context identifier stands twice");
    seen[id] = true;
    /* A refused context's transfer syntax is not significant (PS3.8 9.3.3.2). */
    bool significant = request || context->value[2] == MUR_CONTEXT_ACCEPTED;
    const uint8_t *at = context->value + 4;
    size_t left = context->length - 4;
    unsigned abstract_syntaxes = 0;
    unsigned transfer_syntaxes = 0;
    while (left > 0) {
        struct mur_pdu_item item = {0};
        enum mur_status status = mur_pdu_next_item(&item, &at, &left, error);
        if (status != MUR_OK)
            return status;
        if (item.length > MUR_UID_LENGTH || (significant && !is_uid_like(item.value, item.length)))
            return wrong(error, "a syntax in a presentation context is not a UID");
        abstract_syntaxes += item.type == MUR_ITEM_ABSTRACT_SYNTAX;
        transfer_syntaxes += item.type == MUR_ITEM_TRANSFER_SYNTAX;
    }
    if (abstract_syntaxes != (request ? 1 : 0))
        return wrong(error, "a presentation context without its one abstract syntax");
    if (request && transfer_syntaxes == 0)
        return wrong(error, "a presentation context without transfer syntax");
    if (!request && significant && transfer_syntaxes != 1)
        return wrong(error, "an accepted presentation context without its one transfer syntax");
    if (transfer_syntaxes > TRANSFER_SYNTAXES_LIMIT)
        return wrong(error, "too many transfer syntaxes");
    return MUR_OK;
}

/* PS3.7 D.3.3.7: type, response flag, primary field, secondary field, which only the passcode of
 * type 2 has. dcmnet refuses another one too, but leaks what it has parsed by then. */
static bool is_user_identity(const struct mur_pdu_item *item)
{
    if (item->type == MUR_ITEM_USER_IDENTITY_AC)
        return item->length >= 2 && mur_be16(item->value) == item->length - 2;
    if (item->length < 6)
        return false;
    size_t primary = mur_be16(item->value + 2);
    if (primary > item->length - 6)
        return false;
    size_t secondary = mur_be16(item->value + 4 + primary);
    return secondary == item->length - 6 - primary &&
           (secondary == 0 || item->value[0] == USER_AND_PASSCODE);
}

static enum mur_status check_sub_item(const struct mur_pdu_item *item, bool request,
                                      unsigned *identities, struct mur_error *error)
{
    switch (item->type) {
    case MUR_ITEM_MAXIMUM_LENGTH:
        if (item->length != 4)
            return wrong(error, "the maximum length has not four bytes");
        return MUR_OK;
    case MUR_ITEM_IMPLEMENTATION_CLASS:
    case MUR_ITEM_IMPLEMENTATION_VERSION:
        if (item->length > MUR_UID_LENGTH)
            return wrong(error, "the implementation's identification is too long");
        return MUR_OK;
    case MUR_ITEM_ROLE:
        if (item->length < 5 || mur_be16(item->value) != item->length - 4 ||
            !is_uid_like(item->value + 2, item->length - 4))
            return wrong(error, "lengths of a role selection do not add up");
        return MUR_OK;
    case MUR_ITEM_EXTENDED:
        if (item->length < 3 || mur_be16(item->value) > item->length - 2 ||
            !is_uid_like(item->value + 2, mur_be16(item->value)))
            return wrong(error, "lengths of an extended negotiation do not add up");
        return MUR_OK;
    case MUR_ITEM_USER_IDENTITY_RQ:
    case MUR_ITEM_USER_IDENTITY_AC:
        if (++*identities > 1 || (item->type == MUR_ITEM_USER_IDENTITY_RQ) != request ||
            !is_user_identity(item))
            return wrong(error, "the user identity");
        return MUR_OK;
    default: /* asynchronous operations, and what the standard may add */
        return MUR_OK;
    }
}

static enum mur_status check_user_information(const struct mur_pdu_item *information, bool request,
                                              struct mur_error *error)
{
    const uint8_t *at = information->value;
    size_t left = information->length;
    unsigned identities = 0;
    while (left > 0) {
        struct mur_pdu_item item = {0};
        enum mur_status status = mur_pdu_next_item(&item, &at, &left, error);
        if (status == MUR_OK)
            status = check_sub_item(&item, request, &identities, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

/* Peers pad titles with NUL; what goes on after one would be read as another title by us than by
 * who made it. */
static bool is_title(const uint8_t title[TITLE_SIZE])
{
    bool ended = false;
    for (size_t i = 0; i < TITLE_SIZE; i++) {
        if (ended && title[i] != '\0' && title[i] != ' ')
            return false;
        ended = ended || title[i] == '\0';
    }
    return true;
}

enum mur_status mur_pdu_check_associate(const uint8_t *pdu, size_t length, enum mur_pdu_type type,
                                        struct mur_error *error)
{
    bool request = type == MUR_PDU_ASSOCIATE_RQ;
    if (length < MUR_PDU_HEAD + MUR_ASSOCIATE_FIXED_PART)
        return wrong(error, "it is too short");
    if (pdu[0] != (uint8_t)type || mur_be32(pdu + 2) != length - MUR_PDU_HEAD)
        return wrong(error, "its head does not fit");
    const uint8_t *titles = pdu + MUR_PDU_HEAD + TITLES_AT;
    if (request && (!is_title(titles) || !is_title(titles + TITLE_SIZE)))
        return wrong(error, "an AE title goes on after a NUL");
    const uint8_t *at = pdu + MUR_PDU_HEAD + MUR_ASSOCIATE_FIXED_PART;
    size_t left = length - MUR_PDU_HEAD - MUR_ASSOCIATE_FIXED_PART;
    bool seen[256] = {false};
    unsigned contexts = 0;
    unsigned application_contexts = 0;
    unsigned informations = 0;
    while (left > 0) {
        struct mur_pdu_item item = {0};
        enum mur_status status = mur_pdu_next_item(&item, &at, &left, error);
        if (status != MUR_OK)
            return status;
        if (item.type == MUR_ITEM_APPLICATION_CONTEXT) {
            application_contexts++;
            if (!is_uid_like(item.value, item.length))
                status = wrong(error, "the application context name is not a UID");
        } else if (item.type == (request ? MUR_ITEM_CONTEXT_RQ : MUR_ITEM_CONTEXT_AC)) {
            contexts++;
            status = check_context(&item, request, seen, error);
        } else if (item.type == MUR_ITEM_CONTEXT_RQ || item.type == MUR_ITEM_CONTEXT_AC) {
            status = wrong(error, "a presentation context item of the other direction");
        } else if (item.type == MUR_ITEM_USER_INFORMATION) {
            informations++;
            status = check_user_information(&item, request, error);
        }
        if (status != MUR_OK)
            return status;
    }
    if (application_contexts != 1)
        return wrong(error, "not one application context");
    if (contexts == 0)
        return wrong(error, "no presentation context");
    if (informations > 1 || (request && informations == 0))
        return wrong(error, "not one user information");
    return MUR_OK;
}

enum mur_status mur_pdu_check_data(const uint8_t *body, size_t length, struct mur_error *error)
{
    if (length == 0)
        return mur_error_set(error, MUR_PARSE, "a P-DATA-TF PDU without data values");
    while (length > 0) {
        if (length < MUR_PDV_HEAD)
            return mur_error_set(error, MUR_PARSE, "a presentation data value is cut short");
        size_t item = mur_be32(body);
        if (item < 2 || item > length - 4)
            return mur_error_set(error, MUR_PARSE,
                                 "a presentation data value of %zu bytes where %zu are left", item,
                                 length - 4);
        body += 4 + item;
        length -= 4 + item;
    }
    return MUR_OK;
}

void mur_pdu_control(uint8_t out[MUR_PDU_CONTROL_SIZE], enum mur_pdu_type type, uint8_t second,
                     uint8_t third, uint8_t fourth)
{
    memset(out, 0, MUR_PDU_CONTROL_SIZE);
    out[0] = (uint8_t)type;
    mur_put_be32(out + 2, 4);
    out[7] = second;
    out[8] = third;
    out[9] = fourth;
}

const char *mur_reject_reason_name(uint8_t source, uint8_t reason)
{
    static const struct {
        uint8_t source, reason;
        const char *name;
    } names[] = {
        {1, 1, "no reason given"},
        {1, 2, "application context name not supported"},
        {1, 3, "calling AE title not recognized"},
        {1, 7, "called AE title not recognized"},
        {2, 1, "no reason given (ACSE)"},
        {2, 2, "protocol version not supported"},
        {3, 1, "temporary congestion"},
        {3, 2, "local limit exceeded"},
    };
    for (size_t i = 0; i < MUR_COUNT(names); i++)
        if (names[i].source == source && names[i].reason == reason)
            return names[i].name;
    return "unknown reason";
}
