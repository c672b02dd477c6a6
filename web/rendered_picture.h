/**
 * Pictures of 8 bits for eyes and browsers, made of a frame's pixels (PS3.18 10.4.1.1.3; PS3.3
 * C.11.1, C.11.2, C.7.6.3). Internal to web/. Threads: any.
 */
#ifndef MUR_WEB_RENDERED_PICTURE_H
#define MUR_WEB_RENDERED_PICTURE_H

#include "dicom/data_set.h"
#include "web/frames.h"
#include "web/rendered_table.h"

enum mur_voi { MUR_VOI_LINEAR, MUR_VOI_LINEAR_EXACT, MUR_VOI_SIGMOID };

/** How stored values become grey. */
struct mur_grey {
    double slope, intercept;
    const struct mur_table *modality; /**< takes their place; NULL: none. Borrowed, like voi */
    const struct mur_table *voi;      /**< takes the window's place; NULL: none */
    bool has_window;                  /**< else from the lowest value to the highest */
    double centre, width;
    enum mur_voi function;
    bool has_padding; /**< stored values that are no image (PS3.3 C.7.5.1.1.2) and in no range */
    double padding_low, padding_high;
};

struct mur_picture {
    unsigned width, height, channels; /**< 1 grey, 3 red, green and blue */
    struct mur_buffer bytes;          /**< row by row */
};
void mur_picture_free(struct mur_picture *picture); /**< the content */
#define MUR_AUTO_PICTURE __attribute__((cleanup(mur_picture_free)))

/** @param palette  header of the object, for PALETTE COLOR; else not looked at
 * @retval MUR_UNSUPPORTED  a photometric interpretation that is not known here */
MUR_NODISCARD
enum mur_status mur_picture_make(struct mur_picture *out, const struct mur_image *image,
                                 const struct mur_pixels *pixels, const struct mur_grey *grey,
                                 struct mur_dataset *palette, struct mur_error *error);

/** A part of the picture, as large as fits into @p width and @p height with its proportions. */
struct mur_crop {
    unsigned x, y, width, height;
};
MUR_NODISCARD
enum mur_status mur_picture_scale(struct mur_picture *out, const struct mur_picture *from,
                                  const struct mur_crop *crop, unsigned width, unsigned height,
                                  struct mur_error *error);

/** Appends a JPEG. @param quality  1 to 100 */
MUR_NODISCARD
enum mur_status mur_picture_write_jpeg(struct mur_buffer *out, const struct mur_picture *picture,
                                       unsigned quality, struct mur_error *error);
/** Appends a PNG. */
MUR_NODISCARD
enum mur_status mur_picture_write_png(struct mur_buffer *out, const struct mur_picture *picture,
                                      struct mur_error *error);

#endif
