#include "converters/output.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "converters/file_set.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/part10.h"

enum { NARROW_COUNT = 9999, NARROW_DIGITS = 4, WIDE_DIGITS = 8 };

struct mur_file_output {
    struct mur_file_set *files;
    char *folder; /* NULL: one file */
    char *file;
    char *current;  /* name of the file that is written */
    uint32_t count; /* of instances in all, as told with the last one */
    int descriptor;
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
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    (void)snprintf(head.sop_class, sizeof head.sop_class, "%s", instance->sop_class);
    (void)snprintf(head.sop_instance, sizeof head.sop_instance, "%s", instance->sop_instance);
    (void)snprintf(head.transfer_syntax, sizeof head.transfer_syntax, "%s",
                   instance->transfer_syntax);
    output->count = instance->count;
    free(output->current);
    output->current = NULL;
    enum mur_status status = mur_part10_write(&bytes, &head, error);
    if (status == MUR_OK)
        status = name_of(&output->current, output, instance->number, error);
    if (status == MUR_OK)
        status = mur_file_set_open(&output->descriptor, output->files, output->current, error);
    if (status == MUR_OK)
        status =
            mur_write_full(output->descriptor, bytes.data, bytes.length, output->current, error);
    return status;
}

static enum mur_status write_file(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    struct mur_file_output *output = user;
    return mur_write_full(output->descriptor, bytes, length, output->current, error);
}

static enum mur_status end_file(void *user, struct mur_error *error)
{
    struct mur_file_output *output = user;
    if (close(mur_steal_descriptor(&output->descriptor)) != 0)
        return mur_error_set_errno(error, errno, "%s", output->current);
    return MUR_OK;
}

/* Whether a name in the folder is one that name_of() gives to some other conversion alone. */
static bool is_foreign(const struct mur_file_output *output, const char *name)
{
    size_t length = strlen(name);
    if (length < sizeof "IM.dcm" || strncmp(name, "IM", 2) != 0 ||
        strcmp(name + length - 4, ".dcm") != 0)
        return false;
    int64_t number = 0;
    struct mur_slice digits = {.data = name + 2, .length = length - 6};
    if (strspn(name + 2, "0123456789") != digits.length)
        return false;
    return digits.length != (size_t)digits_of(output->count) ||
           mur_parse_int64(&number, digits, 1, output->count, NULL) != MUR_OK;
}

/* What an earlier, longer conversion left there would become part of this series. */
static enum mur_status check_folder(const struct mur_file_output *output, struct mur_error *error)
{
    DIR *folder = opendir(output->folder);
    if (folder == NULL)
        return mur_error_set_errno(error, errno, "%s", output->folder);
    enum mur_status status = MUR_OK;
    const struct dirent *entry = NULL;
    while (status == MUR_OK && (entry = readdir(folder)) != NULL)
        if (is_foreign(output, entry->d_name))
            status = mur_error_set(error, MUR_EXISTS,
                                   "%s/%s is of another conversion; give an empty folder",
                                   output->folder, entry->d_name);
    (void)closedir(folder);
    return status;
}

enum mur_status mur_file_output_commit(struct mur_file_output *output, struct mur_error *error)
{
    enum mur_status status = output->folder != NULL ? check_folder(output, error) : MUR_OK;
    return status == MUR_OK ? mur_file_set_commit(output->files, error) : status;
}

void mur_file_output_free(struct mur_file_output *output)
{
    if (output == NULL)
        return;
    if (output->descriptor >= 0)
        (void)close(output->descriptor);
    mur_file_set_free(output->files);
    free(output->folder);
    free(output->file);
    free(output->current);
    free(output);
}

struct mur_output mur_file_output_of(struct mur_file_output *output)
{
    return (struct mur_output){
        .begin = begin_file, .write = write_file, .end = end_file, .user = output};
}
