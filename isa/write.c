#include "isa/write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "isa/reader.h"

enum { PIECE = 256 * 1024 };

struct writing {
    const struct mur_isa *isa;
    const char *directory;
    const struct mur_isa_part *part;
};

static bool has_part(const struct writing *writing, const struct mur_isa_study *study,
                     const struct mur_isa_assay *assay)
{
    if (assay != NULL && !assay->readable)
        return false;
    return writing->part->has == NULL || writing->part->has(writing->part->user, study, assay);
}

/* ---- a file ---------------------------------------------------------------------------------- */

struct output {
    int file;
    char *path;
    struct mur_buffer text; /* not yet written */
};

static void output_close(struct output *output)
{
    if (output->file >= 0)
        (void)close(output->file);
    free(output->path);
    mur_buffer_free(&output->text);
}
#define AUTO_OUTPUT __attribute__((cleanup(output_close)))

static enum mur_status output_open(struct output *out, const struct writing *writing,
                                   const char *relative, struct mur_error *error)
{
    enum mur_status status = mur_path_join(&out->path, writing->directory, relative, error);
    if (status != MUR_OK)
        return status;
    char *slash = strrchr(out->path, '/');
    *slash = '\0';
    status = mur_directory_create(out->path, 0777, error);
    *slash = '/';
    if (status != MUR_OK)
        return status;
    out->file = open(out->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (out->file < 0 && errno == EEXIST)
        return mur_error_set(error, MUR_EXISTS,
                             "%s is there already, or it is an assay of two studies: it cannot "
                             "name the objects of both",
                             out->path);
    if (out->file < 0)
        return mur_error_set_errno(error, errno, "%s", out->path);
    return MUR_OK;
}

static enum mur_status output_flush(struct output *output, struct mur_error *error)
{
    enum mur_status status = mur_write_full(output->file, mur_buffer_text(&output->text),
                                            output->text.length, output->path, error);
    mur_buffer_clear(&output->text);
    return status;
}

/** @param first  of its record: then '#' would make it a comment */
static enum mur_status write_cell(struct output *output, const char *text, bool first,
                                  struct mur_error *error)
{
    struct mur_buffer *to = &output->text;
    enum mur_status status = first ? MUR_OK : mur_buffer_append(to, "\t", 1, error);
    if (status != MUR_OK)
        return status;
    if (text[strcspn(text, "\t\r\n")] == '\0' && text[0] != '"' && !(first && text[0] == '#'))
        return mur_buffer_append_text(to, text, error);
    status = mur_buffer_append(to, "\"", 1, error);
    while (status == MUR_OK && *text != '\0') {
        size_t length = strcspn(text, "\"");
        status = mur_buffer_append(to, text, length, error);
        text += length;
        if (status == MUR_OK && *text == '"') {
            status = mur_buffer_append(to, "\"\"", 2, error);
            text++;
        }
    }
    return status == MUR_OK ? mur_buffer_append(to, "\"", 1, error) : status;
}

static enum mur_status end_record(struct output *output, struct mur_error *error)
{
    enum mur_status status = mur_buffer_append(&output->text, "\n", 1, error);
    return status == MUR_OK && output->text.length >= PIECE ? output_flush(output, error) : status;
}

/* ---- tables ---------------------------------------------------------------------------------- */

static const char *const *added_columns(const struct writing *writing,
                                        const struct mur_isa_study *study,
                                        const struct mur_isa_assay *assay, uint32_t column)
{
    static const char *const none[] = {NULL};
    const struct mur_isa_part *part = writing->part;
    const char *const *added =
        part->columns == NULL ? NULL : part->columns(part->user, study, assay, column);
    return added == NULL ? none : added;
}

static enum mur_status write_header(struct output *output, const struct writing *writing,
                                    const struct mur_isa_study *study,
                                    const struct mur_isa_assay *assay,
                                    const struct mur_isa_table *table, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; status == MUR_OK && c < table->column_count; c++) {
        const char *const *added = added_columns(writing, study, assay, c);
        status = write_cell(output, table->columns[c].header, c == 0, error);
        for (; status == MUR_OK && *added != NULL; added++)
            status = write_cell(output, *added, false, error);
    }
    return status == MUR_OK ? end_record(output, error) : status;
}

