#include "converters/nrrd_header.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "converters/nrrd_segments.h"
#include "core/own.h"

/* Fields as they stand; data == NULL: absent. */
struct fields {
    struct mur_slice type, dimension, space, space_dimension, sizes, directions, spacings, kinds;
    struct mur_slice endian, encoding, origin, data_file, byte_skip, line_skip, units;
};

static const struct {
    const char *name;
    size_t offset;
} names[] = {
    {"type", offsetof(struct fields, type)},
    {"dimension", offsetof(struct fields, dimension)},
    {"space", offsetof(struct fields, space)},
    {"space dimension", offsetof(struct fields, space_dimension)},
    {"sizes", offsetof(struct fields, sizes)},
    {"space directions", offsetof(struct fields, directions)},
    {"spacings", offsetof(struct fields, spacings)},
    {"kinds", offsetof(struct fields, kinds)},
    {"endian", offsetof(struct fields, endian)},
    {"encoding", offsetof(struct fields, encoding)},
    {"space origin", offsetof(struct fields, origin)},
    {"data file", offsetof(struct fields, data_file)},
    {"datafile", offsetof(struct fields, data_file)},
    {"byte skip", offsetof(struct fields, byte_skip)},
    {"byteskip", offsetof(struct fields, byte_skip)},
    {"line skip", offsetof(struct fields, line_skip)},
    {"lineskip", offsetof(struct fields, line_skip)},
    {"space units", offsetof(struct fields, units)},
};

static const struct {
    const char *names[6];
    enum mur_nifti_type type;
    unsigned size;
} types[] = {
    {{"unsigned char", "uchar", "uint8", "uint8_t"}, MUR_NIFTI_UINT8, 1},
    {{"signed char", "int8", "int8_t"}, MUR_NIFTI_INT8, 1},
    {{"unsigned short", "ushort", "unsigned short int", "uint16", "uint16_t"}, MUR_NIFTI_UINT16, 2},
    {{"short", "short int", "signed short", "signed short int", "int16", "int16_t"},
     MUR_NIFTI_INT16,
     2},
    {{"unsigned int", "uint", "uint32", "uint32_t"}, MUR_NIFTI_UINT32, 4},
    {{"int", "signed int", "int32", "int32_t"}, MUR_NIFTI_INT32, 4},
    {{"unsigned long long", "ulonglong", "unsigned long long int", "uint64", "uint64_t"},
     MUR_NIFTI_UINT64,
     8},
    {{"long long", "longlong", "long long int", "signed long long", "int64", "int64_t"},
     MUR_NIFTI_INT64,
     8},
    {{"float"}, MUR_NIFTI_FLOAT32, 4},
    {{"double"}, MUR_NIFTI_FLOAT64, 8},
};

static const char *const type_names[] = {
    [MUR_NIFTI_UINT8] = "uint8",     [MUR_NIFTI_INT8] = "int8",     [MUR_NIFTI_UINT16] = "uint16",
    [MUR_NIFTI_INT16] = "int16",     [MUR_NIFTI_UINT32] = "uint32", [MUR_NIFTI_INT32] = "int32",
    [MUR_NIFTI_UINT64] = "uint64",   [MUR_NIFTI_INT64] = "int64",   [MUR_NIFTI_FLOAT32] = "float32",
    [MUR_NIFTI_FLOAT64] = "float64",
};

bool mur_is_nrrd(struct mur_slice beginning)
{
    return beginning.length >= 8 && memcmp(beginning.data, "NRRD000", 7) == 0 &&
           beginning.data[7] >= '1' && beginning.data[7] <= '9';
}

void mur_nrrd_header_free(struct mur_nrrd_header *header)
{
    for (size_t index = 0; index < header->segment_count; index++)
        mur_nrrd_segment_free(&header->segments[index]);
    free(header->segments);
    free(header->data_file);
    *header = (struct mur_nrrd_header){.layers = 0};
}

static bool equals(struct mur_slice slice, const char *text)
{
    return slice.length == strlen(text) && strncasecmp(slice.data, text, slice.length) == 0;
}

static struct mur_slice next_word(struct mur_slice *rest)
{
    *rest = mur_slice_trim(*rest);
    struct mur_slice word = {.data = rest->data, .length = 0};
    if (rest->length == 0)
        return word; /* of a field that is not there: without data */
    while (word.length < rest->length && rest->data[word.length] != ' ' &&
           rest->data[word.length] != '\t')
        word.length++;
    rest->data += word.length;
    rest->length -= word.length;
    return word;
}

