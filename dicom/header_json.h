/**
 * Scanner events to the DICOM JSON Model (PS3.18 F.2), streamed: one object for the Data Set, text
 * as UTF-8, tags in the order they come.
 *
 * DS and IS are numbers where their text is a number of JSON as it stands (kept digit by digit),
 * else strings; an empty value among others is null; PN is split into its groups; other bytes (OB,
 * UN, OW, ...) are InlineBinary in base64, little endian. A tag that repeats is written once (the
 * first). Specific Character Set keeps the value of the object: who hands the JSON out writes
 * ISO_IR 192 in its place, since all text here is UTF-8.
 *
 * Bulk values have no bytes here but "BulkDataURI": "#offset,length" of the Data Set as scanned, or
 * "#offset,length,encapsulated" for encapsulated Pixel Data. This form is internal: a service
 * replaces it by a real URI before it leaves the house.
 *
 * Threads: one at a time per writer.
 */
#ifndef MUR_DICOM_HEADER_JSON_H
#define MUR_DICOM_HEADER_JSON_H

#include "core/error.h"
#include "core/json_write.h"
#include "core/own.h"
#include "dicom/scanner.h"

struct mur_header_json;

/** @param[in] json  the object is begun at the place where it stands; must outlive the writer */
MUR_NODISCARD
enum mur_status mur_header_json_create(struct mur_header_json **out, struct mur_json_writer *json,
                                       struct mur_error *error);
void mur_header_json_free(struct mur_header_json *writer); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_header_json, mur_header_json_free)

/** The callbacks for a scanner; `user` is the writer. They may also be called one by one from a
 * receiver of its own that looks at the events as well. */
extern const struct mur_scan_events mur_header_json_events;

/** Ends the object, after mur_scanner_finish(). The json writer's own finish is the caller's. */
MUR_NODISCARD
enum mur_status mur_header_json_finish(struct mur_header_json *writer, struct mur_error *error);

#endif
