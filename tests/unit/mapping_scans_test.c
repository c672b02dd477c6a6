/* The default mapping on a small archive, and an edited one on the same archive with other columns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/file.h"
#include "dicom/data_set.h"
#include "dicom/dictionary.h"
#include "mapping/mapping.h"

#define MAPPING MUR_SOURCE_DIR "/etc/isa-mapping.cfg"
#define ORGANS MUR_SOURCE_DIR "/etc/organs.cfg"
#define CASES MUR_SOURCE_DIR "/tests/cases/isa/"

/* ---- scaffolding ----------------------------------------------------------------------------- */

struct archive {
    struct mur_mapping *mapping;
    struct mur_isa *isa;
    struct mur_scan_list *list;
    struct mur_isa_diagnostics diagnostics;
};

static struct archive open_archive(const char *mapping_path, const char *folder)
{
    struct archive archive = {.diagnostics = MUR_ISA_DIAGNOSTICS_INIT};
    struct mur_error error = MUR_ERROR_INIT;
    if (mur_mapping_load(&archive.mapping, mapping_path, ORGANS, &error) != MUR_OK ||
        mur_isa_read(&archive.isa, folder, NULL, &error) != MUR_OK ||
        mur_mapping_scans(&archive.list, archive.mapping, archive.isa, &archive.diagnostics,
                          &error) != MUR_OK)
        fail_msg("%s", error.message);
    return archive;
}

static void close_archive(struct archive *archive)
{
    mur_scan_list_free(archive->list);
    mur_isa_free(archive->isa);
    mur_mapping_free(archive->mapping);
    mur_isa_diagnostics_free(&archive->diagnostics);
}

static const struct mur_scan *scan_named(const struct archive *archive, const char *name)
{
    for (size_t i = 0; i < archive->list->count; i++)
        if (strcmp(archive->list->scans[i].assay, name) == 0)
            return &archive->list->scans[i];
    fail_msg("no scan %s", name);
    return NULL;
}

/** The text of an attribute, NULL when it is not there. */
static const char *value_of(const struct mur_scan *scan, const char *attribute)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_attribute_path path;
    assert_int_equal(mur_attribute_path_parse(&path, mur_slice_of(attribute), &error), MUR_OK);
    const struct mur_scan_value *value = mur_scan_find_value(scan, &path);
    return value == NULL ? NULL : value->text;
}

static void expect(const struct mur_scan *scan, const char *attribute, const char *text)
{
    const char *is = value_of(scan, attribute);
    if (text == NULL ? is != NULL : is == NULL || strcmp(is, text) != 0)
        fail_msg("%s of %s: '%s' instead of '%s'", attribute, scan->assay, is == NULL ? "-" : is,
                 text == NULL ? "-" : text);
}

static const struct mur_isa_diagnostic *said(const struct archive *archive, const char *code,
                                             const char *part)
{
    for (size_t i = 0; i < archive->diagnostics.count; i++)
        if (strcmp(archive->diagnostics.items[i].code, code) == 0 &&
            strstr(archive->diagnostics.items[i].message, part) != NULL)
            return &archive->diagnostics.items[i];
    return NULL;
}

static void put(const char *folder, const char *name, const char *text)
{
    struct mur_error error = MUR_ERROR_INIT;
    char *path = NULL;
    assert_int_equal(mur_path_join(&path, folder, name, &error), MUR_OK);
    char *slash = strrchr(path, '/');
    *slash = '\0';
    assert_int_equal(mur_directory_create(path, 0755, &error), MUR_OK);
    *slash = '/';
    assert_int_equal(mur_file_write_all(path, text, strlen(text), 0644, &error), MUR_OK);
    free(path);
}

static enum mur_status remove_entry(void *user, const struct mur_walk_entry *entry, bool *skip,
                                    struct mur_error *error)
{
    (void)user;
    (void)skip;
    (void)error;
    if (entry->kind != MUR_WALK_DIRECTORY)
        (void)remove(entry->path);
    return MUR_OK;
}

static int make_folder(void **state)
{
    const char *base = getenv("TMPDIR");
    struct mur_error error = MUR_ERROR_INIT;
    char *folder = NULL;
    if (mur_path_join(&folder, base == NULL ? "/tmp" : base, "murpacs-map-XXXXXX", &error) !=
        MUR_OK)
        return -1;
    if (mkdtemp(folder) == NULL)
        return -1;
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    struct mur_error error = MUR_ERROR_INIT;
    (void)!mur_directory_walk(*state, remove_entry, NULL, &error);
    char *images = NULL;
    if (mur_path_join(&images, *state, "images", &error) == MUR_OK)
        (void)remove(images);
    free(images);
    (void)remove(*state);
    free(*state);
    return 0;
}

/** An archive of one study and one assay. */
static void put_archive(const char *folder, const char *study, const char *assay)
{
    put(folder, "i_x.txt",
        "STUDY\nStudy Identifier\tS\nStudy Title\tT\nStudy File Name\ts.txt\nSTUDY ASSAYS\n"
        "Study Assay Technology Type\tCT\nStudy Assay File Name\ta.txt\n");
    put(folder, "s.txt", study);
    put(folder, "a.txt", assay);
}

/* ---- the small archive -------------------------------------------------------------------------
 */

static void rows_of_one_assay_name_are_one_scan(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    assert_int_equal(archive.list->count, 6);
    const struct mur_scan *scan = scan_named(&archive, "m1-w8-ct");
    assert_string_equal(scan->study, "LIV-1");
    assert_string_equal(scan->source, "m1");
    assert_string_equal(scan->sample, "m1-w8");
    assert_string_equal(scan->session, "m1-w8");
    assert_string_equal(scan->modality, "CT");
    assert_int_equal(scan->image_count, 1);
    assert_string_equal(scan->images[0].cell, "images/m1_w8.nii");
    assert_string_equal(scan->images[0].path, "");
    assert_non_null(strstr(scan->images[0].problem, "images/m1_w8.nii"));
    /* The same animal name in two studies is two patients. */
    expect(scan, "PatientID", "LIV-1:m1");
    expect(scan_named(&archive, "us1"), "PatientID", "OLD-2:m1");
    close_archive(&archive);
}

