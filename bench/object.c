#include "bench/object.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "dicom/encoder.h"
#include "dicom/sop_class.h"
#include "dicom/transfer_syntax.h"

enum { STUDIES_PER_PATIENT = 2, PATCHES = 16, INDEX_DIGITS = 11, PIXELS_SIGNED = 8 };

const struct load_kind *load_kind_find(const char *name)
{
    static const struct load_kind kinds[] = {
        {"mr", mur_uid_MRImageStorage, "MR", 256, 256, 1, true},
        {"ct", mur_uid_CTImageStorage, "CT", 512, 512, 1, true},
        {"tiny", mur_uid_MRImageStorage, "MR", 8, 16, 1, false},
        {"large", mur_uid_MultiFrameGrayscaleWordSecondaryCaptureImageStorage, "OT", 512, 512, 256,
         true},
    };
    for (size_t i = 0; i < MUR_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

/* ---- names ---- */

void load_uid(char out[LOAD_UID_SIZE], const struct load_layout *layout, enum load_level level,
              uint64_t index)
{
    (void)snprintf(out, LOAD_UID_SIZE, "2.25.1%08" PRIu64 "%d%0*" PRIu64, layout->seed % 100000000u,
                   (int)level, INDEX_DIGITS, index % UINT64_C(100000000000));
}

void load_patient_id(char out[LOAD_UID_SIZE], uint64_t study)
{
    (void)snprintf(out, LOAD_UID_SIZE, "M%09" PRIu64, study / STUDIES_PER_PATIENT % 1000000000u);
}

void load_patient_name(char out[LOAD_UID_SIZE], uint64_t study)
{
    (void)snprintf(out, LOAD_UID_SIZE, "Mouse%05" PRIu64 "^Bench",
                   study / STUDIES_PER_PATIENT % 100000u);
}

void load_accession_number(char out[LOAD_UID_SIZE], uint64_t study)
{
    (void)snprintf(out, LOAD_UID_SIZE, "A%09" PRIu64, study % 1000000000u);
}

void load_study_date(char out[LOAD_UID_SIZE], uint64_t study)
{
    (void)snprintf(out, LOAD_UID_SIZE, "%04u%02u%02u", 2018 + (unsigned)(study / 336 % 8),
                   1 + (unsigned)(study / 28 % 12), 1 + (unsigned)(study % 28));
}

uint64_t load_study_of(const struct load_layout *layout, uint64_t instance)
{
    return instance / layout->per_series / layout->series_per_study;
}

bool load_number_of(uint64_t *out, const struct load_layout *layout, const char *uid)
{
    char own[LOAD_UID_SIZE];
    load_uid(own, layout, LOAD_INSTANCE, 0);
    size_t fixed = strlen(own) - INDEX_DIGITS;
    if (strlen(uid) != strlen(own) || memcmp(uid, own, fixed) != 0)
        return false;
    return mur_parse_uint64(out, mur_slice_of(uid + fixed), 0, UINT64_MAX, NULL) == MUR_OK;
}

/* ---- the header ---- */

/* What stands in an element: a text of the table, or what differs from object to object. */
enum content {
    TEXT,
    SEQUENCE, /* and its item */
    END,
    STUDY_UID,
    SERIES_UID,
    INSTANCE_UID,
    PATIENT_ID,
    PATIENT_NAME,
    STUDY_DATE,
    ACCESSION_NUMBER,
    SERIES_NUMBER,
    INSTANCE_NUMBER,
    SLICE_LOCATION,
    SOP_CLASS,
    MODALITY,
    ROWS,
    COLUMNS,
    FRAMES, /* of multi-frame objects alone */
};

struct element {
    uint32_t tag;
    enum mur_vr vr;
    enum content content;
    const char *text;
    bool brief; /* also in tiny objects */
};

static const struct element header[] = {
    {0x00080005, MUR_VR_CS, TEXT, "ISO_IR 100", true},
    {0x00080008, MUR_VR_CS, TEXT, "ORIGINAL\\PRIMARY\\AXIAL", true},
    {0x00080012, MUR_VR_DA, TEXT, "20240506", false},
    {0x00080013, MUR_VR_TM, TEXT, "070809.123", false},
    {0x00080016, MUR_VR_UI, SOP_CLASS, NULL, true},
    {0x00080018, MUR_VR_UI, INSTANCE_UID, NULL, true},
    {0x00080020, MUR_VR_DA, STUDY_DATE, NULL, true},
    {0x00080021, MUR_VR_DA, TEXT, "20240506", false},
    {0x00080022, MUR_VR_DA, TEXT, "20240506", false},
    {0x00080023, MUR_VR_DA, TEXT, "20240506", false},
    {0x00080030, MUR_VR_TM, TEXT, "101530.000000", true},
    {0x00080031, MUR_VR_TM, TEXT, "101912.450000", false},
    {0x00080032, MUR_VR_TM, TEXT, "101915.110000", false},
    {0x00080033, MUR_VR_TM, TEXT, "101915.110000", false},
    {0x00080050, MUR_VR_SH, ACCESSION_NUMBER, NULL, true},
    {0x00080060, MUR_VR_CS, MODALITY, NULL, true},
    {0x00080070, MUR_VR_LO, TEXT, "Bruker BioSpin MRI GmbH", true},
    {0x00080080, MUR_VR_LO, TEXT, "Institute of Experimental Imaging", false},
    {0x00080081, MUR_VR_ST, TEXT, "1 Long Street, 12345 Somewhere", false},
    {0x00080090, MUR_VR_PN, TEXT, "Doe^Jane", true},
    {0x00081010, MUR_VR_SH, TEXT, "BIOSPEC1", false},
    {0x00081030, MUR_VR_LO, TEXT, "Liver follow-up week 12", true},
    {0x0008103E, MUR_VR_LO, TEXT, "T2 TurboRARE axial", true},
    {0x00081040, MUR_VR_LO, TEXT, "Small animal imaging", false},
    {0x00081050, MUR_VR_PN, TEXT, "Roe^Richard", false},
    {0x00081070, MUR_VR_PN, TEXT, "Poe^Edgar", false},
    {0x00081090, MUR_VR_LO, TEXT, "Biospec 94/20", true},
    {0x00081110, MUR_VR_SQ, SEQUENCE, NULL, false},
    {0x00081150, MUR_VR_UI, TEXT, "1.2.840.10008.3.1.2.3.1", false},
    {0x00081155, MUR_VR_UI, TEXT, "2.25.329800735698586629295641978511506172918", false},
    {0, MUR_VR_NONE, END, NULL, false},
    {0x00082218, MUR_VR_SQ, SEQUENCE, NULL, false},
    {0x00080100, MUR_VR_SH, TEXT, "10200004", false},
    {0x00080102, MUR_VR_SH, TEXT, "SCT", false},
    {0x00080104, MUR_VR_LO, TEXT, "Liver", false},
    {0, MUR_VR_NONE, END, NULL, false},
    {0x00100010, MUR_VR_PN, PATIENT_NAME, NULL, true},
    {0x00100020, MUR_VR_LO, PATIENT_ID, NULL, true},
    {0x00100030, MUR_VR_DA, TEXT, "20240101", true},
    {0x00100040, MUR_VR_CS, TEXT, "M", true},
    {0x00101010, MUR_VR_AS, TEXT, "012W", false},
    {0x00101030, MUR_VR_DS, TEXT, "0.0253", true},
    {0x00102201, MUR_VR_LO, TEXT, "Mus musculus", false},
    {0x00102292, MUR_VR_LO, TEXT, "C57BL/6J", false},
    {0x00102297, MUR_VR_PN, TEXT, "Institute^Animal^House", false},
    {0x00104000, MUR_VR_LT, TEXT, "High fat diet from week 6 on; isoflurane 1.5 %", false},
    {0x00180015, MUR_VR_CS, TEXT, "LIVER", true},
    {0x00180020, MUR_VR_CS, TEXT, "SE", true},
    {0x00180021, MUR_VR_CS, TEXT, "SK", false},
    {0x00180022, MUR_VR_CS, TEXT, "FS", false},
    {0x00180023, MUR_VR_CS, TEXT, "2D", false},
    {0x00180024, MUR_VR_SH, TEXT, "TurboRARE", false},
    {0x00180050, MUR_VR_DS, TEXT, "0.7", true},
    {0x00180080, MUR_VR_DS, TEXT, "2500", false},
    {0x00180081, MUR_VR_DS, TEXT, "33", false},
    {0x00180083, MUR_VR_DS, TEXT, "2", false},
    {0x00180084, MUR_VR_DS, TEXT, "400.320123", false},
    {0x00180085, MUR_VR_SH, TEXT, "1H", false},
    {0x00180086, MUR_VR_IS, TEXT, "1", false},
    {0x00180087, MUR_VR_DS, TEXT, "9.4", false},
    {0x00180088, MUR_VR_DS, TEXT, "0.8", false},
    {0x00180089, MUR_VR_IS, TEXT, "256", false},
    {0x00180091, MUR_VR_IS, TEXT, "8", false},
    {0x00180093, MUR_VR_DS, TEXT, "100", false},
    {0x00180094, MUR_VR_DS, TEXT, "100", false},
    {0x00180095, MUR_VR_DS, TEXT, "129.98", false},
    {0x00181020, MUR_VR_LO, TEXT, "ParaVision 6.0.1", false},
    {0x00181030, MUR_VR_LO, TEXT, "mouse_liver_T2", false},
    {0x00181250, MUR_VR_SH, TEXT, "quadrature", false},
    {0x00181310, MUR_VR_US, TEXT, "256\\0\\0\\256", false},
    {0x00181312, MUR_VR_CS, TEXT, "ROW", false},
    {0x00181314, MUR_VR_DS, TEXT, "90", false},
    {0x00181316, MUR_VR_DS, TEXT, "0.1", false},
    {0x00185100, MUR_VR_CS, TEXT, "HFP", true},
    {0x0020000D, MUR_VR_UI, STUDY_UID, NULL, true},
    {0x0020000E, MUR_VR_UI, SERIES_UID, NULL, true},
    {0x00200010, MUR_VR_SH, TEXT, "S1", true},
    {0x00200011, MUR_VR_IS, SERIES_NUMBER, NULL, true},
    {0x00200012, MUR_VR_IS, TEXT, "1", false},
    {0x00200013, MUR_VR_IS, INSTANCE_NUMBER, NULL, true},
    {0x00200032, MUR_VR_DS, TEXT, "-12.8\\-12.8\\4.9", true},
    {0x00200037, MUR_VR_DS, TEXT, "1\\0\\0\\0\\1\\0", true},
    {0x00200052, MUR_VR_UI, TEXT, "2.25.161616161616161616161616161616161616", true},
    {0x00200060, MUR_VR_CS, TEXT, "", false},
    {0x00201002, MUR_VR_IS, TEXT, "50", false},
    {0x00201040, MUR_VR_LO, TEXT, "", false},
    {0x00201041, MUR_VR_DS, SLICE_LOCATION, NULL, false},
    {0x00204000, MUR_VR_LT, TEXT, "respiratory gating", false},
    {0x00280002, MUR_VR_US, TEXT, "1", true},
    {0x00280004, MUR_VR_CS, TEXT, "MONOCHROME2", true},
    {0x00280008, MUR_VR_IS, FRAMES, NULL, true},
    {0x00280010, MUR_VR_US, ROWS, NULL, true},
    {0x00280011, MUR_VR_US, COLUMNS, NULL, true},
    {0x00280030, MUR_VR_DS, TEXT, "0.1\\0.1", true},
    {0x00280100, MUR_VR_US, TEXT, "16", true},
    {0x00280101, MUR_VR_US, TEXT, "16", true},
    {0x00280102, MUR_VR_US, TEXT, "15", true},
    {0x00280103, MUR_VR_US, TEXT, "0", true},
    {0x00280106, MUR_VR_US, TEXT, "0", false},
    {0x00280107, MUR_VR_US, TEXT, "4095", false},
    {0x00281050, MUR_VR_DS, TEXT, "1800", false},
    {0x00281051, MUR_VR_DS, TEXT, "3600", false},
    {0x00281052, MUR_VR_DS, TEXT, "0", false},
    {0x00281053, MUR_VR_DS, TEXT, "1", false},
    {0x00281055, MUR_VR_LO, TEXT, "ALGO1", false},
    {0x00321060, MUR_VR_LO, TEXT, "MRI liver mouse", false},
    {0x00400244, MUR_VR_DA, TEXT, "20240506", false},
    {0x00400245, MUR_VR_TM, TEXT, "101530", false},
    {0x00400253, MUR_VR_SH, TEXT, "PPS1", false},
    {0x00400254, MUR_VR_LO, TEXT, "Liver follow-up", false},
    {0x00400275, MUR_VR_SQ, SEQUENCE, NULL, false},
    {0x00400007, MUR_VR_LO, TEXT, "Liver follow-up", false},
    {0x00400009, MUR_VR_SH, TEXT, "SPS1", false},
    {0x00401001, MUR_VR_SH, TEXT, "RP1", false},
    {0, MUR_VR_NONE, END, NULL, false},
};

struct patch {
    enum content content;
    size_t offset, length;
};

struct load_object {
    const struct load_kind *kind;
    struct load_layout layout;
    struct mur_buffer bytes;
    struct patch patches[PATCHES];
    size_t patch_count;
    size_t pixels; /* where they begin */
};

/* Of fixed width for each content, so that one takes the place of another; without padding, which
 * DCMTK would take off. */
static void content_text(char out[LOAD_UID_SIZE], const struct load_object *object,
                         enum content content, uint64_t number)
{
    const struct load_layout *layout = &object->layout;
    uint64_t series = number / layout->per_series;
    uint64_t study = load_study_of(layout, number);
    out[0] = '\0';
    switch ((int)content) {
    case STUDY_UID:
        load_uid(out, layout, LOAD_STUDY, study);
        break;
    case SERIES_UID:
        load_uid(out, layout, LOAD_SERIES, series);
        break;
    case INSTANCE_UID:
        load_uid(out, layout, LOAD_INSTANCE, number);
        break;
    case PATIENT_ID:
        load_patient_id(out, study);
        break;
    case PATIENT_NAME:
        load_patient_name(out, study);
        break;
    case STUDY_DATE:
        load_study_date(out, study);
        break;
    case ACCESSION_NUMBER:
        load_accession_number(out, study);
        break;
    case SERIES_NUMBER:
        (void)snprintf(out, LOAD_UID_SIZE, "%u",
                       1001 + (unsigned)(series % layout->series_per_study));
        break;
    case INSTANCE_NUMBER:
        (void)snprintf(out, LOAD_UID_SIZE, "%u", 100001 + (unsigned)(number % layout->per_series));
        break;
    case SLICE_LOCATION:
        (void)snprintf(out, LOAD_UID_SIZE, "%.1f", 1000 + 0.1 * (double)(number % 80000));
        break;
    default:
        break;
    }
}

static enum mur_status encode_element(struct mur_encoder *encoder, struct load_object *object,
                                      const struct element *element, struct mur_error *error)
{
    const struct load_kind *kind = object->kind;
    char text[LOAD_UID_SIZE];
    enum mur_status status = MUR_OK;
    switch (element->content) {
    case TEXT:
        return mur_encode_any(encoder, element->tag, element->vr, mur_slice_of(element->text),
                              error);
    case SEQUENCE:
        status = mur_encode_sequence_begin(encoder, element->tag, error);
        return status == MUR_OK ? mur_encode_item_begin(encoder, error) : status;
    case END:
        status = mur_encode_item_end(encoder, error);
        return status == MUR_OK ? mur_encode_sequence_end(encoder, error) : status;
    case SOP_CLASS:
        return mur_encode_text(encoder, element->tag, element->vr, kind->sop_class, error);
    case MODALITY:
        return mur_encode_text(encoder, element->tag, element->vr, kind->modality, error);
    case ROWS:
        return mur_encode_int(encoder, element->tag, element->vr, kind->rows, error);
    case COLUMNS:
        return mur_encode_int(encoder, element->tag, element->vr, kind->columns, error);
    case FRAMES:
        return kind->frames == 1
                   ? MUR_OK
                   : mur_encode_int(encoder, element->tag, element->vr, kind->frames, error);
    case STUDY_UID:
    case SERIES_UID:
    case INSTANCE_UID:
    case PATIENT_ID:
    case PATIENT_NAME:
    case STUDY_DATE:
    case ACCESSION_NUMBER:
    case SERIES_NUMBER:
    case INSTANCE_NUMBER:
    case SLICE_LOCATION:
        break;
    }
    content_text(text, object, element->content, 0);
    status = mur_encode_text(encoder, element->tag, element->vr, text, error);
    size_t length = strlen(text);
    if (status == MUR_OK && object->patch_count < PATCHES)
        object->patches[object->patch_count++] = (struct patch){
            element->content, object->bytes.length - (length + (length & 1)), length};
    return status;
}

/* 12 bits of something like an image: a slope and noise. */
static void draw(unsigned char *out, size_t count)
{
    uint64_t state = UINT64_C(0x9E3779B97F4A7C15);
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        unsigned value = ((unsigned)(i >> 4) + (unsigned)(state & 0xFF)) & 0xFFF;
        out[2 * i] = (unsigned char)value;
        out[2 * i + 1] = (unsigned char)(value >> 8);
    }
}

static enum mur_status encode(struct load_object *object, struct mur_error *error)
{
    struct mur_encoder encoder;
    enum mur_status status =
        mur_encoder_init(&encoder, &object->bytes, mur_uid_ExplicitVRLittleEndian, error);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(header); i++)
        if (object->kind->whole_header || header[i].brief)
            status = encode_element(&encoder, object, &header[i], error);
    if (status != MUR_OK)
        return status;
    size_t count = (size_t)object->kind->rows * object->kind->columns * object->kind->frames;
    const uint32_t length = (uint32_t)(2 * count);
    const unsigned char head[12] = {0xE0,
                                    0x7F,
                                    0x10,
                                    0x00,
                                    'O',
                                    'W',
                                    0,
                                    0,
                                    (unsigned char)length,
                                    (unsigned char)(length >> 8),
                                    (unsigned char)(length >> 16),
                                    (unsigned char)(length >> 24)};
    status = mur_buffer_append(&object->bytes, head, sizeof head, error);
    if (status == MUR_OK)
        status = mur_buffer_reserve(&object->bytes, length, error);
    if (status != MUR_OK)
        return status;
    object->pixels = object->bytes.length;
    draw((unsigned char *)object->bytes.data + object->pixels, count);
    object->bytes.length += length;
    return MUR_OK;
}

