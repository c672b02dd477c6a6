#include "converters/volumes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"

enum { GRADIENT_FILE_LIMIT = 64 * 1024 * 1024, GRADIENT_LIMIT = 1000000 };
static const double B0_LIMIT = 1e-9;
static const double NO_DIRECTION = 1e-6; /* length of a vector that is none */

/* ---- planning ------------------------------------------------------------------------------- */

static enum mur_status decide_kind(enum mur_volume_kind *out, const struct mur_nifti_header *header,
                                   const struct mur_volume_options *options, const char *path,
                                   struct mur_error *error)
{
    enum mur_volume_kind kind = options->kind;
    enum mur_volume_kind meant = MUR_VOLUMES_UNSAID;
    if (options->gradients != NULL)
        meant = MUR_VOLUMES_DIFFUSION;
    else if (options->echo_count > 0)
        meant = MUR_VOLUMES_ECHO;
    else if (options->contrast_count > 0)
        meant = MUR_VOLUMES_DIXON;
    if (options->gradients != NULL && options->echo_count > 0)
        return mur_error_set(error, MUR_INVALID,
                             "%s: its volumes cannot be both echoes and diffusion gradients", path);
    if (kind != MUR_VOLUMES_UNSAID && meant != MUR_VOLUMES_UNSAID && kind != meant)
        return mur_error_set(error, MUR_INVALID,
                             "%s: echo times, b-values or contrasts are given, but its volumes are "
                             "said to be of another kind",
                             path);
    if (kind == MUR_VOLUMES_UNSAID)
        kind = meant;
    if (kind == MUR_VOLUMES_UNSAID && header->volumes > 1) {
        /* NIFTI_UNITS_HZ, PPM, RADS: spectra and the like */
        if (header->time_unit > 24)
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "%s: xyzt_units says that dim[4] is no time; say what its %u "
                                 "volumes are",
                                 path, header->volumes);
        kind = MUR_VOLUMES_TIME;
    }
    *out = kind;
    return MUR_OK;
}

static enum mur_status check_shape(const struct mur_nifti_header *header, const char *path,
                                   struct mur_error *error)
{
    for (unsigned index = 5; index <= 7; index++)
        if (header->dim[index] > 1)
            return mur_error_set(error, MUR_UNSUPPORTED,
                                 "%s: dim[%u] is %lld: vectors (several values a voxel) are not "
                                 "images; split the file",
                                 path, index, (long long)header->dim[index]);
    if ((uint64_t)header->volumes * header->dims[2] > MUR_INSTANCE_LIMIT)
        return mur_error_set(
            error, MUR_LIMIT, "%s: dim[3] and dim[4] claim %llu images; at most %d are made", path,
            (unsigned long long)header->volumes * header->dims[2], MUR_INSTANCE_LIMIT);
    return MUR_OK;
}

static enum mur_status check_count(size_t count, const struct mur_nifti_header *header,
                                   const char *what, const char *path, struct mur_error *error)
{
    if (count == header->volumes)
        return MUR_OK;
    return mur_error_set(error, MUR_INVALID, "%s: %zu %s for %u volume%s", path, count, what,
                         header->volumes, header->volumes == 1 ? "" : "s");
}

static enum mur_status check_contrasts(const struct mur_volume_options *options,
                                       struct mur_error *error)
{
    if (options->contrast_count > MUR_VOLUME_SERIES_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "more than %d contrasts", MUR_VOLUME_SERIES_LIMIT);
    for (size_t index = 0; index < options->contrast_count; index++) {
        const char *name = options->contrasts[index];
        size_t length = strlen(name);
        if (length == 0 || length >= MUR_CONTRAST_SIZE ||
            strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != length)
            return mur_error_set(error, MUR_INVALID,
                                 "contrast \"%s\": up to 16 of A to Z, 0 to 9 and _ are possible",
                                 name);
        for (size_t other = 0; other < index; other++)
            if (strcmp(options->contrasts[other], name) == 0)
                return mur_error_set(error, MUR_INVALID, "contrast %s is named twice", name);
    }
    return MUR_OK;
}

