/**
 * Parts of the body as Body Part Examined (0018,0015) names them. Threads: any.
 */
#ifndef MUR_CONVERTERS_BODY_PART_H
#define MUR_CONVERTERS_BODY_PART_H

#include <stdbool.h>

/** Whether there is only one of it (PS3.16 Table L-1), so that Laterality (0020,0060) must not be
 * there (PS3.3 C.7.3.1); false for what is not known. */
bool mur_body_part_is_single(const char *term);

#endif
