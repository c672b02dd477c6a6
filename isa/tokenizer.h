/**
 * Splits the text of an ISA-Tab file into records and cells, in one pass.
 *
 * Cells end at TAB, records at LF, CR or CRLF, mixed as they come. A cell that begins with a quote
 * ends at the next quote followed by TAB, CR, LF or the end; a doubled quote in it is one; all
 * others are literal. One that never ends is taken literally, opening quote and all, as far as the
 * next TAB or line end. Time is proportional to the length, whatever the quotes.
 * Threads: one at a time per tokenizer.
 */
#ifndef MUR_ISA_TOKENIZER_H
#define MUR_ISA_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/text.h"

enum { MUR_ISA_CELL_LIMIT = 16 * 1024 * 1024 };

/** Initialise with mur_isa_tokenizer_init(); members are private. */
struct mur_isa_tokenizer {
    const char *data;
    size_t length;
    size_t position;
    size_t line;
    size_t no_close_before; /* a quote opened before this is known to find no end by here */
    struct mur_buffer scratch;
};

struct mur_isa_token {
    struct mur_slice text; /**< without its quotes; borrowed until the next call */
    size_t line;           /**< physical line on which the cell begins, from 1 */
    bool last;             /**< last cell of its record */
    bool unclosed;         /**< began with a quote that never ended: taken literally */
    bool has_tab;          /**< TAB within quotes: perhaps a quote is missing */
    size_t newlines;       /**< line ends within quotes */
};

/** @param data  UTF-8 without byte order mark, borrowed */
void mur_isa_tokenizer_init(struct mur_isa_tokenizer *tokenizer, struct mur_slice data);
void mur_isa_tokenizer_free(struct mur_isa_tokenizer *tokenizer);

/** What stands at the beginning of a record. */
enum mur_isa_record {
    MUR_ISA_RECORD_CELLS,   /**< take them with mur_isa_next_cell() until token.last */
    MUR_ISA_RECORD_COMMENT, /**< '#' first: take it with mur_isa_take_line() */
    MUR_ISA_RECORD_END,     /**< no more */
};

/** Goes over blank records (nothing but blanks and TABs). Call at the beginning of a record. */
enum mur_isa_record mur_isa_next_record(struct mur_isa_tokenizer *tokenizer);

/** The whole physical line, without its end. @param[out] line  its number */
struct mur_slice mur_isa_take_line(size_t *line, struct mur_isa_tokenizer *tokenizer);

/** The next cell of the record; call until token.last.
 * @retval MUR_LIMIT  longer than MUR_ISA_CELL_LIMIT; MUR_NO_MEMORY */
MUR_NODISCARD
enum mur_status mur_isa_next_cell(struct mur_isa_token *out, struct mur_isa_tokenizer *tokenizer,
                                  struct mur_error *error);

#endif
