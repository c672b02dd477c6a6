/**
 * SOP Class Extended Negotiation of queries and retrievals (PS3.4 C.5): what an identifier needs a
 * peer to agree to. Internal to scu/. Threads: any.
 */
#ifndef MUR_SCU_EXTENDED_H
#define MUR_SCU_EXTENDED_H

#include <stdbool.h>
#include <stdint.h>

#include "dicom/association.h"
#include "dicom/data_set.h"
#include "scu/client.h"

enum { MUR_EXTENDED_SIZE = 2 };

/** Flags of what must be negotiated before it is asked for. */
enum mur_need {
    MUR_NEED_NONE = 0,
    MUR_NEED_RELATIONAL = 1, /**< byte 1: keys of other levels, or a level without its unique keys
                                  above (PS3.4 C.4.1.2.2, C.4.2.2.2) */
    MUR_NEED_DATETIME = 2,   /**< byte 2: a date and a time matched as one (PS3.4 C.2.2.2.5) */
};

/** What a query needs. @param[in] combined  match pairs of a date and a time as one; that is meant
 * anyway where a range of times ends before it begins. @return flags */
unsigned mur_query_needs(struct mur_dataset *identifier, enum mur_model model, bool combined);
/** What a retrieval needs. @return flags */
unsigned mur_retrieval_needs(struct mur_dataset *identifier, enum mur_model model);

/** What to propose for @p sop_class. @param[out] bytes  that the proposal borrows
 * @return false: nothing */
bool mur_extended_propose(struct mur_extended_proposal *out, uint8_t bytes[MUR_EXTENDED_SIZE],
                          const char *sop_class, unsigned needs);
/** What of the needs the peer did not agree to. @return flags */
unsigned mur_extended_unmet(const struct mur_association *association, const char *sop_class,
                            unsigned needs);

#endif