static void the_animal_becomes_the_patient(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    const struct mur_scan *scan = scan_named(&archive, "m1-w8-ct");
    expect(scan, "PatientName", "m1^LIV-1");
    expect(scan, "PatientSex", "F");
    expect(scan, "PatientAge", "119D");
    expect(scan, "PatientWeight", "0.0234");
    expect(scan, "StrainDescription", "C57BL/6J");
    expect(scan, "StrainCodeSequence.CodeValue", "3028467");
    expect(scan, "StrainCodeSequence.CodingSchemeDesignator", "MGI");
    expect(scan, "StrainStockSequence.StrainStockNumber", "000664");
    expect(scan, "StrainStockSequence.StrainSource", "J");
    expect(scan, "StrainStockSequence.StrainSourceRegistryCodeSequence.CodeValue", "126850");
    expect(scan, "GeneticModificationsSequence.GeneticModificationsDescription", "Icam1<tm1Jcgr>");
    expect(scan, "GeneticModificationsSequence.GeneticModificationsNomenclature", "MGI_2013");
    expect(scan, "PatientSpeciesDescription", "Mus musculus");
    expect(scan, "PatientSpeciesCodeSequence.CodeValue", "447612001");
    /* What a species brings with it (PS3.3 C.7.1.1). */
    static const char *const empty[] = {"PatientBreedDescription", "PatientBreedCodeSequence",
                                        "BreedRegistrationSequence", "ResponsiblePerson",
                                        "PatientSexNeutered"};
    for (size_t i = 0; i < MUR_COUNT(empty); i++)
        expect(scan, empty[i], "");
    expect(scan, "ResponsibleOrganization", "Institute of Mice");

    scan = scan_named(&archive, "m2-w8-ct"); /* sex unknown, wild type, no disease */
    expect(scan, "PatientSex", "");
    expect(scan, "GeneticModificationsSequence.GeneticModificationsDescription", NULL);
    expect(scan, "GeneticModificationsSequence.GeneticModificationsNomenclature", NULL);
    expect(scan, "AdmittingDiagnosesDescription", NULL);
    expect(scan, "PatientWeight", "0.02175");

    scan = scan_named(&archive, "us1"); /* weeks in the column's name, a strain nobody gives */
    expect(scan, "PatientAge", "143W");
    expect(scan, "PatientSpeciesDescription", "Rattus norvegicus");
    expect(scan, "PatientSpeciesCodeSequence.CodeValue", "371565004");
    expect(scan, "StrainStockSequence.StrainSource", NULL);
    expect(scan, "ClinicalTrialSponsorName", "UNSPECIFIED");
    assert_non_null(said(&archive, "unknown-value", "hermaphroditic"));
    expect(scan_named(&archive, "us2"), "PatientAge", "229M");
    close_archive(&archive);
}

static void the_session_and_the_trial_are_described(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    const struct mur_scan *scan = scan_named(&archive, "m1-w24-ct");
    expect(scan, "StudyDescription", "LIV-1: MASH, w24, C57BL/6J");
    expect(scan, "StudyID", "LIV-1");
    expect(scan, "StudyDate", "20220621"); /* the sample's: the scan's own is empty */
    expect(scan, "ClinicalTrialProtocolID", "LIV-1");
    expect(scan, "ClinicalTrialSubjectID", "m1");
    expect(scan, "ClinicalTrialTimePointID", "w24");
    expect(scan, "LongitudinalTemporalOffsetFromEvent", "168");
    expect(scan, "LongitudinalTemporalEventType", "BASELINE");
    expect(scan, "ClinicalTrialProtocolEthicsCommitteeApprovalNumber", "81-02");
    expect(scan_named(&archive, "m2-w8-ct"), "StudyDescription", "LIV-1: w8, C57BL/6J");
    scan = scan_named(&archive, "us1");
    expect(scan, "StudyDescription", "Old rats");
    expect(scan, "ClinicalTrialTimePointID", "m1-a");
    expect(scan, "LongitudinalTemporalOffsetFromEvent", NULL);
    expect(scan, "LongitudinalTemporalEventType", NULL);
    close_archive(&archive);
}

static void the_scan_keeps_its_units_and_its_limits(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    const struct mur_scan *scan = scan_named(&archive, "m1-w8-ct");
    expect(scan, "KVP", "50");
    expect(scan, "XRayTubeCurrentInuA", "170");
    expect(scan, "XRayTubeCurrent", NULL); /* whole mA: it would say 0 */
    expect(scan, "ExposureTime", "32");
    expect(scan, "ContrastBolusAgent", "ExiTron nano 12000");
    expect(scan, "AcquisitionTime", "103000");
    expect(scan, "OperatorsName", "Doe^Jo"); /* "Jo Doe" is a contact of the study */
    expect(scan, "00990014", "240");
    scan = scan_named(&archive, "m1-w24-ct");
    expect(scan, "ExposureTime", NULL); /* 32.5 ms is no whole number */
    expect(scan, "ExposureTimeInuS", "32500");
    expect(scan, "ContrastBolusAgent", NULL);
    assert_string_equal(scan->modality, "CT"); /* MRI-CT: the assay's technology decides */
    scan = scan_named(&archive, "m1-w24-mr");
    assert_string_equal(scan->modality, "MR");
    expect(scan, "Modality", "MR");
    expect(scan, "Manufacturer", NULL); /* "other" */
    expect(scan, "RepetitionTime", "200");
    expect(scan, "MagneticFieldStrength", "7.0460577307");
    expect(scan, "ScanningSequence", "GR");
    expect(scan, "ReceiveCoilName", "RF Res 300 1H 11");
    assert_non_null(said(&archive, "value-cut", "RF Res 300 1H 112/086 QSN TO AD volume coil"));
    close_archive(&archive);
}

