/* Data Sets: handles, look-ups, sequences. */
#include "dicom/bridge/data_set_internal.h"

#include "dcmtk/dcmdata/dcpixel.h"
#include "dcmtk/dcmdata/dcvrat.h"

#include <cstring>
#include <map>
#include <vector>

extern "C" {
#include "core/text.h"
}

std::unique_ptr<mur_dataset> mur::make_root(std::unique_ptr<DcmDataset> owned, const char *syntax)
{
    auto made = std::make_unique<mur_dataset>();
    made->item = owned.get();
    made->root = made.get();
    made->owned = std::move(owned);
    made->transfer_syntax = syntax;
    return made;
}

DcmElement *mur::find_element(const mur_dataset *dataset, uint32_t tag)
{
    DcmElement *element = nullptr;
    if (dataset->item->findAndGetElement(mur::key_of(tag), element).bad())
        return nullptr;
    return element;
}

enum mur_status mur::fail(mur_error *error, enum mur_status status, uint32_t tag,
                          const char *reason)
{
    const char *keyword = mur_dictionary_keyword(tag);
    return mur_error_set(error, status, "%s%s(%04X,%04X): %s", keyword != nullptr ? keyword : "",
                         keyword != nullptr ? " " : "", MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag),
                         reason);
}

DcmElement *mur::need_element(const mur_dataset *dataset, uint32_t tag, mur_error *error)
{
    DcmElement *element = find_element(dataset, tag);
    if (element == nullptr)
        (void)fail(error, MUR_NOT_FOUND, tag, "absent");
    return element;
}

DcmSequenceOfItems *mur::as_sequence(DcmElement *element)
{
    return element != nullptr && element->ident() == EVR_SQ
               ? static_cast<DcmSequenceOfItems *>(element)
               : nullptr;
}

enum mur_vr mur::vr_of_element(DcmElement *element)
{
    return element->ident() == EVR_SQ ? MUR_VR_SQ : vr_of(element->getTag().getEVR());
}

enum mur_status mur::from_condition(const OFCondition &condition, enum mur_status status,
                                    mur_error *error, const char *what)
{
    if (condition.good())
        return MUR_OK;
    if (condition == EC_MemoryExhausted)
        return mur_error_no_memory(error);
    return mur_error_set(error, status, "%s: %s", what, condition.text());
}

std::string mur::charset_name(DcmItem *item)
{
    for (DcmItem *at = item; at != nullptr; at = at->getParentItem()) {
        DcmElement *element = nullptr;
        char *value = nullptr;
        if (at->findAndGetElement(DCM_SpecificCharacterSet, element).good() &&
            element->getString(value).good())
            return value != nullptr ? value : "";
    }
    return "";
}

void mur::copy_elements(DcmItem &target, DcmItem &source)
{
    for (DcmObject *at = source.nextInContainer(nullptr); at != nullptr;
         at = source.nextInContainer(at)) {
        auto *copy = static_cast<DcmElement *>(at->clone());
        if (target.insert(copy, OFTrue).bad())
            delete copy;
    }
}

/* ---- handles ------------------------------------------------------------------------------- */

extern "C" enum mur_status mur_dataset_create(mur_dataset **out, mur_error *error)
{
    return mur::guard(error, [&] {
        mur::prepare_library();
        *out = mur::make_root(std::make_unique<DcmDataset>(), mur_uid_ExplicitVRLittleEndian)
                   .release();
        return MUR_OK;
    });
}

extern "C" void mur_dataset_free(mur_dataset *dataset)
{
    delete dataset;
}

extern "C" enum mur_status mur_dataset_clone(mur_dataset **out, const mur_dataset *dataset,
                                             mur_error *error)
{
    return mur::guard(error, [&] {
        auto copy = std::make_unique<DcmDataset>();
        mur::copy_elements(*copy, *dataset->item);
        const std::string charset = mur::charset_name(dataset->item);
        if (dataset != dataset->root && !charset.empty())
            (void)copy->putAndInsertString(DCM_SpecificCharacterSet, charset.c_str());
        *out = mur::make_root(std::move(copy), dataset->root->transfer_syntax.c_str()).release();
        (*out)->fragments = dataset->root->fragments;
        return MUR_OK;
    });
}