/* ---- lines ------------------------------------------------------------------------------------
 */

/* The next line without its end. @return false: the header ends here, by an empty line or the end
 * of the file */
static bool next_line(struct mur_slice *line, struct mur_slice *rest)
{
    if (rest->length == 0)
        return false;
    const char *end = memchr(rest->data, '\n', rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->data);
    *line = (struct mur_slice){.data = rest->data, .length = length};
    size_t whole = length + (end != NULL);
    rest->data += whole;
    rest->length -= whole;
    if (line->length > 0 && line->data[line->length - 1] == '\r')
        line->length--;
    return line->length > 0;
}

static enum mur_status take_field(struct fields *fields, struct mur_slice name,
                                  struct mur_slice value, const char *path, struct mur_error *error)
{
    for (size_t index = 0; index < MUR_COUNT(names); index++) {
        if (!equals(name, names[index].name))
            continue;
        struct mur_slice *field = (struct mur_slice *)((char *)fields + names[index].offset);
        if (field->data != NULL)
            return mur_error_set(error, MUR_PARSE, "%s: field \"%s\" stands twice", path,
                                 names[index].name);
        *field = mur_slice_trim(value);
    }
    return MUR_OK; /* others do not matter here */
}

/* Position of @p text ("=" or ": ") in a line, or its length. */
static size_t find(struct mur_slice line, const char *text)
{
    const char *found = memmem(line.data, line.length, text, 2);
    return found == NULL ? line.length : (size_t)(found - line.data);
}

static enum mur_status read_lines(struct fields *fields, struct mur_nrrd_header *header,
                                  struct mur_slice text, const char *path, struct mur_error *error)
{
    struct mur_slice rest = text, line = {.data = NULL, .length = 0};
    (void)next_line(&line, &rest); /* the magic */
    struct mur_nrrd_pairs pairs = {.items = NULL};
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && next_line(&line, &rest)) {
        size_t pair = find(line, ":="), field = find(line, ": ");
        if (line.data[0] == '#')
            continue;
        if (pair < line.length && pair < field)
            status = mur_nrrd_pairs_add(
                &pairs, (struct mur_slice){.data = line.data, .length = pair},
                (struct mur_slice){.data = line.data + pair + 2, .length = line.length - pair - 2},
                path, error);
        else if (field < line.length)
            status = take_field(fields, (struct mur_slice){.data = line.data, .length = field},
                                (struct mur_slice){.data = line.data + field + 2,
                                                   .length = line.length - field - 2},
                                path, error);
        else
            status = mur_error_set(error, MUR_PARSE, "%s: \"%.*s\" is no line of a NRRD header",
                                   path, line.length < 60 ? (int)line.length : 60, line.data);
    }
    header->length = text.length - rest.length;
    if (status == MUR_OK)
        status =
            mur_nrrd_pairs_segments(&header->segments, &header->segment_count, &pairs, path, error);
    mur_nrrd_pairs_free(&pairs);
    return status;
}

/* ---- fields -----------------------------------------------------------------------------------
 */

static enum mur_status need(struct mur_slice field, const char *name, const char *path,
                            struct mur_error *error)
{
    if (field.length > 0)
        return MUR_OK;
    return mur_error_set(error, MUR_PARSE, "%s: field \"%s\" is missing", path, name);
}

static enum mur_status read_type(struct mur_nrrd_header *header, const struct fields *fields,
                                 const char *path, struct mur_error *error)
{
    for (size_t index = 0; index < MUR_COUNT(types); index++)
        for (size_t name = 0; name < MUR_COUNT(types->names); name++) {
            if (types[index].names[name] == NULL || !equals(fields->type, types[index].names[name]))
                continue;
            header->type = types[index].type;
            header->type_name = type_names[header->type];
            header->voxel_size = types[index].size;
            return MUR_OK;
        }
    return mur_error_set(error, MUR_UNSUPPORTED,
                         "%s: type \"%.*s\" is not supported; integers up to 64 bits, float and "
                         "double are",
                         path, (int)fields->type.length, fields->type.data);
}