static enum mur_status write_row(struct output *output, const struct writing *writing,
                                 const struct mur_isa_study *study,
                                 const struct mur_isa_assay *assay,
                                 const struct mur_isa_table *table, uint32_t row,
                                 struct mur_error *error)
{
    const struct mur_isa_part *part = writing->part;
    enum mur_status status = MUR_OK;
    for (uint32_t c = 0; status == MUR_OK && c < table->column_count; c++) {
        const char *const *added = added_columns(writing, study, assay, c);
        const char *cell = mur_isa_cell(table, row, c);
        for (size_t number = 0; status == MUR_OK; number++) {
            if (part->cell != NULL)
                status = part->cell(&cell, part->user, study, assay, row, c, number, error);
            if (status == MUR_OK)
                status = write_cell(output, cell, c == 0 && number == 0, error);
            if (added[number] == NULL)
                break;
            cell = "";
        }
    }
    return status == MUR_OK ? end_record(output, error) : status;
}

/** What is written of a table. One that several studies name, or a study names twice, is one file.
 */
struct rows {
    bool *wanted; /* owned; of each row, whether one of those who name the table has it */
    bool written; /* with one that came before */
};

static void rows_free(struct rows *rows)
{
    free(rows->wanted);
}
#define AUTO_ROWS __attribute__((cleanup(rows_free)))

static void add_rows(struct rows *rows, const struct writing *writing,
                     const struct mur_isa_study *study, const struct mur_isa_assay *assay,
                     const struct mur_isa_table *table)
{
    const struct mur_isa_part *part = writing->part;
    for (uint32_t row = 0; row < table->row_count; row++)
        rows->wanted[row] = rows->wanted[row] || part->has_row == NULL ||
                            part->has_row(part->user, study, assay, row);
}

static enum mur_status choose_rows(struct rows *out, const struct writing *writing,
                                   const struct mur_isa_study *study,
                                   const struct mur_isa_assay *assay,
                                   const struct mur_isa_table *table, struct mur_error *error)
{
    const struct mur_isa *isa = writing->isa;
    bool before = true;
    out->wanted = calloc((size_t)table->row_count + 1, sizeof *out->wanted);
    if (out->wanted == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; assay == NULL && i < isa->study_count; i++) {
        const struct mur_isa_study *other = &isa->studies[i];
        before = before && other != study;
        if (!other->readable || strcmp(other->table.path, table->path) != 0 ||
            !has_part(writing, other, NULL))
            continue;
        out->written = out->written || before;
        add_rows(out, writing, other, NULL, table);
    }
    for (size_t i = 0; assay != NULL && i < study->assay_count; i++) {
        const struct mur_isa_assay *other = &study->assays[i];
        before = before && other != assay;
        if (strcmp(other->table.path, table->path) != 0 || !has_part(writing, study, other))
            continue;
        out->written = out->written || before;
        add_rows(out, writing, study, other, table);
    }
    return MUR_OK;
}

static enum mur_status write_table(const struct writing *writing, const struct mur_isa_study *study,
                                   const struct mur_isa_assay *assay,
                                   const struct mur_isa_table *table, struct mur_error *error)
{
    AUTO_ROWS struct rows rows = {.wanted = NULL};
    AUTO_OUTPUT struct output output = {.file = -1};
    enum mur_status status = choose_rows(&rows, writing, study, assay, table, error);
    if (status != MUR_OK || rows.written)
        return status;
    status = output_open(&output, writing, table->path, error);
    if (status == MUR_OK)
        status = write_header(&output, writing, study, assay, table, error);
    for (uint32_t row = 0; status == MUR_OK && row < table->row_count; row++)
        if (rows.wanted[row])
            status = write_row(&output, writing, study, assay, table, row, error);
    return status == MUR_OK ? output_flush(&output, error) : status;
}

