/** Text into HTML. Internal to web/. Threads: any. */
#ifndef MUR_WEB_HTML_H
#define MUR_WEB_HTML_H

#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"

/** A page in the making: after a failure nothing is added, and the status tells of it. */
struct mur_html {
    struct mur_buffer text;
    enum mur_status status;
    struct mur_error error;
};
#define MUR_HTML_INIT                                                                              \
    {                                                                                              \
        .text = MUR_BUFFER_INIT, .status = MUR_OK, .error = MUR_ERROR_INIT                         \
    }

/** Markup, as it stands: never what came from outside. */
void mur_html_raw(struct mur_html *html, const char *markup);
/** Text, with what means something in elements and attributes escaped. Bytes that are not UTF-8
 * become U+FFFD. */
void mur_html_text(struct mur_html *html, const char *text);
/** Text as a part of a query string (RFC 3986 2.1). */
void mur_html_url(struct mur_html *html, const char *text);
/** With blanks between thousands, which do not break. */
void mur_html_number(struct mur_html *html, int64_t number);
/** "12.3 GB". */
void mur_html_bytes(struct mur_html *html, uint64_t bytes);

#endif