static void organs_become_segments(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    const struct mur_scan *scan = scan_named(&archive, "m1-w8-ct");
    assert_int_equal(scan->segmentation_count, 1);
    const struct mur_scan_segmentation *one = &scan->segmentations[0];
    assert_int_equal(one->file_count, 1);
    assert_int_equal(one->segment_count, 3);
    assert_int_equal(one->segments[1].label_value, 20);
    assert_string_equal(one->segments[1].label, "Lungs (both)");
    assert_string_equal(one->segments[1].type.value, "39607008");
    assert_string_equal(one->segments[1].modifier.value, "51440002");
    assert_string_equal(one->segments[1].algorithm_type, "MANUAL");
    assert_string_equal(one->segments[0].health, "not healthy");
    assert_true(one->segments[0].has_rgb);
    /* An organ that nobody knows keeps its name and is a tissue. */
    assert_false(one->segments[2].known);
    assert_string_equal(one->segments[2].label, "notochord");
    assert_string_equal(one->segments[2].type.value, "85756007");
    assert_non_null(said(&archive, "unknown-organ", "notochord"));

    scan = scan_named(&archive, "m1-w24-ct"); /* one file an organ: one segmentation */
    assert_int_equal(scan->segmentation_count, 1);
    assert_int_equal(scan->segmentations[0].file_count, 2);
    assert_int_equal(scan->segmentations[0].segments[1].file, 1);
    assert_string_equal(scan->segmentations[0].segments[1].region.value, "52731004");

    scan = scan_named(&archive, "m2-w8-ct"); /* judged, not outlined */
    assert_int_equal(scan->segmentation_count, 0);
    assert_int_equal(scan->organ_count, 1);
    assert_string_equal(scan->organs[0].health, "healthy");
    close_archive(&archive);
}

static const struct mur_scan_attribute *attribute_named(const struct mur_scan *scan,
                                                        const char *name, const char *text)
{
    const struct mur_scan_attribute *found = NULL;
    for (size_t i = 0; i < scan->isa_attribute_count; i++) {
        const struct mur_scan_attribute *attribute = &scan->isa_attributes[i];
        if (strcmp(attribute->name, name) != 0 || strcmp(attribute->text, text) != 0)
            continue;
        assert_null(found); /* each only once */
        found = attribute;
    }
    assert_non_null(found);
    return found;
}

static void every_cell_stays_searchable(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    const struct mur_scan *scan = scan_named(&archive, "m1-w8-ct");
    const struct mur_scan_attribute *diet = attribute_named(scan, "diet", "western diet");
    assert_int_equal(diet->kind, MUR_ISA_FACTOR);
    assert_int_equal(diet->level, MUR_LEVEL_STUDY);
    assert_false(diet->has_number);
    const struct mur_scan_attribute *weight = attribute_named(scan, "Body weight", "23.4");
    assert_true(weight->has_number);
    assert_true(weight->number > 23.39 && weight->number < 23.41);
    assert_string_equal(weight->unit, "gram");
    assert_int_equal(attribute_named(scan, "Sex", "female")->level, MUR_LEVEL_PATIENT);
    assert_int_equal(attribute_named(scan, "Organ", "notochord")->level, MUR_LEVEL_SERIES);
    (void)attribute_named(scan, "Label value", "31");
    /* Each cell of each row, for each scan: nothing of the tables is lost. */
    const struct mur_isa_table *table = &archive.isa->studies[0].assays[0].table;
    for (uint32_t row = 0; row < table->row_count; row++) {
        uint32_t name = 0;
        while (strcmp(table->columns[name].header, "Assay Name") != 0)
            name++;
        scan = scan_named(&archive, mur_isa_cell(table, row, name));
        for (uint32_t c = 0; c < table->column_count; c++)
            if (mur_isa_cell(table, row, c)[0] != '\0' &&
                table->columns[c].kind != MUR_ISA_QUALIFIER)
                (void)attribute_named(scan, table->columns[c].name, mur_isa_cell(table, row, c));
    }
    assert_non_null(strstr(value_of(scan, "PatientComments"), "Sex=unknown; "));
    assert_non_null(strstr(value_of(scan, "AdditionalPatientHistory"), "; diet=standard chow; "));
    close_archive(&archive);
}

/* ---- other columns, edited mapping -------------------------------------------------------------
 */

/** Puts another name before the names of a field or role: that is all an editor has to do. */
static void add_name(struct mur_buffer *text, const char *names_begin, const char *name)
{
    struct mur_error error = MUR_ERROR_INIT;
    char *anchor = NULL;
    assert_int_equal(mur_text_format(&anchor, &error, "names = [\"%s\"", names_begin), MUR_OK);
    const char *found = strstr(mur_buffer_text(text), anchor);
    if (found == NULL)
        fail_msg("%s does not stand in the mapping", anchor);
    size_t before = (size_t)(found - mur_buffer_text(text)) + strlen("names = [");
    struct mur_buffer edited = MUR_BUFFER_INIT;
    assert_int_equal(mur_buffer_append(&edited, text->data, before, &error), MUR_OK);
    assert_int_equal(mur_buffer_append_format(&edited, &error, "\"%s\", %s", name,
                                              mur_buffer_text(text) + before),
                     MUR_OK);
    free(anchor);
    mur_buffer_free(text);
    *text = edited;
}

static void same_texts(const char *a, const char *b)
{
    assert_string_equal(a, b);
}