static enum mur_status read_encoding(struct mur_nrrd_header *header, const struct fields *fields,
                                     const char *path, struct mur_error *error)
{
    header->gzip = equals(fields->encoding, "gzip") || equals(fields->encoding, "gz");
    if (!header->gzip && !equals(fields->encoding, "raw"))
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%s: encoding \"%.*s\" is not supported; raw and gzip are", path,
                             (int)fields->encoding.length, fields->encoding.data);
    header->big_endian = equals(fields->endian, "big");
    if (header->voxel_size > 1 && !header->big_endian && !equals(fields->endian, "little"))
        return mur_error_set(error, MUR_PARSE, "%s: endian is neither little nor big", path);
    if (fields->line_skip.length > 0 && !equals(fields->line_skip, "0"))
        return mur_error_set(error, MUR_UNSUPPORTED, "%s: line skip is not supported", path);
    header->from_end = equals(fields->byte_skip, "-1");
    if (header->from_end && header->gzip)
        return mur_error_set(error, MUR_PARSE, "%s: byte skip -1 goes with raw data only", path);
    enum mur_status status = MUR_OK;
    if (!header->from_end && fields->byte_skip.length > 0 &&
        mur_parse_uint64(&header->byte_skip, fields->byte_skip, 0, INT64_MAX, error) != MUR_OK)
        status = mur_error_prefix(error, "%s: byte skip", path);
    if (status == MUR_OK && header->gzip && header->byte_skip > 0)
        status = mur_error_set(error, MUR_UNSUPPORTED,
                               "%s: byte skip in gzip data is not supported", path);
    struct mur_slice file = fields->data_file;
    if (status == MUR_OK && file.length > 0 &&
        (memchr(file.data, '%', file.length) != NULL || equals(file, "LIST") ||
         (file.length > 4 && strncmp(file.data, "LIST ", 5) == 0)))
        status = mur_error_set(error, MUR_UNSUPPORTED,
                               "%s: data in several files are not supported", path);
    else if (status == MUR_OK && file.length > 0)
        status = mur_text_copy(&header->data_file, file, error);
    return status;
}

/* Which of the axes is the list of layers; MUR_NRRD_DIMENSIONS: none. */
static enum mur_status find_list(unsigned *out, const struct fields *fields, unsigned dimension,
                                 const char *path, struct mur_error *error)
{
    *out = MUR_NRRD_DIMENSIONS;
    struct mur_slice kinds = fields->kinds, directions = fields->directions;
    if (dimension == 3)
        return MUR_OK;
    for (unsigned axis = 0; axis < dimension; axis++) {
        struct mur_slice kind = next_word(&kinds), direction = next_word(&directions);
        bool list = equals(kind, "list") || equals(kind, "vector") || equals(kind, "time") ||
                    equals(kind, "none") || equals(direction, "none");
        if (list && *out != MUR_NRRD_DIMENSIONS)
            return mur_error_set(error, MUR_UNSUPPORTED, "%s: more than one axis is a list", path);
        if (list)
            *out = axis;
    }
    if (*out == 0 || *out == dimension - 1)
        return MUR_OK;
    return mur_error_set(error, MUR_UNSUPPORTED,
                         "%s: of four axes the first or the last must be a list of layers", path);
}

static enum mur_status read_sizes(struct mur_nrrd_header *header, unsigned *list,
                                  const struct fields *fields, const char *path,
                                  struct mur_error *error)
{
    int64_t dimension = 0;
    if (mur_parse_int64(&dimension, fields->dimension, 1, 16, NULL) != MUR_OK)
        return mur_error_set(error, MUR_PARSE, "%s: dimension is no number from 1 to 16", path);
    if (dimension != 3 && dimension != 4)
        return mur_error_set(error, MUR_UNSUPPORTED,
                             "%s: dimension is %" PRId64 "; 3 and, with layers, 4 are supported",
                             path, dimension);
    enum mur_status status = find_list(list, fields, (unsigned)dimension, path, error);
    if (status != MUR_OK)
        return status;
    header->layers = 1;
    header->interleaved = *list == 0;
    struct mur_slice rest = fields->sizes;
    unsigned next = 0;
    for (unsigned axis = 0; axis < (unsigned)dimension; axis++) {
        uint64_t size = 0;
        if (mur_parse_uint64(&size, next_word(&rest), 1, UINT32_MAX, NULL) != MUR_OK)
            return mur_error_set(error, MUR_PARSE, "%s: sizes: not %" PRId64 " numbers above 0",
                                 path, dimension);
        if (size > MUR_NIFTI_SIDE_LIMIT)
            return mur_error_set(error, MUR_LIMIT,
                                 "%s: sizes: %" PRIu64 "; at most %d are possible", path, size,
                                 MUR_NIFTI_SIDE_LIMIT);
        if (axis == *list)
            header->layers = (uint32_t)size;
        else
            header->dims[next++] = (uint32_t)size;
    }
    if (mur_slice_trim(rest).length > 0)
        return mur_error_set(error, MUR_PARSE, "%s: sizes: more than %" PRId64 " numbers", path,
                             dimension);
    return MUR_OK;
}

