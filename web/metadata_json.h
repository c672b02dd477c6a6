/**
 * A stored header (archive/stored_header.h) as it leaves the house: places of bulk values become
 * addresses, and Specific Character Set says what the text is in, UTF-8. It goes through byte by
 * byte, with constant memory. Internal to web/. Threads: one at a time per filter.
 */
#ifndef MUR_WEB_METADATA_JSON_H
#define MUR_WEB_METADATA_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sink.h"
#include "dicom/vr.h"

enum { MUR_METADATA_DEPTH = 320, MUR_BULK_PATH = 768 };

/** Where a bulk value stands in the Data Set. */
struct mur_bulk_place {
    uint64_t offset, length;
    bool encapsulated;
    enum mur_vr vr;
};

/** Lives on the caller's stack or in memory of his; members are private. */
struct mur_metadata_filter {
    struct mur_sink sink;
    const char *prefix; /* of addresses; borrowed */
    const char *wanted; /* path of a bulk value that is looked for, or NULL */
    struct mur_bulk_place found;
    bool has_found;
    unsigned depth;
    unsigned swallow; /* depth down to which all is left out; 0: nothing is */
    bool in_string, escaped, at_key;
    bool is_long; /* the string is handed out as it comes */
    bool is_bulk; /* the last key was BulkDataURI */
    bool is_vr;
    bool is_value;
    enum mur_vr vr;
    size_t token_length, used;
    struct {
        unsigned char kind;
        char tag[9];    /* of an item's element */
        uint32_t index; /* of the item in a sequence, from 1 */
    } open[MUR_METADATA_DEPTH];
    char token[96];
    char block[4096];
};

/** @param prefix  ".../bulkdata/": a path such as 00400100/1/00420011 is put behind it */
void mur_metadata_filter_init(struct mur_metadata_filter *filter, struct mur_sink sink,
                              const char *prefix);
/** For a header as JSON, in pieces of any size. */
struct mur_sink mur_metadata_filter_sink(struct mur_metadata_filter *filter);
/** Hands out the rest. @retval MUR_CORRUPT  it was no whole header */
MUR_NODISCARD
enum mur_status mur_metadata_filter_finish(struct mur_metadata_filter *filter,
                                           struct mur_error *error);

/** Makes it look for a bulk value instead, and hand out nothing.
 * @param path  as it stands behind the prefix */
void mur_metadata_filter_find(struct mur_metadata_filter *filter, const char *path);

#endif
