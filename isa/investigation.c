#include <stdlib.h>
#include <string.h>

#include "isa/reader.h"

/** The sections of an i_ file; those of a study repeat. */
enum section_kind {
    SECTION_ONTOLOGY_SOURCES,
    SECTION_INVESTIGATION,
    SECTION_INVESTIGATION_PUBLICATIONS,
    SECTION_INVESTIGATION_CONTACTS,
    SECTION_STUDY,
    SECTION_DESIGN_DESCRIPTORS,
    SECTION_PUBLICATIONS,
    SECTION_FACTORS,
    SECTION_ASSAYS,
    SECTION_PROTOCOLS,
    SECTION_CONTACTS,
    SECTION_COUNT,
};

static const struct {
    const char *title;
    const char *labels[20];
} sections[SECTION_COUNT] = {
    [SECTION_ONTOLOGY_SOURCES] = {"ONTOLOGY SOURCE REFERENCE",
                                  {"Term Source Name", "Term Source File", "Term Source Version",
                                   "Term Source Description"}},
    [SECTION_INVESTIGATION] = {"INVESTIGATION",
                               {"Investigation Identifier", "Investigation Title",
                                "Investigation Description", "Investigation Submission Date",
                                "Investigation Public Release Date"}},
    [SECTION_INVESTIGATION_PUBLICATIONS] =
        {"INVESTIGATION PUBLICATIONS",
         {"Investigation PubMed ID", "Investigation Publication DOI",
          "Investigation Publication Author List", "Investigation Publication Title",
          "Investigation Publication Status",
          "Investigation Publication Status Term Accession Number",
          "Investigation Publication Status Term Source REF"}},
    [SECTION_INVESTIGATION_CONTACTS] =
        {"INVESTIGATION CONTACTS",
         {"Investigation Person Last Name", "Investigation Person First Name",
          "Investigation Person Mid Initials", "Investigation Person Email",
          "Investigation Person Phone", "Investigation Person Fax", "Investigation Person Address",
          "Investigation Person Affiliation", "Investigation Person Roles",
          "Investigation Person Roles Term Accession Number",
          "Investigation Person Roles Term Source REF"}},
    [SECTION_STUDY] = {"STUDY",
                       {"Study Identifier", "Study Title", "Study Description",
                        "Study Submission Date", "Study Public Release Date", "Study File Name"}},
    [SECTION_DESIGN_DESCRIPTORS] = {"STUDY DESIGN DESCRIPTORS",
                                    {"Study Design Type", "Study Design Type Term Accession Number",
                                     "Study Design Type Term Source REF"}},
    [SECTION_PUBLICATIONS] = {"STUDY PUBLICATIONS",
                              {"Study PubMed ID", "Study Publication DOI",
                               "Study Publication Author List", "Study Publication Title",
                               "Study Publication Status",
                               "Study Publication Status Term Accession Number",
                               "Study Publication Status Term Source REF"}},
    [SECTION_FACTORS] = {"STUDY FACTORS",
                         {"Study Factor Name", "Study Factor Type",
                          "Study Factor Type Term Accession Number",
                          "Study Factor Type Term Source REF"}},
    [SECTION_ASSAYS] = {"STUDY ASSAYS",
                        {"Study Assay Measurement Type",
                         "Study Assay Measurement Type Term Accession Number",
                         "Study Assay Measurement Type Term Source REF",
                         "Study Assay Technology Type",
                         "Study Assay Technology Type Term Accession Number",
                         "Study Assay Technology Type Term Source REF",
                         "Study Assay Technology Platform", "Study Assay File Name"}},
    [SECTION_PROTOCOLS] =
        {"STUDY PROTOCOLS",
         {"Study Protocol Name", "Study Protocol Type", "Study Protocol Type Term Accession Number",
          "Study Protocol Type Term Source REF", "Study Protocol Description", "Study Protocol URI",
          "Study Protocol Version", "Study Protocol Parameters Name",
          "Study Protocol Parameters Name Term Accession Number",
          "Study Protocol Parameters Name Term Source REF",
          "Study Protocol Parameters Term Accession Number", /* as the specification's CSV has it */
          "Study Protocol Parameters Term Source REF", "Study Protocol Components Name",
          "Study Protocol Components Type", "Study Protocol Components Type Term Accession Number",
          "Study Protocol Components Type Term Source REF"}},
    [SECTION_CONTACTS] = {"STUDY CONTACTS",
                          {"Study Person Last Name", "Study Person First Name",
                           "Study Person Mid Initials", "Study Person Email", "Study Person Phone",
                           "Study Person Fax", "Study Person Address", "Study Person Affiliation",
                           "Study Person Roles", "Study Person Roles Term Accession Number",
                           "Study Person Roles Term Source REF"}},
};

