#include "converters/body_part.h"

#include <stdlib.h>
#include <string.h>

#include "core/own.h"

/* In the order of strcmp(). */
static const char *const single[] = {
    "ABDOMEN",        "ABDOMENPELVIS", "AORTA",     "BACK",      "BLADDER",
    "BRAIN",          "CEREBELLUM",    "CHEST",     "COCCYX",    "COLON",
    "CORONARYARTERY", "CSPINE",        "CTSPINE",   "DUODENUM",  "ESOPHAGUS",
    "FACE",           "GALLBLADDER",   "HEAD",      "HEADNECK",  "HEART",
    "ILEUM",          "ILIUM",         "JAW",       "JEJUNUM",   "LARYNX",
    "LIVER",          "LSPINE",        "LSSPINE",   "MAXILLA",   "MEDIASTINUM",
    "MOUTH",          "NECK",          "NECKCHEST", "NOSE",      "PANCREAS",
    "PELVIS",         "PENIS",         "PHARYNX",   "PROSTATE",  "RECTUM",
    "SCALP",          "SKULL",         "SPINE",     "SPLEEN",    "SSPINE",
    "STERNUM",        "STOMACH",       "THYMUS",    "THYROID",   "TLSPINE",
    "TONGUE",         "TRACHEA",       "TSPINE",    "URETER",    "URETHRA",
    "UTERUS",         "VAGINA",        "VULVA",     "WHOLEBODY",
};

static int compare(const void *term, const void *entry)
{
    return strcmp(term, *(const char *const *)entry);
}

bool mur_body_part_is_single(const char *term)
{
    return bsearch(term, single, MUR_COUNT(single), sizeof single[0], compare) != NULL;
}
