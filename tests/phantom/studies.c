#include "tests/phantom/studies.h"

/* tables are easier to compare when a row is not spread over twenty lines */
/* clang-format off */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- organs: SNOMED CT codes of DICOM's context groups ---- */

#define LIVER_TISSUES (TISSUE(LIVER) | TISSUE(LIVER_VESSEL))
#define KIDNEY_TISSUES (TISSUE(KIDNEY_CORTEX) | TISSUE(KIDNEY_MEDULLA))
#define HEART_TISSUES (TISSUE(HEART) | TISSUE(HEART_BLOOD))
#define STOMACH_TISSUES (TISSUE(STOMACH) | TISSUE(STOMACH_CONTENT))
#define GUT_TISSUES (TISSUE(INTESTINE) | TISSUE(INTESTINE_CONTENT))
#define SPINE_TISSUES (TISSUE(VERTEBRA) | TISSUE(SPINAL_CORD))
#define ORGAN(variable, name, file, code, tissues)                                                 \
    static const struct organ variable = {name, file, code, tissues, tissues, false}

static const struct organ liver = {
    "liver", "liver", "10200004", LIVER_TISSUES, LIVER_TISSUES | TISSUE(TUMOUR), false};
static const struct organ hcc = {"HCC", "hcc", "86049000", TISSUE(TUMOUR), TISSUE(TUMOUR), true};
ORGAN(lungs, "lungs", "lungs", "39607008", TISSUE(LUNG));
ORGAN(heart, "heart", "heart", "80891009", HEART_TISSUES);
ORGAN(kidneys, "kidneys", "kidneys", "64033007", KIDNEY_TISSUES);
ORGAN(spleen, "spleen", "spleen", "78961009", TISSUE(SPLEEN));
ORGAN(stomach, "stomach", "stomach", "69695003", STOMACH_TISSUES);
ORGAN(intestines, "intestines", "intestines", "113276009", GUT_TISSUES);
ORGAN(brain, "brain", "brain", "12738006", TISSUE(BRAIN));
ORGAN(spine, "spine", "spine", "421060004", SPINE_TISSUES);
ORGAN(spinal_cord, "spinal cord", "spinal_cord", "2748008", TISSUE(SPINAL_CORD));
ORGAN(bladder, "bladder", "bladder", "89837001", TISSUE(BLADDER));
ORGAN(bone, "bone", "bone", "272673000", TISSUE(BONE));
ORGAN(visceral_fat, "visceral fat", "visceral_fat", "248300009", TISSUE(VISCERAL_FAT));
ORGAN(subcutaneous_fat, "subcutaneous fat", "subcutaneous_fat", "67769002",
      TISSUE(SUBCUTANEOUS_FAT));

#define LABELS(array) .organs = (array), .organ_count = COUNT(array)

/* values with gaps, as hand-made maps have them */
static const struct organ_label hcc_labels[] = {
    {&liver, 10}, {&spleen, 20}, {&kidneys, 30}, {&hcc, 31}};
static const struct organ_label fibrosis_labels[] = {
    {&liver, 1}, {&spleen, 2}, {&kidneys, 3}, {&stomach, 4}, {&visceral_fat, 8}};
static const struct organ_label diet_labels[] = {{&liver, 1},
                                                 {&lungs, 2},
                                                 {&heart, 3},
                                                 {&kidneys, 4},
                                                 {&spleen, 5},
                                                 {&stomach, 6},
                                                 {&intestines, 7},
                                                 {&bladder, 8},
                                                 {&spine, 9},
                                                 {&bone, 10},
                                                 {&brain, 11},
                                                 {&visceral_fat, 12},
                                                 {&subcutaneous_fat, 13}};
static const struct organ_label icam_labels[] = {
    {&liver, 100}, {&lungs, 200}, {&heart, 250}, {&visceral_fat, 300}};
static const struct organ_label nude_ct_labels[] = {{&liver, 1},   {&lungs, 2},   {&heart, 3},
                                                    {&kidneys, 4}, {&bladder, 5}, {&spine, 6}};
static const struct organ_label nude_mr_labels[] = {{&liver, 1}, {&kidneys, 2}, {&spleen, 3},
                                                    {&brain, 4}, {&bladder, 5}, {&spinal_cord, 6}};

/* ---- devices ---- */