/** One line: a label and the values to its right. */
struct row {
    const char *label;   /* canonical; of a comment its name */
    bool comment;        /* Comment[label] */
    const char **values; /* in the archive's memory */
    size_t count;
    size_t line;
};

struct section {
    enum section_kind kind;
    size_t line;
    struct row *rows;
    size_t count;
    size_t capacity;
};

struct sections {
    struct section *items;
    size_t count;
    size_t capacity;
};

static void sections_free(struct sections *all)
{
    for (size_t i = 0; i < all->count; i++)
        free(all->items[i].rows);
    free(all->items);
}

static bool same_label(struct mur_slice text, const char *label, bool *exact)
{
    *exact = mur_slice_equal(text, label);
    if (*exact)
        return true;
    size_t i = 0; /* compare without blanks and case */
    for (; *label != '\0'; label++) {
        if (*label == ' ')
            continue;
        while (i < text.length && text.data[i] == ' ')
            i++;
        if (i == text.length || (text.data[i] | 0x20) != (*label | 0x20))
            return false;
        i++;
    }
    while (i < text.length && text.data[i] == ' ')
        i++;
    return i == text.length;
}

bool mur_isa_same_label(const char *text, const char *label)
{
    bool exact = false;
    return same_label(mur_slice_of(text), label, &exact);
}

const char *mur_isa_section_title(const char *text)
{
    for (int kind = 0; kind < SECTION_COUNT; kind++)
        if (mur_ascii_equal_ignore_case(text, sections[kind].title))
            return sections[kind].title;
    return NULL;
}

/** Comment[name] with any blanks and case. */
static bool split_comment(struct mur_slice *name, struct mur_slice text)
{
    static const char word[] = "comment";
    if (text.length < sizeof word + 1 || text.data[text.length - 1] != ']')
        return false;
    for (size_t i = 0; i < sizeof word - 1; i++)
        if ((text.data[i] | 0x20) != word[i])
            return false;
    struct mur_slice rest = mur_slice_trim(
        (struct mur_slice){text.data + sizeof word - 1, text.length - (sizeof word - 1)});
    if (rest.length < 2 || rest.data[0] != '[')
        return false;
    *name = mur_slice_trim((struct mur_slice){rest.data + 1, rest.length - 2});
    return true;
}

static enum mur_status open_section(struct sections *all, enum section_kind kind, size_t line,
                                    struct mur_error *error)
{
    if (all->count == (size_t)MUR_ISA_STUDIES * SECTION_COUNT)
        return mur_error_set(error, MUR_LIMIT, "more than %d sections",
                             MUR_ISA_STUDIES * SECTION_COUNT);
    if (all->count == all->capacity) {
        size_t capacity = all->capacity == 0 ? 16 : all->capacity * 2;
        struct section *items = reallocarray(all->items, capacity, sizeof *items);
        if (items == NULL)
            return mur_error_no_memory(error);
        all->items = items;
        all->capacity = capacity;
    }
    all->items[all->count++] = (struct section){.kind = kind, .line = line};
    return MUR_OK;
}

static enum mur_status add_row(struct section *section, struct row row, struct mur_error *error)
{
    if (section->count == MUR_ISA_SECTION_ROWS)
        return mur_error_set(error, MUR_LIMIT, "a section of more than %d rows",
                             MUR_ISA_SECTION_ROWS);
    if (section->count == section->capacity) {
        size_t capacity = section->capacity == 0 ? 16 : section->capacity * 2;
        struct row *rows = reallocarray(section->rows, capacity, sizeof *rows);
        if (rows == NULL)
            return mur_error_no_memory(error);
        section->rows = rows;
        section->capacity = capacity;
    }
    section->rows[section->count++] = row;
    return MUR_OK;
}

