#include "cli/archive.h"

#include <sys/stat.h>

void mur_cli_private_files(void)
{
    (void)umask(S_IWGRP | S_IRWXO);
}

void mur_cli_archive_free(struct mur_cli_archive *of)
{
    mur_archive_close(of->archive);
    mur_link_rules_free(of->links);
    mur_mapping_free(of->mapping);
}

struct mur_archive_options mur_cli_archive_options(const struct mur_config *config,
                                                   const struct mur_cli_archive *of)
{
    return (struct mur_archive_options){
        .directory = config->node_data_dir,
        .durability = config->dicom_durability,
        .ae_title = config->node_ae_title,
        .min_free = config->store_min_free,
        .quotas = config->store_quotas,
        .duplicates = config->dicom_duplicates,
        .attributes = config->index_attributes,
        .fold_case = config->find_fold_case,
        .unknown_matches = config->find_unknown_matches,
        .header_wins = config->isa_precedence == MUR_PRECEDENCE_HEADER,
        .links = of->links,
    };
}

enum mur_status mur_cli_load_links(struct mur_cli_archive *out, const struct mur_config *config,
                                   struct mur_error *error)
{
    enum mur_status status =
        mur_mapping_load(&out->mapping, config->isa_mapping_file, config->isa_organs_file, error);
    return status == MUR_OK ? mur_link_rules_create(&out->links, out->mapping, error) : status;
}

enum mur_status mur_cli_open_archive(struct mur_cli_archive *out, const struct mur_config *config,
                                     struct mur_error *error)
{
    enum mur_status status = mur_cli_load_links(out, config, error);
    struct mur_archive_options options = mur_cli_archive_options(config, out);
    options.existing = true;
    mur_cli_private_files();
    return status == MUR_OK ? mur_archive_open(&out->archive, &options, error) : status;
}
