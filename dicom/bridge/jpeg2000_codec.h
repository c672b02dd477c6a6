/* JPEG 2000 as a codec of DCMTK's list, which has none of its own. Internal to the bridge. */
#ifndef MUR_DICOM_BRIDGE_JPEG2000_CODEC_H
#define MUR_DICOM_BRIDGE_JPEG2000_CODEC_H

namespace mur
{

/** Once per process. */
void register_jpeg2000_decoder();

} // namespace mur

#endif