static const struct row *find_row(const struct section *section, const char *label)
{
    if (section == NULL)
        return NULL;
    for (size_t i = 0; i < section->count; i++)
        if (!section->rows[i].comment && strcmp(section->rows[i].label, label) == 0)
            return &section->rows[i];
    return NULL;
}

/** What was read of one i_ file, and where it goes. */
struct parsing {
    const struct mur_isa_reader *reader;
    const char *path;
    struct sections all;
};

/** Puts the values of the record, from the second cell on, into the archive's memory. */
static enum mur_status read_values(struct row *row, const struct parsing *parsing,
                                   struct mur_isa_tokenizer *tokenizer, bool more,
                                   struct mur_error *error)
{
    MUR_AUTO_FREE const char **values = NULL;
    size_t count = 0;
    size_t capacity = 0;
    enum mur_status status = MUR_OK;
    while (more) {
        struct mur_isa_token token;
        status = mur_isa_next_cell(&token, tokenizer, error);
        if (status == MUR_OK)
            status = mur_isa_report_token(parsing->reader, parsing->path, &token, error);
        if (status == MUR_OK && count == MUR_ISA_ROW_VALUES)
            status =
                mur_error_set(error, MUR_LIMIT, "more than %d values in a row", MUR_ISA_ROW_VALUES);
        if (status != MUR_OK)
            return status;
        if (count == capacity) {
            capacity = capacity == 0 ? 16 : capacity * 2;
            const char **grown = reallocarray(values, capacity, sizeof *values);
            if (grown == NULL)
                return mur_error_no_memory(error);
            values = grown;
        }
        status = mur_isa_intern(&values[count++], parsing->reader->strings,
                                mur_slice_trim(token.text), error);
        if (status != MUR_OK)
            return status;
        more = !token.last;
    }
    while (count > 0 && values[count - 1][0] == '\0')
        count--;
    status = mur_isa_allocate(&row->values, parsing->reader->strings, count, sizeof *values, error);
    if (status != MUR_OK)
        return status;
    if (count > 0)
        memcpy(row->values, values, count * sizeof *values);
    row->count = count;
    return MUR_OK;
}

/** Recognises a label of this section; NULL when it has none such. */
static const char *find_label(enum section_kind kind, struct mur_slice text, bool *exact)
{
    for (size_t i = 0; i < MUR_COUNT(sections[kind].labels) && sections[kind].labels[i] != NULL;
         i++)
        if (same_label(text, sections[kind].labels[i], exact))
            return sections[kind].labels[i];
    return NULL;
}