/* "(1,0,0)" */
static enum mur_status read_vector(double out[3], struct mur_slice *rest, const char *field,
                                   const char *path, struct mur_error *error)
{
    *rest = mur_slice_trim(*rest);
    const char *end =
        rest->length > 0 && rest->data[0] == '(' ? memchr(rest->data, ')', rest->length) : NULL;
    struct mur_slice inside = {.data = rest->data + 1, .length = 0};
    if (end != NULL) {
        inside.length = (size_t)(end - inside.data);
        rest->length -= (size_t)(end + 1 - rest->data);
        rest->data = end + 1;
    }
    for (unsigned value = 0; value < 3; value++) {
        const char *comma = inside.length > 0 ? memchr(inside.data, ',', inside.length) : NULL;
        struct mur_slice number = inside;
        if (comma != NULL) {
            number.length = (size_t)(comma - inside.data);
            inside.length -= number.length + 1;
            inside.data = comma + 1;
        }
        if (end == NULL || (comma == NULL) != (value == 2) ||
            mur_parse_double(&out[value], number, NULL) != MUR_OK)
            return mur_error_set(error, MUR_PARSE,
                                 "%s: %s: no vector of three numbers such as (1,0,0)", path, field);
    }
    return MUR_OK;
}

/* What brings the space's first two axes to right and anterior. @return false: not known */
static bool space_signs(double out[3], struct mur_slice space)
{
    static const struct {
        const char *names[4];
        double signs[3];
    } spaces[] = {
        {{"left-posterior-superior", "LPS", "left-posterior-superior-time", "LPST"}, {-1, -1, 1}},
        {{"right-anterior-superior", "RAS", "right-anterior-superior-time", "RAST"}, {1, 1, 1}},
        {{"left-anterior-superior", "LAS", "left-anterior-superior-time", "LAST"}, {-1, 1, 1}},
    };
    for (size_t index = 0; index < MUR_COUNT(spaces); index++)
        for (size_t name = 0; name < MUR_COUNT(spaces->names); name++)
            if (equals(space, spaces[index].names[name])) {
                memcpy(out, spaces[index].signs, sizeof spaces->signs);
                return true;
            }
    return false;
}

static enum mur_status read_units(double *out, const struct fields *fields, const char *path,
                                  struct mur_error *error)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {
        {"\"mm\"", 1},         {"\"um\"", 1e-3}, {"\"\xC2\xB5m\"", 1e-3}, {"\"\xCE\xBCm\"", 1e-3},
        {"\"microns\"", 1e-3}, {"\"cm\"", 10},   {"\"m\"", 1000},         {"\"\"", 1}};
    struct mur_slice rest = fields->units;
    *out = 1;
    for (unsigned axis = 0; axis < 3 && fields->units.length > 0; axis++) {
        struct mur_slice word = next_word(&rest);
        size_t index = 0;
        while (index < MUR_COUNT(units) && !equals(word, units[index].name))
            index++;
        if (index == MUR_COUNT(units) || (axis > 0 && units[index].factor != *out))
            return mur_error_set(error, MUR_UNSUPPORTED, "%s: space units: %.*s", path,
                                 (int)fields->units.length, fields->units.data);
        *out = units[index].factor;
    }
    return MUR_OK;
}

static enum mur_status read_directions(double affine[3][4], const struct fields *fields,
                                       unsigned list, const double signs[3], const char *path,
                                       struct mur_error *error)
{
    double factor = 1, vector[3] = {0, 0, 0};
    enum mur_status status = read_units(&factor, fields, path, error);
    struct mur_slice rest = fields->directions;
    unsigned count = list == MUR_NRRD_DIMENSIONS ? 3 : 4;
    for (unsigned axis = 0, next = 0; status == MUR_OK && axis < count; axis++) {
        if (axis == list) {
            if (!equals(next_word(&rest), "none"))
                status =
                    mur_error_set(error, MUR_PARSE,
                                  "%s: space directions: \"none\" is expected for layers", path);
            continue;
        }
        status = read_vector(vector, &rest, "space directions", path, error);
        for (unsigned row = 0; row < 3; row++)
            affine[row][next] = signs[row] * factor * vector[row];
        next++;
    }
    rest = fields->origin;
    memset(vector, 0, sizeof vector);
    if (status == MUR_OK && rest.length > 0)
        status = read_vector(vector, &rest, "space origin", path, error);
    for (unsigned row = 0; row < 3; row++)
        affine[row][3] = signs[row] * factor * vector[row];
    return status;
}

