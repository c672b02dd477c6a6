/** An archive with a few objects, for targets that ask it. */
#ifndef MUR_TESTS_FUZZ_ARCHIVE_SUPPORT_H
#define MUR_TESTS_FUZZ_ARCHIVE_SUPPORT_H

#include "archive/archive.h"
#include "dicom/encoder.h"
#include "dicom/transfer_syntax.h"
#include "fuzz.h"

enum { FUZZ_OBJECTS = 4 };

static inline struct mur_archive *fuzz_open_archive(const char *directory)
{
    struct mur_archive *archive = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_archive_options options = {.directory = directory,
                                                .durability = MUR_DURABILITY_PROCESS};
    fuzz_check(mur_archive_open(&archive, &options, &error) == MUR_OK, "%s", error.message);
    return archive;
}

/** Object @p number: an MR image of a mouse, or one of a series of its own. */
static inline void fuzz_make_object(struct mur_buffer *out, char sop_instance[MUR_UID_TEXT_SIZE],
                                    unsigned number)
{
    static const char *const names[FUZZ_OBJECTS] = {"Mouse^One", "Müller^Hans",
                                                    "Yamada^Tarou=山田^太郎=やまだ^たろう", ""};
    struct mur_encoder encoder;
    struct mur_error error = MUR_ERROR_INIT;
    char patient[16], study[16], series[16];
    (void)snprintf(patient, sizeof patient, "M-%u", number);
    (void)snprintf(study, sizeof study, "1.2.%u", number / 2);
    (void)snprintf(series, sizeof series, "1.2.%u.3", number);
    (void)snprintf(sop_instance, MUR_UID_TEXT_SIZE, "1.2.%u.3.4", number);
    const struct {
        uint32_t tag;
        enum mur_vr vr;
        const char *text;
    } elements[] = {
        {MUR_TAG_SpecificCharacterSet, MUR_VR_CS, "ISO_IR 192"},
        {MUR_TAG_ImageType, MUR_VR_CS, "ORIGINAL\\PRIMARY"},
        {MUR_TAG_SOPClassUID, MUR_VR_UI, "1.2.840.10008.5.1.4.1.1.4"},
        {MUR_TAG_SOPInstanceUID, MUR_VR_UI, sop_instance},
        {MUR_TAG_StudyDate, MUR_VR_DA, "20240506"},
        {MUR_TAG_StudyTime, MUR_VR_TM, "101530.5"},
        {MUR_TAG_AccessionNumber, MUR_VR_SH, "A1"},
        {MUR_TAG_Modality, MUR_VR_CS, "MR"},
        {MUR_TAG_StudyDescription, MUR_VR_LO, "diet 100%_[a]'"},
        {MUR_TAG_PatientName, MUR_VR_PN, names[number % FUZZ_OBJECTS]},
        {MUR_TAG_PatientID, MUR_VR_LO, patient},
        {MUR_TAG_PatientWeight, MUR_VR_DS, "0.025"},
        {MUR_TAG_StudyInstanceUID, MUR_VR_UI, study},
        {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, series},
        {MUR_TAG_SeriesNumber, MUR_VR_IS, "1"},
        {MUR_TAG_InstanceNumber, MUR_VR_IS, "7"},
    };
    fuzz_check(mur_encoder_init(&encoder, out, mur_uid_ExplicitVRLittleEndian, &error) == MUR_OK,
               "%s", error.message);
    for (size_t i = 0; i < MUR_COUNT(elements); i++)
        fuzz_check(mur_encode_any(&encoder, elements[i].tag, elements[i].vr,
                                  mur_slice_of(elements[i].text), &error) == MUR_OK,
                   "%s", error.message);
}

static inline enum mur_status fuzz_ingest(struct mur_archive *archive, const char *sop_class,
                                          const char *sop_instance, const char *transfer_syntax,
                                          const void *bytes, size_t length, struct mur_error *error)
{
    MUR_AUTO(mur_ingest) *ingest = NULL;
    enum mur_ingest_outcome outcome;
    const struct mur_origin origin = {.how = "C-STORE", .calling_ae = "FUZZ", .peer = "127.0.0.1"};
    enum mur_status status = mur_ingest_begin(&ingest, archive, sop_class, sop_instance,
                                              transfer_syntax, &origin, error);
    if (status == MUR_OK)
        status = mur_ingest_write(ingest, bytes, length, error);
    return status == MUR_OK ? mur_ingest_finish(&outcome, ingest, error) : status;
}

static inline void fuzz_fill_archive(struct mur_archive *archive)
{
    for (unsigned i = 0; i < FUZZ_OBJECTS; i++) {
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        char sop_instance[MUR_UID_TEXT_SIZE];
        struct mur_error error = MUR_ERROR_INIT;
        fuzz_make_object(&bytes, sop_instance, i);
        fuzz_check(fuzz_ingest(archive, "1.2.840.10008.5.1.4.1.1.4", sop_instance,
                               mur_uid_ExplicitVRLittleEndian, bytes.data, bytes.length,
                               &error) == MUR_OK,
                   "%s", error.message);
    }
}

#endif
