#include "dicom/references.h"

const struct mur_code mur_code_source_image = {"121322", "DCM",
                                               "Source image for image processing operation"};

static const struct mur_code resampling = {"113085", "DCM", "Spatial resampling"};

static void put_series(struct mur_put *put, const struct mur_referenced_series *series)
{
    struct mur_put item = mur_put_item(put, MUR_TAG_ReferencedSeriesSequence);
    for (size_t index = 0; index < series->instance_count; index++) {
        struct mur_put instance = mur_put_item(&item, MUR_TAG_ReferencedInstanceSequence);
        mur_put_needed(&instance, MUR_TAG_ReferencedSOPClassUID, series->sop_class);
        mur_put_needed(&instance, MUR_TAG_ReferencedSOPInstanceUID, series->instances[index]);
        item.status = instance.status;
    }
    mur_put_needed(&item, MUR_TAG_SeriesInstanceUID, series->series_instance);
    put->status = item.status;
}

void mur_put_referenced_series(struct mur_put *put, const struct mur_referenced_series *series)
{
    if (series->instance_count == 0)
        return;
    if (series->study_instance == NULL) {
        put_series(put, series);
        return;
    }
    struct mur_put study =
        mur_put_item(put, MUR_TAG_StudiesContainingOtherReferencedInstancesSequence);
    mur_put_needed(&study, MUR_TAG_StudyInstanceUID, series->study_instance);
    put_series(&study, series);
    put->status = study.status;
}

struct mur_put mur_put_derivation(struct mur_put *group, const struct mur_code *derivation)
{
    struct mur_put item = mur_put_item(group, MUR_TAG_DerivationImageSequence);
    mur_put_code(&item, MUR_TAG_DerivationCodeSequence, derivation);
    return item;
}

void mur_put_source_image(struct mur_put *derivation, const char *sop_class,
                          const char *sop_instance, uint32_t frame)
{
    struct mur_put source = mur_put_item(derivation, MUR_TAG_SourceImageSequence);
    mur_put_needed(&source, MUR_TAG_ReferencedSOPClassUID, sop_class);
    mur_put_needed(&source, MUR_TAG_ReferencedSOPInstanceUID, sop_instance);
    if (frame > 0)
        mur_put_int(&source, MUR_TAG_ReferencedFrameNumber, frame);
    mur_put_code(&source, MUR_TAG_PurposeOfReferenceCodeSequence, &mur_code_source_image);
    derivation->status = source.status;
}

/* OHIF takes the images of the first item, if it has any, for those of the frames: the first of the
 * first frame, and so on, and shows them there. */
void mur_put_shared_derivation(struct mur_put *shared, const struct mur_code *derivation,
                               const struct mur_referenced_series *series)
{
    struct mur_put item = mur_put_derivation(shared, &resampling);
    mur_put_empty(&item, MUR_TAG_SourceImageSequence); /* type 2 */
    shared->status = item.status;
    item = mur_put_derivation(shared, derivation);
    for (size_t index = 0; index < series->instance_count; index++)
        mur_put_source_image(&item, series->sop_class, series->instances[index], 0);
    shared->status = item.status;
}
