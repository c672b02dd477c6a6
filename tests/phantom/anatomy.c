#include "tests/phantom/anatomy.h"

#include "tests/phantom/files.h"
#include "tests/phantom/random.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * Mouse coordinates: x right, y ventral, z cranial, millimetres for a mouse of 23 g; z = 0 is about
 * where the ribs end. Later shapes paint over earlier ones, but only over the tissues they name.
 */
enum { SHAPES_MAX = 600, LATTICE = 32 };

enum pattern { SOLID, RIBS, TROUGH };

struct shape {
    float unit[3][3]; /* rotation and division by the radii: inside is |unit (p - centre)| < 1 */
    float centre[3];
    float reach; /* no point of the shape is farther from the centre */
    float uneven;
    tissue_set over;
    uint8_t tissue;
    uint8_t pattern;
    bool in_scanner;
};

struct anatomy {
    size_t count;
    struct shape shapes[SHAPES_MAX];
    float lattice[LATTICE][LATTICE][LATTICE]; /* periodic random field in -1..1 */
};

static const tissue_set anything = ~(tissue_set)0;
static const tissue_set body = ~(TISSUE(AIR) | TISSUE(BED));

/* ---- shapes ---- */

struct placing {
    double at[3];
    double radius[3];
    double turned[3]; /* degrees about x, y, z */
};

static struct shape *add(struct anatomy *anatomy, enum tissue tissue, tissue_set over,
                         const struct placing *where, double uneven)
{
    if (anatomy->count == SHAPES_MAX)
        die("more shapes than SHAPES_MAX");
    struct shape *shape = &anatomy->shapes[anatomy->count++];
    double turn[3][3];
    double reach = 0;
    rotation_make(turn, where->turned);
    for (int r = 0; r < 3; r++) {
        shape->centre[r] = (float)where->at[r];
        for (int c = 0; c < 3; c++)
            shape->unit[r][c] = (float)(turn[c][r] / where->radius[r]);
        reach = fmax(reach, where->radius[r]);
    }
    shape->uneven = (float)uneven;
    shape->reach = (float)(reach * sqrt(1.0 + uneven));
    shape->over = over;
    shape->tissue = (uint8_t)tissue;
    shape->pattern = SOLID;
    shape->in_scanner = false;
    return shape;
}

static struct placing ball(double x, double y, double z, double rx, double ry, double rz)
{
    return (struct placing){.at = {x, y, z}, .radius = {rx, ry, rz}};
}

static struct placing turned(struct placing where, double about_x, double about_y, double about_z)
{
    where.turned[0] = about_x;
    where.turned[1] = about_y;
    where.turned[2] = about_z;
    return where;
}

static struct placing grown(struct placing where, double by_mm)
{
    for (int c = 0; c < 3; c++)
        where.radius[c] = fmax(0.2, where.radius[c] + by_mm);
    return where;
}

static struct placing scaled(struct placing where, double factor)
{
    for (int c = 0; c < 3; c++)
        where.radius[c] *= factor;
    return where;
}

/* ---- parts of the mouse, in painting order ---- */