static enum mur_status check_echoes(const struct mur_volume_options *options,
                                    const struct mur_nifti_header *header, const char *path,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    if (options->echo_count == 0)
        return mur_warn(warnings, error, "%s: the echo times of its volumes are not known", path);
    for (size_t index = 0; index < options->echo_count; index++)
        if (!isfinite(options->echo_times_ms[index]) || options->echo_times_ms[index] < 0)
            return mur_error_set(error, MUR_INVALID, "echo time %g ms is not possible",
                                 options->echo_times_ms[index]);
    return check_count(options->echo_count, header, "echo times", path, error);
}

enum mur_status mur_volume_plan_make(struct mur_volume_plan *out,
                                     const struct mur_nifti_header *header,
                                     const struct mur_volume_options *options, const char *path,
                                     struct mur_warnings *warnings, struct mur_error *error)
{
    struct mur_volume_plan plan = {.volumes = header->volumes, .series = 1, .options = options};
    enum mur_status status = check_shape(header, path, error);
    if (status == MUR_OK)
        status = decide_kind(&plan.kind, header, options, path, error);
    if (status != MUR_OK)
        return status;
    switch (plan.kind) {
    case MUR_VOLUMES_UNSAID:
        break;
    case MUR_VOLUMES_TIME:
        plan.time_step_ms =
            options->time_step_ms > 0 ? options->time_step_ms : mur_nifti_time_step_ms(header);
        if (plan.time_step_ms <= 0)
            status = mur_warn(warnings, error,
                              "%s: pixdim[4] and xyzt_units do not state the time from volume to "
                              "volume; volumes are numbered only",
                              path);
        break;
    case MUR_VOLUMES_ECHO:
        status = check_echoes(options, header, path, warnings, error);
        break;
    case MUR_VOLUMES_DIFFUSION:
        if (options->gradients == NULL)
            return mur_error_set(error, MUR_INVALID, "%s: diffusion needs b-values", path);
        status = check_count(options->gradients->count, header, "b-values", path, error);
        break;
    case MUR_VOLUMES_DIXON:
        plan.series = header->volumes;
        status = check_count(options->contrast_count, header, "contrasts", path, error);
        if (status == MUR_OK)
            status = check_contrasts(options, error);
        break;
    }
    if (status == MUR_OK)
        *out = plan;
    return status;
}

