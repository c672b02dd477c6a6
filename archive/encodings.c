#include "archive/encodings.h"

#include "archive/internal.h"

enum mur_status mur_archive_encodings(struct mur_encodings *out, struct mur_archive *archive,
                                      const char *sop_class, struct mur_error *error)
{
    struct mur_database *reader = NULL;
    enum mur_status status = mur_reader_take(&reader, archive, error);
    if (status == MUR_OK)
        status = mur_database_encodings(out, reader, sop_class, error);
    mur_reader_return(archive, reader);
    return status;
}