static enum mur_status write_study(const struct writing *writing, const struct mur_isa_study *study,
                                   struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (study->readable)
        status = write_table(writing, study, NULL, &study->table, error);
    for (size_t i = 0; status == MUR_OK && i < study->assay_count; i++)
        if (has_part(writing, study, &study->assays[i]))
            status = write_table(writing, study, &study->assays[i], &study->assays[i].table, error);
    return status;
}

/* ---- the investigation file ------------------------------------------------------------------ */

struct record {
    const char **cells; /* owned; texts in the memory of the records */
    size_t count;
};

struct records {
    struct mur_isa_strings *strings;
    struct record *items;
    size_t count;
    size_t capacity;
};

static void records_free(struct records *records)
{
    for (size_t i = 0; i < records->count; i++)
        free(records->items[i].cells);
    free(records->items);
    mur_isa_strings_free(records->strings);
}

static enum mur_status read_record(struct records *records, struct mur_isa_tokenizer *tokenizer,
                                   struct mur_error *error)
{
    if (records->count == records->capacity) {
        size_t capacity = records->capacity == 0 ? 128 : records->capacity * 2;
        struct record *items = reallocarray(records->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        records->items = items;
        records->capacity = capacity;
    }
    struct record *record = &records->items[records->count++];
    *record = (struct record){.cells = NULL};
    size_t capacity = 0;
    struct mur_isa_token token = {.last = false};
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && !token.last) {
        if (record->count == capacity) {
            capacity = capacity == 0 ? 8 : capacity * 2;
            const char **cells = reallocarray(record->cells, capacity, sizeof *cells);
            if (cells == NULL)
                return mur_error_no_memory(error);
            record->cells = cells;
        }
        status = mur_isa_next_cell(&token, tokenizer, error);
        if (status == MUR_OK)
            status = mur_isa_intern(&record->cells[record->count], records->strings,
                                    mur_slice_trim(token.text), error);
        record->count += status == MUR_OK ? 1 : 0;
    }
    while (record->count > 1 && record->cells[record->count - 1][0] == '\0')
        record->count--;
    return status;
}

static enum mur_status read_records(struct records *out, const struct mur_isa *isa,
                                    const struct mur_isa_investigation *of, struct mur_error *error)
{
    const struct mur_isa_reader reader = {.isa = (struct mur_isa *)isa};
    const char *root = of->earlier ? isa->earlier : isa->root;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    bool found = false;
    enum mur_status status = mur_isa_strings_create(&out->strings, error);
    if (status == MUR_OK)
        status = mur_isa_load_text(&text, &found, &reader, root, of->path, error);
    if (status == MUR_OK && !found)
        status = mur_error_set(error, MUR_NOT_FOUND, "%s/%s cannot be read again", root, of->path);
    if (status != MUR_OK)
        return status;
    struct mur_isa_tokenizer tokenizer;
    size_t line = 0;
    mur_isa_tokenizer_init(&tokenizer, (struct mur_slice){mur_buffer_text(&text), text.length});
    for (bool more = true; more && status == MUR_OK;) {
        switch (mur_isa_next_record(&tokenizer)) {
        case MUR_ISA_RECORD_END:
            more = false;
            break;
        case MUR_ISA_RECORD_COMMENT:
            (void)mur_isa_take_line(&line, &tokenizer);
            break;
        case MUR_ISA_RECORD_CELLS:
            status = read_record(out, &tokenizer, error);
            break;
        }
    }
    mur_isa_tokenizer_free(&tokenizer);
    return status;
}

static const char *title_of(const struct record *record)
{
    return record->count == 1 ? mur_isa_section_title(record->cells[0]) : NULL;
}

/** Of STUDY ASSAYS, which columns (from 1) are written. @param[out] keep  calloc'ed, @p width */
static void choose_assays(bool *keep, size_t width, const struct writing *writing,
                          const struct mur_isa_study *study, const struct record *rows,
                          size_t count)
{
    for (size_t c = 1; c < width; c++)
        for (size_t i = 0; i < count; i++) {
            if (!mur_isa_same_label(rows[i].cells[0], "Study Assay File Name") ||
                c >= rows[i].count)
                continue;
            for (size_t a = 0; a < study->assay_count; a++)
                keep[c] = keep[c] || (strcmp(study->assays[a].file, rows[i].cells[c]) == 0 &&
                                      has_part(writing, study, &study->assays[a]));
        }
}

