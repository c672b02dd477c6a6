#include "converters/nifti.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <nifti2_io.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/text.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "voxels are handed out as they lie");
_Static_assert(sizeof(nifti_1_header) == 348 && sizeof(nifti_2_header) == 540, "as in the file");

enum {
    HEADER_1_SIZE = 348,
    HEADER_2_SIZE = 540,
    EXTENDER_SIZE = 4,
    DIMENSIONS = 7,
    GZIP_RATIO_LIMIT = 1032, /* deflate cannot do better */
    GZIP_SLACK = 4096,
    GZIP_TAIL = 64 * 1024, /* read beyond the voxels to reach the checksum */
    SKIP_SIZE = 256 * 1024,
    PIECE_SIZE = 16 * 1024 * 1024, /* read between two looks whether to stop */
};
static const uint64_t SLICE_LIMIT = UINT64_C(1) << 30;
static const uint64_t VOLUME_COUNT_LIMIT = 1000000;

/* A file that is read in order, plain or gzip. */
struct byte_stream {
    znzFile gzip; /* NULL for a plain file */
    int descriptor;
    uint64_t at;
};

struct mur_nifti {
    struct mur_nifti_header header;
    char *path;
    char *header_path;
    char *voxel_path;
    uint64_t voxel_offset;
    uint64_t slice_size;
    uint64_t volume_size;
    uint8_t *extensions;
    size_t extension_length;
    bool takes_colour;
    bool compressed; /* the voxels are */
    bool single;     /* voxels follow the header */
    struct byte_stream stream;
    struct stat opened;
    uint8_t *slice;
    uint8_t *held;
    uint32_t held_volume;
    const bool *cancelled; /* may be NULL */
};

static const struct {
    int code;
    enum mur_nifti_type type;
    unsigned size; /* of one sample */
    unsigned samples;
    const char *name;
} types[] = {
    {NIFTI_TYPE_UINT8, MUR_NIFTI_UINT8, 1, 1, "uint8"},
    {NIFTI_TYPE_INT8, MUR_NIFTI_INT8, 1, 1, "int8"},
    {NIFTI_TYPE_UINT16, MUR_NIFTI_UINT16, 2, 1, "uint16"},
    {NIFTI_TYPE_INT16, MUR_NIFTI_INT16, 2, 1, "int16"},
    {NIFTI_TYPE_UINT32, MUR_NIFTI_UINT32, 4, 1, "uint32"},
    {NIFTI_TYPE_INT32, MUR_NIFTI_INT32, 4, 1, "int32"},
    {NIFTI_TYPE_UINT64, MUR_NIFTI_UINT64, 8, 1, "uint64"},
    {NIFTI_TYPE_INT64, MUR_NIFTI_INT64, 8, 1, "int64"},
    {NIFTI_TYPE_FLOAT32, MUR_NIFTI_FLOAT32, 4, 1, "float32"},
    {NIFTI_TYPE_FLOAT64, MUR_NIFTI_FLOAT64, 8, 1, "float64"},
    {NIFTI_TYPE_RGB24, MUR_NIFTI_UINT8, 1, 3, "rgb24"},
    {NIFTI_TYPE_RGBA32, MUR_NIFTI_UINT8, 1, 4, "rgba32"},
};

/* ---- bytes ---------------------------------------------------------------------------------- */

static void close_stream(struct byte_stream *stream)
{
    if (stream->gzip != NULL)
        (void)znzclose(stream->gzip);
    if (stream->descriptor >= 0)
        (void)close(stream->descriptor);
    *stream = (struct byte_stream){.gzip = NULL, .descriptor = -1, .at = 0};
}

/* Opens a regular file and finds by its first bytes whether it is gzip. */
static enum mur_status open_stream(struct byte_stream *out, struct stat *details, const char *path,
                                   struct mur_error *error)
{
    MUR_AUTO_CLOSE int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0 || fstat(descriptor, details) != 0)
        return mur_error_set_errno(error, errno, "%s", path);
    if (!S_ISREG(details->st_mode))
        return mur_error_set(error, MUR_INVALID, "%s: not a regular file", path);
    uint8_t magic[2] = {0, 0};
    size_t got = 0;
    enum mur_status status = mur_pread_full(&got, descriptor, magic, sizeof magic, 0, path, error);
    if (status != MUR_OK)
        return status;
    struct byte_stream stream = {.gzip = NULL, .descriptor = -1, .at = 0};
    if (got == 2 && magic[0] == 0x1f && magic[1] == 0x8b) {
        stream.gzip = znzopen(path, "rb", 1);
        if (stream.gzip == NULL)
            return mur_error_set(error, MUR_IO, "%s: cannot be opened as gzip", path);
    } else {
        stream.descriptor = mur_steal_descriptor(&descriptor);
    }
    *out = stream;
    return MUR_OK;
}

/* Reads until @p length bytes or the end. */
static enum mur_status read_stream(size_t *out, struct byte_stream *stream, void *bytes,
                                   size_t length, const char *path, struct mur_error *error)
{
    size_t got = 0;
    if (stream->gzip != NULL) {
        got = znzread(bytes, 1, length, stream->gzip);
        if (got > length) /* a negative count */
            return mur_error_set(error, MUR_PARSE,
                                 "%s: the gzip stream is damaged after %llu bytes", path,
                                 (unsigned long long)stream->at);
    } else {
        enum mur_status status =
            mur_pread_full(&got, stream->descriptor, bytes, length, (off_t)stream->at, path, error);
        if (status != MUR_OK)
            return status;
    }
    stream->at += got;
    *out = got;
    return MUR_OK;
}

