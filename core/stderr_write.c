#include "core/stderr_write.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATIENCE_MS = 2000 };

static atomic_flag busy = ATOMIC_FLAG_INIT; /* between seeing that there is room and taking it */
static atomic_bool stalled;

static bool write_all(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, length);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false; /* nobody is left to tell */
        bytes += written;
        length -= (size_t)written;
    }
    return true;
}

/* A file takes lines when its disk does, and whoever stops a terminal sees what he does. */
static bool has_a_reader(void)
{
    struct stat details;
    return fstat(STDERR_FILENO, &details) == 0 &&
           (S_ISFIFO(details.st_mode) || S_ISSOCK(details.st_mode));
}

static bool has_room(int wait_ms)
{
    struct pollfd descriptor = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&descriptor, 1, wait_ms) != 0; /* with a failure write() says what it is */
}

/* At most PIPE_BUF bytes: where there is any room, there is for these.
 * @param[out] whole  valid if it was tried */
static bool try_write(bool *whole, const char *bytes, size_t length)
{
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        (void)sched_yield();
    bool room = has_room(0);
    if (room)
        *whole = write_all(bytes, length);
    atomic_flag_clear_explicit(&busy, memory_order_release);
    return room;
}

bool mur_stderr_write(const char *bytes, size_t length)
{
    if (!has_a_reader())
        return write_all(bytes, length);
    bool whole = true;
    while (length > 0 && whole) {
        size_t piece = length < PIPE_BUF ? length : PIPE_BUF;
        while (!try_write(&whole, bytes, piece)) {
            if (atomic_load(&stalled) || !has_room(PATIENCE_MS)) {
                atomic_store(&stalled, true);
                return false;
            }
        }
        atomic_store(&stalled, false);
        bytes += piece;
        length -= piece;
    }
    return whole;
}
