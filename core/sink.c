#include "core/sink.h"

#include "core/file.h"

static enum mur_status write_buffer(void *user, const void *bytes, size_t length,
                                    struct mur_error *error)
{
    struct mur_buffer *buffer = user;
    return mur_buffer_append(buffer, bytes, length, error);
}

struct mur_sink mur_sink_buffer(struct mur_buffer *buffer)
{
    return (struct mur_sink){.write = write_buffer, .user = buffer};
}

static enum mur_status write_descriptor(void *user, const void *bytes, size_t length,
                                        struct mur_error *error)
{
    const int *descriptor = user;
    return mur_write_full(*descriptor, bytes, length, "output", error);
}

struct mur_sink mur_sink_descriptor(int *descriptor)
{
    return (struct mur_sink){.write = write_descriptor, .user = descriptor};
}
