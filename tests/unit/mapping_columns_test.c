/* One column, or a few, of a small archive: what the default mapping makes of them, and what it
 * says.
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
#include "core/text.h"
#include "mapping/mapping.h"

#define MAPPING MUR_SOURCE_DIR "/etc/isa-mapping.cfg"
#define ORGANS MUR_SOURCE_DIR "/etc/organs.cfg"

struct fixture {
    struct mur_mapping *mapping;
    char folder[64];
    struct mur_isa *isa;
    struct mur_scan_list *list;
    struct mur_isa_diagnostics diagnostics;
};

static void put(const struct fixture *fixture, const char *name, const char *text)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *path = NULL;
    assert_int_equal(mur_path_join(&path, fixture->folder, name, &error), MUR_OK);
    assert_int_equal(mur_file_write_all(path, text, strlen(text), 0644, &error), MUR_OK);
}

static void forget(struct fixture *fixture)
{
    mur_scan_list_free(fixture->list);
    mur_isa_free(fixture->isa);
    mur_isa_diagnostics_free(&fixture->diagnostics);
    fixture->list = NULL;
    fixture->isa = NULL;
}

/** The scans of a study table and an assay table. */
static void read_tables(struct fixture *fixture, const char *technology, const char *study,
                        const char *assay)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *head = NULL;
    forget(fixture);
    assert_int_equal(mur_text_format(&head, &error,
                                     "STUDY\nStudy Identifier\tS\nStudy Title\tT\n"
                                     "Study File Name\ts.txt\nSTUDY ASSAYS\n"
                                     "Study Assay Technology Type\t%s\n"
                                     "Study Assay File Name\ta.txt\n",
                                     technology),
                     MUR_OK);
    put(fixture, "i_x.txt", head);
    put(fixture, "s.txt", study);
    put(fixture, "a.txt", assay);
    if (mur_isa_read(&fixture->isa, fixture->folder, NULL, &error) != MUR_OK ||
        mur_mapping_scans(&fixture->list, fixture->mapping, fixture->isa, &fixture->diagnostics,
                          &error) != MUR_OK)
        fail_msg("%s", error.message);
}

static const char *value_of(const struct mur_scan *scan, const char *attribute)
{
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_attribute_path path;
    if (mur_attribute_path_parse(&path, mur_slice_of(attribute), &error) != MUR_OK)
        fail_msg("%s", error.message);
    const struct mur_scan_value *value = mur_scan_find_value(scan, &path);
    return value == NULL ? NULL : value->text;
}

static void expect_of(const struct mur_scan *scan, const char *attribute, const char *text,
                      const char *why)
{
    const char *is = value_of(scan, attribute);
    if (text == NULL ? is != NULL : is == NULL || strcmp(is, text) != 0)
        fail_msg("%s: %s is '%s' instead of '%s'", why, attribute, is == NULL ? "-" : is,
                 text == NULL ? "-" : text);
}

static const struct mur_isa_diagnostic *said(const struct fixture *fixture, const char *code,
                                             const char *part)
{
    for (size_t i = 0; i < fixture->diagnostics.count; i++)
        if (strcmp(fixture->diagnostics.items[i].code, code) == 0 &&
            strstr(fixture->diagnostics.items[i].message, part) != NULL)
            return &fixture->diagnostics.items[i];
    return NULL;
}

/** Whose column it is. */
enum of { SOURCE, SAMPLE, CT, MR };

struct column_case {
    enum of of;
    const char *headers, *cells; /* separated by tabs */
    const char *attribute;
    const char *text; /* NULL: must not be there */
    const char *code; /* of what is said; NULL: nothing */
};

static void check(struct fixture *fixture, const struct column_case *one)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_FREE char *study = NULL;
    MUR_AUTO_FREE char *assay = NULL;
    const char *texts[3][2] = {{"", ""}, {"", ""}, {"", ""}};
    int place = one->of == SOURCE ? 0 : one->of == SAMPLE ? 1 : 2;
    texts[place][0] = one->headers;
    texts[place][1] = one->cells;
    assert_int_equal(mur_text_format(&study, &error,
                                     "Source Name\t%s\tSample Name\t%s\nm1\t%s\tp1\t%s\n",
                                     texts[0][0], texts[1][0], texts[0][1], texts[1][1]),
                     MUR_OK);
    assert_int_equal(mur_text_format(&assay, &error,
                                     "Sample Name\tProtocol REF\t%s\tAssay Name\tImage File\n"
                                     "p1\tscan\t%s\ta1\tx.nii\n",
                                     texts[2][0], texts[2][1]),
                     MUR_OK);
    read_tables(fixture, one->of == MR ? "MRI" : "CT", study, assay);
    assert_int_equal(fixture->list->count, 1);
    expect_of(&fixture->list->scans[0], one->attribute, one->text, one->cells);
    const struct mur_isa_diagnostics *all = &fixture->diagnostics;
    if (one->code == NULL && all->count > 0)
        fail_msg("%s: said %s: %s", one->cells, all->items[0].code, all->items[0].message);
    if (one->code != NULL && said(fixture, one->code, "") == NULL)
        fail_msg("%s: %s is not said", one->cells, one->code);
}

static void check_all(void **state, const struct column_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check(*state, &cases[i]);
}

/* ---- numbers and units ------------------------------------------------------------------------
 */

