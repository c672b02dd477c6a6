/* How the status page looks: on a desk and on a phone, by day and by night. */
#include <microhttpd.h>

#include "web/route.h"

static const char style[] =
    ":root{color-scheme:light dark;--back:#f5f6f8;--card:#fff;--text:#1b1f24;--line:#e1e4e8;"
    "--soft:#5b6470;--link:#0b57d0;--bad:#b3261e;--warn:#8a5300}\n"
    "@media (prefers-color-scheme:dark){:root{--back:#101316;--card:#1a1e22;--text:#e3e6ea;"
    "--line:#30363d;--soft:#9aa4af;--link:#8ab4f8;--bad:#ff8a80;--warn:#ffca7a}}\n"
    "*{box-sizing:border-box}\n"
    "body{font:16px/1.45 system-ui,sans-serif;max-width:72rem;margin:0 auto;padding:1rem;"
    "background:var(--back);color:var(--text);overflow-wrap:break-word}\n"
    "header{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;align-items:baseline}\n"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1rem;margin:0 0 .5rem}\n"
    "p{margin:.5rem 0}a{color:var(--link)}small,.soft{color:var(--soft);font-size:.875rem}\n"
    ".bad{color:var(--bad)}.warn{color:var(--warn)}\n"
    "form{display:flex;gap:.5rem;flex-wrap:wrap;margin:1rem 0 .3rem}"
    "input,button{font:inherit;padding:.5rem .7rem;border:1px solid var(--line);"
    "border-radius:.4rem;background:var(--card);color:inherit}"
    "input{flex:1 1 16rem;min-width:0}button{cursor:pointer;font-weight:600}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "padding:.9rem 1rem;margin:1rem 0}\n"
    ".columns{columns:27rem;column-gap:1rem}.columns section{break-inside:avoid;margin:0 0 1rem}\n"
    ".tiles{display:grid;gap:.8rem 1rem;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));"
    "margin:0}.tiles div{display:flex;flex-direction:column}.tiles dt{color:var(--soft);"
    "font-size:.875rem}.tiles dd{margin:0;order:-1;font-size:1.35rem;font-weight:600;"
    "font-variant-numeric:tabular-nums}\n"
    "table{border-collapse:collapse;width:100%}th{color:var(--soft);font-weight:normal;"
    "font-size:.875rem}th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid var(--line)}th:last-child,td:last-child{padding-right:0}"
    "tbody tr:last-child td{border-bottom:0}\n"
    ".n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}.k{white-space:"
    "nowrap}"
    ".why{overflow-wrap:anywhere}ul{margin:.3rem 0;padding-left:1.2rem}\n"
    /* On a phone each study is a list of its own. */
    "@media (max-width:44rem){.found thead{display:none}.found tr{display:block;padding:.5rem 0;"
    "border-bottom:1px solid var(--line)}.found tr:last-child{border-bottom:0}.found td{"
    "display:flex;gap:.8rem;border:0;padding:.1rem 0;text-align:left;white-space:normal}"
    ".found td::before{content:attr(data-is);color:var(--soft);font-size:.875rem;flex:0 0 7rem}"
    ".found td:first-child::before{content:none}.found td:empty{display:none}"
    "th,td{padding-right:.5rem}.less{display:none}}\n";

enum mur_status mur_web_status_style(struct mur_exchange *exchange, struct mur_error *error)
{
    enum mur_status status =
        mur_answer(exchange, MHD_HTTP_OK, "text/css; charset=utf-8",
                   (struct mur_slice){.data = style, .length = sizeof style - 1}, error);
    return status == MUR_OK ? mur_answer_header(exchange, "Cache-Control", "no-cache", error)
                            : status;
}
