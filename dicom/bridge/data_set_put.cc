/* Data Sets: setting values. */
#include "dicom/bridge/data_set_internal.h"

#include "dcmtk/dcmdata/dcvrat.h"
#include "dcmtk/dcmdata/dcvrsv.h"
#include "dcmtk/dcmdata/dcvruv.h"

#include <cstring>
#include <limits>
#include <vector>

extern "C" {
#include "core/text.h"
#include "dicom/encoder.h"
}

static enum mur_status resolve(enum mur_vr &vr, const mur_dataset *dataset, uint32_t tag,
                               mur_error *error)
{
    if (vr != MUR_VR_NONE)
        return MUR_OK;
    const char *creator = nullptr;
    if (MUR_TAG_IS_PRIVATE(tag) && MUR_TAG_ELEMENT(tag) >= 0x1000)
        (void)dataset->item->findAndGetString(
            DcmTagKey(MUR_TAG_GROUP(tag), MUR_TAG_ELEMENT(tag) >> 8), creator);
    const enum mur_vr known = mur_dictionary_vr(tag, creator);
    const mur_dictionary_entry *entry = mur_dictionary_find(tag, creator);
    if (known == MUR_VR_UN)
        return mur::fail(error, MUR_INVALID, tag, "its VR is not known: it must be given");
    vr = known;
    Uint16 is_signed = 0;
    if (entry != nullptr && entry->by_pixel_representation &&
        dataset->root->item->findAndGetUint16(DCM_PixelRepresentation, is_signed).good() &&
        is_signed == 1)
        vr = MUR_VR_SS;
    return MUR_OK;
}

enum mur_status mur::new_element(DcmElement *&out, uint32_t tag, enum mur_vr vr, mur_error *error)
{
    const DcmTag dcm_tag(mur::key_of(tag), DcmVR(mur_vr_name(vr)));
    if (vr == MUR_VR_SQ) {
        out = new DcmSequenceOfItems(dcm_tag);
        return MUR_OK;
    }
    const OFCondition condition = DcmItem::newDicomElementWithVR(out, dcm_tag);
    return condition.good() ? MUR_OK : fail(error, MUR_INVALID, tag, condition.text());
}

static enum mur_status insert(mur_dataset *dataset, std::unique_ptr<DcmElement> &element,
                              mur_error *error)
{
    dataset->forget();
    const OFCondition condition = dataset->item->insert(element.get(), OFTrue);
    if (condition.bad())
        return mur::fail(error, MUR_INVALID, mur::tag_of(element->getTag()), condition.text());
    (void)element.release();
    return MUR_OK;
}

/* Makes the element and lets @p fill give it its value. */
template <typename Fill>
static enum mur_status put(mur_dataset *dataset, uint32_t tag, enum mur_vr vr, mur_error *error,
                           Fill &&fill)
{
    return mur::guard(error, [&] {
        enum mur_status status = resolve(vr, dataset, tag, error);
        DcmElement *made = nullptr;
        if (status == MUR_OK)
            status = mur::new_element(made, tag, vr, error);
        if (status != MUR_OK)
            return status;
        std::unique_ptr<DcmElement> element(made);
        status = fill(*element, vr);
        return status == MUR_OK ? insert(dataset, element, error) : status;
    });
}

static enum mur_status checked(const OFCondition &condition, uint32_t tag, mur_error *error)
{
    return condition.good() ? MUR_OK : mur::fail(error, MUR_INVALID, tag, condition.text());
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if (static_cast<unsigned char>(*text) >= 0x80)
            return false;
    return true;
}

extern "C" enum mur_status mur_dataset_put_string(mur_dataset *dataset, uint32_t tag,
                                                  enum mur_vr vr, const char *value,
                                                  mur_error *error)
{
    return put(dataset, tag, vr, error, [&](DcmElement &element, enum mur_vr real) {
        if (!mur_vr_is_text(real))
            return mur::fail(error, MUR_INVALID, tag, "holds no text");
        if (is_ascii(value))
            return checked(element.putString(value), tag, error);
        if (mur_vr_info(real)->class_ != MUR_VR_CLASS_TEXT)
            return mur::fail(error, MUR_INVALID, tag, "may hold ASCII only");
        const std::string name = mur::charset_name(dataset->item);
        MUR_AUTO_BUFFER mur_buffer encoded = MUR_BUFFER_INIT;
        enum mur_status status =
            mur_charset_use(&dataset->root->charset, {name.data(), name.size()}, error);
        if (status == MUR_OK)
            status = mur_charset_from_utf8(&encoded, dataset->root->charset, mur_slice_of(value),
                                           real, error);
        return status == MUR_OK ? checked(element.putString(mur_buffer_text(&encoded)), tag, error)
                                : status;
    });
}

