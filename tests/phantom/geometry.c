#include "tests/phantom/geometry.h"

#include <math.h>
#include <string.h>

static const double directions[4][3][3] = {
    [AXIAL_RAS] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    [AXIAL_LPS] = {{-1, 0, 0}, {0, -1, 0}, {0, 0, 1}},
    [AXIAL_LAS] = {{-1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
    [CORONAL_LIP] = {{-1, 0, 0}, {0, 0, -1}, {0, -1, 0}},
};

void rotate(double out[3], const double rotation[3][3], const double vector[3])
{
    for (int r = 0; r < 3; r++)
        out[r] =
            rotation[r][0] * vector[0] + rotation[r][1] * vector[1] + rotation[r][2] * vector[2];
}

void rotation_make(double rotation[3][3], const double degrees[3])
{
    double product[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    for (int about = 0; about < 3; about++) {
        int u = (about + 1) % 3;
        int v = (about + 2) % 3;
        double c = cos(degrees[about] * M_PI / 180.0);
        double s = sin(degrees[about] * M_PI / 180.0);
        for (int column = 0; column < 3; column++) {
            double a = product[u][column];
            double b = product[v][column];
            product[u][column] = c * a - s * b;
            product[v][column] = s * a + c * b;
        }
    }
    memcpy(rotation, product, sizeof product);
}

struct grid grid_make(enum orientation orientation, const unsigned size[3], const double spacing[3],
                      double tilt)
{
    struct grid grid;
    double rotation[3][3];
    rotation_make(rotation, (double[3]){0.4 * tilt, 0, tilt});
    memset(grid.origin, 0, sizeof grid.origin);
    for (int n = 0; n < 3; n++) {
        grid.size[n] = size[n];
        rotate(grid.axis[n], rotation, directions[orientation][n]);
        for (int c = 0; c < 3; c++) {
            /* + 0.0 turns -0 into 0 */
            grid.axis[n][c] = grid.axis[n][c] * spacing[n] + 0.0;
            grid.origin[c] -= 0.5 * (size[n] - 1) * grid.axis[n][c];
        }
    }
    return grid;
}

struct grid grid_flip_rows(const struct grid *grid)
{
    struct grid flipped = *grid;
    for (int c = 0; c < 3; c++) {
        flipped.origin[c] += (grid->size[1] - 1) * grid->axis[1][c];
        flipped.axis[1][c] = -grid->axis[1][c] + 0.0;
    }
    return flipped;
}

double grid_spacing(const struct grid *grid, int n)
{
    const double *a = grid->axis[n];
    return sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2]);
}
