#include "dicom/part10.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "dicom/attribute.h"
#include "dicom/transfer_syntax.h"
#include "dicom/vr.h"

enum {
    PREAMBLE_SIZE = 128,
    WINDOW_SIZE = 4096,     /* read at once; nearly every head fits */
    ELEMENT_LIMIT = 256,    /* of group 0002 */
    FIRST_VALUE_LIMIT = 256 /* what the first element of a bare Data Set may hold at most */
};

/* ---- writing ------------------------------------------------------------------------------- */

static enum mur_status put_element(struct mur_buffer *out, uint32_t tag, const char *vr,
                                   const void *value, size_t length, char padding,
                                   struct mur_error *error)
{
    bool long_length = strcmp(vr, "OB") == 0;
    size_t padded = length + (length & 1);
    unsigned char head[12] = {(unsigned char)(tag >> 16), (unsigned char)(tag >> 24),
                              (unsigned char)tag,         (unsigned char)(tag >> 8),
                              (unsigned char)vr[0],       (unsigned char)vr[1]};
    unsigned char *at = head + (long_length ? 8 : 6);
    at[0] = (unsigned char)padded;
    at[1] = (unsigned char)(padded >> 8);
    enum mur_status status = mur_buffer_append(out, head, long_length ? 12 : 8, error);
    if (status == MUR_OK)
        status = mur_buffer_append(out, value, length, error);
    if (status == MUR_OK && padded > length)
        status = mur_buffer_append(out, &padding, 1, error);
    return status;
}

static enum mur_status put_text(struct mur_buffer *out, uint32_t tag, const char *vr,
                                const char *text, struct mur_error *error)
{
    return put_element(out, tag, vr, text, strlen(text), strcmp(vr, "UI") == 0 ? '\0' : ' ', error);
}

enum mur_status mur_part10_write(struct mur_buffer *out, const struct mur_part10 *head,
                                 struct mur_error *error)
{
    static const char preamble[PREAMBLE_SIZE];
    static const unsigned char version[2] = {0, 1};
    if (head->transfer_syntax[0] == '\0' || head->sop_class[0] == '\0' ||
        head->sop_instance[0] == '\0')
        return mur_error_set(error, MUR_INVALID,
                             "a file needs SOP Class, SOP Instance and Transfer Syntax UID");
    MUR_AUTO_BUFFER struct mur_buffer group = MUR_BUFFER_INIT;
    enum mur_status status =
        put_element(&group, MUR_TAG_FileMetaInformationVersion, "OB", version, 2, 0, error);
    if (status == MUR_OK)
        status = put_text(&group, MUR_TAG_MediaStorageSOPClassUID, "UI", head->sop_class, error);
    if (status == MUR_OK)
        status =
            put_text(&group, MUR_TAG_MediaStorageSOPInstanceUID, "UI", head->sop_instance, error);
    if (status == MUR_OK)
        status = put_text(&group, MUR_TAG_TransferSyntaxUID, "UI", head->transfer_syntax, error);
    if (status == MUR_OK)
        status = put_text(&group, MUR_TAG_ImplementationClassUID, "UI",
                          MUR_IMPLEMENTATION_CLASS_UID, error);
    if (status == MUR_OK)
        status = put_text(&group, MUR_TAG_ImplementationVersionName, "SH",
                          MUR_IMPLEMENTATION_VERSION_NAME, error);
    if (status == MUR_OK && head->source_ae[0] != '\0')
        status =
            put_text(&group, MUR_TAG_SourceApplicationEntityTitle, "AE", head->source_ae, error);
    if (status != MUR_OK)
        return status;