extern "C" enum mur_status mur_dataset_put_doubles(mur_dataset *dataset, uint32_t tag,
                                                   enum mur_vr vr, const double *values,
                                                   size_t count, mur_error *error)
{
    return put(dataset, tag, vr, error, [&](DcmElement &element, enum mur_vr real) {
        const auto size = static_cast<unsigned long>(count);
        if (real == MUR_VR_DS) {
            std::string text;
            for (size_t i = 0; i < count; i++) {
                char number[MUR_DS_SIZE];
                const enum mur_status status = mur_ds_write(number, values[i], error);
                if (status != MUR_OK)
                    return status;
                text += (i > 0 ? "\\" : "") + std::string(number);
            }
            return checked(element.putString(text.c_str()), tag, error);
        }
        if (real == MUR_VR_FD || real == MUR_VR_OD)
            return checked(element.putFloat64Array(values, size), tag, error);
        if (real == MUR_VR_FL || real == MUR_VR_OF) {
            const std::vector<Float32> singles(values, values + count);
            return checked(element.putFloat32Array(singles.data(), size), tag, error);
        }
        return mur::fail(error, MUR_INVALID, tag, "holds no real numbers");
    });
}

extern "C" enum mur_status mur_dataset_put_double(mur_dataset *dataset, uint32_t tag,
                                                  enum mur_vr vr, double value, mur_error *error)
{
    return mur_dataset_put_doubles(dataset, tag, vr, &value, 1, error);
}

/* The numbers as another type; false if one does not fit. */
template <typename Target>
static bool narrow(std::vector<Target> &out, const int64_t *values, size_t count)
{
    using limits = std::numeric_limits<Target>;
    for (size_t i = 0; i < count; i++) {
        const bool low =
            limits::is_signed ? values[i] < static_cast<int64_t>(limits::min()) : values[i] < 0;
        const bool high =
            sizeof(Target) < sizeof(int64_t) && values[i] > static_cast<int64_t>(limits::max());
        if (low || high)
            return false;
        out.push_back(static_cast<Target>(values[i]));
    }
    return true;
}

template <typename Target>
static enum mur_status put_narrow(DcmElement &element, uint32_t tag, const int64_t *values,
                                  size_t count, mur_error *error,
                                  OFCondition (DcmElement::*put_array)(const Target *,
                                                                       unsigned long))
{
    std::vector<Target> numbers;
    if (!narrow(numbers, values, count))
        return mur::fail(error, MUR_LIMIT, tag, "a number does not fit its VR");
    return checked((element.*put_array)(numbers.data(), static_cast<unsigned long>(count)), tag,
                   error);
}

extern "C" enum mur_status mur_dataset_put_ints(mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                                const int64_t *values, size_t count,
                                                mur_error *error)
{
    return put(dataset, tag, vr, error, [&](DcmElement &element, enum mur_vr real) {
        switch (real) {
        case MUR_VR_IS:
        case MUR_VR_DS: {
            std::string text;
            for (size_t i = 0; i < count; i++) {
                const std::string number = std::to_string(values[i]);
                if (number.size() > (real == MUR_VR_IS ? 12U : 16U))
                    return mur::fail(error, MUR_LIMIT, tag, "a number does not fit its VR");
                text += (i > 0 ? "\\" : "") + number;
            }
            return checked(element.putString(text.c_str()), tag, error);
        }
        case MUR_VR_US:
            return put_narrow<Uint16>(element, tag, values, count, error,
                                      &DcmElement::putUint16Array);
        case MUR_VR_SS:
            return put_narrow<Sint16>(element, tag, values, count, error,
                                      &DcmElement::putSint16Array);
        case MUR_VR_UL:
            return put_narrow<Uint32>(element, tag, values, count, error,
                                      &DcmElement::putUint32Array);
        case MUR_VR_SL:
            return put_narrow<Sint32>(element, tag, values, count, error,
                                      &DcmElement::putSint32Array);
        case MUR_VR_SV: {
            const std::vector<Sint64> numbers(values, values + count);
            return checked(static_cast<DcmSigned64bitVeryLong &>(element).putSint64Array(
                               numbers.data(), static_cast<unsigned long>(count)),
                           tag, error);
        }
        case MUR_VR_UV: {
            std::vector<Uint64> numbers;
            if (!narrow(numbers, values, count))
                return mur::fail(error, MUR_LIMIT, tag, "a number does not fit its VR");
            return checked(static_cast<DcmUnsigned64bitVeryLong &>(element).putUint64Array(
                               numbers.data(), static_cast<unsigned long>(count)),
                           tag, error);
        }
        case MUR_VR_AT:
            for (size_t i = 0; i < count; i++) {
                if (values[i] < 0 || values[i] > UINT32_MAX)
                    return mur::fail(error, MUR_LIMIT, tag, "not a tag");
                const OFCondition condition = static_cast<DcmAttributeTag &>(element).putTagVal(
                    mur::key_of(static_cast<uint32_t>(values[i])), static_cast<unsigned long>(i));
                if (condition.bad())
                    return mur::fail(error, MUR_INVALID, tag, condition.text());
            }
            return MUR_OK;
        case MUR_VR_FD: {
            const std::vector<Float64> reals(values, values + count);
            return checked(element.putFloat64Array(reals.data(), static_cast<unsigned long>(count)),
                           tag, error);
        }
        default:
            return mur::fail(error, MUR_INVALID, tag, "holds no whole numbers");
        }
    });
}

