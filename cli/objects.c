#include "cli/objects.h"

#include <stdlib.h>

#include "core/file.h"
#include "core/own.h"
#include "core/text.h"
#include "dicom/uid.h"

static void free_paths(struct mur_cli_objects *objects)
{
    for (size_t index = 0; index < objects->count; index++)
        free(objects->paths[index]);
    free(objects->paths);
    objects->paths = NULL;
    objects->count = 0;
}

void mur_cli_objects_free(struct mur_cli_objects *objects)
{
    free_paths(objects);
    mur_cli_archive_free(&objects->of);
    objects->of = (struct mur_cli_archive){.archive = NULL};
}

static enum mur_status add_items(struct mur_cli_objects *objects, const struct mur_plan *plan,
                                 struct mur_error *error)
{
    objects->paths = calloc(plan->count, sizeof *objects->paths);
    if (objects->paths == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t index = 0; status == MUR_OK && index < plan->count; index++) {
        status = mur_archive_item_path(&objects->paths[index], objects->of.archive,
                                       &plan->items[index], error);
        if (status == MUR_OK)
            objects->count++;
    }
    return status;
}

/* The first level at which the UID is known. */
static enum mur_status look_up(struct mur_cli_objects *objects, const char *uid,
                               struct mur_error *error)
{
    static const struct {
        enum mur_level level;
        uint32_t tag;
    } places[] = {{MUR_LEVEL_STUDY, MUR_TAG_StudyInstanceUID},
                  {MUR_LEVEL_SERIES, MUR_TAG_SeriesInstanceUID},
                  {MUR_LEVEL_IMAGE, MUR_TAG_SOPInstanceUID}};
    for (size_t index = 0; index < MUR_COUNT(places); index++) {
        MUR_AUTO_PLAN struct mur_plan plan = {0};
        MUR_AUTO_QUERY struct mur_query query = {.level = places[index].level,
                                                 .root = MUR_ROOT_STUDY};
        const struct mur_attribute_path path = mur_attribute_path_of(places[index].tag);
        enum mur_status status =
            mur_query_add(&query, &path, MUR_VR_UI, mur_slice_of(uid), true, error);
        if (status == MUR_OK)
            status = mur_archive_plan(&plan, objects->of.archive, &query, error);
        if (status == MUR_OK && plan.count > 0)
            status = add_items(objects, &plan, error);
        if (status != MUR_OK || plan.count > 0)
            return status;
    }
    return mur_error_set(error, MUR_NOT_FOUND,
                         "%s: neither a file nor a study, series or instance of the archive", uid);
}

enum mur_status mur_cli_objects_find(struct mur_cli_objects *objects,
                                     const struct mur_config *config, const char *argument,
                                     struct mur_error *error)
{
    free_paths(objects);
    bool there = mur_file_exists(argument) || mur_directory_exists(argument);
    if (!there && mur_uid_acceptable(mur_slice_of(argument))) {
        enum mur_status status = objects->of.archive != NULL
                                     ? MUR_OK
                                     : mur_cli_open_archive(&objects->of, config, error);
        return status == MUR_OK ? look_up(objects, argument, error) : status;
    }
    objects->paths = calloc(1, sizeof *objects->paths);
    if (objects->paths == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = mur_text_copy(&objects->paths[0], mur_slice_of(argument), error);
    if (status == MUR_OK)
        objects->count = 1;
    return status;
}
