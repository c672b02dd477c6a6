#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/file.h"
#include "isa/encoding.h"
#include "isa/reader.h"

static const char *const kind_names[MUR_ISA_KINDS] = {
    [MUR_ISA_OTHER] = "other",         [MUR_ISA_CHARACTERISTIC] = "characteristic",
    [MUR_ISA_FACTOR] = "factor",       [MUR_ISA_PARAMETER] = "parameter",
    [MUR_ISA_COMMENT] = "comment",     [MUR_ISA_MATERIAL] = "material",
    [MUR_ISA_NAME] = "name",           [MUR_ISA_FILE] = "file",
    [MUR_ISA_PROTOCOL] = "protocol",   [MUR_ISA_DATE] = "date",
    [MUR_ISA_PERFORMER] = "performer", [MUR_ISA_PLAIN] = "plain",
    [MUR_ISA_QUALIFIER] = "qualifier",
};

const char *mur_isa_kind_name(enum mur_isa_kind kind)
{
    return kind < MUR_ISA_KINDS ? kind_names[kind] : "other";
}

enum mur_isa_kind mur_isa_kind_of(const char *name)
{
    for (unsigned kind = 0; kind < MUR_ISA_KINDS; kind++)
        if (strcmp(kind_names[kind], name) == 0)
            return (enum mur_isa_kind)kind;
    return MUR_ISA_KINDS;
}

bool mur_isa_is_url(const char *cell)
{
    if (strncasecmp(cell, "urn:", 4) == 0)
        return true;
    size_t scheme = 0;
    while (isalnum((unsigned char)cell[scheme]))
        scheme++;
    return scheme > 1 && strncmp(cell + scheme, "://", 3) == 0;
}