extern "C" const char *mur_dataset_transfer_syntax(const mur_dataset *dataset)
{
    return dataset->root->transfer_syntax.c_str();
}

extern "C" bool mur_dataset_has(const mur_dataset *dataset, uint32_t tag)
{
    return mur::find_element(dataset, tag) != nullptr;
}

static bool is_filled(DcmElement *element)
{
    const DcmSequenceOfItems *sequence = mur::as_sequence(element);
    if (sequence != nullptr)
        return sequence->card() > 0;
    return element->getLength() > 0;
}

extern "C" bool mur_dataset_has_value(const mur_dataset *dataset, uint32_t tag)
{
    DcmElement *element = mur::find_element(dataset, tag);
    return element != nullptr && is_filled(element);
}

extern "C" enum mur_vr mur_dataset_vr(const mur_dataset *dataset, uint32_t tag)
{
    DcmElement *element = mur::find_element(dataset, tag);
    return element != nullptr ? mur::vr_of_element(element) : MUR_VR_NONE;
}

/* ---- values -------------------------------------------------------------------------------- */

/* The bytes of a value in this machine's order. */
static OFCondition bytes_of(const uint8_t *&bytes, size_t &length, DcmElement *element,
                            enum mur_vr vr)
{
    OFCondition condition = EC_IllegalCall;
    length = element->getLength();
    bytes = nullptr;
    if (mur_vr_is_text(vr)) {
        char *text = nullptr;
        condition = element->getString(text);
        bytes = reinterpret_cast<const uint8_t *>(text);
        length = text != nullptr ? std::strlen(text) : 0;
        return condition;
    }
    switch (vr) {
    case MUR_VR_OB:
    case MUR_VR_UN: {
        Uint8 *values = nullptr;
        condition = element->getUint8Array(values);
        bytes = values;
        break;
    }
    case MUR_VR_OW:
    case MUR_VR_US:
    case MUR_VR_AT: {
        Uint16 *values = nullptr;
        condition = element->getUint16Array(values);
        bytes = reinterpret_cast<const uint8_t *>(values);
        break;
    }
    case MUR_VR_SS: {
        Sint16 *values = nullptr;
        condition = element->getSint16Array(values);
        bytes = reinterpret_cast<const uint8_t *>(values);
        break;
    }
    case MUR_VR_UL:
    case MUR_VR_OL: {
        Uint32 *values = nullptr;
        condition = element->getUint32Array(values);
        bytes = reinterpret_cast<const uint8_t *>(values);
        break;
    }
    case MUR_VR_SL: {
        Sint32 *values = nullptr;
        condition = element->getSint32Array(values);
        bytes = reinterpret_cast<const uint8_t *>(values);
        break;
    }
    case MUR_VR_FL:
    case MUR_VR_OF: {
        Float32 *values = nullptr;
        condition = element->getFloat32Array(values);
        bytes = reinterpret_cast<const uint8_t *>(values);
        break;
    }
    case MUR_VR_FD:
    case MUR_VR_OD: {
        Float64 *values = nullptr;
        condition = element->getFloat64Array(values);
        bytes = reinterpret_cast<const uint8_t *>(values);
        break;
    }
    case MUR_VR_SV: {
        Sint64 *values = nullptr;
        condition = element->getSint64Array(values);
        bytes = reinterpret_cast<const uint8_t *>(values);
        break;
    }
    case MUR_VR_UV:
    case MUR_VR_OV: {
        Uint64 *values = nullptr;
        condition = element->getUint64Array(values);
        bytes = reinterpret_cast<const uint8_t *>(values);
        break;
    }
    default:
        break;
    }
    if (bytes == nullptr)
        length = 0;
    return condition;
}

