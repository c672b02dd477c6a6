/* The handle of a Data Set as the files of the bridge see it. */
#ifndef MUR_DICOM_BRIDGE_DATA_SET_INTERNAL_H
#define MUR_DICOM_BRIDGE_DATA_SET_INTERNAL_H

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dcdatset.h"
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcelem.h"
#include "dcmtk/dcmdata/dcitem.h"
#include "dcmtk/dcmdata/dcsequen.h"
#include "dcmtk/dcmdata/dctag.h"

#include <memory>
#include <string>
#include <unordered_map>

#include "dicom/bridge/guard.h"
#include "dicom/bridge/library.h"

extern "C" {
#include "dicom/attribute.h"
#include "dicom/charset.h"
#include "dicom/data_set.h"
#include "dicom/dictionary.h"
#include "dicom/transfer_syntax.h"
}

/** A root owns its Data Set and the handles of the items in it; such a handle owns nothing. */
struct mur_dataset {
    DcmItem *item = nullptr;
    mur_dataset *root = nullptr;

    /* Of roots: */
    std::unique_ptr<DcmDataset> owned;
    std::string transfer_syntax;
    uint32_t fragments = 0; /* the most that any of its Pixel Data came in */
    std::unordered_map<DcmItem *, std::unique_ptr<mur_dataset>> views;
    mur_charset *charset = nullptr; /* the converter used last */
    /* The item got last, so that a walk over a sequence is not quadratic. */
    DcmSequenceOfItems *last_sequence = nullptr;
    DcmItem *last_item = nullptr;
    size_t last_index = 0;

    mur_dataset() = default;
    mur_dataset(const mur_dataset &) = delete;
    mur_dataset &operator=(const mur_dataset &) = delete;
    ~mur_dataset()
    {
        mur_charset_free(charset);
    }

    /** A change may have freed what was got last. */
    void forget() const
    {
        root->last_sequence = nullptr;
    }
};

namespace mur
{

inline DcmTagKey key_of(uint32_t tag)
{
    return DcmTagKey(MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag));
}

inline uint32_t tag_of(const DcmTag &tag)
{
    return MUR_TAG(tag.getGroup(), tag.getElement());
}

/** A new root around a Data Set. */
std::unique_ptr<mur_dataset> make_root(std::unique_ptr<DcmDataset> owned, const char *syntax);

/** nullptr if absent. */
DcmElement *find_element(const mur_dataset *dataset, uint32_t tag);
/** nullptr, with the error set, if absent. */
DcmElement *need_element(const mur_dataset *dataset, uint32_t tag, mur_error *error);
/** nullptr if it is another kind of element. */
DcmSequenceOfItems *as_sequence(DcmElement *element);

/** Real VR, the Data Set's choices resolved. */
enum mur_vr vr_of_element(DcmElement *element);

/** Specific Character Set in effect for an item. */
std::string charset_name(DcmItem *item);

/** The failure as ours, with "(gggg,eeee): reason". */
enum mur_status fail(mur_error *error, enum mur_status status, uint32_t tag, const char *reason);
/** MUR_OK, or the condition as @p status, or MUR_NO_MEMORY. */
enum mur_status from_condition(const OFCondition &condition, enum mur_status status,
                               mur_error *error, const char *what);

/** Copies the elements of an item into another, with the character set in effect. */
void copy_elements(DcmItem &target, DcmItem &source);

/** Makes an element of a VR. @p out is the caller's. */
enum mur_status new_element(DcmElement *&out, uint32_t tag, enum mur_vr vr, mur_error *error);

} // namespace mur

#endif
