/**
 * What is asked for by the headings of an ISA-Tab, rather than by tags (murpacs find --isa):
 * "Factor Value[diet]=western*", "Age>=150", "characteristic:Age=150..200", "diet". It is sent as
 * items of the private block MURPACS ISA 1.0, all of which must match (docs/isa.md).
 */
#ifndef MUR_CLI_FIND_ISA_H
#define MUR_CLI_FIND_ISA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "dicom/data_set.h"

enum { MUR_ISA_QUESTIONS = 32, MUR_ISA_HEADING_SIZE = 256 };

struct mur_isa_question {
    char kind[16]; /**< "FACTOR"; "" where none was said */
    char heading[MUR_ISA_HEADING_SIZE];
    char *text;   /**< owned: value, pattern or range */
    bool matched; /**< false: only to be told of */
};

struct mur_isa_questions {
    struct mur_isa_question list[MUR_ISA_QUESTIONS];
    size_t count;
};
void mur_isa_questions_free(struct mur_isa_questions *questions); /**< the content */

/** Reads the words of --isa; NULL ends them. @retval MUR_INVALID  with what would have been right
 */
MUR_NODISCARD
enum mur_status mur_isa_questions_read(struct mur_isa_questions *out, char **words,
                                       struct mur_error *error);

/** Puts them into an identifier. */
MUR_NODISCARD
enum mur_status mur_isa_questions_put(struct mur_dataset *identifier,
                                      const struct mur_isa_questions *questions,
                                      struct mur_error *error);

/** The cells of an answer that a question is about, separated by "; ". @param[out] out  free()
 * @retval MUR_UNSUPPORTED  the answer has no such block: the peer did not understand the question
 */
MUR_NODISCARD
enum mur_status mur_isa_question_answer(char **out, const struct mur_isa_question *question,
                                        struct mur_dataset *answer, struct mur_error *error);

#endif