static enum mur_status too_short(struct mur_error *error, const char *path,
                                 const struct byte_stream *stream, uint64_t claimed)
{
    return mur_error_set(error, MUR_PARSE,
                         "%s: truncated: ends after %llu%s bytes, its header claims %llu", path,
                         (unsigned long long)stream->at,
                         stream->gzip != NULL ? " uncompressed" : "", (unsigned long long)claimed);
}

static enum mur_status skip_stream(struct byte_stream *stream, uint64_t length, const char *path,
                                   uint64_t claimed, struct mur_error *error)
{
    if (stream->gzip == NULL) {
        stream->at += length;
        return MUR_OK;
    }
    MUR_AUTO_FREE uint8_t *waste = malloc(SKIP_SIZE);
    if (waste == NULL)
        return mur_error_no_memory(error);
    while (length > 0) {
        size_t got = 0;
        size_t wanted = length < SKIP_SIZE ? (size_t)length : SKIP_SIZE;
        enum mur_status status = read_stream(&got, stream, waste, wanted, path, error);
        if (status != MUR_OK)
            return status;
        if (got < wanted)
            return too_short(error, path, stream, claimed);
        length -= got;
    }
    return MUR_OK;
}

static void swap_bytes(void *bytes, uint64_t count, unsigned size)
{
    if (size == 2) {
        uint16_t *values = bytes;
        for (uint64_t index = 0; index < count; index++)
            values[index] = __builtin_bswap16(values[index]);
    } else if (size == 4) {
        uint32_t *values = bytes;
        for (uint64_t index = 0; index < count; index++)
            values[index] = __builtin_bswap32(values[index]);
    } else if (size == 8) {
        uint64_t *values = bytes;
        for (uint64_t index = 0; index < count; index++)
            values[index] = __builtin_bswap64(values[index]);
    }
}

/* ---- names of a pair ------------------------------------------------------------------------ */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), wanted = strlen(end);
    return length > wanted && strcasecmp(text + length - wanted, end) == 0;
}

/* "a/b.img.gz" -> "a/b.hdr" or "a/b.hdr.gz", whichever exists; the case of the letters is kept. */
static enum mur_status partner_of(char **out, const char *path, const char *extension,
                                  struct mur_error *error)
{
    size_t length = strlen(path);
    if (ends_with(path, ".gz"))
        length -= 3;
    if (length < 5)
        return mur_error_set(error, MUR_PARSE, "%s: not a name of a .hdr/.img pair", path);
    bool upper = path[length - 1] >= 'A' && path[length - 1] <= 'Z';
    char letters[4] = "";
    for (unsigned index = 0; index < 3; index++)
        letters[index] = (char)(upper ? extension[index] - 'a' + 'A' : extension[index]);
    MUR_AUTO_FREE char *plain = NULL;
    enum mur_status status =
        mur_text_format(&plain, error, "%.*s%s", (int)length - 3, path, letters);
    if (status != MUR_OK)
        return status;
    if (mur_file_exists(plain)) {
        *out = MUR_STEAL(plain);
        return MUR_OK;
    }
    MUR_AUTO_FREE char *compressed = NULL;
    status = mur_text_format(&compressed, error, "%s.gz", plain);
    if (status != MUR_OK)
        return status;
    if (!mur_file_exists(compressed))
        return mur_error_set(error, MUR_NOT_FOUND, "%s: its other half %s is missing", path, plain);
    *out = MUR_STEAL(compressed);
    return MUR_OK;
}

static bool is_pair_name(const char *path)
{
    return ends_with(path, ".hdr") || ends_with(path, ".hdr.gz") || ends_with(path, ".img") ||
           ends_with(path, ".img.gz");
}

/* ---- the header ----------------------------------------------------------------------------- */

/* NIfTI-1 and Analyze fields in NIfTI-2's wider ones, so that they are checked once. */
static void widen(nifti_2_header *out, const nifti_1_header *from, bool analyze)
{
    *out = (nifti_2_header){.sizeof_hdr = HEADER_1_SIZE};
    out->datatype = from->datatype;
    out->bitpix = from->bitpix;
    for (unsigned index = 0; index < 8; index++) {
        out->dim[index] = from->dim[index];
        out->pixdim[index] = (double)from->pixdim[index];
    }
    memcpy(out->descrip, from->descrip, sizeof out->descrip);
    if (analyze)
        return;
    out->scl_slope = (double)from->scl_slope;
    out->scl_inter = (double)from->scl_inter;
    out->xyzt_units = (uint8_t)from->xyzt_units;
    out->intent_code = from->intent_code;
    out->qform_code = from->qform_code;
    out->sform_code = from->sform_code;
    out->quatern_b = (double)from->quatern_b;
    out->quatern_c = (double)from->quatern_c;
    out->quatern_d = (double)from->quatern_d;
    out->qoffset_x = (double)from->qoffset_x;
    out->qoffset_y = (double)from->qoffset_y;
    out->qoffset_z = (double)from->qoffset_z;
    for (unsigned index = 0; index < 4; index++) {
        out->srow_x[index] = (double)from->srow_x[index];
        out->srow_y[index] = (double)from->srow_y[index];
        out->srow_z[index] = (double)from->srow_z[index];
    }
}

static enum mur_status check_offset(uint64_t *out, double offset, bool single, size_t header_size,
                                    const char *path, struct mur_error *error)
{
    if (!isfinite(offset) || offset < 0 || offset > 1e15 || offset != floor(offset))
        return mur_error_set(error, MUR_PARSE, "%s: vox_offset is %g, which is no place in a file",
                             path, offset);
    if (single && offset < (double)(header_size + EXTENDER_SIZE))
        return mur_error_set(error, MUR_PARSE,
                             "%s: vox_offset is %.0f, inside the header (at least %zu)", path,
                             offset, header_size + EXTENDER_SIZE);
    *out = (uint64_t)offset;
    return MUR_OK;
}