static void add_outside(struct anatomy *anatomy, double fat)
{
    double belly = 0.75 * (fat - 1.0);
    const struct placing parts[] = {
        ball(0, 0, -18, 11.6 + belly, 10.4 + belly, 26),         /* abdomen */
        ball(0, 0, 7, 9.3 + 0.4 * belly, 9.2 + 0.4 * belly, 19), /* chest */
        ball(0, -1.2, 19, 6.8, 6.6, 9),                          /* neck */
        ball(0, -1.0, 26, 6.4, 5.9, 9.5),                        /* head */
        ball(0, -0.2, 34, 3.3, 3.0, 7),                          /* snout */
        turned(ball(8.6, 3.0, -35, 3.6, 5.0, 6.5), 25, 0, 0),    /* thighs */
        turned(ball(-8.6, 3.0, -35, 3.6, 5.0, 6.5), 25, 0, 0),   /* */
        turned(ball(6.6, 6.0, 15, 2.0, 3.0, 5.0), -30, 0, 0),    /* fore legs */
        turned(ball(-6.6, 6.0, 15, 2.0, 3.0, 5.0), -30, 0, 0),   /* */
        turned(ball(5.6, -5.4, 23, 2.2, 2.4, 0.7), 0, 30, 0),    /* ears */
        turned(ball(-5.6, -5.4, 23, 2.2, 2.4, 0.7), 0, -30, 0),  /* */
        turned(ball(0, -4.0, -50, 1.9, 1.9, 14), 8, 0, 0),       /* tail */
    };
    const size_t count = sizeof parts / sizeof parts[0];
    double fat_mm = 0.25 + 0.55 * fat;
    for (size_t i = 0; i < count; i++)
        add(anatomy, SKIN, anything, &parts[i], 0.08);
    for (size_t i = 0; i < count; i++) {
        struct placing under = grown(parts[i], -0.45);
        add(anatomy, SUBCUTANEOUS_FAT, body, &under, 0.08);
    }
    for (size_t i = 0; i < count; i++) {
        struct placing lean = grown(parts[i], -0.45 - (i < 2 ? fat_mm : 0.4 * fat_mm));
        add(anatomy, MUSCLE, body, &lean, 0.14);
    }
}

static void add_head(struct anatomy *anatomy)
{
    const tissue_set flesh = TISSUE(MUSCLE) | TISSUE(SUBCUTANEOUS_FAT);
    struct placing brain = ball(0, -2.0, 25.5, 4.4, 3.0, 6.4);
    struct placing skull = grown(brain, 0.55);
    add(anatomy, BONE, flesh, &skull, 0.04);
    add(anatomy, BRAIN, TISSUE(BONE), &brain, 0.04);
    for (int side = -1; side <= 1; side += 2) {
        struct placing jaw = turned(ball(side * 2.1, 2.4, 30, 0.7, 1.0, 5.0), -12, side * 12, 0);
        struct placing nose = turned(ball(side * 1.0, -0.8, 35, 0.6, 0.9, 4.5), 4, side * 6, 0);
        add(anatomy, BONE, flesh, &jaw, 0.05);
        add(anatomy, BONE, flesh, &nose, 0.05);
    }
}

static void add_chest(struct anatomy *anatomy)
{
    struct placing cage = ball(0, 0.1, 7.5, 8.0, 7.9, 14);
    struct placing inside = grown(cage, -0.55);
    struct placing left = turned(ball(-3.5, -0.4, 8.0, 3.3, 5.6, 9.0), 0, -6, 0);
    struct placing right = turned(ball(3.6, -0.4, 7.6, 3.7, 5.7, 9.6), 0, 6, 0);
    struct placing heart = turned(ball(-0.6, 2.2, 7.2, 3.3, 3.1, 4.2), 0, 18, 0);
    struct placing left_chamber = turned(ball(-1.3, 2.0, 6.4, 1.0, 1.2, 2.1), 0, 18, 0);
    struct placing right_chamber = turned(ball(0.9, 3.0, 7.0, 0.7, 1.1, 1.8), 0, 24, 0);
    struct placing atria = ball(0, 1.2, 10.4, 2.3, 1.4, 1.2);
    struct placing windpipe = ball(0, 0.2, 17, 0.75, 0.75, 7);
    struct placing breastbone = turned(ball(0, 7.6, 9, 0.8, 0.4, 8), 3, 0, 0);
    const tissue_set soft = TISSUE(MUSCLE) | TISSUE(SUBCUTANEOUS_FAT);
    add(anatomy, BONE, soft, &cage, 0.03)->pattern = RIBS;
    add(anatomy, MUSCLE, TISSUE(MUSCLE) | TISSUE(BONE) | TISSUE(SUBCUTANEOUS_FAT), &inside, 0.03);
    add(anatomy, BONE, soft, &breastbone, 0.03);
    add(anatomy, LUNG, TISSUE(MUSCLE), &left, 0.08);
    add(anatomy, LUNG, TISSUE(MUSCLE), &right, 0.08);
    add(anatomy, TRACHEA, TISSUE(MUSCLE) | TISSUE(LUNG), &windpipe, 0.05);
    add(anatomy, HEART, TISSUE(MUSCLE) | TISSUE(LUNG), &heart, 0.06);
    add(anatomy, HEART_BLOOD, TISSUE(HEART), &left_chamber, 0.1);
    add(anatomy, HEART_BLOOD, TISSUE(HEART), &right_chamber, 0.1);
    add(anatomy, HEART_BLOOD, TISSUE(HEART) | TISSUE(LUNG), &atria, 0.2);
}