static const struct device mr_9t = {"Bruker", "BioSpec 94/20 USR",
                                    "RF Res 400 1H 075/040 QSN TR volume coil", 9.4};
static const struct device mr_7t = {"Bruker", "BioSpec 70/20 USR",
                                    "RF Res 300 1H 112/086 QSN TO AD volume coil", 7.0};
static const struct device mr_3t = {"MR Solutions", "MRS-DRYMAG 3.0T",
                                    "mouse whole body quadrature coil 35 mm", 3.0};
static const struct device ct_cube = {"Molecubes", "X-CUBE", "", 0};
static const struct device ct_oi = {"MILabs", "U-CT OI", "", 0};
static const struct device ct_other = {"other", "Duo Tomograph 30", "", 0};

/* ---- groups ---- */

#define NO_TERM {"", "", ""}
#define MASH {"MASH", "", ""}
#define BLACK6J {"C57BL/6J", "MGI", "MGI:3028467"}
#define BLACK6N {"C57BL/6N", "", ""}
#define ICAM_STRAIN {"B6.129S4-Icam1tm1Jcgr/J", "", ""}
#define ICAM_MUTANT "ICAM-1\xe2\x81\xbb/\xe2\x81\xbb" /* superscript minus, twice */

static const struct group hcc_groups[] = {
    {.animals = 6, .diet = "standard chow", .genotype = "NEMO\xce\x94hepa (Alb-Cre Ikbkg fl/fl)",
     .treatment = "none", .strain = BLACK6J,
     .disease = {"hepatocellular carcinoma", "SCT", "25370001"}, .tumours = 4,
     .liver = {1.06, 1.18}, .fat = {0.9, 0.8}, .liver_fat = {0.05, 0.04}, .fibrosis = 0.6,
     .spleen = 1.15, .extra_grams = 1},
    {.animals = 3, .diet = "standard chow", .genotype = "Ikbkg fl/fl", .treatment = "none",
     .strain = BLACK6J, .disease = NO_TERM, .healthy = true, .liver = {1, 1}, .fat = {1, 1.1},
     .spleen = 1, .extra_grams = 2.5},
};

static const struct group fibrosis_groups[] = {
    {.animals = 4, .diet = "standard chow", .genotype = "wild type",
     .treatment = "carbon tetrachloride 0.6 mL/kg, twice a week", .strain = BLACK6N,
     .disease = {"liver fibrosis (CCl4)", "", ""}, .liver = {1.05, 1.05}, .fat = {0.85, 0.85},
     .liver_fat = {0.03, 0.03}, .fibrosis = 1, .spleen = 1.2},
    {.animals = 4, .diet = "Western diet", .genotype = "wild type", .treatment = "none",
     .strain = BLACK6N, .disease = MASH, .liver = {1.18, 1.18}, .fat = {1.4, 1.4},
     .liver_fat = {0.25, 0.25}, .fibrosis = 0.4, .spleen = 1.1, .extra_grams = 4},
    {.animals = 4, .diet = "standard chow", .genotype = "wild type", .treatment = "vehicle",
     .strain = BLACK6N, .disease = NO_TERM, .healthy = true, .liver = {1, 1}, .fat = {1, 1},
     .spleen = 1, .extra_grams = 1.5},
};

static const struct group diet_groups[] = {
    {.animals = 7, .diet = "standard chow", .genotype = "wild type", .treatment = "none",
     .strain = BLACK6J, .disease = NO_TERM, .healthy = true, .liver = {1, 1.02}, .fat = {1, 1.1},
     .spleen = 1},
    {.animals = 7, .diet = "Western diet", .genotype = "wild type", .treatment = "none",
     .strain = BLACK6J, .disease = MASH, .liver = {1.08, 1.24}, .fat = {1.3, 1.75},
     .liver_fat = {0.15, 0.3}, .fibrosis = 0.2, .spleen = 1.1, .extra_grams = 3.5},
    {.animals = 7, .diet = "Western diet + oat beta-glucan", .genotype = "wild type",
     .treatment = "none", .strain = BLACK6J, .disease = MASH, .liver = {1.05, 1.12},
     .fat = {1.2, 1.4}, .liver_fat = {0.1, 0.18}, .fibrosis = 0.1, .spleen = 1.05,
     .extra_grams = 2.5},
};

