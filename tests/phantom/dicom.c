#include "tests/phantom/dicom.h"

#include "tests/phantom/files.h"
#include "tests/phantom/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char explicit_little_endian[] = "1.2.840.10008.1.2.1";
static const char ct_image_storage[] = "1.2.840.10008.5.1.4.1.1.2";
static const char mr_image_storage[] = "1.2.840.10008.5.1.4.1.1.4";

void dicom_uid(char out[DICOM_UID_SIZE], uint64_t seed, const char *name)
{
    uint64_t high = random_mix_text(random_mix(seed, 1), name);
    uint64_t low = random_mix_text(random_mix(seed, 2), name);
    /* the marks of a UUID of version 4, because 2.25 stands for UUIDs */
    high = (high & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    low = (low & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    unsigned __int128 number = ((unsigned __int128)high << 64) | low;
    char digits[40];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (int)(number % 10));
        number /= 10;
    } while (number != 0);
    format_text(out, DICOM_UID_SIZE, "2.25.%s", digits + at);
}

/* ---- elements ---- */

struct bytes {
    uint8_t *data;
    size_t length;
    size_t capacity;
    uint32_t last_tag;
};

static void append(struct bytes *bytes, const void *data, size_t length)
{
    if (bytes->length + length > bytes->capacity) {
        bytes->capacity = 2 * (bytes->length + length) + 4096;
        bytes->data = realloc(bytes->data, bytes->capacity);
        if (bytes->data == NULL)
            die("out of memory");
    }
    memcpy(bytes->data + bytes->length, data, length);
    bytes->length += length;
}

static void append_number(struct bytes *bytes, uint32_t number, size_t length)
{
    uint8_t little[4] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16),
                         (uint8_t)(number >> 24)};
    append(bytes, little, length);
}

/* One element, PS3.5 7.1.2; odd values get one byte of padding. */
static void put(struct bytes *bytes, uint32_t tag, const char *vr, const void *value, size_t length)
{
    const bool is_long = strcmp(vr, "OB") == 0 || strcmp(vr, "OW") == 0;
    const char padding = strcmp(vr, "UI") == 0 || strcmp(vr, "OB") == 0 ? '\0' : ' ';
    if (tag <= bytes->last_tag)
        die("element %08x is out of order", (unsigned)tag);
    bytes->last_tag = tag;
    append_number(bytes, tag >> 16, 2);
    append_number(bytes, tag & 0xffff, 2);
    append(bytes, vr, 2);
    if (is_long)
        append_number(bytes, 0, 2);
    append_number(bytes, (uint32_t)(length + (length & 1)), is_long ? 4 : 2);
    append(bytes, value, length);
    append(bytes, &padding, length & 1);
}

static void put_text(struct bytes *bytes, uint32_t tag, const char *vr, const char *text)
{
    put(bytes, tag, vr, text, strlen(text));
}

static void put_us(struct bytes *bytes, uint32_t tag, unsigned value)
{
    uint8_t little[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    put(bytes, tag, "US", little, sizeof little);
}

static void put_is(struct bytes *bytes, uint32_t tag, int value)
{
    char text[16];
    format_text(text, sizeof text, "%d", value);
    put_text(bytes, tag, "IS", text);
}

/* Decimal strings, at most 16 characters each (PS3.5 6.2). */
static void put_ds(struct bytes *bytes, uint32_t tag, const double *values, size_t count)
{
    char all[128] = "";
    size_t length = 0;
    for (size_t i = 0; i < count; i++) {
        char one[32];
        format_text(one, sizeof one, "%.10g", values[i] + 0.0);
        if (strlen(one) > 16)
            die("decimal string %s is too long", one);
        format_text(all + length, sizeof all - length, "%s%s", i > 0 ? "\\" : "", one);
        length = strlen(all);
    }
    put(bytes, tag, "DS", all, length);
}

static void put_one_ds(struct bytes *bytes, uint32_t tag, double value)
{
    put_ds(bytes, tag, &value, 1);
}

/* UTF-8 of the Latin-1 range as ISO-IR 100. */
static void put_latin(struct bytes *bytes, uint32_t tag, const char *vr, const char *text)
{
    char latin[65];
    size_t length = 0;
    for (const char *c = text; *c != '\0' && length < sizeof latin; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte >= 0xc2 && byte <= 0xc3) {
            c++;
            byte = (unsigned char)((byte << 6) | ((unsigned char)*c & 0x3f));
        }
        latin[length++] = (char)byte;
    }
    put(bytes, tag, vr, latin, length);
}