/* The spine's bend: high in the back, lower at the neck and the tail. */
static double spine_y(double z)
{
    double t = (z + 14.0) / 26.0;
    return -6.6 + 1.9 * t * t - 0.4 * t;
}

static void add_spine(struct anatomy *anatomy)
{
    const tissue_set flesh = TISSUE(MUSCLE) | TISSUE(SUBCUTANEOUS_FAT) | TISSUE(LUNG);
    for (double z = -42.0; z < 20.0; z += 2.35) {
        double y = fmin(spine_y(z), -3.6);
        struct placing arch = ball(0, y - 1.1, z, 1.35, 1.35, 0.85);
        struct placing vertebra = ball(0, y, z, 1.35, 1.1, 1.0);
        add(anatomy, VERTEBRA, flesh, &vertebra, 0.05);
        add(anatomy, VERTEBRA, flesh, &arch, 0.05);
    }
    for (double z = -30.0; z < 21.0; z += 2.2) {
        struct placing cord = ball(0, fmin(spine_y(z), -3.6) - 1.25, z, 0.62, 0.55, 2.4);
        add(anatomy, SPINAL_CORD, flesh | TISSUE(VERTEBRA), &cord, 0);
    }
}

static void add_limb_bones(struct anatomy *anatomy)
{
    const tissue_set flesh = TISSUE(MUSCLE) | TISSUE(SUBCUTANEOUS_FAT);
    for (int side = -1; side <= 1; side += 2) {
        const struct placing bones[] = {
            turned(ball(side * 3.4, -4.2, -35, 0.7, 0.9, 5.5), -14, side * -8, 0), /* pelvis */
            turned(ball(side * 7.6, 1.0, -36, 0.75, 0.75, 5.2), 62, 0, 0),         /* femur */
            turned(ball(side * 9.2, 5.0, -35, 0.55, 0.55, 5.0), -35, 0, 0),        /* tibia */
            turned(ball(side * 6.6, 5.4, 14, 0.55, 0.55, 4.0), -40, 0, 0),         /* humerus */
            turned(ball(side * 5.2, -2.6, 17, 0.35, 2.6, 3.6), 0, side * 14, 0),   /* scapula */
        };
        for (size_t i = 0; i < sizeof bones / sizeof bones[0]; i++)
            add(anatomy, BONE, flesh, &bones[i], 0.05);
    }
}