/** @param keep  which columns; NULL = all */
static enum mur_status write_record(struct output *output, const struct record *record,
                                    const bool *keep, struct mur_error *error)
{
    enum mur_status status = write_cell(output, record->cells[0], true, error);
    for (size_t c = 1; status == MUR_OK && c < record->count; c++)
        if (keep == NULL || keep[c])
            status = write_cell(output, record->cells[c], false, error);
    return status == MUR_OK ? end_record(output, error) : status;
}

static enum mur_status write_section(struct output *output, const struct writing *writing,
                                     const struct mur_isa_study *study, const struct record *rows,
                                     size_t count, struct mur_error *error)
{
    const char *title = title_of(&rows[0]);
    bool assays = study != NULL && title != NULL && strcmp(title, "STUDY ASSAYS") == 0;
    size_t width = 1;
    for (size_t i = 0; i < count; i++)
        width = rows[i].count > width ? rows[i].count : width;
    MUR_AUTO_FREE bool *keep = calloc(width, sizeof *keep);
    if (keep == NULL)
        return mur_error_no_memory(error);
    if (assays)
        choose_assays(keep, width, writing, study, rows, count);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < count; i++)
        status = write_record(output, &rows[i], assays ? keep : NULL, error);
    return status;
}

/** Section by section; sections of a study that is left out are passed over.
 * @param first  of the investigation's studies */
static enum mur_status copy_investigation(struct output *output, const struct writing *writing,
                                          const struct records *records, size_t first,
                                          struct mur_error *error)
{
    const struct mur_isa_study *study = NULL;
    size_t next = first;
    enum mur_status status = MUR_OK;
    for (size_t begin = 0; status == MUR_OK && begin < records->count;) {
        size_t end = begin + 1;
        while (end < records->count && title_of(&records->items[end]) == NULL)
            end++;
        const char *title = title_of(&records->items[begin]);
        if (title != NULL && strcmp(title, "STUDY") == 0 && next < writing->isa->study_count)
            study = &writing->isa->studies[next++];
        if (study == NULL || has_part(writing, study, NULL))
            status =
                write_section(output, writing, study, records->items + begin, end - begin, error);
        begin = end;
    }
    return status;
}

static enum mur_status write_investigation(const struct writing *writing, size_t index,
                                           struct mur_error *error)
{
    const struct mur_isa *isa = writing->isa;
    size_t first = 0;
    while (first < isa->study_count && isa->studies[first].investigation != index)
        first++;
    bool any = false;
    for (size_t i = first; i < isa->study_count && isa->studies[i].investigation == index; i++)
        any = any || has_part(writing, &isa->studies[i], NULL);
    if (!any)
        return MUR_OK;
    __attribute__((cleanup(records_free))) struct records records = {.items = NULL};
    AUTO_OUTPUT struct output output = {.file = -1};
    enum mur_status status = read_records(&records, isa, &isa->investigations[index], error);
    if (status == MUR_OK)
        status = output_open(&output, writing, isa->investigations[index].path, error);
    if (status == MUR_OK)
        status = copy_investigation(&output, writing, &records, first, error);
    return status == MUR_OK ? output_flush(&output, error) : status;
}

enum mur_status mur_isa_write(const struct mur_isa *isa, const char *directory,
                              const struct mur_isa_part *part, struct mur_error *error)
{
    const struct writing writing = {.isa = isa, .directory = directory, .part = part};
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < isa->investigation_count; i++)
        status = write_investigation(&writing, i, error);
    for (size_t i = 0; status == MUR_OK && i < isa->study_count; i++)
        if (has_part(&writing, &isa->studies[i], NULL))
            status = write_study(&writing, &isa->studies[i], error);
    return status;
}
