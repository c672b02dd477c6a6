/**
 * Transfer Syntaxes (PS3.5 Annex A, PS3.6 Annex A), from transfer_syntaxes.def. Constant tables:
 * any thread.
 */
#ifndef MUR_DICOM_TRANSFER_SYNTAX_H
#define MUR_DICOM_TRANSFER_SYNTAX_H

#include <stdbool.h>
#include <stddef.h>

enum mur_transfer_syntax_flag {
    MUR_TS_IMPLICIT = 1 << 0, /**< Implicit VR; else Explicit VR */
    MUR_TS_BIG_ENDIAN = 1 << 1,
    MUR_TS_DEFLATED = 1 << 2,     /**< the whole Data Set is a deflate stream (PS3.5 A.5) */
    MUR_TS_ENCAPSULATED = 1 << 3, /**< Pixel Data in fragments (PS3.5 A.4) */
    MUR_TS_LOSSY = 1 << 4,        /**< is or may be lossy */
    MUR_TS_VIDEO = 1 << 5,
    MUR_TS_REFERENCED = 1 << 6, /**< pixels are elsewhere (JPIP, Papyrus) */
    MUR_TS_RETIRED = 1 << 7,
    MUR_TS_NO_DATA_SET = 1 << 8, /**< DICOM-RTV, MIME, XML: nothing that could be stored */
    MUR_TS_DECODED = 1 << 9,     /**< encapsulated, and the bridge can decode it */
};

struct mur_transfer_syntax {
    const char *keyword; /**< "ExplicitVRLittleEndian" */
    const char *uid;
    unsigned flags; /**< of enum mur_transfer_syntax_flag */
};

/** mur_uid_ExplicitVRLittleEndian and so on. */
#define X(keyword, uid, flags) extern const char mur_uid_##keyword[];
#include "dicom/transfer_syntaxes.def"
#undef X

/** All rows, in the order of the standard. */
const struct mur_transfer_syntax *mur_transfer_syntaxes(size_t *count);
/** NULL if unknown. */
const struct mur_transfer_syntax *mur_transfer_syntax_find(const char *uid);
/** How the Data Set is encoded; one that is not known is taken as every one that came after 1993
 * is: Explicit VR Little Endian with encapsulated Pixel Data. */
unsigned mur_transfer_syntax_flags(const char *uid);
/** Neither encapsulated nor deflated nor referenced: the bytes of the pixels stand in the Data Set.
 */
bool mur_transfer_syntax_is_native(const char *uid);
/** Whether Data Sets in @p from can, as a rule, be written in @p to: the same, or native pixels out
 * of what is native, deflated or can be decoded. */
bool mur_transfer_syntax_converts(const char *from, const char *to);
/** The keyword, or the UID itself if unknown: for messages. */
const char *mur_transfer_syntax_name(const char *uid);

#endif
