#ifndef BENCH_OBJECT_H
#define BENCH_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "dicom/message.h"

/**
 * Made-up objects, each known by its number alone: the bytes of number n can be made again at any
 * time, so that what comes back is compared byte by byte and nothing has to be kept. Data Sets are
 * Explicit VR Little Endian with explicit lengths, as DCMTK writes them.
 */

enum { LOAD_UID_SIZE = 32 };

struct load_kind {
    const char *name; /**< "mr", "ct", "tiny", "large" */
    const char *sop_class;
    const char *modality;
    unsigned rows, columns, frames;
    bool whole_header; /**< about 100 elements, else about 40 */
};

/** NULL if there is none of this name. */
const struct load_kind *load_kind_find(const char *name);

/** How numbers become Studies: number / per_series / series_per_study. */
struct load_layout {
    uint64_t seed; /**< below 1e8: other seeds are other objects */
    unsigned per_series;
    unsigned series_per_study;
};

enum load_level { LOAD_STUDY = 1, LOAD_SERIES, LOAD_INSTANCE };

/** UID of the index-th Study, Series or instance. */
void load_uid(char out[LOAD_UID_SIZE], const struct load_layout *layout, enum load_level level,
              uint64_t index);
/** "M00000001": every two Studies are one animal. */
void load_patient_id(char out[LOAD_UID_SIZE], uint64_t study);
void load_patient_name(char out[LOAD_UID_SIZE], uint64_t study);
void load_accession_number(char out[LOAD_UID_SIZE], uint64_t study);
/** "20200229" and so on; 28 days a month, 8 years. */
void load_study_date(char out[LOAD_UID_SIZE], uint64_t study);
uint64_t load_study_of(const struct load_layout *layout, uint64_t instance);
/** The instance's number from its UID; false if it is none of ours. */
bool load_number_of(uint64_t *out, const struct load_layout *layout, const char *uid);

/** The bytes of one object, changed in place to those of another. One thread at a time. */
struct load_object;
MUR_NODISCARD
enum mur_status load_object_create(struct load_object **out, const struct load_kind *kind,
                                   const struct load_layout *layout, struct mur_error *error);
void load_object_free(struct load_object *object);
MUR_DEFINE_AUTO(load_object, load_object_free)
void load_object_become(struct load_object *object, uint64_t number);
const struct mur_buffer *load_object_bytes(const struct load_object *object);

/** What came back, from any number of threads. */
struct load_harvest {
    const struct load_kind *kind;
    struct load_layout layout;
    uint64_t first, count; /**< the numbers that are expected */
    unsigned char *seen;   /**< one byte a number */
    uint64_t arrived, bytes;
    uint64_t changed, unknown, twice;
};

MUR_NODISCARD
enum mur_status load_harvest_init(struct load_harvest *harvest, const struct load_kind *kind,
                                  const struct load_layout *layout, uint64_t first, uint64_t count,
                                  struct mur_error *error);
void load_harvest_free(struct load_harvest *harvest);
/** How many did not come. */
uint64_t load_harvest_lost(const struct load_harvest *harvest);

/** Takes C-STOREs of one association for the harvest. One thread at a time. */
struct load_reaper;
MUR_NODISCARD
enum mur_status load_reaper_create(struct load_reaper **out, struct load_harvest *harvest,
                                   struct mur_error *error);
void load_reaper_free(struct load_reaper *reaper);
MUR_DEFINE_AUTO(load_reaper, load_reaper_free)
/** Reads the Data Set of @p request, compares it, answers Success. @p reaper NULL: compares
 * nothing. @return other than MUR_OK: the association is over */
MUR_NODISCARD
enum mur_status load_reaper_take(struct load_reaper *reaper, struct mur_association *association,
                                 const struct mur_command *request, uint8_t context_id,
                                 int timeout_ms, struct mur_error *error);

#endif