static enum mur_status value_bytes(const uint8_t *&bytes, size_t &length, enum mur_vr &vr,
                                   mur_dataset *dataset, uint32_t tag, mur_error *error)
{
    DcmElement *element = mur::need_element(dataset, tag, error);
    if (element == nullptr)
        return MUR_NOT_FOUND;
    vr = mur::vr_of_element(element);
    if (vr == MUR_VR_SQ)
        return mur::fail(error, MUR_MISMATCH, tag, "a sequence, not a value");
    const OFCondition condition = bytes_of(bytes, length, element, vr);
    return condition.good()
               ? MUR_OK
               : mur::fail(error, condition == EC_IllegalCall ? MUR_MISMATCH : MUR_PARSE, tag,
                           condition.text());
}

extern "C" enum mur_status mur_dataset_get_bytes(const uint8_t **out, size_t *length,
                                                 mur_dataset *dataset, uint32_t tag,
                                                 mur_error *error)
{
    return mur::guard(error, [&] {
        const uint8_t *bytes = nullptr;
        size_t size = 0;
        enum mur_vr vr = MUR_VR_NONE;
        const enum mur_status status = value_bytes(bytes, size, vr, dataset, tag, error);
        if (status != MUR_OK)
            return status;
        *out = bytes;
        *length = size;
        return MUR_OK;
    });
}

extern "C" enum mur_status mur_dataset_get_words(const uint16_t **out, size_t *count,
                                                 mur_dataset *dataset, uint32_t tag,
                                                 mur_error *error)
{
    return mur::guard(error, [&] {
        const uint8_t *bytes = nullptr;
        size_t size = 0;
        enum mur_vr vr = MUR_VR_NONE;
        const enum mur_status status = value_bytes(bytes, size, vr, dataset, tag, error);
        if (status != MUR_OK)
            return status;
        if (vr != MUR_VR_OW && vr != MUR_VR_OB && vr != MUR_VR_US && vr != MUR_VR_SS)
            return mur::fail(error, MUR_MISMATCH, tag, "not 16-bit numbers");
        *out = reinterpret_cast<const uint16_t *>(bytes);
        *count = size / 2;
        return MUR_OK;
    });
}

extern "C" enum mur_status mur_dataset_get_string(const char **out, mur_dataset *dataset,
                                                  uint32_t tag, mur_error *error)
{
    return mur::guard(error, [&] {
        DcmElement *element = mur::need_element(dataset, tag, error);
        if (element == nullptr)
            return MUR_NOT_FOUND;
        if (!mur_vr_is_text(mur::vr_of_element(element)))
            return mur::fail(error, MUR_MISMATCH, tag, "not a text");
        char *value = nullptr;
        const OFCondition condition = element->getString(value);
        if (condition.bad())
            return mur::fail(error, MUR_PARSE, tag, condition.text());
        *out = value != nullptr ? value : "";
        return MUR_OK;
    });
}

/* A value as text in the Data Set's character set, or of numbers. */
static enum mur_status raw_text(std::string &out, DcmElement *element, enum mur_vr vr, uint32_t tag,
                                mur_error *error)
{
    if (mur_vr_is_text(vr)) {
        char *value = nullptr;
        const OFCondition condition = element->getString(value);
        if (condition.bad())
            return mur::fail(error, MUR_PARSE, tag, condition.text());
        out = value != nullptr ? value : "";
        return MUR_OK;
    }
    const bool is_number = mur_vr_info(vr)->multi;
    if (!is_number)
        return mur::fail(error, MUR_MISMATCH, tag, "has no form as text");
    OFString value;
    if (vr == MUR_VR_AT) {
        for (unsigned long i = 0; i < element->getVM(); i++) {
            DcmTagKey key;
            char text[16];
            if (static_cast<DcmAttributeTag *>(element)->getTagVal(key, i).bad())
                break;
            (void)snprintf(text, sizeof text, "%s%04X%04X", i > 0 ? "\\" : "", key.getGroup(),
                           key.getElement());
            out += text;
        }
        return MUR_OK;
    }
    if (element->getLength() == 0)
        return MUR_OK;
    const OFCondition condition = element->getOFStringArray(value);
    if (condition.bad())
        return mur::fail(error, MUR_PARSE, tag, condition.text());
    out.assign(value.c_str(), value.length());
    return MUR_OK;
}