static enum mur_status read_record(struct parsing *parsing, struct mur_isa_tokenizer *tokenizer,
                                   struct mur_error *error)
{
    const struct mur_isa_reader *reader = parsing->reader;
    struct mur_isa_token token;
    enum mur_status status = mur_isa_next_cell(&token, tokenizer, error);
    if (status == MUR_OK)
        status = mur_isa_report_token(reader, parsing->path, &token, error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_FREE char *text = NULL; /* the token's own text ends with the next cell */
    status = mur_text_copy(&text, mur_slice_trim(token.text), error);
    if (status != MUR_OK)
        return status;
    struct row row = {.line = token.line};
    status = read_values(&row, parsing, tokenizer, !token.last, error);
    if (status != MUR_OK)
        return status;
    struct mur_slice label = mur_slice_of(text);
    for (int kind = 0; kind < SECTION_COUNT; kind++)
        if (mur_ascii_equal_ignore_case(text, sections[kind].title) && row.count == 0)
            return open_section(&parsing->all, (enum section_kind)kind, row.line, error);
    if (parsing->all.count == 0)
        return mur_isa_report(reader, MUR_ISA_WARNING, "unknown-label", parsing->path, row.line,
                              error, "'%s' stands before the first section", text);
    struct section *section = &parsing->all.items[parsing->all.count - 1];
    bool exact = true;
    struct mur_slice name = {"", 0};
    row.comment = split_comment(&name, label);
    if (row.comment) {
        status = mur_isa_intern(&row.label, reader->strings, name, error);
        if (status != MUR_OK)
            return status;
        return add_row(section, row, error);
    }
    row.label = find_label(section->kind, label, &exact);
    if (row.label == NULL)
        return mur_isa_report(reader, MUR_ISA_WARNING, "unknown-label", parsing->path, row.line,
                              error, "'%s' does not belong to section %s", text,
                              sections[section->kind].title);
    if (!exact) {
        status = mur_isa_report(reader, MUR_ISA_WARNING, "header-normalised", parsing->path,
                                row.line, error, "'%s' -> '%s'", text, row.label);
        if (status != MUR_OK)
            return status;
    }
    if (find_row(section, row.label) != NULL)
        return mur_isa_report(reader, MUR_ISA_WARNING, "duplicate-label", parsing->path, row.line,
                              error, "'%s' stands twice in this section: the first one is kept",
                              row.label);
    return add_row(section, row, error);
}

/* ---- from rows to structs ------------------------------------------------------------------- */

static const char *value_of(const struct section *section, const char *label, size_t column)
{
    const struct row *row = find_row(section, label);
    return row == NULL || column >= row->count ? "" : row->values[column];
}

/** How many entities a section lists: columns that have any value besides comments. */
static size_t width_of(const struct section *section)
{
    size_t width = 0;
    for (size_t i = 0; section != NULL && i < section->count; i++)
        if (!section->rows[i].comment && section->rows[i].count > width)
            width = section->rows[i].count;
    return width;
}

/** Whether the column says anything at all: gaps between entities are not entities. */
static bool has_column(const struct section *section, size_t column)
{
    for (size_t i = 0; i < section->count; i++)
        if (!section->rows[i].comment && column < section->rows[i].count &&
            section->rows[i].values[column][0] != '\0')
            return true;
    return false;
}

static struct mur_isa_term term_of(const struct section *section, const char *value,
                                   const char *accession, const char *source, size_t column)
{
    return (struct mur_isa_term){.value = value_of(section, value, column),
                                 .source = value_of(section, source, column),
                                 .accession = value_of(section, accession, column)};
}

/** The comments of one entity, non-empty ones only. @param column  SIZE_MAX: the first value that
 * is not empty, for sections that describe one thing */
static enum mur_status comments_of(struct mur_isa_comment **out, size_t *count,
                                   const struct parsing *parsing, const struct section *section,
                                   size_t column, struct mur_error *error)
{
    *count = 0;
    if (section == NULL)
        return MUR_OK;
    enum mur_status status =
        mur_isa_allocate(out, parsing->reader->strings, section->count, sizeof **out, error);
    for (size_t i = 0; i < section->count && status == MUR_OK; i++) {
        const struct row *row = &section->rows[i];
        if (!row->comment)
            continue;
        const char *value = "";
        if (column != SIZE_MAX)
            value = column < row->count ? row->values[column] : "";
        for (size_t v = 0; column == SIZE_MAX && v < row->count && value[0] == '\0'; v++)
            value = row->values[v];
        if (value[0] != '\0')
            (*out)[(*count)++] = (struct mur_isa_comment){row->label, value};
    }
    return status;
}

/** The next piece of a ';' separated list, trimmed; false at the end. */
static bool next_piece(struct mur_slice *piece, struct mur_slice *rest)
{
    if (rest->data == NULL)
        return false;
    const char *semicolon = memchr(rest->data, ';', rest->length);
    size_t length = semicolon == NULL ? rest->length : (size_t)(semicolon - rest->data);
    *piece = mur_slice_trim((struct mur_slice){rest->data, length});
    if (semicolon == NULL)
        *rest = (struct mur_slice){NULL, 0};
    else
        *rest = (struct mur_slice){semicolon + 1, rest->length - length - 1};
    return true;
}

/** Splits a list of terms; accessions and sources go with them by place. */
static enum mur_status split_terms(struct mur_isa_term **out, size_t *count,
                                   const struct parsing *parsing, struct mur_isa_term list,
                                   struct mur_error *error)
{
    size_t places = 1;
    for (const char *c = list.value; *c != '\0'; c++)
        places += *c == ';';
    enum mur_status status =
        mur_isa_allocate(out, parsing->reader->strings, places, sizeof **out, error);
    struct mur_slice values = mur_slice_of(list.value);
    struct mur_slice sources = mur_slice_of(list.source);
    struct mur_slice accessions = mur_slice_of(list.accession);
    struct mur_slice value;
    *count = 0;
    while (status == MUR_OK && next_piece(&value, &values)) {
        struct mur_slice source = {"", 0};
        struct mur_slice accession = {"", 0};
        (void)next_piece(&source, &sources);
        (void)next_piece(&accession, &accessions);
        if (value.length == 0)
            continue;
        struct mur_isa_term *term = &(*out)[(*count)++];
        status = mur_isa_intern(&term->value, parsing->reader->strings, value, error);
        if (status == MUR_OK)
            status = mur_isa_intern(&term->source, parsing->reader->strings, source, error);
        if (status == MUR_OK)
            status = mur_isa_intern(&term->accession, parsing->reader->strings, accession, error);
    }
    return status;
}

/** "Study Person " or "Investigation Person " and the rest. */
static const char *prefixed(const struct section *section, bool study, const char *rest,
                            size_t column)
{
    MUR_AUTO_FREE char *label = NULL;
    struct mur_error ignored = MUR_ERROR_INIT;
    if (mur_text_format(&label, &ignored, "%s %s", study ? "Study" : "Investigation", rest) !=
        MUR_OK)
        return "";
    return value_of(section, label, column);
}

static enum mur_status read_contacts(struct mur_isa_contact **out, size_t *count,
                                     const struct parsing *parsing, const struct section *section,
                                     bool study, struct mur_error *error)
{
    size_t width = width_of(section);
    *count = 0;
    enum mur_status status =
        mur_isa_allocate(out, parsing->reader->strings, width, sizeof **out, error);
    for (size_t i = 0; i < width && status == MUR_OK; i++) {
        if (!has_column(section, i))
            continue;
        struct mur_isa_contact *contact = &(*out)[(*count)++];
        *contact = (struct mur_isa_contact){
            .last_name = prefixed(section, study, "Person Last Name", i),
            .first_name = prefixed(section, study, "Person First Name", i),
            .mid_initials = prefixed(section, study, "Person Mid Initials", i),
            .email = prefixed(section, study, "Person Email", i),
            .phone = prefixed(section, study, "Person Phone", i),
            .fax = prefixed(section, study, "Person Fax", i),
            .address = prefixed(section, study, "Person Address", i),
            .affiliation = prefixed(section, study, "Person Affiliation", i),
        };
        struct mur_isa_term roles = {
            .value = prefixed(section, study, "Person Roles", i),
            .source = prefixed(section, study, "Person Roles Term Source REF", i),
            .accession = prefixed(section, study, "Person Roles Term Accession Number", i),
        };
        status = split_terms(&contact->roles, &contact->role_count, parsing, roles, error);
        if (status == MUR_OK)
            status = comments_of(&contact->comments, &contact->comment_count, parsing, section, i,
                                 error);
    }
    return status;
}

static enum mur_status read_publications(struct mur_isa_publication **out, size_t *count,
                                         const struct parsing *parsing,
                                         const struct section *section, bool study,
                                         struct mur_error *error)
{
    size_t width = width_of(section);
    *count = 0;
    enum mur_status status =
        mur_isa_allocate(out, parsing->reader->strings, width, sizeof **out, error);
    for (size_t i = 0; i < width && status == MUR_OK; i++) {
        if (!has_column(section, i))
            continue;
        (*out)[(*count)++] = (struct mur_isa_publication){
            .pubmed_id = prefixed(section, study, "PubMed ID", i),
            .doi = prefixed(section, study, "Publication DOI", i),
            .authors = prefixed(section, study, "Publication Author List", i),
            .title = prefixed(section, study, "Publication Title", i),
            .status = {.value = prefixed(section, study, "Publication Status", i),
                       .source = prefixed(section, study, "Publication Status Term Source REF", i),
                       .accession =
                           prefixed(section, study, "Publication Status Term Accession Number", i)},
        };
    }
    return status;
}

/** The section of a kind between two places of the list, or NULL. */
static const struct section *section_of(const struct parsing *parsing, enum section_kind kind,
                                        size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++)
        if (parsing->all.items[i].kind == kind)
            return &parsing->all.items[i];
    return NULL;
}

