/**
 * Which Study a converted scan joins: that of the native DICOM scans of its session when they have
 * exactly one Study Instance UID; else one made from the names of dataset, study, animal and
 * session. Threads: made by one, then read by any.
 */
#ifndef MUR_WORKFLOW_SESSION_H
#define MUR_WORKFLOW_SESSION_H

#include "core/error.h"
#include "core/own.h"
#include "dicom/uid.h"
#include "mapping/mapping.h"

struct mur_sessions;

/** Looks at the headers of all DICOM images of the list. Files that cannot be read are passed over:
 * their own scan reports them. */
MUR_NODISCARD
enum mur_status mur_sessions_find(struct mur_sessions **out, const struct mur_scan_list *scans,
                                  const struct mur_isa *isa, struct mur_error *error);
void mur_sessions_free(struct mur_sessions *sessions);
MUR_DEFINE_AUTO(mur_sessions, mur_sessions_free)

/** Study Instance UID for what is converted of this scan; borrowed. */
const char *mur_session_study(const struct mur_sessions *sessions, const struct mur_scan *scan);
/** Number of the scan in its session, from 1, in the order of the tables. */
unsigned mur_session_scan_number(const struct mur_sessions *sessions, const struct mur_scan *scan);

#endif