extern "C" enum mur_status mur_dataset_get_text(char **out, mur_dataset *dataset, uint32_t tag,
                                                mur_error *error)
{
    return mur::guard(error, [&] {
        DcmElement *element = mur::need_element(dataset, tag, error);
        if (element == nullptr)
            return MUR_NOT_FOUND;
        const enum mur_vr vr = mur::vr_of_element(element);
        std::string raw;
        enum mur_status status = raw_text(raw, element, vr, tag, error);
        if (status != MUR_OK)
            return status;
        const std::string name = mur_vr_info(vr)->class_ == MUR_VR_CLASS_TEXT
                                     ? mur::charset_name(dataset->item)
                                     : std::string();
        MUR_AUTO_BUFFER mur_buffer text = MUR_BUFFER_INIT;
        status = mur_charset_use(&dataset->root->charset, {name.data(), name.size()}, error);
        if (status == MUR_OK)
            status = mur_charset_to_utf8(&text, dataset->root->charset, {raw.data(), raw.size()},
                                         vr, error);
        return status == MUR_OK ? mur_buffer_take(out, &text, error) : status;
    });
}

/* Single values of a text. */
static std::vector<mur_slice> split(const uint8_t *bytes, size_t length)
{
    std::vector<mur_slice> values;
    const char *at = reinterpret_cast<const char *>(bytes);
    while (length > 0 || !values.empty()) {
        const void *separator = length > 0 ? std::memchr(at, '\\', length) : nullptr;
        const size_t size = separator != nullptr
                                ? static_cast<size_t>(static_cast<const char *>(separator) - at)
                                : length;
        values.push_back({at, size});
        if (separator == nullptr)
            break;
        at += size + 1;
        length -= size + 1;
    }
    return values;
}

static size_t count_values(const uint8_t *bytes, size_t length, enum mur_vr vr)
{
    const mur_vr_traits *traits = mur_vr_info(vr);
    if (length == 0)
        return 0;
    if (vr == MUR_VR_AT)
        return length / 4;
    if (traits->class_ == MUR_VR_CLASS_BINARY)
        return length / traits->width;
    return traits->multi ? split(bytes, length).size() : 1;
}

extern "C" enum mur_status mur_dataset_get_count(size_t *out, mur_dataset *dataset, uint32_t tag,
                                                 mur_error *error)
{
    return mur::guard(error, [&] {
        DcmElement *element = mur::need_element(dataset, tag, error);
        if (element == nullptr)
            return MUR_NOT_FOUND;
        const DcmSequenceOfItems *sequence = mur::as_sequence(element);
        if (sequence != nullptr) {
            *out = sequence->card();
            return MUR_OK;
        }
        const uint8_t *bytes = nullptr;
        size_t length = 0;
        enum mur_vr vr = MUR_VR_NONE;
        const enum mur_status status = value_bytes(bytes, length, vr, dataset, tag, error);
        if (status == MUR_OK)
            *out = count_values(bytes, length, vr);
        return status;
    });
}

template <typename Number> static Number number_at(const uint8_t *bytes, size_t index)
{
    Number number;
    std::memcpy(&number, bytes + index * sizeof number, sizeof number);
    return number;
}

/* One number of a value, whole or real. */
struct Number {
    bool real;
    int64_t whole_value;
    double real_value;
};