enum mur_status mur_volume_plan_text(struct mur_buffer *out, const struct mur_volume_plan *plan,
                                     struct mur_error *error)
{
    const struct mur_volume_options *options = plan->options;
    enum mur_status status = mur_buffer_append_format(out, error, "kind %d step %a",
                                                      (int)plan->kind, plan->time_step_ms);
    for (size_t index = 0; status == MUR_OK && index < options->echo_count; index++)
        status = mur_buffer_append_format(out, error, " echo %a", options->echo_times_ms[index]);
    for (size_t index = 0; status == MUR_OK && index < options->contrast_count; index++)
        status = mur_buffer_append_format(out, error, " contrast %s", options->contrasts[index]);
    const struct mur_gradients *gradients = options->gradients;
    for (size_t index = 0; status == MUR_OK && gradients != NULL && index < gradients->count;
         index++) {
        const struct mur_gradient *item = &gradients->items[index];
        status =
            mur_buffer_append_format(out, error, " b %a %a %a %a", item->b_value,
                                     item->direction[0], item->direction[1], item->direction[2]);
    }
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

static void copy_text(char *out, size_t size, struct mur_dataset *attributes, uint32_t tag)
{
    const char *text = NULL;
    if (out[0] == '\0' && attributes != NULL && mur_dataset_has_value(attributes, tag) &&
        mur_dataset_get_string(&text, attributes, tag, NULL) == MUR_OK && strlen(text) < size)
        memcpy(out, text, strlen(text) + 1);
}

void mur_volume_clock_read(struct mur_volume_clock *out, struct mur_dataset *attributes)
{
    static const uint32_t times[] = {MUR_TAG_AcquisitionTime, MUR_TAG_ContentTime,
                                     MUR_TAG_SeriesTime};
    struct mur_datetime parsed;
    memset(out, 0, sizeof *out);
    copy_text(out->date, sizeof out->date, attributes, MUR_TAG_AcquisitionDate);
    if (mur_datetime_parse_da(&parsed, mur_slice_of(out->date), NULL) != MUR_OK)
        out->date[0] = '\0';
    for (size_t index = 0; index < MUR_COUNT(times); index++) {
        copy_text(out->time, sizeof out->time, attributes, times[index]);
        if (mur_datetime_parse_tm(&parsed, mur_slice_of(out->time), NULL) != MUR_OK)
            out->time[0] = '\0';
    }
    if (out->time[0] == '\0')
        memcpy(out->time, "000000", sizeof "000000");
}

static void put_ds(struct mur_put *put, uint32_t tag, double value)
{
    char text[MUR_DS_SIZE];
    mur_ds_format(text, value, fabs(value) * 1e-7); /* what a float32 knows */
    mur_put_text(put, tag, text);
}

static void put_times(struct mur_put *put, const struct mur_volume_plan *plan,
                      const struct mur_volume_clock *clock, uint32_t volume)
{
    struct mur_datetime day, at;
    char text[MUR_TM_SIZE], date[MUR_DA_SIZE];
    if (put->status != MUR_OK)
        return;
    put->status = mur_datetime_parse_tm(&at, mur_slice_of(clock->time), put->error);
    if (put->status != MUR_OK)
        return;
    bool dated = mur_datetime_parse_da(&day, mur_slice_of(clock->date), NULL) == MUR_OK;
    at.year = dated ? day.year : 2000; /* any: only the time of day is used then */
    at.month = dated ? day.month : 1;
    at.day = dated ? day.day : 1;
    at.has_date = true;
    double offset_us = rint(plan->time_step_ms * 1000 * (double)volume);
    if (!(offset_us < 3e15)) {
        put->status = mur_error_set(put->error, MUR_LIMIT, "a time step of %g ms is not possible",
                                    plan->time_step_ms);
        return;
    }
    struct mur_datetime then = mur_datetime_of_us(mur_datetime_to_us(&at) + (int64_t)offset_us);
    if (then.microsecond == 0)
        then.precision = MUR_PRECISION_SECOND;
    mur_datetime_format_tm(text, &then);
    mur_put_text(put, MUR_TAG_AcquisitionTime, text);
    mur_put_text(put, MUR_TAG_ContentTime, text);
    if (dated) {
        mur_datetime_format_da(date, &then);
        mur_put_text(put, MUR_TAG_AcquisitionDate, date);
        mur_put_text(put, MUR_TAG_ContentDate, date);
    }
    mur_put_default(put, MUR_TAG_ContentDate, ""); /* 2C: images are related in time */
}

/* FSL's axes are those of the voxels, i reversed unless the file is left-handed already. */
static bool patient_direction(double out_lps[3], const struct mur_gradient *gradient,
                              const struct mur_volume_geometry *voxels)
{
    double normal[3], handedness = 0, length = 0;
    mur_geometry_normal(normal, voxels);
    for (unsigned row = 0; row < 3; row++)
        handedness += normal[row] * voxels->slice_dir_lps[row];
    double i = handedness > 0 ? -gradient->direction[0] : gradient->direction[0];
    for (unsigned row = 0; row < 3; row++) {
        out_lps[row] = i * voxels->row_dir_lps[row] +
                       gradient->direction[1] * voxels->column_dir_lps[row] +
                       gradient->direction[2] * voxels->slice_dir_lps[row];
        length += out_lps[row] * out_lps[row];
    }
    length = sqrt(length);
    if (!(length > NO_DIRECTION))
        return false;
    for (unsigned row = 0; row < 3; row++)
        out_lps[row] /= length;
    return true;
}

static void put_diffusion(struct mur_put *put, const struct mur_gradients *gradients,
                          const struct mur_volume_geometry *voxels, uint32_t volume)
{
    const struct mur_gradient *gradient = &gradients->items[volume];
    double direction[3];
    bool weighted = gradient->b_value > B0_LIMIT;
    bool directed =
        weighted && gradients->has_directions && patient_direction(direction, gradient, voxels);
    if (put->status == MUR_OK)
        put->status = mur_dataset_put_double(put->dataset, MUR_TAG_DiffusionBValue, MUR_VR_FD,
                                             gradient->b_value, put->error);
    /* Of a weighted volume without a vector nobody knows whether it is a trace. */
    if (directed || !weighted || gradients->has_directions)
        mur_put_text(put, MUR_TAG_DiffusionDirectionality,
                     directed   ? "DIRECTIONAL"
                     : weighted ? "ISOTROPIC"
                                : "NONE");
    else if (put->status == MUR_OK) /* the volume before may have said it */
        put->status = mur_dataset_remove(put->dataset, MUR_TAG_DiffusionDirectionality, put->error);
    if (put->status == MUR_OK && directed)
        put->status = mur_dataset_put_doubles(put->dataset, MUR_TAG_DiffusionGradientOrientation,
                                              MUR_VR_FD, direction, 3, put->error);
    else if (put->status == MUR_OK)
        put->status =
            mur_dataset_remove(put->dataset, MUR_TAG_DiffusionGradientOrientation, put->error);
}

void mur_volume_put(struct mur_put *put, const struct mur_volume_plan *plan,
                    const struct mur_volume_clock *clock, const struct mur_volume_geometry *voxels,
                    uint32_t volume)
{
    const struct mur_volume_options *options = plan->options;
    if (plan->volumes > 1 && plan->kind != MUR_VOLUMES_DIXON)
        mur_put_int(put, MUR_TAG_AcquisitionNumber, (int64_t)volume + 1);
    switch (plan->kind) {
    case MUR_VOLUMES_UNSAID:
    case MUR_VOLUMES_DIXON:
        break;
    case MUR_VOLUMES_TIME:
        mur_put_int(put, MUR_TAG_TemporalPositionIdentifier, (int64_t)volume + 1);
        mur_put_int(put, MUR_TAG_NumberOfTemporalPositions, plan->volumes);
        if (plan->time_step_ms > 0) {
            put_ds(put, MUR_TAG_TemporalResolution, plan->time_step_ms);
            put_times(put, plan, clock, volume);
        }
        break;
    case MUR_VOLUMES_ECHO:
        mur_put_int(put, MUR_TAG_EchoNumbers, (int64_t)volume + 1);
        if (options->echo_count > 0)
            put_ds(put, MUR_TAG_EchoTime, options->echo_times_ms[volume]);
        break;
    case MUR_VOLUMES_DIFFUSION:
        put_diffusion(put, options->gradients, voxels, volume);
        break;
    }
}

/* ---- FSL's files ----------------------------------------------------------------------------- */

struct table {
    double *values;
    size_t count, capacity;
    size_t rows;
};

static enum mur_status add_value(struct table *table, double value, struct mur_error *error)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 256 : table->capacity * 2;
        double *values = realloc(table->values, capacity * sizeof *values);
        if (values == NULL)
            return mur_error_no_memory(error);
        table->values = values;
        table->capacity = capacity;
    }
    table->values[table->count++] = value;
    return MUR_OK;
}