static const struct group icam_groups[] = {
    {.animals = 6, .diet = "standard chow", .genotype = "wild type", .treatment = "none",
     .strain = BLACK6J, .disease = NO_TERM, .healthy = true, .liver = {1, 1}, .fat = {1, 1},
     .spleen = 1},
    {.animals = 6, .diet = "high-fat diet", .genotype = "wild type", .treatment = "none",
     .strain = BLACK6J, .disease = MASH, .liver = {1.15, 1.15}, .fat = {1.5, 1.5},
     .liver_fat = {0.22, 0.22}, .fibrosis = 0.2, .spleen = 1.1, .extra_grams = 3},
    {.animals = 6, .diet = "standard chow", .genotype = ICAM_MUTANT, .treatment = "none",
     .strain = ICAM_STRAIN, .disease = NO_TERM, .healthy = true, .liver = {0.98, 0.98},
     .fat = {1.1, 1.1}, .spleen = 1.1, .extra_grams = 0.5},
    {.animals = 6, .diet = "high-fat diet", .genotype = ICAM_MUTANT, .treatment = "none",
     .strain = ICAM_STRAIN, .disease = MASH, .liver = {1.2, 1.2}, .fat = {1.7, 1.7},
     .liver_fat = {0.28, 0.28}, .fibrosis = 0.3, .spleen = 1.2, .extra_grams = 4},
};

static const struct group nude_groups[] = {
    {.animals = 14, .diet = "standard chow", .genotype = "Foxn1nu/Foxn1nu", .treatment = "none",
     .strain = {"BALB/cAnNRj-Foxn1nu", "", ""}, .disease = NO_TERM, .healthy = true,
     .liver = {1, 1}, .fat = {0.7, 0.7}, .spleen = 1},
};

/* ---- kinds of scan ---- */

#define AXIAL_MR .image_type = "ORIGINAL\\PRIMARY\\OTHER", .orientation = AXIAL_LPS
#define MR_9T_SIZE                                                                                 \
    .full = {{192, 192, 40}, {0.16, 0.16, 0.8}}, .small = {{64, 64, 20}, {0.48, 0.48, 1.6}}
#define MR_7T_SIZE                                                                                 \
    .full = {{200, 192, 40}, {0.15, 0.15, 0.8}}, .small = {{67, 62, 18}, {0.45, 0.46, 1.7}}
#define MR_3T_SIZE                                                                                 \
    .full = {{192, 400, 44}, {0.2, 0.2, 0.6}}, .small = {{65, 105, 19}, {0.55, 0.78, 1.4}}

static const struct kind hcc_kinds[] = {
    {.name = "T2_RARE", .device = &mr_9t,
     .acquisition = {.sequence = SPIN_ECHO, .noise = 0.018, .tr_ms = 3500, .te_ms = 24,
                     .flip_degrees = 90},
     .sequence_name = "RARE", .scanning_sequence = "SE", .averages = 4,
     .slice_gap = 0.125, MR_9T_SIZE, AXIAL_MR, LABELS(hcc_labels)},
    {.name = "T1_FLASH_gadoxetate", .device = &mr_9t,
     .acquisition = {.sequence = GRADIENT_ECHO, .agent = 1, .uptake = 0.7, .noise = 0.02,
                     .tr_ms = 90, .te_ms = 2.5, .flip_degrees = 60},
     .sequence_name = "FLASH", .scanning_sequence = "GR", .averages = 6,
     .agent = "gadoxetate disodium", .dose = "0.025", .dose_unit = "mmol/kg",
     .minutes_after_injection = 20, MR_9T_SIZE, AXIAL_MR, LABELS(hcc_labels)},
};

#define FIBROSIS_MR .device = &mr_7t, MR_7T_SIZE, AXIAL_MR, LABELS(fibrosis_labels)
#define FIBROSIS_FLASH .sequence_name = "FLASH", .scanning_sequence = "GR"
#define DCE_TIMES .tr_ms = 20, .te_ms = 1.8, .flip_degrees = 30
#define DCE_AGENT .agent = "gadoxetate disodium", .dose = "0.1", .dose_unit = "mmol/kg"

