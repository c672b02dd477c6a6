#ifndef TESTS_PHANTOM_FILES_H
#define TESTS_PHANTOM_FILES_H

#include <stddef.h>
#include <stdio.h>

/** Paths and files. Whatever fails ends the program: a half dataset is of no use to a test. */

enum { PATH_SIZE = 512 };

/** Prints "phantom: ..." to standard error and exits with 1. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Formats into @p out of @p size bytes; a text that does not fit ends the program. */
void format_text(char *out, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Creates the folders above @p path. */
void make_parents(const char *path);

/** Opens a new file for writing, with its folders. Close with close_file(). */
FILE *create_file(const char *path);
void write_bytes(FILE *file, const void *data, size_t length);
void close_file(FILE *file, const char *path);

#endif
