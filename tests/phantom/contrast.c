#include "tests/phantom/contrast.h"

#include "tests/phantom/random.h"

#include <math.h>
#include <stddef.h>

/* Plausible values for 7 to 9.4 T; not measured ones. */
struct tissue_physics {
    double hu;
    double t1_ms, t2_ms;
    double protons; /* density, 1 = water */
    double fat;     /* fraction */
    double adc;     /* diffusion, 1e-3 mm2/s */
    double blood;   /* share of the agent in the blood that arrives */
    double cells;   /* share that the tissue's own cells collect */
};

static const struct tissue_physics physics[TISSUE_COUNT] = {
    [AIR] = {-1000, 1, 1, 0, 0, 0, 0, 0},
    [BED] = {60, 1, 1, 0, 0, 0, 0, 0},
    [SKIN] = {20, 1500, 28, 0.60, 0.10, 1.0, 0.1, 0},
    [SUBCUTANEOUS_FAT] = {-105, 420, 55, 0.95, 0.92, 0.1, 0.02, 0},
    [MUSCLE] = {42, 1650, 24, 0.80, 0.03, 1.3, 0.1, 0},
    [BONE] = {800, 1200, 3, 0.12, 0.10, 0.2, 0.02, 0},
    [VERTEBRA] = {680, 1200, 6, 0.20, 0.15, 0.3, 0.05, 0},
    [SPINAL_CORD] = {34, 1700, 38, 0.80, 0.00, 0.8, 0.03, 0},
    [BRAIN] = {36, 1750, 40, 0.85, 0.00, 0.8, 0.03, 0},
    [TRACHEA] = {-950, 1, 1, 0.02, 0, 0, 0, 0},
    [LUNG] = {-500, 1400, 3, 0.22, 0, 0.3, 0.2, 0},
    [HEART] = {45, 1500, 30, 0.80, 0.01, 1.4, 0.35, 0},
    [HEART_BLOOD] = {48, 2100, 50, 0.90, 0, 2.0, 1.0, 0},
    [GREAT_VESSEL] = {48, 2100, 50, 0.90, 0, 2.0, 1.0, 0},
    [VISCERAL_FAT] = {-100, 400, 58, 0.95, 0.95, 0.1, 0.02, 0},
    [LIVER] = {55, 1150, 21, 0.85, 0.02, 0.9, 0.35, 1.0},
    [LIVER_VESSEL] = {48, 2100, 48, 0.90, 0, 2.0, 1.0, 0},
    [TUMOUR] = {44, 1750, 42, 0.88, 0.01, 0.7, 0.4, 0.05},
    [GALLBLADDER] = {12, 2600, 160, 1.00, 0, 2.2, 0, 0.3},
    [KIDNEY_CORTEX] = {40, 1450, 36, 0.85, 0.01, 1.6, 0.8, 0},
    [KIDNEY_MEDULLA] = {36, 1800, 60, 0.88, 0, 1.7, 1.1, 0},
    [SPLEEN] = {46, 1550, 34, 0.85, 0.01, 0.7, 0.6, 0.7},
    [STOMACH] = {38, 1400, 32, 0.80, 0.02, 1.2, 0.2, 0},
    [STOMACH_CONTENT] = {70, 800, 30, 0.70, 0.10, 1.0, 0, 0},
    [INTESTINE] = {35, 1350, 34, 0.80, 0.03, 1.2, 0.2, 0},
    [INTESTINE_CONTENT] = {15, 1900, 75, 0.80, 0.04, 1.6, 0, 0},
    [BLADDER] = {6, 3200, 200, 1.00, 0, 2.6, 0, 0},
};

static const double fat_t1_ms = 380;
static const double fat_t2_ms = 60;
static const double full_ct_enhancement_hu = 260;
static const double full_relaxation_per_ms = 0.004;

static double spin_signal(const struct acquisition *a, double t1_ms, double t2_ms)
{
    double recovery = exp(-a->tr_ms / t1_ms);
    double decay = exp(-a->te_ms / t2_ms);
    if (a->sequence == SPIN_ECHO)
        return (1 - recovery) * decay;
    double flip = a->flip_degrees * M_PI / 180.0;
    return sin(flip) * (1 - recovery) / (1 - cos(flip) * recovery) * decay;
}

