/**
 * Key/value pairs of a NRRD header, and the segments that 3D Slicer describes by them
 * (Segment0_Name:=liver). Pure functions: any thread.
 */
#ifndef MUR_CONVERTERS_NRRD_SEGMENTS_H
#define MUR_CONVERTERS_NRRD_SEGMENTS_H

#include <stddef.h>

#include "converters/nrrd_header.h"
#include "core/error.h"
#include "core/text.h"

struct mur_nrrd_pair {
    unsigned segment;     /**< number of the segment */
    struct mur_slice key; /**< what follows "Segment0_"; borrowed from the header's text */
    struct mur_slice value;
};

/** Pairs that speak of segments. */
struct mur_nrrd_pairs {
    struct mur_nrrd_pair *items;
    size_t count, capacity;
};

void mur_nrrd_pairs_free(struct mur_nrrd_pairs *pairs);
/** Adds a pair if it speaks of a segment. @retval MUR_LIMIT  a number above
 * MUR_NRRD_SEGMENT_LIMIT */
MUR_NODISCARD
enum mur_status mur_nrrd_pairs_add(struct mur_nrrd_pairs *pairs, struct mur_slice key,
                                   struct mur_slice value, const char *path,
                                   struct mur_error *error);
/** Segments with a label value, by their numbers; the others, in old files, have layer 0 and their
 * number + 1 as value. @param[out] out, count  the caller's, also on failure */
MUR_NODISCARD
enum mur_status mur_nrrd_pairs_segments(struct mur_nrrd_segment **out, size_t *count,
                                        struct mur_nrrd_pairs *pairs, const char *path,
                                        struct mur_error *error);
void mur_nrrd_segment_free(struct mur_nrrd_segment *segment);

#endif