static enum mur_status read_assays(struct mur_isa_study *study, const struct parsing *parsing,
                                   const struct section *section, struct mur_error *error)
{
    size_t width = width_of(section);
    enum mur_status status = mur_isa_allocate(&study->assays, parsing->reader->strings, width,
                                              sizeof *study->assays, error);
    for (size_t i = 0; i < width && status == MUR_OK; i++) {
        if (!has_column(section, i))
            continue;
        struct mur_isa_assay *assay = &study->assays[study->assay_count++];
        *assay = (struct mur_isa_assay){
            .measurement = term_of(section, "Study Assay Measurement Type",
                                   "Study Assay Measurement Type Term Accession Number",
                                   "Study Assay Measurement Type Term Source REF", i),
            .technology = term_of(section, "Study Assay Technology Type",
                                  "Study Assay Technology Type Term Accession Number",
                                  "Study Assay Technology Type Term Source REF", i),
            .platform = value_of(section, "Study Assay Technology Platform", i),
            .file = value_of(section, "Study Assay File Name", i),
            .table = {.path = ""},
        };
        status = comments_of(&assay->comments, &assay->comment_count, parsing, section, i, error);
    }
    return status;
}

static enum mur_status read_protocols(struct mur_isa_study *study, const struct parsing *parsing,
                                      const struct section *section, struct mur_error *error)
{
    size_t width = width_of(section);
    enum mur_status status = mur_isa_allocate(&study->protocols, parsing->reader->strings, width,
                                              sizeof *study->protocols, error);
    for (size_t i = 0; i < width && status == MUR_OK; i++) {
        if (!has_column(section, i))
            continue;
        struct mur_isa_protocol *protocol = &study->protocols[study->protocol_count++];
        *protocol = (struct mur_isa_protocol){
            .name = value_of(section, "Study Protocol Name", i),
            .type =
                term_of(section, "Study Protocol Type", "Study Protocol Type Term Accession Number",
                        "Study Protocol Type Term Source REF", i),
            .description = value_of(section, "Study Protocol Description", i),
            .uri = value_of(section, "Study Protocol URI", i),
            .version = value_of(section, "Study Protocol Version", i),
        };
        struct mur_isa_term parameters =
            term_of(section, "Study Protocol Parameters Name",
                    "Study Protocol Parameters Name Term Accession Number",
                    "Study Protocol Parameters Name Term Source REF", i);
        if (parameters.accession[0] == '\0')
            parameters.accession =
                value_of(section, "Study Protocol Parameters Term Accession Number", i);
        if (parameters.source[0] == '\0')
            parameters.source = value_of(section, "Study Protocol Parameters Term Source REF", i);
        status = split_terms(&protocol->parameters, &protocol->parameter_count, parsing, parameters,
                             error);
        struct mur_isa_term *components = NULL;
        size_t component_count = 0;
        struct mur_isa_term names = {value_of(section, "Study Protocol Components Name", i), "",
                                     ""};
        if (status == MUR_OK)
            status = split_terms(&components, &component_count, parsing, names, error);
        if (status == MUR_OK)
            status = mur_isa_allocate(&protocol->components, parsing->reader->strings,
                                      component_count, sizeof *protocol->components, error);
        for (size_t c = 0; status == MUR_OK && c < component_count; c++)
            protocol->components[protocol->component_count++] = components[c].value;
    }
    return status;
}