static void same_segments(const struct mur_scan_segmentation *a,
                          const struct mur_scan_segmentation *b)
{
    assert_int_equal(a->file_count, b->file_count);
    assert_int_equal(a->segment_count, b->segment_count);
    for (size_t i = 0; i < a->file_count; i++)
        same_texts(a->files[i].cell, b->files[i].cell);
    for (size_t i = 0; i < a->segment_count; i++) {
        same_texts(a->segments[i].label, b->segments[i].label);
        same_texts(a->segments[i].type.value, b->segments[i].type.value);
        same_texts(a->segments[i].health, b->segments[i].health);
        same_texts(a->segments[i].algorithm_type, b->segments[i].algorithm_type);
        assert_int_equal(a->segments[i].label_value, b->segments[i].label_value);
        assert_int_equal(a->segments[i].file, b->segments[i].file);
    }
}

/** All but the summaries, which name the columns. */
static void same_scan(const struct mur_scan *a, const struct mur_scan *b)
{
    same_texts(a->study, b->study);
    same_texts(a->source, b->source);
    same_texts(a->sample, b->sample);
    same_texts(a->session, b->session);
    same_texts(a->assay, b->assay);
    same_texts(a->modality, b->modality);
    assert_int_equal(a->image_count, b->image_count);
    same_texts(a->images[0].cell, b->images[0].cell);
    assert_int_equal(a->segmentation_count, b->segmentation_count);
    assert_int_equal(a->organ_count, b->organ_count);
    for (size_t i = 0; i < a->segmentation_count; i++)
        same_segments(&a->segmentations[i], &b->segmentations[i]);
    for (size_t i = 0; i < a->value_count; i++) {
        const struct mur_scan_value *value = &a->values[i];
        const struct mur_scan_value *other = mur_scan_find_value(b, &value->path);
        char path[MUR_ATTRIBUTE_PATH_SIZE];
        if (other == NULL)
            fail_msg("%s lacks %s", b->assay, mur_attribute_path_format(path, &value->path));
        if (value->path.tags[0] != MUR_TAG_PatientComments &&
            value->path.tags[0] != MUR_TAG_AdditionalPatientHistory)
            same_texts(value->text, other->text);
        assert_int_equal(value->level, other->level);
    }
    assert_int_equal(a->value_count, b->value_count);
}

static void renamed_and_moved_columns_need_an_edited_mapping_alone(void **state)
{
    static const char *const names[][2] = {
        {"Animal strain", "Mauslinie"},
        {"Genotype\", \"Genetic modification\", \"Genotype/variation", "Erbgut"},
        {"Organism", "Tierart"},
        {"Supplier", "Züchter"},
        {"Stock number", "Bestandsnummer"},
        {"Body weight", "Gewicht"},
        {"week", "Studienwoche"},
        {"Date", "Wann"},
        {"Sex", "Geschlecht"},
        {"Health status", "Befund"},
        {"Age", "Alter"},
        {"Disease model", "Krankheit"},
        {"Device name", "Gerät"},
        {"Contrast agent name", "Kontrastmittel"},
        {"Image File", "Bild\", \"Ordner"},
        {"Assay Name", "Name der Aufnahme"},
        {"Tube current", "Röhrenstrom"},
        {"Image modality", "Verfahren"},
        {"Time point\", \"Timepoint", "Zeit nach Gabe"},
        {"Source", "Aufnahmeart"},
        {"Brand", "Marke"},
        {"Exposure time per projection", "Belichtung"},
        {"Tube voltage", "Röhrenspannung"},
        {"Performer", "Wer"},
        {"Derived Data File\", \"Segmentation File", "Maske"},
        {"Organ health status", "Organbefund"},
        {"Label value", "Wert"},
        {"Segmentation method", "Art der Umrandung"},
        {"Organ", "Körperteil"},
        {"Magnetic field strength", "Feldstärke"},
        {"Coil", "Spule"},
        {"Sequence", "Sequenz"},
        {"Repetition time", "Wiederholzeit"},
    };
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    assert_int_equal(mur_file_read_all(&text, MAPPING, 1 << 20, &error), MUR_OK);
    for (size_t i = 0; i < MUR_COUNT(names); i++)
        add_name(&text, names[i][0], names[i][1]);
    put(*state, "edited.cfg", mur_buffer_text(&text));
    char *path = NULL;
    assert_int_equal(mur_path_join(&path, *state, "edited.cfg", &error), MUR_OK);
    struct archive plain = open_archive(MAPPING, CASES "mice");
    struct archive renamed = open_archive(path, CASES "mice_renamed");
    free(path);
    assert_int_equal(plain.list->count, renamed.list->count);
    for (size_t i = 0; i < plain.list->count; i++)
        same_scan(&plain.list->scans[i], scan_named(&renamed, plain.list->scans[i].assay));
    close_archive(&plain);
    close_archive(&renamed);
}

/* ---- defects -----------------------------------------------------------------------------------
 */

#define STUDY "Source Name\tSample Name\nm1\tm1-a\nm2\tm2-a\n"

static void contradicting_rows_keep_the_first_value(void **state)
{
    put_archive(*state, STUDY,
                "Sample Name\tAssay Name\tImage File\tParameter Value[Brand]\t"
                "Parameter Value[Tube voltage]\tUnit\n"
                "m1-a\tct1\tx.nii\tBruker\t50\tkV\nm1-a\tct1\tx.nii\tMILabs\t50\tkV\n"
                "m2-a\tct1\tx.nii\t\t\t\n");
    struct archive archive = open_archive(MAPPING, *state);
    assert_int_equal(archive.list->count, 1);
    expect(&archive.list->scans[0], "Manufacturer", "Bruker");
    assert_int_equal(said(&archive, "contradicting-value", "'Bruker' / 'MILabs'")->line, 3);
    assert_int_equal(said(&archive, "several-samples", "m2-a")->line, 4);
    close_archive(&archive);
}

