/** What the index knows of a stored instance, and of all of them together. */
#ifndef MUR_DB_INSTANCE_H
#define MUR_DB_INSTANCE_H

#include <stdint.h>

#include "dicom/uid.h"

/** What is known of a stored instance. */
struct mur_instance {
    int64_t id;
    int64_t series; /**< row */
    char sop_class[MUR_UID_TEXT_SIZE];
    char sop_instance[MUR_UID_TEXT_SIZE];
    char transfer_syntax[MUR_UID_TEXT_SIZE];
    char study_instance[MUR_UID_TEXT_SIZE];
    char series_instance[MUR_UID_TEXT_SIZE];
    uint64_t offset; /**< of the Data Set in the file */
    uint64_t length; /**< of the Data Set */
    uint8_t digest[16];
    unsigned version; /**< of the file: raised when the object was replaced */
};

/** How much there is. */
struct mur_counts {
    int64_t patients, studies, series, instances, bytes;
};
#endif