static void units_are_converted_exactly(void **state)
{
    static const struct column_case cases[] = {
        {SAMPLE, "Characteristics[Body weight]\tUnit", "23.4\tgram", "PatientWeight", "0.0234",
         NULL},
        {SAMPLE, "Characteristics[Body weight]", "23.4", "PatientWeight", "0.0234", NULL},
        {SAMPLE, "Characteristics[Body weight]", "23.4 g", "PatientWeight", "0.0234", NULL},
        {SAMPLE, "Characteristics[Body weight (mg)]", "23400", "PatientWeight", "0.0234", NULL},
        {SAMPLE, "Characteristics[Body weight]\tUnit", "0.0234\tkg", "PatientWeight", "0.0234",
         NULL},
        {SAMPLE, "Characteristics[Body weight]\tUnit", "0.0234\tkg", "00990013", "23.4", NULL},
        {CT, "Parameter Value[Tube current]\tUnit", "170\tuA", "XRayTubeCurrentInuA", "170", NULL},
        {CT, "Parameter Value[Tube current]\tUnit", "170\tµA", "XRayTubeCurrent", NULL, NULL},
        {CT, "Parameter Value[Tube current]\tUnit", "170\tμA", "XRayTubeCurrentInuA", "170", NULL},
        {CT, "Parameter Value[Tube current]\tUnit", "0.17\tmA", "XRayTubeCurrentInuA", "170", NULL},
        {CT, "Parameter Value[Tube current]\tUnit", "1000\tuA", "XRayTubeCurrent", "1", NULL},
        {CT, "Parameter Value[Tube current (mA)]", "2", "XRayTubeCurrentInuA", "2000", NULL},
        {CT, "Parameter Value[Tube current]", "170", "XRayTubeCurrentInuA", NULL, "missing-unit"},
        {CT, "Parameter Value[Tube voltage]\tUnit", "50\tkilovolt", "KVP", "50", NULL},
        {CT, "Parameter Value[Tube voltage]\tUnit", "50000\tV", "KVP", "50", NULL},
        {CT, "Parameter Value[Exposure time per projection]\tUnit", "0.5\tms", "ExposureTimeInuS",
         "500", NULL},
        {CT, "Parameter Value[Exposure time per projection]\tUnit", "0.5\tms", "ExposureTime", NULL,
         NULL},
        {CT, "Parameter Value[Exposure time per projection]\tUnit", "0.3\ts", "ExposureTime", "300",
         NULL},
        {CT, "Parameter Value[Time point]\tUnit", "4\thour", "00990014", "240", NULL},
        {CT, "Parameter Value[Time point]", "15", "00990014", "15", NULL},
        {CT, "Parameter Value[Time point]\tUnit", "90\ts", "00990014", "1.5", NULL},
        {MR, "Parameter Value[Repetition time]\tUnit", "0.2\ts", "RepetitionTime", "200", NULL},
        {MR, "Parameter Value[TE]", "3.25", "EchoTime", "3.25", NULL},
        {MR, "Parameter Value[TI]\tUnit", "900\tms", "InversionTime", "900", NULL},
        {MR, "Parameter Value[TI]\tUnit", "900\tms", "ScanningSequence", "IR", NULL},
        {MR, "Parameter Value[TI]\tUnit\tParameter Value[Sequence]", "900\tms\tIR-RARE",
         "ScanningSequence", "SE\\IR", NULL},
        {MR, "Parameter Value[Flip angle]\tUnit", "30\t°", "FlipAngle", "30", NULL},
        {MR, "Parameter Value[Field strength]", "7 T", "MagneticFieldStrength", "7", NULL},
        {MR, "Parameter Value[Number of averages]", "4", "NumberOfAverages", "4", NULL},
        {MR, "Parameter Value[b-value]\tUnit", "650\ts/mm2", "DiffusionBValue", "650", NULL},
        {MR, "Parameter Value[b-value]\tUnit", "0;50;650\ts/mm2", "DiffusionBValue", NULL, NULL},
        {CT, "Parameter Value[Contrast agent volume]\tUnit", "100\tµL", "ContrastBolusVolume",
         "0.1", NULL},
        /* A dose by weight is no volume. */
        {CT, "Parameter Value[Contrast agent dose]\tUnit", "0.1\tmmol/kg", "ContrastBolusVolume",
         NULL, NULL},
        {CT, "Parameter Value[Contrast agent volume]\tUnit", "0.1\tmmol/kg", "ContrastBolusVolume",
         NULL, "unknown-unit"},
        {CT, "Parameter Value[Tube voltage]\tUnit", "50\tmm", "KVP", NULL, "wrong-unit"},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void decimals_have_sixteen_characters_or_it_is_said(void **state)
{
    static const struct column_case cases[] = {
        {SAMPLE, "Characteristics[Body weight]\tUnit", "23.4000000000\tg", "PatientWeight",
         "0.0234", NULL},
        {SAMPLE, "Characteristics[Body weight]\tUnit", "12345.678901234567\tg", "PatientWeight",
         "12.3456789012346", "value-rounded"},
        {SAMPLE, "Characteristics[Body weight]\tUnit", "0.00000000001\tg", "PatientWeight",
         "0.00000000000001", NULL},
        {SAMPLE, "Characteristics[Body weight]\tUnit", "2.34e1\tg", "PatientWeight", "0.0234",
         NULL},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void what_is_no_number_is_said_and_not_written(void **state)
{
    static const char *const cells[] = {"23,4", "1.234,5", "1 234", "1'234", "~20",
                                        "> 20", "20-25",   "NaN",   "inf",   "0x17",
                                        "−5",   "--5",     "5..6",  "1,234", "heavy"};
    for (size_t i = 0; i < MUR_COUNT(cells); i++) {
        struct mur_error error = MUR_ERROR_INIT;
        MUR_AUTO_FREE char *with_unit = NULL;
        assert_int_equal(mur_text_format(&with_unit, &error, "%s\tg", cells[i]), MUR_OK);
        const struct column_case one = {SAMPLE,    "Characteristics[Body weight]\tUnit",
                                        with_unit, "PatientWeight",
                                        NULL,      "bad-number"};
        check(*state, &one);
        struct fixture *fixture = *state; /* as it is, it can be asked for */
        bool found = false;
        for (size_t a = 0; a < fixture->list->scans[0].isa_attribute_count; a++) {
            const struct mur_scan_attribute *is = &fixture->list->scans[0].isa_attributes[a];
            found = found || (strcmp(is->text, cells[i]) == 0 && !is->has_number);
        }
        assert_true(found);
    }
}

static void ages_take_the_first_unit_that_has_room(void **state)
{
    static const struct column_case cases[] = {
        {SAMPLE, "Characteristics[Age]\tUnit", "0\tday", "PatientAge", "000D", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "168\tday", "PatientAge", "168D", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "999\tdays", "PatientAge", "999D", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "1001\tday", "PatientAge", "143W", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "6993\tday", "PatientAge", "999W", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "7000\tday", "PatientAge", "229M", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "36525\tday", "PatientAge", "100Y", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "24\tweek", "PatientAge", "168D", NULL},
        {SAMPLE, "Characteristics[Age (weeks)]", "24", "PatientAge", "168D", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "6\tmonths", "PatientAge", "006M", NULL},
        {SAMPLE, "Characteristics[Age (months)]", "18", "PatientAge", "018M", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "1.5\tyears", "PatientAge", "018M", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "90\tyears", "PatientAge", "090Y", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "2.5\tmonth", "PatientAge", "002M", "value-rounded"},
        {SAMPLE, "Characteristics[Age]\tUnit", "6\tmonth", "00990012", NULL, NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "-1\tyear", "PatientAge", NULL, "bad-number"},
        {SAMPLE, "Characteristics[Age]\tUnit", "1000\tyear", "PatientAge", NULL, "bad-number"},
        {SAMPLE, "Characteristics[Age]\tUnit", "6\tkg", "PatientAge", NULL, "wrong-unit"},
        {SAMPLE, "Characteristics[Body weight]\tUnit", "6\tmonth", "PatientWeight", NULL,
         "wrong-unit"},
        {SAMPLE, "Characteristics[Age]", "24 weeks", "PatientAge", "168D", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "1003\tday", "00990012", "1003", NULL},
        {SAMPLE, "Characteristics[Age]\tUnit", "-3\tday", "PatientAge", NULL, "bad-number"},
        {SAMPLE, "Characteristics[Age]\tUnit", "400000\tday", "PatientAge", NULL, "bad-number"},
        {SAMPLE, "Characteristics[Age]\tUnit", "24\tfortnight", "PatientAge", NULL, "unknown-unit"},
        /* the age of a source, and a birth date */
        {SOURCE, "Characteristics[Age]\tUnit", "56\tday", "PatientAge", "056D", NULL},
        {SOURCE, "Characteristics[Date of birth]", "2021-05-04", "PatientBirthDate", "20210504",
         NULL},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

/* ---- texts ------------------------------------------------------------------------------------
 */

#define SIXTY_FOUR "0123456789012345678901234567890123456789012345678901234567890123"

static void long_texts_are_cut_and_it_is_said(void **state)
{
    static const struct column_case cases[] = {
        {MR, "Parameter Value[Coil]", "0123456789ABCDEF", "ReceiveCoilName", "0123456789ABCDEF",
         NULL},
        {MR, "Parameter Value[Coil]", "RF Res 300 1H 112/086 QSN TO AD volume coil",
         "ReceiveCoilName", "RF Res 300 1H 11", "value-cut"},
        {CT, "Parameter Value[Device name]", SIXTY_FOUR, "ManufacturerModelName", SIXTY_FOUR, NULL},
        {CT, "Parameter Value[Device name]", SIXTY_FOUR "4", "ManufacturerModelName", SIXTY_FOUR,
         "value-cut"},
        /* Characters count, not bytes. */
        {MR, "Parameter Value[Coil]", "µµµµµµµµµµµµµµµµ", "ReceiveCoilName", "µµµµµµµµµµµµµµµµ",
         NULL},
        {MR, "Parameter Value[Sequence]", "T1_FLASH_3D_fatsat_gated", "SequenceName", NULL, NULL},
        {MR, "Parameter Value[Sequence]", "T1_FLASH_3D_fatsat_gated", "ProtocolName",
         "T1_FLASH_3D_fatsat_gated", NULL},
        {CT, "Parameter Value[Brand]", "A\\B", "Manufacturer", "A/B", NULL},
        /* a strain has no limit */
        {SOURCE, "Characteristics[Animal strain]", SIXTY_FOUR SIXTY_FOUR, "StrainDescription",
         SIXTY_FOUR SIXTY_FOUR, NULL},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void the_profile_s_fields_sit_in_columns_of_any_kind(void **state)
{
    static const char *const headers[] = {"Characteristics[Animal strain]",
                                          "Factor Value[animal strain]",
                                          "Parameter Value[Animal_Strain]",
                                          "Comment[ANIMAL-STRAIN]",
                                          "Animal strain",
                                          "Comment[Strain name]"};
    static const enum of places[] = {SOURCE, SAMPLE, CT};
    for (size_t h = 0; h < MUR_COUNT(headers); h++)
        for (size_t p = 0; p < MUR_COUNT(places); p++) {
            const struct column_case one = {places[p],           headers[h], "BALB/c",
                                            "StrainDescription", "BALB/c",   NULL};
            check(*state, &one);
        }
}

/* ---- codes ------------------------------------------------------------------------------------
 */

static void species_have_codes_or_it_is_said(void **state)
{
    static const struct column_case cases[] = {
        {SOURCE, "Characteristics[Organism]", "Mus musculus",
         "PatientSpeciesCodeSequence.CodeValue", "447612001", NULL},
        {SOURCE, "Characteristics[Organism]", "mouse", "PatientSpeciesDescription", "Mus musculus",
         NULL},
        {SOURCE, "Characteristics[Organism]", "Rattus norvegicus",
         "PatientSpeciesCodeSequence.CodeValue", "371565004", NULL},
        {SOURCE, "Characteristics[Species]\tTerm Source REF\tTerm Accession Number",
         "lab mouse\tNCBITAXON\thttp://purl.obolibrary.org/obo/NCBITaxon_10090",
         "PatientSpeciesCodeSequence.CodeValue", "447612001", NULL},
        {SOURCE, "Characteristics[Organism]", "Sus scrofa", "PatientSpeciesDescription",
         "Sus scrofa", "no-code"},
        {SOURCE, "Characteristics[Organism]", "Sus scrofa", "PatientSpeciesCodeSequence.CodeValue",
         NULL, "no-code"},
        {SOURCE, "Characteristics[Organism]", "Sus scrofa", "PatientBreedDescription", "",
         "no-code"},
        /* tables that name the strain alone */
        {SOURCE, "Characteristics[Animal strain]", "C57BL/6", "PatientSpeciesDescription",
         "Mus musculus", NULL},
        {SOURCE, "Characteristics[Animal strain]", "BALB/c", "PatientSpeciesCodeSequence.CodeValue",
         "447612001", NULL},
        {SOURCE, "Characteristics[Animal strain]", "X-1", "PatientSpeciesDescription",
         "UNSPECIFIED", NULL},
        {SOURCE, "Characteristics[Animal strain]\tCharacteristics[Organism]", "C57BL/6\tSus scrofa",
         "PatientSpeciesCodeSequence.CodeValue", NULL, "no-code"},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void strains_are_kept_as_they_are_written(void **state)
{
    static const struct column_case cases[] = {
        {SOURCE, "Characteristics[Animal strain]", "B6.129S4-Icam1<tm1Jcgr>/J", "StrainDescription",
         "B6.129S4-Icam1<tm1Jcgr>/J", NULL},
        {SOURCE, "Characteristics[Animal strain]", "B6.129S4-Icam1<tm1Jcgr>/J",
         "StrainNomenclature", "MGI_2013", NULL},
        {SOURCE, "Characteristics[Animal strain]", "C57BL/6 ICAM-1⁻/⁻", "StrainDescription",
         "C57BL/6 ICAM-1⁻/⁻", NULL},
        {SOURCE, "Characteristics[Animal strain]", "C57BL/6 ICAM-1⁻/⁻", "StrainNomenclature", NULL,
         NULL},
        {SOURCE, "Characteristics[Animal strain]\tCharacteristics[Strain nomenclature]",
         "C57BL/6J\tMGI_2020", "StrainNomenclature", "MGI_2020", NULL},
        {SOURCE, "Characteristics[Animal strain]\tCharacteristics[Strain RRID]",
         "SKH1\tIMSR_CRL:477", "StrainCodeSequence.CodeValue", "IMSR_CRL:477", NULL},
        {SOURCE, "Characteristics[Animal strain]\tCharacteristics[Strain RRID]",
         "SKH1\tIMSR_CRL:477", "StrainCodeSequence.CodeMeaning", "SKH1", NULL},
        {SOURCE, "Characteristics[Animal strain]", "SKH1", "StrainCodeSequence.CodeMeaning", NULL,
         NULL},
        {SOURCE, "Characteristics[Animal strain]\tTerm Source REF\tTerm Accession Number",
         "BALB/c\tRRID\tRRID:IMSR_JAX:000651", "StrainCodeSequence.CodeValue", "IMSR_JAX:000651",
         NULL},
        {SOURCE, "Characteristics[Genotype]", "Icam1⁻/⁻",
         "GeneticModificationsSequence.GeneticModificationsDescription", "Icam1⁻/⁻", NULL},
        {SOURCE, "Characteristics[Genotype]", "Icam1⁻/⁻",
         "GeneticModificationsSequence.GeneticModificationsNomenclature", "UNSPECIFIED", NULL},
        {SOURCE, "Characteristics[Genotype]", "Icam1+/+ (wild-type)",
         "GeneticModificationsSequence.GeneticModificationsDescription", NULL, NULL},
        {SOURCE, "Characteristics[Genotype]", "wild type",
         "GeneticModificationsSequence.GeneticModificationsDescription", NULL, NULL},
        {SOURCE, "Characteristics[Genotype]\tTerm Source REF\tTerm Accession Number",
         "Icam1<tm1Jcgr>\tMGI\tMGI:1857162",
         "GeneticModificationsSequence.GeneticModificationsCodeSequence.CodeValue", "1857162",
         NULL},
        /* stock: all three parts, or none */
        {SOURCE, "Characteristics[Supplier]\tCharacteristics[Stock number]", "Charles River\t027",
         "StrainStockSequence.StrainSource", "Crl", NULL},
        {SOURCE, "Characteristics[Supplier]\tCharacteristics[Stock number]", "Charles River\t027",
         "00990016", "Charles River", NULL},
        {SOURCE, "Characteristics[Supplier]", "Janvier Labs", "StrainStockSequence.StrainSource",
         NULL, NULL},
        {SOURCE, "Characteristics[Supplier]\tCharacteristics[Stock number]", "own breeding\t12",
         "StrainStockSequence.StrainStockNumber", NULL, NULL},
        {SOURCE, "Characteristics[Supplier]", "own breeding", "00990016", "own breeding", NULL},
        /* never a breed */
        {SOURCE, "Characteristics[Animal strain]", "SKH1", "PatientBreedDescription", "", NULL},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void sex_is_a_letter_and_neutered_a_word(void **state)
{
    static const struct column_case cases[] = {
        {SOURCE, "Characteristics[Sex]", "female", "PatientSex", "F", NULL},
        {SOURCE, "Characteristics[Gender]", "Male", "PatientSex", "M", NULL},
        {SOURCE, "Characteristics[Sex]", "other", "PatientSex", "O", NULL},
        {SOURCE, "Characteristics[Sex]", "unknown", "PatientSex", "", NULL},
        {SOURCE, "Characteristics[Sex]", "weiblich", "PatientSex", "", "unknown-value"},
        {SOURCE, "Characteristics[Sex]", "n/a", "PatientSex", "", NULL},
        {SOURCE, "Characteristics[Neutered]", "ovariectomized", "PatientSexNeutered", "ALTERED",
         NULL},
        {SOURCE, "Characteristics[Neutered]", "no", "PatientSexNeutered", "UNALTERED", NULL},
        {SOURCE, "Characteristics[Neutered]", "maybe", "PatientSexNeutered", NULL, "unknown-value"},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void a_contrast_agent_makes_the_contrast_module(void **state)
{
    static const struct column_case cases[] = {
        {CT, "Parameter Value[Contrast agent name]", "Gadovist", "ContrastBolusAgent", "Gadovist",
         NULL},
        {CT, "Parameter Value[Contrast agent name]", "Gadovist",
         "ContrastBolusAgentSequence.CodeValue", "407976008", NULL},
        {CT, "Parameter Value[Contrast agent name]", "gadoxetate disodium",
         "ContrastBolusAgentSequence.CodeValue", "440223009", NULL},
        {CT, "Parameter Value[Contrast agent name]", "ExiTron nano 12000", "ContrastBolusAgent",
         "ExiTron nano 12000", "no-code"},
        {CT, "Parameter Value[Contrast agent name]", "none", "ContrastBolusAgent", NULL, NULL},
        /* enhanced, with what is not said */
        {CT, "Parameter Value[Source]", "contrast-enhanced", "ContrastBolusAgent", "", NULL},
        {CT, "Parameter Value[Source]", "Post-contrast", "ContrastBolusAgent", "", NULL},
        {CT, "Parameter Value[Source]", "native", "ContrastBolusAgent", NULL, NULL},
        {CT, "Parameter Value[Source]", "native", "00990015", "native", NULL},
        {CT, "Parameter Value[Source]\tParameter Value[Contrast agent name]", "native\tGadovist",
         "ContrastBolusAgent", NULL, "contradicting-value"},
        {CT, "Parameter Value[Source]\tParameter Value[Contrast agent name]", "native\tGadovist",
         "ContrastBolusAgentSequence.CodeValue", NULL, "contradicting-value"},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void the_injection_was_minutes_before_the_scan(void **state)
{
#define WITH_TIME "Date\tParameter Value[Contrast agent name]\tParameter Value[Time point]"
    static const struct column_case cases[] = {
        {CT, WITH_TIME, "2022-03-01T10:30\tGadovist\t20", "ContrastBolusStartTime", "101000", NULL},
        {CT, WITH_TIME, "2022-03-01T10:30:15\tGadovist\t0.5", "ContrastBolusStartTime", "102945",
         NULL},
        {CT, WITH_TIME, "2022-03-01T00:10\tGadovist\t20", "ContrastBolusStartTime", NULL, NULL},
        {CT, WITH_TIME, "2022-03-01\tGadovist\t20", "ContrastBolusStartTime", NULL, NULL},
        {CT, WITH_TIME, "2022-03-01T10:30\t\t20", "ContrastBolusStartTime", NULL, NULL},
        {CT, WITH_TIME, "2022-03-01T10:30\tGadovist\t", "ContrastBolusStartTime", NULL, NULL},
        /* it is not the study's time point */
        {CT, WITH_TIME, "2022-03-01T10:30\tGadovist\t20", "ClinicalTrialTimePointID", "p1", NULL},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

/* ---- time -------------------------------------------------------------------------------------
 */

static void weeks_and_days_of_the_study_are_its_time_points(void **state)
{
    static const struct column_case cases[] = {
        {SAMPLE, "Factor Value[week]\tUnit", "8\tweek", "ClinicalTrialTimePointID", "w8", NULL},
        {SAMPLE, "Factor Value[week]\tUnit", "8\tweek", "LongitudinalTemporalOffsetFromEvent", "56",
         NULL},
        {SAMPLE, "Factor Value[week]", "0.5", "LongitudinalTemporalOffsetFromEvent", "3.5", NULL},
        {SAMPLE, "Factor Value[week]", "8", "LongitudinalTemporalEventType", "BASELINE", NULL},
        {SAMPLE, "Factor Value[week]", "baseline", "ClinicalTrialTimePointID", "baseline", NULL},
        {SAMPLE, "Factor Value[week]", "baseline", "LongitudinalTemporalEventType", NULL, NULL},
        {SAMPLE, "Factor Value[week]\tUnit", "14\tday", "ClinicalTrialTimePointID", "14", NULL},
        {SAMPLE, "Factor Value[week]\tUnit", "14\tday", "LongitudinalTemporalOffsetFromEvent", "14",
         NULL},
        {SAMPLE, "Factor Value[Study day]", "14", "ClinicalTrialTimePointID", "d14", NULL},
        /* "Time point" is minutes after injection, but not in weeks */
        {SAMPLE, "Factor Value[time point]\tUnit", "8\tweek", "00990014", NULL, NULL},
        {SAMPLE, "Factor Value[time point]\tUnit", "8\tweek", "LongitudinalTemporalOffsetFromEvent",
         "56", NULL},
        {SAMPLE, "Factor Value[time point]", "20", "00990014", "20", NULL},
        {SAMPLE, "Factor Value[time point]", "20", "LongitudinalTemporalOffsetFromEvent", NULL,
         NULL},
        {SAMPLE, "Factor Value[time point]", "20", "LongitudinalTemporalEventType", NULL, NULL},
        {SAMPLE, "Factor Value[time point]", "baseline", "ClinicalTrialTimePointID", "baseline",
         "bad-number"},
        {SAMPLE, "Characteristics[Visit]", "first", "ClinicalTrialTimePointID", "first", NULL},
        {SAMPLE, "Factor Value[diet]", "chow", "ClinicalTrialTimePointID", "p1", NULL},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void dates_are_those_of_the_calendar(void **state)
{
    static const struct column_case cases[] = {
        {CT, "Date", "2024-01-05", "StudyDate", "20240105", NULL},
        {CT, "Date", "20240105", "StudyDate", "20240105", NULL},
        {CT, "Date", "2024-02-29T23:59:58", "AcquisitionTime", "235958", NULL},
        {CT, "Date", "2023-02-29", "StudyDate", NULL, "bad-date"},
        {CT, "Date", "05.01.2024", "StudyDate", NULL, "bad-date"},
        {CT, "Date", "", "StudyDate", NULL, NULL},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

static void the_drawing_of_outlines_says_nothing_of_the_scan(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT", "Source Name\tSample Name\nm1\tp1\n",
                "Sample Name\tProtocol REF\tParameter Value[Brand]\tDate\tPerformer\tAssay Name\t"
                "Image File\tProtocol REF\tParameter Value[Organ]\tDate\tPerformer\t"
                "Derived Data File\n"
                "p1\tscan\tBruker\t\t\ta1\tx.nii\toutline\tliver\t2023-05-05\tAnn Otator\tl.nii\n");
    const struct mur_scan *scan = &fixture->list->scans[0];
    expect_of(scan, "StudyDate", NULL, "no date of the scan");
    expect_of(scan, "OperatorsName", NULL, "no operator of the scan");
    read_tables(fixture, "CT", "Source Name\tSample Name\nm1\tp1\n",
                "Sample Name\tProtocol REF\tParameter Value[Organ]\tDate\tPerformer\tAssay Name\t"
                "Image File\tDerived Data File\n"
                "p1\tscan\tliver\t2023-05-05\tAnn Otator\ta1\tx.nii\tl.nii\n");
    expect_of(&fixture->list->scans[0], "StudyDate", "20230505", "one protocol for both");
}

/* ---- which scan, which animal ------------------------------------------------------------------
 */

static void modalities_are_those_of_dicom(void **state)
{
    static const struct {
        const char *technology, *modality, *is;
    } cases[] = {
        {"", "CT", "CT"},
        {"", "MRI", "MR"},
        {"", "US", "US"},
        {"", "Ultrasound", "US"},
        {"magnetic resonance imaging", "MRI-CT", "MR"},
        {"computed tomography", "MRI-CT", "CT"},
        {"", "MRI-CT", ""}, /* the image tells */
        {"computed tomography", "MRI", "MR"},
        {"micro-computed tomography", "", "CT"},
        {"mass spectrometry", "", ""},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct fixture *fixture = *state;
        struct mur_error error = MUR_ERROR_INIT;
        MUR_AUTO_FREE char *assay = NULL;
        assert_int_equal(mur_text_format(&assay, &error,
                                         "Sample Name\tProtocol REF\t"
                                         "Parameter Value[Image modality]\tAssay Name\tImage File\n"
                                         "p1\tscan\t%s\ta1\tx.nii\n",
                                         cases[i].modality),
                         MUR_OK);
        read_tables(fixture, cases[i].technology, "Source Name\tSample Name\nm1\tp1\n", assay);
        assert_string_equal(fixture->list->scans[0].modality, cases[i].is);
    }
}

static void pooled_animals_are_one_patient_and_contradictions_are_said(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT",
                "Source Name\tCharacteristics[Sex]\tCharacteristics[Animal strain]\tSample Name\n"
                "m1\tfemale\tSKH1\tp\nm2\tmale\tSKH1\tp\n",
                "Sample Name\tAssay Name\tImage File\np\ta1\tx.nii\n");
    const struct mur_scan *scan = &fixture->list->scans[0];
    expect_of(scan, "PatientID", "S:m1+m2", "pool");
    expect_of(scan, "PatientSex", "F", "the first");
    expect_of(scan, "StrainDescription", "SKH1", "both");
    assert_non_null(said(fixture, "pooled-scan", "m1+m2"));
    assert_non_null(said(fixture, "contradicting-value", "'female' (m1) / 'male' (m2)"));
    assert_null(said(fixture, "contradicting-value", "strain"));
    /* Both can be asked for. */
    size_t sexes = 0;
    for (size_t i = 0; i < scan->isa_attribute_count; i++)
        sexes += strcmp(scan->isa_attributes[i].name, "Sex") == 0;
    assert_int_equal(sexes, 2);
}

static void samples_of_one_animal_are_its_sessions(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT",
                "Source Name\tSample Name\tFactor Value[week]\nm1\tp1\t8\nm1\tp2\t24\n",
                "Sample Name\tAssay Name\tImage File\np1\ta1\tx.nii\np2\ta2\ty.nii\n");
    assert_int_equal(fixture->list->count, 2);
    for (size_t i = 0; i < 2; i++)
        expect_of(&fixture->list->scans[i], "PatientID", "S:m1", "split");
    assert_string_equal(fixture->list->scans[0].session, "p1");
    assert_string_equal(fixture->list->scans[1].session, "p2");
}

static void scans_of_one_session_say_the_same_of_it(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT", "Source Name\tSample Name\nm1\tp1\nm1\tp2\n",
                "Sample Name\tProtocol REF\tParameter Value[Sex]\tParameter Value[Disease model]\t"
                "Date\tAssay Name\tImage File\n"
                "p1\tscan\tfemale\t\t2022-03-01\ta1\tx.nii\n"
                "p1\tscan\t\tMASH\t2022-03-02\ta2\ty.nii\n"
                "p2\tscan\tmale\t\t2022-06-01\ta3\tz.nii\n");
    for (size_t i = 0; i < 3; i++) {
        const struct mur_scan *scan = &fixture->list->scans[i];
        expect_of(scan, "PatientSex", "F", "of the animal");
        expect_of(scan, "AdmittingDiagnosesDescription", i < 2 ? "MASH" : NULL, "of the session");
        expect_of(scan, "StudyDate", i < 2 ? "20220301" : "20220601", "of the session");
        expect_of(scan, "SeriesDate",
                  i == 0   ? "20220301"
                  : i == 1 ? "20220302"
                           : "20220601",
                  "of the scan");
        for (size_t v = 1; v < scan->value_count; v++)
            assert_true(
                mur_attribute_path_compare(&scan->values[v - 1].path, &scan->values[v].path) < 0);
    }
    assert_non_null(said(fixture, "contradicting-value", "PatientSex of animal 'm1' is 'F'"));
    assert_non_null(said(fixture, "contradicting-value", "StudyDate of session 'p1'"));
}

static void numbers_with_a_unit_in_the_cell_are_numbers(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT",
                "Source Name\tCharacteristics[Weight]\tCharacteristics[Lot]\tSample Name\n"
                "m1\t21.3 g\t21.3 parrots\tp1\n",
                "Sample Name\tAssay Name\tImage File\np1\ta1\tx.nii\n");
    const struct mur_scan *scan = &fixture->list->scans[0];
    size_t seen = 0;
    for (size_t i = 0; i < scan->isa_attribute_count; i++) {
        const struct mur_scan_attribute *is = &scan->isa_attributes[i];
        if (strcmp(is->name, "Weight") == 0) {
            assert_true(is->has_number);
            assert_true(is->number > 21.29 && is->number < 21.31);
            assert_string_equal(is->text, "21.3 g");
            seen++;
        } else if (strcmp(is->name, "Lot") == 0) {
            assert_false(is->has_number);
            seen++;
        }
    }
    assert_int_equal(seen, 2);
}

static void ear_tags_and_chips_are_other_patient_ids(void **state)
{
    static const struct column_case cases[] = {
        {SOURCE, "Characteristics[Ear tag]", "E12", "OtherPatientIDsSequence.PatientID", "E12",
         NULL},
        {SOURCE, "Characteristics[Ear tag]", "E12", "OtherPatientIDsSequence.TypeOfPatientID",
         "TEXT", NULL},
        {SOURCE, "Characteristics[Transponder]", "985112",
         "OtherPatientIDsSequence.TypeOfPatientID", "RFID", NULL},
    };
    check_all(state, cases, MUR_COUNT(cases));
}

/* ---- outlines ---------------------------------------------------------------------------------
 */

static void masks_are_listed_in_one_cell_or_one_a_row(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT", "Source Name\tSample Name\nm1\tp1\n",
                "Sample Name\tAssay Name\tImage File\tProtocol REF\tParameter Value[Organ]\t"
                "Performer\tDerived Data File\n"
                "p1\ta1\tx.nii\toutline\tliver; spleen;tumor\tJo\tl.nii; s.nii;t.nii\n"
                "p1\ta2\ty.nii\toutline\tliver\tDoe, Jo\tl2.nii\n"
                "p1\ta2\ty.nii\toutline\tspleen\tDoe, Jo\ts2.nii\n");
    for (size_t s = 0; s < 2; s++) {
        const struct mur_scan *scan = &fixture->list->scans[s];
        assert_int_equal(scan->segmentation_count, 1);
        const struct mur_scan_segmentation *is = &scan->segmentations[0];
        assert_int_equal(is->file_count, s == 0 ? 3 : 2);
        assert_int_equal(is->segment_count, is->file_count);
        for (size_t i = 0; i < is->segment_count; i++) {
            assert_int_equal(is->segments[i].file, i);
            assert_int_equal(is->segments[i].label_value, 0);
        }
        assert_string_equal(is->segments[1].label, "spleen");
    }
    assert_string_equal(fixture->list->scans[0].segmentations[0].files[1].cell, "s.nii");
}

static void who_drew_outlines_made_them_and_not_the_scan(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT", "Source Name\tSample Name\nm1\tp1\n",
                "Sample Name\tProtocol REF\tParameter Value[Brand]\tPerformer\tAssay Name\t"
                "Image File\tProtocol REF\tParameter Value[Organ]\tPerformer\tDerived Data File\n"
                "p1\tscan\tBruker\tScan, Ann\ta1\tx.nii\toutline\tliver\tDoe, Jo\tl.nii\n");
    expect_of(&fixture->list->scans[0], "OperatorsName", "Scan^Ann", "of the scan");
    assert_string_equal(fixture->list->scans[0].segmentations[0].creator, "Doe^Jo");
}

static void long_names_of_organs_are_cut_and_it_is_said(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT", "Source Name\tSample Name\nm1\tp1\n",
                "Sample Name\tAssay Name\tImage File\tParameter Value[Organ]\t"
                "Derived Data File\np1\ta1\tx.nii\t" SIXTY_FOUR "4\tl.nii\n");
    const struct mur_scan_segment *is = fixture->list->scans[0].segmentations[0].segments;
    assert_string_equal(is->label, SIXTY_FOUR);
    assert_string_equal(is->organ, SIXTY_FOUR "4");
    assert_non_null(said(fixture, "value-cut", SIXTY_FOUR "4"));
}

static void a_label_description_of_the_study_holds_for_all_maps(void **state)
{
    struct fixture *fixture = *state;
    read_tables(fixture, "CT\nComment[Label description file]\tall.label",
                "Source Name\tSample Name\nm1\tp1\n",
                "Sample Name\tAssay Name\tImage File\tDerived Data File\np1\ta1\tx.nii\tl.nii\n");
    const struct mur_scan *scan = &fixture->list->scans[0];
    assert_int_equal(scan->segmentation_count, 1);
    assert_string_equal(scan->segmentations[0].label_description.cell, "all.label");
}

static void labels_and_files_may_have_meanings_of_the_site(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *file, *organ;
    } files[] = {{"m1_kidney_left.nii.gz", "kidney left"},
                 {"a/b/Liver.nii", "liver"},
                 {"m1-w8-spleen.img", "spleen"},
                 {"m1_labels.nii", NULL},
                 {".nii", NULL}};
    for (size_t i = 0; i < MUR_COUNT(files); i++) {
        const struct mur_organ *organ =
            mur_organs_find_file(mur_mapping_organs(fixture->mapping), files[i].file);
        assert_true((organ == NULL) == (files[i].organ == NULL));
        if (organ != NULL)
            assert_string_equal(organ->name, files[i].organ);
    }
    static const struct {
        const char *labels, *problem;
    } cases[] = {
        {"{ value = 7; organ = \"Hepar\"; }", NULL},
        {"{ value = 7; organ = \"notochord\"; }", "organ"},
        {"{ value = 7; organ = \"liver\"; }, { value = 7; organ = \"liver\"; }", "twice"},
        {"{ organ = \"liver\"; }", "value"},
    };
    for (size_t i = 0; i < MUR_COUNT(cases); i++) {
        struct mur_error error = MUR_ERROR_INIT;
        MUR_AUTO(mur_organs) *organs = NULL;
        MUR_AUTO_FREE char *text = NULL;
        MUR_AUTO_FREE char *path = NULL;
        assert_int_equal(
            mur_text_format(&text, &error,
                            "unknown = \"rest\"; labels = ( %s ); organs = ( { names = [\"liver\", "
                            "\"hepar\"]; category = [\"1\", \"SCT\", \"a\"]; type = [\"2\", "
                            "\"SCT\", \"b\"]; }, { names = [\"rest\"]; category = [\"1\", "
                            "\"SCT\", \"a\"]; type = [\"3\", \"SCT\", \"c\"]; } );\n",
                            cases[i].labels),
            MUR_OK);
        put(fixture, "s.txt", text);
        assert_int_equal(mur_path_join(&path, fixture->folder, "s.txt", &error), MUR_OK);
        enum mur_status status = mur_organs_load(&organs, path, &error);
        if (cases[i].problem == NULL) {
            assert_int_equal(status, MUR_OK);
            assert_string_equal(mur_organs_find_label(organs, 7)->name, "liver");
            assert_null(mur_organs_find_label(organs, 8));
        } else {
            assert_int_equal(status, MUR_INVALID);
            assert_non_null(strstr(error.message, cases[i].problem));
        }
    }
}

static int set_up(void **state)
{
    static struct fixture fixture;
    struct mur_error error = MUR_ERROR_INIT;
    const char *base = getenv("TMPDIR");
    (void)snprintf(fixture.folder, sizeof fixture.folder, "%.40s/murpacs-col-XXXXXX",
                   base == NULL ? "/tmp" : base);
    if (mkdtemp(fixture.folder) == NULL ||
        mur_mapping_load(&fixture.mapping, MAPPING, ORGANS, &error) != MUR_OK) {
        (void)fprintf(stderr, "%s\n", error.message);
        return -1;
    }
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"i_x.txt", "s.txt", "a.txt", ""};
    forget(fixture);
    mur_mapping_free(fixture->mapping);
    for (size_t i = 0; i < MUR_COUNT(names); i++) {
        char path[96];
        (void)snprintf(path, sizeof path, "%s/%s", fixture->folder, names[i]);
        (void)remove(path);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_are_converted_exactly),
        cmocka_unit_test(decimals_have_sixteen_characters_or_it_is_said),
        cmocka_unit_test(what_is_no_number_is_said_and_not_written),
        cmocka_unit_test(ages_take_the_first_unit_that_has_room),
        cmocka_unit_test(long_texts_are_cut_and_it_is_said),
        cmocka_unit_test(the_profile_s_fields_sit_in_columns_of_any_kind),
        cmocka_unit_test(species_have_codes_or_it_is_said),
        cmocka_unit_test(strains_are_kept_as_they_are_written),
        cmocka_unit_test(sex_is_a_letter_and_neutered_a_word),
        cmocka_unit_test(a_contrast_agent_makes_the_contrast_module),
        cmocka_unit_test(the_injection_was_minutes_before_the_scan),
        cmocka_unit_test(weeks_and_days_of_the_study_are_its_time_points),
        cmocka_unit_test(dates_are_those_of_the_calendar),
        cmocka_unit_test(the_drawing_of_outlines_says_nothing_of_the_scan),
        cmocka_unit_test(modalities_are_those_of_dicom),
        cmocka_unit_test(pooled_animals_are_one_patient_and_contradictions_are_said),
        cmocka_unit_test(samples_of_one_animal_are_its_sessions),
        cmocka_unit_test(scans_of_one_session_say_the_same_of_it),
        cmocka_unit_test(numbers_with_a_unit_in_the_cell_are_numbers),
        cmocka_unit_test(ear_tags_and_chips_are_other_patient_ids),
        cmocka_unit_test(masks_are_listed_in_one_cell_or_one_a_row),
        cmocka_unit_test(who_drew_outlines_made_them_and_not_the_scan),
        cmocka_unit_test(long_names_of_organs_are_cut_and_it_is_said),
        cmocka_unit_test(a_label_description_of_the_study_holds_for_all_maps),
        cmocka_unit_test(labels_and_files_may_have_meanings_of_the_site),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
