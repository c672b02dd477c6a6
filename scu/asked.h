/**
 * Whether an object that comes in is one that was asked for: its UIDs, as its Data Set says them
 * while it passes, are those of the announcement and of the retrieval's identifier. Internal to
 * scu/. Threads: a struct mur_asked is read-only once made; one at a time per look.
 */
#ifndef MUR_SCU_ASKED_H
#define MUR_SCU_ASKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/own.h"
#include "dicom/data_set.h"
#include "dicom/scanner.h"
#include "dicom/uid.h"

struct mur_asked;

/** @param[in] identifier  what a C-GET or C-MOVE asks for; its keys that are no UIDs do not count
 */
MUR_NODISCARD
enum mur_status mur_asked_create(struct mur_asked **out, struct mur_dataset *identifier,
                                 struct mur_error *error);
void mur_asked_free(struct mur_asked *asked);
MUR_DEFINE_AUTO(mur_asked, mur_asked_free)

/** At one object, while its bytes come. */
struct mur_asked_look {
    const struct mur_asked *asked; /**< borrowed; NULL: anything was */
    struct mur_scanner *scanner;   /**< private; NULL once enough was seen */
    char sop_instance[MUR_UID_TEXT_SIZE];
    bool other_instance; /**< the Data Set has another SOP Instance UID than was announced */
    bool not_asked;      /**< its UIDs are not those that were asked for */
};

/** @param[in] sop_instance  as announced by the C-STORE-RQ */
MUR_NODISCARD
enum mur_status mur_asked_begin(struct mur_asked_look *look, const struct mur_asked *asked,
                                const char *transfer_syntax, const char *sop_instance,
                                struct mur_error *error);
/** The next bytes of the Data Set; what cannot be read as one is not looked at further. */
void mur_asked_write(struct mur_asked_look *look, const uint8_t *data, size_t length);
void mur_asked_end(struct mur_asked_look *look); /**< frees the content */

#endif
