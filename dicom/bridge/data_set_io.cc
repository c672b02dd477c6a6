/* Data Sets: decoding and encoding them. */
#include "dicom/bridge/data_set_internal.h"
#include "dicom/bridge/jpeg2000_codec.h"

#include "dcmtk/dcmdata/dcistrmb.h"
#include "dcmtk/dcmdata/dcistrmf.h"
#include "dcmtk/dcmdata/dcostrmb.h"
#include "dcmtk/dcmdata/dcpixel.h"
#include "dcmtk/dcmdata/dcrledrg.h"
#include "dcmtk/dcmdata/dcwcache.h"
#include "dcmtk/dcmdata/dcxfer.h"
#include "dcmtk/dcmjpeg/djdecode.h"
#include "dcmtk/dcmjpls/djdecode.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

extern "C" {
#include "core/deflate.h"
#include "core/file.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"
}

namespace
{

const size_t piece_size = 64 * 1024;
const int deflate_level = 6;

/* The encoding matters, not the name: a transfer syntax that DCMTK does not know is read and
 * written like a known one of the same encoding, if it is encapsulated one that nobody decodes. */
E_TransferSyntax syntax_of(const char *uid)
{
    const E_TransferSyntax known = DcmXfer(uid).getXfer();
    if (known != EXS_Unknown)
        return known;
    const unsigned flags = mur_transfer_syntax_flags(uid);
    if ((flags & MUR_TS_REFERENCED) != 0)
        return (flags & MUR_TS_DEFLATED) != 0 ? EXS_JPIPReferencedDeflate : EXS_JPIPReferenced;
    if ((flags & MUR_TS_ENCAPSULATED) != 0)
        return EXS_MPEG2MainProfileAtMainLevel;
    return (flags & MUR_TS_IMPLICIT) != 0 ? EXS_LittleEndianImplicit : EXS_LittleEndianExplicit;
}

/* DCMTK's decoders count to the n-th fragment from the first one: as many as this take seconds, and
 * the time grows with the square. */
const uint32_t decodable_fragments = 65536;

enum mur_status count_fragments(void *user, const mur_scan_element *, uint32_t index, uint64_t,
                                uint32_t, mur_error *)
{
    auto *fragments = static_cast<uint32_t *>(user);
    *fragments = std::max(*fragments, index + 1);
    return MUR_OK;
}

mur_scan_events counting_events()
{
    mur_scan_events events = {};
    events.fragment = count_fragments;
    return events;
}

const mur_scan_events structure_events = counting_events();

void register_decoders()
{
    DcmRLEDecoderRegistration::registerCodecs();
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    mur::register_jpeg2000_decoder();
}

} // namespace

void mur::prepare_codecs()
{
    static std::once_flag once;
    prepare_library();
    std::call_once(once, register_decoders);
}

static enum mur_status parse(mur_dataset **out, DcmInputStream &stream, const char *uid,
                             enum mur_dataset_extent extent, const char *name, mur_error *error)
{
    auto dataset = std::make_unique<DcmDataset>();
    const DcmTagKey stop = extent == MUR_HEADER ? DcmTagKey(0x7FE0, 0x0000) : DCM_UndefinedTagKey;
    dataset->transferInit();
    const OFCondition condition =
        dataset->readUntilTag(stream, syntax_of(uid), EGL_noChange, DCM_MaxReadLength, stop);
    dataset->transferEnd();
    if (condition.bad() && condition != EC_EndOfStream)
        return mur::from_condition(condition, MUR_PARSE, error, name);
    *out = mur::make_root(std::move(dataset), uid).release();
    return MUR_OK;
}

static enum mur_status parse_memory(mur_dataset **out, const void *bytes, uint64_t length,
                                    const char *uid, enum mur_dataset_extent extent,
                                    const char *name, mur_error *error)
{
    DcmInputBufferStream stream;
    stream.setBuffer(bytes, static_cast<offile_off_t>(length));
    stream.setEos();
    return parse(out, stream, uid, extent, name, error);
}

