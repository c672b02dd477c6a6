/* Character sets: the common ones here, the others through DCMTK and iconv. */
#include "dcmtk/config/osconfig.h"

#include "dcmtk/dcmdata/dcspchrs.h"

#include <cctype>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "dicom/bridge/guard.h"
#include "dicom/bridge/library.h"

extern "C" {
#include "core/own.h"
#include "dicom/charset.h"
}

namespace
{

enum class Kind {
    utf8,   /* default repertoire and ISO_IR 192: what is there beyond ASCII may well be UTF-8 */
    cp1252, /* ISO_IR 100, of which Windows-1252 is what is really meant, and unknown ones */
    other,
};

/* One name brought to the form of the standard: "iso_ir-100" is ISO_IR 100. */
std::string normal_term(const std::string &raw)
{
    std::string term;
    for (const char c : raw)
        if (std::isalnum(static_cast<unsigned char>(c)) != 0)
            term += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (term == "UTF8")
        return "ISO_IR 192";
    if (term == "LATIN1" || term == "ISO88591" || term == "ISOIR100")
        return "ISO_IR 100";
    if (term.compare(0, 9, "ISO2022IR") == 0)
        return "ISO 2022 IR " + term.substr(9);
    if (term.compare(0, 5, "ISOIR") == 0)
        return "ISO_IR " + term.substr(5);
    return term;
}

std::vector<std::string> terms_of(const std::string &name)
{
    std::vector<std::string> terms;
    size_t from = 0;
    for (;;) {
        const size_t to = name.find('\\', from);
        terms.push_back(normal_term(name.substr(from, to - from)));
        if (to == std::string::npos)
            return terms;
        from = to + 1;
    }
}

bool is_multi_byte(const std::string &term)
{
    return term == "ISO 2022 IR 87" || term == "ISO 2022 IR 159" || term == "ISO 2022 IR 149" ||
           term == "ISO 2022 IR 58";
}

/* What DCMTK expects of a name with code extensions: two values or more, the first one of single
 * bytes, all of the ISO 2022 form. */
std::string with_extensions(std::vector<std::string> terms)
{
    for (std::string &term : terms)
        if (term.compare(0, 7, "ISO_IR ") == 0)
            term = "ISO 2022 IR " + term.substr(7);
    if (is_multi_byte(terms.front()))
        terms.insert(terms.begin(), "");
    if (terms.size() == 1)
        terms.emplace_back("ISO 2022 IR 6");
    std::string joined;
    for (size_t i = 0; i < terms.size(); i++)
        joined += (i > 0 ? "\\" : "") + terms[i];
    return joined;
}

bool is_kept(unsigned char c)
{
    return c >= 0x20 ? c != 0x7F : c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

bool is_plain(struct mur_slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        const auto c = static_cast<unsigned char>(bytes.data[i]);
        if (c >= 0x80 || !is_kept(c))
            return false;
    }
    return true;
}

void replace_all(std::string &text, const char *what, const char *with)
{
    const size_t length = std::strlen(what);
    for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
        text.replace(at, length, with);
}

OFString delimiters_of(enum mur_vr vr)
{
    if (vr == MUR_VR_PN)
        return "\\^=";
    return mur_vr_info(vr)->multi ? "\\" : "";
}

} // namespace

struct mur_charset {
    std::string name; /* as it was given */
    Kind kind = Kind::utf8;
    bool japanese = false; /* ISO_IR 13: the codes of backslash and tilde are yen and overline */
    std::string source;    /* for DCMTK; kind other only */
    std::string target;    /* the one set that can be written */
    DcmSpecificCharacterSet reader;
    std::unique_ptr<DcmSpecificCharacterSet> writer; /* made when first needed */
};

static void select(mur_charset &charset)
{
    const std::vector<std::string> terms = terms_of(charset.name);
    for (const std::string &term : terms)
        if (term == "ISO_IR 192")
            return;
    charset.kind = Kind::cp1252;
    charset.target = "ISO_IR 100";
    if (terms.size() == 1) {
        const std::string &term = terms.front();
        if (term.empty() || term == "ISO_IR 6" || term == "ISO 2022 IR 6") {
            charset.kind = Kind::utf8;
            charset.target.clear();
            return;
        }
        if (term == "ISO_IR 100" || term == "ISO 2022 IR 100")
            return;
    }
    for (const std::string &term : terms) {
        charset.japanese = charset.japanese || term == "ISO_IR 13" || term == "ISO 2022 IR 13";
        if (term == "GB18030" || term == "GBK")
            charset.source = term; /* no code extensions with these (PS3.3 C.12.1.1.2) */
    }
    if (charset.source.empty())
        charset.source = terms.size() == 1 && terms.front().compare(0, 7, "ISO_IR ") == 0
                             ? terms.front()
                             : with_extensions(terms);
    if (charset.reader.selectCharacterSet(charset.source.c_str()).bad())
        return; /* not known: as Windows-1252 */
    charset.kind = Kind::other;
    const std::string &first = terms.front();
    charset.target =
        first.compare(0, 12, "ISO 2022 IR ") == 0 ? "ISO_IR " + first.substr(12) : first;
    if (is_multi_byte(first) || charset.target == "ISO_IR 6")
        charset.target.clear();
}