    unsigned char length[4] = {(unsigned char)group.length, (unsigned char)(group.length >> 8), 0,
                               0};
    size_t before = out->length;
    status = mur_buffer_append(out, preamble, sizeof preamble, error);
    if (status == MUR_OK)
        status = mur_buffer_append(out, "DICM", 4, error);
    if (status == MUR_OK)
        status = put_element(out, MUR_TAG_FileMetaInformationGroupLength, "UL", length,
                             sizeof length, 0, error);
    if (status == MUR_OK)
        status = mur_buffer_append(out, group.data, group.length, error);
    if (status != MUR_OK)
        out->length = before;
    return status;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Bytes of a file, from memory or a descriptor. */
struct source {
    const char *name;
    int descriptor; /* -1: memory */
    const unsigned char *bytes;
    size_t length;
    unsigned char window[WINDOW_SIZE];
    uint64_t window_at;
    size_t window_length;
};

/* Points *out at up to @p wanted bytes (at most WINDOW_SIZE) from @p offset. */
static enum mur_status look(const unsigned char **out, size_t *have, struct source *source,
                            uint64_t offset, size_t wanted, struct mur_error *error)
{
    if (source->descriptor < 0) {
        uint64_t left = offset < source->length ? source->length - offset : 0;
        *out = source->bytes + (left > 0 ? offset : 0);
        *have = left < wanted ? (size_t)left : wanted;
        return MUR_OK;
    }
    if (source->window_length == 0 || offset < source->window_at ||
        offset + wanted > source->window_at + source->window_length) {
        size_t length = 0;
        enum mur_status status = mur_pread_full(&length, source->descriptor, source->window,
                                                WINDOW_SIZE, (off_t)offset, source->name, error);
        if (status != MUR_OK)
            return status;
        source->window_at = offset;
        source->window_length = length;
    }
    size_t at = (size_t)(offset - source->window_at);
    *out = source->window + at;
    *have = source->window_length - at < wanted ? source->window_length - at : wanted;
    return MUR_OK;
}

static unsigned little16(const unsigned char *at)
{
    return (unsigned)at[0] | (unsigned)at[1] << 8;
}

static uint32_t little32(const unsigned char *at)
{
    return little16(at) | (uint32_t)little16(at + 2) << 16;
}

static bool has_vr(const unsigned char *at)
{
    return mur_vr_from_name((const char *)at) != MUR_VR_NONE;
}

static void copy_uid(char out[MUR_UID_TEXT_SIZE], const unsigned char *value, size_t length)
{
    struct mur_slice uid =
        mur_uid_trim((struct mur_slice){.data = (const char *)value, .length = length});
    if (!mur_uid_acceptable(uid))
        return;
    memcpy(out, uid.data, uid.length);
    out[uid.length] = '\0';
}

static void copy_title(char out[17], const unsigned char *value, size_t length)
{
    struct mur_slice title = mur_slice_trim(
        mur_uid_trim((struct mur_slice){.data = (const char *)value, .length = length}));
    if (title.length > 16)
        return;
    memcpy(out, title.data, title.length);
    out[title.length] = '\0';
}

static void take_meta(struct mur_part10 *head, uint32_t tag, const unsigned char *value,
                      size_t length)
{
    if (tag == MUR_TAG_TransferSyntaxUID)
        copy_uid(head->transfer_syntax, value, length);
    else if (tag == MUR_TAG_MediaStorageSOPClassUID)
        copy_uid(head->sop_class, value, length);
    else if (tag == MUR_TAG_MediaStorageSOPInstanceUID)
        copy_uid(head->sop_instance, value, length);
    else if (tag == MUR_TAG_SourceApplicationEntityTitle)
        copy_title(head->source_ae, value, length);
}

/* Group 0002 from @p offset on; head->offset becomes where it ends. */
static enum mur_status read_meta(struct mur_part10 *head, struct source *source, uint64_t offset,
                                 struct mur_error *error)
{
    for (unsigned count = 0; count < ELEMENT_LIMIT; count++) {
        const unsigned char *at;
        size_t have;
        enum mur_status status = look(&at, &have, source, offset, 12, error);
        if (status != MUR_OK)
            return status;
        if (have < 2 || little16(at) != 0x0002) {
            head->offset = offset;
            return MUR_OK;
        }
        if (have < 8 || !has_vr(at + 4))
            break;
        uint32_t tag = MUR_TAG(little16(at), little16(at + 2));
        bool long_length = mur_vr_info(mur_vr_from_name((const char *)at + 4))->long_length;
        if (long_length && have < 12)
            break;
        uint32_t length = long_length ? little32(at + 8) : little16(at + 6);
        if (length == UINT32_MAX)
            break;
        offset += long_length ? 12 : 8;
        size_t wanted = length < WINDOW_SIZE ? length : 0; /* longer ones are passed over */
        status = look(&at, &have, source, offset, wanted, error);
        if (status != MUR_OK)
            return status;
        if (have < wanted)
            break;
        take_meta(head, tag, at, wanted);
        offset += length;
        if (wanted < length) { /* it must be there all the same */
            status = look(&at, &have, source, offset - 1, 1, error);
            if (status != MUR_OK)
                return status;
            if (have == 0)
                break;
        }
    }
    return mur_error_set(error, MUR_PARSE, "%s: the File Meta Information is damaged at byte %llu",
                         source->name, (unsigned long long)offset);
}

/* The encoding of a Data Set from its first element; NULL if it is none. */
static const char *guess(struct source *source, uint64_t offset)
{
    const unsigned char *at;
    size_t have;
    struct mur_error ignored = MUR_ERROR_INIT;
    if (look(&at, &have, source, offset, 12, &ignored) != MUR_OK || have < 8)
        return NULL;
    if (little16(at) == 0x0008 && little16(at + 2) <= 0x0100) {
        if (has_vr(at + 4))
            return mur_uid_ExplicitVRLittleEndian;
        return little32(at + 4) <= FIRST_VALUE_LIMIT ? mur_uid_ImplicitVRLittleEndian : NULL;
    }
    if (at[0] == 0 && at[1] == 0x08 && at[2] <= 0x01 && has_vr(at + 4))
        return mur_uid_ExplicitVRBigEndian;
    return NULL;
}

static enum mur_status read_head(struct mur_part10 *out, struct source *source,
                                 struct mur_error *error)
{
    const unsigned char *at;
    size_t have;
    struct mur_part10 head = {.bare = false};
    enum mur_status status = look(&at, &have, source, 0, PREAMBLE_SIZE + 4, error);
    if (status != MUR_OK)
        return status;
    bool whole = have == PREAMBLE_SIZE + 4 && memcmp(at + PREAMBLE_SIZE, "DICM", 4) == 0;
    bool no_preamble = have >= 4 && memcmp(at, "DICM", 4) == 0;
    bool meta_only = have >= 8 && little16(at) == 0x0002 && has_vr(at + 4);
    head.bare = !whole && !no_preamble && !meta_only;
    if (!head.bare) {
        status = read_meta(&head, source, whole ? PREAMBLE_SIZE + 4 : no_preamble ? 4 : 0, error);
        if (status != MUR_OK)
            return status;
    }
    if (head.transfer_syntax[0] == '\0') {
        const char *guessed = guess(source, head.offset);
        if (guessed == NULL)
            return mur_error_set(error, MUR_PARSE, "%s: not a DICOM file", source->name);
        memcpy(head.transfer_syntax, guessed, strlen(guessed) + 1);
    }
    *out = head;
    return MUR_OK;
}

enum mur_status mur_part10_read(struct mur_part10 *out, int descriptor, const char *name,
                                struct mur_error *error)
{
    struct stat details;
    if (fstat(descriptor, &details) != 0)
        return mur_error_set_errno(error, errno, "%s", name);
    if (!S_ISREG(details.st_mode))
        return mur_error_set(error, MUR_PARSE, "%s: not a DICOM file, nor a regular one", name);
    struct source source;
    source.name = name;
    source.descriptor = descriptor;
    source.bytes = NULL;
    source.length = 0;
    source.window_at = 0;
    source.window_length = 0;
    return read_head(out, &source, error);
}

enum mur_status mur_part10_parse(struct mur_part10 *out, const void *bytes, size_t length,
                                 const char *name, struct mur_error *error)
{
    struct source source;
    source.name = name;
    source.descriptor = -1;
    source.bytes = bytes;
    source.length = length;
    source.window_at = 0;
    source.window_length = 0;
    return read_head(out, &source, error);
}

bool mur_part10_is_marked(int descriptor)
{
    char mark[4] = "";
    size_t got = 0;
    return mur_pread_full(&got, descriptor, mark, sizeof mark, PREAMBLE_SIZE, "", NULL) == MUR_OK &&
           got == sizeof mark && memcmp(mark, "DICM", sizeof mark) == 0;
}
