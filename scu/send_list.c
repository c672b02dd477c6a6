#include "scu/send_list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "dicom/attribute.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum {
    CHUNK = 4096,
    LOOK_LIMIT = 1 << 20, /* the UIDs stand near the beginning (group 0008) */
    PROGRESS_EVERY = 64,
};

void mur_send_list_free(struct mur_send_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].path);
    free(list->items);
    free(list->pairs);
    *list = (struct mur_send_list){.items = NULL};
}

/* ---- one file -------------------------------------------------------------------------------- */

struct looked_at {
    char sop_class[MUR_UID_TEXT_SIZE];
    char sop_instance[MUR_UID_TEXT_SIZE];
    bool seen_all;
};

static void take_uid(char out[MUR_UID_TEXT_SIZE], const struct mur_scan_element *element)
{
    struct mur_slice uid = mur_uid_trim(mur_scan_text(element));
    if (!mur_uid_acceptable(uid))
        return;
    memcpy(out, uid.data, uid.length);
    out[uid.length] = '\0';
}

static enum mur_status take_element(void *user, const struct mur_scan_element *element,
                                    struct mur_error *error)
{
    (void)error;
    struct looked_at *seen = user;
    if (element->depth > 0)
        return MUR_OK;
    if (element->tag == MUR_TAG_SOPClassUID)
        take_uid(seen->sop_class, element);
    else if (element->tag == MUR_TAG_SOPInstanceUID)
        take_uid(seen->sop_instance, element);
    seen->seen_all = element->tag >= MUR_TAG_SOPInstanceUID;
    return seen->seen_all ? MUR_CANCELLED : MUR_OK; /* that is enough */
}

static enum mur_status look(struct looked_at *seen, int descriptor, const struct mur_part10 *head,
                            const char *path, struct mur_error *error)
{
    static const struct mur_scan_events events = {.element = take_element};
    MUR_AUTO(mur_scanner) *scanner = NULL;
    enum mur_status status =
        mur_scanner_create(&scanner, head->transfer_syntax, &events, seen, error);
    unsigned char bytes[CHUNK];
    size_t length = CHUNK;
    for (uint64_t done = 0; status == MUR_OK && length == CHUNK && done < LOOK_LIMIT;
         done += length) {
        status = mur_pread_full(&length, descriptor, bytes, CHUNK, (off_t)(head->offset + done),
                                path, error);
        if (status == MUR_OK)
            status = mur_scanner_write(scanner, bytes, length, error);
    }
    return seen->seen_all ? MUR_OK : status;
}

