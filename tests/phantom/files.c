#include "tests/phantom/files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("phantom: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(EXIT_FAILURE);
}

void format_text(char *out, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(out, size, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= size)
        die("text too long: %s", format);
}

void make_parents(const char *path)
{
    char folder[PATH_SIZE];
    format_text(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST)
            die("cannot create %s: %s", folder, strerror(errno));
        *slash = '/';
    }
}

FILE *create_file(const char *path)
{
    make_parents(path);
    FILE *file = fopen(path, "wbe");
    if (file == NULL)
        die("cannot write %s: %s", path, strerror(errno));
    return file;
}

void write_bytes(FILE *file, const void *data, size_t length)
{
    if (fwrite(data, 1, length, file) != length)
        die("cannot write: %s", strerror(errno));
}

void close_file(FILE *file, const char *path)
{
    if (fclose(file) != 0)
        die("cannot write %s: %s", path, strerror(errno));
}
