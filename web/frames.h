/** Frames (PS3.18 10.4.1.1.6): their bytes, as they are stored or decoded. Internal to web/. */
#ifndef MUR_WEB_FRAMES_H
#define MUR_WEB_FRAMES_H

#include "web/frames_image.h"

/** A frame as it is stored: the codec's bytes, or native pixels in little endian, whose first bit
 * is the first of a byte. @param frame  from 0. @param[out] out  the caller's */
MUR_NODISCARD
enum mur_status mur_frame_stored(struct mur_body *out, const struct mur_exchange *exchange,
                                 const struct mur_instance *instance, int descriptor,
                                 const struct mur_image *image, uint32_t frame,
                                 struct mur_error *error);

/** Native pixels in memory, and what has become of their layout. */
struct mur_pixels {
    struct mur_buffer bytes; /**< little endian */
    char photometric[17];
    unsigned planar;
};
void mur_pixels_free(struct mur_pixels *pixels); /**< the content */
#define MUR_AUTO_PIXELS __attribute__((cleanup(mur_pixels_free)))

/** A frame as native pixels. Memory for it is the caller's to take (mur_frame_memory()).
 * @retval MUR_UNSUPPORTED  no codec for it; MUR_CORRUPT  it cannot be decoded */
MUR_NODISCARD
enum mur_status mur_frame_decode(struct mur_pixels *out, const struct mur_exchange *exchange,
                                 const struct mur_instance *instance, int descriptor,
                                 const struct mur_image *image, uint32_t frame,
                                 struct mur_error *error);
/** What decoding one takes. */
uint64_t mur_frame_memory(const struct mur_image *image);

/** Answers with frames of an instance. @param list  "1,3,2"; empty: all of them
 * @retval MUR_NOT_FOUND  it has no such frame; MUR_UNSUPPORTED  not acceptable; MUR_INVALID */
MUR_NODISCARD
enum mur_status mur_answer_frames(struct mur_exchange *exchange,
                                  const struct mur_instance *instance, struct mur_slice list,
                                  struct mur_error *error);

#endif