static void what_cannot_be_converted_is_said_and_left_out(void **state)
{
    put_archive(*state,
                "Source Name\tSample Name\tCharacteristics[Age]\tUnit\tCharacteristics[Weight]\t"
                "Unit\tCharacteristics[Sex]\nm1\tm1-a\tyoung\t\t20\tdays\tF\n"
                "m2\tm2-a\t3\tfortnights\t20,5\tg\tm\n",
                "Sample Name\tAssay Name\tImage File\tDate\tParameter Value[Tube current]\n"
                "m1-a\tct1\tx.nii\t21/03/2014\t170\nm2-a\tct2\ty.nii\t2014-02-30\t0.17 mA\n");
    struct archive archive = open_archive(MAPPING, *state);
    const struct mur_scan *scan = scan_named(&archive, "ct1");
    expect(scan, "PatientAge", NULL);
    expect(scan, "PatientWeight", NULL);
    expect(scan, "StudyDate", NULL);
    expect(scan, "XRayTubeCurrentInuA", NULL);
    assert_non_null(said(&archive, "bad-number", "'young'"));
    assert_non_null(said(&archive, "wrong-unit", "'20 days'"));
    assert_non_null(said(&archive, "bad-date", "21/03/2014"));
    assert_non_null(said(&archive, "missing-unit", "'170'"));
    scan = scan_named(&archive, "ct2");
    expect(scan, "PatientAge", NULL);
    expect(scan, "PatientWeight", NULL);
    expect(scan, "StudyDate", NULL);
    expect(scan, "XRayTubeCurrentInuA", "170");
    assert_non_null(said(&archive, "unknown-unit", "'3 fortnights'"));
    assert_non_null(said(&archive, "bad-date", "2014-02-30"));
    assert_non_null(said(&archive, "bad-number", "'20,5 g'"));
    close_archive(&archive);
}

static void labels_that_cannot_be_are_left_out(void **state)
{
    put_archive(*state, STUDY,
                "Sample Name\tAssay Name\tImage File\tParameter Value[Organ]\t"
                "Parameter Value[Label value]\tDerived Data File\n"
                "m1-a\tct1\tx.nii\tliver\t1\tl.nii\nm1-a\tct1\tx.nii\tspleen\t1\tl.nii\n"
                "m1-a\tct1\tx.nii\theart\t0\tl.nii\nm1-a\tct1\tx.nii\tbone\ttwo\tl.nii\n"
                "m1-a\tct1\tx.nii\tliver\t1\tl.nii\nm1-a\tct1\tx.nii\tbrain; bladder\t5;6\tl.nii\n"
                "m2-a\tct2\ty.nii\t\t\tall.nii\n");
    struct archive archive = open_archive(MAPPING, *state);
    const struct mur_scan *scan = scan_named(&archive, "ct1");
    assert_int_equal(scan->segmentation_count, 1);
    assert_int_equal(scan->segmentations[0].segment_count, 3);
    assert_string_equal(scan->segmentations[0].segments[0].label, "liver");
    assert_string_equal(scan->segmentations[0].segments[2].label, "bladder");
    assert_int_equal(scan->segmentations[0].segments[2].label_value, 6);
    assert_int_equal(said(&archive, "contradicting-label", "'liver' and 'spleen'")->line, 3);
    assert_int_equal(said(&archive, "bad-label", "'0'")->severity, MUR_ISA_ERROR);
    assert_non_null(said(&archive, "bad-label", "'two'"));
    scan = scan_named(&archive, "ct2"); /* a label map whose labels the tables do not explain */
    assert_int_equal(scan->segmentation_count, 1);
    assert_int_equal(scan->segmentations[0].segment_count, 0);
    assert_int_equal(scan->segmentations[0].file_count, 1);
    close_archive(&archive);
}

static void images_are_found_and_never_outside(void **state)
{
    put(*state, "images/one.nii", "x");
    put_archive(*state, STUDY,
                "Sample Name\tAssay Name\tRaw Data File\tImage File\tDerived Data File\n"
                "m1-a\tct1\t\timages/one.nii\t\nm1-a\tct2\t../secret.nii\t\t\n"
                "m2-a\tct3\t\t\timages/one.nii\nm2-a\t\thttps://host/x.nii\t\t\n");
    struct archive archive = open_archive(MAPPING, *state);
    const struct mur_scan *scan = scan_named(&archive, "ct1");
    assert_string_equal(scan->images[0].path, "images/one.nii");
    assert_string_equal(scan->images[0].problem, "");
    scan = scan_named(&archive, "ct2");
    assert_string_equal(scan->images[0].path, "");
    assert_non_null(strstr(scan->images[0].problem, "not followed"));
    scan = scan_named(&archive, "ct3"); /* by the fallback, and then it is no segmentation */
    assert_string_equal(scan->images[0].path, "images/one.nii");
    assert_int_equal(scan->segmentation_count, 0);
    scan = scan_named(&archive, "https://host/x.nii"); /* no name: the image is the name */
    assert_non_null(strstr(scan->images[0].problem, "never fetched"));
    close_archive(&archive);
}

static void long_names_stay_unique(void **state)
{
    char study[512] = "Source Name\tSample Name\n";
    char name[80];
    memset(name, 'a', 70);
    name[70] = '\0';
    for (char last = '1'; last <= '2'; last++) {
        size_t length = strlen(study);
        (void)snprintf(study + length, sizeof study - length, "%s%c\ts%c\n", name, last, last);
    }
    put_archive(*state, study, "Sample Name\tAssay Name\tImage File\ns1\tct1\tx\ns2\tct2\ty\n");
    struct archive archive = open_archive(MAPPING, *state);
    const char *first = value_of(scan_named(&archive, "ct1"), "PatientID");
    const char *second = value_of(scan_named(&archive, "ct2"), "PatientID");
    assert_int_equal(strlen(first), 64);
    assert_int_equal(strlen(second), 64);
    assert_string_not_equal(first, second);
    assert_non_null(said(&archive, "value-cut", "PatientID"));
    assert_non_null(said(&archive, "value-cut", "ISASourceName"));
    assert_null(said(&archive, "value-cut", "null"));
    close_archive(&archive);
}

