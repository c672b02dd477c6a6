/**
 * What the targets of fuzzing share (docs/fuzzing.md). A target takes any bytes and comes back; it
 * fails by a crash, by a sanitizer, or by fuzz_check(). libFuzzer calls it in the preset `fuzz`;
 * in the other presets replay.c calls it with the files of the corpus.
 */
#ifndef MUR_TESTS_FUZZ_H
#define MUR_TESTS_FUZZ_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/file.h"
#include "core/own.h"
#include "core/text.h"

/** Called once, before the first input. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** What must hold whatever came. */
#define fuzz_check(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition);                  \
            (void)fprintf(stderr, __VA_ARGS__);                                                    \
            (void)fputc('\n', stderr);                                                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/** A defect of ours is never the answer to bytes from outside. */
static inline void fuzz_check_status(enum mur_status status, const struct mur_error *error)
{
    fuzz_check(status != MUR_INTERNAL, "%s", error->message);
    fuzz_check(status == MUR_OK || (error->status == status && error->message[0] != '\0'),
               "status %d, but the error says %d: %s", (int)status, (int)error->status,
               error->message);
}

/** Takes one byte off the input; 0 at its end. */
static inline uint8_t fuzz_byte(const uint8_t **data, size_t *size)
{
    if (*size == 0)
        return 0;
    uint8_t byte = **data;
    (*data)++;
    (*size)--;
    return byte;
}

/** Takes what stands before @p mark off the input, and the mark; all of it where there is none. */
static inline struct mur_slice fuzz_until(const uint8_t **data, size_t *size, const char *mark)
{
    struct mur_slice part = {.data = (const char *)*data, .length = *size};
    const uint8_t *at = memmem(*data, *size, mark, strlen(mark));
    if (at == NULL) {
        *data += *size;
        *size = 0;
        return part;
    }
    part.length = (size_t)(at - *data);
    *size -= part.length + strlen(mark);
    *data = at + strlen(mark);
    return part;
}

static char fuzz_folder_path[64];

static inline int fuzz_remove_one(const char *path, const struct stat *info, int kind,
                                  struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

/** Removes a folder of ours and all that is in it; one that is not there is fine. */
static inline void fuzz_remove(const char *folder)
{
    (void)nftw(folder, fuzz_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fuzz_remove_folder(void)
{
    fuzz_remove(fuzz_folder_path);
}

/** A folder for this process, in memory where there is such a file system; it goes at the end. */
static inline const char *fuzz_folder(void)
{
    if (fuzz_folder_path[0] == '\0') {
        const char *parent = mur_directory_exists("/dev/shm") ? "/dev/shm" : "/tmp";
        (void)snprintf(fuzz_folder_path, sizeof fuzz_folder_path, "%s/murpacs-fuzz-XXXXXX", parent);
        fuzz_check(mkdtemp(fuzz_folder_path) != NULL, "%s", fuzz_folder_path);
        fuzz_check(atexit(fuzz_remove_folder) == 0, "atexit");
    }
    return fuzz_folder_path;
}

/** Writes a file in that folder. @return its path, borrowed until the next call */
static inline const char *fuzz_file(const char *name, const void *data, size_t size)
{
    static char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    MUR_AUTO_CLOSE int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct mur_error error = MUR_ERROR_INIT;
    fuzz_check(descriptor >= 0 && mur_write_full(descriptor, data, size, path, &error) == MUR_OK,
               "%s: %s", path, error.message);
    return path;
}

#endif
