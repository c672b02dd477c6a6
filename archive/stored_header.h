/**
 * Headers of stored instances as DICOM JSON (PS3.18 F.2), as dicom/header_json.h writes them; bulk
 * values are places in the Data Set. Threads: any.
 */
#ifndef MUR_ARCHIVE_STORED_HEADER_H
#define MUR_ARCHIVE_STORED_HEADER_H

#include "archive/archive.h"
#include "core/sink.h"

/** Appends what the index keeps of a header. @param[out] complete  false: large sequences are left
 * out. @retval MUR_NOT_FOUND  the instance was removed meanwhile */
MUR_NODISCARD
enum mur_status mur_archive_read_header(bool *complete, struct mur_buffer *out,
                                        struct mur_archive *archive,
                                        const struct mur_instance *instance,
                                        struct mur_error *error);

/** Hands out all of a header; memory stays constant. @retval MUR_CORRUPT  the file with a large one
 * is missing or damaged; MUR_NOT_FOUND; or the sink's own */
MUR_NODISCARD
enum mur_status mur_archive_write_header(struct mur_sink sink, struct mur_archive *archive,
                                         const struct mur_instance *instance,
                                         struct mur_error *error);

/** What a series consists of, as two numbers that never come again when it has changed. */
MUR_NODISCARD
enum mur_status mur_archive_series_state(int64_t state[2], struct mur_archive *archive,
                                         const char *study_uid, const char *series_uid,
                                         struct mur_error *error);

#endif