extern "C" enum mur_status mur_dataset_put_int(mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                               int64_t value, mur_error *error)
{
    return mur_dataset_put_ints(dataset, tag, vr, &value, 1, error);
}

/* Bytes as numbers of a type: aligned, and filled up to a whole one by zeros. */
template <typename Target> static std::vector<Target> aligned(const void *bytes, size_t length)
{
    std::vector<Target> numbers((length + sizeof(Target) - 1) / sizeof(Target));
    if (length > 0)
        std::memcpy(numbers.data(), bytes, length);
    return numbers;
}

extern "C" enum mur_status mur_dataset_put_bytes(mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                                 const void *bytes, size_t length, mur_error *error)
{
    if (length >= UINT32_MAX)
        return mur::fail(error, MUR_LIMIT, tag, "4 GiB or more do not fit an element");
    return put(dataset, tag, vr, error, [&](DcmElement &element, enum mur_vr real) {
        const auto put_as = [&](auto type, auto put_array) {
            const auto numbers = aligned<decltype(type)>(bytes, length);
            return checked(
                (element.*put_array)(numbers.data(), static_cast<unsigned long>(numbers.size())),
                tag, error);
        };
        switch (real) {
        case MUR_VR_OB:
        case MUR_VR_UN: /* DCMTK pads them when it writes */
            return checked(element.putUint8Array(static_cast<const Uint8 *>(bytes),
                                                 static_cast<unsigned long>(length)),
                           tag, error);
        case MUR_VR_OW:
        case MUR_VR_US:
            return put_as(Uint16(), &DcmElement::putUint16Array);
        case MUR_VR_SS:
            return put_as(Sint16(), &DcmElement::putSint16Array);
        case MUR_VR_UL:
        case MUR_VR_OL:
            return put_as(Uint32(), &DcmElement::putUint32Array);
        case MUR_VR_SL:
            return put_as(Sint32(), &DcmElement::putSint32Array);
        case MUR_VR_FL:
        case MUR_VR_OF:
            return put_as(Float32(), &DcmElement::putFloat32Array);
        case MUR_VR_FD:
        case MUR_VR_OD:
            return put_as(Float64(), &DcmElement::putFloat64Array);
        case MUR_VR_UV:
        case MUR_VR_OV: {
            const auto numbers = aligned<Uint64>(bytes, length);
            return checked(static_cast<DcmUnsigned64bitVeryLong &>(element).putUint64Array(
                               numbers.data(), static_cast<unsigned long>(numbers.size())),
                           tag, error);
        }
        default:
            return mur::fail(error, MUR_INVALID, tag, "holds no bytes");
        }
    });
}

extern "C" enum mur_status mur_dataset_put_empty(mur_dataset *dataset, uint32_t tag, enum mur_vr vr,
                                                 mur_error *error)
{
    return put(dataset, tag, vr, error, [](DcmElement &, enum mur_vr) { return MUR_OK; });
}

extern "C" enum mur_status mur_dataset_private_block(unsigned *block, mur_dataset *dataset,
                                                     uint16_t group, const char *creator,
                                                     mur_error *error)
{
    return mur::guard(error, [&] {
        unsigned unused = 0;
        if ((group & 1) == 0)
            return mur_error_set(error, MUR_INVALID, "group %04X is not private", group);
        for (unsigned i = 0xFF; i >= 0x10; i--) {
            const DcmTagKey key(group, static_cast<Uint16>(i));
            const char *name = nullptr;
            if (!dataset->item->tagExists(key)) {
                unused = i;
                continue;
            }
            if (dataset->item->findAndGetString(key, name).good() && name != nullptr &&
                std::strcmp(name, creator) == 0) {
                *block = i;
                return MUR_OK;
            }
        }
        if (unused == 0)
            return mur_error_set(error, MUR_LIMIT, "all blocks of group %04X are taken", group);
        const enum mur_status status =
            mur_dataset_put_string(dataset, MUR_TAG(group, unused), MUR_VR_LO, creator, error);
        if (status == MUR_OK)
            *block = unused;
        return status;
    });
}