static enum mur_status get_number(Number &out, mur_dataset *dataset, uint32_t tag, size_t index,
                                  mur_error *error)
{
    const uint8_t *bytes = nullptr;
    size_t length = 0;
    enum mur_vr vr = MUR_VR_NONE;
    enum mur_status status = value_bytes(bytes, length, vr, dataset, tag, error);
    if (status != MUR_OK)
        return status;
    if (index >= count_values(bytes, length, vr))
        return mur::fail(error, MUR_NOT_FOUND, tag, "has not so many values");
    out.real = false;
    switch (vr) {
    case MUR_VR_DS:
    case MUR_VR_IS: {
        const mur_slice text = split(bytes, length)[index];
        out.real = vr == MUR_VR_DS;
        status = out.real ? mur_parse_double(&out.real_value, text, error)
                          : mur_parse_int64(&out.whole_value, text, INT64_MIN, INT64_MAX, error);
        return status == MUR_OK ? MUR_OK : mur::fail(error, MUR_PARSE, tag, "not a number");
    }
    case MUR_VR_OB:
        out.whole_value = bytes[index];
        return MUR_OK;
    case MUR_VR_US:
    case MUR_VR_OW:
        out.whole_value = number_at<uint16_t>(bytes, index);
        return MUR_OK;
    case MUR_VR_SS:
        out.whole_value = number_at<int16_t>(bytes, index);
        return MUR_OK;
    case MUR_VR_UL:
    case MUR_VR_OL:
        out.whole_value = number_at<uint32_t>(bytes, index);
        return MUR_OK;
    case MUR_VR_SL:
        out.whole_value = number_at<int32_t>(bytes, index);
        return MUR_OK;
    case MUR_VR_SV:
    case MUR_VR_UV:
    case MUR_VR_OV:
        out.whole_value = number_at<int64_t>(bytes, index);
        return MUR_OK;
    case MUR_VR_FL:
    case MUR_VR_OF:
        out.real = true;
        out.real_value = static_cast<double>(number_at<float>(bytes, index));
        return MUR_OK;
    case MUR_VR_FD:
    case MUR_VR_OD:
        out.real = true;
        out.real_value = number_at<double>(bytes, index);
        return MUR_OK;
    default:
        return mur::fail(error, MUR_MISMATCH, tag, "not a number");
    }
}

extern "C" enum mur_status mur_dataset_get_double(double *out, mur_dataset *dataset, uint32_t tag,
                                                  size_t index, mur_error *error)
{
    return mur::guard(error, [&] {
        Number number = {};
        const enum mur_status status = get_number(number, dataset, tag, index, error);
        if (status == MUR_OK)
            *out = number.real ? number.real_value : static_cast<double>(number.whole_value);
        return status;
    });
}

extern "C" enum mur_status mur_dataset_get_int(int64_t *out, mur_dataset *dataset, uint32_t tag,
                                               size_t index, mur_error *error)
{
    return mur::guard(error, [&] {
        Number number = {};
        const enum mur_status status = get_number(number, dataset, tag, index, error);
        if (status != MUR_OK)
            return status;
        if (number.real) {
            const double limit = 9007199254740992.0; /* 2^53: whole and exact below it */
            const bool fits = number.real_value > -limit && number.real_value < limit;
            number.whole_value = fits ? static_cast<int64_t>(number.real_value) : 0;
            if (!fits || static_cast<double>(number.whole_value) != number.real_value)
                return mur::fail(error, MUR_PARSE, tag, "not a whole number");
        }
        *out = number.whole_value;
        return MUR_OK;
    });
}

static bool is_private_creator(uint32_t tag)
{
    return MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_ELEMENT(tag) >= 0x10 && MUR_TAG_ELEMENT(tag) <= 0xFF;
}

extern "C" enum mur_status mur_dataset_each(mur_dataset *dataset, mur_dataset_visit *visit,
                                            void *user, mur_error *error)
{
    return mur::guard(error, [&] {
        /* First the list alone: whoever looks up an element meanwhile makes DCMTK forget the place,
         * and it searches from the beginning again. */
        std::vector<DcmElement *> elements;
        for (DcmObject *at = dataset->item->nextInContainer(nullptr); at != nullptr;
             at = dataset->item->nextInContainer(at))
            elements.push_back(static_cast<DcmElement *>(at));
        std::map<uint32_t, std::string> creators; /* by group and block; they come first */
        for (DcmElement *element : elements) {
            const DcmSequenceOfItems *sequence = mur::as_sequence(element);
            const uint32_t tag = mur::tag_of(element->getTag());
            const uint32_t group = tag & 0xFFFF0000U;
            char *text = nullptr;
            if (is_private_creator(tag) && element->getString(text).good() && text != nullptr)
                creators[group | MUR_TAG_ELEMENT(tag)] = text;
            mur_dataset_element seen = {};
            seen.tag = tag;
            seen.vr = mur::vr_of_element(element);
            seen.length = sequence != nullptr ? static_cast<uint32_t>(sequence->card())
                                              : element->getLength();
            seen.private_creator = "";
            if (MUR_TAG_IS_PRIVATE(tag)) {
                const auto creator = creators.find(group | MUR_TAG_ELEMENT(tag) >> 8);
                if (creator != creators.end())
                    seen.private_creator = creator->second.c_str();
            }
            const enum mur_status status = visit(user, &seen, error);
            if (status != MUR_OK)
                return status;
        }
        return MUR_OK;
    });
}