static void add_gut(struct anatomy *anatomy, const struct traits *traits)
{
    uint64_t state = random_mix(traits->meal, 1);
    double fat = traits->fat;
    double fill = random_between(&state, 0.85, 1.15);
    int loops = (int)(125.0 - 70.0 * (fat - 1.0));
    struct placing stomach = scaled(turned(ball(-4.8, 0.8, -10.5, 4.3, 3.3, 3.0), 0, 25, 10), fill);
    struct placing meal = scaled(stomach, 0.84);
    struct placing bladder = scaled(ball(0, 4.6, -33.5, 2.3, 2.0, 2.6), fill);
    add(anatomy, STOMACH, TISSUE(VISCERAL_FAT), &stomach, 0.1);
    add(anatomy, STOMACH_CONTENT, TISSUE(STOMACH), &meal, 0.1);
    for (int i = 0; i < loops; i++) {
        double angle = random_between(&state, 0, 2 * M_PI);
        double out = sqrt(random_between(&state, 0, 1));
        struct placing loop = turned(
            ball(7.4 * out * cos(angle), 1.6 + 5.4 * out * sin(angle),
                 random_between(&state, -32, -12), 1.35, 1.35, random_between(&state, 2.5, 5.0)),
            random_between(&state, -90, 90), random_between(&state, -90, 90), 0);
        struct placing content = grown(loop, -0.5);
        add(anatomy, INTESTINE, TISSUE(VISCERAL_FAT), &loop, 0.1);
        add(anatomy, INTESTINE_CONTENT, TISSUE(INTESTINE), &content, 0.15);
    }
    for (int side = -1; side <= 1; side += 2) { /* fat pads around the gonads, behind the kidneys */
        struct placing pad = ball(side * 5.6, 2.8, -29, 2.2 * fat, 2.4 * fat, 5.0 * fat);
        struct placing back = ball(side * 3.4, -3.8, -21, 1.6 * fat, 1.2 * fat, 4.0 * fat);
        const tissue_set gut = TISSUE(INTESTINE) | TISSUE(INTESTINE_CONTENT) | TISSUE(VISCERAL_FAT);
        add(anatomy, VISCERAL_FAT, gut, &pad, 0.2);
        add(anatomy, VISCERAL_FAT, gut, &back, 0.2);
    }
    add(anatomy, BLADDER, body & ~TISSUE(BONE), &bladder, 0.06);
}

static void add_kidneys_and_spleen(struct anatomy *anatomy, const struct traits *traits)
{
    const tissue_set room =
        TISSUE(VISCERAL_FAT) | TISSUE(INTESTINE) | TISSUE(INTESTINE_CONTENT) | TISSUE(MUSCLE);
    const struct placing kidneys[] = {
        turned(ball(4.6, -3.7, -13.0, 2.6, 2.5, 4.6), 0, -8, 0),
        turned(ball(-4.6, -3.7, -16.5, 2.6, 2.5, 4.6), 0, 8, 0),
    };
    struct placing spleen =
        scaled(turned(ball(-7.7, -1.6, -15.0, 1.1, 2.1, 5.8), 14, 6, 20), traits->spleen);
    for (int i = 0; i < 2; i++) {
        struct placing medulla = scaled(kidneys[i], 0.58);
        add(anatomy, KIDNEY_CORTEX, room, &kidneys[i], 0.06);
        add(anatomy, KIDNEY_MEDULLA, TISSUE(KIDNEY_CORTEX), &medulla, 0.1);
    }
    add(anatomy, SPLEEN, room, &spleen, 0.08);
}

static void add_liver(struct anatomy *anatomy, const struct traits *traits)
{
    double s = traits->liver;
    const struct placing lobes[] = {
        ball(1.0, 2.8, -1.5, 8.0 * s, 5.0 * s, 5.6 * s),
        ball(-4.6, 2.2, -3.4, 4.6 * s, 5.0 * s, 6.0 * s),
        ball(5.0, -0.4, -5.0, 4.4 * s, 5.0 * s, 6.2 * s),
        ball(1.6, -2.4, -6.6, 3.2 * s, 2.4 * s, 4.2 * s),
    };
    const size_t count = sizeof lobes / sizeof lobes[0];
    struct placing gallbladder = ball(0.8, 4.6, -6.2, 1.0, 1.1, 1.5);
    uint64_t state = random_mix(traits->seed, 2);
    for (size_t i = 0; i < count; i++)
        add(anatomy, LIVER, TISSUE(VISCERAL_FAT) | TISSUE(INTESTINE), &lobes[i], 0.12);
    for (int i = 0; i < 12; i++) {
        struct placing vessel =
            turned(ball(random_between(&state, -3, 4), random_between(&state, -1, 3),
                        random_between(&state, -6, 0), random_between(&state, 0.22, 0.45),
                        random_between(&state, 0.22, 0.45), random_between(&state, 3, 6)),
                   random_between(&state, -80, 80), random_between(&state, -80, 80), 0);
        add(anatomy, LIVER_VESSEL, TISSUE(LIVER), &vessel, 0.1);
    }
    add(anatomy, GALLBLADDER, TISSUE(LIVER) | TISSUE(VISCERAL_FAT), &gallbladder, 0.05);
    for (unsigned i = 0; i < traits->tumours && i < TUMOURS_MAX; i++) {
        const struct placing *lobe = &lobes[i % 3];
        double r = traits->tumour_mm * (i == 0 ? 1.0 : random_between(&state, 0.4, 0.8));
        struct placing tumour = ball(0, 0, 0, r, r * 0.9, r);
        for (int c = 0; c < 3; c++)
            tumour.at[c] = lobe->at[c] + random_between(&state, -0.35, 0.35) * lobe->radius[c];
        add(anatomy, TUMOUR, TISSUE(LIVER) | TISSUE(LIVER_VESSEL), &tumour, 0.3);
    }
}