enum mur_status load_object_create(struct load_object **out, const struct load_kind *kind,
                                   const struct load_layout *layout, struct mur_error *error)
{
    MUR_AUTO(load_object) *object = calloc(1, sizeof *object);
    if (object == NULL)
        return mur_error_no_memory(error);
    object->kind = kind;
    object->layout = *layout;
    enum mur_status status = encode(object, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(object);
    return MUR_OK;
}

void load_object_free(struct load_object *object)
{
    if (object == NULL)
        return;
    mur_buffer_free(&object->bytes);
    free(object);
}

void load_object_become(struct load_object *object, uint64_t number)
{
    char text[LOAD_UID_SIZE];
    for (size_t i = 0; i < object->patch_count; i++) {
        content_text(text, object, object->patches[i].content, number);
        memcpy(object->bytes.data + object->patches[i].offset, text, object->patches[i].length);
    }
    /* Pixels differ too: nobody may store two of them as one. */
    memcpy(object->bytes.data + object->pixels, &number, PIXELS_SIGNED);
}

const struct mur_buffer *load_object_bytes(const struct load_object *object)
{
    return &object->bytes;
}

/* ---- what comes back ---- */

enum mur_status load_harvest_init(struct load_harvest *harvest, const struct load_kind *kind,
                                  const struct load_layout *layout, uint64_t first, uint64_t count,
                                  struct mur_error *error)
{
    *harvest =
        (struct load_harvest){.kind = kind, .layout = *layout, .first = first, .count = count};
    harvest->seen = calloc(count + 1, 1);
    return harvest->seen != NULL ? MUR_OK : mur_error_no_memory(error);
}

void load_harvest_free(struct load_harvest *harvest)
{
    free(harvest->seen);
    harvest->seen = NULL;
}

uint64_t load_harvest_lost(const struct load_harvest *harvest)
{
    uint64_t lost = 0;
    for (uint64_t i = 0; i < harvest->count; i++)
        lost += harvest->seen[i] == 0;
    return lost;
}

struct load_reaper {
    struct load_harvest *harvest; /* borrowed */
    struct load_object *object;   /* what should come */
    size_t at;
    bool differs;
    size_t first_difference;
};

enum mur_status load_reaper_create(struct load_reaper **out, struct load_harvest *harvest,
                                   struct mur_error *error)
{
    MUR_AUTO(load_reaper) *reaper = calloc(1, sizeof *reaper);
    if (reaper == NULL)
        return mur_error_no_memory(error);
    reaper->harvest = harvest;
    enum mur_status status =
        load_object_create(&reaper->object, harvest->kind, &harvest->layout, error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(reaper);
    return MUR_OK;
}

void load_reaper_free(struct load_reaper *reaper)
{
    if (reaper == NULL)
        return;
    load_object_free(reaper->object);
    free(reaper);
}

static enum mur_status compare(void *user, const uint8_t *data, size_t length,
                               struct mur_error *error)
{
    (void)error;
    struct load_reaper *reaper = user;
    const struct mur_buffer *bytes = &reaper->object->bytes;
    size_t left = reaper->at < bytes->length ? bytes->length - reaper->at : 0;
    size_t compared = length < left ? length : left;
    if (!reaper->differs &&
        (compared < length || memcmp(bytes->data + reaper->at, data, length) != 0)) {
        reaper->differs = true;
        size_t i = 0;
        while (i < compared && (uint8_t)bytes->data[reaper->at + i] == data[i])
            i++;
        reaper->first_difference = reaper->at + i;
    }
    reaper->at += length;
    return MUR_OK;
}

static enum mur_status pass_over(void *user, const uint8_t *data, size_t length,
                                 struct mur_error *error)
{
    (void)user;
    (void)data;
    (void)length;
    (void)error;
    return MUR_OK;
}

static uint64_t count_up(uint64_t *counter, uint64_t amount)
{
    return __atomic_add_fetch(counter, amount, __ATOMIC_RELAXED);
}

static void settle(struct load_reaper *reaper, bool known, uint64_t number)
{
    struct load_harvest *harvest = reaper->harvest;
    (void)count_up(&harvest->arrived, 1);
    if (!known) {
        (void)count_up(&harvest->unknown, 1);
        return;
    }
    (void)count_up(&harvest->bytes, reaper->at);
    if (reaper->differs || reaper->at != reaper->object->bytes.length) {
        if (count_up(&harvest->changed, 1) == 1)
            (void)fprintf(stderr, "number %" PRIu64 ": %zu bytes instead of %zu, differs at %zu\n",
                          number, reaper->at, reaper->object->bytes.length,
                          reaper->differs ? reaper->first_difference : reaper->at);
        return;
    }
    if (__atomic_exchange_n(&harvest->seen[number - harvest->first], 1, __ATOMIC_RELAXED) != 0)
        (void)count_up(&harvest->twice, 1);
}

enum mur_status load_reaper_take(struct load_reaper *reaper, struct mur_association *association,
                                 const struct mur_command *request, uint8_t context_id,
                                 int timeout_ms, struct mur_error *error)
{
    uint64_t number = 0;
    bool known =
        reaper != NULL &&
        load_number_of(&number, &reaper->harvest->layout, request->affected_sop_instance_uid) &&
        number >= reaper->harvest->first &&
        number - reaper->harvest->first < reaper->harvest->count;
    if (known) {
        load_object_become(reaper->object, number);
        reaper->at = 0;
        reaper->differs = false;
    }
    enum mur_status sunk = MUR_OK;
    enum mur_status status = mur_message_read_data(
        &sunk, association, context_id, known ? compare : pass_over, reaper, timeout_ms, error);
    if (status != MUR_OK)
        return status;
    if (reaper != NULL)
        settle(reaper, known, number);
    struct mur_command response;
    mur_command_init_response(&response, request, 0);
    return mur_message_write(association, context_id, &response, NULL, 0, timeout_ms, error);
}