static enum mur_status read_study(struct mur_isa_study *study, const struct parsing *parsing,
                                  size_t begin, size_t end, struct mur_error *error)
{
    struct mur_isa_strings *strings = parsing->reader->strings;
    const struct section *head = &parsing->all.items[begin];
    *study = (struct mur_isa_study){
        .investigation = parsing->reader->isa->investigation_count,
        .identifier = value_of(head, "Study Identifier", 0),
        .title = value_of(head, "Study Title", 0),
        .description = value_of(head, "Study Description", 0),
        .submission_date = value_of(head, "Study Submission Date", 0),
        .public_release_date = value_of(head, "Study Public Release Date", 0),
        .file = value_of(head, "Study File Name", 0),
        .table = {.path = ""},
    };
    enum mur_status status =
        comments_of(&study->comments, &study->comment_count, parsing, head, SIZE_MAX, error);

    const struct section *section = section_of(parsing, SECTION_DESIGN_DESCRIPTORS, begin, end);
    size_t width = width_of(section);
    if (status == MUR_OK)
        status = mur_isa_allocate(&study->design_descriptors, strings, width,
                                  sizeof *study->design_descriptors, error);
    for (size_t i = 0; status == MUR_OK && i < width; i++)
        if (has_column(section, i))
            study->design_descriptors[study->design_descriptor_count++] =
                term_of(section, "Study Design Type", "Study Design Type Term Accession Number",
                        "Study Design Type Term Source REF", i);

    section = section_of(parsing, SECTION_FACTORS, begin, end);
    width = width_of(section);
    if (status == MUR_OK)
        status = mur_isa_allocate(&study->factors, strings, width, sizeof *study->factors, error);
    for (size_t i = 0; status == MUR_OK && i < width; i++)
        if (has_column(section, i))
            study->factors[study->factor_count++] =
                (struct mur_isa_factor){.name = value_of(section, "Study Factor Name", i),
                                        .type = term_of(section, "Study Factor Type",
                                                        "Study Factor Type Term Accession Number",
                                                        "Study Factor Type Term Source REF", i)};
    if (status == MUR_OK)
        status =
            read_publications(&study->publications, &study->publication_count, parsing,
                              section_of(parsing, SECTION_PUBLICATIONS, begin, end), true, error);
    if (status == MUR_OK)
        status =
            read_assays(study, parsing, section_of(parsing, SECTION_ASSAYS, begin, end), error);
    if (status == MUR_OK)
        status = read_protocols(study, parsing, section_of(parsing, SECTION_PROTOCOLS, begin, end),
                                error);
    if (status == MUR_OK)
        status = read_contacts(&study->contacts, &study->contact_count, parsing,
                               section_of(parsing, SECTION_CONTACTS, begin, end), true, error);
    return status;
}

