/**
 * What the files of the NIfTI reader share (nifti.c, nifti_header.c, nifti_grid.c, nifti_stream.c);
 * nobody else includes it. Threads: one at a time per handle.
 */
#ifndef MUR_CONVERTERS_NIFTI_INTERNAL_H
#define MUR_CONVERTERS_NIFTI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "converters/nifti.h"
#include "converters/report.h"
#include "core/error.h"

enum {
    MUR_NIFTI_HEADER_1_SIZE = 348,
    MUR_NIFTI_HEADER_2_SIZE = 540,
    MUR_NIFTI_EXTENDER_SIZE = 4,
};

struct znzptr; /* of znzlib.h, which nifti2_io.h includes */

/** A file that is read in order, plain or gzip. */
struct mur_nifti_stream {
    struct znzptr *gzip; /**< NULL for a plain file */
    int descriptor;
    uint64_t at;
};

struct mur_nifti {
    struct mur_nifti_header header;
    char *path;
    char *header_path;
    char *voxel_path;
    uint64_t voxel_offset;
    uint64_t slice_size;
    uint64_t volume_size;
    uint8_t *extensions;
    size_t extension_length;
    bool takes_colour;
    bool compressed; /**< the voxels are */
    bool single;     /**< voxels follow the header */
    struct mur_nifti_stream stream;
    struct stat opened;
    uint8_t *slice;
    uint8_t *held;
    uint32_t held_volume;
    const bool *cancelled; /**< may be NULL */
};

/* nifti_stream.c */
/** Opens a regular file and finds by its first bytes whether it is gzip. */
MUR_NODISCARD
enum mur_status mur_nifti_stream_open(struct mur_nifti_stream *out, struct stat *details,
                                      const char *path, struct mur_error *error);
void mur_nifti_stream_close(struct mur_nifti_stream *stream);
/** Reads until @p length bytes or the end. */
MUR_NODISCARD
enum mur_status mur_nifti_stream_read(size_t *out, struct mur_nifti_stream *stream, void *bytes,
                                      size_t length, const char *path, struct mur_error *error);
/** @param[in] claimed  bytes that the header claims, for the message when there are fewer */
MUR_NODISCARD
enum mur_status mur_nifti_stream_skip(struct mur_nifti_stream *stream, uint64_t length,
                                      const char *path, uint64_t claimed, struct mur_error *error);
/** To be called behind the last voxel: the checksum stands at the end of a gzip stream.
 * @retval MUR_PARSE  the stream is damaged, or ends before */
MUR_NODISCARD
enum mur_status mur_nifti_stream_finish(struct mur_nifti_stream *stream, const char *path,
                                        struct mur_error *error);
/** Sets MUR_PARSE with what is there and what is claimed. */
enum mur_status mur_nifti_stream_too_short(struct mur_error *error, const char *path,
                                           const struct mur_nifti_stream *stream, uint64_t claimed);

/* nifti_header.c */
/** Understands the first bytes of the header file. @param[out] single  voxels follow in it */
MUR_NODISCARD
enum mur_status mur_nifti_parse_header(struct mur_nifti *nifti, bool *single, const uint8_t *bytes,
                                       size_t length, struct mur_warnings *warnings,
                                       struct mur_error *error);

/* nifti.c */
/** .hdr or .img, with .gz or without. */
bool mur_nifti_is_pair_name(const char *path);

#endif