/* ---- groups ---- */

static void put_identification(struct bytes *b, const struct dicom_series *s, const char *uid)
{
    put_text(b, 0x00080005, "CS", "ISO_IR 100");
    put_text(b, 0x00080008, "CS", s->image_type);
    put_text(b, 0x00080016, "UI", s->is_ct ? ct_image_storage : mr_image_storage);
    put_text(b, 0x00080018, "UI", uid);
    put_text(b, 0x00080020, "DA", s->study_date);
    put_text(b, 0x00080021, "DA", s->study_date);
    put_text(b, 0x00080022, "DA", s->study_date);
    put_text(b, 0x00080023, "DA", s->study_date);
    put_text(b, 0x00080030, "TM", s->study_time);
    put_text(b, 0x00080031, "TM", s->series_time);
    put_text(b, 0x00080032, "TM", s->series_time);
    put_text(b, 0x00080033, "TM", s->series_time);
    put_text(b, 0x00080050, "SH", "");
    put_text(b, 0x00080060, "CS", s->is_ct ? "CT" : "MR");
    put_text(b, 0x00080070, "LO", s->manufacturer);
    put_text(b, 0x00080080, "LO", s->institution);
    put_text(b, 0x00080090, "PN", "");
    put_text(b, 0x00081030, "LO", s->study_description);
    put_text(b, 0x0008103e, "LO", s->series_description);
    put_latin(b, 0x00081070, "PN", s->operators);
    put_text(b, 0x00081090, "LO", s->model);
}

/* Scanners know people only: the sex stays "other", and no species is named. */
static void put_patient(struct bytes *b, const struct dicom_series *s)
{
    put_text(b, 0x00100010, "PN", s->patient_name);
    put_text(b, 0x00100020, "LO", s->patient_id);
    put_text(b, 0x00100030, "DA", s->birth_date);
    put_text(b, 0x00100040, "CS", "O");
    put_text(b, 0x00101010, "AS", s->age);
    put_text(b, 0x00101030, "DS", s->weight_kg);
}

static void put_acquisition(struct bytes *b, const struct dicom_series *s)
{
    if (s->contrast_agent != NULL)
        put_text(b, 0x00180010, "LO", s->contrast_agent);
    if (!s->is_ct) {
        put_text(b, 0x00180020, "CS", s->scanning_sequence);
        put_text(b, 0x00180021, "CS", "NONE");
        put_text(b, 0x00180022, "CS", "");
        put_text(b, 0x00180023, "CS", "2D");
        put_text(b, 0x00180024, "SH", s->sequence_name);
    }
    put_one_ds(b, 0x00180050, s->slice_thickness);
    if (s->is_ct) {
        put_one_ds(b, 0x00180060, s->kvp);
    } else {
        put_one_ds(b, 0x00180080, s->tr_ms);
        put_one_ds(b, 0x00180081, s->te_ms);
        put_one_ds(b, 0x00180083, s->averages);
        put_one_ds(b, 0x00180087, s->field_tesla);
        put_one_ds(b, 0x00180088, grid_spacing(&s->grid, 2));
        put_is(b, 0x00180091, 1);
    }
    put_text(b, 0x00181020, "LO", "7.0");
    put_text(b, 0x00181030, "LO", s->protocol_name);
    if (s->is_ct) {
        put_is(b, 0x00181150, (int)s->exposure_ms);
        put_text(b, 0x00185100, "CS", "HFP");
        put_one_ds(b, 0x00188151, s->tube_current_ua);
    } else {
        put_one_ds(b, 0x00181314, s->flip_degrees);
        put_text(b, 0x00185100, "CS", "HFP");
        if (s->b_value > 0) {
            uint8_t raw[sizeof s->b_value];
            memcpy(raw, &s->b_value, sizeof raw);
            put(b, 0x00189087, "FD", raw, sizeof raw);
        }
    }
}

