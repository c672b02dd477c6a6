#include "converters/output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "converters/file_set.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/part10.h"

enum {
    NARROW_COUNT = 9999,
    NARROW_DIGITS = 4,
    WIDE_DIGITS = 8,
    GATHERED = 16 * 1024, /* smaller pieces wait for the next one */
};

struct mur_file_output {
    struct mur_file_set *files;
    char *folder; /* NULL: one file */
    char *file;
    char *current;  /* name of the file that is written */
    uint32_t count; /* of instances in all, as told with the last one */
    int descriptor;
    struct mur_buffer gathered;
    struct mur_file_output *second; /* its files go with ours */
};

enum mur_status mur_file_output_create(struct mur_file_output **out, const char *folder,
                                       const char *file, struct mur_error *error)
{
    if ((folder == NULL) == (file == NULL))
        return mur_error_set(error, MUR_INVALID, "either a folder or a file to write");
    MUR_AUTO(mur_file_output) *output = calloc(1, sizeof *output);
    if (output == NULL)
        return mur_error_no_memory(error);
    output->descriptor = -1;
    enum mur_status status = mur_file_set_create(&output->files, error);
    if (status == MUR_OK && file != NULL)
        status = mur_text_copy(&output->file, mur_slice_of(file), error);
    if (status == MUR_OK && folder != NULL)
        status = mur_text_copy(&output->folder, mur_slice_of(folder), error);
    if (status == MUR_OK && folder != NULL)
        status = mur_file_set_folder(output->files, folder, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(output);
    return status;
}

static int digits_of(uint32_t count)
{
    return count > NARROW_COUNT ? WIDE_DIGITS : NARROW_DIGITS;
}

static enum mur_status name_of(char **out, const struct mur_file_output *output, uint32_t number,
                               struct mur_error *error)
{
    if (output->file != NULL && number > 1)
        return mur_error_set(error, MUR_INVALID, "%s cannot hold several instances", output->file);
    if (output->file != NULL)
        return mur_text_copy(out, mur_slice_of(output->file), error);
    return mur_text_format(out, error, "%s/IM%0*" PRIu32 ".dcm", output->folder,
                           digits_of(output->count), number);
}

static enum mur_status begin_file(void *user, const struct mur_made_instance *instance,
                                  struct mur_error *error)
{
    struct mur_file_output *output = user;
    struct mur_part10 head = {.source_ae = ""};
    (void)snprintf(head.sop_class, sizeof head.sop_class, "%s", instance->sop_class);
    (void)snprintf(head.sop_instance, sizeof head.sop_instance, "%s", instance->sop_instance);
    (void)snprintf(head.transfer_syntax, sizeof head.transfer_syntax, "%s",
                   instance->transfer_syntax);
    output->count = instance->count;
    free(output->current);
    output->current = NULL;
    mur_buffer_clear(&output->gathered);
    enum mur_status status = mur_part10_write(&output->gathered, &head, error);
    if (status == MUR_OK)
        status = name_of(&output->current, output, instance->number, error);
    return status == MUR_OK
               ? mur_file_set_open(&output->descriptor, output->files, output->current, error)
               : status;
}

/* What was gathered and @p bytes in one call, which costs less than the two. */
static enum mur_status flush(struct mur_file_output *output, const void *bytes, size_t length,
                             struct mur_error *error)
{
    struct iovec vectors[2] = {
        {.iov_base = output->gathered.data, .iov_len = output->gathered.length},
        {.iov_base = (void *)(uintptr_t)bytes, .iov_len = length},
    };
    enum mur_status status =
        mur_pwritev_full(output->descriptor, vectors, 2, -1, output->current, error);
    mur_buffer_clear(&output->gathered);
    return status;
}

static enum mur_status write_file(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    struct mur_file_output *output = user;
    if (output->gathered.length + length <= GATHERED)
        return mur_buffer_append(&output->gathered, bytes, length, error);
    return flush(output, bytes, length, error);
}

static enum mur_status end_file(void *user, struct mur_error *error)
{
    struct mur_file_output *output = user;
    enum mur_status status = flush(output, NULL, 0, error);
    if (close(mur_steal_descriptor(&output->descriptor)) != 0 && status == MUR_OK)
        status = mur_error_set_errno(error, errno, "%s", output->current);
    return status;
}

/* Whether a name is one that some conversion gives. @param[out] ours  this one does */
static bool is_instance(const struct mur_file_output *output, const char *name, bool *ours)
{
    size_t length = strlen(name);
    if (length < sizeof "IM.dcm" || strncmp(name, "IM", 2) != 0 ||
        strcmp(name + length - 4, ".dcm") != 0)
        return false;
    int64_t number = 0;
    struct mur_slice digits = {.data = name + 2, .length = length - 6};
    if (strspn(name + 2, "0123456789") != digits.length)
        return false;
    *ours = digits.length == (size_t)digits_of(output->count) &&
            mur_parse_int64(&number, digits, 1, output->count, NULL) == MUR_OK;
    return true;
}

static bool read_head(struct mur_part10 *out, const char *folder, const char *name, const char *end)
{
    MUR_AUTO_FREE char *path = NULL;
    if (mur_text_format(&path, NULL, "%s/%s%s", folder, name, end) != MUR_OK)
        return false;
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return descriptor >= 0 && mur_part10_read(out, descriptor, path, NULL) == MUR_OK;
}

/* Whether the instance that is there under a name of ours is the one that gets it now. */
static bool is_same_instance(const struct mur_file_output *output, const char *name)
{
    struct mur_part10 old, new;
    return read_head(&old, output->folder, name, "") &&
           read_head(&new, output->folder, name, MUR_FILE_SET_PART) &&
           strcmp(old.sop_instance, new.sop_instance) == 0;
}

/* What another conversion left there would become part of this series, or be lost. */
static enum mur_status check_folder(const struct mur_file_output *output, struct mur_error *error)
{
    DIR *folder = opendir(output->folder);
    if (folder == NULL)
        return mur_error_set_errno(error, errno, "%s", output->folder);
    enum mur_status status = MUR_OK;
    const struct dirent *entry = NULL;
    while (status == MUR_OK && (entry = readdir(folder)) != NULL) {
        bool ours = false;
        if (is_instance(output, entry->d_name, &ours) &&
            !(ours && is_same_instance(output, entry->d_name)))
            status = mur_error_set(error, MUR_EXISTS,
                                   "%s/%s is of another conversion; give an empty folder",
                                   output->folder, entry->d_name);
    }
    (void)closedir(folder);
    return status;
}

enum mur_status mur_file_output_commit(struct mur_file_output *output, struct mur_error *error)
{
    enum mur_status status = output->folder != NULL ? check_folder(output, error) : MUR_OK;
    if (status == MUR_OK)
        status = mur_file_set_commit(output->files, error);
    if (status == MUR_OK && output->second != NULL)
        status = mur_file_set_commit(output->second->files, error);
    return status;
}

void mur_file_output_free(struct mur_file_output *output)
{
    if (output == NULL)
        return;
    mur_file_output_free(output->second); /* before the folders go */
    if (output->descriptor >= 0)
        (void)close(output->descriptor);
    mur_buffer_free(&output->gathered);
    mur_file_set_free(output->files);
    free(output->folder);
    free(output->file);
    free(output->current);
    free(output);
}

/* Its own names and descriptor, in the same folder: nothing to lock. */
static enum mur_status open_second(struct mur_output *out, void *user, struct mur_error *error)
{
    struct mur_file_output *output = user;
    enum mur_status status = MUR_OK;
    if (output->second == NULL)
        status = mur_file_output_create(&output->second, output->folder, NULL, error);
    if (status == MUR_OK)
        *out = mur_file_output_of(output->second);
    return status;
}

struct mur_output mur_file_output_of(struct mur_file_output *output)
{
    return (struct mur_output){
        .begin = begin_file,
        .write = write_file,
        .end = end_file,
        .second = output->folder != NULL ? open_second : NULL,
        .user = output,
    };
}
