/**
 * An ISA-Tab archive (isa-specs, isatab) as plain structs: investigations, studies, the graph of
 * sources and samples, and the rows of the assay tables. Nothing of DICOM in here.
 *
 * All text is UTF-8, trimmed, and belongs to the struct mur_isa: it lives until mur_isa_free(). An
 * absent text is "", never NULL. A table keeps its columns in order, because headers such as "Unit"
 * and "Protocol REF" repeat; a column knows which columns qualify it.
 * Threads: any may read an archive.
 */
#ifndef MUR_ISA_ISA_H
#define MUR_ISA_ISA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "isa/diagnostic.h"

/** What a column holds. */
enum mur_isa_kind {
    MUR_ISA_OTHER,          /**< not recognised; the name is the whole header */
    MUR_ISA_CHARACTERISTIC, /**< Characteristics[name] */
    MUR_ISA_FACTOR,         /**< Factor Value[name] */
    MUR_ISA_PARAMETER,      /**< Parameter Value[name] */
    MUR_ISA_COMMENT,        /**< Comment[name] */
    MUR_ISA_MATERIAL,       /**< Source Name, Sample Name, Extract Name, Labeled Extract Name */
    MUR_ISA_NAME,           /**< Assay Name, Scan Name and the other names of a process's outcome */
    MUR_ISA_FILE,           /**< Image File, Raw Data File and the other "... File" columns */
    MUR_ISA_PROTOCOL,       /**< Protocol REF */
    MUR_ISA_DATE,           /**< Date, after a Protocol REF */
    MUR_ISA_PERFORMER,      /**< Performer, after a Protocol REF */
    MUR_ISA_PLAIN,          /**< Material Type, Label, Description, Array Design REF */
    MUR_ISA_QUALIFIER,      /**< Unit, Term Source REF, Term Accession Number: part of another */
    MUR_ISA_KINDS,          /**< how many there are */
};

/** "other", "characteristic", "factor", "parameter", "comment", "material", "name", "file",
 * "protocol", "date", "performer", "plain", "qualifier". */
const char *mur_isa_kind_name(enum mur_isa_kind kind);
/** The reverse. @return MUR_ISA_KINDS when there is no such name */
enum mur_isa_kind mur_isa_kind_of(const char *name);

#define MUR_ISA_NONE UINT32_MAX

struct mur_isa_column {
    enum mur_isa_kind kind;
    const char *header; /**< normalised, such as "Characteristics[Sex]" */
    const char *name;   /**< "Sex"; the header itself where it has no brackets */
    uint32_t owner;     /**< column of the node or Protocol REF this belongs to, or MUR_ISA_NONE */
    /** Columns that qualify this one, or MUR_ISA_NONE. */
    uint32_t unit, unit_source, unit_accession, term_source, term_accession;
};

/** Rows without comments, blank records and the header; short rows are padded with "". */
struct mur_isa_table {
    const char *path; /**< relative to the archive's root */
    struct mur_isa_column *columns;
    uint32_t column_count;
    uint32_t row_count;
    const char **cells; /**< row by row; use mur_isa_cell() */
    uint32_t *lines;    /**< physical line on which each row begins */
    bool earlier;       /**< read from isa->earlier: what was delivered cannot be read */
};

/** One cell with what qualifies it. */
struct mur_isa_value {
    enum mur_isa_kind kind;
    const char *name;
    const char *value;
    const char *unit, *unit_source, *unit_accession;
    const char *term_source, *term_accession;
    uint32_t column;
};

/** The cell's text; "" when empty. */
const char *mur_isa_cell(const struct mur_isa_table *table, uint32_t row, uint32_t column);
struct mur_isa_value mur_isa_value_at(const struct mur_isa_table *table, uint32_t row,
                                      uint32_t column);

/** Which cell of the study table says it: mur_isa_value_at(&study->table, row, column). */
struct mur_isa_ref {
    uint32_t row;
    uint32_t column;
};

/** A Source or a Sample: one name in any number of rows. Names are local to the study. */
struct mur_isa_node {
    const char *name;
    uint32_t row; /**< first row of the study table that names it */
    /** What the study table says of it, non-empty cells only, in column order; of contradicting
     * rows the first one. A sample has what follows its source in the row: the parameters, date and
     * performer of the protocol that made it, its own characteristics and the factor values. */
    struct mur_isa_ref *attributes;
    uint32_t attribute_count;
    /** Sources of a sample (several when pooled), as indices of study->sources; none in a source.
     */
    uint32_t *sources;
    uint32_t source_count;
};

struct mur_isa_comment {
    const char *name;
    const char *value;
};

/** A value with its ontology term. */
struct mur_isa_term {
    const char *value;
    const char *source;
    const char *accession;
};

struct mur_isa_ontology_source {
    const char *name, *file, *version, *description;
};

struct mur_isa_contact {
    const char *last_name, *first_name, *mid_initials;
    const char *email, *phone, *fax, *address, *affiliation;
    struct mur_isa_term *roles; /**< the ';' separated list */
    size_t role_count;
    struct mur_isa_comment *comments;
    size_t comment_count;
};

struct mur_isa_publication {
    const char *pubmed_id, *doi, *authors, *title;
    struct mur_isa_term status;
};

struct mur_isa_factor {
    const char *name;
    struct mur_isa_term type;
};

