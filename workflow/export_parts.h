/** What the files of the ISA-Tab export share. */
#ifndef MUR_WORKFLOW_EXPORT_PARTS_H
#define MUR_WORKFLOW_EXPORT_PARTS_H

#include "core/error.h"
#include "isa/isa.h"
#include "isa/strings.h"
#include "workflow/export.h"

enum { MUR_EXPORT_ADDED = 4 };

/** A series of a scan; texts in the memory of the export. */
struct mur_export_series {
    const char *study_uid;
    const char *uid;
    bool segmentation;
    uint32_t next; /* of the same scan */
};

/** A scan as the index knows it. */
struct mur_export_scan {
    const char *key; /* study, table and name */
    uint32_t first_series;
    uint32_t last_series;
    bool found;
};

struct mur_export_dataset {
    const char *identifier;
    const char *folder;         /* of its tables, relative to the archive */
    struct mur_isa_index scans; /* key -> known scan */
    bool found;                 /* one of its scans is */
};

struct mur_export {
    const struct mur_export_options *options;
    struct mur_archive *archive;
    struct mur_isa_strings *strings;
    struct mur_isa_index found; /* Series Instance UIDs of the query's answer */
    struct mur_export_dataset *datasets;
    size_t dataset_count;
    struct mur_export_scan *scans;
    size_t scan_count;
    struct mur_export_series *series;
    size_t series_count;
    struct mur_export_summary summary;
    uint64_t total; /* scans that are found */
};

/** A segmentation as the file columns name it. */
struct mur_export_outlines {
    const char *name;  /* path or URN; NULL = nothing is stored */
    const char *study; /* UIDs, several joined by ';' */
    const char *series;
    const char *json; /* Segment Sequence; "" = not known */
};

/** What stands in the file columns of a scan. */
struct mur_export_objects {
    const char *image; /* path or URN; NULL = nothing is stored */
    const char *image_study;
    const char *image_series;
    struct mur_export_outlines *segmentations; /* as those of the scan */
};

/** A column whose cells are replaced, and the columns behind it. */
struct mur_export_column {
    enum { MUR_EXPORT_PLAIN, MUR_EXPORT_FILE, MUR_EXPORT_DESCRIPTION, MUR_EXPORT_LABEL } role;
    bool first_image; /* the first one for images: that of scans whose rows name no file */
    const char *added[MUR_EXPORT_ADDED]; /* headers; NULL-terminated */
};

struct mur_export_table {
    const struct mur_isa_assay *assay;
    struct mur_export_column *columns;
    uint32_t *scan_of_row; /* index in the list of scans */
};

struct mur_export_writing {
    struct mur_export *export;
    struct mur_export_dataset *dataset;
    const struct mur_isa *isa;
    const struct mur_scan_list *scans;
    struct mur_export_objects *objects; /* of each scan */
    bool *found;                        /* each scan */
    bool *kept;                         /* each row of each study table, study by study */
    size_t *first_kept;                 /* of each study */
    struct mur_export_table *tables;
    size_t table_count;
    const char *directory;
};

/** A text in the memory of the export. */
MUR_NODISCARD
enum mur_status mur_export_keep(const char **out, const struct mur_export *export, const char *text,
                                struct mur_error *error);
/** The names by which the index knows a scan, as one text. */
MUR_NODISCARD
enum mur_status mur_export_scan_key(const char **out, const struct mur_export *export,
                                    const char *study, const char *assay_file, const char *assay,
                                    struct mur_error *error);
bool mur_export_is_cancelled(const struct mur_export *export);

/** What is stored of a scan, and with options.files its files. */
MUR_NODISCARD
enum mur_status mur_export_objects_of(const struct mur_export_writing *writing, size_t index,
                                      const struct mur_export_scan *known, struct mur_error *error);

/** Writes the tables of a dataset, and the objects of its scans. */
MUR_NODISCARD
enum mur_status mur_export_tables(struct mur_export_writing *writing, struct mur_error *error);
void mur_export_writing_free(struct mur_export_writing *writing);

#endif