static void add_great_vessels(struct anatomy *anatomy)
{
    const tissue_set room =
        TISSUE(VISCERAL_FAT) | TISSUE(MUSCLE) | TISSUE(INTESTINE) | TISSUE(LUNG) | TISSUE(LIVER);
    struct placing aorta = turned(ball(-0.7, -4.1, -6, 0.55, 0.55, 22), 2, 0, 0);
    struct placing cava = turned(ball(0.9, -3.7, -14, 0.6, 0.6, 16), -4, 0, 0);
    struct placing portal = turned(ball(0.8, -0.6, -9, 0.6, 0.6, 5), -14, 6, 0);
    add(anatomy, GREAT_VESSEL, room, &aorta, 0);
    add(anatomy, GREAT_VESSEL, room, &cava, 0);
    add(anatomy, GREAT_VESSEL, room & ~TISSUE(LIVER), &portal, 0);
}

/* A trough of plastic under the belly: it belongs to the scanner and does not move with the mouse.
 */
static void add_bed(struct anatomy *anatomy)
{
    struct placing outer = ball(0, -4.5, 0, 16.9, 16.9, 400);
    struct placing inner = ball(0, -4.5, 0, 15.8, 15.8, 400);
    struct shape *shape = add(anatomy, BED, TISSUE(AIR), &outer, 0);
    shape->pattern = TROUGH;
    shape->in_scanner = true;
    shape = add(anatomy, AIR, TISSUE(BED), &inner, 0);
    shape->in_scanner = true;
}

static void resize(struct anatomy *anatomy, double factor)
{
    float f = (float)factor;
    for (size_t i = 0; i < anatomy->count; i++) {
        struct shape *shape = &anatomy->shapes[i];
        shape->reach *= f;
        for (int r = 0; r < 3; r++) {
            shape->centre[r] *= f;
            for (int c = 0; c < 3; c++)
                shape->unit[r][c] /= f;
        }
    }
}

struct anatomy *anatomy_make(const struct traits *traits)
{
    struct anatomy *anatomy = calloc(1, sizeof *anatomy);
    if (anatomy == NULL)
        die("out of memory");
    uint64_t state = random_mix(traits->seed, 3);
    for (int i = 0; i < LATTICE * LATTICE * LATTICE; i++)
        (&anatomy->lattice[0][0][0])[i] = (float)random_between(&state, -1, 1);

    double fat = traits->fat;
    struct placing cavity = ball(0, 0.8, -16.5, 9.3 + 0.5 * (fat - 1), 7.6 + 0.5 * (fat - 1), 19.5);
    add_outside(anatomy, fat);
    add_head(anatomy);
    add_chest(anatomy);
    add(anatomy, VISCERAL_FAT, body & ~TISSUE(SKIN), &cavity, 0.04);
    add_gut(anatomy, traits);
    add_kidneys_and_spleen(anatomy, traits);
    add_liver(anatomy, traits);
    add_great_vessels(anatomy);
    add_spine(anatomy);
    add_limb_bones(anatomy);
    resize(anatomy, cbrt(traits->weight / 23.0));
    add_bed(anatomy);
    return anatomy;
}