static void a_bad_mapping_names_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"version = 1;\nfoo = 1;\n", ":2: unknown setting \"foo\""},
        {"version = 2;\n", "\"version\" must be 1"},
        {"version = 1;\nroles = { scan = { names = [\"a\"]; kinds = [\"b\"]; }; };\n",
         ":2: there is no kind \"b\""},
        {"version = 1;\nroles = {};\nfields = (\n{ name = \"a\"; to = ( { attribute = \"Nope\"; } "
         "); "
         "});\n",
         ":4: \"Nope\""},
        {"version = 1;\nroles = {};\nfields = (\n{ name = \"a\"; to = ( { attribute = "
         "\"PatientSex\"; "
         "convert = \"table\"; table = \"t\"; } ); });\n",
         ":4: there is no table \"t\""},
        {"version = 1;\nroles = {};\ntemplates = ( { attribute = \"PatientID\";\n text = \"{x}\"; "
         "} );\n",
         ":4: {x} is no field"},
        {"version = 1;\nroles = {};\nfields = ( { name = \"a\"; to = ( { private = 5; } ); } );\n",
         "from 16 to 127"},
        {"version = 1;\nroles = {};\nrules = (\n{ when = \"x\"; is = [\"a\"]; } );\n",
         ":4: \"when\": there is no field \"x\""},
        {"version = 1;\nroles = {};\nfields = ( { name = \"x\"; } );\nrules = (\n{ when = \"x\"; "
         "remove = [\"PatientSex\"]; } );\n",
         ":5: \"when\" needs \"is\" and \"remove\""},
        {"version = 1;\nroles = {};\nrules = (\n{ start = \"ContrastBolusStartTime\"; } );\n",
         ":4: \"start\" names a time"},
        {"version = 1;\nroles = {};\nrules = (\n{ append = \"Nope\"; } );\n", ":4: \"Nope\""},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_mapping *mapping = NULL;
        put(*state, "bad.cfg", cases[i].text);
        char *path = NULL;
        assert_int_equal(mur_path_join(&path, *state, "bad.cfg", &error), MUR_OK);
        enum mur_status status = mur_mapping_load(&mapping, path, NULL, &error);
        free(path);
        assert_true(status == MUR_INVALID || status == MUR_UNSUPPORTED);
        assert_null(mapping);
        if (strstr(error.message, cases[i].message) == NULL)
            fail_msg("'%s' lacks '%s'", error.message, cases[i].message);
    }
}

/* ---- columns, organs, labels
 * --------------------------------------------------------------------- */

static void columns_say_what_becomes_of_them(void **state)
{
    (void)state;
    static const struct {
        enum mur_isa_kind kind;
        const char *name;
        enum mur_column_use use;
        const char *field, *targets;
    } cases[] = {
        {MUR_ISA_CHARACTERISTIC, "animal_strain", MUR_COLUMN_MAPPED, "Animal strain",
         "00100212 text /,00100219 code strain/,00100219.00080104 text /,"
         "00102202 code strain_species/,00102201 table strain_species/,00100213 constant "
         "/,00081030 template /"},
        {MUR_ISA_COMMENT, "Body weight [mg]", MUR_COLUMN_MAPPED, "Body weight",
         "00101030 number /kg,00990013 number /g"},
        {MUR_ISA_PARAMETER, "Data format", MUR_COLUMN_INDEX_ONLY, "Data format", ""},
        {MUR_ISA_NAME, "Assay Name", MUR_COLUMN_ROLE, "",
         "0008103E template /,00990019 template /"},
        {MUR_ISA_PARAMETER, "Image modality", MUR_COLUMN_MAPPED, "Image modality",
         "00080060 template /"},
        {MUR_ISA_QUALIFIER, "Unit", MUR_COLUMN_QUALIFIER, "", ""},
        {MUR_ISA_FACTOR, "cage µ", MUR_COLUMN_UNMAPPED, "", ""},
    };
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_mapping) *mapping = NULL;
    assert_int_equal(mur_mapping_load(&mapping, MAPPING, ORGANS, &error), MUR_OK);
    const struct mur_isa_study study = {.identifier = "S"};
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_isa_column column = {
            .kind = cases[i].kind, .name = cases[i].name, .header = cases[i].name};
        const struct mur_isa_table table = {.path = "", .columns = &column, .column_count = 1};
        struct mur_column_description is;
        assert_int_equal(mur_mapping_describe_column(&is, mapping, &study, &table, 0, &error),
                         MUR_OK);
        MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
        for (size_t t = 0; t < is.target_count; t++) {
            char path[MUR_ATTRIBUTE_PATH_SIZE];
            const struct mur_column_target *target = &is.targets[t];
            assert_int_equal(
                mur_buffer_append_format(&text, &error, "%s%s %s %s/%s", t == 0 ? "" : ",",
                                         mur_attribute_path_format(path, &target->path),
                                         target->conversion, target->table, target->unit),
                MUR_OK);
        }
        assert_int_equal(is.use, cases[i].use);
        assert_int_equal(is.level, MUR_LEVEL_SERIES);
        assert_string_equal(is.field, cases[i].field);
        assert_string_equal(mur_buffer_text(&text), cases[i].targets);
        mur_column_description_free(&is);
    }
}

