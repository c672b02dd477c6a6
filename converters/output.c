#include "converters/output.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/buffer.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/part10.h"

/* Temporary names lie beside the final ones, so that renaming is all that a commit does. */
#define PART ".part"

struct mur_file_output {
    char *folder; /* NULL: one file */
    char *file;
    char **names; /* final; written so far are names[i] and PART */
    size_t count;
    size_t capacity;
    bool made_folder;
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
    enum mur_status status = MUR_OK;
    if (file != NULL)
        status = mur_text_copy(&output->file, mur_slice_of(file), error);
    if (folder != NULL)
        status = mur_text_copy(&output->folder, mur_slice_of(folder), error);
    if (status == MUR_OK && folder != NULL && !mur_directory_exists(folder)) {
        status = mur_directory_create(folder, 0777, error);
        output->made_folder = status == MUR_OK;
    }
    if (status == MUR_OK)
        *out = MUR_STEAL(output);
    return status;
}

static enum mur_status add_name(struct mur_file_output *output, uint32_t number, uint32_t count,
                                struct mur_error *error)
{
    if (output->count == output->capacity) {
        size_t capacity = output->capacity == 0 ? 64 : output->capacity * 2;
        char **names = realloc(output->names, capacity * sizeof *names);
        if (names == NULL)
            return mur_error_no_memory(error);
        output->names = names;
        output->capacity = capacity;
    }
    char *name = NULL;
    enum mur_status status = MUR_OK;
    if (output->file != NULL && output->count > 0)
        status =
            mur_error_set(error, MUR_INVALID, "%s cannot hold several instances", output->file);
    else if (output->file != NULL)
        status = mur_text_copy(&name, mur_slice_of(output->file), error);
    else
        status = mur_text_format(&name, error, "%s/IM%0*" PRIu32 ".dcm", output->folder,
                                 count > 9999 ? 6 : 4, number);
    if (status == MUR_OK)
        output->names[output->count++] = name;
    return status;
}

static enum mur_status part_name(char **out, const char *name, struct mur_error *error)
{
    return mur_text_format(out, error, "%s" PART, name);
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
    enum mur_status status = mur_part10_write(&bytes, &head, error);
    if (status == MUR_OK)
        status = add_name(output, instance->number, instance->count, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_FREE char *part = NULL;
    status = part_name(&part, output->names[output->count - 1], error);
    if (status != MUR_OK)
        return status;
    output->descriptor = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (output->descriptor < 0)
        return mur_error_set_errno(error, errno, "%s", part);
    return mur_write_full(output->descriptor, bytes.data, bytes.length, part, error);
}

static enum mur_status write_file(void *user, const void *bytes, size_t length,
                                  struct mur_error *error)
{
    struct mur_file_output *output = user;
    return mur_write_full(output->descriptor, bytes, length, output->names[output->count - 1],
                          error);
}

static enum mur_status end_file(void *user, struct mur_error *error)
{
    struct mur_file_output *output = user;
    if (close(mur_steal_descriptor(&output->descriptor)) != 0)
        return mur_error_set_errno(error, errno, "%s", output->names[output->count - 1]);
    return MUR_OK;
}

enum mur_status mur_file_output_commit(struct mur_file_output *output, struct mur_error *error)
{
    while (output->count > 0) {
        const char *name = output->names[output->count - 1];
        MUR_AUTO_FREE char *part = NULL;
        enum mur_status status = part_name(&part, name, error);
        if (status != MUR_OK)
            return status;
        if (rename(part, name) != 0)
            return mur_error_set_errno(error, errno, "%s", name);
        free(output->names[--output->count]);
    }
    output->made_folder = false;
    return MUR_OK;
}

void mur_file_output_free(struct mur_file_output *output)
{
    if (output == NULL)
        return;
    if (output->descriptor >= 0)
        (void)close(output->descriptor);
    for (size_t index = 0; index < output->count; index++) {
        char *part = NULL;
        if (part_name(&part, output->names[index], NULL) == MUR_OK)
            (void)unlink(part);
        free(part);
        free(output->names[index]);
    }
    if (output->made_folder)
        (void)rmdir(output->folder);
    free(output->names);
    free(output->folder);
    free(output->file);
    free(output);
}

struct mur_output mur_file_output_of(struct mur_file_output *output)
{
    return (struct mur_output){
        .begin = begin_file, .write = write_file, .end = end_file, .user = output};
}
