/** In which transfer syntaxes a SOP Class is stored: what a receiver had best accept. */
#ifndef MUR_ARCHIVE_ENCODINGS_H
#define MUR_ARCHIVE_ENCODINGS_H

#include "archive/archive.h"
#include "db/db.h"

/** None where nothing of the class is stored. Threads: any. */
MUR_NODISCARD
enum mur_status mur_archive_encodings(struct mur_encodings *out, struct mur_archive *archive,
                                      const char *sop_class, struct mur_error *error);

#endif