static enum mur_status check_dimensions(struct mur_nifti_header *header, const nifti_2_header *from,
                                        const char *path, struct mur_error *error)
{
    if (from->dim[0] < 1 || from->dim[0] > DIMENSIONS)
        return mur_error_set(error, MUR_PARSE, "%s: dim[0] is %lld; 1 to 7 are possible", path,
                             (long long)from->dim[0]);
    header->dim[0] = from->dim[0];
    uint64_t volumes = 1;
    for (int index = 1; index <= DIMENSIONS; index++) {
        int64_t count = index <= from->dim[0] ? from->dim[index] : 1;
        if (index > 3 && count == 0)
            count = 1; /* many writers leave unused ones 0 */
        if (count < 1)
            return mur_error_set(error, MUR_PARSE, "%s: dim[%d] is %lld", path, index,
                                 (long long)count);
        if (index <= 3 && count > MUR_NIFTI_SIDE_LIMIT)
            return mur_error_set(error, MUR_LIMIT, "%s: dim[%d] is %lld; at most %d are possible",
                                 path, index, (long long)count, MUR_NIFTI_SIDE_LIMIT);
        header->dim[index] = count;
        if (index <= 3)
            header->dims[index - 1] = (uint32_t)count;
        else if (__builtin_mul_overflow(volumes, (uint64_t)count, &volumes) ||
                 volumes > VOLUME_COUNT_LIMIT)
            return mur_error_set(error, MUR_LIMIT,
                                 "%s: dim[4] to dim[7] claim more than %llu volumes", path,
                                 (unsigned long long)VOLUME_COUNT_LIMIT);
    }
    header->volumes = (uint32_t)volumes;
    return MUR_OK;
}

static enum mur_status check_type(struct mur_nifti_header *header, const nifti_2_header *from,
                                  bool takes_colour, const char *path,
                                  struct mur_warnings *warnings, struct mur_error *error)
{
    for (size_t index = 0; index < MUR_COUNT(types); index++) {
        if (types[index].code != from->datatype || (types[index].samples > 1 && !takes_colour))
            continue;
        header->type = types[index].type;
        header->type_name = types[index].name;
        header->samples = types[index].samples;
        header->voxel_size = types[index].size * types[index].samples;
        if ((unsigned)from->bitpix == 8 * header->voxel_size)
            return MUR_OK;
        return mur_warn(warnings, error,
                        "%s: bitpix is %d where datatype %s has %u; datatype is used", path,
                        from->bitpix, types[index].name, 8 * header->voxel_size);
    }
    const char *what = "not known";
    switch (from->datatype) {
    case DT_BINARY:
        what = "1 bit a voxel";
        break;
    case NIFTI_TYPE_RGB24:
    case NIFTI_TYPE_RGBA32:
        what = "colour";
        break;
    case NIFTI_TYPE_COMPLEX64:
    case NIFTI_TYPE_COMPLEX128:
    case NIFTI_TYPE_COMPLEX256:
        what = "complex numbers";
        break;
    case NIFTI_TYPE_FLOAT128:
        what = "128-bit numbers";
        break;
    default:
        break;
    }
    return mur_error_set(
        error, MUR_UNSUPPORTED,
        "%s: datatype %d (%s) is not supported; integers up to 64 bits, float32 and "
        "float64 are",
        path, from->datatype, what);
}

static enum mur_status check_scaling(struct mur_nifti_header *header, const nifti_2_header *from,
                                     const char *path, struct mur_warnings *warnings,
                                     struct mur_error *error)
{
    header->slope = 1;
    header->intercept = 0;
    if (isinf(from->scl_slope))
        return mur_warn(warnings, error, "%s: scl_slope is infinite; no scaling is applied", path);
    if (isnan(from->scl_slope) || from->scl_slope == 0)
        return MUR_OK; /* "no scaling" (nifti1.h) */
    if (!isfinite(from->scl_inter))
        return mur_error_set(error, MUR_PARSE, "%s: scl_inter is %g while scl_slope is %g", path,
                             from->scl_inter, from->scl_slope);
    header->slope = from->scl_slope;
    header->intercept = from->scl_inter;
    header->scaled = from->scl_slope != 1 || from->scl_inter != 0;
    return MUR_OK;
}

static enum mur_status check_header(struct mur_nifti *nifti, const nifti_2_header *from,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    struct mur_nifti_header *header = &nifti->header;
    enum mur_status status = check_dimensions(header, from, nifti->header_path, error);
    if (status == MUR_OK)
        status = check_type(header, from, nifti->takes_colour, nifti->header_path, warnings, error);
    if (status == MUR_OK)
        status = check_scaling(header, from, nifti->header_path, warnings, error);
    if (status != MUR_OK)
        return status;
    memcpy(header->pixdim, from->pixdim, sizeof header->pixdim);
    header->space_unit = (unsigned)from->xyzt_units & 7u;
    header->time_unit = (unsigned)from->xyzt_units & 0x38u;
    header->qform_code = from->qform_code;
    header->sform_code = from->sform_code;
    header->intent_code = from->intent_code;
    header->quatern[0] = from->quatern_b;
    header->quatern[1] = from->quatern_c;
    header->quatern[2] = from->quatern_d;
    header->qoffset[0] = from->qoffset_x;
    header->qoffset[1] = from->qoffset_y;
    header->qoffset[2] = from->qoffset_z;
    memcpy(header->srow[0], from->srow_x, sizeof header->srow[0]);
    memcpy(header->srow[1], from->srow_y, sizeof header->srow[1]);
    memcpy(header->srow[2], from->srow_z, sizeof header->srow[2]);
    memcpy(header->description, from->descrip, sizeof from->descrip);
    header->description[sizeof header->description - 1] = '\0';

    uint64_t slice = (uint64_t)header->dims[0] * header->dims[1] * header->voxel_size;
    if (slice > SLICE_LIMIT)
        return mur_error_set(error, MUR_LIMIT, "%s: one slice of %u x %u %s voxels exceeds 1 GiB",
                             nifti->header_path, header->dims[0], header->dims[1],
                             header->type_name);
    nifti->slice_size = slice;
    nifti->volume_size = slice * header->dims[2];
    return MUR_OK;
}

