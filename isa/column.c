#include "isa/column.h"

#include <string.h>

/** Headers with a name in brackets. */
static const struct {
    enum mur_isa_kind kind;
    const char *spelling;
    const char *header;
} bracketed[] = {
    {MUR_ISA_CHARACTERISTIC, "characteristics", "Characteristics"},
    {MUR_ISA_CHARACTERISTIC, "characteristic", "Characteristics"},
    {MUR_ISA_FACTOR, "factor value", "Factor Value"},
    {MUR_ISA_FACTOR, "factor values", "Factor Value"},
    {MUR_ISA_PARAMETER, "parameter value", "Parameter Value"},
    {MUR_ISA_PARAMETER, "parameter values", "Parameter Value"},
    {MUR_ISA_COMMENT, "comment", "Comment"},
    {MUR_ISA_COMMENT, "comments", "Comment"},
};

static const struct {
    enum mur_isa_kind kind;
    const char *header;
} plain[] = {
    {MUR_ISA_MATERIAL, "Source Name"},
    {MUR_ISA_MATERIAL, "Sample Name"},
    {MUR_ISA_MATERIAL, "Extract Name"},
    {MUR_ISA_MATERIAL, "Labeled Extract Name"},
    {MUR_ISA_PROTOCOL, "Protocol REF"},
    {MUR_ISA_DATE, "Date"},
    {MUR_ISA_PERFORMER, "Performer"},
    {MUR_ISA_NAME, "Assay Name"},
    {MUR_ISA_NAME, "MS Assay Name"},
    {MUR_ISA_NAME, "NMR Assay Name"},
    {MUR_ISA_NAME, "Hybridization Assay Name"},
    {MUR_ISA_NAME, "Gel Electrophoresis Assay Name"},
    {MUR_ISA_NAME, "Scan Name"},
    {MUR_ISA_NAME, "Data Transformation Name"},
    {MUR_ISA_NAME, "Normalization Name"},
    {MUR_ISA_FILE, "Image File"},
    {MUR_ISA_FILE, "Raw Data File"},
    {MUR_ISA_FILE, "Derived Data File"},
    {MUR_ISA_FILE, "Raw Spectral Data File"},
    {MUR_ISA_FILE, "Derived Spectral Data File"},
    {MUR_ISA_FILE, "Array Data File"},
    {MUR_ISA_FILE, "Array Data Matrix File"},
    {MUR_ISA_FILE, "Derived Array Data File"},
    {MUR_ISA_FILE, "Derived Array Data Matrix File"},
    {MUR_ISA_FILE, "Array Design File"},
    {MUR_ISA_FILE, "Spot Picking File"},
    {MUR_ISA_FILE, "Protein Assignment File"},
    {MUR_ISA_FILE, "Peptide Assignment File"},
    {MUR_ISA_FILE, "Post Translational Modification Assignment File"},
    {MUR_ISA_FILE, "Metabolite Assignment File"},
    {MUR_ISA_FILE, "Free Induction Decay Data File"},
    {MUR_ISA_FILE, "Acquisition Parameter Data File"},
    {MUR_ISA_PLAIN, "Material Type"},
    {MUR_ISA_PLAIN, "Label"},
    {MUR_ISA_PLAIN, "Description"},
    {MUR_ISA_PLAIN, "Array Design REF"},
    {MUR_ISA_QUALIFIER, "Unit"},
    {MUR_ISA_QUALIFIER, "Term Source REF"},
    {MUR_ISA_QUALIFIER, "Term Accession Number"},
};

/** The length of a blank at @p text: ASCII white space, or the no-break space of word processors.
 */
static size_t blank_length(struct mur_slice text)
{
    if (text.length == 0)
        return 0;
    if (text.length >= 2 && memcmp(text.data, "\xC2\xA0", 2) == 0)
        return 2;
    return strchr(" \t\r\n\f\v", text.data[0]) != NULL && text.data[0] != '\0' ? 1 : 0;
}

static enum mur_status collapse_blanks(struct mur_buffer *out, struct mur_slice text,
                                       struct mur_error *error)
{
    enum mur_status status = mur_buffer_reserve(out, text.length, error);
    bool pending = false;
    while (status == MUR_OK && text.length > 0) {
        size_t blank = blank_length(text);
        if (blank == 0) {
            if (pending && out->length > 0)
                status = mur_buffer_append(out, " ", 1, error);
            if (status == MUR_OK)
                status = mur_buffer_append(out, text.data, 1, error);
        }
        pending = blank != 0;
        text.data += blank == 0 ? 1 : blank;
        text.length -= blank == 0 ? 1 : blank;
    }
    return status;
}