static double mr_signal(const struct acquisition *a, const struct tissue_physics *t, double fat,
                        double agent)
{
    double t1_ms = 1.0 / (1.0 / t->t1_ms + agent * full_relaxation_per_ms);
    double water =
        (1 - fat) * t->protons * spin_signal(a, t1_ms, t->t2_ms) * exp(-a->b_value * t->adc * 1e-3);
    double lipid =
        fat * t->protons * spin_signal(a, fat_t1_ms, fat_t2_ms) * exp(-a->b_value * 0.05e-3);
    switch (a->sequence) {
    case WATER_IMAGE:
        return water + 0.02 * lipid;
    case FAT_IMAGE:
        return lipid + 0.02 * water;
    case CT_SCAN:
    case SPIN_ECHO:
    case GRADIENT_ECHO:
        break;
    }
    return water + lipid;
}

struct contrast contrast_make(const struct acquisition *acquisition,
                              const struct liver_state *liver)
{
    struct contrast contrast = {.is_ct = acquisition->sequence == CT_SCAN};
    double brightest = 0;
    double values[TISSUE_COUNT];
    for (int t = 0; t < TISSUE_COUNT; t++) {
        const struct tissue_physics *p = &physics[t];
        double fat = t == LIVER ? p->fat + liver->fat : p->fat;
        double agent = acquisition->agent * ((1 - acquisition->uptake) * p->blood +
                                             acquisition->uptake * (0.2 * p->blood + p->cells));
        values[t] = contrast.is_ct ? p->hu + agent * full_ct_enhancement_hu
                                   : mr_signal(acquisition, p, fat, agent);
        if (contrast.is_ct && t == LIVER)
            values[t] -= 150.0 * liver->fat;
        /* urine must not set the scale: a scanner clips it just so */
        if (t != BLADDER && t != GALLBLADDER)
            brightest = fmax(brightest, values[t]);
    }
    for (int t = 0; t < TISSUE_COUNT; t++) {
        double uneven = t == LIVER ? 1.0 + 2.0 * liver->fibrosis : 1.0;
        contrast.value[t] =
            (float)(contrast.is_ct ? values[t] : fmin(values[t] / brightest * 0.75, 0.97));
        if (t == AIR || t == BED)
            uneven = 0;
        contrast.unevenness[t] =
            (float)(uneven * (contrast.is_ct ? 9.0 : 0.07 * (double)contrast.value[t]));
    }
    contrast.noise = (float)acquisition->noise;
    return contrast;
}

/* In place: 1/4, 1/2, 1/4. */
static void blur_row(float *values, size_t count)
{
    float before = values[0];
    for (size_t i = 0; i < count; i++) {
        float here = values[i];
        float after = i + 1 < count ? values[i + 1] : here;
        values[i] = 0.25F * (before + after) + 0.5F * here;
        before = here;
    }
}

static void blur_columns(float *out, const float *in, size_t columns, size_t rows)
{
    for (size_t j = 0; j < rows; j++) {
        const float *here = in + j * columns;
        const float *above = j > 0 ? here - columns : here;
        const float *below = j + 1 < rows ? here + columns : here;
        for (size_t i = 0; i < columns; i++)
            out[j * columns + i] = 0.25F * (above[i] + below[i]) + 0.5F * here[i];
    }
}

static void shade_and_add_noise(float *values, const struct contrast *contrast, size_t columns,
                                size_t rows, uint64_t *state)
{
    for (size_t j = 0; j < rows; j++) {
        float y = 2.0F * (float)j / (float)rows - 1.0F;
        for (size_t i = 0; i < columns; i++) {
            float *value = &values[j * columns + i];
            if (contrast->is_ct) {
                *value += contrast->noise * random_normal(state);
                continue;
            }
            /* the coil sees the middle best; a magnitude image has Rician noise */
            float x = 2.0F * (float)i / (float)columns - 1.0F;
            float real = *value * (1.0F - 0.16F * (x * x + y * y) + 0.05F * y) +
                         contrast->noise * random_normal(state);
            float imaginary = contrast->noise * random_normal(state);
            *value = sqrtf(real * real + imaginary * imaginary);
        }
    }
}

void contrast_render_slice(float *out, float *scratch, const struct contrast *contrast,
                           const uint8_t *tissues, const float *texture, const unsigned size[2],
                           uint64_t noise_seed)
{
    size_t columns = size[0];
    size_t rows = size[1];
    uint64_t state = noise_seed;
    for (size_t v = 0; v < columns * rows; v++)
        scratch[v] = contrast->value[tissues[v]] + contrast->unevenness[tissues[v]] * texture[v];
    for (size_t j = 0; j < rows; j++)
        blur_row(scratch + j * columns, columns);
    blur_columns(out, scratch, columns, rows);
    shade_and_add_noise(out, contrast, columns, rows, &state);
}
