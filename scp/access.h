/** Who may do what: the list "peers" and dicom.unknown_peers. Threads: any. */
#ifndef MUR_SCP_ACCESS_H
#define MUR_SCP_ACCESS_H

#include "core/config.h"

struct mur_access {
    enum mur_rights rights;
    const char
        *remark; /**< why a title in the list gives no rights; NULL if there is nothing to say */
};

/** The rights of an AE title calling from a numeric address. A title in the list counts only from
 * its own host; names of hosts are looked up, which may take its time. */
struct mur_access mur_access_of(const struct mur_config *config, const char *calling_ae_title,
                                const char *address);

#endif
