#include "dicom/negotiation.h"

#include <stdlib.h>
#include <string.h>

void mur_negotiated_free(struct mur_negotiated *negotiated)
{
    if (negotiated == NULL)
        return;
    mur_dcmnet_free(negotiated->dcmnet);
    for (size_t i = 0; i < negotiated->context_count; i++)
        free((void *)negotiated->contexts[i].transfer_syntaxes);
    free(negotiated->contexts);
    for (size_t i = 0; i < negotiated->extended_count; i++)
        free(negotiated->extended[i].bytes);
    free(negotiated->extended);
    for (size_t i = 0; i < negotiated->pool_count; i++)
        free(negotiated->pool[i].uid);
    free(negotiated->pool);
    free(negotiated);
}

enum mur_status mur_negotiated_create(struct mur_negotiated **out, struct mur_error *error)
{
    struct mur_negotiated *negotiated = calloc(1, sizeof(*negotiated));
    if (negotiated == NULL)
        return mur_error_no_memory(error);
    *out = negotiated;
    return MUR_OK;
}

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

enum mur_status mur_negotiated_intern(const char **out, struct mur_negotiated *negotiated,
                                      const char *uid, struct mur_error *error)
{
    enum { DIFFERENT_UIDS_LIMIT = 1024 };
    uint32_t hash = hash_of(uid);
    for (size_t i = 0; i < negotiated->pool_count; i++) {
        const struct mur_pooled_uid *pooled = &negotiated->pool[i];
        if (pooled->hash == hash && strcmp(pooled->uid, uid) == 0) {
            *out = pooled->uid;
            return MUR_OK;
        }
    }
    if (negotiated->pool_count == DIFFERENT_UIDS_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "too many different UIDs in an A-ASSOCIATE PDU");
    struct mur_pooled_uid *pool =
        reallocarray(negotiated->pool, negotiated->pool_count + 1, sizeof(*pool));
    if (pool == NULL)
        return mur_error_no_memory(error);
    negotiated->pool = pool;
    char *copy = strdup(uid);
    if (copy == NULL)
        return mur_error_no_memory(error);
    pool[negotiated->pool_count++] = (struct mur_pooled_uid){.hash = hash, .uid = copy};
    *out = copy;
    return MUR_OK;
}

enum mur_status mur_negotiated_add_context(struct mur_negotiated *negotiated, uint8_t id,
                                           const char *abstract_syntax,
                                           const char *const *transfer_syntaxes, size_t count,
                                           enum mur_role proposed, struct mur_error *error)
{
    struct mur_presentation_context *contexts = reallocarray(
        negotiated->contexts, negotiated->context_count + 1, sizeof(*negotiated->contexts));
    if (contexts == NULL)
        return mur_error_no_memory(error);
    negotiated->contexts = contexts;
    struct mur_presentation_context context = {
        .id = id,
        .transfer_syntax_count = count,
        .proposed_role = proposed,
        .accepted_role = MUR_ROLE_DEFAULT,
        .result = MUR_CONTEXT_NO_REASON,
    };
    enum mur_status status =
        mur_negotiated_intern(&context.abstract_syntax, negotiated, abstract_syntax, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_FREE const char **syntaxes = calloc(count + 1, sizeof(*syntaxes));
    if (syntaxes == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < count; i++) {
        status = mur_negotiated_intern(&syntaxes[i], negotiated, transfer_syntaxes[i], error);
        if (status != MUR_OK)
            return status;
    }
    context.transfer_syntaxes = MUR_STEAL(syntaxes);
    contexts[negotiated->context_count++] = context;
    return MUR_OK;
}

enum mur_status mur_negotiated_add_extended(struct mur_negotiated *negotiated,
                                            const char *abstract_syntax, const uint8_t *bytes,
                                            size_t length, struct mur_error *error)
{
    size_t uid_length = strlen(abstract_syntax);
    if (uid_length > MUR_UID_LENGTH)
        return mur_error_set(error, MUR_PARSE, "extended negotiation of too long a UID");
    struct mur_extended_negotiation *extended = reallocarray(
        negotiated->extended, negotiated->extended_count + 1, sizeof(*negotiated->extended));
    if (extended == NULL)
        return mur_error_no_memory(error);
    negotiated->extended = extended;
    struct mur_extended_negotiation item = {.length = length};
    memcpy(item.abstract_syntax, abstract_syntax, uid_length);
    item.bytes = malloc(length + 1);
    if (item.bytes == NULL)
        return mur_error_no_memory(error);
    if (length > 0)
        memcpy(item.bytes, bytes, length);
    extended[negotiated->extended_count++] = item;
    return MUR_OK;
}

void mur_negotiated_set_title(char out[17], const char *title)
{
    size_t length = strnlen(title, 16);
    while (length > 0 && *title == ' ') {
        title++;
        length--;
    }
    while (length > 0 && title[length - 1] == ' ')
        length--;
    for (size_t i = 0; i < length; i++)
        out[i] = (char)(title[i] >= ' ' && title[i] <= '~' ? title[i] : '?');
    out[length] = '\0';
}