enum mur_status mur_isa_column_read(struct mur_isa_column *out, bool *normalised,
                                    struct mur_isa_strings *strings, struct mur_slice header,
                                    struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = collapse_blanks(&text, header, error);
    if (status != MUR_OK)
        return status;
    struct mur_isa_column column = {
        .kind = MUR_ISA_OTHER,
        .owner = MUR_ISA_NONE,
        .unit = MUR_ISA_NONE,
        .unit_source = MUR_ISA_NONE,
        .unit_accession = MUR_ISA_NONE,
        .term_source = MUR_ISA_NONE,
        .term_accession = MUR_ISA_NONE,
    };
    MUR_AUTO_FREE char *spelt = NULL;
    struct mur_slice name = {mur_buffer_text(&text), text.length};
    const char *bracket = strchr(name.data, '[');
    if (bracket != NULL && text.data[text.length - 1] == ']') {
        MUR_AUTO_FREE char *before = NULL;
        status = mur_text_copy(
            &before, mur_slice_trim((struct mur_slice){name.data, (size_t)(bracket - name.data)}),
            error);
        if (status != MUR_OK)
            return status;
        struct mur_slice inner = mur_slice_trim(
            (struct mur_slice){bracket + 1, name.length - (size_t)(bracket - name.data) - 2});
        for (size_t i = 0; i < MUR_COUNT(bracketed); i++) {
            if (!mur_ascii_equal_ignore_case(before, bracketed[i].spelling))
                continue;
            status = mur_text_format(&spelt, error, "%s[%.*s]", bracketed[i].header,
                                     (int)inner.length, inner.data);
            if (status != MUR_OK)
                return status;
            column.kind = bracketed[i].kind;
            name = inner;
            break;
        }
    } else {
        for (size_t i = 0; i < MUR_COUNT(plain); i++) {
            if (!mur_ascii_equal_ignore_case(name.data, plain[i].header))
                continue;
            column.kind = plain[i].kind;
            name = mur_slice_of(plain[i].header);
            break;
        }
    }
    struct mur_slice canonical = spelt == NULL ? name : mur_slice_of(spelt);
    status = mur_isa_intern(&column.header, strings, canonical, error);
    if (status == MUR_OK)
        status = mur_isa_intern(&column.name, strings, name, error);
    if (status != MUR_OK)
        return status;
    *normalised = !mur_slice_equal(header, column.header);
    *out = column;
    return MUR_OK;
}

static bool is_node(enum mur_isa_kind kind)
{
    return kind == MUR_ISA_MATERIAL || kind == MUR_ISA_NAME || kind == MUR_ISA_FILE ||
           kind == MUR_ISA_PROTOCOL;
}

/** Attaches a Unit, Term Source REF or Term Accession Number to the value before it. After a Unit,
 * the terms are the unit's. */
static bool attach_qualifier(struct mur_isa_column *columns, uint32_t column, uint32_t value)
{
    if (value == MUR_ISA_NONE)
        return false;
    struct mur_isa_column *of = &columns[value];
    uint32_t *place = NULL;
    if (strcmp(columns[column].header, "Unit") == 0)
        place = &of->unit;
    else if (strcmp(columns[column].header, "Term Source REF") == 0)
        place = of->unit != MUR_ISA_NONE ? &of->unit_source : &of->term_source;
    else
        place = of->unit != MUR_ISA_NONE ? &of->unit_accession : &of->term_accession;
    if (*place != MUR_ISA_NONE)
        return false;
    *place = column;
    columns[column].owner = value;
    return true;
}

uint32_t mur_isa_columns_attach(struct mur_isa_column *columns, uint32_t count)
{
    uint32_t node = MUR_ISA_NONE;
    uint32_t material = MUR_ISA_NONE;
    uint32_t protocol = MUR_ISA_NONE;
    uint32_t value = MUR_ISA_NONE;
    uint32_t misplaced = 0;
    for (uint32_t i = 0; i < count; i++) {
        enum mur_isa_kind kind = columns[i].kind;
        if (kind == MUR_ISA_QUALIFIER) {
            if (!attach_qualifier(columns, i, value)) {
                columns[i].kind = MUR_ISA_OTHER;
                misplaced++;
            }
            continue;
        }
        value = i;
        if (is_node(kind)) {
            node = i;
            if (kind == MUR_ISA_MATERIAL)
                material = i;
            if (kind == MUR_ISA_PROTOCOL)
                protocol = i;
        } else if (kind == MUR_ISA_CHARACTERISTIC) {
            columns[i].owner = material;
        } else if (kind == MUR_ISA_PARAMETER || kind == MUR_ISA_DATE || kind == MUR_ISA_PERFORMER) {
            columns[i].owner = protocol;
        } else if (kind != MUR_ISA_FACTOR) {
            columns[i].owner = node;
        }
    }
    return misplaced;
}
