/**
 * What the archive takes from a Data Set while its bytes pass: the values of typed columns, all
 * non-bulk attributes as DICOM JSON, and whether it is a whole Data Set. Memory stays constant:
 * JSON beyond MUR_HEADER_IN_MEMORY goes to a compressed sidecar. Threads: one at a time.
 */
#ifndef MUR_ARCHIVE_HEADER_H
#define MUR_ARCHIVE_HEADER_H

#include "core/buffer.h"
#include "core/error.h"
#include "core/own.h"
#include "db/header_values.h"
#include "store/store.h"

enum { MUR_HEADER_IN_MEMORY = 256 * 1024 };

struct mur_header;

/** @param store  where a sidecar would go; borrowed */
MUR_NODISCARD
enum mur_status mur_header_create(struct mur_header **out, const char *transfer_syntax,
                                  struct mur_store *store, struct mur_error *error);
void mur_header_free(struct mur_header *header);
MUR_DEFINE_AUTO(mur_header, mur_header_free)

MUR_NODISCARD
enum mur_status mur_header_write(struct mur_header *header, const void *bytes, size_t length,
                                 struct mur_error *error);
/** The Data Set has ended. @param path, offset  the file it was written to, read again only when
 * the header is large. @retval MUR_PARSE it was cut */
MUR_NODISCARD
enum mur_status mur_header_finish(struct mur_header *header, const char *path, uint64_t offset,
                                  struct mur_error *error);

/** UTF-8 text of a typed column, trimmed; "" when absent. Borrowed. */
const char *mur_header_text(const struct mur_header *header, uint32_t tag);

/** After finish: the JSON for the index, compressed when that pays; borrowed. */
const struct mur_buffer *mur_header_json(const struct mur_header *header, int *form,
                                         bool *complete);
/** The sidecar with the whole JSON, NULL when the index has all of it. Borrowed. */
struct mur_object *mur_header_sidecar(struct mur_header *header);

/** Values for the index, of typed columns and of the attribute table. @param all  false: of the
 * instance alone */
MUR_NODISCARD
enum mur_status mur_header_get_values(struct mur_header_values *out,
                                      const struct mur_header *header, bool all,
                                      struct mur_error *error);

#endif
