/**
 * Text as values of the DICOM JSON Model (PS3.18 F.2). Text is UTF-8. Threads: any.
 */
#ifndef MUR_DICOM_JSON_TEXT_H
#define MUR_DICOM_JSON_TEXT_H

#include "core/json_write.h"
#include "core/text.h"
#include "dicom/vr.h"

/**
 * Writes the member "Value" of an element that has been begun; nothing where all values are empty.
 * DS and IS are numbers where their text is a number of JSON as it stands (kept digit by digit),
 * else strings; an empty value among others is null; PN is split into its groups.
 * @param text  values separated by backslash, numbers in decimal, tags as eight hexadecimal digits;
 * of any VR but SQ and those that are bytes
 */
void mur_json_write_values(struct mur_json_writer *json, enum mur_vr vr, struct mur_slice text);

enum { MUR_JSON_DECIMAL = 20 };

/**
 * A decimal of DS or IS (PS3.5 6.2) that is no number of JSON as it stands, as one: without plus
 * signs and leading zeros, with digits on both sides of its point.
 * @return  the length of what was written; 0: it is no decimal, or one too long for its VR
 */
size_t mur_json_decimal(char out[MUR_JSON_DECIMAL], struct mur_slice text);

#endif
