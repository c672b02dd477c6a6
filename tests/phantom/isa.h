#ifndef TESTS_PHANTOM_ISA_H
#define TESTS_PHANTOM_ISA_H

#include "tests/phantom/plan.h"

/** Writes the plan's ISA-Tab into @p folder: one investigation, and per study one study table and
 * one assay table for each modality. Needs no image.
 * @param varied  each study writes the profile's fields in its own way: kinds of columns, spelling,
 * units, ends of lines */
void isa_write(const char *folder, const struct plan *plan, bool varied);

#endif