/* Understands the first bytes of the header file; @p single says that voxels follow in it. */
static enum mur_status parse_header(struct mur_nifti *nifti, bool *single, const uint8_t *bytes,
                                    size_t length, struct mur_warnings *warnings,
                                    struct mur_error *error)
{
    struct mur_nifti_header *header = &nifti->header;
    int32_t size = 0;
    if (length >= sizeof size)
        memcpy(&size, bytes, sizeof size);
    int32_t swapped = (int32_t)__builtin_bswap32((uint32_t)size);
    header->big_endian = swapped == HEADER_1_SIZE || swapped == HEADER_2_SIZE;
    if (header->big_endian)
        size = swapped;
    if (size != HEADER_1_SIZE && size != HEADER_2_SIZE)
        return mur_error_set(error, MUR_PARSE,
                             "%s: not NIfTI or Analyze: sizeof_hdr is neither 348 nor 540",
                             nifti->header_path);
    if (length < (size_t)size)
        return mur_error_set(error, MUR_PARSE, "%s: truncated: %zu bytes where the header has %d",
                             nifti->header_path, length, (int)size);
    memcpy(header->raw, bytes, (size_t)size);
    header->raw_length = (size_t)size;

    nifti_2_header fields;
    double offset = 0;
    if (size == HEADER_2_SIZE) {
        memcpy(&fields, bytes, sizeof fields);
        if (header->big_endian)
            nifti_swap_as_nifti2(&fields);
        if (memcmp(fields.magic, "n+2\0\r\n\032\n", 8) != 0 &&
            memcmp(fields.magic, "ni2\0\r\n\032\n", 8) != 0)
            return mur_error_set(error, MUR_PARSE, "%s: magic is not that of NIfTI-2",
                                 nifti->header_path);
        header->kind = MUR_NIFTI_2;
        *single = fields.magic[1] == '+';
        offset = (double)fields.vox_offset;
    } else {
        nifti_1_header narrow;
        memcpy(&narrow, bytes, sizeof narrow);
        if (header->big_endian)
            nifti_swap_as_nifti1(&narrow);
        *single = memcmp(narrow.magic, "n+1", 4) == 0;
        header->kind =
            *single || memcmp(narrow.magic, "ni1", 4) == 0 ? MUR_NIFTI_1 : MUR_ANALYZE_75;
        if (header->kind == MUR_ANALYZE_75 && !is_pair_name(nifti->path))
            return mur_error_set(error, MUR_PARSE, "%s: magic is neither \"n+1\" nor \"ni1\"",
                                 nifti->header_path);
        widen(&fields, &narrow, header->kind == MUR_ANALYZE_75);
        offset = (double)narrow.vox_offset;
        float factor = narrow.scl_slope; /* funused1 in Analyze: SPM keeps a scale factor there */
        if (header->kind == MUR_ANALYZE_75 && isfinite(factor) && factor != 0 && factor != 1) {
            enum mur_status status =
                mur_warn(warnings, error, "%s: funused1 is %g; SPM's scale factor is not applied",
                         nifti->header_path, (double)factor);
            if (status != MUR_OK)
                return status;
        }
    }
    enum mur_status status = check_header(nifti, &fields, warnings, error);
    if (status != MUR_OK)
        return status;
    return check_offset(&nifti->voxel_offset, offset, *single, (size_t)size, nifti->header_path,
                        error);
}

static enum mur_status read_extensions(struct mur_nifti *nifti, struct byte_stream *stream,
                                       const uint8_t *head, size_t head_length, bool single,
                                       uint64_t header_file_size, struct mur_warnings *warnings,
                                       struct mur_error *error)
{
    size_t begin = nifti->header.raw_length;
    if (nifti->header.kind == MUR_ANALYZE_75 || head_length < begin + EXTENDER_SIZE ||
        head[begin] == 0)
        return MUR_OK;
    uint64_t end = single ? nifti->voxel_offset : header_file_size;
    if (end <= begin + EXTENDER_SIZE)
        return MUR_OK;
    uint64_t length = end - begin;
    if (length > MUR_NIFTI_EXTENSION_LIMIT)
        return mur_warn(warnings, error, "%s: header extensions of %llu bytes are not kept",
                        nifti->header_path, (unsigned long long)length);
    uint8_t *bytes = malloc((size_t)length);
    if (bytes == NULL)
        return mur_error_no_memory(error);
    nifti->extensions = bytes;
    size_t have = head_length - begin < length ? head_length - begin : (size_t)length;
    memcpy(bytes, head + begin, have);
    size_t got = 0;
    enum mur_status status =
        read_stream(&got, stream, bytes + have, (size_t)length - have, nifti->header_path, error);
    if (status != MUR_OK)
        return status;
    if (have + got < length && single)
        return too_short(error, nifti->header_path, stream, end);
    nifti->extension_length = have + got;
    return MUR_OK;
}

