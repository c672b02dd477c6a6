/** What an import of an ISA-Tab would stumble over, told before it is begun. */
#ifndef MUR_MAPPING_CHECK_H
#define MUR_MAPPING_CHECK_H

#include "core/error.h"
#include "isa/diagnostic.h"
#include "isa/isa.h"
#include "mapping/mapping.h"

/**
 * Adds to @p diagnostics: images, outlines and label descriptions that are not there; an image of
 * two scans; fields of the profile (`required` of the mapping) that scans do not have; columns that
 * no field of the mapping names, which stay searchable.
 * @param scans  of mur_mapping_scans() with the same mapping and archive
 */
MUR_NODISCARD
enum mur_status mur_mapping_check(const struct mur_mapping *mapping, const struct mur_isa *isa,
                                  struct mur_scan_list *scans,
                                  struct mur_isa_diagnostics *diagnostics, struct mur_error *error);

#endif
