#ifndef TESTS_PHANTOM_ANATOMY_H
#define TESTS_PHANTOM_ANATOMY_H

#include "tests/phantom/geometry.h"

#include <stdint.h>

/** A mouse made of some hundreds of ellipsoids with uneven surfaces, painted over one another. */

enum tissue {
    AIR,
    BED,
    SKIN,
    SUBCUTANEOUS_FAT,
    MUSCLE,
    BONE,
    VERTEBRA,
    SPINAL_CORD,
    BRAIN,
    TRACHEA,
    LUNG,
    HEART,
    HEART_BLOOD,
    GREAT_VESSEL,
    VISCERAL_FAT,
    LIVER,
    LIVER_VESSEL,
    TUMOUR,
    GALLBLADDER,
    KIDNEY_CORTEX,
    KIDNEY_MEDULLA,
    SPLEEN,
    STOMACH,
    STOMACH_CONTENT,
    INTESTINE,
    INTESTINE_CONTENT,
    BLADDER,
    TISSUE_COUNT
};

/** A set of tissues. */
typedef uint32_t tissue_set;
#define TISSUE(t) ((tissue_set)1 << (t))

enum { TUMOURS_MAX = 4 };

/** What makes one mouse, on one day, differ from another. Factors are 1 for a lean healthy mouse.
 */
struct traits {
    uint64_t seed;    /* of the animal: shapes keep their individual form over its life */
    double weight;    /* grams */
    double liver;     /* size factor of the radii */
    double fat;       /* amount of fat, visceral and under the skin */
    double spleen;    /* size factor of the radii */
    unsigned tumours; /* at most TUMOURS_MAX */
    double tumour_mm; /* radius of the largest tumour */
    uint64_t meal;    /* seed of the day: gut and bladder differ from session to session */
};

struct anatomy;

/** Builds the mouse; aborts the program when memory is out. Free with anatomy_free(). */
struct anatomy *anatomy_make(const struct traits *traits);
void anatomy_free(struct anatomy *anatomy);

/**
 * Paints slice @p k of @p grid.
 * @param[out] tissues  enum tissue of each voxel, size[0] * size[1] bytes
 * @param[out] texture  smooth unevenness of the tissue in -1..1; 0 in air
 * @param mouse_in_scanner  the mouse's coordinates of a scanner's position; the bed stays put
 * Threads: any number at a time.
 */
void anatomy_paint_slice(uint8_t *tissues, float *texture, const struct anatomy *anatomy,
                         const struct grid *grid, const struct pose *mouse_in_scanner, unsigned k);

#endif
