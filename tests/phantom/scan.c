#include "tests/phantom/scan.h"

#include "tests/phantom/nifti.h"
#include "tests/phantom/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OUTLINES_MAX = 16, CT_OFFSET = 1024 };

static const double mr_full_scale = 40000; /* as uint16: above 32767 on purpose */
static const double mr_slope = 0.0125;     /* of int16 images */

/* ---- image ---- */

struct image {
    const struct scan *scan;
    char path[PATH_SIZE];
    struct nifti_writer *nifti; /* NULL: DICOM */
    struct dicom_series series;
    char texts[12][DICOM_UID_SIZE];
};

/* Stores the slice's values as the scan's sample type; returns the bytes of one sample. */
static size_t quantise(void *out, const float *values, size_t count, const struct scan *scan)
{
    const bool is_ct = kind_is_ct(scan->kind);
    const enum sample_type type = scan->style->sample;
    if (type == FLOAT32) {
        float *samples = out;
        for (size_t v = 0; v < count; v++)
            samples[v] = is_ct ? values[v] : values[v] * 1000.0F;
        return sizeof *samples;
    }
    const float scale = is_ct ? 1.0F : type == UINT16 ? (float)mr_full_scale : 30000.0F;
    const float offset = is_ct && type == UINT16 ? (float)CT_OFFSET : 0.0F;
    const float low = type == UINT16 ? 0.0F : -32768.0F;
    const float high = type == UINT16 ? 65535.0F : 32767.0F;
    uint16_t *samples = out;
    for (size_t v = 0; v < count; v++) {
        float value = fminf(high, fmaxf(low, rintf(values[v] * scale + offset)));
        samples[v] = type == UINT16 ? (uint16_t)value : (uint16_t)(int16_t)value;
    }
    return sizeof *samples;
}

static void open_nifti(struct image *image)
{
    static const enum nifti_type types[] = {
        [INT16] = NIFTI_INT16, [UINT16] = NIFTI_UINT16, [FLOAT32] = NIFTI_FLOAT32};
    const struct scan *scan = image->scan;
    const bool is_ct = kind_is_ct(scan->kind);
    struct nifti_header header = {
        .grid = scan->grid,
        .type = types[scan->style->sample],
        .qform_only = (scan->style->flags & QFORM_ONLY) != 0,
        .microns = (scan->style->flags & MICRONS) != 0,
        .description = scan->kind->name,
    };
    if (is_ct && scan->style->sample == UINT16) {
        header.slope = 1;
        header.intercept = -CT_OFFSET;
    } else if (!is_ct && scan->style->sample == INT16) {
        header.slope = (float)mr_slope;
    }
    image->nifti = nifti_create(image->path, &header);
}

static void format_time(char out[DICOM_UID_SIZE], int minutes)
{
    format_text(out, DICOM_UID_SIZE, "%02d%02d00", 8 + minutes / 60, minutes % 60);
}

