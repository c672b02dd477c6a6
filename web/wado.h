/**
 * What the files of WADO-RS (PS3.18 10.4) share: which instances an address means, their files
 * checked, the representation that a client accepts, validators, memory for decoding. Internal to
 * web/. Threads: any.
 */
#ifndef MUR_WEB_WADO_H
#define MUR_WEB_WADO_H

#include "web/exchange.h"
#include "web/media_type.h"
#include "web/wado_body.h"
#include "web/wado_cache.h"

struct mur_wado;

MUR_NODISCARD
enum mur_status mur_wado_create(struct mur_wado **out, const struct mur_config *config,
                                struct mur_error *error);
/** When nobody is answered any more. NULL is fine. */
void mur_wado_free(struct mur_wado *wado);
MUR_DEFINE_AUTO(mur_wado, mur_wado_free)

/** Descriptions of images, and metadata of series. */
struct mur_cache *mur_wado_images(const struct mur_exchange *exchange);
struct mur_cache *mur_wado_metadata(const struct mur_exchange *exchange);

/* ---- instances ------------------------------------------------------------------------------- */

/** The instance of a path /studies/{}/series/{}/instances/{}...
 * @retval MUR_NOT_FOUND  nothing is stored there; MUR_INVALID  no UIDs */
MUR_NODISCARD
enum mur_status mur_wado_instance(struct mur_instance *out, const struct mur_exchange *exchange,
                                  struct mur_error *error);
/** All instances of a path, of a study, a series or one. @retval MUR_NOT_FOUND, MUR_INVALID */
MUR_NODISCARD
enum mur_status mur_wado_plan(struct mur_plan *out, const struct mur_exchange *exchange,
                              enum mur_level level, struct mur_error *error);

/** Opens its file, once its bytes were found to be those that came: they are compared with their
 * digest when they are asked for first, and when the file has changed since.
 * @param[out] out  the caller's. @retval MUR_CORRUPT  damaged, cut or missing */
MUR_NODISCARD
enum mur_status mur_wado_open(int *out, const struct mur_exchange *exchange,
                              const struct mur_instance *instance, struct mur_error *error);

/** "/dicom-web/studies/1.2/series/1.2.3/instances/1.2.3.4" and @p rest. @param[out] out  free() */
MUR_NODISCARD
enum mur_status mur_wado_location(char **out, const struct mur_instance *instance, const char *rest,
                                  struct mur_error *error);

/**
 * A run of the Data Set's bytes as they are in Explicit VR Little Endian: out of a deflated one, or
 * swapped.
 * @param descriptor  from mur_wado_open(); stays the caller's
 * @param width  bytes of a number
 * @param[out] out  the caller's
 * @retval MUR_LIMIT  it inflates to more than dicom.transcode_memory
 */
MUR_NODISCARD
enum mur_status mur_wado_value(struct mur_body *out, const struct mur_exchange *exchange,
                               const struct mur_instance *instance, int descriptor,
                               const struct mur_run *run, unsigned width, struct mur_error *error);

/* ---- representations ------------------------------------------------------------------------- */

/** One way in which a resource can be given. */
struct mur_representation {
    const char *media_type;      /**< lower case */
    const char *transfer_syntax; /**< NULL: has none */
    bool stored;                 /**< as it is stored: what transfer-syntax=* asks for */
    bool usual;                  /**< what is meant where no transfer syntax is named */
    bool single, multipart;      /**< how it can be sent */
};

struct mur_chosen {
    size_t representation;
    bool multipart;
};

/**
 * Chooses by PS3.18 8.7.5 and 8.7.8: query parameter first, then the header, each by quality and
 * order. @param prefer_single  what a range of all types means
 * @retval MUR_UNSUPPORTED  none is acceptable (406)
 */
MUR_NODISCARD
enum mur_status mur_wado_choose(struct mur_chosen *out, const struct mur_accept *accept,
                                const struct mur_representation *offers, size_t count,
                                bool prefer_single, struct mur_error *error);

/** "image/jls; transfer-syntax=1.2.840.10008.1.2.4.80". @param[out] out  free() */
MUR_NODISCARD
enum mur_status mur_representation_type(char **out, const struct mur_representation *one,
                                        struct mur_error *error);

/* ---- validators (RFC 9110 8.8, 13, 14) ------------------------------------------------------- */

enum { MUR_ETAG_SIZE = 40 };

/** An entity tag of an instance's stored bytes in a representation. */
void mur_wado_etag(char out[MUR_ETAG_SIZE], const struct mur_instance *instance,
                   const char *representation);
/** ... and of several together. */
void mur_wado_plan_etag(char out[MUR_ETAG_SIZE], const struct mur_plan *plan,
                        const char *representation);

/** Answers 304 when the client has it already, 412 when it wants something else (If-Match, RFC 9110
 * 13.2.2). @param[out] answered  set to true if so */
MUR_NODISCARD
enum mur_status mur_answer_condition(bool *answered, struct mur_exchange *exchange,
                                     const char *etag, bool immutable, struct mur_error *error);
/** Adds ETag, Cache-Control and Vary to an answer. @param etag  NULL: it cannot be kept
 * @param immutable  the same address never has other bytes */
MUR_NODISCARD
enum mur_status mur_answer_validators(struct mur_exchange *exchange, const char *etag,
                                      bool immutable, struct mur_error *error);
/** Whether what is stored under a UID stays the same (dicom.duplicates). */
bool mur_wado_is_immutable(const struct mur_exchange *exchange);

/** Answers with a body, or with the range of it that the request asks for: 206 or 416. Validators
 * are added. What the answer takes of the body is gone from it; the rest is the caller's. */
MUR_NODISCARD
enum mur_status mur_answer_ranged(struct mur_exchange *exchange, const char *type,
                                  struct mur_body *body, const char *etag, bool immutable,
                                  struct mur_error *error);
/** One range of bytes (RFC 9110 14.1.2). @param[out] ok  false: it is none that we serve, all is to
 * be sent. @retval MUR_LIMIT  nothing of @p length is in it (416) */
MUR_NODISCARD
enum mur_status mur_range_parse(struct mur_run *out, bool *ok, struct mur_slice text,
                                uint64_t length, struct mur_error *error);

/* ---- memory ---------------------------------------------------------------------------------- */

/** Memory for decoding, of all connections together no more than dicom.transcode_memory; waits a
 * while for others. To be given back by mur_wado_give_memory().
 * @retval MUR_LIMIT  more than all; MUR_BUSY */
MUR_NODISCARD
enum mur_status mur_wado_take_memory(const struct mur_exchange *exchange, uint64_t bytes,
                                     struct mur_error *error);
void mur_wado_give_memory(const struct mur_exchange *exchange, uint64_t bytes);

#endif