static void columns_of_the_animal_and_of_the_session_have_their_levels(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    const struct mur_isa_study *study = &archive.isa->studies[0];
    size_t seen = 0;
    for (uint32_t i = 0; i < study->table.column_count; i++) {
        const char *header = study->table.columns[i].header;
        struct mur_error error = MUR_ERROR_INIT;
        struct mur_column_description is;
        assert_int_equal(
            mur_mapping_describe_column(&is, archive.mapping, study, &study->table, i, &error),
            MUR_OK);
        if (strcmp(header, "Source Name") == 0 || strcmp(header, "Characteristics[Sex]") == 0) {
            assert_int_equal(is.level, MUR_LEVEL_PATIENT);
            seen++;
        } else if (strcmp(header, "Sample Name") == 0 ||
                   strcmp(header, "Factor Value[diet]") == 0) {
            assert_int_equal(is.level, MUR_LEVEL_STUDY);
            seen++;
        }
        mur_column_description_free(&is);
    }
    assert_int_equal(seen, 4);
    close_archive(&archive);
}

static void organs_are_found_by_the_names_people_write(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"Liver", "10200004"},          {"LUNGS (both)", "39607008"},  {"lung_left", "39607008"},
        {"Spinal column", "421060004"}, {"visceral fat", "248300009"}, {"Tumor", "108369006"},
        {"urinary bladder", "89837001"}};
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_organs) *organs = NULL;
    assert_int_equal(mur_organs_load(&organs, ORGANS, &error), MUR_OK);
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        const struct mur_organ *organ = mur_organs_find(organs, names[i][0]);
        assert_non_null(organ);
        assert_string_equal(organ->type.value, names[i][1]);
    }
    assert_null(mur_organs_find(organs, "notochord"));
    assert_string_equal(mur_organs_find_code(organs, "SCT", "39607008")->name, "lung");
    assert_string_equal(mur_organs_find(organs, "lung left")->modifier.value, "7771000");
    assert_true(mur_organs_find(organs, "intestines")->unverified);
    assert_string_equal(mur_organs_unknown(organs)->type.value, "85756007");
}

static void label_descriptions_of_itk_snap_are_read(void **state)
{
    put(*state, "labels.txt",
        "\xEF\xBB\xBF################\n# ITK-SnAP Label Description File\n"
        "    0     0    0    0        0  0  0    \"Clear Label\"\n"
        "    1   255    0    0        1  1  1    \"Liver\"\r\n"
        "   10     0  255    7      0.5  1  1    \"Left lung\"\n");
    struct mur_error error = MUR_ERROR_INIT;
    char *path = NULL;
    assert_int_equal(mur_path_join(&path, *state, "labels.txt", &error), MUR_OK);
    MUR_AUTO_LABELS struct mur_labels labels = {NULL, 0};
    assert_int_equal(mur_labels_read(&labels, path, &error), MUR_OK);
    assert_int_equal(labels.count, 2);
    assert_int_equal(labels.items[1].value, 10);
    assert_string_equal(labels.items[1].name, "Left lung");
    assert_int_equal(labels.items[1].rgb[2], 7);
    put(*state, "labels.txt", "1 255 0 0 1 1 1 \"Liver\"\n2 300 0 0 1 1 1 \"x\"\n");
    struct mur_labels none = {NULL, 0};
    assert_int_equal(mur_labels_read(&none, path, &error), MUR_PARSE);
    assert_non_null(strstr(error.message, "labels.txt:2:"));
    free(path);
}

static void label_descriptions_are_read_in_any_encoding_and_with_any_line_ends(void **state)
{
    static const char windows[] = "# x\r\n1 255 0 0 1 1 1 \"Gr\xF6\xDF"
                                  "e\"\r\n";
    static const char latin[] = "# \xB5\r2 0 0 0 1 1 1 \"a\"\r1 255 0 0 1 1 1 \"Gr\xF6\xDF"
                                "e\"";
    char wide[2 * sizeof windows] = "\xFF\xFE"; /* UTF-16 */
    for (size_t i = 0; i + 1 < sizeof windows; i++)
        wide[2 + 2 * i] = windows[i];
    const struct mur_slice files[] = {{windows, sizeof windows - 1},
                                      {latin, sizeof latin - 1},
                                      {wide, 2 * (sizeof windows - 1) + 2}};
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *path = NULL;
    assert_int_equal(mur_path_join(&path, *state, "labels.txt", &error), MUR_OK);
    for (size_t i = 0; i < MUR_COUNT(files); i++) {
        assert_int_equal(mur_file_write_all(path, files[i].data, files[i].length, 0600, &error),
                         MUR_OK);
        MUR_AUTO_LABELS struct mur_labels labels = {NULL, 0};
        assert_int_equal(mur_labels_read(&labels, path, &error), MUR_OK);
        assert_true(labels.count > 0);
        assert_string_equal(labels.items[labels.count - 1].name, "Gr\xC3\xB6\xC3\x9F"
                                                                 "e");
    }
}

/* ---- into a Data Set
 * ------------------------------------------------------------------------------ */

static void same_string(struct mur_dataset *dataset, uint32_t tag, const char *text)
{
    struct mur_error error = MUR_ERROR_INIT;
    char *is = NULL;
    if (mur_dataset_get_text(&is, dataset, tag, &error) != MUR_OK)
        fail_msg("%08x: %s", tag, error.message);
    assert_string_equal(is, text);
    free(is);
}

