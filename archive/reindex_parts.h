/** What the files of reindex share: what the manifest says, and the index that is being made. */
#ifndef MUR_ARCHIVE_REINDEX_PARTS_H
#define MUR_ARCHIVE_REINDEX_PARTS_H

#include "archive/internal.h"
#include "archive/reindex.h"
#include "isa/strings.h"

/** An object that came. All texts are interned. */
struct mur_told_instance {
    int64_t number;
    const char *instance, *series, *study, *how, *calling_ae, *peer, *path;
    uint8_t digest[16];
    int64_t received_us;
    unsigned version;
    bool alive, settled, committed, has_sha256;
    uint8_t sha256[MUR_SHA256_SIZE];
};
struct mur_told_link {
    const char *series;
    enum mur_link_kind kind;
    const char *dataset, *tables_study, *assay_file, *assay; /* NULL: none */
    bool segmentation;
    int64_t scan; /* row, once it is known */
};
struct mur_told_tables {
    const char *dataset, *folder, *digest;
    int64_t version, applied_us;
};

struct mur_reindex {
    const struct mur_archive_options *options;
    const struct mur_mapping *mapping;
    const struct mur_progress *progress;
    struct mur_reindex_summary summary;
    struct mur_archive archive; /* as much of one as is needed */
    struct mur_isa_strings *strings;
    struct mur_isa_index instance_places, link_places;
    struct mur_told_instance *instances;
    uint32_t instance_count;
    size_t instance_capacity;
    struct mur_told_link *links;
    uint32_t link_count;
    size_t link_capacity;
    struct mur_told_tables *versions;
    uint32_t version_count;
    size_t version_capacity;
    uint64_t manifest_length, manifest_lasting;
};

/* archive/reindex_manifest.c */
/** Fills the lists, line by line; the strings and the store are there.
 * @retval MUR_CORRUPT, MUR_PARSE  it is missing beside objects, or damaged; MUR_NOT_FOUND  there is
 * neither */
MUR_NODISCARD
enum mur_status mur_reindex_read_manifest(struct mur_reindex *reindex, struct mur_error *error);
/** Says what to do. @return MUR_CORRUPT */
enum mur_status mur_reindex_useless_manifest(const struct mur_reindex *reindex, const char *why,
                                             struct mur_error *error);

#endif