/* Bytes without the zeros that may pad them, which DCMTK takes for elements. */
static uint64_t length_without_padding(const mur_scanner *scanner, const char *uid, uint64_t length)
{
    return (mur_transfer_syntax_flags(uid) & MUR_TS_DEFLATED) != 0 ? length
                                                                   : mur_scanner_end(scanner);
}

extern "C" enum mur_status mur_dataset_load(mur_dataset **out, const char *path,
                                            enum mur_dataset_extent extent, mur_error *error)
{
    return mur::guard(error, [&] {
        mur::prepare_codecs();
        MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (descriptor < 0)
            return mur_error_set_errno(error, errno, "%s", path);
        mur_part10 head;
        enum mur_status status = mur_part10_read(&head, descriptor, path, error);
        if (status != MUR_OK)
            return status;
        uint32_t fragments = 0;
        MUR_AUTO(mur_scanner) *scanner = nullptr;
        status = mur_scanner_create(&scanner, head.transfer_syntax, &structure_events, &fragments,
                                    error);
        if (status == MUR_OK) {
            status = mur_scanner_read(scanner, descriptor, head.offset, path, error);
            if (status != MUR_OK)
                (void)mur_error_prefix(error, "%s", path);
        }
        struct stat details;
        if (status == MUR_OK && fstat(descriptor, &details) != 0)
            status = mur_error_set_errno(error, errno, "%s", path);
        if (status != MUR_OK)
            return status;
        const uint64_t whole = static_cast<uint64_t>(details.st_size) - head.offset;
        const uint64_t length = length_without_padding(scanner, head.transfer_syntax, whole);
        if (length < whole) {
            std::vector<char> bytes(length);
            size_t read = 0;
            status = mur_pread_full(&read, descriptor, bytes.data(), bytes.size(),
                                    static_cast<off_t>(head.offset), path, error);
            if (status == MUR_OK)
                status = parse_memory(out, bytes.data(), read, head.transfer_syntax, extent, path,
                                      error);
            if (status == MUR_OK)
                (*out)->fragments = fragments;
            return status;
        }
        /* Not opened at the offset: values that stay in the file would be looked for without it. */
        DcmInputFileStream stream{OFFilename(path)};
        const auto begin = static_cast<offile_off_t>(head.offset);
        if (stream.status().good() && stream.skip(begin) != begin)
            return mur_error_set(error, MUR_IO, "%s: cut while it was read", path);
        if (stream.status().bad())
            return mur::from_condition(stream.status(), MUR_IO, error, path);
        status = parse(out, stream, head.transfer_syntax, extent, path, error);
        if (status == MUR_OK)
            (*out)->fragments = fragments;
        return status;
    });
}

extern "C" enum mur_status mur_dataset_read(mur_dataset **out, const void *bytes, size_t length,
                                            const char *transfer_syntax, mur_error *error)
{
    return mur::guard(error, [&] {
        mur::prepare_codecs();
        uint32_t fragments = 0;
        MUR_AUTO(mur_scanner) *scanner = nullptr;
        enum mur_status status =
            mur_scanner_create(&scanner, transfer_syntax, &structure_events, &fragments, error);
        if (status == MUR_OK)
            status = mur_scanner_write(scanner, bytes, length, error);
        if (status == MUR_OK)
            status = mur_scanner_finish(scanner, error);
        if (status != MUR_OK)
            return status;
        status = parse_memory(out, bytes, length_without_padding(scanner, transfer_syntax, length),
                              transfer_syntax, MUR_WHOLE, "Data Set", error);
        if (status == MUR_OK)
            (*out)->fragments = fragments;
        return status;
    });
}

/* ---- writing ------------------------------------------------------------------------------- */

static bool has_pixels(DcmDataset &dataset)
{
    return dataset.tagExists(DCM_PixelData);
}

/* The decoder of our own. */
static bool decodes_in_one_walk(const mur_dataset &root)
{
    return root.transfer_syntax == mur_uid_JPEG2000Lossless ||
           root.transfer_syntax == mur_uid_JPEG2000;
}

