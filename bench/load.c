/*
 * murpacs-load: keeps a DICOM node busy and measures it. See bench/README.md; bench/run.py drives
 * it. Prints one JSON object; ends with 1 when anything was lost, changed or refused.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/work.h"
#include "core/text.h"

static const char usage_text[] =
    "usage: murpacs-load COMMAND [OPTION...]\n"
    "  store   C-STORE of instances --first to --first + --count\n"
    "  find    C-FIND, --repeat times an association\n"
    "  ask     C-FIND, each question of the file --questions\n"
    "  get     C-GET of the Studies of these instances, each compared\n"
    "  move    C-MOVE of them to a receiver of its own at --sink-port\n"
    "  sink    takes C-STOREs and drops them until standard input ends\n"
    "  idle    --associations that say nothing until standard input ends\n"
    "  floor   --count files of --bytes in --folder, fdatasync each, --associations threads\n"
    "  http    --repeat requests of the file --questions over each of --associations connections\n"
    "options: --host 127.0.0.1 --port N --aec TITLE --aet TITLE --kind mr|ct|tiny|large\n"
    "  --first 0 --count 1000 --associations 1 --per-series 50 --series-per-study 2 --seed 1\n"
    "  --query study|patient|accession|instance|series|images|date|name|list|rows --repeat 100\n"
    "  --sink-port N --sink-title SINK --no-verify --folder DIR --bytes N\n"
    "  --questions FILE\n";

static const struct {
    const char *name;
    enum mur_status (*run)(bool *good, struct mur_json_writer *json,
                           const struct load_options *options, struct mur_error *error);
} commands[] = {
    {"store", load_store}, {"find", load_find},   {"ask", load_ask},
    {"get", load_get},     {"move", load_move},   {"sink", load_sink},
    {"idle", load_idle},   {"floor", load_floor}, {"http", load_http},
};

enum option_key {
    HOST = 256,
    PORT,
    AEC,
    AET,
    KIND,
    FIRST,
    COUNT,
    ASSOCIATIONS,
    PER_SERIES,
    SERIES_PER_STUDY,
    SEED,
    QUERY,
    REPEAT,
    SINK_PORT,
    SINK_TITLE,
    NO_VERIFY,
    FOLDER,
    BYTES,
    QUESTIONS,
};

static const struct option long_options[] = {
    {"host", required_argument, NULL, HOST},
    {"port", required_argument, NULL, PORT},
    {"aec", required_argument, NULL, AEC},
    {"aet", required_argument, NULL, AET},
    {"kind", required_argument, NULL, KIND},
    {"first", required_argument, NULL, FIRST},
    {"count", required_argument, NULL, COUNT},
    {"associations", required_argument, NULL, ASSOCIATIONS},
    {"per-series", required_argument, NULL, PER_SERIES},
    {"series-per-study", required_argument, NULL, SERIES_PER_STUDY},
    {"seed", required_argument, NULL, SEED},
    {"query", required_argument, NULL, QUERY},
    {"repeat", required_argument, NULL, REPEAT},
    {"sink-port", required_argument, NULL, SINK_PORT},
    {"sink-title", required_argument, NULL, SINK_TITLE},
    {"no-verify", no_argument, NULL, NO_VERIFY},
    {"folder", required_argument, NULL, FOLDER},
    {"bytes", required_argument, NULL, BYTES},
    {"questions", required_argument, NULL, QUESTIONS},
    {NULL, 0, NULL, 0},
};

static enum mur_status number(uint64_t *out, const char *text, uint64_t low, uint64_t high,
                              struct mur_error *error)
{
    return mur_parse_uint64(out, mur_slice_of(text), low, high, error);
}

static enum mur_status set_option(struct load_options *options, int key, const char *text,
                                  struct mur_error *error)
{
    uint64_t value = 0;
    enum mur_status status = MUR_OK;
    switch (key) {
    case HOST:
        options->host = text;
        break;
    case AEC:
        options->called_ae_title = text;
        break;
    case AET:
        options->calling_ae_title = text;
        break;
    case KIND:
        options->kind = load_kind_find(text);
        if (options->kind == NULL)
            return mur_error_set(error, MUR_INVALID, "no such kind: %s", text);
        break;
    case QUERY:
        options->query = text;
        break;
    case SINK_TITLE:
        options->sink_title = text;
        break;
    case FOLDER:
        options->folder = text;
        break;
    case QUESTIONS:
        options->questions = text;
        break;
    case NO_VERIFY:
        options->verify = false;
        break;
    case FIRST:
        return number(&options->first, text, 0, 1000000000, error);
    case COUNT:
        return number(&options->count, text, 1, 100000000, error);
    case SEED:
        return number(&options->layout.seed, text, 0, 99999999, error);
    case BYTES:
        return number(&options->bytes, text, 1, 1 << 30, error);
    case PORT:
        status = number(&value, text, 1, 65535, error);
        options->port = (uint16_t)value;
        break;
    case SINK_PORT:
        status = number(&value, text, 0, 65535, error);
        options->sink_port = (uint16_t)value;
        break;
    case ASSOCIATIONS:
        status = number(&value, text, 1, LOAD_ASSOCIATIONS, error);
        options->associations = (unsigned)value;
        break;
    case PER_SERIES:
        status = number(&value, text, 1, 1000000, error);
        options->layout.per_series = (unsigned)value;
        break;
    case SERIES_PER_STUDY:
        status = number(&value, text, 1, 1000, error);
        options->layout.series_per_study = (unsigned)value;
        break;
    case REPEAT:
        status = number(&value, text, 1, 100000000, error);
        options->repeat = (unsigned)value;
        break;
    default:
        return mur_error_set(error, MUR_INVALID, "see murpacs-load without arguments");
    }
    return status;
}

/* Idle associations by the hundred need descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int run(size_t command, const struct load_options *options)
{
    struct mur_error error = MUR_ERROR_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    struct mur_json_writer json;
    bool good = false;
    raise_descriptor_limit();
    (void)signal(SIGPIPE, SIG_IGN);
    enum mur_status status = mur_network_init(&error);
    mur_json_init(&json, mur_sink_buffer(&text));
    mur_json_begin_object(&json);
    mur_json_member_string(&json, "command", commands[command].name);
    mur_json_member_string(&json, "kind", options->kind->name);
    mur_json_member_int(&json, "associations", options->associations);
    if (status == MUR_OK)
        status = commands[command].run(&good, &json, options, &error);
    good = good && status == MUR_OK;
    mur_json_member_bool(&json, "good", good);
    if (status != MUR_OK)
        mur_json_member_string(&json, "error", error.message);
    mur_json_end_object(&json);
    if (mur_json_finish(&json, &error) == MUR_OK)
        (void)puts(mur_buffer_text(&text));
    else
        (void)fprintf(stderr, "murpacs-load: %s\n", error.message);
    return good ? 0 : 1;
}

int main(int count, char **arguments)
{
    struct load_options options = {
        .host = "127.0.0.1",
        .port = 11112,
        .calling_ae_title = "LOAD",
        .called_ae_title = "MURPACS",
        .kind = load_kind_find("mr"),
        .layout = {.seed = 1, .per_series = 50, .series_per_study = 2},
        .count = 1000,
        .associations = 1,
        .repeat = 100,
        .query = "study",
        .sink_title = "SINK",
        .folder = ".",
        .questions = "questions",
        .bytes = 131072,
        .verify = true,
    };
    struct mur_error error = MUR_ERROR_INIT;
    int key;
    while ((key = getopt_long(count, arguments, "", long_options, NULL)) != -1)
        if (set_option(&options, key, optarg, &error) != MUR_OK) {
            (void)fprintf(stderr, "murpacs-load: %s\n", error.message);
            return 2;
        }
    for (size_t i = 0; i < MUR_COUNT(commands) && optind == count - 1; i++)
        if (strcmp(commands[i].name, arguments[optind]) == 0)
            return run(i, &options);
    (void)fputs(usage_text, stderr);
    return 2;
}
