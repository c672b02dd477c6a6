#ifndef TESTS_PHANTOM_GEOMETRY_H
#define TESTS_PHANTOM_GEOMETRY_H

/**
 * Voxel grids and where they lie. Positions are in millimetres, RAS as in NIfTI: +x right,
 * +y ventral, +z cranial. The DICOM writer alone turns them into LPS.
 */

/** Centre of voxel (i, j, k) = origin + i axis[0] + j axis[1] + k axis[2]. */
struct grid {
    unsigned size[3];
    double axis[3][3];
    double origin[3];
};

/** A rigid motion: inner = rotation * outer + offset. */
struct pose {
    double rotation[3][3];
    double offset[3];
};

enum orientation {
    AXIAL_RAS,  /* +x, +y, +z */
    AXIAL_LPS,  /* -x, -y, +z: a scanner's usual axial slices, right-handed */
    AXIAL_LAS,  /* -x, +y, +z: left-handed */
    CORONAL_LIP /* -x, -z, -y: coronal slices seen from the belly, right-handed */
};

/** A grid whose middle lies at (0, 0, 0), turned by @p tilt degrees about two axes. */
struct grid grid_make(enum orientation orientation, const unsigned size[3], const double spacing[3],
                      double tilt);

/** The same voxels with the second index counted from the other end. */
struct grid grid_flip_rows(const struct grid *grid);

/** Distance of neighbouring voxels along index @p n. */
double grid_spacing(const struct grid *grid, int n);

/** Rotation by @p degrees about x, y and z, in this order. */
void rotation_make(double rotation[3][3], const double degrees[3]);

void rotate(double out[3], const double rotation[3][3], const double vector[3]);

#endif