extern "C" enum mur_status mur_dataset_remove(mur_dataset *dataset, uint32_t tag, mur_error *error)
{
    return mur::guard(error, [&] {
        dataset->forget();
        (void)dataset->item->findAndDeleteElement(mur::key_of(tag));
        return MUR_OK;
    });
}

/* ---- character sets ------------------------------------------------------------------------ */

namespace
{

/* Recodes text from the sets that a Data Set declares to one for all of it. */
class Recoder
{
  public:
    explicit Recoder(const std::string &target, mur_error *into) : error(into)
    {
        prepare(writer, target);
    }
    ~Recoder()
    {
        mur_charset_free(reader);
        mur_charset_free(writer);
    }
    Recoder(const Recoder &) = delete;
    Recoder &operator=(const Recoder &) = delete;

    enum mur_status item(DcmItem &item, const std::string &around)
    {
        const char *own = nullptr;
        std::string source = around;
        if (item.findAndGetString(DCM_SpecificCharacterSet, own).good())
            source = own != nullptr ? own : "";
        for (DcmObject *at = item.nextInContainer(nullptr); at != nullptr && status == MUR_OK;
             at = item.nextInContainer(at))
            (void)element(*static_cast<DcmElement *>(at), source);
        return status;
    }

    /* Nesting is bounded: what is loaded was scanned, what is made is made by us. */
    enum mur_status element(DcmElement &element, const std::string &source)
    {
        DcmSequenceOfItems *sequence = mur::as_sequence(&element);
        if (sequence != nullptr) {
            for (DcmObject *at = sequence->nextInContainer(nullptr);
                 at != nullptr && status == MUR_OK; at = sequence->nextInContainer(at)) {
                auto &inner = *static_cast<DcmItem *>(at);
                (void)item(inner, source);
                (void)inner.findAndDeleteElement(DCM_SpecificCharacterSet);
            }
            return status;
        }
        const enum mur_vr vr = mur::vr_of_element(&element);
        char *value = nullptr;
        if (status != MUR_OK || mur_vr_info(vr)->class_ != MUR_VR_CLASS_TEXT ||
            element.getString(value).bad() || value == nullptr)
            return status;
        if (is_ascii(value) && std::strchr(value, 0x1B) == nullptr)
            return status;
        prepare(reader, source);
        MUR_AUTO_BUFFER mur_buffer text = MUR_BUFFER_INIT;
        MUR_AUTO_BUFFER mur_buffer encoded = MUR_BUFFER_INIT;
        if (status == MUR_OK)
            status = mur_charset_to_utf8(&text, reader, mur_slice_of(value), vr, error);
        if (status == MUR_OK)
            status = mur_charset_from_utf8(&encoded, writer, {mur_buffer_text(&text), text.length},
                                           vr, error);
        if (status == MUR_OK)
            status = checked(element.putString(mur_buffer_text(&encoded)),
                             mur::tag_of(element.getTag()), error);
        return status;
    }

  private:
    mur_charset *reader = nullptr;
    mur_charset *writer = nullptr;
    mur_error *error;
    enum mur_status status = MUR_OK;

    void prepare(mur_charset *&charset, const std::string &name)
    {
        if (status == MUR_OK)
            status = mur_charset_use(&charset, {name.data(), name.size()}, error);
    }
};

} // namespace

extern "C" enum mur_status mur_dataset_copy(mur_dataset *target, mur_dataset *source, uint32_t tag,
                                            mur_error *error)
{
    return mur::guard(error, [&] {
        DcmElement *found = mur::need_element(source, tag, error);
        if (found == nullptr)
            return MUR_NOT_FOUND;
        std::unique_ptr<DcmElement> copy(static_cast<DcmElement *>(found->clone()));
        const std::string from = mur::charset_name(source->item);
        const std::string to = mur::charset_name(target->item);
        if (from != to && tag != MUR_TAG_SpecificCharacterSet) {
            Recoder recoder(to, error);
            const enum mur_status status = recoder.element(*copy, from);
            if (status != MUR_OK)
                return status;
        }
        return insert(target, copy, error);
    });
}

extern "C" enum mur_status mur_dataset_set_utf8(mur_dataset *dataset, mur_error *error)
{
    static const char utf8[] = "ISO_IR 192";
    const enum mur_status status = mur::guard(error, [&] {
        Recoder recoder(utf8, error);
        return recoder.item(*dataset->item, mur::charset_name(dataset->item));
    });
    return status == MUR_OK ? mur_dataset_put_string(dataset, MUR_TAG_SpecificCharacterSet,
                                                     MUR_VR_CS, utf8, error)
                            : status;
}
