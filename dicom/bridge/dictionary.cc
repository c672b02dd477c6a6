/* The dictionary, copied once out of DCMTK's, whose look-ups take a lock that all threads share. */
#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dcdicent.h"
#include "dcmtk/dcmdata/dcdict.h"
#include "dcmtk/dcmdata/dcvr.h"
#include "dcmtk/oflog/oflog.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "dicom/bridge/guard.h"
#include "dicom/bridge/library.h"

extern "C" {
#include "dicom/attribute.h"
#include "dicom/dictionary.h"
}

namespace
{

struct OwnEntry {
    uint32_t tag;
    const char *vr;
    const char *keyword;
    const char *creator; /* nullptr: standard */
};

/* etc/murpacs.dic says the same for DCMTK's programs. */
const OwnEntry own_entries[] = {
    {0x00990001, "UC", "ISAAttribute", MUR_CREATOR_ISA},
    {0x00990002, "SQ", "ISAAttributeSequence", MUR_CREATOR_ISA},
    {0x00990003, "CS", "ISAAttributeKind", MUR_CREATOR_ISA},
    {0x00990004, "LO", "ISAAttributeName", MUR_CREATOR_ISA},
    {0x00990005, "UC", "ISAAttributeText", MUR_CREATOR_ISA},
    {0x00990006, "FD", "ISAAttributeNumber", MUR_CREATOR_ISA},
    {0x00990007, "SH", "ISAAttributeUnit", MUR_CREATOR_ISA},
    {0x00990010, "LO", "ISAHealthStatus", MUR_CREATOR_ISA},
    {0x00990011, "LO", "ISADiseaseModel", MUR_CREATOR_ISA},
    {0x00990012, "FD", "ISAAgeInDays", MUR_CREATOR_ISA},
    {0x00990013, "FD", "ISABodyWeightInGrams", MUR_CREATOR_ISA},
    {0x00990014, "FD", "ISATimeAfterInjectionInMinutes", MUR_CREATOR_ISA},
    {0x00990015, "LO", "ISASource", MUR_CREATOR_ISA},
    {0x00990016, "LO", "ISASupplier", MUR_CREATOR_ISA},
    {0x00990017, "LO", "ISASourceName", MUR_CREATOR_ISA},
    {0x00990018, "LO", "ISASampleName", MUR_CREATOR_ISA},
    {0x00990019, "LO", "ISAAssayName", MUR_CREATOR_ISA},
    {0x0099001A, "LO", "ISAStudyIdentifier", MUR_CREATOR_ISA},
    {0x0099001B, "FD", "ISAVoxelSizeInMillimeters", MUR_CREATOR_ISA},
    {0x00990001, "OB", "NIfTIHeader", MUR_CREATOR_NIFTI},
    {0x00990002, "OB", "NIfTIExtensions", MUR_CREATOR_NIFTI},
    {0x00990003, "LO", "NIfTIFileName", MUR_CREATOR_NIFTI},
    {0x00990004, "CS", "NIfTIReversedAxes", MUR_CREATOR_NIFTI},
    {0x00990005, "OB", "NIfTIVoxelDigest", MUR_CREATOR_NIFTI},
    {0x00990006, "UL", "NIfTILabelValue", MUR_CREATOR_NIFTI},
    {0x00990007, "UL", "NIfTILayer", MUR_CREATOR_NIFTI},
    {0x00990008, "FD", "NIfTISegmentVolumeInMillilitres", MUR_CREATOR_NIFTI},
};

const OwnEntry standard_entries[] = {
#define X(keyword, group, element, vr, level, match, column)                                       \
    {MUR_TAG_##keyword, #vr, #keyword, nullptr},
#include "dicom/attributes.def"
#undef X
#define T(keyword, group, element, vr) {MUR_TAG_##keyword, #vr, #keyword, nullptr},
#include "dicom/tags.def"
#undef T
};

struct Range {
    uint16_t group_low, group_high, element_low, element_high;
    bool even_groups, odd_groups, even_elements, odd_elements;
    mur_dictionary_entry entry;
};

struct Dictionary {
    std::vector<uint32_t>
        tags; /* of entries, apart from them so that bisection stays in the cache */
    std::vector<mur_dictionary_entry> entries;
    std::vector<mur_dictionary_entry> by_creator;
    std::vector<const mur_dictionary_entry *> by_keyword;
    std::vector<Range> ranges;
    std::deque<std::string> texts;
    bool loaded = false;

    const char *keep(const char *text)
    {
        texts.emplace_back(text != nullptr ? text : "");
        return texts.back().c_str();
    }
};

mur_dictionary_entry entry_of(Dictionary &into, const DcmDictEntry &from, uint32_t tag)
{
    mur_dictionary_entry entry = {};
    entry.tag = tag;
    entry.vr = mur::vr_of(from.getEVR());
    entry.by_pixel_representation = from.getEVR() == EVR_xs;
    entry.maximum_values = from.getVMMax() > 0 && from.getVMMax() != DcmVariableVM
                               ? static_cast<unsigned>(from.getVMMax())
                               : 0;
    /* DCMTK marks what the standard has retired; the keyword of PS3.6 has no such mark. */
    const char *name = from.getTagName();
    entry.keyword = into.keep(std::strncmp(name, "RETIRED_", 8) == 0 ? name + 8 : name);
    entry.creator = into.keep(from.getPrivateCreator());
    return entry;
}

/* Those that stand for all groups at once; the look-up knows them by rule. */
bool is_generic(const DcmDictEntry &entry)
{
    const char *name = entry.getTagName();
    return name == nullptr || std::strncmp(name, "Generic", 7) == 0 ||
           std::strncmp(name, "Private", 7) == 0 || std::strncmp(name, "Illegal", 7) == 0;
}

void take(Dictionary &into, const DcmDictEntry &from)
{
    const char *creator = from.getPrivateCreator();
    const bool has_creator = creator != nullptr && *creator != '\0';
    const uint32_t tag = MUR_TAG(from.getGroup(), from.getElement());
    if (has_creator) {
        into.by_creator.push_back(entry_of(into, from, tag & 0xFFFF00FFu));
        return;
    }
    if (is_generic(from) || (from.getGroup() & 1) != 0)
        return;
    if (from.getGroup() == from.getUpperGroup() && from.getElement() == from.getUpperElement()) {
        into.entries.push_back(entry_of(into, from, tag));
        return;
    }
    Range range = {};
    range.group_low = from.getGroup();
    range.group_high = from.getUpperGroup();
    range.element_low = from.getElement();
    range.element_high = from.getUpperElement();
    range.even_groups = from.getGroupRangeRestriction() != DcmDictRange_Odd;
    range.odd_groups = from.getGroupRangeRestriction() == DcmDictRange_Unspecified &&
                       range.group_low == range.group_high;
    range.even_elements = from.getElementRangeRestriction() != DcmDictRange_Odd;
    range.odd_elements = from.getElementRangeRestriction() != DcmDictRange_Even;
    range.entry = entry_of(into, from, tag);
    into.ranges.push_back(range);
}

bool before_private(const mur_dictionary_entry &a, const mur_dictionary_entry &b)
{
    const int order = a.tag == b.tag ? std::strcmp(a.creator, b.creator) : 0;
    return a.tag < b.tag || order < 0;
}

void add_own(DcmDataDictionary &dictionary)
{
    for (const OwnEntry &own : own_entries) {
        const auto group = MUR_TAG_GROUP(own.tag);
        const auto element = MUR_TAG_ELEMENT(own.tag);
        dictionary.addEntry(new DcmDictEntry(group, element, DcmVR(own.vr), own.keyword, 1,
                                             DcmVariableVM, "MURPACS", OFFalse, own.creator));
    }
    for (const OwnEntry &own : standard_entries) {
        const auto group = MUR_TAG_GROUP(own.tag);
        const auto element = MUR_TAG_ELEMENT(own.tag);
        if (dictionary.findEntry(DcmTagKey(group, element), nullptr) == nullptr)
            dictionary.addEntry(new DcmDictEntry(group, element, DcmVR(own.vr), own.keyword, 1,
                                                 DcmVariableVM, "DICOM", OFFalse, nullptr));
    }
}

std::unique_ptr<Dictionary> build()
{
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    dcmEnableUnknownVRConversion.set(OFTrue); /* as our scanner does */
    auto made = std::make_unique<Dictionary>();
    DcmDataDictionary &theirs = dcmDataDict.wrlock();
    try {
        made->loaded = theirs.isDictionaryLoaded();
        add_own(theirs);
        const auto normal_end = theirs.normalEnd();
        for (auto at = theirs.normalBegin(); at != normal_end; ++at)
            take(*made, **at);
        const auto repeating_end = theirs.repeatingEnd();
        for (auto at = theirs.repeatingBegin(); at != repeating_end; ++at)
            take(*made, **at);
    } catch (...) {
        dcmDataDict.wrunlock();
        throw;
    }
    dcmDataDict.wrunlock();

    std::sort(made->entries.begin(), made->entries.end(),
              [](const auto &a, const auto &b) { return a.tag < b.tag; });
    std::sort(made->by_creator.begin(), made->by_creator.end(), before_private);
    for (const mur_dictionary_entry &entry : made->entries) {
        made->tags.push_back(entry.tag);
        made->by_keyword.push_back(&entry);
    }
    for (const Range &range : made->ranges)
        made->by_keyword.push_back(&range.entry);
    std::stable_sort(
        made->by_keyword.begin(), made->by_keyword.end(),
        [](const auto *a, const auto *b) { return std::strcmp(a->keyword, b->keyword) < 0; });
    return made;
}

const Dictionary &dictionary()
{
    /* Never freed: other statics may look things up while the program ends. */
    static const Dictionary *const made = build().release();
    return *made;
}

bool within(const Range &range, uint32_t tag)
{
    const uint16_t group = MUR_TAG_GROUP(tag);
    const uint16_t element = MUR_TAG_ELEMENT(tag);
    return group >= range.group_low && group <= range.group_high &&
           ((group & 1) != 0 ? range.odd_groups : range.even_groups) &&
           element >= range.element_low && element <= range.element_high &&
           ((element & 1) != 0 ? range.odd_elements : range.even_elements);
}

const mur_dictionary_entry *find_standard(const Dictionary &in, uint32_t tag)
{
    const auto at = std::lower_bound(in.tags.begin(), in.tags.end(), tag);
    if (at != in.tags.end() && *at == tag)
        return &in.entries[static_cast<size_t>(at - in.tags.begin())];
    for (const Range &range : in.ranges)
        if (within(range, tag))
            return &range.entry;
    return nullptr;
}

const mur_dictionary_entry *find_private(const Dictionary &in, uint32_t tag, const char *creator)
{
    if (creator == nullptr || *creator == '\0' || MUR_TAG_ELEMENT(tag) < 0x1000)
        return nullptr;
    mur_dictionary_entry key = {};
    key.tag = tag & 0xFFFF00FFu;
    key.creator = creator;
    const auto at =
        std::lower_bound(in.by_creator.begin(), in.by_creator.end(), key, before_private);
    return at != in.by_creator.end() && at->tag == key.tag && std::strcmp(at->creator, creator) == 0
               ? &*at
               : nullptr;
}

} // namespace

enum mur_vr mur::vr_of(DcmEVR vr)
{
    switch (vr) {
    case EVR_ox:
    case EVR_px:
    case EVR_lt:
    case EVR_PixelData:
    case EVR_OverlayData:
        return MUR_VR_OW;
    case EVR_xs:
        return MUR_VR_US;
    case EVR_up:
        return MUR_VR_UL;
    case EVR_na:
        return MUR_VR_NONE;
    default: {
        const char *name = DcmVR(vr).getVRName();
        enum mur_vr known =
            name != nullptr && std::strlen(name) == 2 ? mur_vr_from_name(name) : MUR_VR_NONE;
        return known != MUR_VR_NONE ? known : MUR_VR_UN;
    }
    }
}

void mur::prepare_library()
{
    (void)dictionary();
}

extern "C" enum mur_status mur_dictionary_load(mur_error *error)
{
    return mur::guard(error, [&] {
        return dictionary().loaded
                   ? MUR_OK
                   : mur_error_set(error, MUR_NOT_FOUND,
                                   "DCMTK's data dictionary is not there: install the package "
                                   "dcmtk, or name dicom.dic in the environment variable "
                                   "DCMDICTPATH");
    });
}

extern "C" const mur_dictionary_entry *mur_dictionary_find(uint32_t tag, const char *creator)
{
    try {
        return MUR_TAG_IS_PRIVATE(tag) ? find_private(dictionary(), tag, creator)
                                       : find_standard(dictionary(), tag);
    } catch (...) {
        return nullptr; /* no memory for the first load: nothing is known */
    }
}

extern "C" enum mur_vr mur_dictionary_vr(uint32_t tag, const char *creator)
{
    const uint16_t element = MUR_TAG_ELEMENT(tag);
    if (element == 0)
        return MUR_VR_UL;
    if (MUR_TAG_IS_PRIVATE(tag) && element >= 0x10 && element <= 0xFF)
        return MUR_VR_LO;
    const mur_dictionary_entry *entry = mur_dictionary_find(tag, creator);
    return entry != nullptr && entry->vr != MUR_VR_NONE ? entry->vr : MUR_VR_UN;
}

extern "C" const char *mur_dictionary_keyword(uint32_t tag)
{
    const mur_dictionary_entry *entry = mur_dictionary_find(tag, nullptr);
    return entry != nullptr ? entry->keyword : nullptr;
}

extern "C" bool mur_dictionary_tag(uint32_t *out, struct mur_slice keyword)
{
    try {
        const Dictionary &in = dictionary();
        const auto at =
            std::lower_bound(in.by_keyword.begin(), in.by_keyword.end(), keyword,
                             [](const mur_dictionary_entry *entry, const mur_slice &wanted) {
                                 const int order =
                                     std::strncmp(entry->keyword, wanted.data, wanted.length);
                                 return order < 0;
                             });
        if (keyword.length == 0 || at == in.by_keyword.end() ||
            !mur_slice_equal(keyword, (*at)->keyword))
            return false;
        *out = (*at)->tag;
        return true;
    } catch (...) {
        return false;
    }
}
