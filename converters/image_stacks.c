#include "converters/image_stacks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "converters/stack_volumes.h"
#include "core/buffer.h"
#include "core/file.h"
#include "core/own.h"
#include "dicom/part10.h"
#include "dicom/sop_class.h"

enum { GROUP_LIMIT = 1000 };

/* Planes that may lie on one grid, before they are put in order. */
struct group {
    const struct mur_image_plane **planes;
    size_t count, capacity;
};

struct mur_image_set {
    struct mur_image_file **files;
    size_t file_count, file_capacity;
    struct mur_image_stack *stacks;
    size_t stack_count, stack_capacity;
    size_t refused;
    const bool *cancelled;
    const struct mur_progress *progress;
};

enum mur_status mur_image_set_create(struct mur_image_set **out, struct mur_error *error)
{
    *out = calloc(1, sizeof **out);
    return *out == NULL ? mur_error_no_memory(error) : MUR_OK;
}

void mur_image_set_free(struct mur_image_set *set)
{
    if (set == NULL)
        return;
    for (size_t index = 0; index < set->file_count; index++)
        mur_image_file_free(set->files[index]);
    for (size_t index = 0; index < set->stack_count; index++)
        free(set->stacks[index].planes);
    free(set->files);
    free(set->stacks);
    free(set);
}

size_t mur_image_set_refused_count(const struct mur_image_set *set)
{
    return set->refused;
}

size_t mur_image_set_stack_count(const struct mur_image_set *set)
{
    return set->stack_count;
}

const struct mur_image_stack *mur_image_set_stack(const struct mur_image_set *set, size_t index)
{
    return &set->stacks[index];
}

size_t mur_image_set_file_count(const struct mur_image_set *set)
{
    return set->file_count;
}

const struct mur_image_file *mur_image_set_file(const struct mur_image_set *set, size_t index)
{
    return set->files[index];
}

const struct mur_image_file *mur_image_stack_first(const struct mur_image_set *set,
                                                   const struct mur_image_stack *stack)
{
    return set->files[stack->planes[0]->file];
}

void mur_image_set_watch(struct mur_image_set *set, const bool *cancelled,
                         const struct mur_progress *progress)
{
    set->cancelled = cancelled;
    set->progress = progress;
}

/* ---- files ---------------------------------------------------------------------------------- */