/* No orientation: the axes are taken as left, posterior, superior, as ITK does. */
static enum mur_status read_spacings(double affine[3][4], const struct fields *fields,
                                     unsigned list, const char *path, struct mur_warnings *warnings,
                                     struct mur_error *error)
{
    struct mur_slice rest = fields->spacings;
    unsigned count = list == MUR_NRRD_DIMENSIONS ? 3 : 4;
    memset(affine, 0, 3 * sizeof affine[0]);
    for (unsigned axis = 0, next = 0; axis < count; axis++) {
        struct mur_slice word = next_word(&rest);
        double spacing = 1;
        if (axis == list)
            continue;
        if (fields->spacings.length > 0 && !equals(word, "nan") &&
            (mur_parse_double(&spacing, word, NULL) != MUR_OK || spacing <= 0))
            return mur_error_set(error, MUR_PARSE, "%s: spacings: not three numbers above 0", path);
        affine[next][next] = next < 2 ? -spacing : spacing;
        next++;
    }
    return mur_warn(warnings, error,
                    "%s: no space is given: orientation and sides are unknown, axes are taken as "
                    "left, posterior, superior",
                    path);
}

static enum mur_status read_geometry(struct mur_nrrd_header *header, const struct fields *fields,
                                     unsigned list, const char *path, struct mur_warnings *warnings,
                                     struct mur_error *error)
{
    double signs[3], affine[3][4];
    header->has_space = space_signs(signs, fields->space);
    enum mur_status status = MUR_OK;
    if (header->has_space) {
        status = need(fields->directions, "space directions", path, error);
        if (status == MUR_OK)
            status = read_directions(affine, fields, list, signs, path, error);
    } else if (fields->space.length > 0 || fields->space_dimension.length > 0) {
        return mur_error_set(
            error, MUR_UNSUPPORTED, "%s: space \"%.*s\" does not say where the patient's sides are",
            path, (int)fields->space.length, fields->space.data == NULL ? "" : fields->space.data);
    } else {
        status = read_spacings(affine, fields, list, path, warnings, error);
    }
    if (status != MUR_OK)
        return status;
    status =
        mur_geometry_from_ras(&header->geometry, (const double(*)[4])affine, header->dims, error);
    return status == MUR_OK ? MUR_OK : mur_error_prefix(error, "%s: space directions", path);
}

enum mur_status mur_nrrd_header_parse(struct mur_nrrd_header *out, struct mur_slice text,
                                      const char *name, struct mur_warnings *warnings,
                                      struct mur_error *error)
{
    if (!mur_is_nrrd(text))
        return mur_error_set(error, MUR_PARSE, "%s: not NRRD", name);
    struct fields fields = {.type = {.data = NULL, .length = 0}};
    struct mur_nrrd_header header = {.layers = 1};
    unsigned list = MUR_NRRD_DIMENSIONS;
    enum mur_status status = read_lines(&fields, &header, text, name, error);
    if (status == MUR_OK && header.length == MUR_NRRD_HEADER_LIMIT)
        status = mur_error_set(error, MUR_LIMIT, "%s: the header exceeds %d bytes", name,
                               MUR_NRRD_HEADER_LIMIT);
    if (status == MUR_OK)
        status = need(fields.type, "type", name, error);
    if (status == MUR_OK)
        status = need(fields.dimension, "dimension", name, error);
    if (status == MUR_OK)
        status = need(fields.sizes, "sizes", name, error);
    if (status == MUR_OK)
        status = need(fields.encoding, "encoding", name, error);
    if (status == MUR_OK)
        status = read_type(&header, &fields, name, error);
    if (status == MUR_OK)
        status = read_encoding(&header, &fields, name, error);
    if (status == MUR_OK)
        status = read_sizes(&header, &list, &fields, name, error);
    if (status == MUR_OK)
        status = read_geometry(&header, &fields, list, name, warnings, error);
    for (size_t index = 0; status == MUR_OK && index < header.segment_count; index++)
        if (header.segments[index].layer >= header.layers)
            status = mur_error_set(
                error, MUR_PARSE, "%s: segment \"%s\" lies in layer %" PRIu32 " of %" PRIu32, name,
                header.segments[index].name, header.segments[index].layer, header.layers);
    if (status != MUR_OK) {
        mur_nrrd_header_free(&header);
        return status;
    }
    *out = header;
    return MUR_OK;
}