/* Rows of numbers; all of the same length. */
static enum mur_status read_table(struct table *out, const char *path, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = mur_file_read_all(&text, path, GRADIENT_FILE_LIMIT, error);
    if (status != MUR_OK)
        return status;
    const char *at = mur_buffer_text(&text);
    size_t columns = 0;
    while (status == MUR_OK && *at != '\0') {
        size_t line = strcspn(at, "\n"), before = out->count;
        const char *end = at + line;
        for (at += strspn(at, " \t\r,"); status == MUR_OK && at < end; at += strspn(at, " \t\r,")) {
            double value = 0;
            struct mur_slice word = {.data = at, .length = strcspn(at, " \t\r\n,")};
            if (mur_parse_double(&value, word, NULL) != MUR_OK)
                return mur_error_set(error, MUR_PARSE, "%s: row %zu: \"%.*s\" is no number", path,
                                     out->rows + 1, (int)(word.length < 40 ? word.length : 40),
                                     word.data);
            if (out->count >= (size_t)GRADIENT_LIMIT * 3)
                return mur_error_set(error, MUR_LIMIT, "%s: more than %d volumes", path,
                                     GRADIENT_LIMIT);
            status = add_value(out, value, error);
            at += word.length;
        }
        at = *end == '\0' ? end : end + 1;
        size_t here = out->count - before;
        if (here == 0)
            continue;
        if (columns != 0 && here != columns)
            return mur_error_set(error, MUR_PARSE, "%s: row %zu has %zu numbers, the first %zu",
                                 path, out->rows + 1, here, columns);
        columns = here;
        out->rows++;
    }
    return status;
}

