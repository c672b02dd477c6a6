/**
 * From the voxels of a label map to bytes that stand for labels. A plane of voxels becomes a plane
 * of bytes: its values themselves where they are small whole numbers, which costs little, else the
 * codes of a table. The table says what each byte means. Pure functions: any thread.
 */
#ifndef MUR_CONVERTERS_LABEL_VALUES_H
#define MUR_CONVERTERS_LABEL_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "converters/label_bits.h"
#include "converters/label_map.h"
#include "core/error.h"

enum { MUR_LABEL_VALUES = 65536 };

/** What a value means: the low byte is the layer's own number of its segment, 0 = background. */
enum mur_label_entry {
    MUR_ENTRY_CODE = 0xFF,
    MUR_ENTRY_UNLISTED = 0x100, /**< no segment has this label */
    MUR_ENTRY_BROKEN = 0x200,   /**< not a whole number */
    MUR_ENTRY_OUTSIDE = 0x400,  /**< below 0 or above MUR_LABEL_LARGEST */
};

/** The meanings of one layer's values. */
struct mur_label_table {
    uint16_t entries[MUR_LABEL_VALUES]; /**< by label value */
};

/** The entry of any value. */
uint16_t mur_label_entry_of(const struct mur_label_table *table,
                            const struct mur_label_map_header *header, double value);

/** Value of a voxel, with the file's scaling. */
double mur_label_value_at(const struct mur_label_map_header *header, const void *voxels,
                          size_t index);

/** What the bytes of a plane mean when they are the file's own small values. */
void mur_label_byte_entries(uint16_t out[MUR_BYTE_VALUES], const struct mur_label_table *table,
                            const struct mur_label_map_header *header);

/** Where voxel (i, j) of a slice goes. */
struct mur_label_steps {
    ptrdiff_t step[2]; /**< bytes to the next one along i, along j */
    ptrdiff_t origin;  /**< of voxel (0, 0) */
};

/**
 * Puts the values of a slice into bytes.
 * @return false: some are no whole numbers of 0 to 255, or scaled; @p out is then undefined
 */
bool mur_label_narrow(uint8_t *out, const struct mur_label_steps *steps,
                      const struct mur_label_map_header *header, const void *voxels);
/** Puts the codes of a slice into bytes. @return the flags of all of them */
uint16_t mur_label_encode(uint8_t *out, const struct mur_label_steps *steps,
                          const struct mur_label_map_header *header,
                          const struct mur_label_table *table, const void *voxels);

/** Finds the first voxel that raised a flag and says what is wrong with it.
 * @retval MUR_PARSE, MUR_LIMIT, MUR_MISMATCH  broken, outside, unlisted */
enum mur_status mur_label_refuse(const struct mur_label_map *map,
                                 const struct mur_label_table *table, const void *voxels,
                                 uint32_t layer, uint32_t slice, struct mur_error *error);

#endif
