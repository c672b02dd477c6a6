/**
 * Files of etc/ that the program carries inside, so that it needs none at run time: what an empty
 * isa.mapping_file or isa.organs_file stands for. cmake/builtin.cmake lists them. Threads: any.
 */
#ifndef MUR_CORE_BUILTIN_H
#define MUR_CORE_BUILTIN_H

/** The text of etc/@p name, such as "isa-mapping.cfg"; NULL when it is not one of them. Static. */
const char *mur_builtin_text(const char *name);

#endif
