/* Addresses: path and query string, through routes, names of attributes, searches and retrievals to
 * an answer. No connection: the request has no headers. */
#include <microhttpd.h>

#include "archive/query.h"
#include "archive_support.h"
#include "core/json.h"
#include "core/log.h"
#include "web/internal.h"
#include "web/json_answer.h"
#include "web/route.h"

enum { PIXELS = 2 * 8 * 8 * 2, BULK = 70000, ANSWER_LIMIT = 8 << 20 };

static struct mur_config *config; /* these live as long as the process */
static struct mur_archive *archive;
static struct mur_web *web;

static void stop(void)
{
    mur_web_free(web);
    mur_archive_close(archive);
    mur_config_free(config);
}

/* An object that has frames and a bulk value. */
static void store_image(void)
{
    static const struct {
        uint32_t tag;
        enum mur_vr vr;
        const char *text;
    } elements[] = {
        {MUR_TAG_SOPClassUID, MUR_VR_UI, "1.2.840.10008.5.1.4.1.1.7.3"},
        {MUR_TAG_SOPInstanceUID, MUR_VR_UI, "1.2.9.3.4"},
        {MUR_TAG_Modality, MUR_VR_CS, "OT"},
        {MUR_TAG_PatientID, MUR_VR_LO, "M-9"},
        {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.9"},
        {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.2.9.3"},
        {0x00280002, MUR_VR_US, "1"},
        {0x00280004, MUR_VR_CS, "MONOCHROME2"},
        {0x00280008, MUR_VR_IS, "2"},
        {0x00280010, MUR_VR_US, "8"},
        {0x00280011, MUR_VR_US, "8"},
        {0x00280100, MUR_VR_US, "16"},
        {0x00280101, MUR_VR_US, "12"},
        {0x00280102, MUR_VR_US, "11"},
        {0x00280103, MUR_VR_US, "0"},
        {0x00290010, MUR_VR_LO, "FUZZ"},
    };
    static char values[BULK];
    struct mur_encoder encoder;
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
    for (size_t i = 0; i < sizeof values; i++)
        values[i] = (char)(i % 5 == 0 ? i / 7 : 0);
    enum mur_status status =
        mur_encoder_init(&encoder, &bytes, mur_uid_ExplicitVRLittleEndian, &error);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(elements); i++)
        status = mur_encode_any(&encoder, elements[i].tag, elements[i].vr,
                                mur_slice_of(elements[i].text), &error);
    if (status == MUR_OK)
        status = mur_encode_value(&encoder, 0x00291001, MUR_VR_OB,
                                  (struct mur_slice){values, sizeof values}, &error);
    if (status == MUR_OK)
        status = mur_encode_value(&encoder, 0x7FE00010, MUR_VR_OW,
                                  (struct mur_slice){values, PIXELS}, &error);
    if (status == MUR_OK)
        status = fuzz_ingest(archive, "1.2.840.10008.5.1.4.1.1.7.3", "1.2.9.3.4",
                             mur_uid_ExplicitVRLittleEndian, bytes.data, bytes.length, &error);
    fuzz_check(status == MUR_OK, "%s", error.message);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static const char *const settings[] = {"web.enabled=true", "web.port=0", "log.level=error"};
    struct mur_error error = MUR_ERROR_INIT;
    char directory[128];
    fuzz_check(mur_config_create(&config, &error) == MUR_OK, "%s", error.message);
    for (size_t i = 0; i < MUR_COUNT(settings); i++)
        fuzz_check(mur_config_set(config, settings[i], &error) == MUR_OK, "%s", error.message);
    mur_log_configure(config->log_level, MUR_LOG_FORMAT_TEXT);
    (void)snprintf(directory, sizeof directory, "%s/archive", fuzz_folder());
    archive = fuzz_open_archive(directory);
    fuzz_fill_archive(archive);
    store_image();
    fuzz_check(mur_web_create(&web, config, archive, NULL, &error) == MUR_OK, "%s", error.message);
    return atexit(stop);
}

/* Cuts a query string into names and values, as libmicrohttpd does. */
static void read_query(struct mur_exchange *exchange, char *text)
{
    while (text != NULL && exchange->parameter_count < MUR_EXCHANGE_PARAMETERS) {
        char *name = strsep(&text, "&");
        char *value = strchr(name, '=');
        for (char *at = name; *at != '\0'; at++)
            if (*at == '+')
                *at = ' ';
        if (value != NULL)
            *value++ = '\0';
        size_t name_length = MHD_http_unescape(name);
        size_t length = value != NULL ? MHD_http_unescape(value) : 0;
        if (strlen(name) != name_length)
            continue;
        exchange->parameters[exchange->parameter_count++] = (struct mur_parameter){
            .name = name, .value = {.data = value != NULL ? value : "", .length = length}};
    }
}

static void check_row(const struct mur_search *search, const struct mur_value *values)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    MUR_AUTO(mur_json) *json = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    struct mur_json_writer writer;
    mur_json_init(&writer, mur_sink_buffer(&text));
    enum mur_status status = mur_json_answer_write(&writer, search, values, &error);
    if (status == MUR_OK)
        status = mur_json_finish(&writer, &error);
    if (status == MUR_OK)
        status =
            mur_json_parse(&json, (struct mur_slice){text.data, text.length}, ANSWER_LIMIT, &error);
    fuzz_check(status == MUR_OK, "%s: %s", error.message, mur_buffer_text(&text));
    fuzz_check(mur_json_get(json, "0020000D") != NULL, "an answer without its study");
}