/* The scanner knows nothing of the study's names: it has its own patient, dates and UIDs. */
static void describe_series(struct image *image)
{
    enum { NAME, BIRTH, AGE, WEIGHT, STUDY, DATE, TIME, STUDY_ID, SERIES, SERIES_TIME, FRAME };
    const struct scan *scan = image->scan;
    const struct session *session = scan->session;
    const struct animal *animal = session->animal;
    const struct kind *kind = scan->kind;
    char key[160];
    format_text(image->texts[NAME], DICOM_UID_SIZE, "%s^Mouse", animal->scanner_id);
    format_date(image->texts[BIRTH], session->day - session->age_days, false);
    format_text(image->texts[AGE], DICOM_UID_SIZE, "%03dD", session->age_days);
    format_text(image->texts[WEIGHT], DICOM_UID_SIZE, "%.4f", session->weight / 1000);
    format_date(image->texts[DATE], session->day, false);
    format_time(image->texts[TIME], 15 * (int)animal->index);
    format_time(image->texts[SERIES_TIME], 15 * (int)animal->index + 2 * (int)scan->number);
    format_text(image->texts[STUDY_ID], DICOM_UID_SIZE, "%u%02u", session->week, animal->index + 1);
    format_text(key, sizeof key, "study %s", kind->device->model);
    dicom_uid(image->texts[STUDY], session->seed, key);
    format_text(key, sizeof key, "frame %s", kind->device->model);
    dicom_uid(image->texts[FRAME], session->seed, key);
    dicom_uid(image->texts[SERIES], scan->seed, "series");
    image->series = (struct dicom_series){
        .is_ct = kind_is_ct(kind),
        .patient_name = image->texts[NAME],
        .patient_id = animal->scanner_id,
        .birth_date = image->texts[BIRTH],
        .age = image->texts[AGE],
        .weight_kg = image->texts[WEIGHT],
        .study_uid = image->texts[STUDY],
        .study_date = image->texts[DATE],
        .study_time = image->texts[TIME],
        .study_id = image->texts[STUDY_ID],
        .study_description = kind_is_ct(kind) ? "uCT mouse" : "mouse abdomen",
        .series_uid = image->texts[SERIES],
        .series_time = image->texts[SERIES_TIME],
        .series_description = kind->name,
        .protocol_name = kind_is_ct(kind) ? "whole body" : kind->sequence_name,
        .frame_of_reference_uid = image->texts[FRAME],
        .manufacturer =
            strcmp(kind->device->brand, "other") == 0 ? "Virtual Tomography" : kind->device->brand,
        .model = kind->device->model,
        .institution = animal->study->affiliation,
        .operators = "J\xc3\xa4ger^K",
        .image_type = kind->image_type,
        .contrast_agent = kind->agent,
        .series_number = scan->number,
        .uid_seed = scan->seed,
        .grid = scan->grid,
        .slice_thickness = round(1e4 * grid_spacing(&scan->grid, 2) * (1 - kind->slice_gap)) / 1e4,
        .is_signed = scan->style->sample == INT16,
        .intercept = scan->style->sample == INT16 ? 0 : -CT_OFFSET,
        .kvp = kind->kilovolt,
        .tube_current_ua = kind->microampere,
        .exposure_ms = kind->exposure_ms,
        .tr_ms = kind->acquisition.tr_ms,
        .te_ms = kind->acquisition.te_ms,
        .flip_degrees = kind->acquisition.flip_degrees,
        .averages = kind->averages,
        .field_tesla = kind->device->field_tesla,
        .b_value = kind->acquisition.b_value,
        .scanning_sequence = kind->scanning_sequence,
        .sequence_name = kind->sequence_name,
    };
}

/* File names in an order that says nothing of the slices': neighbours lie a stride apart. */
static unsigned file_number(unsigned k, unsigned count)
{
    unsigned stride = 7; /* a prime: every number comes once unless it divides the count */
    while (count % stride == 0)
        stride += stride % 3 == 2 ? 6 : 4; /* 11, 17, 23, 29: primes, too */
    return (k * stride + count / 3) % count + 1;
}

/* CT counts from the tail; MR acquires every second slice first. */
static unsigned instance_number(const struct scan *scan, unsigned k)
{
    unsigned count = scan->grid.size[2];
    if (kind_is_ct(scan->kind))
        return count - k;
    return k % 2 == 0 ? k / 2 + 1 : (count + 1) / 2 + k / 2 + 1;
}

static void write_image_slice(struct image *image, void *samples, const float *values, unsigned k)
{
    const unsigned *size = image->scan->grid.size;
    size_t count = (size_t)size[0] * size[1];
    size_t bytes = quantise(samples, values, count, image->scan);
    if (image->nifti != NULL) {
        nifti_write(image->nifti, samples, count * bytes);
        return;
    }
    char path[PATH_SIZE];
    format_text(path, sizeof path, "%s/IM_%04u.dcm", image->path, file_number(k, size[2]));
    dicom_write_slice(path, &image->series, k, instance_number(image->scan, k), samples);
}

/* ---- outlines ---- */

/* One label file: which value each tissue gets. */
struct outline_file {
    struct nifti_writer *nifti;
    uint16_t values[TISSUE_COUNT];
    bool is_int16;
    bool flipped;
};