static enum mur_status keep_file(struct mur_image_set *set, struct mur_image_file *file,
                                 struct mur_error *error)
{
    if (set->file_count >= MUR_IMAGE_FILE_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d files", MUR_IMAGE_FILE_LIMIT);
    if (set->file_count == set->file_capacity) {
        size_t capacity = set->file_capacity == 0 ? 256 : set->file_capacity * 2;
        struct mur_image_file **files = realloc(set->files, capacity * sizeof *files);
        if (files == NULL)
            return mur_error_no_memory(error);
        set->files = files;
        set->file_capacity = capacity;
    }
    for (uint32_t index = 0; index < file->plane_count; index++)
        file->planes[index].file = (uint32_t)set->file_count;
    set->files[set->file_count++] = file;
    return MUR_OK;
}

/* Whether a file should have been DICOM by its name: what was cut to nothing, for one. */
static bool is_called_dicom(const char *path)
{
    const char *name = strrchr(path, '/');
    const char *dot = strrchr(name != NULL ? name + 1 : path, '.');
    return dot == NULL || strcasecmp(dot, ".dcm") == 0 || strcasecmp(dot, ".ima") == 0;
}

static bool is_dicom(const char *path)
{
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct mur_part10 head;
    return descriptor >= 0 && mur_part10_read(&head, descriptor, path, NULL) == MUR_OK;
}

static enum mur_status add_file(struct mur_image_set *set, const char *path, const char *series,
                                bool lenient, struct mur_warnings *warnings,
                                struct mur_error *error)
{
    MUR_AUTO(mur_image_file) *file = NULL;
    struct mur_error why = MUR_ERROR_INIT;
    if (set->cancelled != NULL && __atomic_load_n(set->cancelled, __ATOMIC_RELAXED))
        return mur_error_set(error, MUR_CANCELLED, "stopped by request");
    if (set->progress != NULL)
        mur_progress_update(set->progress, set->file_count, 0, path);
    enum mur_status status = mur_image_file_read(&file, path, &why);
    if (lenient && status == MUR_MISMATCH && (is_dicom(path) || !is_called_dicom(path)))
        return MUR_OK; /* no image: a DICOMDIR, a report, a text */
    if (lenient && (status == MUR_MISMATCH || status == MUR_UNSUPPORTED))
        return mur_warn(warnings, error, "%s; passed over", why.message);
    if (status != MUR_OK)
        return mur_error_set(error, status, "%s", why.message);
    if (series != NULL && strcmp(series, file->series_instance) != 0)
        return MUR_OK;
    status = keep_file(set, file, error);
    if (status == MUR_OK)
        file = NULL; /* the set's now */
    return status;
}

struct adding {
    struct mur_image_set *set;
    const char *series;
    struct mur_warnings *warnings;
};

static enum mur_status on_entry(void *user, const struct mur_walk_entry *entry, bool *skip,
                                struct mur_error *error)
{
    (void)skip;
    struct adding *adding = user;
    if (entry->kind != MUR_WALK_FILE)
        return MUR_OK;
    return add_file(adding->set, entry->path, adding->series, true, adding->warnings, error);
}

enum mur_status mur_image_set_add(struct mur_image_set *set, const char *path, const char *series,
                                  struct mur_warnings *warnings, struct mur_error *error)
{
    if (!mur_directory_exists(path))
        return add_file(set, path, series, false, warnings, error);
    struct adding adding = {.set = set, .series = series, .warnings = warnings};
    return mur_directory_walk(path, on_entry, &adding, error);
}

enum mur_status mur_image_set_add_member(struct mur_image_set *set, const char *path,
                                         const char *series, struct mur_warnings *warnings,
                                         struct mur_error *error)
{
    return add_file(set, path, series, true, warnings, error);
}

/* ---- groups --------------------------------------------------------------------------------- */

static bool same_plane_shape(const struct mur_image_plane *a, const struct mur_image_plane *b)
{
    for (unsigned index = 0; index < 6; index++)
        if (!(fabs(a->orientation[index] - b->orientation[index]) < 1e-4))
            return false;
    for (unsigned index = 0; index < 2; index++)
        if (!(fabs(a->spacing[index] / b->spacing[index] - 1) < 1e-4))
            return false;
    return strcmp(a->kind, b->kind) == 0 && strcmp(a->component, b->component) == 0;
}

static bool is_float(enum mur_pixel_type type)
{
    return type == MUR_PIXEL_FLOAT32 || type == MUR_PIXEL_FLOAT64;
}

static bool same_file_shape(const struct mur_image_file *a, const struct mur_image_file *b)
{
    return a->rows == b->rows && a->columns == b->columns && a->samples == b->samples &&
           a->bits_allocated == b->bits_allocated && is_float(a->type) == is_float(b->type) &&
           strcmp(a->series_instance, b->series_instance) == 0;
}

static enum mur_status add_to_group(struct group *group, const struct mur_image_plane *plane,
                                    struct mur_error *error)
{
    if (group->count == group->capacity) {
        size_t capacity = group->capacity == 0 ? 64 : group->capacity * 2;
        const struct mur_image_plane **planes = realloc(group->planes, capacity * sizeof *planes);
        if (planes == NULL)
            return mur_error_no_memory(error);
        group->planes = planes;
        group->capacity = capacity;
    }
    group->planes[group->count++] = plane;
    return MUR_OK;
}

struct groups {
    struct group *items;
    size_t count, last; /* the one that was added to: the next plane is likely to follow */
    const struct mur_image_file *beside;   /* the last one that was found to be beside the point */
    const struct mur_image_file **refused; /* with keep_going: of each series that is left out */
    size_t refused_count;
};

static void free_groups(struct groups *groups)
{
    for (size_t index = 0; index < groups->count; index++)
        free(groups->items[index].planes);
    free(groups->items);
    free(groups->refused);
}

static enum mur_status sort_in(struct groups *groups, const struct mur_image_set *set,
                               const struct mur_image_plane *plane, struct mur_error *error)
{
    const struct mur_image_file *file = set->files[plane->file];
    if (!plane->placed)
        return mur_error_set(error, MUR_PARSE,
                             "%s: frame %" PRIu32 " does not say where it lies: no Image Position "
                             "(0020,0032), Image Orientation (0020,0037) or Pixel Spacing "
                             "(0028,0030)",
                             file->path, plane->frame + 1);
    for (size_t step = 0; step < groups->count; step++) {
        size_t index = (groups->last + step) % groups->count;
        struct group *group = &groups->items[index];
        const struct mur_image_file *other = set->files[group->planes[0]->file];
        if (!same_plane_shape(plane, group->planes[0]) || !same_file_shape(file, other))
            continue;
        if (file->is_signed != other->is_signed)
            return mur_error_set(
                error, MUR_MISMATCH,
                "%s has %s pixels where %s, of the same series, has %s ones (Pixel "
                "Representation (0028,0103)): one of them is wrong",
                file->path, file->is_signed ? "signed" : "unsigned", other->path,
                other->is_signed ? "signed" : "unsigned");
        groups->last = index;
        return add_to_group(group, plane, error);
    }
    if (groups->count == GROUP_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: more than %d different orientations, sizes and kinds of images",
                             file->path, GROUP_LIMIT);
    groups->last = groups->count++;
    return add_to_group(&groups->items[groups->last], plane, error);
}

static bool is_placed(const struct mur_image_file *file)
{
    for (uint32_t frame = 0; frame < file->plane_count; frame++)
        if (file->planes[frame].placed)
            return true;
    return false;
}

/* Whether no image of a file's series says where it lies, although others of the set do. */
static bool is_beside_the_point(const struct mur_image_set *set, const struct mur_image_file *file)
{
    bool others = false;
    for (size_t index = 0; index < set->file_count; index++) {
        if (!is_placed(set->files[index]))
            continue;
        if (strcmp(set->files[index]->series_instance, file->series_instance) == 0)
            return false;
        others = true;
    }
    return others;
}

static enum mur_status sort_file_in(struct groups *groups, const struct mur_image_set *set,
                                    const struct mur_image_file *file,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    if (file->plane_count > 0 && !is_placed(file)) {
        if (groups->beside != NULL &&
            strcmp(groups->beside->series_instance, file->series_instance) == 0)
            return MUR_OK;
        if (is_beside_the_point(set, file)) {
            groups->beside = file;
            return mur_warn(warnings, error,
                            "series %s: does not say where its images lie, and is passed over",
                            file->series_instance);
        }
    }
    enum mur_status status = MUR_OK;
    for (uint32_t frame = 0; status == MUR_OK && frame < file->plane_count; frame++)
        status = sort_in(groups, set, &file->planes[frame], error);
    return status;
}

static int compare_instances(const void *a_pointer, const void *b_pointer)
{
    const struct mur_image_file *a = *(struct mur_image_file *const *)a_pointer;
    const struct mur_image_file *b = *(struct mur_image_file *const *)b_pointer;
    int order = strcmp(a->sop_instance, b->sop_instance);
    return order != 0 ? order : strcmp(a->path, b->path);
}

/* Not all that have one UID are copies: some writers give one to all slices. */
static bool is_copy(const struct mur_image_file *a, const struct mur_image_file *b)
{
    return a->sop_instance[0] != '\0' && strcmp(a->sop_instance, b->sop_instance) == 0 &&
           a->number == b->number && a->pixel_length == b->pixel_length &&
           memcmp(a->planes[0].position, b->planes[0].position, sizeof a->planes[0].position) == 0;
}

/* Copies would make a second volume. */
static enum mur_status drop_copies(struct mur_image_set *set, struct mur_warnings *warnings,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE struct mur_image_file **sorted = malloc(set->file_count * sizeof *sorted);
    if (sorted == NULL)
        return mur_error_no_memory(error);
    memcpy(sorted, set->files, set->file_count * sizeof *sorted);
    qsort(sorted, set->file_count, sizeof *sorted, compare_instances);
    size_t copies = 0;
    const char *first = "";
    for (size_t index = 1; index < set->file_count; index++) {
        struct mur_image_file *file = sorted[index];
        if (!is_copy(file, sorted[index - 1]))
            continue;
        file->plane_count = 0;
        file->has_nifti_original = false;
        if (copies++ == 0)
            first = file->path;
    }
    if (copies == 0)
        return MUR_OK;
    return mur_warn(
        warnings, error,
        "%zu file%s of others by SOP Instance UID (0008,0018) and place, and passed over: "
        "%s%s",
        copies, copies == 1 ? " is a copy" : "s are copies", first,
        copies > 1 ? " and others" : "");
}

/* Leaves out what is wrong in itself, if that is wanted; @return the status otherwise. */
static enum mur_status leave_out(struct mur_image_set *set, const struct mur_stack_options *options,
                                 enum mur_status status, struct mur_warnings *warnings,
                                 struct mur_error *error)
{
    if (!options->keep_going || (status != MUR_MISMATCH && status != MUR_PARSE))
        return status;
    set->refused++;
    struct mur_error why = MUR_ERROR_INIT;
    if (error != NULL)
        why = *error;
    return mur_warn(warnings, error, "%s; left out", why.message);
}

static bool is_refused(const struct groups *groups, const struct mur_image_file *file)
{
    for (size_t index = 0; index < groups->refused_count; index++)
        if (strcmp(groups->refused[index]->series_instance, file->series_instance) == 0)
            return true;
    return false;
}

static enum mur_status refuse_series(struct groups *groups, const struct mur_image_file *file,
                                     struct mur_error *error)
{
    const struct mur_image_file **refused =
        realloc(groups->refused, (groups->refused_count + 1) * sizeof *refused);
    if (refused == NULL)
        return mur_error_no_memory(error);
    groups->refused = refused;
    groups->refused[groups->refused_count++] = file;
    return MUR_OK;
}

static enum mur_status make_groups(struct groups *groups, struct mur_image_set *set,
                                   const struct mur_stack_options *options,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    groups->items = calloc(GROUP_LIMIT, sizeof *groups->items);
    if (groups->items == NULL)
        return mur_error_no_memory(error);
    for (size_t index = 0; status == MUR_OK && index < set->file_count; index++) {
        const struct mur_image_file *file = set->files[index];
        if (is_refused(groups, file))
            continue;
        status = sort_file_in(groups, set, file, warnings, error);
        if (status == MUR_OK)
            continue;
        status = leave_out(set, options, status, warnings, error);
        if (status == MUR_OK)
            status = refuse_series(groups, file, error);
    }
    return status;
}

/* ---- stacks --------------------------------------------------------------------------------- */

static enum mur_status add_stack(void *user, struct mur_image_stack *stack, struct mur_error *error)
{
    struct mur_image_set *set = user;
    if (set->stack_count == set->stack_capacity) {
        size_t capacity = set->stack_capacity == 0 ? 8 : set->stack_capacity * 2;
        struct mur_image_stack *stacks = realloc(set->stacks, capacity * sizeof *stacks);
        if (stacks == NULL)
            return mur_error_no_memory(error);
        set->stacks = stacks;
        set->stack_capacity = capacity;
    }
    set->stacks[set->stack_count++] = *stack;
    return MUR_OK;
}

/* Values: as they are stored, or rescaled where planes are rescaled differently. */
static enum mur_status choose_values(struct mur_image_stack *stack, const struct mur_image_set *set,
                                     struct mur_warnings *warnings, struct mur_error *error)
{
    const struct mur_image_file *first = mur_image_stack_first(set, stack);
    size_t count = (size_t)stack->volumes * stack->geometry.dims[2];
    if (strstr(stack->kind, "MOSAIC") != NULL) {
        enum mur_status status = mur_warn(warnings, error,
                                          "series %s: Image Type (0008,0008) says MOSAIC; slices "
                                          "that stand beside each other in one image stay there",
                                          first->series_instance);
        if (status != MUR_OK)
            return status;
    }
    stack->stored = stack->type = first->type;
    stack->slope = stack->planes[0]->slope;
    stack->intercept = stack->planes[0]->intercept;
    if (first->type == MUR_PIXEL_RGB24) {
        stack->slope = 1;
        stack->intercept = 0;
        return MUR_OK;
    }
    for (size_t index = 1; index < count; index++) {
        const struct mur_image_plane *plane = stack->planes[index];
        if (plane->slope == stack->slope && plane->intercept == stack->intercept)
            continue;
        stack->type = first->type == MUR_PIXEL_FLOAT64 ? MUR_PIXEL_FLOAT64 : MUR_PIXEL_FLOAT32;
        stack->slope = 1;
        stack->intercept = 0;
        return mur_warn(warnings, error,
                        "series %s: Rescale Slope or Intercept differ from slice to slice: values "
                        "are written rescaled, as %s",
                        first->series_instance, mur_pixel_type_name(stack->type));
    }
    return MUR_OK;
}

static int compare_stacks(const void *a_pointer, const void *b_pointer, void *user)
{
    const struct mur_image_set *set = user;
    const struct mur_image_stack *a = a_pointer, *b = b_pointer;
    const struct mur_image_file *of_a = mur_image_stack_first(set, a);
    const struct mur_image_file *of_b = mur_image_stack_first(set, b);
    if (of_a->series_number != of_b->series_number)
        return of_a->series_number < of_b->series_number ? -1 : 1;
    int order = strcmp(of_a->series_instance, of_b->series_instance);
    if (order == 0)
        order = strcmp(a->kind, b->kind);
    if (order == 0)
        order = strcmp(a->planes[0]->component, b->planes[0]->component);
    if (order == 0)
        order = (a->slab > b->slab) - (a->slab < b->slab);
    if (order == 0)
        order = (of_a->number > of_b->number) - (of_a->number < of_b->number);
    return order != 0 ? order
                      : (a->planes[0]->file > b->planes[0]->file) -
                            (a->planes[0]->file < b->planes[0]->file);
}

enum mur_status mur_image_set_arrange(struct mur_image_set *set,
                                      const struct mur_stack_options *options,
                                      struct mur_warnings *warnings, struct mur_error *error)
{
    if (set->file_count == 0)
        return mur_error_set(error, MUR_NOT_FOUND, "no DICOM images");
    struct groups groups = {.items = NULL};
    enum mur_status status = drop_copies(set, warnings, error);
    if (status == MUR_OK)
        status = make_groups(&groups, set, options, warnings, error);
    for (size_t index = 0; status == MUR_OK && index < groups.count; index++) {
        const struct group *group = &groups.items[index];
        if (is_refused(&groups, set->files[group->planes[0]->file]))
            continue;
        status = mur_stack_planes(group->planes, group->count, set, options->allow_gaps, add_stack,
                                  set, warnings, error);
        if (status != MUR_OK)
            status = leave_out(set, options, status, warnings, error);
    }
    free_groups(&groups);
    if (status == MUR_OK && set->stack_count == 0)
        return mur_error_set(error, set->refused > 0 ? MUR_MISMATCH : MUR_NOT_FOUND,
                             "no DICOM images that can be arranged");
    for (size_t index = 0; status == MUR_OK && index < set->stack_count; index++)
        status = choose_values(&set->stacks[index], set, warnings, error);
    if (status == MUR_OK)
        qsort_r(set->stacks, set->stack_count, sizeof *set->stacks, compare_stacks, set);
    return status;
}

/* ---- slices --------------------------------------------------------------------------------- */

size_t mur_image_stack_slice_size(const struct mur_image_stack *stack)
{
    return (size_t)stack->geometry.dims[0] * stack->geometry.dims[1] * mur_pixel_size(stack->type);
}

enum mur_status mur_image_stack_read(const void **out, struct mur_plane_reader *reader,
                                     const struct mur_image_set *set,
                                     const struct mur_image_stack *stack, uint32_t volume,
                                     uint32_t slice, struct mur_error *error)
{
    if (volume >= stack->volumes || slice >= stack->geometry.dims[2])
        return mur_error_set(error, MUR_INVALID, "slice %" PRIu32 " of volume %" PRIu32, slice + 1,
                             volume + 1);
    const struct mur_image_plane *plane =
        stack->planes[(size_t)volume * stack->geometry.dims[2] + slice];
    const struct mur_image_file *file = set->files[plane->file];
    if (stack->type == stack->stored)
        return mur_plane_read(out, reader, file, plane->frame, error);
    return mur_plane_read_rescaled(out, reader, file, plane->frame, stack->type, error);
}