static bool can_write(mur_dataset *root, const char *uid)
{
    DcmDataset &dataset = *root->owned;
    if (root->transfer_syntax == uid)
        return true;
    const unsigned to = mur_transfer_syntax_flags(uid);
    const unsigned from = mur_transfer_syntax_flags(root->transfer_syntax.c_str());
    const unsigned apart = MUR_TS_ENCAPSULATED | MUR_TS_REFERENCED | MUR_TS_NO_DATA_SET;
    if ((to & apart) != 0 || (from & (MUR_TS_REFERENCED | MUR_TS_NO_DATA_SET)) != 0 ||
        mur_transfer_syntax_find(uid) == nullptr)
        return false;
    DcmElement *element = nullptr;
    if ((from & MUR_TS_ENCAPSULATED) == 0 ||
        dataset.findAndGetElement(DCM_PixelData, element).bad())
        return true;
    auto *pixels = dynamic_cast<DcmPixelData *>(element);
    return pixels != nullptr && pixels->canChooseRepresentation(syntax_of(uid), nullptr);
}

extern "C" bool mur_dataset_can_write(mur_dataset *dataset, const char *transfer_syntax)
{
    try {
        mur::prepare_codecs();
        return dataset == dataset->root && can_write(dataset, transfer_syntax);
    } catch (...) {
        return false; /* no memory */
    }
}

/* Hands out what the stream holds. @param go_on  there must be something, or it never ends */
static enum mur_status drain(DcmOutputBufferStream &stream, struct mur_sink sink, bool go_on,
                             mur_error *error)
{
    void *bytes = nullptr;
    offile_off_t length = 0;
    stream.flushBuffer(bytes, length);
    if (length > 0)
        return sink.write(sink.user, bytes, static_cast<size_t>(length), error);
    return go_on ? mur_error_set(error, MUR_INTERNAL, "encoding comes to no end") : MUR_OK;
}

static enum mur_status encode(DcmDataset &dataset, E_TransferSyntax syntax, struct mur_sink sink,
                              mur_error *error)
{
    std::vector<char> piece(piece_size);
    DcmOutputBufferStream stream(piece.data(), static_cast<offile_off_t>(piece.size()));
    DcmWriteCache cache;
    dataset.transferInit();
    for (;;) {
        const OFCondition condition = dataset.write(stream, syntax, EET_ExplicitLength, &cache,
                                                    EGL_withoutGL, EPD_withoutPadding);
        const bool more = condition == EC_StreamNotifyClient;
        enum mur_status status =
            more ? MUR_OK : mur::from_condition(condition, MUR_IO, error, "encoding");
        if (status == MUR_OK)
            status = drain(stream, sink, more, error);
        if (status != MUR_OK || !more) {
            dataset.transferEnd();
            return status;
        }
    }
}

static enum mur_status write_deflated(void *user, const void *bytes, size_t length,
                                      mur_error *error)
{
    return mur_deflate_writer_write(static_cast<mur_deflate_writer *>(user), bytes, length, error);
}

/* DCMTK's own compressor never ends once the head of an element does not fit into what is left of
 * its 4 KiB, as it happens between many empty ones. */
static enum mur_status encode_deflated(DcmDataset &dataset, E_TransferSyntax syntax,
                                       struct mur_sink sink, mur_error *error)
{
    MUR_AUTO(mur_deflate_writer) *writer = nullptr;
    enum mur_status status = mur_deflate_writer_create(&writer, sink, deflate_level, error);
    if (status != MUR_OK)
        return status;
    const mur_sink plain = {write_deflated, writer};
    status =
        encode(dataset,
               syntax == EXS_JPIPReferencedDeflate ? EXS_JPIPReferenced : EXS_LittleEndianExplicit,
               plain, error);
    return status == MUR_OK ? mur_deflate_writer_finish(writer, error) : status;
}