/* Compares the claim with what the voxel file holds, or at most can hold. */
static enum mur_status check_claim(const struct mur_nifti *nifti, const struct stat *details,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    uint64_t claimed = 0;
    if (__builtin_mul_overflow(nifti->volume_size, (uint64_t)nifti->header.volumes, &claimed) ||
        __builtin_add_overflow(claimed, nifti->voxel_offset, &claimed) || claimed > INT64_MAX)
        return mur_error_set(error, MUR_PARSE,
                             "%s: dim[1] to dim[7] claim more than any file holds",
                             nifti->header_path);
    uint64_t held = (uint64_t)details->st_size;
    if (!nifti->compressed && claimed > held)
        return mur_error_set(
            error, MUR_PARSE,
            "%s: truncated, or dim[] and vox_offset are wrong: they claim %llu bytes "
            "where the file has %llu",
            nifti->voxel_path, (unsigned long long)claimed, (unsigned long long)held);
    if (nifti->compressed && claimed > held * GZIP_RATIO_LIMIT + GZIP_SLACK)
        return mur_error_set(error, MUR_PARSE,
                             "%s: dim[] and vox_offset claim %llu bytes; %llu bytes of gzip cannot "
                             "hold them",
                             nifti->voxel_path, (unsigned long long)claimed,
                             (unsigned long long)held);
    if (!nifti->compressed && claimed < held)
        return mur_warn(warnings, error, "%s: %llu bytes after the last voxel are ignored",
                        nifti->voxel_path, (unsigned long long)(held - claimed));
    return MUR_OK;
}

static enum mur_status open_voxels(struct mur_nifti *nifti, struct byte_stream *header_stream,
                                   const struct stat *header_details, bool single,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (single) {
        nifti->voxel_path = strdup(nifti->header_path);
        if (nifti->voxel_path == NULL)
            return mur_error_no_memory(error);
        nifti->stream = *header_stream;
        nifti->opened = *header_details;
        *header_stream = (struct byte_stream){.gzip = NULL, .descriptor = -1, .at = 0};
    } else {
        status = partner_of(&nifti->voxel_path, nifti->header_path, "img", error);
        if (status == MUR_OK)
            status = open_stream(&nifti->stream, &nifti->opened, nifti->voxel_path, error);
        if (status != MUR_OK)
            return status;
    }
    nifti->compressed = nifti->stream.gzip != NULL;
    return check_claim(nifti, &nifti->opened, warnings, error);
}

static enum mur_status open_files(struct mur_nifti *nifti, struct byte_stream *stream,
                                  struct mur_warnings *warnings, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    if (ends_with(nifti->path, ".img") || ends_with(nifti->path, ".img.gz"))
        status = partner_of(&nifti->header_path, nifti->path, "hdr", error);
    else
        status = mur_text_copy(&nifti->header_path, mur_slice_of(nifti->path), error);
    struct stat details;
    if (status == MUR_OK)
        status = open_stream(stream, &details, nifti->header_path, error);
    if (status != MUR_OK)
        return status;
    uint8_t head[HEADER_2_SIZE + EXTENDER_SIZE];
    size_t length = 0;
    status = read_stream(&length, stream, head, HEADER_1_SIZE + EXTENDER_SIZE, nifti->header_path,
                         error);
    if (status != MUR_OK)
        return status;
    int32_t size = 0;
    memcpy(&size, head, sizeof size);
    if (length == HEADER_1_SIZE + EXTENDER_SIZE &&
        (size == HEADER_2_SIZE || (int32_t)__builtin_bswap32((uint32_t)size) == HEADER_2_SIZE)) {
        size_t more = 0;
        status = read_stream(&more, stream, head + length, sizeof head - length, nifti->header_path,
                             error);
        if (status != MUR_OK)
            return status;
        length += more;
    }
    bool single = false;
    status = parse_header(nifti, &single, head, length, warnings, error);
    if (status != MUR_OK)
        return status;
    nifti->single = single;
    uint64_t header_file_size = (uint64_t)details.st_size;
    if (stream->gzip != NULL)
        header_file_size = MUR_NIFTI_EXTENSION_LIMIT; /* unknown until it ends */
    /* What the voxel file cannot hold is refused before its extensions are read. */
    if (single) {
        nifti->compressed = stream->gzip != NULL;
        nifti->voxel_path = NULL;
        uint64_t can_hold = (uint64_t)details.st_size;
        if (nifti->compressed)
            can_hold = can_hold * GZIP_RATIO_LIMIT + GZIP_SLACK;
        if (nifti->voxel_offset > can_hold)
            return mur_error_set(error, MUR_PARSE,
                                 "%s: vox_offset is %llu, beyond the end of the file",
                                 nifti->header_path, (unsigned long long)nifti->voxel_offset);
    }
    status =
        read_extensions(nifti, stream, head, length, single, header_file_size, warnings, error);
    if (status != MUR_OK)
        return status;
    return open_voxels(nifti, stream, &details, single, warnings, error);
}

static enum mur_status open_any(struct mur_nifti **out, const char *path, bool takes_colour,
                                struct mur_warnings *warnings, struct mur_error *error)
{
    MUR_AUTO(mur_nifti) *nifti = calloc(1, sizeof *nifti);
    if (nifti == NULL)
        return mur_error_no_memory(error);
    nifti->takes_colour = takes_colour;
    nifti->stream.descriptor = -1;
    struct byte_stream header_stream = {.gzip = NULL, .descriptor = -1, .at = 0};
    enum mur_status status = mur_text_copy(&nifti->path, mur_slice_of(path), error);
    if (status == MUR_OK)
        status = open_files(nifti, &header_stream, warnings, error);
    close_stream(&header_stream);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(nifti);
    return MUR_OK;
}