static const struct kind fibrosis_kinds[] = {
    {.name = "T2_TurboRARE", FIBROSIS_MR,
     .acquisition = {.sequence = SPIN_ECHO, .noise = 0.018, .tr_ms = 2800, .te_ms = 33,
                     .flip_degrees = 90},
     .sequence_name = "TurboRARE", .scanning_sequence = "SE", .averages = 3},
    {.name = "T1_FLASH", FIBROSIS_MR, FIBROSIS_FLASH, .averages = 4,
     .acquisition = {.sequence = GRADIENT_ECHO, .noise = 0.02, .tr_ms = 60, .te_ms = 2.2,
                     .flip_degrees = 35}},
    {.name = "DCE_5min", FIBROSIS_MR, FIBROSIS_FLASH, .averages = 1,
     .acquisition = {.sequence = GRADIENT_ECHO, .agent = 1, .uptake = 0.25, .noise = 0.03,
                     DCE_TIMES}, DCE_AGENT,
     .minutes_after_injection = 5},
    {.name = "DCE_20min", FIBROSIS_MR, FIBROSIS_FLASH, .averages = 1,
     .acquisition = {.sequence = GRADIENT_ECHO, .agent = 0.6, .uptake = 0.8, .noise = 0.03,
                     DCE_TIMES}, DCE_AGENT,
     .minutes_after_injection = 20},
    {.name = "DWI_b500", FIBROSIS_MR,
     .acquisition = {.sequence = SPIN_ECHO, .noise = 0.04, .tr_ms = 2500, .te_ms = 22,
                     .flip_degrees = 90, .b_value = 500},
     .sequence_name = "DtiEpi", .scanning_sequence = "EP", .averages = 2},
};

#define CT_TYPE .image_type = "ORIGINAL\\PRIMARY\\AXIAL"

static const struct kind diet_kinds[] = {
    {.name = "CT", .device = &ct_cube, .acquisition = {.sequence = CT_SCAN, .noise = 32},
     .kilovolt = 50, .microampere = 350, .exposure_ms = 32, CT_TYPE, .orientation = AXIAL_RAS,
     .full = {{256, 256, 340}, {0.24, 0.24, 0.24}},
     .small = {{70, 65, 117}, {0.7, 0.7, 0.7}}, LABELS(diet_labels)},
};

static const struct kind icam_kinds[] = {
    {.name = "CT_liver_agent", .device = &ct_oi,
     .acquisition = {.sequence = CT_SCAN, .agent = 0.9, .uptake = 0.75, .noise = 40},
     .kilovolt = 55, .microampere = 190, .exposure_ms = 75, CT_TYPE, .orientation = AXIAL_LPS,
     .agent = "ExiTron nano 12000", .dose = "4", .dose_unit = "mL/kg",
     .minutes_after_injection = 240, .full = {{256, 256, 300}, {0.14, 0.14, 0.14}},
     .small = {{81, 75, 84}, {0.5, 0.5, 0.5}}, LABELS(icam_labels)},
};

#define NUDE_MR                                                                                    \
    .device = &mr_3t, .sequence_name = "FSPGR Dixon", .scanning_sequence = "GR", .averages = 2,    \
    .orientation = CORONAL_LIP, MR_3T_SIZE, LABELS(nude_mr_labels)
#define DIXON(image)                                                                               \
    .acquisition = {.sequence = image, .noise = 0.02, .tr_ms = 25, .te_ms = 3.1, .flip_degrees = 18}

static const struct kind nude_kinds[] = {
    {.name = "CT", .device = &ct_other, .acquisition = {.sequence = CT_SCAN, .noise = 38},
     .kilovolt = 65, .microampere = 170, .exposure_ms = 90, CT_TYPE, .orientation = AXIAL_RAS,
     .full = {{256, 256, 400}, {0.2, 0.2, 0.2}},
     .small = {{61, 57, 102}, {0.8, 0.8, 0.8}}, LABELS(nude_ct_labels)},
    {.name = "MR_water", NUDE_MR, DIXON(WATER_IMAGE),
     .image_type = "DERIVED\\PRIMARY\\OTHER\\WATER"},
    {.name = "MR_fat", NUDE_MR, DIXON(FAT_IMAGE), .image_type = "DERIVED\\PRIMARY\\OTHER\\FAT"},
};

/* ---- files: a row is a variant, a column a kind of scan ---- */