static void open_outline(struct outline_file *file, const char *folder, const struct scan *scan,
                         const struct organ *organ)
{
    char relative[PATH_SIZE];
    char path[PATH_SIZE];
    memset(file->values, 0, sizeof file->values);
    file->is_int16 = (scan->style->flags & LABELS_INT16) != 0;
    file->flipped = (scan->style->flags & LABEL_ROWS_FLIPPED) != 0;
    struct nifti_header header = {
        .grid = file->flipped ? grid_flip_rows(&scan->grid) : scan->grid,
        .type = file->is_int16 ? NIFTI_INT16 : NIFTI_UINT8,
        .qform_only = (scan->style->flags & QFORM_ONLY) != 0,
        .microns = (scan->style->flags & MICRONS) != 0,
        .description = "outline",
    };
    scan_label_path(relative, scan, organ);
    format_text(path, sizeof path, "%s/%s", folder, relative);
    file->nifti = nifti_create(path, &header);
}

static void set_values(struct outline_file *file, tissue_set tissues, int value)
{
    for (int t = 0; t < TISSUE_COUNT; t++) {
        if (((tissues >> t) & 1) != 0)
            file->values[t] = (uint16_t)value;
    }
}

static size_t open_outlines(struct outline_file files[OUTLINES_MAX], const char *folder,
                            const struct scan *scan)
{
    size_t count = 0;
    if (scan->style->outline != ONE_FILE && scan->style->outline != FILE_PER_ORGAN)
        return 0;
    for (size_t o = 0; o < scan->kind->organ_count; o++) {
        const struct organ_label *label = &scan->kind->organs[o];
        if (!scan_has_organ(scan, label->organ))
            continue;
        bool own_file = scan->style->outline == FILE_PER_ORGAN;
        if (own_file || count == 0)
            open_outline(&files[count++], folder, scan, label->organ);
        set_values(&files[count - 1], own_file ? label->organ->whole : label->organ->tissues,
                   scan_label_value(scan, label));
    }
    return count;
}

static void write_outline_slice(struct outline_file *file, uint8_t *row, const uint8_t *tissues,
                                const unsigned size[2])
{
    size_t bytes = file->is_int16 ? 2 : 1;
    for (unsigned j = 0; j < size[1]; j++) {
        const uint8_t *from = tissues + (size_t)size[0] * (file->flipped ? size[1] - 1 - j : j);
        for (unsigned i = 0; i < size[0]; i++) {
            uint16_t value = file->values[from[i]];
            memcpy(row + bytes * i, &value, bytes); /* NIfTI here is little endian */
        }
        nifti_write(file->nifti, row, bytes * size[0]);
    }
}

/* ---- scan ---- */

void scan_write(const char *folder, const struct scan *scan)
{
    const struct grid *grid = &scan->grid;
    const size_t count = (size_t)grid->size[0] * grid->size[1];
    struct outline_file outlines[OUTLINES_MAX];
    struct image image = {.scan = scan};
    struct anatomy *anatomy = anatomy_make(&scan->session->traits);
    struct contrast contrast = contrast_make(&scan->kind->acquisition, &scan->session->liver);
    uint8_t *tissues = malloc(count);
    float *buffers = malloc(3 * count * sizeof *buffers);
    void *samples = malloc(count * sizeof(float));
    if (tissues == NULL || buffers == NULL || samples == NULL)
        die("out of memory");
    float *texture = buffers, *values = buffers + count, *scratch = buffers + 2 * count;

    format_text(image.path, sizeof image.path, "%s/%s", folder, scan->path);
    if (scan->style->container == DICOM_FOLDER)
        describe_series(&image);
    else
        open_nifti(&image);
    size_t outline_count = open_outlines(outlines, folder, scan);
    for (unsigned k = 0; k < grid->size[2]; k++) {
        anatomy_paint_slice(tissues, texture, anatomy, grid, &scan->session->pose, k);
        contrast_render_slice(values, scratch, &contrast, tissues, texture, grid->size,
                              random_mix(scan->seed, k));
        write_image_slice(&image, samples, values, k);
        for (size_t o = 0; o < outline_count; o++)
            write_outline_slice(&outlines[o], samples, tissues, grid->size);
    }
    for (size_t o = 0; o < outline_count; o++)
        nifti_close(outlines[o].nifti);
    if (image.nifti != NULL)
        nifti_close(image.nifti);
    anatomy_free(anatomy);
    free(tissues);
    free(buffers);
    free(samples);
}