enum mur_status mur_isa_load_text(struct mur_buffer *out, bool *found,
                                  const struct mur_isa_reader *reader, const char *root,
                                  const char *path, struct mur_error *error)
{
    *found = false;
    MUR_AUTO_FREE char *where = NULL;
    struct mur_error cause = MUR_ERROR_INIT;
    enum mur_status status = mur_path_beneath(&where, root, path, &cause);
    if (status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    if (status == MUR_NOT_FOUND)
        return mur_isa_report(reader, MUR_ISA_ERROR, "missing-file", path, 0, error,
                              "there is no such file");
    if (status != MUR_OK)
        return mur_isa_report(reader, MUR_ISA_ERROR, "bad-path", path, 0, error, "%s",
                              cause.message);
    status = mur_file_read_all(out, where, MUR_ISA_FILE_LIMIT, &cause);
    if (status == MUR_NO_MEMORY)
        return mur_error_no_memory(error);
    if (status != MUR_OK)
        return mur_isa_report(reader, MUR_ISA_ERROR,
                              status == MUR_LIMIT ? "too-large" : "unreadable-file", path, 0, error,
                              "%s", cause.message);
    if (out->length == 0)
        return mur_isa_report(reader, MUR_ISA_ERROR, "empty-file", path, 0, error,
                              "has no content");
    struct mur_isa_decoded decoded;
    status = mur_isa_decode(&decoded, out, error);
    if (status == MUR_OK && decoded.encoding == MUR_ISA_CP1252)
        status = mur_isa_report(reader, MUR_ISA_WARNING, "not-utf8", path, 0, error,
                                "is not UTF-8: read as Windows-1252");
    if (status == MUR_OK && decoded.encoding == MUR_ISA_UTF16)
        status = mur_isa_report(reader, MUR_ISA_NOTE, "utf-16", path, 0, error,
                                "is UTF-16, the specification recommends UTF-8");
    if (status == MUR_OK && decoded.replaced > 0)
        status = mur_isa_report(reader, MUR_ISA_WARNING, "bad-character", path, 0, error,
                                "%zu NUL or broken character(s) were replaced", decoded.replaced);
    if (status == MUR_OK)
        *found = true;
    return status;
}

enum mur_status mur_isa_has_earlier(bool *out, struct mur_isa_reader *reader, const char *path,
                                    struct mur_error *error)
{
    struct mur_isa *isa = reader->isa;
    enum mur_status status = MUR_OK;
    *out = false;
    if (reader->earlier != NULL) {
        MUR_AUTO_FREE char *folder = NULL;
        status = reader->earlier->folder(&folder, reader->earlier->user, isa, error);
        if (status == MUR_OK && folder != NULL)
            status = mur_isa_intern(&isa->earlier, reader->strings, mur_slice_of(folder), error);
        reader->earlier = NULL;
    }
    MUR_AUTO_FREE char *where = NULL;
    if (status != MUR_OK || isa->earlier[0] == '\0' ||
        mur_path_beneath(&where, isa->earlier, path, NULL) != MUR_OK)
        return status;
    *out = true;
    return mur_isa_report(reader, MUR_ISA_WARNING, "earlier-version", path, 0, error,
                          "that of the version in force stands in for it");
}

enum mur_status mur_isa_report_token(const struct mur_isa_reader *reader, const char *path,
                                     const struct mur_isa_token *token, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (token->newlines > 0)
        status = mur_isa_report(reader, MUR_ISA_NOTE, "multiline-cell", path, token->line, error,
                                "a quoted cell goes over %zu line end(s)", token->newlines);
    if (status == MUR_OK && token->has_tab)
        status = mur_isa_report(reader, MUR_ISA_WARNING, "tab-in-cell", path, token->line, error,
                                "a quoted cell holds a TAB: perhaps a quote is missing");
    if (status == MUR_OK && token->unclosed)
        status = mur_isa_report(reader, MUR_ISA_WARNING, "unclosed-quote", path, token->line, error,
                                "a quote at the beginning of a cell is never closed: read as it "
                                "stands: %.*s",
                                (int)(token->text.length < 40 ? token->text.length : 40),
                                token->text.data);
    return status;
}

enum mur_status mur_isa_skip_comment(const struct mur_isa_reader *reader, const char *path,
                                     struct mur_isa_tokenizer *tokenizer, struct mur_error *error)
{
    size_t line = 0;
    struct mur_slice text = mur_slice_trim(mur_isa_take_line(&line, tokenizer));
    return mur_isa_report(reader, MUR_ISA_NOTE, "comment-line", path, line, error, "%.*s",
                          (int)mur_utf8_cut(text, 40), text.data);
}

bool mur_isa_leads_out(const char *path)
{
    if (path[0] == '/' || path[0] == '\\' || (path[0] != '\0' && path[1] == ':'))
        return true;
    for (const char *part = path; *part != '\0';) {
        size_t length = strcspn(part, "/\\");
        if (length == 2 && part[0] == '.' && part[1] == '.')
            return true;
        part += length;
        part += *part != '\0';
    }
    return false;
}

/* ---- finding --------------------------------------------------------------------------------- */

struct found {
    const char *root;
    char **paths; /* relative */
    size_t count;
    size_t capacity;
    bool top_only;
};

static bool is_investigation_name(const char *name)
{
    size_t length = strlen(name);
    return length > 6 && strncmp(name, "i_", 2) == 0 && strcasecmp(name + length - 4, ".txt") == 0;
}

enum { SEARCH_DEPTH = 4 };

static enum mur_status on_entry(void *user, const struct mur_walk_entry *entry, bool *skip,
                                struct mur_error *error)
{
    struct found *found = user;
    if (entry->kind == MUR_WALK_DIRECTORY) {
        *skip = found->top_only || entry->depth + 1 >= SEARCH_DEPTH;
        return MUR_OK;
    }
    if (entry->kind != MUR_WALK_FILE || !is_investigation_name(mur_path_base(entry->relative)))
        return MUR_OK;
    if (found->count == MUR_ISA_INVESTIGATIONS)
        return mur_error_set(error, MUR_LIMIT, "%s: more than %d investigation files", found->root,
                             MUR_ISA_INVESTIGATIONS);
    if (found->count == found->capacity) {
        size_t capacity = found->capacity == 0 ? 8 : found->capacity * 2;
        char **paths = reallocarray(found->paths, capacity, sizeof *paths);
        if (paths == NULL)
            return mur_error_no_memory(error);
        found->paths = paths;
        found->capacity = capacity;
    }
    enum mur_status status =
        mur_text_copy(&found->paths[found->count], mur_slice_of(entry->relative), error);
    if (status == MUR_OK)
        found->count++;
    return status;
}

static void found_free(struct found *found)
{
    for (size_t i = 0; i < found->count; i++)
        free(found->paths[i]);
    free(found->paths);
}

static enum mur_status find_investigations(struct found *found, const char *directory,
                                           struct mur_error *error)
{
    if (!mur_directory_exists(directory))
        return mur_error_set(error, MUR_NOT_FOUND, "%s: no such folder", directory);
    found->root = directory;
    found->top_only = true;
    enum mur_status status = mur_directory_walk(directory, on_entry, found, error);
    if (status == MUR_OK && found->count == 0) {
        found->top_only = false;
        status = mur_directory_walk(directory, on_entry, found, error);
    }
    if (status == MUR_OK && found->count == 0)
        return mur_error_set(error, MUR_NOT_FOUND,
                             "%s: no ISA-Tab investigation file here or in its subfolders; name "
                             "the folder that holds i_*.txt",
                             directory);
    return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

/** Those that can be read first: who the archive is, may be asked then. */
static enum mur_status read_investigations(struct mur_isa_reader *reader, const struct found *found,
                                           struct mur_error *error)
{
    MUR_AUTO_FREE bool *readable = calloc(found->count + 1, sizeof *readable);
    if (readable == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; i < found->count && status == MUR_OK; i++)
        status = mur_isa_read_investigation(&readable[i], reader, found->paths[i], false, error);
    for (size_t i = 0; i < found->count && status == MUR_OK; i++) {
        bool earlier = false;
        if (!readable[i])
            status = mur_isa_has_earlier(&earlier, reader, found->paths[i], error);
        if (status == MUR_OK && earlier)
            status = mur_isa_read_investigation(&readable[i], reader, found->paths[i], true, error);
    }
    return status;
}

/** A table that one study names again has the same scans, not others. */
static enum mur_status leave_out_again(const struct mur_isa_reader *reader,
                                       struct mur_isa_study *study, size_t index,
                                       struct mur_error *error)
{
    struct mur_isa_assay *assay = &study->assays[index];
    for (size_t i = 0; assay->readable && i < index; i++) {
        const struct mur_isa_assay *before = &study->assays[i];
        if (!before->readable || strcmp(before->table.path, assay->table.path) != 0)
            continue;
        mur_isa_table_clear(&assay->table);
        assay->readable = false;
        return mur_isa_report(reader, MUR_ISA_WARNING, "named-twice",
                              reader->isa->investigations[study->investigation].path, 0, error,
                              "study '%s' names the table %s twice; it is read once",
                              study->identifier, before->table.path);
    }
    return MUR_OK;
}

static enum mur_status read_study(struct mur_isa_reader *reader, struct mur_isa_study *study,
                                  size_t *room, struct mur_error *error)
{
    const struct mur_isa_investigation *investigation =
        &reader->isa->investigations[study->investigation];
    enum mur_status status = MUR_OK;
    if (study->file[0] == '\0')
        status = mur_isa_report(reader, MUR_ISA_ERROR, "missing-file", investigation->path, 0,
                                error, "study '%s' has no Study File Name", study->identifier);
    else
        status = mur_isa_read_table(&study->table, &study->readable, room, reader,
                                    investigation->folder, study->file, error);
    if (status == MUR_OK)
        status = mur_isa_build_graph(reader, study, error);
    for (size_t i = 0; i < study->assay_count && status == MUR_OK; i++) {
        struct mur_isa_assay *assay = &study->assays[i];
        if (assay->file[0] == '\0')
            status = mur_isa_report(reader, MUR_ISA_ERROR, "missing-file", investigation->path, 0,
                                    error, "an assay of study '%s' has no Study Assay File Name",
                                    study->identifier);
        else
            status = mur_isa_read_table(&assay->table, &assay->readable, room, reader,
                                        investigation->folder, assay->file, error);
        if (status == MUR_OK)
            status = leave_out_again(reader, study, i, error);
    }
    if (status == MUR_OK)
        status = mur_isa_check_study(reader, study, error);
    return status;
}

enum mur_status mur_isa_read(struct mur_isa **out, const char *directory,
                             struct mur_isa_diagnostics *diagnostics, struct mur_error *error)
{
    return mur_isa_read_over(out, directory, NULL, diagnostics, error);
}

enum mur_status mur_isa_read_over(struct mur_isa **out, const char *directory,
                                  const struct mur_isa_earlier *earlier,
                                  struct mur_isa_diagnostics *diagnostics, struct mur_error *error)
{
    struct found found = {.root = directory};
    enum mur_status status = find_investigations(&found, directory, error);
    if (status != MUR_OK) {
        found_free(&found);
        return status;
    }
    MUR_AUTO(mur_isa) *isa = calloc(1, sizeof *isa);
    if (isa == NULL)
        status = mur_error_no_memory(error);
    if (status == MUR_OK)
        status = mur_isa_strings_create(&isa->strings, error);
    if (status == MUR_OK)
        status = mur_isa_intern(&isa->root, isa->strings, mur_slice_of(directory), error);
    if (status == MUR_OK) {
        struct mur_isa_reader reader = {isa, isa->strings, diagnostics, earlier};
        isa->earlier = "";
        size_t room = MUR_ISA_ARCHIVE_CELLS;
        if (found.count > 1 && strchr(found.paths[0], '/') == NULL)
            status = mur_isa_report(
                &reader, MUR_ISA_WARNING, "several-investigations", found.paths[1], 0, error,
                "the folder has %zu investigation files: all are read", found.count);
        if (status == MUR_OK)
            status = read_investigations(&reader, &found, error);
        for (size_t i = 0; i < isa->study_count && status == MUR_OK; i++)
            status = read_study(&reader, &isa->studies[i], &room, error);
    }
    found_free(&found);
    if (status == MUR_OK)
        *out = MUR_STEAL(isa);
    return status;
}

void mur_isa_free(struct mur_isa *isa)
{
    if (isa == NULL)
        return;
    for (size_t i = 0; i < isa->study_count; i++) {
        mur_isa_table_clear(&isa->studies[i].table);
        mur_isa_graph_clear(&isa->studies[i]);
        for (size_t a = 0; a < isa->studies[i].assay_count; a++)
            mur_isa_table_clear(&isa->studies[i].assays[a].table);
    }
    mur_isa_strings_free(isa->strings);
    free(isa);
}

/** Slashes for backslashes, without "." and doubled slashes. */
static enum mur_status simplify_path(char **out, const char *cell, struct mur_error *error)
{
    char *path = NULL;
    enum mur_status status = mur_text_copy(&path, mur_slice_of(cell), error);
    if (status != MUR_OK)
        return status;
    for (char *c = path; *c != '\0'; c++)
        if (*c == '\\')
            *c = '/';
    char *to = path;
    const char *from = path;
    while (*from != '\0') {
        while (*from == '/')
            from++;
        size_t length = strcspn(from, "/");
        if (length == 0 || (length == 1 && *from == '.')) {
            from += length;
            continue;
        }
        if (to != path && to[-1] != '/')
            *to++ = '/';
        memmove(to, from, length);
        to += length;
        from += length;
    }
    *to = '\0';
    *out = path;
    return MUR_OK;
}

enum mur_status mur_isa_resolve_path(char **out, const struct mur_isa *isa,
                                     const struct mur_isa_study *study, const char *cell,
                                     struct mur_error *error)
{
    if (mur_isa_is_url(cell))
        return mur_error_set(error, MUR_DENIED, "%s: a URL is recorded, never fetched", cell);
    if (mur_isa_leads_out(cell))
        return mur_error_set(error, MUR_DENIED,
                             "%s: absolute, or leading out of the folder: not followed", cell);
    const char *folder = isa->investigations[study->investigation].folder;
    MUR_AUTO_FREE char *plain = NULL;
    MUR_AUTO_FREE char *beside = NULL;
    enum mur_status status = simplify_path(&plain, cell, error);
    if (status == MUR_OK)
        status = mur_path_join(&beside, folder, plain, error);
    if (status != MUR_OK)
        return status;
    const char *const candidates[] = {beside, plain};
    for (size_t i = 0; i < MUR_COUNT(candidates); i++) {
        status = mur_path_spelling(out, isa->root, candidates[i], error);
        if (status != MUR_NOT_FOUND)
            return status;
    }
    return mur_error_set(error, MUR_NOT_FOUND, "%s: no such file in %s%s%s", cell, isa->root,
                         folder[0] == '\0' ? "" : "/", folder);
}
