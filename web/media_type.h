/**
 * Media types, and which of them a client accepts (RFC 9110 8.3.1 and 12.5.1; PS3.18 8.7).
 * Internal to web/. Threads: one at a time per list.
 */
#ifndef MUR_WEB_MEDIA_TYPE_H
#define MUR_WEB_MEDIA_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/own.h"
#include "core/text.h"
#include "web/exchange.h"

enum { MUR_MEDIA_RANGES = 64, MUR_MEDIA_PARAMETERS = 8 };

struct mur_media_parameter {
    const char *name;  /**< lower case */
    const char *value; /**< without the quotation marks */
};

/** A media type or range: "multipart/related; type="application/dicom"; q=0.5", "image/" "*". */
struct mur_media_range {
    const char *type;                                            /**< lower case; "*" for any */
    const char *subtype;                                         /**< likewise */
    struct mur_media_parameter parameters[MUR_MEDIA_PARAMETERS]; /**< but for q */
    size_t parameter_count;
    unsigned quality; /**< thousandths; 0 = not acceptable */
};

/** A list; zero-initialise it. */
struct mur_media_list {
    struct mur_media_range *ranges; /**< in the order of the text */
    size_t count;
    char *text; /**< what the ranges point into */
};

void mur_media_list_free(struct mur_media_list *list); /**< the content; NULL is fine */
#define MUR_AUTO_MEDIA_LIST __attribute__((cleanup(mur_media_list_free)))

/**
 * Reads a list separated by commas, such as an Accept header. Quoted commas are no separators;
 * values such as type=application/dicom may go without their quotation marks, as many clients have
 * it; elements that are no media type are skipped.
 * @param[out] out  zeroed before; the caller's
 * @retval MUR_INVALID  more than MUR_MEDIA_RANGES, or a range of more than MUR_MEDIA_PARAMETERS
 */
MUR_NODISCARD
enum mur_status mur_media_list_parse(struct mur_media_list *out, struct mur_slice text,
                                     struct mur_error *error);

/** A parameter's value; NULL: it has none of that name (in lower case). */
const char *mur_media_parameter(const struct mur_media_range *range, const char *name);

/** Whether the range means the type, which is in lower case: "application/json". */
bool mur_media_fits(const struct mur_media_range *range, const char *type);

/**
 * Thousandths by which a type is wanted: the quality of the range that names it most exactly.
 * @param[out] place  of that range in the list; not touched when none fits. May be NULL
 * @return 0: not acceptable
 */
unsigned mur_media_quality(size_t *place, const struct mur_media_list *list, const char *type);

/** What a request accepts; zero-initialise it. */
struct mur_accept {
    struct mur_media_list parameter; /**< query parameter "accept": asked first */
    struct mur_media_list header;    /**< without such a header: the range of all */
};

void mur_accept_free(struct mur_accept *accept);
#define MUR_AUTO_ACCEPT __attribute__((cleanup(mur_accept_free)))

/** @param[out] out  zeroed before; the caller's. @retval MUR_INVALID  see mur_media_list_parse() */
MUR_NODISCARD
enum mur_status mur_accept_read(struct mur_accept *out, const struct mur_exchange *exchange,
                                struct mur_error *error);

/**
 * Chooses among single-part types (PS3.18 8.7.8.1): the parameter's best, else the header's; among
 * equals the one that the client, then the one that @p offers names first.
 * @param[in] offers  in lower case; the first one is the default
 * @param[out] out  index in @p offers
 * @retval MUR_UNSUPPORTED  none is acceptable (406); the message says what there is
 */
MUR_NODISCARD
enum mur_status mur_accept_choose(size_t *out, const struct mur_accept *accept,
                                  const char *const *offers, size_t count, struct mur_error *error);

#endif
