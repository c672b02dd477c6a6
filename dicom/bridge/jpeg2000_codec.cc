#include "dicom/bridge/jpeg2000_codec.h"

#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dccodec.h"
#include "dcmtk/dcmdata/dcdatset.h"
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcpixseq.h"
#include "dcmtk/dcmdata/dcpxitem.h"
#include "dcmtk/dcmdata/dcvrpobw.h"
#include "dcmtk/dcmdata/dcxfer.h"

#include <cstring>
#include <vector>

#include "dicom/bridge/guard.h"

extern "C" {
#include "dicom/jpeg2000.h"
}

namespace
{

struct Image {
    mur_pixel_layout layout = {};
    size_t frames = 0;
    std::string photometric;

    size_t frame_size() const
    {
        return mur_pixel_frame_size(&layout);
    }
};

OFCondition condition_of(const mur_error &error)
{
    return error.status == MUR_NO_MEMORY
               ? EC_MemoryExhausted
               : makeOFCondition(OFM_dcmdata, 4096, OF_error, error.message);
}

OFCondition read_image(Image &out, DcmItem &item)
{
    Uint16 rows = 0, columns = 0, samples = 1, allocated = 0;
    Sint32 frames = 1;
    OFString photometric;
    if (item.findAndGetUint16(DCM_Rows, rows).bad() ||
        item.findAndGetUint16(DCM_Columns, columns).bad() ||
        item.findAndGetUint16(DCM_BitsAllocated, allocated).bad())
        return EC_TagNotFound;
    (void)item.findAndGetUint16(DCM_SamplesPerPixel, samples);
    (void)item.findAndGetOFString(DCM_PhotometricInterpretation, photometric);
    if (item.findAndGetSint32(DCM_NumberOfFrames, frames).bad() || frames < 1)
        frames = 1;
    out.layout.rows = rows;
    out.layout.columns = columns;
    out.layout.samples = samples;
    out.layout.bits_allocated = allocated;
    out.frames = static_cast<size_t>(frames);
    out.photometric = photometric.c_str();
    return out.frame_size() > 0 ? EC_Normal : EC_CannotChangeRepresentation;
}

/* The fragments of encapsulated pixels, and which are a frame's (PS3.5 A.4). All are found in one
 * walk: DCMTK's own questions each count from the first one, so that many fragments would take for
 * ever. */
class Fragments
{
  public:
    explicit Fragments(DcmPixelSequence &sequence)
    {
        for (DcmObject *at = sequence.nextInContainer(nullptr); at != nullptr;
             at = sequence.nextInContainer(at))
            items.push_back(static_cast<DcmPixelItem *>(at));
    }

    /* A fragment each; or all of them for one frame; or as the offset table (the first one) says.
     */
    OFCondition find_frames(size_t frames)
    {
        if (items.size() < 1 + frames)
            return EC_CorruptedData;
        begins.clear();
        if (frames > 1 && items.size() > 1 + frames)
            return read_offsets(frames);
        for (size_t frame = 0; frame < frames; frame++)
            begins.push_back(1 + frame);
        begins.push_back(items.size());
        return EC_Normal;
    }

    size_t end_of(size_t frame) const
    {
        return begins[frame + 1];
    }

    OFCondition gather(std::vector<Uint8> &out, size_t frame) const
    {
        for (size_t at = begins[frame]; at < begins[frame + 1]; at++) {
            Uint8 *bytes = nullptr;
            const OFCondition condition = items[at]->getUint8Array(bytes);
            if (condition.bad())
                return condition;
            if (bytes != nullptr)
                out.insert(out.end(), bytes, bytes + items[at]->getLength());
        }
        return EC_Normal;
    }

  private:
    OFCondition read_offsets(size_t frames)
    {
        Uint8 *table = nullptr;
        const OFCondition condition = items[0]->getUint8Array(table);
        if (condition.bad())
            return condition;
        if (table == nullptr || items[0]->getLength() < 4 * frames)
            return EC_CorruptedData;
        size_t fragment = 1;
        uint64_t offset = 0; /* of its item */
        for (size_t frame = 0; frame < frames; frame++, table += 4) {
            uint64_t begin = 0;
            for (unsigned byte = 0; byte < 4; byte++)
                begin |= static_cast<uint64_t>(table[byte]) << 8 * byte;
            for (; offset < begin && fragment < items.size(); fragment++)
                offset += item_head + items[fragment]->getLength();
            if (offset != begin || fragment == items.size())
                return EC_CorruptedData;
            begins.push_back(fragment);
        }
        begins.push_back(items.size());
        return EC_Normal;
    }

    static constexpr uint64_t item_head = 8;
    std::vector<DcmPixelItem *> items;
    std::vector<size_t> begins; /* of each frame, and where the last one ends */
};

/* Undone by the decoder: PS3.5 8.2.4. */
std::string decoded_photometric(const std::string &photometric)
{
    return photometric == "YBR_RCT" || photometric == "YBR_ICT" ? "RGB" : photometric;
}

class Jpeg2000Parameter : public DcmCodecParameter
{
  public:
    DcmCodecParameter *clone() const override
    {
        return new Jpeg2000Parameter(*this);
    }
    const char *className() const override
    {
        return "Jpeg2000Parameter";
    }
};

class Jpeg2000Decoder : public DcmCodec
{
  public:
    OFBool canChangeCoding(const E_TransferSyntax from, const E_TransferSyntax to) const override
    {
        const bool ours = from == EXS_JPEG2000LosslessOnly || from == EXS_JPEG2000;
        /* Spelt out: DcmXfer's question has one name in 3.6.7 and another in 3.6.9. */
        const bool native = to == EXS_LittleEndianImplicit || to == EXS_LittleEndianExplicit ||
                            to == EXS_BigEndianExplicit || to == EXS_DeflatedLittleEndianExplicit;
        return ours && native;
    }