extern "C" enum mur_status mur_charset_use(mur_charset **charset, struct mur_slice name,
                                           mur_error *error)
{
    while (name.length > 0 &&
           (name.data[name.length - 1] == ' ' || name.data[name.length - 1] == '\0'))
        name.length--;
    if (*charset != nullptr && (*charset)->name.size() == name.length &&
        (name.length == 0 || std::memcmp((*charset)->name.data(), name.data, name.length) == 0))
        return MUR_OK;
    return mur::guard(error, [&] {
        mur::prepare_library();
        auto made = std::make_unique<mur_charset>();
        if (name.length > 0)
            made->name.assign(name.data, name.length);
        select(*made);
        delete *charset;
        *charset = made.release();
        return MUR_OK;
    });
}

extern "C" void mur_charset_free(mur_charset *charset)
{
    delete charset;
}

extern "C" bool mur_charset_is_utf8(const mur_charset *charset)
{
    return charset->kind == Kind::utf8;
}

/* Appends UTF-8 or, if it is not, what it is as Windows-1252, without control characters. */
static enum mur_status append_clean(mur_buffer *out, struct mur_slice text, bool as_utf8,
                                    mur_error *error)
{
    std::string kept;
    kept.reserve(text.length);
    for (size_t i = 0; i < text.length; i++)
        if (is_kept(static_cast<unsigned char>(text.data[i])))
            kept += text.data[i];
    if (as_utf8)
        return mur_buffer_append(out, kept.data(), kept.size(), error);
    MUR_AUTO_FREE char *converted = nullptr;
    const enum mur_status status =
        mur_utf8_from_cp1252(&converted, {kept.data(), kept.size()}, error);
    return status == MUR_OK ? mur_buffer_append_text(out, converted, error) : status;
}

extern "C" enum mur_status mur_charset_to_utf8(mur_buffer *out, mur_charset *charset,
                                               struct mur_slice bytes, enum mur_vr vr,
                                               mur_error *error)
{
    if (is_plain(bytes))
        return mur_buffer_append(out, bytes.data, bytes.length, error);
    return mur::guard(error, [&] {
        OFString converted;
        if (charset->kind == Kind::other &&
            charset->reader.convertString(bytes.data, bytes.length, converted, delimiters_of(vr))
                .good()) {
            std::string text(converted.c_str(), converted.length());
            if (charset->japanese) {
                replace_all(text, "\xC2\xA5", "\\");
                replace_all(text, "\xE2\x80\xBE", "~");
            }
            return append_clean(out, {text.data(), text.size()}, true, error);
        }
        const bool as_utf8 = charset->kind != Kind::cp1252 && mur_utf8_valid(bytes);
        return append_clean(out, bytes, as_utf8, error);
    });
}

extern "C" enum mur_status mur_charset_from_utf8(mur_buffer *out, mur_charset *charset,
                                                 struct mur_slice text, enum mur_vr vr,
                                                 mur_error *error)
{
    (void)vr; /* the sets that can be written have one state only */
    bool ascii = true;
    for (size_t i = 0; i < text.length && ascii; i++)
        ascii = static_cast<unsigned char>(text.data[i]) < 0x80;
    const bool has_utf8 = charset->kind == Kind::utf8 && !charset->name.empty() &&
                          terms_of(charset->name).front() != "ISO_IR 6" &&
                          terms_of(charset->name).front() != "ISO 2022 IR 6";
    if (ascii || has_utf8)
        return mur_buffer_append(out, text.data, text.length, error);
    return mur::guard(error, [&] {
        if (charset->target.empty())
            return mur_error_set(
                error, MUR_UNSUPPORTED, "\"%.*s\" has characters that \"%s\" has not",
                static_cast<int>(mur_utf8_cut(text, 64)), text.data, charset->name.c_str());
        if (!charset->writer) {
            auto writer = std::make_unique<DcmSpecificCharacterSet>();
            const OFCondition selected =
                writer->selectCharacterSet("ISO_IR 192", charset->target.c_str());
            if (selected.bad())
                return mur_error_set(error, MUR_UNSUPPORTED, "%s", selected.text());
            charset->writer = std::move(writer);
        }
        OFString converted;
        if (charset->writer->convertString(text.data, text.length, converted).bad())
            return mur_error_set(
                error, MUR_UNSUPPORTED, "\"%.*s\" has characters that \"%s\" has not",
                static_cast<int>(mur_utf8_cut(text, 64)), text.data, charset->target.c_str());
        return mur_buffer_append(out, converted.c_str(), converted.length(), error);
    });
}