void anatomy_free(struct anatomy *anatomy)
{
    free(anatomy);
}

/* ---- painting ---- */

/* The lattice with one node per @p spacing mm, interpolated. */
static float field(const struct anatomy *anatomy, const float p[3], float per_mm)
{
    int low[3];
    float t[3];
    for (int c = 0; c < 3; c++) {
        float x = p[c] * per_mm + 4096.0F;
        low[c] = (int)x;
        t[c] = x - (float)low[c];
        low[c] &= LATTICE - 1;
    }
    int high[3] = {(low[0] + 1) & (LATTICE - 1), (low[1] + 1) & (LATTICE - 1),
                   (low[2] + 1) & (LATTICE - 1)};
    float sum = 0;
    for (int corner = 0; corner < 8; corner++) {
        int x = corner & 1 ? high[0] : low[0];
        int y = corner & 2 ? high[1] : low[1];
        int z = corner & 4 ? high[2] : low[2];
        float weight = (corner & 1 ? t[0] : 1 - t[0]) * (corner & 2 ? t[1] : 1 - t[1]) *
                       (corner & 4 ? t[2] : 1 - t[2]);
        sum += weight * anatomy->lattice[z][y][x];
    }
    return sum;
}

/* A row of voxels as a line in space: the position of voxel i is start + i step. */
struct line {
    float start[3];
    float step[3];
};

static void apply_pose(float out[3], const struct pose *pose, const double p[3], bool is_point)
{
    double turned_p[3];
    rotate(turned_p, pose->rotation, p);
    for (int c = 0; c < 3; c++)
        out[c] = (float)(turned_p[c] + (is_point ? pose->offset[c] : 0));
}

/* Where along @p line the shape may lie; its surface is where q(i) = q[0] + q[1] i + q[2] i^2 = 1.
 */
static bool span(int *first, int *last, float q[3], const struct shape *shape,
                 const struct line *line, int length)
{
    float d[3], u[3];
    for (int r = 0; r < 3; r++) {
        d[r] = u[r] = 0;
        for (int c = 0; c < 3; c++) {
            d[r] += shape->unit[r][c] * line->step[c];
            u[r] += shape->unit[r][c] * (line->start[c] - shape->centre[c]);
        }
    }
    q[2] = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    q[1] = 2 * (d[0] * u[0] + d[1] * u[1] + d[2] * u[2]);
    q[0] = u[0] * u[0] + u[1] * u[1] + u[2] * u[2];
    float root = q[1] * q[1] - 4 * q[2] * (q[0] - 1 - shape->uneven);
    if (root <= 0)
        return false;
    root = sqrtf(root);
    float from = ceilf((-q[1] - root) / (2 * q[2]));
    float to = floorf((-q[1] + root) / (2 * q[2]));
    *first = from < 0 ? 0 : from > (float)length ? length : (int)from;
    *last = to < 0 ? -1 : to >= (float)length ? length - 1 : (int)to;
    return *first <= *last;
}

static bool in_pattern(const struct shape *shape, const struct line *line, int i)
{
    float x = line->start[0] + (float)i * line->step[0];
    float y = line->start[1] + (float)i * line->step[1];
    float z = line->start[2] + (float)i * line->step[2];
    switch ((enum pattern)shape->pattern) {
    case SOLID:
        return true;
    case RIBS: { /* thin rings that slant from the spine down to the breastbone */
        float ring = (z + 0.45F * y + 0.1F * fabsf(x)) / 2.0F + 64.0F;
        return z < 17.5F && ring - floorf(ring) < 0.36F;
    }
    case TROUGH:
        return y > 3.0F;
    }
    return false;
}

