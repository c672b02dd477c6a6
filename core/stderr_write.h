/** Private to core/: lines to stderr. Who reads them may stop, and keeps nobody waiting with that.
 */
#ifndef MUR_CORE_STDERR_WRITE_H
#define MUR_CORE_STDERR_WRITE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Writes all of it; up to 4096 bytes are not mixed with those of other threads. Where stderr is a
 * pipe or socket that takes nothing for two seconds it gives up, and from then on at once, until
 * there is room again. Any thread.
 * @return false  not, or not all of it, was taken
 */
bool mur_stderr_write(const char *bytes, size_t length);

#endif
