/* What DCMTK needs before its first use: silence (rooms below scp/ do not log) and a dictionary
 * that knows our private blocks. Internal to the bridge. */
#ifndef MUR_DICOM_BRIDGE_LIBRARY_H
#define MUR_DICOM_BRIDGE_LIBRARY_H

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dcvr.h"

extern "C" {
#include "dicom/vr.h"
}

namespace mur
{

/** Cheap after the first call; any thread. May throw std::bad_alloc. */
void prepare_library();
/** Likewise, and registers the decoders for compressed pixels. */
void prepare_codecs();

/** Our name of a VR of DCMTK's, which knows some choices ("OB or OW") as VRs of their own. */
enum mur_vr vr_of(DcmEVR vr);

} // namespace mur

#endif