    OFCondition decode(const DcmRepresentationParameter *, DcmPixelSequence *fragments,
                       DcmPolymorphOBOW &pixels, const DcmCodecParameter *, const DcmStack &stack,
                       OFBool &) const override
    {
        /* On top of the stack is the Pixel Data; below it the Data Set, or an item of one. */
        DcmStack copy(stack);
        (void)copy.pop();
        DcmObject *holder = copy.pop();
        if (holder == nullptr || (holder->ident() != EVR_dataset && holder->ident() != EVR_item))
            return EC_InvalidTag;
        return guarded(
            [&] { return decode_all(static_cast<DcmItem &>(*holder), *fragments, pixels); });
    }

    OFCondition decodeFrame(const DcmRepresentationParameter *, DcmPixelSequence *fragments,
                            const DcmCodecParameter *, DcmItem *dataset, Uint32 frame,
                            Uint32 &start_fragment, void *buffer, Uint32 size,
                            OFString &colour_model) const override
    {
        return guarded([&]() -> OFCondition {
            Image image;
            OFCondition condition = read_image(image, *dataset);
            if (condition.bad())
                return condition;
            if (frame >= image.frames || size < image.frame_size())
                return EC_IllegalParameter;
            Fragments found(*fragments);
            condition = found.find_frames(image.frames);
            if (condition.good())
                condition = decode_one(buffer, image, found, frame);
            if (condition.good())
                start_fragment = static_cast<Uint32>(found.end_of(frame));
            colour_model = decoded_photometric(image.photometric).c_str();
            return condition;
        });
    }

    OFCondition encode(const Uint16 *, const Uint32, const DcmRepresentationParameter *,
                       DcmPixelSequence *&, const DcmCodecParameter *, DcmStack &,
                       OFBool &) const override
    {
        return EC_IllegalCall;
    }

    OFCondition encode(const E_TransferSyntax, const DcmRepresentationParameter *,
                       DcmPixelSequence *, const DcmRepresentationParameter *, DcmPixelSequence *&,
                       const DcmCodecParameter *, DcmStack &, OFBool &) const override
    {
        return EC_IllegalCall;
    }

    OFCondition determineDecompressedColorModel(const DcmRepresentationParameter *,
                                                DcmPixelSequence *, const DcmCodecParameter *,
                                                DcmItem *dataset,
                                                OFString &colour_model) const override
    {
        OFString photometric;
        const OFCondition condition =
            dataset->findAndGetOFString(DCM_PhotometricInterpretation, photometric);
        colour_model = decoded_photometric(photometric.c_str()).c_str();
        return condition;
    }

  private:
    /* DCMTK, which calls us, knows no exceptions. */
    template <typename Body> static OFCondition guarded(Body &&body)
    {
        OFCondition condition = EC_Normal;
        mur_error error = MUR_ERROR_INIT;
        const enum mur_status status = mur::guard(&error, [&] {
            condition = body();
            return MUR_OK;
        });
        return status == MUR_OK ? condition : condition_of(error);
    }

    static OFCondition decode_one(void *out, const Image &image, const Fragments &fragments,
                                  size_t frame)
    {
        std::vector<Uint8> codestream;
        const OFCondition condition = fragments.gather(codestream, frame);
        if (condition.bad())
            return condition;
        mur_error error = MUR_ERROR_INIT;
        const enum mur_status status = mur_jpeg2000_decode(
            out, nullptr, &image.layout, codestream.data(), codestream.size(), &error);
        return status == MUR_OK ? EC_Normal : condition_of(error);
    }

    static OFCondition decode_all(DcmItem &holder, DcmPixelSequence &fragments,
                                  DcmPolymorphOBOW &pixels)
    {
        Image image;
        OFCondition condition = read_image(image, holder);
        if (condition.bad())
            return condition;
        Fragments found(fragments);
        condition = found.find_frames(image.frames);
        if (condition.bad())
            return condition;
        const size_t frame_size = image.frame_size();
        if (image.frames > (0xFFFFFFFEu - 1) / frame_size)
            return EC_CannotChangeRepresentation; /* no native Pixel Data is that long */
        const size_t words = (frame_size * image.frames + 1) / 2;
        Uint16 *cells = nullptr;
        condition = pixels.createUint16Array(static_cast<Uint32>(words), cells);
        if (condition.bad())
            return condition;
        cells[words - 1] = 0;
        auto *at = reinterpret_cast<Uint8 *>(cells);
        for (size_t frame = 0; condition.good() && frame < image.frames; frame++)
            condition = decode_one(at + frame * frame_size, image, found, frame);
        if (condition.good() && image.layout.samples > 1) {
            condition = holder.putAndInsertString(DCM_PhotometricInterpretation,
                                                  decoded_photometric(image.photometric).c_str());
            if (condition.good())
                condition = holder.putAndInsertUint16(DCM_PlanarConfiguration, 0);
        }
        return condition;
    }
};

} // namespace

void mur::register_jpeg2000_decoder()
{
    static const Jpeg2000Decoder decoder;
    static const Jpeg2000Parameter parameter;
    (void)DcmCodecList::registerCodec(&decoder, nullptr, &parameter);
}