/* The same query string as a search, whose answers are looked at. */
static void search(const struct mur_exchange *exchange, enum mur_level level)
{
    struct mur_search found = {.limit = 0};
    MUR_AUTO(mur_cursor) *cursor = NULL;
    struct mur_error error = MUR_ERROR_INIT;
    const struct mur_search_target target = {.level = level,
                                             .study = level == MUR_LEVEL_SERIES ? "1.2.1" : NULL};
    enum mur_status status = mur_search_parse(&found, exchange, &target, &error);
    fuzz_check_status(status, &error);
    if (status == MUR_OK)
        status = mur_archive_find(&cursor, archive, &found.query, &error);
    fuzz_check_status(status, &error);
    fuzz_check(status == MUR_OK || mur_http_code(status) < 500, "%s", error.message);
    for (bool any = status == MUR_OK; any;) {
        const struct mur_value *values = NULL;
        status = mur_cursor_next(&values, &any, cursor, &error);
        fuzz_check(status == MUR_OK, "%s", error.message);
        if (any)
            check_row(&found, values);
    }
    mur_cursor_free(MUR_STEAL(cursor)); /* it borrows the query */
    mur_search_free(&found);
}

static void ask(struct mur_exchange *exchange)
{
    struct mur_error error = MUR_ERROR_INIT;
    char allowed[64];
    enum mur_status status = mur_route_find(exchange, allowed, &error);
    fuzz_check_status(status, &error);
    if (status != MUR_OK || exchange->route->receiver != NULL)
        return;
    status = exchange->route->handle(exchange, &error);
    fuzz_check_status(status, &error);
    unsigned code = status == MUR_OK ? exchange->code : mur_http_code(status);
    fuzz_check(code >= 200 && code < 500, "%u: %s", code, error.message);
    fuzz_check(status != MUR_OK || exchange->response != NULL, "there is no answer");
    if (exchange->response != NULL)
        MHD_destroy_response(exchange->response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "POST", "DELETE"};
    const uint8_t kind = fuzz_byte(&data, &size);
    MUR_AUTO_FREE struct mur_parameter *parameters =
        calloc(MUR_EXCHANGE_PARAMETERS, sizeof *parameters);
    MUR_AUTO_FREE char *text = malloc(size + 1);
    fuzz_check(parameters != NULL && text != NULL, "memory");
    memcpy(text, data, size);
    text[size] = '\0';
    char *query = text;
    const char *path = strsep(&query, "?");
    (void)MHD_http_unescape(text);
    struct mur_exchange exchange = {.web = web,
                                    .archive = archive,
                                    .config = config,
                                    .method = methods[kind % MUR_COUNT(methods)],
                                    .path = path,
                                    .parameters = parameters};
    read_query(&exchange, query);
    ask(&exchange);
    if (exchange.parameter_count > 0)
        search(&exchange, MUR_LEVEL_STUDY + (enum mur_level)(kind / 8 % 3));
    return 0;
}
