#include "web/html.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/own.h"
#include "core/text.h"

static void add(struct mur_html *html, const char *bytes, size_t length)
{
    if (html->status == MUR_OK)
        html->status = mur_buffer_append(&html->text, bytes, length, &html->error);
}

void mur_html_raw(struct mur_html *html, const char *markup)
{
    add(html, markup, strlen(markup));
}

/* NULL: stands for itself. */
static const char *entity_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return (unsigned char)c < 0x20 ? " " : NULL;
    }
}

void mur_html_text(struct mur_html *html, const char *text)
{
    bool valid = mur_utf8_valid(mur_slice_of(text));
    for (; *text != '\0'; text++) {
        const char *entity = entity_of(*text);
        if (!valid && (unsigned char)*text >= 0x80)
            entity = "\xEF\xBF\xBD";
        if (entity != NULL)
            mur_html_raw(html, entity);
        else
            add(html, text, 1);
    }
}

void mur_html_url(struct mur_html *html, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
    for (; *text != '\0'; text++) {
        char escape[4];
        (void)snprintf(escape, sizeof escape, "%%%02X", (unsigned)(unsigned char)*text);
        if (strchr(plain, *text) != NULL)
            add(html, text, 1);
        else
            mur_html_raw(html, escape);
    }
}

void mur_html_number(struct mur_html *html, int64_t number)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRId64, number);
    size_t length = strlen(digits);
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            mur_html_raw(html, "&#8239;");
        add(html, digits + i, 1);
    }
}

void mur_html_bytes(struct mur_html *html, uint64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double value = (double)bytes / 1e3;
    size_t unit = 0;
    for (; value >= 1000 && unit + 1 < MUR_COUNT(units); unit++)
        value /= 1e3;
    char text[40];
    (void)snprintf(text, sizeof text, "%.1f %s", value, units[unit]);
    mur_html_raw(html, bytes == 0 ? "0" : text);
}
