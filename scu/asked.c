#include "scu/asked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "dicom/attribute.h"

static const uint32_t keys[] = {MUR_TAG_SOPInstanceUID, MUR_TAG_StudyInstanceUID,
                                MUR_TAG_SeriesInstanceUID};
enum { KEYS = MUR_COUNT(keys) };

/* The values of one key; none stands for any. */
struct list {
    char *text;        /* owned; cut into the UIDs */
    const char **uids; /* sorted */
    size_t count;
};

struct mur_asked {
    struct list lists[KEYS];
};

void mur_asked_free(struct mur_asked *asked)
{
    if (asked == NULL)
        return;
    for (size_t i = 0; i < KEYS; i++) {
        free(asked->lists[i].text);
        free(asked->lists[i].uids);
    }
    free(asked);
}

static int compare(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static enum mur_status make_list(struct list *out, const char *text, struct mur_error *error)
{
    enum mur_status status = mur_text_copy(&out->text, mur_slice_of(text), error);
    if (status != MUR_OK)
        return status;
    size_t count = 1;
    for (const char *at = text; *at != '\0'; at++)
        count += *at == '\\';
    out->uids = calloc(count, sizeof *out->uids);
    if (out->uids == NULL)
        return mur_error_no_memory(error);
    char *rest = out->text;
    for (char *one; (one = strsep(&rest, "\\")) != NULL;) {
        one += strspn(one, " ");
        one[strcspn(one, " ")] = '\0';
        if (one[0] != '\0')
            out->uids[out->count++] = one;
    }
    qsort(out->uids, out->count, sizeof *out->uids, compare);
    return MUR_OK;
}

enum mur_status mur_asked_create(struct mur_asked **out, struct mur_dataset *identifier,
                                 struct mur_error *error)
{
    MUR_AUTO(mur_asked) *asked = calloc(1, sizeof *asked);
    if (asked == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < KEYS; i++) {
        const char *text = "";
        if (!mur_dataset_has_value(identifier, keys[i]))
            continue;
        enum mur_status status = mur_dataset_get_string(&text, identifier, keys[i], error);
        if (status == MUR_OK)
            status = make_list(&asked->lists[i], text, error);
        if (status != MUR_OK)
            return status;
    }
    *out = MUR_STEAL(asked);
    return MUR_OK;
}

static bool is_in(const struct list *list, const char *uid)
{
    return list->count == 0 ||
           bsearch(&uid, list->uids, list->count, sizeof *list->uids, compare) != NULL;
}

/* ---- one object ------------------------------------------------------------------------------ */

static enum mur_status take_element(void *user, const struct mur_scan_element *element,
                                    struct mur_error *error)
{
    (void)error;
    struct mur_asked_look *look = user;
    if (element->depth > 0)
        return MUR_OK;
    for (size_t i = 0; i < KEYS; i++) {
        if (element->tag != keys[i])
            continue;
        struct mur_slice uid = mur_uid_trim(mur_scan_text(element));
        char text[MUR_UID_TEXT_SIZE] = "";
        if (uid.length <= MUR_UID_LENGTH)
            memcpy(text, uid.data, uid.length);
        if (keys[i] == MUR_TAG_SOPInstanceUID && text[0] != '\0')
            look->other_instance |= strcmp(text, look->sop_instance) != 0;
        if (look->asked != NULL)
            look->not_asked |= !is_in(&look->asked->lists[i], text);
    }
    return element->tag >= MUR_TAG_SeriesInstanceUID ? MUR_CANCELLED : MUR_OK;
}

enum mur_status mur_asked_begin(struct mur_asked_look *look, const struct mur_asked *asked,
                                const char *transfer_syntax, const char *sop_instance,
                                struct mur_error *error)
{
    static const struct mur_scan_events events = {.element = take_element};
    look->asked = asked;
    (void)snprintf(look->sop_instance, sizeof look->sop_instance, "%s", sop_instance);
    return mur_scanner_create(&look->scanner, transfer_syntax, &events, look, error);
}

void mur_asked_end(struct mur_asked_look *look)
{
    mur_scanner_free(look->scanner);
    look->scanner = NULL;
}

void mur_asked_write(struct mur_asked_look *look, const uint8_t *data, size_t length)
{
    if (look->scanner != NULL && mur_scanner_write(look->scanner, data, length, NULL) != MUR_OK)
        mur_asked_end(look);
}