enum mur_status mur_nifti_of_header(struct mur_nifti **out, const uint8_t *bytes, size_t length,
                                    const char *name, struct mur_error *error)
{
    MUR_AUTO(mur_nifti) *nifti = calloc(1, sizeof *nifti);
    if (nifti == NULL)
        return mur_error_no_memory(error);
    nifti->stream.descriptor = -1;
    nifti->takes_colour = true;
    enum mur_status status = mur_text_copy(&nifti->path, mur_slice_of(name), error);
    if (status == MUR_OK)
        status = mur_text_copy(&nifti->header_path, mur_slice_of(name), error);
    if (status == MUR_OK)
        status = parse_header(nifti, &nifti->single, bytes, length, NULL, error);
    if (status == MUR_OK)
        *out = MUR_STEAL(nifti);
    return status;
}

enum mur_status mur_nifti_open(struct mur_nifti **out, const char *path,
                               struct mur_warnings *warnings, struct mur_error *error)
{
    return open_any(out, path, false, warnings, error);
}

enum mur_status mur_nifti_open_image(struct mur_nifti **out, const char *path,
                                     struct mur_warnings *warnings, struct mur_error *error)
{
    return open_any(out, path, true, warnings, error);
}

void mur_nifti_free(struct mur_nifti *nifti)
{
    if (nifti == NULL)
        return;
    close_stream(&nifti->stream);
    free(nifti->path);
    free(nifti->header_path);
    free(nifti->voxel_path);
    free(nifti->extensions);
    free(nifti->slice);
    free(nifti->held);
    free(nifti);
}

void mur_nifti_stop_when(struct mur_nifti *nifti, const bool *cancelled)
{
    nifti->cancelled = cancelled;
}

const struct mur_nifti_header *mur_nifti_header(const struct mur_nifti *nifti)
{
    return &nifti->header;
}

const char *mur_nifti_path(const struct mur_nifti *nifti)
{
    return nifti->path;
}

uint64_t mur_nifti_voxel_offset(const struct mur_nifti *nifti)
{
    return nifti->single ? nifti->voxel_offset : 0;
}

const uint8_t *mur_nifti_extensions(size_t *length, const struct mur_nifti *nifti)
{
    *length = nifti->extension_length;
    return nifti->extensions;
}

/* ---- where it lies -------------------------------------------------------------------------- */

static enum mur_status unit_factor(double *out, const struct mur_nifti *nifti,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    switch (nifti->header.space_unit) {
    case NIFTI_UNITS_METER:
        *out = 1000;
        return MUR_OK;
    case NIFTI_UNITS_MM:
        *out = 1;
        return MUR_OK;
    case NIFTI_UNITS_MICRON:
        *out = 0.001;
        return MUR_OK;
    default:
        *out = 1;
        return mur_warn(warnings, error,
                        "%s: xyzt_units does not name the unit of length; mm is taken",
                        nifti->path);
    }
}

double mur_nifti_time_step_ms(const struct mur_nifti_header *header)
{
    double factor = 0;
    if (header->time_unit == NIFTI_UNITS_SEC)
        factor = 1e3;
    else if (header->time_unit == NIFTI_UNITS_MSEC)
        factor = 1;
    else if (header->time_unit == NIFTI_UNITS_USEC)
        factor = 1e-3;
    double step = header->pixdim[4] * factor;
    return isfinite(step) && step > 0 && step < 1e12 ? step : 0;
}

static enum mur_status checked_pixdim(double out[3], const struct mur_nifti *nifti,
                                      struct mur_warnings *warnings, struct mur_error *error)
{
    for (unsigned axis = 0; axis < 3; axis++) {
        double size = nifti->header.pixdim[axis + 1];
        if (!isfinite(size))
            return mur_error_set(error, MUR_PARSE, "%s: pixdim[%u] is %g", nifti->path, axis + 1,
                                 size);
        enum mur_status status = MUR_OK;
        if (size == 0 && nifti->header.dims[axis] > 1)
            return mur_error_set(error, MUR_PARSE, "%s: pixdim[%u] is 0", nifti->path, axis + 1);
        if (size == 0) {
            status = mur_warn(warnings, error, "%s: pixdim[%u] is 0; 1 is taken for its one slice",
                              nifti->path, axis + 1);
            size = 1;
        } else if (size < 0) {
            status = mur_warn(warnings, error, "%s: pixdim[%u] is negative; its sign is ignored",
                              nifti->path, axis + 1);
            size = -size;
        }
        if (status != MUR_OK)
            return status;
        out[axis] = size;
    }
    return MUR_OK;
}

static enum mur_status qform_affine(double out[3][4], const struct mur_nifti *nifti,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    const struct mur_nifti_header *header = &nifti->header;
    double size[3];
    enum mur_status status = checked_pixdim(size, nifti, warnings, error);
    if (status != MUR_OK)
        return status;
    double norm = 0;
    for (unsigned index = 0; index < 3; index++) {
        norm += header->quatern[index] * header->quatern[index];
        if (!isfinite(header->quatern[index]) || !isfinite(header->qoffset[index]))
            return mur_error_set(
                error, MUR_PARSE,
                "%s: quatern_b to quatern_d and qoffset_x to qoffset_z are not all "
                "numbers",
                nifti->path);
    }
    if (norm > 1.001)
        return mur_error_set(error, MUR_PARSE,
                             "%s: quatern_b, quatern_c and quatern_d are no unit quaternion",
                             nifti->path);
    nifti_dmat44 matrix =
        nifti_quatern_to_dmat44(header->quatern[0], header->quatern[1], header->quatern[2],
                                header->qoffset[0], header->qoffset[1], header->qoffset[2], size[0],
                                size[1], size[2], header->pixdim[0] < 0 ? -1 : 1);
    for (unsigned row = 0; row < 3; row++)
        memcpy(out[row], matrix.m[row], sizeof out[row]);
    return MUR_OK;
}

