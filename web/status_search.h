/** The search of the status page. Internal to web/. Threads: any. */
#ifndef MUR_WEB_STATUS_SEARCH_H
#define MUR_WEB_STATUS_SEARCH_H

#include "web/exchange.h"
#include "web/html.h"

/**
 * Writes the studies that fit conditions such as "StrainDescription=C57BL*; Factor
 * Value[diet]=western*": attributes as QIDO-RS names them, columns as the tables head them. With
 * those of series or instances, the studies in which one of these fits all conditions.
 * @retval MUR_INVALID  a condition cannot be understood: the message is for who wrote it, and
 * nothing is written
 */
MUR_NODISCARD
enum mur_status mur_status_search(struct mur_html *html, const struct mur_exchange *exchange,
                                  struct mur_slice conditions, struct mur_error *error);

#endif
