/** What is stored, in groups, for people who run the node. */
#ifndef MUR_DB_OVERVIEW_H
#define MUR_DB_OVERVIEW_H

#include <stdint.h>

#include "core/error.h"

struct mur_database;

enum mur_grouping {
    MUR_BY_MODALITY,
    MUR_BY_ISA_STUDY,     /**< of the tables: series that are linked to a scan */
    MUR_BY_DISEASE_MODEL, /**< likewise, by the column "Disease model" */
};

/** Texts are borrowed for the call. */
struct mur_group {
    const char *name; /**< "" where a series does not say */
    int64_t studies, series, instances, bytes;
};
enum { MUR_GROUPS = 50 }; /**< at most, the largest first */

typedef enum mur_status mur_group_function(void *user, const struct mur_group *one,
                                           struct mur_error *error);
MUR_NODISCARD
enum mur_status mur_database_each_group(struct mur_database *database, enum mur_grouping grouping,
                                        mur_group_function *each, void *user,
                                        struct mur_error *error);

enum { MUR_ARRIVALS = 100000 }; /**< most that are counted */

/** What came lately, from whatever process. */
struct mur_arrivals {
    int64_t count;   /**< since the time that was asked for; at most MUR_ARRIVALS */
    int64_t bytes;   /**< of their files */
    int64_t last_us; /**< when the last one came, microseconds since 1970 UTC; 0 = never */
};
MUR_NODISCARD
enum mur_status mur_database_arrivals(struct mur_arrivals *out, struct mur_database *database,
                                      int64_t since_us, struct mur_error *error);

/** Answers to requests for storage commitment that peers have not got yet. */
MUR_NODISCARD
enum mur_status mur_database_count_commitments(int64_t *out, struct mur_database *database,
                                               struct mur_error *error);

#endif
