#include "converters/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/buffer.h"
#include "core/own.h"

enum mur_status mur_identity_of(char out[MUR_UID_TEXT_SIZE], const char *kind,
                                const char *const *parts, size_t count, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer key = MUR_BUFFER_INIT;
    enum mur_status status = mur_buffer_append_text(&key, kind, error);
    /* Lengths keep "a|b", "c" and "a", "b|c" apart. */
    for (size_t index = 0; status == MUR_OK && index < count; index++)
        status =
            mur_buffer_append_format(&key, error, "|%zu:%s", strlen(parts[index]), parts[index]);
    if (status != MUR_OK)
        return status;
    return mur_uid_from_name(out, &mur_uid_murpacs,
                             (struct mur_slice){.data = key.data, .length = key.length}, error);
}

enum mur_status mur_identity_study(char out[MUR_UID_TEXT_SIZE], const char *dataset,
                                   const char *study, const char *subject, const char *session,
                                   struct mur_error *error)
{
    const char *parts[] = {dataset, study, subject, session};
    return mur_identity_of(out, "study", parts, MUR_COUNT(parts), error);
}

enum mur_status mur_identity_series(char out[MUR_UID_TEXT_SIZE], const char *study,
                                    const char *content, const char *options,
                                    struct mur_error *error)
{
    const char *parts[] = {study, content, options, MUR_CONVERTER_FORMAT};
    return mur_identity_of(out, "series", parts, MUR_COUNT(parts), error);
}

enum mur_status mur_identity_instance(char out[MUR_UID_TEXT_SIZE], const char *series,
                                      uint32_t volume, uint32_t slice, struct mur_error *error)
{
    char volume_text[16], slice_text[16];
    (void)snprintf(volume_text, sizeof volume_text, "%" PRIu32, volume);
    (void)snprintf(slice_text, sizeof slice_text, "%" PRIu32, slice);
    const char *parts[] = {series, volume_text, slice_text};
    return mur_identity_of(out, "instance", parts, MUR_COUNT(parts), error);
}

enum mur_status mur_identity_frame_of_reference(char out[MUR_UID_TEXT_SIZE], const char *study,
                                                const char *grid, struct mur_error *error)
{
    const char *parts[] = {study, grid};
    return mur_identity_of(out, "frame of reference", parts, MUR_COUNT(parts), error);
}

enum mur_status mur_identity_tracking(char out[MUR_UID_TEXT_SIZE], const char *study,
                                      const char *subject, const char *organ,
                                      struct mur_error *error)
{
    const char *parts[] = {study, subject, organ};
    return mur_identity_of(out, "tracking", parts, MUR_COUNT(parts), error);
}
