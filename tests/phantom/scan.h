#ifndef TESTS_PHANTOM_SCAN_H
#define TESTS_PHANTOM_SCAN_H

#include "tests/phantom/plan.h"

/**
 * Paints one scan and writes its image and its outlines below @p folder, a slice at a time.
 * Threads: any number at a time, each with a scan of its own.
 */
void scan_write(const char *folder, const struct scan *scan);

#endif
