/**
 * The data dictionary: tag, keyword, VR. Taken once from DCMTK's dictionary, attributes.def,
 * tags.def and our own private blocks into sorted arrays that never change: no lock afterwards, any
 * thread. The first look-up loads it if mur_dictionary_load() was not called.
 */
#ifndef MUR_DICOM_DICTIONARY_H
#define MUR_DICOM_DICTIONARY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/text.h"
#include "dicom/vr.h"

/** Our private blocks, both in group 0099. */
#define MUR_CREATOR_ISA "MURPACS ISA 1.0"
#define MUR_CREATOR_NIFTI "MURPACS NIFTI 1.0"
enum { MUR_PRIVATE_GROUP = 0x0099 };

/** Elements of a block (low byte of the element number); the VR stands behind each. */
enum mur_private_element {
    /* MURPACS ISA 1.0 */
    MUR_ISA_ATTRIBUTE = 0x01,          /**< UC 1-n "kind:name=value" */
    MUR_ISA_ATTRIBUTE_SEQUENCE = 0x02, /**< SQ */
    MUR_ISA_ATTRIBUTE_KIND = 0x03,     /**< CS */
    MUR_ISA_ATTRIBUTE_NAME = 0x04,     /**< LO */
    MUR_ISA_ATTRIBUTE_TEXT = 0x05,     /**< UC */
    MUR_ISA_ATTRIBUTE_NUMBER = 0x06,   /**< FD */
    MUR_ISA_ATTRIBUTE_UNIT = 0x07,     /**< SH */
    MUR_ISA_HEALTH_STATUS = 0x10,      /**< LO */
    MUR_ISA_DISEASE_MODEL = 0x11,      /**< LO */
    MUR_ISA_AGE_DAYS = 0x12,           /**< FD */
    MUR_ISA_BODY_WEIGHT_G = 0x13,      /**< FD */
    MUR_ISA_TIME_MIN = 0x14,           /**< FD, minutes after injection */
    MUR_ISA_SOURCE = 0x15,             /**< LO */
    MUR_ISA_SUPPLIER = 0x16,           /**< LO */
    MUR_ISA_SOURCE_NAME = 0x17,        /**< LO */
    MUR_ISA_SAMPLE_NAME = 0x18,        /**< LO */
    MUR_ISA_ASSAY_NAME = 0x19,         /**< LO */
    MUR_ISA_STUDY_IDENTIFIER = 0x1A,   /**< LO */
    MUR_ISA_VOXEL_SIZE_MM = 0x1B,      /**< FD */
    /* MURPACS NIFTI 1.0 */
    MUR_NIFTI_HEADER = 0x01,     /**< OB, 348 or 540 bytes as in the file */
    MUR_NIFTI_EXTENSIONS = 0x02, /**< OB */
    MUR_NIFTI_FILE_NAME = 0x03,  /**< LO, without path */
    MUR_NIFTI_FLIPS = 0x04,      /**< CS 1-n: which axes were reversed */
    MUR_NIFTI_SHA256 = 0x05,     /**< OB, 32 bytes: of the voxels */
    MUR_NIFTI_LABEL = 0x06,      /**< UL: value of a segment in the label map */
    MUR_NIFTI_LAYER = 0x07,      /**< UL: which of the map's layers, from 1 */
    MUR_NIFTI_VOLUME_ML = 0x08,  /**< FD: volume of a segment in mL */
};

/** A tag of ours in block @p block (0x10 to 0xFF), e.g. (0099,1001). */
#define MUR_PRIVATE_TAG(block, element)                                                            \
    (((uint32_t)MUR_PRIVATE_GROUP << 16) | ((uint32_t)(block) << 8) | (uint32_t)(element))

struct mur_dictionary_entry {
    uint32_t tag; /**< private: without the block (gggg,00ee) */
    enum mur_vr vr;
    bool by_pixel_representation; /**< US, or SS where Pixel Representation is 1 */
    unsigned maximum_values;      /**< Value Multiplicity (PS3.6), its upper end; 0: no end */
    const char *keyword;
    const char *creator; /**< "" for standard attributes */
};

/** Loads it now, to see at the start whether it is there.
 * @retval MUR_NOT_FOUND  DCMTK's data dictionary cannot be read */
MUR_NODISCARD
enum mur_status mur_dictionary_load(struct mur_error *error);

/** NULL if unknown. @param[in] creator  of the block, for private tags; else NULL or "". Repeating
 * groups (50xx, 60xx) are found by any member. */
const struct mur_dictionary_entry *mur_dictionary_find(uint32_t tag, const char *creator);
/** MUR_VR_UN if unknown; knows group lengths (UL) and private creators (LO). */
enum mur_vr mur_dictionary_vr(uint32_t tag, const char *creator);
/** "PatientID"; NULL if unknown. */
const char *mur_dictionary_keyword(uint32_t tag);
/** By keyword; false if unknown. */
bool mur_dictionary_tag(uint32_t *out, struct mur_slice keyword);

#endif