static enum mur_status read_head(struct mur_isa_investigation *out, const struct parsing *parsing,
                                 struct mur_error *error)
{
    struct mur_isa_strings *strings = parsing->reader->strings;
    size_t all = parsing->all.count;
    const struct section *head = section_of(parsing, SECTION_INVESTIGATION, 0, all);
    *out = (struct mur_isa_investigation){
        .path = parsing->path,
        .identifier = value_of(head, "Investigation Identifier", 0),
        .title = value_of(head, "Investigation Title", 0),
        .description = value_of(head, "Investigation Description", 0),
        .submission_date = value_of(head, "Investigation Submission Date", 0),
        .public_release_date = value_of(head, "Investigation Public Release Date", 0),
    };
    const char *slash = strrchr(parsing->path, '/');
    enum mur_status status = mur_isa_intern(
        &out->folder, strings,
        (struct mur_slice){parsing->path, slash == NULL ? 0 : (size_t)(slash - parsing->path)},
        error);
    if (status == MUR_OK)
        status = comments_of(&out->comments, &out->comment_count, parsing, head, SIZE_MAX, error);
    const struct section *section = section_of(parsing, SECTION_ONTOLOGY_SOURCES, 0, all);
    size_t width = width_of(section);
    if (status == MUR_OK)
        status = mur_isa_allocate(&out->ontology_sources, strings, width,
                                  sizeof *out->ontology_sources, error);
    for (size_t i = 0; status == MUR_OK && i < width; i++)
        if (has_column(section, i))
            out->ontology_sources[out->ontology_source_count++] = (struct mur_isa_ontology_source){
                .name = value_of(section, "Term Source Name", i),
                .file = value_of(section, "Term Source File", i),
                .version = value_of(section, "Term Source Version", i),
                .description = value_of(section, "Term Source Description", i)};
    if (status == MUR_OK)
        status = read_publications(&out->publications, &out->publication_count, parsing,
                                   section_of(parsing, SECTION_INVESTIGATION_PUBLICATIONS, 0, all),
                                   false, error);
    if (status == MUR_OK)
        status = read_contacts(&out->contacts, &out->contact_count, parsing,
                               section_of(parsing, SECTION_INVESTIGATION_CONTACTS, 0, all), false,
                               error);
    return status;
}

/** Makes room in the archive's list for one more; lists are in the archive's memory. */
static enum mur_status append(void *list, size_t count, size_t size, size_t extra,
                              struct mur_isa_strings *strings, struct mur_error *error)
{
    void *old = NULL;
    memcpy(&old, list, sizeof old);
    void *grown = NULL;
    enum mur_status status = mur_isa_allocate(&grown, strings, count + extra, size, error);
    if (status != MUR_OK)
        return status;
    if (count > 0)
        memcpy(grown, old, count * size);
    memcpy(list, &grown, sizeof grown);
    return MUR_OK;
}