/* RAS turns into LPS here: x and y change sign. */
static void put_plane(struct bytes *b, const struct dicom_series *s, unsigned k, unsigned number)
{
    const struct grid *grid = &s->grid;
    double position[3];
    double directions[6];
    for (int c = 0; c < 3; c++) {
        double sign = c < 2 ? -1 : 1;
        position[c] = sign * (grid->origin[c] + k * grid->axis[2][c]);
        directions[c] = sign * grid->axis[0][c] / grid_spacing(grid, 0);
        directions[3 + c] = sign * grid->axis[1][c] / grid_spacing(grid, 1);
    }
    for (int i = 0; i < 6; i++)
        directions[i] = round(directions[i] * 1e9) / 1e9;
    for (int i = 0; i < 3; i++)
        position[i] = round(position[i] * 1e7) / 1e7;
    put_text(b, 0x0020000d, "UI", s->study_uid);
    put_text(b, 0x0020000e, "UI", s->series_uid);
    put_text(b, 0x00200010, "SH", s->study_id);
    put_is(b, 0x00200011, (int)s->series_number);
    put_is(b, 0x00200012, 1);
    put_is(b, 0x00200013, (int)number);
    put_ds(b, 0x00200032, position, 3);
    put_ds(b, 0x00200037, directions, 6);
    put_text(b, 0x00200052, "UI", s->frame_of_reference_uid);
    put_text(b, 0x00200060, "CS", "");
    put_text(b, 0x00201040, "LO", "");
}

static void put_pixels(struct bytes *b, const struct dicom_series *s, const uint16_t *pixels)
{
    const size_t count = (size_t)s->grid.size[0] * s->grid.size[1];
    double spacing[2] = {grid_spacing(&s->grid, 1), grid_spacing(&s->grid, 0)};
    uint8_t *little = malloc(2 * count);
    if (little == NULL)
        die("out of memory");
    for (size_t v = 0; v < count; v++) {
        little[2 * v] = (uint8_t)pixels[v];
        little[2 * v + 1] = (uint8_t)(pixels[v] >> 8);
    }
    put_us(b, 0x00280002, 1);
    put_text(b, 0x00280004, "CS", "MONOCHROME2");
    put_us(b, 0x00280010, s->grid.size[1]);
    put_us(b, 0x00280011, s->grid.size[0]);
    put_ds(b, 0x00280030, spacing, 2);
    put_us(b, 0x00280100, 16);
    put_us(b, 0x00280101, 16);
    put_us(b, 0x00280102, 15);
    put_us(b, 0x00280103, s->is_signed ? 1 : 0);
    put_one_ds(b, 0x00281050, s->is_ct ? 40 : 16000);
    put_one_ds(b, 0x00281051, s->is_ct ? 400 : 32000);
    if (s->is_ct) {
        put_one_ds(b, 0x00281052, s->intercept);
        put_one_ds(b, 0x00281053, 1);
        put_text(b, 0x00281054, "LO", "HU");
    }
    put(b, 0x7fe00010, "OW", little, 2 * count);
    free(little);
}

/* The file's preamble and group 0002 (PS3.10 7.1). */
static void write_meta(FILE *file, const struct dicom_series *s, const char *uid)
{
    static const uint8_t preamble[128];
    static const uint8_t version[2] = {0, 1};
    struct bytes meta = {.last_tag = 0x00020000};
    struct bytes head = {.last_tag = 0};
    put(&meta, 0x00020001, "OB", version, sizeof version);
    put_text(&meta, 0x00020002, "UI", s->is_ct ? ct_image_storage : mr_image_storage);
    put_text(&meta, 0x00020003, "UI", uid);
    put_text(&meta, 0x00020010, "UI", explicit_little_endian);
    put_text(&meta, 0x00020012, "UI", "2.25.276183423498012735501829374650918273645");
    put_text(&meta, 0x00020013, "SH", "PHANTOM_1");
    uint8_t length[4] = {(uint8_t)meta.length, (uint8_t)(meta.length >> 8), 0, 0};
    put(&head, 0x00020000, "UL", length, sizeof length);
    write_bytes(file, preamble, sizeof preamble);
    write_bytes(file, "DICM", 4);
    write_bytes(file, head.data, head.length);
    write_bytes(file, meta.data, meta.length);
    free(head.data);
    free(meta.data);
}

void dicom_write_slice(const char *path, const struct dicom_series *series, unsigned k,
                       unsigned instance_number, const uint16_t *pixels)
{
    char name[96];
    char uid[DICOM_UID_SIZE];
    struct bytes body = {.last_tag = 0};
    format_text(name, sizeof name, "%s.%u", series->series_uid, k);
    dicom_uid(uid, series->uid_seed, name);
    put_identification(&body, series, uid);
    put_patient(&body, series);
    put_acquisition(&body, series);
    put_plane(&body, series, k, instance_number);
    put_pixels(&body, series, pixels);

    FILE *file = create_file(path);
    write_meta(file, series, uid);
    write_bytes(file, body.data, body.length);
    close_file(file, path);
    free(body.data);
}
