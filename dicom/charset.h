/**
 * Specific Character Set (PS3.3 C.12.1.1.2, PS3.5 6.1) to UTF-8 and back.
 *
 * Threads: a converter belongs to one thread at a time; it is dear to make, so keep it and use
 * mur_charset_use().
 */
#ifndef MUR_DICOM_CHARSET_H
#define MUR_DICOM_CHARSET_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/vr.h"

struct mur_charset;

/**
 * Makes @p charset the converter of a Specific Character Set, remaking it only if it was another.
 * @param[in,out] charset  NULL at first; freed by mur_charset_free()
 * @param[in] name  the raw value of (0008,0005), "" = default repertoire; one that is not known is
 *            treated as Windows-1252, so this fails only without memory
 */
MUR_NODISCARD
enum mur_status mur_charset_use(struct mur_charset **charset, struct mur_slice name,
                                struct mur_error *error);
void mur_charset_free(struct mur_charset *charset); /**< NULL is fine */
MUR_DEFINE_AUTO(mur_charset, mur_charset_free)

/** It is the default repertoire or UTF-8: ASCII passes unchanged both ways. */
bool mur_charset_is_utf8(const struct mur_charset *charset);

/**
 * Appends @p bytes as UTF-8. Bytes that do not decode are taken as Windows-1252: text is never lost
 * for a wrong label. Control characters other than TAB, LF, FF and CR are left out.
 * @param[in] vr  decides where ISO 2022 falls back to its first set (PS3.5 6.1.2.5.3)
 */
MUR_NODISCARD
enum mur_status mur_charset_to_utf8(struct mur_buffer *out, struct mur_charset *charset,
                                    struct mur_slice bytes, enum mur_vr vr,
                                    struct mur_error *error);

/** Appends UTF-8 @p text in the converter's set.
 * @retval MUR_UNSUPPORTED  a character does not exist there; nothing was appended */
MUR_NODISCARD
enum mur_status mur_charset_from_utf8(struct mur_buffer *out, struct mur_charset *charset,
                                      struct mur_slice text, enum mur_vr vr,
                                      struct mur_error *error);

#endif
