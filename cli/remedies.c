#include "cli/remedies.h"

#include <stddef.h>
#include <string.h>

#include "converters/remedy.h"
#include "core/own.h"

static const struct {
    const char *command;
    enum mur_remedy remedy;
    const char *text;
} remedies[] = {
    {"nii2dcm", MUR_REMEDY_ALLOW_SHEAR,
     "--allow-shear, where all readers look at Image Position (Patient)"},
    {"nii2dcm", MUR_REMEDY_ANALYZE_ORDER, "--analyze-lr las, or --analyze-lr ras"},
    {"nii2dcm", MUR_REMEDY_NAN, "--nan pad, --nan NUMBER, or --lossless"},
    {"nii2dcm", MUR_REMEDY_ROUND_INTEGERS, "--round-integers, for the nearest of 65535 steps"},
    {"nii2dcm", MUR_REMEDY_LOSSLESS, "--lossless"},
    {"nii2dcm", MUR_REMEDY_SERIES, "--like with the folder or the UID of one series"},
    {"nii2dcm", MUR_REMEDY_VOLUME_KIND, "--kind time, echo, diffusion or dixon=NAME,NAME,..."},
    {"dcm2nii", MUR_REMEDY_ALLOW_GAPS, "--allow-gaps, for a file for each part without a gap"},
    {"dcm2nii", MUR_REMEDY_SERIES, "a folder as OUT, or --series UID"},
    {"labels2seg", MUR_REMEDY_ANALYZE_ORDER, "--analyze-lr las, or --analyze-lr ras"},
    {"labels2seg", MUR_REMEDY_SERIES, "--series UID"},
    {"labels2seg", MUR_REMEDY_NAME_LABELS,
     "--label VALUE=NAME for each label, --labels FILE, or --ignore-unlisted"},
    {"labels2seg", MUR_REMEDY_RESAMPLE, "--resample nearest"},
    {"labels2seg", MUR_REMEDY_BINARY, "without --labelmap"},
    {"seg2labels", MUR_REMEDY_SERIES, "--series UID"},
    {"seg2labels", MUR_REMEDY_OVERLAP, "--overlap layers, or --overlap first=NUMBER,..."},
    {"certify", MUR_REMEDY_SERIES, "--series UID"},
};

const char *mur_cli_remedy(const char *command, int remedy)
{
    for (size_t index = 0; index < MUR_COUNT(remedies); index++)
        if ((int)remedies[index].remedy == remedy && strcmp(remedies[index].command, command) == 0)
            return remedies[index].text;
    return NULL;
}
