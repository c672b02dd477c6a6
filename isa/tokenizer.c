#include "isa/tokenizer.h"

#include <string.h>

void mur_isa_tokenizer_init(struct mur_isa_tokenizer *tokenizer, struct mur_slice data)
{
    *tokenizer = (struct mur_isa_tokenizer){.data = data.data, .length = data.length, .line = 1};
}

void mur_isa_tokenizer_free(struct mur_isa_tokenizer *tokenizer)
{
    mur_buffer_free(&tokenizer->scratch);
}

static bool is_delimiter(const struct mur_isa_tokenizer *tokenizer, size_t position)
{
    if (position >= tokenizer->length)
        return true;
    char c = tokenizer->data[position];
    return c == '\t' || c == '\r' || c == '\n';
}

/** The first TAB or line end at or after @p position. */
static size_t find_delimiter(const struct mur_isa_tokenizer *tokenizer, size_t position)
{
    while (!is_delimiter(tokenizer, position))
        position++;
    return position;
}

static size_t find_line_end(const struct mur_isa_tokenizer *tokenizer, size_t position)
{
    while (position < tokenizer->length && tokenizer->data[position] != '\r' &&
           tokenizer->data[position] != '\n')
        position++;
    return position;
}

/** Steps over CR, LF or CRLF. */
static void take_line_end(struct mur_isa_tokenizer *tokenizer)
{
    if (tokenizer->position >= tokenizer->length)
        return;
    bool carriage_return = tokenizer->data[tokenizer->position++] == '\r';
    if (carriage_return && tokenizer->position < tokenizer->length &&
        tokenizer->data[tokenizer->position] == '\n')
        tokenizer->position++;
    tokenizer->line++;
}

struct mur_slice mur_isa_take_line(size_t *line, struct mur_isa_tokenizer *tokenizer)
{
    size_t begin = tokenizer->position;
    *line = tokenizer->line;
    tokenizer->position = find_line_end(tokenizer, begin);
    struct mur_slice text = {tokenizer->data + begin, tokenizer->position - begin};
    take_line_end(tokenizer);
    return text;
}

enum mur_isa_record mur_isa_next_record(struct mur_isa_tokenizer *tokenizer)
{
    while (tokenizer->position < tokenizer->length) {
        size_t position = tokenizer->position;
        if (tokenizer->data[position] == '#')
            return MUR_ISA_RECORD_COMMENT;
        while (position < tokenizer->length &&
               (tokenizer->data[position] == ' ' || tokenizer->data[position] == '\t'))
            position++;
        if (position < tokenizer->length && tokenizer->data[position] != '\r' &&
            tokenizer->data[position] != '\n')
            return MUR_ISA_RECORD_CELLS;
        tokenizer->position = position;
        take_line_end(tokenizer);
    }
    return MUR_ISA_RECORD_END;
}

/** What a search for the closing quote found on its way. */
struct quoted {
    size_t close; /**< position of the closing quote */
    size_t doubled;
    size_t newlines;
    bool has_tab;
};

/**
 * Looks for the quote that closes the cell whose content begins at @p begin.
 *
 * A search that fails has stood inside the cell at every delimiter that it passed. So a later cell
 * that is still open at its first delimiter joins the failed search and cannot close either: it
 * need not be searched again, which keeps the whole linear.
 */
static bool find_close(struct quoted *out, struct mur_isa_tokenizer *tokenizer, size_t begin)
{
    struct quoted found = {0};
    bool joins_failed = begin < tokenizer->no_close_before;
    size_t end = tokenizer->length;
    if (end - begin > MUR_ISA_CELL_LIMIT)
        end = begin + MUR_ISA_CELL_LIMIT;
    for (size_t i = begin; i < end; i++) {
        char c = tokenizer->data[i];
        if (c == '"') {
            if (i + 1 < tokenizer->length && tokenizer->data[i + 1] == '"') {
                found.doubled++;
                i++;
            } else if (is_delimiter(tokenizer, i + 1)) {
                found.close = i;
                *out = found;
                return true;
            }
            continue;
        }
        if (c != '\t' && c != '\r' && c != '\n')
            continue;
        if (joins_failed)
            return false;
        if (c == '\t')
            found.has_tab = true;
        else if (c == '\n' || i + 1 >= tokenizer->length || tokenizer->data[i + 1] != '\n')
            found.newlines++;
    }
    tokenizer->no_close_before = end;
    return false;
}

/** Puts the content with its doubled quotes halved into the scratch buffer. */
static enum mur_status unquote(struct mur_slice *out, struct mur_isa_tokenizer *tokenizer,
                               struct mur_slice content, struct mur_error *error)
{
    mur_buffer_clear(&tokenizer->scratch);
    enum mur_status status = mur_buffer_reserve(&tokenizer->scratch, content.length, error);
    while (status == MUR_OK && content.length > 0) {
        const char *quote = memchr(content.data, '"', content.length);
        size_t length = quote == NULL ? content.length : (size_t)(quote - content.data) + 1;
        status = mur_buffer_append(&tokenizer->scratch, content.data, length, error);
        if (quote != NULL && length < content.length && quote[1] == '"')
            length++;
        content.data += length;
        content.length -= length;
    }
    if (status == MUR_OK)
        *out = (struct mur_slice){mur_buffer_text(&tokenizer->scratch), tokenizer->scratch.length};
    return status;
}

enum mur_status mur_isa_next_cell(struct mur_isa_token *out, struct mur_isa_tokenizer *tokenizer,
                                  struct mur_error *error)
{
    size_t begin = tokenizer->position;
    struct mur_isa_token token = {.line = tokenizer->line};
    bool opened = begin < tokenizer->length && tokenizer->data[begin] == '"';
    struct quoted quoted = {0};
    size_t end = 0;
    if (opened && find_close(&quoted, tokenizer, begin + 1)) {
        struct mur_slice content = {tokenizer->data + begin + 1, quoted.close - begin - 1};
        token.text = content;
        if (quoted.doubled > 0) {
            enum mur_status status = unquote(&token.text, tokenizer, content, error);
            if (status != MUR_OK)
                return status;
        }
        token.newlines = quoted.newlines;
        token.has_tab = quoted.has_tab;
        end = quoted.close + 1;
    } else {
        end = find_delimiter(tokenizer, begin);
        if (end - begin > MUR_ISA_CELL_LIMIT)
            return mur_error_set(error, MUR_LIMIT, "line %zu: a cell is longer than %d MiB",
                                 token.line, MUR_ISA_CELL_LIMIT / (1024 * 1024));
        token.text = (struct mur_slice){tokenizer->data + begin, end - begin};
        token.unclosed = opened;
    }
    tokenizer->line += token.newlines;
    tokenizer->position = end;
    token.last = end >= tokenizer->length || tokenizer->data[end] != '\t';
    if (token.last)
        take_line_end(tokenizer);
    else
        tokenizer->position++;
    *out = token;
    return MUR_OK;
}