static enum mur_status read_item(struct mur_send_item *item, struct mur_send_pair *pair,
                                 const char *path, struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat details;
    if (descriptor < 0 || fstat(descriptor, &details) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    if (!S_ISREG(details.st_mode))
        return mur_error_set(error, MUR_PARSE, "%s: no regular file", path);
    struct mur_part10 head;
    struct looked_at seen = {.seen_all = false};
    enum mur_status status = mur_part10_read(&head, descriptor, path, error);
    if (status == MUR_OK)
        status = look(&seen, descriptor, &head, path, error);
    if (status != MUR_OK)
        return status;
    /* The Data Set's word counts, the head's only where that has none. */
    memcpy(pair->sop_class, seen.sop_class[0] != '\0' ? seen.sop_class : head.sop_class,
           sizeof pair->sop_class);
    memcpy(item->sop_instance, seen.sop_instance[0] != '\0' ? seen.sop_instance : head.sop_instance,
           sizeof item->sop_instance);
    memcpy(pair->transfer_syntax, head.transfer_syntax, sizeof pair->transfer_syntax);
    if (strcmp(pair->sop_class, mur_uid_MediaStorageDirectoryStorage) == 0)
        return mur_error_set(error, MUR_PARSE, "%s: a DICOMDIR, which is no object", path);
    if (pair->sop_class[0] == '\0' || item->sop_instance[0] == '\0')
        return mur_error_set(error, MUR_PARSE, "%s: SOP Class or SOP Instance UID is missing",
                             path);
    item->offset = head.offset;
    item->size = (uint64_t)details.st_size;
    item->modified_ns =
        (int64_t)details.st_mtim.tv_sec * 1000000000 + (int64_t)details.st_mtim.tv_nsec;
    return MUR_OK;
}

/* ---- all files ------------------------------------------------------------------------------- */

enum { FIRST_CAPACITY = 64 };

static enum mur_status make_room(struct mur_send_list *list, struct mur_error *error)
{
    if (list->count == list->capacity) {
        size_t wanted = list->capacity > 0 ? 2 * list->capacity : FIRST_CAPACITY;
        struct mur_send_item *items = reallocarray(list->items, wanted, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        list->items = items;
        list->capacity = wanted;
    }
    if (list->pair_count == list->pair_capacity) {
        size_t wanted = list->pair_capacity > 0 ? 2 * list->pair_capacity : FIRST_CAPACITY;
        struct mur_send_pair *pairs = reallocarray(list->pairs, wanted, sizeof *pairs);
        if (pairs == NULL)
            return mur_error_no_memory(error);
        list->pairs = pairs;
        list->pair_capacity = wanted;
    }
    return MUR_OK;
}

static bool same_pair(const struct mur_send_pair *a, const struct mur_send_pair *b)
{
    return strcmp(a->sop_class, b->sop_class) == 0 &&
           strcmp(a->transfer_syntax, b->transfer_syntax) == 0;
}

static enum mur_status add(struct mur_send_list *list, struct mur_send_item *item,
                           const struct mur_send_pair *pair, const char *path,
                           struct mur_error *error)
{
    enum mur_status status = make_room(list, error);
    if (status != MUR_OK)
        return status;
    /* Files of a series stand together. */
    size_t index = list->count > 0 ? list->items[list->count - 1].pair : 0;
    if (list->count == 0 || !same_pair(&list->pairs[index], pair)) {
        for (index = 0; index < list->pair_count; index++)
            if (same_pair(&list->pairs[index], pair))
                break;
        if (index == list->pair_count)
            list->pairs[list->pair_count++] = *pair;
    }
    item->pair = index;
    status = mur_text_copy(&item->path, mur_slice_of(path), error);
    if (status == MUR_OK)
        list->items[list->count++] = *item;
    return status;
}

struct gathering {
    struct mur_send_list *list;
    const struct mur_send_list_options *options;
    size_t seen;
};

static enum mur_status take_file(struct gathering *gathering, const char *path, bool named,
                                 struct mur_error *error)
{
    struct mur_send_item item = {.path = NULL};
    struct mur_send_pair pair = {.group = 0};
    struct mur_error reason = MUR_ERROR_INIT;
    if (gathering->seen++ % PROGRESS_EVERY == 0) {
        if (mur_client_cancelled(gathering->options->client))
            return mur_error_set(error, MUR_CANCELLED, "stopped by request");
        mur_progress_update(&gathering->options->progress, gathering->seen, 0, "looking at files");
    }
    enum mur_status status = read_item(&item, &pair, path, &reason);
    if (status == MUR_OK)
        return add(gathering->list, &item, &pair, path, error);
    if (status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    gathering->options->passed_over(gathering->options->user, path, named, &reason);
    return MUR_OK;
}

static enum mur_status take_entry(void *user, const struct mur_walk_entry *entry, bool *skip,
                                  struct mur_error *error)
{
    struct gathering *gathering = user;
    if (entry->kind == MUR_WALK_DIRECTORY)
        *skip = !gathering->options->recurse;
    return entry->kind == MUR_WALK_FILE ? take_file(gathering, entry->path, false, error) : MUR_OK;
}

static int compare_pairs(const void *left, const void *right)
{
    const struct mur_send_pair *a = left;
    const struct mur_send_pair *b = right;
    int order = strcmp(a->sop_class, b->sop_class);
    return order != 0 ? order : strcmp(a->transfer_syntax, b->transfer_syntax);
}

/* Pairs sorted by class; items keep theirs. */
static enum mur_status sort_pairs(struct mur_send_list *list, struct mur_error *error)
{
    size_t *now_at = calloc(list->pair_count + 1, sizeof *now_at);
    struct mur_send_pair *before = calloc(list->pair_count + 1, sizeof *before);
    if (now_at == NULL || before == NULL) {
        free(now_at);
        free(before);
        return mur_error_no_memory(error);
    }
    if (list->pair_count > 0) {
        memcpy(before, list->pairs, list->pair_count * sizeof *before);
        qsort(list->pairs, list->pair_count, sizeof *list->pairs, compare_pairs);
    }
    for (size_t i = 0; i < list->pair_count; i++)
        for (size_t k = 0; k < list->pair_count; k++)
            if (same_pair(&before[i], &list->pairs[k]))
                now_at[i] = k;
    for (size_t i = 0; i < list->count; i++)
        list->items[i].pair = now_at[list->items[i].pair];
    free(now_at);
    free(before);
    return MUR_OK;
}

/* Where the class of the pair at @p index ends. */
static size_t end_of_class(const struct mur_send_list *list, size_t index)
{
    size_t end = index;
    while (end < list->pair_count &&
           strcmp(list->pairs[end].sop_class, list->pairs[index].sop_class) == 0)
        end++;
    return end;
}

/* Whole classes while they fit: as many contexts as pairs, and one to decode to. */
static void make_groups(struct mur_send_list *list)
{
    size_t room = MUR_MAX_PRESENTATION_CONTEXTS;
    for (size_t i = 0; i < list->pair_count;) {
        size_t end = end_of_class(list, i);
        /* More syntaxes of one class than fit cannot be: there are not so many; but a file may say
         * anything. */
        if (end - i > MUR_MAX_PRESENTATION_CONTEXTS - 1)
            end = i + MUR_MAX_PRESENTATION_CONTEXTS - 1;
        if (end - i + 1 > room) {
            list->group_count++;
            room = MUR_MAX_PRESENTATION_CONTEXTS;
        }
        room -= end - i + 1;
        for (; i < end; i++) {
            list->pairs[i].group = list->group_count;
            list->pairs[i].syntax = list->pairs[i].transfer_syntax;
        }
    }
    if (list->pair_count > 0)
        list->group_count++;
}

/* Stable: by counting. */
static enum mur_status order_by_group(struct mur_send_list *list, struct mur_error *error)
{
    if (list->group_count < 2)
        return MUR_OK;
    struct mur_send_item *ordered = calloc(list->count, sizeof *ordered);
    if (ordered == NULL)
        return mur_error_no_memory(error);
    size_t at = 0;
    for (unsigned group = 0; group < list->group_count; group++)
        for (size_t i = 0; i < list->count; i++)
            if (list->pairs[list->items[i].pair].group == group)
                ordered[at++] = list->items[i];
    free(list->items);
    list->items = ordered;
    list->capacity = list->count;
    return MUR_OK;
}

enum mur_status mur_send_list_gather(struct mur_send_list *out,
                                     const struct mur_send_list_options *options,
                                     struct mur_error *error)
{
    struct gathering gathering = {.list = out, .options = options};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < options->path_count; i++) {
        const char *path = options->paths[i];
        status = mur_directory_exists(path)
                     ? mur_directory_walk(path, take_entry, &gathering, error)
                     : take_file(&gathering, path, true, error);
    }
    if (status == MUR_OK)
        status = sort_pairs(out, error);
    if (status != MUR_OK)
        return status;
    make_groups(out);
    return order_by_group(out, error);
}

/* ---- contexts -------------------------------------------------------------------------------- */

static bool has_syntax(const struct mur_send_list *list, size_t begin, size_t end,
                       const char *transfer_syntax)
{
    for (size_t i = begin; i < end; i++)
        if (strcmp(list->pairs[i].transfer_syntax, transfer_syntax) == 0)
            return true;
    return false;
}

size_t mur_send_list_propose(struct mur_context_proposal out[MUR_MAX_PRESENTATION_CONTEXTS],
                             const struct mur_send_list *list, unsigned group)
{
    static const char *const native[] = {mur_uid_ExplicitVRLittleEndian,
                                         mur_uid_ImplicitVRLittleEndian};
    size_t count = 0;
    for (size_t i = 0; i < list->pair_count;) {
        size_t end = end_of_class(list, i);
        while (i < end && list->pairs[i].group < group)
            i++;
        size_t begin = i;
        for (; i < end && list->pairs[i].group == group; i++)
            out[count++] =
                (struct mur_context_proposal){.abstract_syntax = list->pairs[i].sop_class,
                                              .transfer_syntaxes = &list->pairs[i].syntax,
                                              .transfer_syntax_count = 1};
        bool has_explicit = has_syntax(list, begin, i, native[0]);
        bool has_implicit = has_syntax(list, begin, i, native[1]);
        if (i > begin && !(has_explicit && has_implicit))
            out[count++] = (struct mur_context_proposal){
                .abstract_syntax = list->pairs[begin].sop_class,
                .transfer_syntaxes = native + (has_explicit ? 1 : 0),
                .transfer_syntax_count = has_explicit || has_implicit ? 1 : 2};
        i = end;
    }
    return count;
}