static void paint_row(uint8_t *tissues, float *texture, float *uneven,
                      const struct anatomy *anatomy, const struct shape *const *shapes,
                      size_t count, const struct line lines[2], int length)
{
    const struct line *line = &lines[0];
    int begin = length, end = -1, first, last;
    float q[3];
    for (size_t s = 0; s < count; s++) {
        if (!shapes[s]->in_scanner && span(&first, &last, q, shapes[s], line, length)) {
            begin = first < begin ? first : begin;
            end = last > end ? last : end;
        }
    }
    for (int i = begin; i <= end; i++) {
        float p[3];
        for (int c = 0; c < 3; c++)
            p[c] = line->start[c] + (float)i * line->step[c];
        uneven[i] = field(anatomy, p, 0.28F);
        texture[i] = field(anatomy, p, 1.1F);
    }
    for (size_t s = 0; s < count; s++) {
        const struct shape *shape = shapes[s];
        const struct line *along = &lines[shape->in_scanner ? 1 : 0];
        if (!span(&first, &last, q, shape, along, length))
            continue;
        for (int i = first; i <= last; i++) {
            float x = (float)i;
            if (((shape->over >> tissues[i]) & 1) != 0 &&
                q[0] + x * (q[1] + x * q[2]) < 1 + shape->uneven * uneven[i] &&
                (shape->pattern == SOLID || in_pattern(shape, along, i)))
                tissues[i] = shape->tissue;
        }
    }
    for (int i = begin; i <= end; i++) {
        if (tissues[i] == AIR || tissues[i] == BED)
            texture[i] = 0;
    }
}

/* Distance of a shape's centre from the slice's plane, against its reach. */
static bool crosses(const struct shape *shape, const float at[3], const float normal[3])
{
    float distance = 0;
    for (int c = 0; c < 3; c++)
        distance += (shape->centre[c] - at[c]) * normal[c];
    return fabsf(distance) <= shape->reach;
}

void anatomy_paint_slice(uint8_t *tissues, float *texture, const struct anatomy *anatomy,
                         const struct grid *grid, const struct pose *mouse_in_scanner, unsigned k)
{
    size_t columns = grid->size[0];
    const struct shape *shapes[SHAPES_MAX];
    size_t count = 0;
    float *uneven = calloc(columns, sizeof *uneven);
    if (uneven == NULL)
        die("out of memory");
    memset(tissues, AIR, columns * grid->size[1]);
    memset(texture, 0, columns * grid->size[1] * sizeof *texture);

    double corner[3], normal[3];
    for (int c = 0; c < 3; c++) {
        corner[c] = grid->origin[c] + k * grid->axis[2][c];
        normal[c] = grid->axis[2][c] / grid_spacing(grid, 2);
    }
    float corner_f[3], normal_f[3];
    apply_pose(corner_f, mouse_in_scanner, corner, true);
    apply_pose(normal_f, mouse_in_scanner, normal, false);
    for (size_t s = 0; s < anatomy->count; s++) {
        const struct shape *shape = &anatomy->shapes[s];
        if (shape->in_scanner || crosses(shape, corner_f, normal_f))
            shapes[count++] = shape;
    }
    for (unsigned j = 0; j < grid->size[1]; j++) {
        struct line lines[2]; /* in the mouse's coordinates, and in the scanner's */
        double start[3];
        for (int c = 0; c < 3; c++) {
            start[c] = corner[c] + j * grid->axis[1][c];
            lines[1].start[c] = (float)start[c];
            lines[1].step[c] = (float)grid->axis[0][c];
        }
        apply_pose(lines[0].start, mouse_in_scanner, start, true);
        apply_pose(lines[0].step, mouse_in_scanner, grid->axis[0], false);
        paint_row(tissues + j * columns, texture + j * columns, uneven, anatomy, shapes, count,
                  lines, (int)columns);
    }
    free(uneven);
}