/* ---- sequences ----------------------------------------------------------------------------- */

static mur_dataset *view_of(mur_dataset *dataset, DcmItem *item)
{
    std::unique_ptr<mur_dataset> &view = dataset->root->views[item];
    if (!view) {
        view = std::make_unique<mur_dataset>();
        view->item = item;
        view->root = dataset->root;
    }
    return view.get();
}

static enum mur_status need_sequence(DcmSequenceOfItems *&out, const mur_dataset *dataset,
                                     uint32_t tag, mur_error *error)
{
    DcmElement *element = mur::need_element(dataset, tag, error);
    if (element == nullptr)
        return MUR_NOT_FOUND;
    out = mur::as_sequence(element);
    return out != nullptr ? MUR_OK : mur::fail(error, MUR_MISMATCH, tag, "not a sequence");
}

extern "C" enum mur_status mur_dataset_item_count(size_t *out, mur_dataset *dataset, uint32_t tag,
                                                  mur_error *error)
{
    return mur::guard(error, [&] {
        DcmSequenceOfItems *sequence = nullptr;
        const enum mur_status status = need_sequence(sequence, dataset, tag, error);
        if (status == MUR_OK)
            *out = sequence->card();
        return status;
    });
}

extern "C" enum mur_status mur_dataset_get_item(mur_dataset **out, mur_dataset *dataset,
                                                uint32_t tag, size_t index, mur_error *error)
{
    return mur::guard(error, [&] {
        DcmSequenceOfItems *sequence = nullptr;
        const enum mur_status status = need_sequence(sequence, dataset, tag, error);
        if (status != MUR_OK)
            return status;
        if (index >= sequence->card())
            return mur::fail(error, MUR_NOT_FOUND, tag, "has not so many items");
        mur_dataset *root = dataset->root;
        DcmItem *item = root->last_sequence == sequence && root->last_index + 1 == index
                            ? static_cast<DcmItem *>(sequence->nextInContainer(root->last_item))
                            : sequence->getItem(static_cast<unsigned long>(index));
        root->last_sequence = sequence;
        root->last_item = item;
        root->last_index = index;
        *out = view_of(dataset, item);
        return MUR_OK;
    });
}

extern "C" enum mur_status mur_dataset_append_item(mur_dataset **out, mur_dataset *dataset,
                                                   uint32_t tag, mur_error *error)
{
    return mur::guard(error, [&] {
        DcmElement *element = mur::find_element(dataset, tag);
        if (element == nullptr) {
            DcmTag sequence_tag(mur::key_of(tag), EVR_SQ);
            auto made = std::make_unique<DcmSequenceOfItems>(sequence_tag);
            const OFCondition condition = dataset->item->insert(made.get());
            if (condition.bad())
                return mur::fail(error, MUR_INVALID, tag, condition.text());
            element = made.release();
        }
        DcmSequenceOfItems *sequence = mur::as_sequence(element);
        if (sequence == nullptr)
            return mur::fail(error, MUR_MISMATCH, tag, "not a sequence");
        auto item = std::make_unique<DcmItem>();
        const OFCondition condition = sequence->append(item.get());
        if (condition.bad())
            return mur::fail(error, MUR_INVALID, tag, condition.text());
        dataset->forget();
        *out = view_of(dataset, item.release());
        return MUR_OK;
    });
}