static const struct style hcc_styles[][COUNT(hcc_kinds)] = {
    /* native DICOM and a converted scan of the same session */
    {{DICOM_FOLDER, UINT16, ONE_FILE, 0}, {NII, INT16, NO_OUTLINE, 0}},
    {{NII_GZ, UINT16, ONE_FILE, 0}, {NII_GZ, FLOAT32, NO_OUTLINE, 0}},
    {{DICOM_FOLDER, UINT16, FILE_PER_ORGAN, 0}, {DICOM_FOLDER, UINT16, NO_OUTLINE, 0}},
    {{NII, INT16, HEALTH_ONLY, 0}, {NII_GZ, INT16, NO_OUTLINE, 0}},
};

static const struct style fibrosis_styles[][COUNT(fibrosis_kinds)] = {
    {{NII_GZ, UINT16, FILE_PER_ORGAN, QFORM_ONLY},
     {NII_GZ, FLOAT32, NO_OUTLINE, 0},
     {NII, FLOAT32, NO_OUTLINE, 0},
     {NII, FLOAT32, NO_OUTLINE, 0},
     {NII_GZ, INT16, NO_OUTLINE, 0}},
    {{DICOM_FOLDER, UINT16, ONE_FILE, LABEL_ROWS_FLIPPED},
     {DICOM_FOLDER, UINT16, NO_OUTLINE, 0},
     {DICOM_FOLDER, UINT16, NO_OUTLINE, 0},
     {DICOM_FOLDER, UINT16, NO_OUTLINE, 0},
     {DICOM_FOLDER, UINT16, NO_OUTLINE, 0}},
    {{NII_GZ, INT16, HEALTH_ONLY, OBLIQUE},
     {NII_GZ, INT16, NO_OUTLINE, OBLIQUE},
     {NII_GZ, INT16, ONE_FILE, OBLIQUE},
     {NII_GZ, INT16, NO_OUTLINE, OBLIQUE},
     {NII, UINT16, NO_OUTLINE, OBLIQUE}},
};

static const struct style diet_styles[][COUNT(diet_kinds)] = {
    {{DICOM_FOLDER, UINT16, ONE_FILE, LABEL_ROWS_FLIPPED}},
    {{NII_GZ, INT16, ONE_FILE, MICRONS}},
    {{NII_GZ, INT16, FILE_PER_ORGAN, LEFT_HANDED}},
    {{NII, INT16, NO_OUTLINE, 0}},
};

static const struct style icam_styles[][COUNT(icam_kinds)] = {
    {{NII_GZ, INT16, ONE_FILE, OBLIQUE | LABELS_INT16}},
    {{NII, UINT16, NO_OUTLINE, LEFT_HANDED}},
    {{DICOM_FOLDER, INT16, ONE_FILE, LABELS_INT16}},
};

static const struct style nude_styles[][COUNT(nude_kinds)] = {
    {{NII_GZ, INT16, FILE_PER_ORGAN, 0}, {NII, INT16, ONE_FILE, 0}, {NII_GZ, INT16, NO_OUTLINE, 0}},
    /* native CT, converted MR */
    {{DICOM_FOLDER, INT16, ONE_FILE, 0},
     {NII_GZ, UINT16, NO_OUTLINE, 0},
     {NII_GZ, UINT16, NO_OUTLINE, 0}},
    /* two scanners, each with a Study Instance UID of its own */
    {{DICOM_FOLDER, UINT16, NO_OUTLINE, 0},
     {DICOM_FOLDER, UINT16, ONE_FILE, 0},
     {DICOM_FOLDER, UINT16, NO_OUTLINE, 0}},
};

/* ---- varied tables: what other laboratories make of the same profile ---- */

#define CHARACTERISTIC(name) "Characteristics[" name "]"
#define PARAMETER(name) "Parameter Value[" name "]"

/* as the profile has it: units with terms, columns where they belong */
static const struct variant hcc_tables[] = {
    {PARAMETER("Coil"), "Parameter Value[Receive coil]", UNIT_ALONE, NULL, 0},
};

