#include "tests/phantom/isa.h"

#include <stdarg.h>
#include <string.h>

/* ---- cells ---- */

/* A table is written by running the same row function for the header and for each row. */
struct table {
    FILE *file;
    char path[PATH_SIZE];
    bool quoted;
    bool in_header;
    bool in_row;
    const struct study *varied; /* NULL: as the profile has it */
};

static struct table table_create(const char *folder, const char *name, bool quoted)
{
    struct table table = {.quoted = quoted};
    format_text(table.path, sizeof table.path, "%s/%s", folder, name);
    table.file = create_file(table.path);
    return table;
}

static void cell(struct table *table, const char *text)
{
    fprintf(table->file, table->quoted ? "%s\"%s\"" : "%s%s", table->in_row ? "\t" : "", text);
    table->in_row = true;
}

static void end_row(struct table *table)
{
    fputs(table->varied != NULL && table->varied->crlf ? "\r\n" : "\n", table->file);
    table->in_row = false;
}

static void column(struct table *table, const char *header, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How this study writes a column; NULL: as the others do. */
static const struct variant *variant_of(const struct table *table, const char *header)
{
    for (size_t i = 0; table->varied != NULL && i < table->varied->table_count; i++)
        if (strcmp(table->varied->tables[i].header, header) == 0)
            return &table->varied->tables[i];
    return NULL;
}

static void column(struct table *table, const char *header, const char *format, ...)
{
    char text[256];
    const struct variant *variant = variant_of(table, header);
    if (variant != NULL && variant->to[0] == '\0')
        return;
    if (variant != NULL)
        header = variant->to;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        die("text too long for %s", header);
    cell(table, table->in_header ? header : text);
}

static void term_column(struct table *table, const char *header, const struct term *term)
{
    const struct variant *variant = variant_of(table, header);
    column(table, header, "%s", term->text);
    if (variant != NULL && variant->place != UNIT_WITH_TERM)
        return;
    column(table, "Term Source REF", "%s", term->source);
    column(table, "Term Accession Number", "%s", term->accession);
}

static const struct term gram = {"gram", "UO", "UO:0000021"};
static const struct term days = {"day", "UO", "UO:0000033"};
static const struct term weeks = {"week", "UO", "UO:0000034"};
static const struct term minutes = {"minute", "UO", "UO:0000031"};
static const struct term milliseconds = {"millisecond", "UO", "UO:0000028"};
static const struct term micrometres = {"micrometer", "UO", "UO:0000017"};
static const struct term degrees = {"degree", "UO", "UO:0000185"};
static const struct term celsius = {"degree Celsius", "UO", "UO:0000027"};
static const struct term tesla = {"tesla", "UO", "UO:0000228"};
static const struct term kilovolts = {"kilovolt", "UO", "UO:0000248"};
static const struct term microamperes = {"microampere", "UO", "UO:0000038"};
static const struct term b_unit = {"s/mm2", "", ""};

/* An empty value has no unit. */
static void quantity(struct table *table, const char *header, const char *value,
                     const struct term *unit)
{
    const struct term none = {"", "", ""};
    const struct variant *variant = variant_of(table, header);
    const char *name = variant != NULL && variant->unit != NULL ? variant->unit : unit->text;
    if (variant != NULL && variant->place == UNIT_IN_CELL) {
        column(table, header, "%s%s%s", value, value[0] != '\0' ? " " : "",
               value[0] != '\0' ? name : "");
        return;
    }
    column(table, header, "%s", value);
    if (variant == NULL || variant->place == UNIT_WITH_TERM)
        term_column(table, "Unit", value[0] != '\0' ? unit : &none);
    else if (variant->place == UNIT_ALONE)
        column(table, "Unit", "%s", value[0] != '\0' ? name : "");
}

static void number(struct table *table, const char *header, double value, const struct term *unit)
{
    char text[32];
    const struct variant *variant = variant_of(table, header);
    double factor = variant != NULL && variant->factor > 0 ? variant->factor : 1;
    format_text(text, sizeof text, "%.6g", value * factor);
    quantity(table, header, text, unit);
}

/* ---- study and assay tables ---- */

static const struct {
    enum factor factor;
    const char *name;
    const char *type;
} factors[] = {
    {WEEK_FACTOR, "week", "time"},
    {DIET_FACTOR, "diet", "diet"},
    {GENOTYPE_FACTOR, "genotype", "genotype"},
    {TREATMENT_FACTOR, "treatment", "treatment"},
};

enum { FACTOR_KINDS = sizeof factors / sizeof factors[0] };

static void factor_columns(struct table *table, const struct session *session)
{
    const struct group *group = session->animal->group;
    unsigned used = session->animal->study->factors;
    if ((used & WEEK_FACTOR) != 0)
        number(table, "Factor Value[week]", session->week, &weeks);
    if ((used & DIET_FACTOR) != 0)
        column(table, "Factor Value[diet]", "%s", group->diet);
    if ((used & GENOTYPE_FACTOR) != 0)
        column(table, "Factor Value[genotype]", "%s", group->genotype);
    if ((used & TREATMENT_FACTOR) != 0)
        column(table, "Factor Value[treatment]", "%s", group->treatment);
}

static void study_row(struct table *table, const struct session *session)
{
    const struct animal *animal = session->animal;
    const struct group *group = animal->group;
    const struct term species = {"Mus musculus", "NCBITAXON", "NCBITaxon:10090"};
    char date[16];
    format_date(date, session->day, true);
    column(table, "Source Name", "%s", animal->name);
    term_column(table, "Characteristics[Organism]", &species);
    term_column(table, "Characteristics[Animal strain]", &group->strain);
    column(table, "Characteristics[Genotype]", "%s", group->genotype);
    column(table, "Characteristics[Supplier]", "%s", animal->study->supplier);
    column(table, "Characteristics[Sex]", "%s", animal->study->sex);
    column(table, "Characteristics[Health status]", "%s",
           group->healthy ? "healthy" : "not healthy");
    term_column(table, "Characteristics[Disease model]", &group->disease);
    column(table, "Protocol REF", "animal husbandry");
    number(table, "Parameter Value[Room temperature]", 22, &celsius);
    column(table, "Protocol REF", "sample collection");
    column(table, "Date", "%s", date);
    column(table, "Sample Name", "%s", session->sample);
    number(table, "Characteristics[Age]", session->age_days, &days);
    number(table, "Characteristics[Body weight]", session->weight, &gram);
    factor_columns(table, session);
    end_row(table);
}

static void ct_columns(struct table *table, const struct scan *scan)
{
    const struct kind *kind = scan->kind;
    double voxel_um = 1000 * grid_spacing(&scan->grid, 0);
    number(table, "Parameter Value[Tube voltage]", kind->kilovolt, &kilovolts);
    number(table, "Parameter Value[Tube current]", kind->microampere, &microamperes);
    number(table, "Parameter Value[Exposure time per projection]", kind->exposure_ms,
           &milliseconds);
    number(table, "Parameter Value[Reconstructed voxel size]", voxel_um, &micrometres);
}

static void mr_columns(struct table *table, const struct scan *scan)
{
    const struct acquisition *acquisition = &scan->kind->acquisition;
    char b_value[16] = "";
    column(table, "Parameter Value[Coil]", "%s", scan->kind->device->coil);
    column(table, "Parameter Value[Sequence]", "%s", scan->kind->sequence_name);
    number(table, "Parameter Value[Repetition time]", acquisition->tr_ms, &milliseconds);
    number(table, "Parameter Value[Echo time]", acquisition->te_ms, &milliseconds);
    number(table, "Parameter Value[Flip angle]", acquisition->flip_degrees, &degrees);
    column(table, "Parameter Value[Number of averages]", "%g", scan->kind->averages);
    number(table, "Parameter Value[Magnetic field strength]", scan->kind->device->field_tesla,
           &tesla);
    if (acquisition->b_value > 0)
        format_text(b_value, sizeof b_value, "%g", acquisition->b_value);
    quantity(table, "Parameter Value[b-value]", b_value, &b_unit);
}

/* One organ of the scan, or its state alone, or (NULL) nothing. */
static void organ_columns(struct table *table, const struct scan *scan,
                          const struct organ_label *label)
{
    char path[PATH_SIZE] = "";
    char value[16] = "";
    struct term organ = {"", "", ""};
    const char *health = "";
    bool outlined = label != NULL && scan->style->outline != HEALTH_ONLY;
    if (label != NULL) {
        bool sick = label->organ->diseased || (!scan->session->animal->group->healthy &&
                                               strcmp(label->organ->name, "liver") == 0);
        organ = (struct term){label->organ->name, "SCT", label->organ->sct_code};
        health = sick ? "not healthy" : "healthy";
    }
    if (outlined) {
        scan_label_path(path, scan, label->organ);
        format_text(value, sizeof value, "%d", scan_label_value(scan, label));
    }
    column(table, "Protocol REF", "%s", label != NULL ? "organ segmentation" : "");
    term_column(table, "Parameter Value[Organ]", &organ);
    column(table, "Parameter Value[Label value]", "%s", value);
    column(table, "Parameter Value[Organ health status]", "%s", health);
    column(table, "Parameter Value[Segmentation method]", "%s", outlined ? "manual" : "");
    column(table, "Derived Data File", "%s", path);
}

static void assay_row(struct table *table, const struct scan *scan, const struct organ_label *label)
{
    const struct session *session = scan->session;
    const struct study *study = session->animal->study;
    const struct kind *kind = scan->kind;
    const bool is_ct = kind_is_ct(kind);
    const bool native = kind->agent == NULL;
    const bool is_dicom = scan->style->container == DICOM_FOLDER;
    const struct term dose_unit = {native ? "" : kind->dose_unit, "", ""};
    char date[16];
    char after[16] = "";
    format_date(date, session->day, true);
    if (!native)
        format_text(after, sizeof after, "%d", kind->minutes_after_injection);
    column(table, "Sample Name", "%s", session->sample);
    column(table, "Protocol REF", "%s", is_ct ? "CT imaging" : "MR imaging");
    column(table, "Parameter Value[Image modality]", "%s",
           study->both_modalities ? "MRI-CT"
           : is_ct                ? "CT"
                                  : "MRI");
    column(table, "Parameter Value[Device name]", "%s", kind->device->model);
    column(table, "Parameter Value[Brand]", "%s", kind->device->brand);
    column(table, "Parameter Value[Source]", "%s", native ? "native" : "contrast-enhanced");
    column(table, "Parameter Value[Data format]", "%s", is_dicom ? "DICOM" : "NIfTI");
    column(table, "Parameter Value[Data type]", "reconstructed");
    column(table, "Parameter Value[Contrast agent name]", "%s", native ? "" : kind->agent);
    quantity(table, "Parameter Value[Contrast agent dose]", native ? "" : kind->dose, &dose_unit);
    column(table, "Parameter Value[Longitudinal data]", "%s",
           study->week_count > 1 ? "true" : "false");
    quantity(table, "Parameter Value[Time point]", after, &minutes);
    if (is_ct)
        ct_columns(table, scan);
    else
        mr_columns(table, scan);
    column(table, "Date", "%s", date);
    column(table, "Performer", "%s %s", study->second_first, study->second_last);
    column(table, "Assay Name", "%s", scan->name);
    column(table, "Raw Data File", "%s", is_dicom ? scan->path : "");
    column(table, "Image File", "%s", is_dicom ? "" : scan->path);
    organ_columns(table, scan, label);
    factor_columns(table, session);
    end_row(table);
}

static void vary(struct table *table, const struct study *study, bool varied)
{
    table->varied = varied ? study : NULL;
    if (varied && study->byte_order_mark)
        fputs("\xef\xbb\xbf", table->file);
}

static void write_study_table(const char *folder, const struct plan *plan,
                              const struct study *study, bool varied)
{
    char name[64];
    bool first = true;
    format_text(name, sizeof name, "s_%s.txt", study->id);
    struct table table = table_create(folder, name, true);
    vary(&table, study, varied);
    for (size_t s = 0; s < plan->session_count; s++) {
        const struct session *session = &plan->sessions[s];
        if (session->animal->study != study)
            continue;
        if (first) {
            table.in_header = true;
            study_row(&table, session);
            table.in_header = first = false;
        }
        study_row(&table, session);
    }
    close_file(table.file, table.path);
}

static void write_assay_table(const char *folder, const char *name, const struct plan *plan,
                              const struct study *study, bool is_ct, bool varied)
{
    bool first = true;
    struct table table = table_create(folder, name, false);
    vary(&table, study, varied);
    for (size_t s = 0; s < plan->scan_count; s++) {
        const struct scan *scan = &plan->scans[s];
        if (scan->session->animal->study != study || kind_is_ct(scan->kind) != is_ct)
            continue;
        if (first) {
            table.in_header = true;
            assay_row(&table, scan, NULL);
            table.in_header = first = false;
        }
        if (scan->style->outline == NO_OUTLINE)
            assay_row(&table, scan, NULL);
        for (size_t o = 0; scan->style->outline != NO_OUTLINE && o < scan->kind->organ_count; o++) {
            if (scan_has_organ(scan, scan->kind->organs[o].organ))
                assay_row(&table, scan, &scan->kind->organs[o]);
        }
    }
    close_file(table.file, table.path);
}

/* ---- investigation ---- */

/* One line: a label, then values up to a NULL. */
static void line(struct table *table, const char *label, ...) __attribute__((sentinel));

static void line(struct table *table, const char *label, ...)
{
    va_list values;
    fputs(label, table->file);
    table->in_row = true;
    va_start(values, label);
    for (const char *value = va_arg(values, const char *); value != NULL;
         value = va_arg(values, const char *))
        cell(table, value);
    va_end(values);
    end_row(table);
}

/* Lines that this dataset leaves empty. */
static void blank_lines(struct table *table, const char *const *labels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        line(table, labels[i], "", NULL);
}

#define BLANK_LINES(table, ...)                                                                    \
    blank_lines(table, (const char *const[]){__VA_ARGS__},                                         \
                sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void write_sources(struct table *t)
{
    line(t, "ONTOLOGY SOURCE REFERENCE", NULL);
    line(t, "Term Source Name", "NCBITAXON", "UO", "SCT", "MGI", NULL);
    line(t, "Term Source File", "http://purl.obolibrary.org/obo/ncbitaxon.owl",
         "http://purl.obolibrary.org/obo/uo.owl", "http://snomed.info/sct",
         "http://www.informatics.jax.org", NULL);
    line(t, "Term Source Version", "2023-09-19", "2023-05-25", "2022-07-31", "6.22", NULL);
    line(t, "Term Source Description", "NCBI organismal classification", "Units of measurement",
         "SNOMED CT", "Mouse Genome Informatics", NULL);
}

static void write_investigation_head(struct table *t)
{
    line(t, "INVESTIGATION", NULL);
    line(t, "Investigation Identifier", "PHANTOM-LIVER-1", NULL);
    line(t, "Investigation Title", "Made-up CT and MRI of mouse livers", NULL);
    line(t, "Investigation Description",
         "Five pooled animal studies that never took place; for tests", NULL);
    line(t, "Investigation Submission Date", "2023-02-01", NULL);
    line(t, "Investigation Public Release Date", "2023-06-01", NULL);
    line(t, "Comment[License]", "CC0-1.0", NULL);
    line(t, "INVESTIGATION PUBLICATIONS", NULL);
    BLANK_LINES(t, "Investigation PubMed ID", "Investigation Publication DOI",
                "Investigation Publication Author List", "Investigation Publication Title",
                "Investigation Publication Status",
                "Investigation Publication Status Term Accession Number",
                "Investigation Publication Status Term Source REF");
    line(t, "INVESTIGATION CONTACTS", NULL);
    line(t, "Investigation Person Last Name", "Aldous", NULL);
    line(t, "Investigation Person First Name", "Tom", NULL);
    BLANK_LINES(t, "Investigation Person Mid Initials", "Investigation Person Email",
                "Investigation Person Phone", "Investigation Person Fax",
                "Investigation Person Address");
    line(t, "Investigation Person Affiliation", "Centre for Virtual Mice", NULL);
    line(t, "Investigation Person Roles", "data curator", NULL);
    BLANK_LINES(t, "Investigation Person Roles Term Accession Number",
                "Investigation Person Roles Term Source REF");
}

static void write_study_head(struct table *t, const struct study *study, const char *file)
{
    char release[16];
    char submission[16];
    char creator[96];
    format_date(submission, study->first_day - 60, true);
    format_date(release, study->first_day + 700, true);
    format_text(creator, sizeof creator, "%s, %s", study->creator_last, study->creator_first);
    line(t, "STUDY", NULL);
    line(t, "Study Identifier", study->id, NULL);
    line(t, "Study Title", study->title, NULL);
    line(t, "Study Description", study->description, NULL);
    line(t, "Study Submission Date", submission, NULL);
    line(t, "Study Public Release Date", release, NULL);
    line(t, "Study File Name", file, NULL);
    line(t, "Comment[Creator]", creator, NULL);
    line(t, "Comment[Ethics approval]", study->ethics, NULL);
    line(t, "Comment[Ethics committee]", "Committee for Virtual Animals", NULL);
    line(t, "STUDY DESIGN DESCRIPTORS", NULL);
    line(t, "Study Design Type", study->design, NULL);
    BLANK_LINES(t, "Study Design Type Term Accession Number", "Study Design Type Term Source REF");
    line(t, "STUDY PUBLICATIONS", NULL);
    BLANK_LINES(t, "Study PubMed ID", "Study Publication DOI", "Study Publication Author List",
                "Study Publication Title", "Study Publication Status",
                "Study Publication Status Term Accession Number",
                "Study Publication Status Term Source REF");
}

static void write_factors(struct table *t, const struct study *study)
{
    line(t, "STUDY FACTORS", NULL);
    for (int what = 0; what < 2; what++) {
        fputs(what == 0 ? "Study Factor Name" : "Study Factor Type", t->file);
        t->in_row = true;
        for (int f = 0; f < FACTOR_KINDS; f++) {
            if ((study->factors & factors[f].factor) != 0)
                cell(t, what == 0 ? factors[f].name : factors[f].type);
        }
        end_row(t);
    }
    BLANK_LINES(t, "Study Factor Type Term Accession Number", "Study Factor Type Term Source REF");
}

#define IMAGING_PARAMETERS                                                                         \
    "Image modality;Device name;Brand;Source;Data format;Data type;Contrast agent name;"           \
    "Contrast agent dose;Longitudinal data;Time point"

/* A row is a protocol; those of a modality that the study lacks are left out. */
struct protocol {
    const char *name, *type, *description, *parameters;
};

static const struct protocol all_protocols[] = {
    {"animal husbandry", "husbandry", "Groups of up to five, food and water ad libitum",
     "Room temperature"},
    {"sample collection", "sample collection", "The sample is the living animal at a session", ""},
    {"CT imaging", "imaging", "Whole-body or trunk CT under isoflurane",
     IMAGING_PARAMETERS
     ";Tube voltage;Tube current;Exposure time per projection;Reconstructed voxel size"},
    {"MR imaging", "imaging", "MRI under isoflurane with respiratory gating",
     IMAGING_PARAMETERS ";Coil;Sequence;Repetition time;Echo time;Flip angle;Number of averages;"
                        "Magnetic field strength;b-value"},
    {"organ segmentation", "segmentation", "Outlined slice by slice by hand",
     "Organ;Label value;Organ health status;Segmentation method"},
};

enum {
    PROTOCOLS = sizeof all_protocols / sizeof all_protocols[0],
    CT_PROTOCOL = 2,
    MR_PROTOCOL = 3
};

static void protocol_line(struct table *t, const char *label, size_t member, bool has_ct,
                          bool has_mr)
{
    fputs(label, t->file);
    t->in_row = true;
    for (int p = 0; p < PROTOCOLS; p++) {
        const struct protocol *protocol = &all_protocols[p];
        const char *const members[] = {protocol->name, protocol->type, protocol->description,
                                       protocol->parameters};
        if ((p == CT_PROTOCOL && !has_ct) || (p == MR_PROTOCOL && !has_mr))
            continue;
        cell(t, members[member]);
    }
    end_row(t);
}

static void write_protocols(struct table *t, bool has_ct, bool has_mr)
{
    line(t, "STUDY PROTOCOLS", NULL);
    protocol_line(t, "Study Protocol Name", 0, has_ct, has_mr);
    protocol_line(t, "Study Protocol Type", 1, has_ct, has_mr);
    BLANK_LINES(t, "Study Protocol Type Term Accession Number",
                "Study Protocol Type Term Source REF");
    protocol_line(t, "Study Protocol Description", 2, has_ct, has_mr);
    BLANK_LINES(t, "Study Protocol URI", "Study Protocol Version");
    protocol_line(t, "Study Protocol Parameters Name", 3, has_ct, has_mr);
    BLANK_LINES(t, "Study Protocol Parameters Name Term Accession Number",
                "Study Protocol Parameters Name Term Source REF", "Study Protocol Components Name",
                "Study Protocol Components Type",
                "Study Protocol Components Type Term Accession Number",
                "Study Protocol Components Type Term Source REF");
}

static void write_contacts(struct table *t, const struct study *study)
{
    line(t, "STUDY CONTACTS", NULL);
    line(t, "Study Person Last Name", study->creator_last, study->second_last, NULL);
    line(t, "Study Person First Name", study->creator_first, study->second_first, NULL);
    BLANK_LINES(t, "Study Person Mid Initials", "Study Person Email", "Study Person Phone",
                "Study Person Fax", "Study Person Address");
    line(t, "Study Person Affiliation", study->affiliation, study->affiliation, NULL);
    line(t, "Study Person Roles", "creator;principal investigator", "operator", NULL);
    BLANK_LINES(t, "Study Person Roles Term Accession Number",
                "Study Person Roles Term Source REF");
}

/* A line of the assay section: the CT's value, the MRI's value, or both. */
static void assay_line(struct table *t, const char *label, const char *ct, const char *mr)
{
    if (ct != NULL && mr != NULL)
        line(t, label, ct, mr, NULL);
    else
        line(t, label, ct != NULL ? ct : mr, NULL);
}

static void write_assays(struct table *t, const char *ct_file, const char *mr_file)
{
    const bool ct = ct_file != NULL;
    const bool mr = mr_file != NULL;
    line(t, "STUDY ASSAYS", NULL);
    assay_line(t, "Study Assay File Name", ct_file, mr_file);
    assay_line(t, "Study Assay Measurement Type", ct ? "anatomical imaging" : NULL,
               mr ? "anatomical imaging" : NULL);
    BLANK_LINES(t, "Study Assay Measurement Type Term Accession Number",
                "Study Assay Measurement Type Term Source REF");
    assay_line(t, "Study Assay Technology Type", ct ? "computed tomography" : NULL,
               mr ? "magnetic resonance imaging" : NULL);
    BLANK_LINES(t, "Study Assay Technology Type Term Accession Number",
                "Study Assay Technology Type Term Source REF", "Study Assay Technology Platform");
}

static void write_study(struct table *investigation, const char *folder, const struct plan *plan,
                        const struct study *study, bool varied)
{
    char study_file[64];
    char ct_file[64];
    char mr_file[64];
    bool has_ct = false;
    bool has_mr = false;
    for (size_t s = 0; s < plan->scan_count; s++) {
        if (plan->scans[s].session->animal->study != study)
            continue;
        has_ct = has_ct || kind_is_ct(plan->scans[s].kind);
        has_mr = has_mr || !kind_is_ct(plan->scans[s].kind);
    }
    format_text(study_file, sizeof study_file, "s_%s.txt", study->id);
    format_text(ct_file, sizeof ct_file, "a_%s_CT.txt", study->id);
    format_text(mr_file, sizeof mr_file, "a_%s_MRI.txt", study->id);
    write_study_head(investigation, study, study_file);
    write_factors(investigation, study);
    write_assays(investigation, has_ct ? ct_file : NULL, has_mr ? mr_file : NULL);
    write_protocols(investigation, has_ct, has_mr);
    write_contacts(investigation, study);
    write_study_table(folder, plan, study, varied);
    if (has_ct)
        write_assay_table(folder, ct_file, plan, study, true, varied);
    if (has_mr)
        write_assay_table(folder, mr_file, plan, study, false, varied);
}

void isa_write(const char *folder, const struct plan *plan, bool varied)
{
    struct table investigation = table_create(folder, "i_Investigation.txt", true);
    write_sources(&investigation);
    write_investigation_head(&investigation);
    for (size_t s = 0; s < STUDY_COUNT; s++)
        write_study(&investigation, folder, plan, &studies[s], varied);
    close_file(investigation.file, investigation.path);
}