extern "C" enum mur_status mur_dataset_write(mur_dataset *dataset, const char *transfer_syntax,
                                             struct mur_sink sink, mur_error *error)
{
    return mur::guard(error, [&] {
        mur::prepare_codecs();
        if (dataset != dataset->root)
            return mur_error_set(error, MUR_INVALID, "an item is not written alone");
        if (!can_write(dataset, transfer_syntax))
            return mur_error_set(error, MUR_UNSUPPORTED, "cannot convert from %s to %s",
                                 mur_transfer_syntax_name(dataset->transfer_syntax.c_str()),
                                 mur_transfer_syntax_name(transfer_syntax));
        DcmDataset &data = *dataset->owned;
        const E_TransferSyntax syntax = syntax_of(transfer_syntax);
        if (dataset->transfer_syntax != transfer_syntax && has_pixels(data)) {
            if (dataset->fragments > decodable_fragments && !decodes_in_one_walk(*dataset))
                return mur_error_set(error, MUR_LIMIT, "decoding pixels of more than %u fragments",
                                     decodable_fragments);
            const OFCondition condition = data.chooseRepresentation(syntax, nullptr);
            if (condition.bad())
                return mur::from_condition(condition, MUR_UNSUPPORTED, error, "decoding pixels");
            dataset->forget();
        }
        return (mur_transfer_syntax_flags(transfer_syntax) & MUR_TS_DEFLATED) != 0
                   ? encode_deflated(data, syntax, sink, error)
                   : encode(data, syntax, sink, error);
    });
}

extern "C" enum mur_status mur_dataset_encode(mur_buffer *out, mur_dataset *dataset,
                                              const char *transfer_syntax, mur_error *error)
{
    return mur_dataset_write(dataset, transfer_syntax, mur_sink_buffer(out), error);
}

static enum mur_status copy_uid(char out[MUR_UID_TEXT_SIZE], mur_dataset *dataset, uint32_t tag,
                                mur_error *error)
{
    const char *uid = nullptr;
    const enum mur_status status = mur_dataset_get_string(&uid, dataset, tag, error);
    if (status != MUR_OK || !mur_uid_acceptable(mur_slice_of(uid)))
        return mur::fail(error, MUR_INVALID, tag, "a file needs this UID");
    memcpy(out, uid, strlen(uid) + 1);
    return MUR_OK;
}

extern "C" enum mur_status mur_dataset_save(mur_dataset *dataset, const char *path,
                                            const char *transfer_syntax, mur_error *error)
{
    return mur::guard(error, [&] {
        const char *uid =
            transfer_syntax != nullptr ? transfer_syntax : mur_dataset_transfer_syntax(dataset);
        mur_part10 head = {};
        const mur_slice syntax = mur_slice_of(uid);
        if (!mur_uid_acceptable(syntax))
            return mur_error_set(error, MUR_INVALID, "not a transfer syntax: \"%s\"", uid);
        memcpy(head.transfer_syntax, uid, syntax.length + 1);
        enum mur_status status = copy_uid(head.sop_class, dataset, MUR_TAG_SOPClassUID, error);
        if (status == MUR_OK)
            status = copy_uid(head.sop_instance, dataset, MUR_TAG_SOPInstanceUID, error);
        MUR_AUTO_BUFFER mur_buffer bytes = MUR_BUFFER_INIT;
        if (status == MUR_OK)
            status = mur_part10_write(&bytes, &head, error);
        if (status != MUR_OK)
            return status;
        /* Values may still have to be read from a file of this very name. */
        const std::string part = std::string(path) + ".part";
        MUR_AUTO_CLOSE int descriptor =
            open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (descriptor < 0)
            return mur_error_set_errno(error, errno, "%s", part.c_str());
        status = mur_write_full(descriptor, bytes.data, bytes.length, path, error);
        if (status == MUR_OK)
            status = mur_dataset_write(dataset, uid, mur_sink_descriptor(&descriptor), error);
        if (status == MUR_OK && rename(part.c_str(), path) != 0)
            status = mur_error_set_errno(error, errno, "%s", path);
        if (status != MUR_OK)
            (void)unlink(part.c_str());
        return status;
    });
}