/* comments and factors, units in names and cells */
static const struct variant fibrosis_tables[] = {
    {CHARACTERISTIC("Organism"), "Comment[Species]", UNIT_ALONE, NULL, 0},
    {CHARACTERISTIC("Animal strain"), "Comment[Strain]", UNIT_ALONE, NULL, 0},
    {CHARACTERISTIC("Sex"), "Factor Value[gender]", UNIT_ALONE, NULL, 0},
    {CHARACTERISTIC("Age"), "Characteristics[Age (days)]", UNIT_IN_NAME, "", 0},
    {CHARACTERISTIC("Body weight"), "Characteristics[Weight]", UNIT_IN_CELL, "g", 0},
    {PARAMETER("Image modality"), "Comment[Imaging modality]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Brand"), "Comment[Manufacturer]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Repetition time"), "Parameter Value[TR]", UNIT_ALONE, "s", 1e-3},
    {PARAMETER("Echo time"), "Comment[TE (ms)]", UNIT_IN_NAME, "", 0},
    {PARAMETER("Magnetic field strength"), "Parameter Value[Field strength]", UNIT_IN_CELL, "T", 0},
    {PARAMETER("Organ health status"), "Comment[Organ status]", UNIT_ALONE, NULL, 0},
};

/* other units, columns of the scan as comments behind the image */
static const struct variant diet_tables[] = {
    {CHARACTERISTIC("Body weight"), "Characteristics[Body mass]", UNIT_ALONE, "mg", 1000},
    {CHARACTERISTIC("Genotype"), "Comment[Genotype]", UNIT_ALONE, NULL, 0},
    {CHARACTERISTIC("Health status"), "Comment[Health status]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Device name"), "Comment[Scanner]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Tube voltage"), "Comment[Tube voltage]", UNIT_ALONE, "V", 1000},
    {PARAMETER("Tube current"), "Parameter Value[Tube current (mA)]", UNIT_IN_NAME, "", 1e-3},
    {PARAMETER("Exposure time per projection"), "Parameter Value[Exposure time]", UNIT_ALONE, "s",
     1e-3},
    {PARAMETER("Reconstructed voxel size"), "Parameter Value[Voxel size]", UNIT_ALONE, "mm", 1e-3},
};

/* spelling */
static const struct variant icam_tables[] = {
    {CHARACTERISTIC("Animal strain"), "Characteristics [animal_strain]", UNIT_WITH_TERM, NULL, 0},
    {CHARACTERISTIC("Sex"), "Characteristics[SEX ]", UNIT_ALONE, NULL, 0},
    {CHARACTERISTIC("Disease model"), "Characteristics[disease-model]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Image modality"), "Parameter value[image modality]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Contrast agent name"), "Parameter Value[contrast_agent]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Tube voltage"), "Parameter value[X-ray tube voltage]", UNIT_ALONE, "kVp", 0},
    {PARAMETER("Tube current"), "Parameter Value[Tube Current]", UNIT_ALONE, "\xc2\xb5""A", 0},
};

/* the fields that the profile requires and hardly more: no organism */
static const struct variant nude_tables[] = {
    {CHARACTERISTIC("Organism"), "", UNIT_ALONE, NULL, 0},
    {CHARACTERISTIC("Age"), "Factor Value[age]", UNIT_IN_CELL, "d", 0},
    {CHARACTERISTIC("Sex"), "Comment[sex]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Coil"), "Characteristics[RF coil]", UNIT_ALONE, NULL, 0},
    {PARAMETER("Flip angle"), "Parameter Value[Flip angle]", UNIT_IN_CELL, "\xc2\xb0", 0},
};

/* ---- the studies ---- */