static enum mur_status build(const struct parsing *parsing, struct mur_error *error)
{
    struct mur_isa *isa = parsing->reader->isa;
    size_t studies = 0;
    for (size_t i = 0; i < parsing->all.count; i++)
        studies += parsing->all.items[i].kind == SECTION_STUDY;
    if (isa->study_count + studies > MUR_ISA_STUDIES)
        return mur_error_set(error, MUR_LIMIT, "%s: more than %d studies", parsing->path,
                             MUR_ISA_STUDIES);
    if (studies == 0) {
        enum mur_status status = mur_isa_report(parsing->reader, MUR_ISA_ERROR, "no-study",
                                                parsing->path, 0, error, "has no STUDY section");
        if (status != MUR_OK)
            return status;
    }
    enum mur_status status =
        append(&isa->investigations, isa->investigation_count, sizeof *isa->investigations, 1,
               parsing->reader->strings, error);
    if (status == MUR_OK)
        status = append(&isa->studies, isa->study_count, sizeof *isa->studies, studies,
                        parsing->reader->strings, error);
    if (status == MUR_OK)
        status = read_head(&isa->investigations[isa->investigation_count], parsing, error);
    size_t made = isa->study_count;
    for (size_t begin = 0; begin < parsing->all.count && status == MUR_OK; begin++) {
        if (parsing->all.items[begin].kind != SECTION_STUDY)
            continue;
        size_t end = begin + 1;
        while (end < parsing->all.count && parsing->all.items[end].kind != SECTION_STUDY)
            end++;
        status = read_study(&isa->studies[made++], parsing, begin, end, error);
    }
    if (status != MUR_OK)
        return status;
    isa->investigation_count++;
    isa->study_count = made;
    return MUR_OK;
}

/** Of a section that stands twice where it may stand once, only the first is read. */
static enum mur_status report_repeated_sections(const struct parsing *parsing,
                                                struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    size_t block = 0; /* where the study, or the investigation's part, begins */
    for (size_t i = 0; i < parsing->all.count && status == MUR_OK; i++) {
        const struct section *section = &parsing->all.items[i];
        if (section->kind == SECTION_STUDY)
            block = i;
        else if (section_of(parsing, section->kind, block, i) != NULL)
            status =
                mur_isa_report(parsing->reader, MUR_ISA_ERROR, "duplicate-section", parsing->path,
                               section->line, error, "%s stands twice: only the first one is read",
                               sections[section->kind].title);
    }
    return status;
}

enum mur_status mur_isa_read_investigation(bool *readable, const struct mur_isa_reader *reader,
                                           const char *path, bool earlier, struct mur_error *error)
{
    struct parsing parsing = {.reader = reader};
    *readable = false;
    enum mur_status status =
        mur_isa_intern(&parsing.path, reader->strings, mur_slice_of(path), error);
    if (status != MUR_OK)
        return status;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    bool found = false;
    status = mur_isa_load_text(&text, &found, reader,
                               earlier ? reader->isa->earlier : reader->isa->root, path, error);
    if (status != MUR_OK || !found)
        return status;
    struct mur_isa_tokenizer tokenizer;
    mur_isa_tokenizer_init(&tokenizer, (struct mur_slice){mur_buffer_text(&text), text.length});
    bool more = true;
    while (more && status == MUR_OK) {
        switch (mur_isa_next_record(&tokenizer)) {
        case MUR_ISA_RECORD_END:
            more = false;
            break;
        case MUR_ISA_RECORD_COMMENT:
            status = mur_isa_skip_comment(reader, path, &tokenizer, error);
            break;
        case MUR_ISA_RECORD_CELLS:
            status = read_record(&parsing, &tokenizer, error);
            break;
        }
    }
    mur_isa_tokenizer_free(&tokenizer);
    if (status == MUR_LIMIT) {
        struct mur_error cause = MUR_ERROR_INIT;
        if (error != NULL)
            cause = *error;
        status = mur_isa_report(reader, MUR_ISA_ERROR, "too-large", path, tokenizer.line, error,
                                "%s; read up to here", cause.message);
    }
    if (status == MUR_OK)
        status = report_repeated_sections(&parsing, error);
    if (status == MUR_OK)
        status = build(&parsing, error);
    sections_free(&parsing.all);
    if (status == MUR_OK) {
        reader->isa->investigations[reader->isa->investigation_count - 1].earlier = earlier;
        *readable = true;
    }
    return status;
}