static void data_sets_get_values_and_private_block(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    assert_int_equal(mur_dataset_create(&dataset, &error), MUR_OK);
    assert_int_equal(mur_dataset_put_string(dataset, MUR_TAG_PatientID, MUR_VR_NONE, "A1", &error),
                     MUR_OK);
    assert_int_equal(
        mur_dataset_put_string(dataset, MUR_PRIVATE_TAG(0, 0x10), MUR_VR_LO, "SOMEBODY", &error),
        MUR_OK); /* our block goes elsewhere */
    const struct mur_scan *scan = scan_named(&archive, "m1-w8-ct");
    for (int twice = 0; twice < 2; twice++) /* what is there is replaced */
        assert_int_equal(mur_mapping_apply(dataset, scan, MUR_LEVEL_IMAGE, &error), MUR_OK);
    same_string(dataset, MUR_TAG_PatientID, "LIV-1:m1");
    same_string(dataset, MUR_TAG_SpecificCharacterSet, "ISO_IR 192");
    same_string(dataset, MUR_TAG_StrainDescription, "C57BL/6J");
    assert_true(mur_dataset_has(dataset, MUR_TAG_BreedRegistrationSequence));
    assert_false(mur_dataset_has_value(dataset, MUR_TAG_BreedRegistrationSequence));
    size_t items = 0;
    assert_int_equal(
        mur_dataset_item_count(&items, dataset, MUR_TAG_PatientSpeciesCodeSequence, &error),
        MUR_OK);
    assert_int_equal(items, 1);
    struct mur_dataset *item = NULL;
    assert_int_equal(
        mur_dataset_get_item(&item, dataset, MUR_TAG_PatientSpeciesCodeSequence, 0, &error),
        MUR_OK);
    same_string(item, MUR_TAG_CodeValue, "447612001");

    unsigned block = 0;
    assert_int_equal(
        mur_dataset_private_block(&block, dataset, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA, &error),
        MUR_OK);
    assert_int_equal(block, 0x11);
    same_string(dataset, MUR_PRIVATE_TAG(block, MUR_ISA_HEALTH_STATUS), "not healthy");
    double days = 0;
    assert_int_equal(
        mur_dataset_get_double(&days, dataset, MUR_PRIVATE_TAG(block, MUR_ISA_AGE_DAYS), 0, &error),
        MUR_OK);
    assert_true(days == 119);
    char *all = NULL;
    assert_int_equal(
        mur_dataset_get_text(&all, dataset, MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE), &error),
        MUR_OK);
    assert_non_null(strstr(all, "\\factor:diet=western diet\\"));
    free(all);
    uint32_t sequence = MUR_PRIVATE_TAG(block, MUR_ISA_ATTRIBUTE_SEQUENCE);
    assert_int_equal(mur_dataset_item_count(&items, dataset, sequence, &error), MUR_OK);
    assert_int_equal(items, scan->isa_attribute_count);
    bool seen = false;
    for (size_t i = 0; i < items; i++) {
        unsigned inner = 0;
        assert_int_equal(mur_dataset_get_item(&item, dataset, sequence, i, &error), MUR_OK);
        assert_int_equal(
            mur_dataset_private_block(&inner, item, MUR_PRIVATE_GROUP, MUR_CREATOR_ISA, &error),
            MUR_OK);
        char *name = NULL;
        assert_int_equal(mur_dataset_get_text(
                             &name, item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_NAME), &error),
                         MUR_OK);
        if (strcmp(name, "Body weight") == 0) {
            seen = true;
            same_string(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_KIND), "CHARACTERISTIC");
            same_string(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_TEXT), "23.4");
            same_string(item, MUR_PRIVATE_TAG(inner, MUR_ISA_ATTRIBUTE_UNIT), "gram");
        }
        free(name);
    }
    assert_true(seen);
    close_archive(&archive);
}

static void a_segmentation_gets_no_more_than_its_study(void **state)
{
    (void)state;
    struct archive archive = open_archive(MAPPING, CASES "mice");
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO(mur_dataset) *dataset = NULL;
    assert_int_equal(mur_dataset_create(&dataset, &error), MUR_OK);
    const struct mur_scan *scan = scan_named(&archive, "us1");
    assert_int_equal(mur_mapping_apply(dataset, scan, MUR_LEVEL_STUDY, &error), MUR_OK);
    assert_true(mur_dataset_has(dataset, MUR_TAG_StudyDescription));
    assert_false(mur_dataset_has(dataset, MUR_TAG_Modality));
    assert_int_equal(mur_mapping_apply(dataset, scan, MUR_LEVEL_SERIES, &error), MUR_OK);
    char *all = NULL;
    assert_int_equal(
        mur_dataset_get_text(&all, dataset, MUR_PRIVATE_TAG(0x10, MUR_ISA_ATTRIBUTE), &error),
        MUR_OK);
    assert_non_null(strstr(all, "comment:note=first / second")); /* a backslash separates values */
    free(all);
    close_archive(&archive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
        cmocka_unit_test(rows_of_one_assay_name_are_one_scan),
        cmocka_unit_test(the_animal_becomes_the_patient),
        cmocka_unit_test(the_session_and_the_trial_are_described),
        cmocka_unit_test(the_scan_keeps_its_units_and_its_limits),
        cmocka_unit_test(organs_become_segments),
        cmocka_unit_test(every_cell_stays_searchable),
        IN_FOLDER(renamed_and_moved_columns_need_an_edited_mapping_alone),
        IN_FOLDER(contradicting_rows_keep_the_first_value),
        IN_FOLDER(what_cannot_be_converted_is_said_and_left_out),
        IN_FOLDER(labels_that_cannot_be_are_left_out),
        IN_FOLDER(images_are_found_and_never_outside),
        IN_FOLDER(long_names_stay_unique),
        IN_FOLDER(a_bad_mapping_names_its_line),
        cmocka_unit_test(columns_say_what_becomes_of_them),
        cmocka_unit_test(columns_of_the_animal_and_of_the_session_have_their_levels),
        cmocka_unit_test(organs_are_found_by_the_names_people_write),
        IN_FOLDER(label_descriptions_of_itk_snap_are_read),
        IN_FOLDER(label_descriptions_are_read_in_any_encoding_and_with_any_line_ends),
        cmocka_unit_test(data_sets_get_values_and_private_block),
        cmocka_unit_test(a_segmentation_gets_no_more_than_its_study),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