#define TABLES(name)                                                                               \
    .groups = name##_groups, .group_count = COUNT(name##_groups), .kinds = name##_kinds,           \
    .kind_count = COUNT(name##_kinds), .styles = &name##_styles[0][0],                             \
    .variant_count = COUNT(name##_styles), .tables = name##_tables,                                \
    .table_count = COUNT(name##_tables)
#define BRUECKNER "Br\xc3\xbc" "ckner"

const struct study studies[STUDY_COUNT] = {
    {.id = "LIV-HCC-2021", .title = "Hepatocellular carcinoma in the chronically injured liver",
     .description = "High-field MRI of mice with growing liver tumours, repeated over weeks in "
                    "the same animals.",
     .design = "longitudinal study", .creator_first = "Anna", .creator_last = BRUECKNER,
     .second_first = "Jonas", .second_last = "Felder",
     .affiliation = "Institute for Phantom Imaging", .ethics = "PH-81-2021-A016",
     .supplier = "in-house breeding", .sex = "male", .animal_prefix = "Mouse_",
     .scanner_prefix = "2203_A", .factors = WEEK_FACTOR | GENOTYPE_FACTOR, .first_day = 18659,
     .age_days = 2, .centre_z = -8, .weeks = {24, 32, 40}, .week_count = 3, TABLES(hcc)},
    {.id = "LIV-FIB-2020", .title = "Multiparametric MRI of fibrosis and MASH",
     .description = "Several MRI scans per mouse: anatomy, contrast agent over time, diffusion.",
     .design = "parallel group design", .creator_first = "Mara", .creator_last = "Holt",
     .second_first = "Anna", .second_last = BRUECKNER,
     .affiliation = "Institute for Phantom Imaging", .ethics = "PH-81-2020-A007",
     .supplier = "Janvier Labs", .sex = "male", .animal_prefix = "Mouse_",
     .scanner_prefix = "20fib", .factors = DIET_FACTOR | TREATMENT_FACTOR, .first_day = 18295,
     .age_days = 56, .centre_z = -9, .weeks = {12}, .week_count = 1, TABLES(fibrosis),
     .byte_order_mark = true},
    {.id = "WD-OBG-2019", .title = "Western diet with and without oat beta-glucan",
     .description = "Whole-body CT: liver volume and distribution of fat, livers outlined by hand.",
     .design = "parallel group design", .creator_first = "Lena", .creator_last = "Quist",
     .second_first = "Tom", .second_last = "Aldous", .affiliation = "Centre for Virtual Mice",
     .ethics = "PH-84-2018-D112", .supplier = "Charles River", .sex = "female",
     .animal_prefix = "WD-", .scanner_prefix = "OBG", .factors = DIET_FACTOR | WEEK_FACTOR,
     .first_day = 17931, .age_days = 63, .centre_z = -5, .weeks = {8, 24},
     .week_count = 2, TABLES(diet)},
    {.id = "ICAM-CT-2018", .title = "Mice without a working ICAM-1 gene on high-fat diet",
     .description = "Contrast-enhanced micro-CT of the trunk.", .design = "factorial design",
     .creator_first = "Lena", .creator_last = "Quist", .second_first = "Mara",
     .second_last = "Holt", .affiliation = "Centre for Virtual Mice", .ethics = "PH-84-2017-D045",
     .supplier = "The Jackson Laboratory", .sex = "male", .animal_prefix = "IC",
     .scanner_prefix = "icam-", .factors = GENOTYPE_FACTOR | DIET_FACTOR, .first_day = 17560,
     .age_days = 49, .centre_z = -4, .weeks = {12}, .week_count = 1, TABLES(icam),
     .crlf = true},
    {.id = "NUDE-CTMR-2022", .title = "Superimposable CT and MRI of healthy nude mice",
     .description = "CT and water/fat-separated MRI in the same holder, for registration "
                    "and attenuation maps.",
     .design = "method comparison", .creator_first = "Tom", .creator_last = "Aldous",
     .second_first = "Jonas", .second_last = "Felder",
     .affiliation = "Institute for Phantom Imaging", .ethics = "PH-81-2021-A099",
     .supplier = "Janvier Labs", .sex = "female", .animal_prefix = "N",
     .scanner_prefix = "hybrid_", .factors = DIET_FACTOR, .first_day = 19090, .age_days = 70,
     .centre_z = -5, .both_modalities = true, .weeks = {0}, .week_count = 1, TABLES(nude)},
};

const struct pick small_dataset[] = {
    {0, 0, 0, 0, 0}, {0, 0, 0, 1, 0}, /* week 24: native T2 and converted T1 */
    {0, 0, 1, 0, 1},                  /* week 32 of the same mouse */
    {0, 6, 0, 0, 3},                  /* a control without an outline */
    {1, 0, 0, 0, 0}, {1, 0, 0, 1, 0},  {1, 0, 0, 3, 0}, {2, 7, 0, 0, 0}, {2, 14, 1, 0, 1},
    {3, 0, 0, 0, 1}, {3, 18, 0, 0, 0}, {4, 0, 0, 0, 0}, {4, 0, 0, 1, 0}, {4, 0, 0, 2, 0},
};
const size_t small_dataset_size = COUNT(small_dataset);