static enum mur_status take_vectors(struct mur_gradients *gradients, const struct table *table,
                                    const char *path, struct mur_error *error)
{
    size_t count = gradients->count;
    bool by_rows = table->rows == 3 && table->count == 3 * count;
    if (!by_rows && !(table->rows == count && table->count == 3 * count))
        return mur_error_set(error, MUR_PARSE,
                             "%s: three rows of %zu numbers are needed, as there are b-values; it "
                             "has %zu rows of %zu",
                             path, count, table->rows,
                             table->rows > 0 ? table->count / table->rows : 0);
    for (size_t index = 0; index < count; index++)
        for (unsigned axis = 0; axis < 3; axis++)
            gradients->items[index].direction[axis] =
                table->values[by_rows ? axis * count + index : 3 * index + axis];
    gradients->has_directions = true;
    return MUR_OK;
}

void mur_gradients_free(struct mur_gradients *gradients)
{
    free(gradients->items);
    *gradients = (struct mur_gradients){.items = NULL};
}

enum mur_status mur_gradients_read(struct mur_gradients *out, const char *values_path,
                                   const char *vectors_path, struct mur_error *error)
{
    struct mur_gradients gradients = {.items = NULL};
    struct table values = {.values = NULL}, vectors = {.values = NULL};
    enum mur_status status = read_table(&values, values_path, error);
    if (status == MUR_OK && values.count == 0)
        status = mur_error_set(error, MUR_PARSE, "%s: no b-values", values_path);
    if (status == MUR_OK) {
        gradients.count = values.count;
        gradients.items = calloc(values.count, sizeof *gradients.items);
        if (gradients.items == NULL)
            status = mur_error_no_memory(error);
    }
    for (size_t index = 0; status == MUR_OK && index < values.count; index++) {
        gradients.items[index].b_value = values.values[index];
        if (!(values.values[index] >= 0) || !isfinite(values.values[index]))
            status = mur_error_set(error, MUR_INVALID, "%s: a b-value of %g is not possible",
                                   values_path, values.values[index]);
    }
    if (status == MUR_OK && vectors_path != NULL)
        status = read_table(&vectors, vectors_path, error);
    if (status == MUR_OK && vectors_path != NULL)
        status = take_vectors(&gradients, &vectors, vectors_path, error);
    free(values.values);
    free(vectors.values);
    if (status == MUR_OK)
        *out = gradients;
    else
        mur_gradients_free(&gradients);
    return status;
}