struct mur_isa_protocol {
    const char *name;
    struct mur_isa_term type;
    const char *description, *uri, *version;
    struct mur_isa_term *parameters; /**< the ';' separated list */
    size_t parameter_count;
    const char **components; /**< names of the ';' separated list */
    size_t component_count;
};

struct mur_isa_assay {
    struct mur_isa_term measurement;
    struct mur_isa_term technology;
    const char *platform;
    const char *file; /**< as in the investigation file */
    struct mur_isa_comment *comments;
    size_t comment_count;
    bool readable; /**< the table was there; else row_count is 0 */
    struct mur_isa_table table;
};

struct mur_isa_study {
    size_t investigation;   /**< index of isa->investigations */
    const char *identifier; /**< "" when the author left it empty */
    const char *title, *description, *submission_date, *public_release_date;
    const char *file; /**< as in the investigation file */
    struct mur_isa_comment *comments;
    size_t comment_count;
    struct mur_isa_term *design_descriptors;
    size_t design_descriptor_count;
    struct mur_isa_publication *publications;
    size_t publication_count;
    struct mur_isa_factor *factors;
    size_t factor_count;
    struct mur_isa_assay *assays;
    size_t assay_count;
    struct mur_isa_protocol *protocols;
    size_t protocol_count;
    struct mur_isa_contact *contacts;
    size_t contact_count;
    bool readable; /**< the study table was there */
    struct mur_isa_table table;
    struct mur_isa_node *sources; /**< in order of appearance */
    uint32_t source_count;
    struct mur_isa_node *samples;
    uint32_t sample_count;
    struct mur_isa_index *index; /**< private: names to nodes */
};

struct mur_isa_investigation {
    const char *path;   /**< of the i_ file, relative to the root */
    const char *folder; /**< its folder, relative to the root; "" = the root itself */
    bool earlier;       /**< as in struct mur_isa_table */
    const char *identifier, *title, *description, *submission_date, *public_release_date;
    struct mur_isa_comment *comments;
    size_t comment_count;
    struct mur_isa_ontology_source *ontology_sources;
    size_t ontology_source_count;
    struct mur_isa_publication *publications;
    size_t publication_count;
    struct mur_isa_contact *contacts;
    size_t contact_count;
};

/** Several investigations when each study has its own subfolder. */
struct mur_isa {
    const char *root; /**< the folder as given */
    const char
        *earlier; /**< folder of the version that stands in for tables; "" = none was needed */
    struct mur_isa_investigation *investigations;
    size_t investigation_count;
    struct mur_isa_study *studies;
    size_t study_count;
    struct mur_isa_strings *strings; /**< private: all memory of the archive */
};

/**
 * Reads the archive in @p directory: the i_*.txt at its top or, when there is none, those in its
 * subfolders, with all tables that they name. What is wrong is added to @p diagnostics; a missing
 * or damaged table does not stop the rest. Paths leading out of @p directory are never followed.
 * @param[out] out  the caller's, mur_isa_free()
 * @retval MUR_NOT_FOUND  no investigation file, or no such folder
 * @retval MUR_LIMIT  more investigation files or studies than anybody has
 * @retval MUR_DENIED, MUR_IO, MUR_NO_MEMORY
 */
MUR_NODISCARD
enum mur_status mur_isa_read(struct mur_isa **out, const char *directory,
                             struct mur_isa_diagnostics *diagnostics, struct mur_error *error);

/** Where an earlier version of the same tables is: asked once, when something cannot be read. */
struct mur_isa_earlier {
    /** @param isa  as far as it is read: every investigation that can be
     * @param[out] folder  malloc'ed; NULL = there is none */
    enum mur_status (*folder)(char **folder, void *user, const struct mur_isa *isa,
                              struct mur_error *error);
    void *user;
};
/** The same; an investigation file or a table that is missing, empty or damaged is reported, and
 * that of the earlier version, where there is one, stands in for it. @param earlier  may be NULL */
MUR_NODISCARD
enum mur_status mur_isa_read_over(struct mur_isa **out, const char *directory,
                                  const struct mur_isa_earlier *earlier,
                                  struct mur_isa_diagnostics *diagnostics, struct mur_error *error);
void mur_isa_free(struct mur_isa *isa);
MUR_DEFINE_AUTO(mur_isa, mur_isa_free)

/** By name, in constant time; NULL when the study does not know it. */
const struct mur_isa_node *mur_isa_find_sample(const struct mur_isa_study *study, const char *name);
const struct mur_isa_node *mur_isa_find_source(const struct mur_isa_study *study, const char *name);

/** Whether the study declares the factor, or each row's protocol the parameter, of a column of one
 * of its tables. True of all other columns. */
bool mur_isa_column_declared(const struct mur_isa_study *study, const struct mur_isa_table *table,
                             uint32_t column);

/** Whether a file cell is a URL or a URN: recorded, never fetched. */
bool mur_isa_is_url(const char *cell);

/**
 * Where a file cell leads, relative to the archive's root: beside the study's investigation file,
 * else beneath the root.
 * @param[out] out  malloc'ed, relative to isa->root; the file exists
 * @retval MUR_DENIED  absolute, with "..", or leaving the root by a symbolic link; or a URL
 * @retval MUR_NOT_FOUND  the message names the file
 */
MUR_NODISCARD
enum mur_status mur_isa_resolve_path(char **out, const struct mur_isa *isa,
                                     const struct mur_isa_study *study, const char *cell,
                                     struct mur_error *error);

#endif