static enum mur_status sform_affine(double out[3][4], const struct mur_nifti *nifti,
                                    struct mur_error *error)
{
    for (unsigned row = 0; row < 3; row++)
        for (unsigned column = 0; column < 4; column++)
            if (!isfinite(nifti->header.srow[row][column]))
                return mur_error_set(error, MUR_PARSE, "%s: srow_%c[%u] is %g", nifti->path,
                                     "xyz"[row], column, nifti -> header.srow[row][column]);
    memcpy(out, nifti->header.srow, sizeof nifti->header.srow);
    return MUR_OK;
}

bool mur_nifti_orientation_unknown(const struct mur_nifti *nifti)
{
    return nifti->header.qform_code <= 0 && nifti->header.sform_code <= 0;
}

static enum mur_status unset_affine(double out[3][4], const struct mur_nifti *nifti,
                                    const struct mur_orientation_options *options,
                                    struct mur_warnings *warnings, struct mur_error *error)
{
    bool centred = options->spm_when_unset;
    if (nifti->header.kind == MUR_ANALYZE_75) {
        if (options->analyze_order == MUR_ANALYZE_UNSTATED)
            return mur_error_set(
                error, MUR_INVALID,
                "%s: Analyze 7.5 does not say whether its rows run to the left or to "
                "the right; state it (las or ras)",
                nifti->path);
        centred = options->analyze_order == MUR_ANALYZE_LAS;
    }
    double size[3];
    enum mur_status status = checked_pixdim(size, nifti, warnings, error);
    if (status == MUR_OK && nifti->header.kind != MUR_ANALYZE_75)
        status = mur_warn(warnings, error,
                          "%s: qform_code and sform_code are 0: orientation and sides are unknown, "
                          "axes are taken as %s",
                          nifti->path,
                          centred ? "left, anterior, superior" : "right, anterior, superior");
    if (status != MUR_OK)
        return status;
    memset(out, 0, 3 * sizeof out[0]);
    for (unsigned axis = 0; axis < 3; axis++) {
        out[axis][axis] = size[axis];
        if (centred)
            out[axis][3] = -size[axis] * ((double)nifti->header.dims[axis] - 1) / 2;
    }
    if (centred) {
        out[0][0] = -out[0][0];
        out[0][3] = -out[0][3];
    }
    return MUR_OK;
}

/* Both matrices are there: says so when they disagree. */
static enum mur_status compare_forms(const struct mur_nifti *nifti, const double sform[3][4],
                                     const struct mur_orientation_options *options,
                                     struct mur_warnings *warnings, struct mur_error *error)
{
    double qform[3][4];
    struct mur_volume_geometry a, b;
    if (qform_affine(qform, nifti, NULL, NULL) != MUR_OK ||
        mur_geometry_from_ras(&a, sform, nifti->header.dims, NULL) != MUR_OK ||
        mur_geometry_from_ras(&b, (const double(*)[4])qform, nifti->header.dims, NULL) != MUR_OK)
        return MUR_OK; /* only one of them is usable */
    double voxel = fmin(a.spacing_mm[0], fmin(a.spacing_mm[1], a.spacing_mm[2]));
    double distance = mur_geometry_corner_distance(&a, &b) / voxel;
    if (distance <= 0.1)
        return MUR_OK;
    return mur_warn(warnings, error, "%s: qform and sform differ by %.2f voxels; %s is used",
                    nifti->path, distance, options->prefer_qform ? "qform" : "sform");
}

enum mur_status mur_nifti_geometry(struct mur_volume_geometry *out, const struct mur_nifti *nifti,
                                   const struct mur_orientation_options *options,
                                   struct mur_warnings *warnings, struct mur_error *error)
{
    const struct mur_nifti_header *header = &nifti->header;
    double affine[3][4], factor = 1;
    enum mur_status status = unit_factor(&factor, nifti, warnings, error);
    if (status != MUR_OK)
        return status;
    bool sform = header->sform_code > 0, qform = header->qform_code > 0;
    if (sform && !(qform && options->prefer_qform))
        status = sform_affine(affine, nifti, error);
    else if (qform)
        status = qform_affine(affine, nifti, warnings, error);
    else
        status = unset_affine(affine, nifti, options, warnings, error);
    if (status == MUR_OK && sform && qform)
        status = compare_forms(nifti, header->srow, options, warnings, error);
    if (status != MUR_OK)
        return status;
    for (unsigned row = 0; row < 3; row++)
        for (unsigned column = 0; column < 4; column++)
            affine[row][column] *= factor;
    status = mur_geometry_from_ras(out, (const double(*)[4])affine, header->dims, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "%s: %s", nifti->path,
                                sform && !(qform && options->prefer_qform)
                                    ? "srow_x, srow_y, srow_z"
                                    : "pixdim and qform");
    return MUR_OK;
}

/* ---- voxels --------------------------------------------------------------------------------- */

static uint64_t claimed_size(const struct mur_nifti *nifti)
{
    return nifti->voxel_offset + nifti->volume_size * nifti->header.volumes;
}

/* The checksum stands at the end of a gzip stream: read up to it once the last voxel is there. */
static enum mur_status check_end(struct mur_nifti *nifti, struct mur_error *error)
{
    if (nifti->stream.gzip == NULL || nifti->stream.at != claimed_size(nifti))
        return MUR_OK;
    MUR_AUTO_FREE uint8_t *tail = malloc(GZIP_TAIL);
    if (tail == NULL)
        return mur_error_no_memory(error);
    size_t got = 0;
    enum mur_status status =
        read_stream(&got, &nifti->stream, tail, GZIP_TAIL, nifti->voxel_path, error);
    if (status != MUR_OK || got == GZIP_TAIL)
        return status;
    int closed = znzclose(nifti->stream.gzip);
    nifti->stream.gzip = NULL;
    if (closed != 0)
        return mur_error_set(error, MUR_PARSE, "%s: the gzip stream ends before its checksum",
                             nifti->voxel_path);
    return MUR_OK;
}

