/** What the parts of the reader share. Private to isa/. */
#ifndef MUR_ISA_READER_H
#define MUR_ISA_READER_H

#include "core/error.h"
#include "isa/isa.h"
#include "isa/strings.h"
#include "isa/tokenizer.h"

enum {
    MUR_ISA_FILE_LIMIT = 256 * 1024 * 1024,
    MUR_ISA_TABLE_CELLS = 32 * 1024 * 1024,   /**< 178 columns of 77,486 rows are 14 million */
    MUR_ISA_ARCHIVE_CELLS = 64 * 1024 * 1024, /**< of all tables together */
    MUR_ISA_INVESTIGATIONS = 10000,
    MUR_ISA_STUDIES = 10000, /**< of all investigation files together */
    MUR_ISA_SECTION_ROWS = 4096,
    MUR_ISA_ROW_VALUES = 16384, /**< assays of a study, protocols, contacts ... */
};

struct mur_isa_reader {
    struct mur_isa *isa;
    struct mur_isa_strings *strings;
    struct mur_isa_diagnostics *diagnostics;
    const struct mur_isa_earlier *earlier; /* NULL: none, or asked already */
};

/** mur_isa_diagnose() into the reader's list. */
#define mur_isa_report(reader, severity, code, file, line, error, ...)                             \
    mur_isa_diagnose((reader)->diagnostics, severity, code, file, line, error, __VA_ARGS__)

/**
 * The text of a file beneath @p root, as UTF-8.
 * @retval MUR_OK  *@p found is false, and diagnosed, when it cannot be used
 */
MUR_NODISCARD
enum mur_status mur_isa_load_text(struct mur_buffer *out, bool *found,
                                  const struct mur_isa_reader *reader, const char *root,
                                  const char *path, struct mur_error *error);

/** Whether the earlier version has the file, of which it is told then that it stands in. */
MUR_NODISCARD
enum mur_status mur_isa_has_earlier(bool *out, struct mur_isa_reader *reader, const char *path,
                                    struct mur_error *error);

/** Absolute, with a drive letter, or with "..": never followed, wherever it would lead. */
bool mur_isa_leads_out(const char *path);

/** Reports what the tokenizer noticed of a cell. */
MUR_NODISCARD
enum mur_status mur_isa_report_token(const struct mur_isa_reader *reader, const char *path,
                                     const struct mur_isa_token *token, struct mur_error *error);
/** Takes a comment line and reports it. */
MUR_NODISCARD
enum mur_status mur_isa_skip_comment(const struct mur_isa_reader *reader, const char *path,
                                     struct mur_isa_tokenizer *tokenizer, struct mur_error *error);

/** Reads an i_ file: appends one investigation and its studies, tables not yet read.
 * @param earlier  that of the earlier version; @param[out] readable  false, and diagnosed: it is
 * not */
MUR_NODISCARD
enum mur_status mur_isa_read_investigation(bool *readable, const struct mur_isa_reader *reader,
                                           const char *path, bool earlier, struct mur_error *error);

/** The title of a section of the investigation file as the specification spells it, or NULL. */
const char *mur_isa_section_title(const char *text);
/** Whether a label is spelt so, blanks and case apart. */
bool mur_isa_same_label(const char *text, const char *label);

/** Reads a table; *@p room is how many cells it may have yet, and less afterwards. *@p readable is
 * false, and diagnosed, when there is none.
 * @param name  the cell that names it; @param folder  of the investigation file */
MUR_NODISCARD
enum mur_status mur_isa_read_table(struct mur_isa_table *out, bool *readable, size_t *room,
                                   struct mur_isa_reader *reader, const char *folder,
                                   const char *name, struct mur_error *error);
void mur_isa_table_clear(struct mur_isa_table *table);

/** Sources and samples of the study table. */
MUR_NODISCARD
enum mur_status mur_isa_build_graph(const struct mur_isa_reader *reader,
                                    struct mur_isa_study *study, struct mur_error *error);
void mur_isa_graph_clear(struct mur_isa_study *study);

/** Whether the tables use only what the study declares. */
MUR_NODISCARD
enum mur_status mur_isa_check_study(const struct mur_isa_reader *reader,
                                    const struct mur_isa_study *study, struct mur_error *error);

#endif
