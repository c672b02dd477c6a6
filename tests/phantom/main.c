/*
 * phantom OUT_DIR [--scale small|full] [--seed N] [--threads N] [--only-isa]
 *         [--tables plain|varied]
 *
 * Writes a dataset of made-up mice like the one that the node was built for: images, outlines and
 * ISA-Tab. It shares no code with the node, so that the node is tested by files it did not write.
 */
#include "tests/phantom/isa.h"
#include "tests/phantom/plan.h"
#include "tests/phantom/scan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 16, EXIT_USAGE = 2 };

struct work {
    const char *folder;
    const struct plan *plan;
    atomic_size_t next;
    atomic_size_t done;
    bool show_progress;
};

static void *write_scans(void *user)
{
    struct work *work = user;
    for (;;) {
        size_t index = atomic_fetch_add(&work->next, 1);
        if (index >= work->plan->scan_count)
            return NULL;
        scan_write(work->folder, &work->plan->scans[index]);
        size_t done = atomic_fetch_add(&work->done, 1) + 1;
        if (work->show_progress)
            fprintf(stderr, "\r%zu of %zu scans", done, work->plan->scan_count);
    }
}

static void write_all_scans(const char *folder, const struct plan *plan, unsigned threads)
{
    struct work work = {
        .folder = folder, .plan = plan, .show_progress = isatty(STDERR_FILENO) != 0};
    pthread_t others[THREADS_MAX];
    unsigned started = 0;
    while (started + 1 < threads && started < THREADS_MAX &&
           pthread_create(&others[started], NULL, write_scans, &work) == 0)
        started++;
    write_scans(&work);
    for (unsigned t = 0; t < started; t++)
        pthread_join(others[t], NULL);
    if (work.show_progress)
        fputc('\n', stderr);
}

static _Noreturn void usage(void)
{
    fputs("usage: phantom OUT_DIR [--scale small|full] [--seed N] [--threads N] [--only-isa] "
          "[--tables plain|varied]\n",
          stderr);
    exit(EXIT_USAGE);
}

static uint64_t parse_number(const char *text)
{
    uint64_t number = 0;
    if (text == NULL || *text == '\0')
        usage();
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9' || number > UINT64_MAX / 10 - 1)
            usage();
        number = number * 10 + (uint64_t)(*c - '0');
    }
    return number;
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    const char *scale = "small";
    const char *tables = "plain";
    uint64_t seed = 1;
    bool only_isa = false;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t threads = processors > 0 ? (uint64_t)processors : 1;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--only-isa") == 0) {
            only_isa = true;
        } else if (strcmp(argv[i], "--scale") == 0 && value != NULL) {
            scale = argv[++i];
        } else if (strcmp(argv[i], "--tables") == 0 && value != NULL) {
            tables = argv[++i];
        } else if (strcmp(argv[i], "--seed") == 0) {
            seed = parse_number(value);
            i++;
        } else if (strcmp(argv[i], "--threads") == 0) {
            threads = parse_number(value);
            i++;
        } else if (argv[i][0] != '-' && folder == NULL) {
            folder = argv[i];
        } else {
            usage();
        }
    }
    bool full = strcmp(scale, "full") == 0;
    bool varied = strcmp(tables, "varied") == 0;
    if (folder == NULL || (!full && strcmp(scale, "small") != 0) ||
        (!varied && strcmp(tables, "plain") != 0))
        usage();
    struct plan plan = plan_make(seed, full);
    isa_write(folder, &plan, varied);
    if (!only_isa)
        write_all_scans(folder, &plan, threads < THREADS_MAX ? (unsigned)threads : THREADS_MAX);
    plan_clear(&plan);
    return EXIT_SUCCESS;
}