static enum mur_status check_request(const struct mur_nifti *nifti, struct mur_error *error)
{
    if (nifti->cancelled == NULL || !__atomic_load_n(nifti->cancelled, __ATOMIC_RELAXED))
        return MUR_OK;
    return mur_error_set(error, MUR_CANCELLED, "%s: stopped by request", nifti->path);
}

static enum mur_status read_at(struct mur_nifti *nifti, uint64_t offset, uint8_t *bytes,
                               uint64_t length, struct mur_error *error)
{
    struct byte_stream *stream = &nifti->stream;
    enum mur_status status = MUR_OK;
    if (nifti->compressed && (stream->gzip == NULL || stream->at > offset)) {
        close_stream(stream);
        status = open_stream(stream, &(struct stat){0}, nifti->voxel_path, error);
        if (status == MUR_OK && stream->gzip == NULL)
            status = mur_error_set(error, MUR_MISMATCH, "%s: changed while it was read",
                                   nifti->voxel_path);
    }
    if (!nifti->compressed)
        stream->at = offset;
    else if (status == MUR_OK)
        status =
            skip_stream(stream, offset - stream->at, nifti->voxel_path, claimed_size(nifti), error);
    for (uint64_t done = 0; status == MUR_OK && done < length; done += PIECE_SIZE) {
        size_t got = 0, piece = length - done < PIECE_SIZE ? (size_t)(length - done) : PIECE_SIZE;
        status = check_request(nifti, error);
        if (status == MUR_OK)
            status = read_stream(&got, stream, bytes + done, piece, nifti->voxel_path, error);
        if (status == MUR_OK && got < piece)
            return too_short(error, nifti->voxel_path, stream, claimed_size(nifti));
    }
    if (status != MUR_OK)
        return status;
    if (nifti->header.big_endian)
        swap_bytes(bytes, length / nifti->header.voxel_size,
                   nifti->header.samples > 1 ? 1 : nifti->header.voxel_size);
    return check_end(nifti, error);
}

static enum mur_status check_volume(const struct mur_nifti *nifti, uint32_t volume,
                                    struct mur_error *error)
{
    if (volume < nifti->header.volumes)
        return MUR_OK;
    return mur_error_set(error, MUR_INVALID, "%s: volume %u of %u", nifti->path, volume + 1,
                         nifti->header.volumes);
}

enum mur_status mur_nifti_hold(struct mur_nifti *nifti, uint32_t volume, struct mur_error *error)
{
    enum mur_status status = check_volume(nifti, volume, error);
    if (status != MUR_OK || !nifti->compressed ||
        (nifti->held != NULL && nifti->held_volume == volume))
        return status;
    if (nifti->volume_size > MUR_NIFTI_HELD_LIMIT)
        return mur_error_set(error, MUR_LIMIT,
                             "%s: one volume has %llu bytes, more than the %llu that are held in "
                             "memory for gzip input; uncompress the file first",
                             nifti->path, (unsigned long long)nifti->volume_size,
                             (unsigned long long)MUR_NIFTI_HELD_LIMIT);
    if (nifti->held == NULL)
        nifti->held = malloc((size_t)nifti->volume_size);
    if (nifti->held == NULL)
        return mur_error_no_memory(error);
    status = read_at(nifti, nifti->voxel_offset + volume * nifti->volume_size, nifti->held,
                     nifti->volume_size, error);
    if (status != MUR_OK) {
        free(nifti->held);
        nifti->held = NULL;
        return status;
    }
    nifti->held_volume = volume;
    return MUR_OK;
}

enum mur_status mur_nifti_read_slice(const void **out, struct mur_nifti *nifti, uint32_t volume,
                                     uint32_t slice, struct mur_error *error)
{
    enum mur_status status = check_volume(nifti, volume, error);
    if (status != MUR_OK)
        return status;
    if (slice >= nifti->header.dims[2])
        return mur_error_set(error, MUR_INVALID, "%s: slice %u of %u", nifti->path, slice + 1,
                             nifti->header.dims[2]);
    if (nifti->held != NULL && nifti->held_volume == volume) {
        status = check_request(nifti, error);
        if (status == MUR_OK)
            *out = nifti->held + slice * nifti->slice_size;
        return status;
    }
    if (nifti->slice == NULL)
        nifti->slice = malloc((size_t)nifti->slice_size);
    if (nifti->slice == NULL)
        return mur_error_no_memory(error);
    status = read_at(nifti,
                     nifti->voxel_offset + volume * nifti->volume_size + slice * nifti->slice_size,
                     nifti->slice, nifti->slice_size, error);
    if (status == MUR_OK)
        *out = nifti->slice;
    return status;
}

enum mur_status mur_nifti_check_unchanged(const struct mur_nifti *nifti, struct mur_error *error)
{
    struct stat now;
    if (stat(nifti->voxel_path, &now) != 0)
        return mur_error_set_errno(error, errno, "%s", nifti->voxel_path);
    if (now.st_size != nifti->opened.st_size || now.st_ino != nifti->opened.st_ino ||
        now.st_mtim.tv_sec != nifti->opened.st_mtim.tv_sec ||
        now.st_mtim.tv_nsec != nifti->opened.st_mtim.tv_nsec)
        return mur_error_set(error, MUR_MISMATCH, "%s: changed while it was read", nifti->path);
    return MUR_OK;
}
