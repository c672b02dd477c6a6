#include "core/config.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <libconfig.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/suggest.h"
#include "core/text.h"

enum { FILE_LIMIT = 1024 * 1024, TEXT_LIMIT = 4096, PEER_LIMIT = 10000 };
enum { AE_TITLE_LENGTH = 16, PORT_HIGHEST = 65535, CHOICE_LIMIT = 8, NAME_SIZE = 16 };

enum key_type { KEY_STRING, KEY_INT, KEY_SIZE, KEY_BOOL, KEY_CHOICE };
enum string_kind { KIND_TEXT, KIND_PATH, KIND_AE_TITLE, KIND_ADDRESS };

/* A row of config.def, or the head of a group (no name). */
struct key {
    const char *group;
    const char *name;
    const char *path;
    enum key_type type;
    enum string_kind kind;
    size_t offset;    /* in struct mur_config */
    const char *text; /* the default of a string or size */
    int number;       /* the default of the others */
    int low;
    int high;
    const char *names; /* of a choice: "a|b", in the order of its enum */
    const char *description;
};

#define FIELD(group, name) offsetof(struct mur_config, group##_##name)
#define ROW(group_, name_)                                                                         \
    .group = #group_, .name = #name_, .path = #group_ "." #name_, .offset = FIELD(group_, name_)
static const struct key keys[] = {
#define MUR_CONFIG_GROUP(group_, description_) {.group = #group_, .description = description_},
#define MUR_CONFIG_STRING(group_, name_, kind_, value_, description_)                              \
    {ROW(group_, name_), .type = KEY_STRING, .kind = KIND_##kind_, .text = value_,                 \
     .description = description_},
#define MUR_CONFIG_INT(group_, name_, value_, low_, high_, description_)                           \
    {ROW(group_, name_), .type = KEY_INT, .number = value_,                                        \
     .low = low_,        .high = high_,   .description = description_},
#define MUR_CONFIG_SIZE(group_, name_, value_, description_)                                       \
    {ROW(group_, name_), .type = KEY_SIZE, .text = value_, .description = description_},
#define MUR_CONFIG_BOOL(group_, name_, value_, description_)                                       \
    {ROW(group_, name_), .type = KEY_BOOL, .number = value_, .description = description_},
#define MUR_CONFIG_CHOICE(group_, name_, type_, names_, value_, description_)                      \
    {ROW(group_, name_), .type = KEY_CHOICE, .number = value_, .names = names_,                    \
     .description = description_},
#include "core/config.def"
};

static const char rights_names[] = "|r|w|rw";

/* A value as a file or a --set gives it. */
struct value {
    enum { VALUE_TEXT, VALUE_NUMBER, VALUE_BOOL, VALUE_OTHER } type;
    const char *text;
    int64_t number;
};

static bool is_group(const struct key *key)
{
    return key->name == NULL;
}

static const struct key *find_key(const char *path)
{
    for (size_t i = 0; i < MUR_COUNT(keys); i++)
        if (!is_group(&keys[i]) && strcmp(keys[i].path, path) == 0)
            return &keys[i];
    return NULL;
}

static const struct key *find_group(const char *name)
{
    for (size_t i = 0; i < MUR_COUNT(keys); i++)
        if (is_group(&keys[i]) && strcmp(keys[i].group, name) == 0)
            return &keys[i];
    return NULL;
}

/* "a, b, c": the keys of the group named by the @p length first bytes of @p path. */
static enum mur_status list_keys(struct mur_buffer *out, const char *path, size_t length,
                                 struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(keys); i++)
        if (!is_group(&keys[i]) && strlen(keys[i].group) == length &&
            strncmp(keys[i].group, path, length) == 0)
            status = mur_buffer_append_format(out, error, "%s%s", out->length > 0 ? ", " : "",
                                              keys[i].name);
    return status;
}

static enum mur_status list_groups(struct mur_buffer *out, struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(keys); i++)
        if (is_group(&keys[i]))
            status = mur_buffer_append_format(out, error, "%s, ", keys[i].group);
    return status == MUR_OK ? mur_buffer_append_text(out, "peers", error) : status;
}

static enum mur_status unknown_key(const char *path, struct mur_error *error)
{
    const char *candidates[MUR_COUNT(keys) + 1];
    size_t count = 0;
    for (size_t i = 0; i < MUR_COUNT(keys); i++)
        if (!is_group(&keys[i]))
            candidates[count++] = keys[i].path;
    candidates[count++] = "peers";
    char near[256];
    if (mur_suggest(near, sizeof near, path, candidates, count) > 0)
        return mur_error_set(error, MUR_INVALID, "unknown key %.80s; did you mean %s?", path, near);
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    size_t length = (size_t)(strchrnul(path, '.') - path);
    enum mur_status status = list_keys(&list, path, length, error);
    if (status != MUR_OK)
        return status;
    if (list.length > 0)
        return mur_error_set(error, MUR_INVALID, "unknown key %.80s; %.*s has: %s", path,
                             (int)length, path, mur_buffer_text(&list));
    status = list_groups(&list, error);
    if (status != MUR_OK)
        return status;
    return mur_error_set(error, MUR_INVALID, "unknown key %.80s; there are the groups %s", path,
                         mur_buffer_text(&list));
}

static bool is_clean_text(const char *text)
{
    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            return false;
    return mur_utf8_valid(mur_slice_of(text));
}

/* PS3.5 6.2: 1 to 16 characters of the default repertoire without backslash and control
 * characters; not spaces alone. */
static bool is_ae_title(const char *text)
{
    struct mur_slice trimmed = mur_slice_trim(mur_slice_of(text));
    if (trimmed.length == 0 || strlen(text) > AE_TITLE_LENGTH)
        return false;
    for (const char *at = text; *at != '\0'; at++)
        if (*at < 0x20 || *at > 0x7E || *at == '\\')
            return false;
    return true;
}

static bool is_address(const char *text)
{
    unsigned char binary[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, text, binary) == 1 || inet_pton(AF_INET6, text, binary) == 1;
}

static bool is_host(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && length <= 255 && is_clean_text(text) && strpbrk(text, " /") == NULL;
}

static enum mur_status check_string(enum string_kind kind, const char *what, const char *text,
                                    struct mur_error *error)
{
    if (strlen(text) > TEXT_LIMIT || !is_clean_text(text))
        return mur_error_set(error, MUR_INVALID,
                             "%s must be UTF-8 text of at most %d bytes without control characters",
                             what, TEXT_LIMIT);
    switch (kind) {
    case KIND_TEXT:
        break;
    case KIND_PATH:
        if (text[0] == '\0')
            return mur_error_set(error, MUR_INVALID, "%s must not be empty", what);
        break;
    case KIND_AE_TITLE:
        if (!is_ae_title(text))
            return mur_error_set(error, MUR_INVALID,
                                 "%s \"%.40s\" is no AE Title: 1 to 16 ASCII characters, no "
                                 "backslash, not spaces alone",
                                 what, text);
        break;
    case KIND_ADDRESS:
        if (!is_address(text))
            return mur_error_set(error, MUR_INVALID,
                                 "%s \"%.60s\" is no numeric address, such as \"127.0.0.1\" or "
                                 "\"::1\"",
                                 what, text);
        break;
    }
    return MUR_OK;
}

/* The place of @p text among "a|b|c", or -1. */
static int find_name(const char *names, const char *text)
{
    size_t length = strlen(text);
    for (int place = 0;; place++) {
        const char *bar = strchrnul(names, '|');
        if ((size_t)(bar - names) == length && memcmp(names, text, length) == 0)
            return place;
        if (*bar == '\0')
            return -1;
        names = bar + 1;
    }
}

static void name_at(char out[NAME_SIZE], const char *names, int place)
{
    while (place-- > 0)
        names = strchrnul(names, '|') + 1;
    size_t length = (size_t)(strchrnul(names, '|') - names);
    memcpy(out, names, length);
    out[length] = '\0';
}

static enum mur_status wrong_choice(const char *what, const char *names, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer list = MUR_BUFFER_INIT;
    const char *at = names;
    for (;;) {
        const char *bar = strchrnul(at, '|');
        const char *separator = at == names ? "" : *bar != '\0' ? ", " : " or ";
        enum mur_status status =
            mur_buffer_append_format(&list, error, "%s\"%.*s\"", separator, (int)(bar - at), at);
        if (status != MUR_OK)
            return status;
        if (*bar == '\0')
            break;
        at = bar + 1;
    }
    return mur_error_set(error, MUR_INVALID, "%s must be %s", what, mur_buffer_text(&list));
}

static enum mur_status size_of(uint64_t *out, const char *what, const char *text,
                               struct mur_error *error)
{
    struct mur_slice number = mur_slice_trim(mur_slice_of(text));
    static const char units[] = "KMGT";
    unsigned shift = 0;
    if (number.length > 0) {
        const char *unit = memchr(units, number.data[number.length - 1], sizeof units - 1);
        if (unit != NULL) {
            shift = 10 * (unsigned)(unit - units + 1);
            number.length--;
        }
    }
    uint64_t value;
    if (mur_parse_uint64(&value, number, 0, (uint64_t)INT64_MAX >> shift, NULL) != MUR_OK)
        return mur_error_set(error, MUR_INVALID,
                             "%s \"%.40s\" is no size: a number of bytes, or with K, M, G or T",
                             what, text);
    *out = value << shift;
    return MUR_OK;
}

/* Checks the value and puts it into its field. */
static enum mur_status assign(struct mur_config *config, const struct key *key,
                              const struct value *value, struct mur_error *error)
{
    char *field = (char *)config + key->offset;
    enum mur_status status;
    switch (key->type) {
    case KEY_STRING: {
        if (value->type != VALUE_TEXT)
            return mur_error_set(error, MUR_INVALID, "%s must be text in quotes", key->path);
        status = check_string(key->kind, key->path, value->text, error);
        char *copy = NULL;
        if (status == MUR_OK)
            status = mur_text_copy(&copy, mur_slice_of(value->text), error);
        if (status != MUR_OK)
            return status;
        char **text = (char **)(void *)field;
        free(*text);
        *text = copy;
        return MUR_OK;
    }
    case KEY_INT:
        if (value->type != VALUE_NUMBER || value->number < key->low || value->number > key->high)
            return mur_error_set(error, MUR_INVALID, "%s must be a whole number from %d to %d",
                                 key->path, key->low, key->high);
        *(int *)(void *)field = (int)value->number;
        return MUR_OK;
    case KEY_SIZE: {
        uint64_t size = 0;
        if (value->type == VALUE_NUMBER && value->number >= 0) {
            size = (uint64_t)value->number;
        } else {
            status = size_of(&size, key->path, value->type == VALUE_TEXT ? value->text : "", error);
            if (status != MUR_OK)
                return status;
        }
        *(uint64_t *)(void *)field = size;
        return MUR_OK;
    }
    case KEY_BOOL:
        if (value->type != VALUE_BOOL)
            return mur_error_set(error, MUR_INVALID, "%s must be true or false", key->path);
        *(bool *)field = value->number != 0;
        return MUR_OK;
    case KEY_CHOICE: {
        int place = value->type == VALUE_TEXT ? find_name(key->names, value->text) : -1;
        if (place < 0)
            return wrong_choice(key->path, key->names, error);
        /* All enums of the table are unsigned int: no value is negative. */
        *(unsigned *)(void *)field = (unsigned)place;
        return MUR_OK;
    }
    }
    return mur_error_set(error, MUR_INTERNAL, "%s has no type", key->path);
}

#define MUR_CONFIG_GROUP(group, description)
#define MUR_CONFIG_STRING(group, name, kind, value, description)
#define MUR_CONFIG_INT(group, name, value, low, high, description)
#define MUR_CONFIG_SIZE(group, name, value, description)
#define MUR_CONFIG_BOOL(group, name, value, description)
#define MUR_CONFIG_CHOICE(group, name, type, names, value, description)                            \
    _Static_assert(sizeof(enum type) == sizeof(unsigned), "assign() writes an unsigned");
#include "core/config.def"

static struct value default_of(const struct key *key)
{
    switch (key->type) {
    case KEY_STRING:
    case KEY_SIZE:
        return (struct value){.type = VALUE_TEXT, .text = key->text};
    case KEY_INT:
        return (struct value){.type = VALUE_NUMBER, .number = key->number};
    case KEY_BOOL:
        return (struct value){.type = VALUE_BOOL, .number = key->number};
    case KEY_CHOICE:
        break;
    }
    return (struct value){.type = VALUE_OTHER};
}

enum mur_status mur_config_create(struct mur_config **out, struct mur_error *error)
{
    MUR_AUTO(mur_config) *config = calloc(1, sizeof *config);
    if (config == NULL)
        return mur_error_no_memory(error);
    for (size_t i = 0; i < MUR_COUNT(keys); i++) {
        if (is_group(&keys[i]))
            continue;
        char name[NAME_SIZE];
        struct value value = default_of(&keys[i]);
        if (keys[i].type == KEY_CHOICE) {
            name_at(name, keys[i].names, keys[i].number);
            value = (struct value){.type = VALUE_TEXT, .text = name};
        }
        enum mur_status status = assign(config, &keys[i], &value, error);
        if (status != MUR_OK)
            return status;
    }
    *out = MUR_STEAL(config);
    return MUR_OK;
}

static void peers_free(struct mur_peer *peers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(peers[i].ae_title);
        free(peers[i].host);
    }
    free(peers);
}

void mur_config_free(struct mur_config *config)
{
    if (config == NULL)
        return;
    for (size_t i = 0; i < MUR_COUNT(keys); i++)
        if (!is_group(&keys[i]) && keys[i].type == KEY_STRING)
            free(*(char **)(void *)((char *)config + keys[i].offset));
    peers_free(config->peers, config->peer_count);
    free(config);
}

/* The file being read, for messages. */
struct source {
    struct mur_config *config;
    const char *name;
};

/* "FILE:LINE: " before what is in @p error. */
static enum mur_status at_setting(const struct source *source, const config_setting_t *setting,
                                  struct mur_error *error)
{
    const char *file = config_setting_source_file(setting); /* NULL but in an @include */
    return mur_error_prefix(error, "%s:%u", file != NULL ? file : source->name,
                            config_setting_source_line(setting));
}

static struct value value_of(const config_setting_t *setting)
{
    switch (config_setting_type(setting)) {
    case CONFIG_TYPE_STRING:
        return (struct value){.type = VALUE_TEXT, .text = config_setting_get_string(setting)};
    case CONFIG_TYPE_INT:
        return (struct value){.type = VALUE_NUMBER, .number = config_setting_get_int(setting)};
    case CONFIG_TYPE_INT64:
        return (struct value){.type = VALUE_NUMBER, .number = config_setting_get_int64(setting)};
    case CONFIG_TYPE_BOOL:
        return (struct value){.type = VALUE_BOOL, .number = config_setting_get_bool(setting)};
    default:
        return (struct value){.type = VALUE_OTHER};
    }
}

static enum mur_status read_peer_member(struct mur_peer *peer, const char *name,
                                        const struct value *value, struct mur_error *error)
{
    bool text = value->type == VALUE_TEXT;
    if (strcmp(name, "ae_title") == 0) {
        enum mur_status status =
            check_string(KIND_AE_TITLE, "ae_title", text ? value->text : "", error);
        return status != MUR_OK ? status
                                : mur_text_copy(&peer->ae_title, mur_slice_of(value->text), error);
    }
    if (strcmp(name, "host") == 0) {
        if (!text || !is_host(value->text))
            return mur_error_set(error, MUR_INVALID, "host must be a name or an address in quotes");
        return mur_text_copy(&peer->host, mur_slice_of(value->text), error);
    }
    if (strcmp(name, "port") == 0) {
        if (value->type != VALUE_NUMBER || value->number < 1 || value->number > PORT_HIGHEST)
            return mur_error_set(error, MUR_INVALID, "port must be a whole number from 1 to %d",
                                 PORT_HIGHEST);
        peer->port = (int)value->number;
        return MUR_OK;
    }
    if (strcmp(name, "rights") == 0) {
        int place = text ? find_name(rights_names, value->text) : -1;
        if (place < 0)
            return wrong_choice("rights", rights_names, error);
        peer->rights = (enum mur_rights)place;
        return MUR_OK;
    }
    if (strcmp(name, "tls") == 0) {
        if (value->type != VALUE_BOOL)
            return mur_error_set(error, MUR_INVALID, "tls must be true or false");
        peer->tls = value->number != 0;
        return MUR_OK;
    }
    return mur_error_set(error, MUR_INVALID,
                         "unknown key %.80s; a peer has: ae_title, host, port, rights, tls", name);
}

static const struct mur_peer *find_peer(const struct mur_peer *peers, size_t count,
                                        const char *ae_title)
{
    struct mur_slice wanted = mur_slice_trim(mur_slice_of(ae_title));
    for (size_t i = 0; i < count; i++) {
        struct mur_slice title = mur_slice_trim(mur_slice_of(peers[i].ae_title));
        if (title.length == wanted.length && memcmp(title.data, wanted.data, title.length) == 0)
            return &peers[i];
    }
    return NULL;
}

static enum mur_status read_peer(const struct source *source, const config_setting_t *setting,
                                 struct mur_error *error)
{
    struct mur_config *config = source->config;
    struct mur_peer *peer = &config->peers[config->peer_count];
    /* Counted at once, so that the configuration frees it whatever comes. */
    size_t before = config->peer_count++;
    *peer = (struct mur_peer){.rights = MUR_RIGHTS_NONE};
    bool has_rights = false;
    int count = config_setting_is_group(setting) ? config_setting_length(setting) : 0;
    for (int i = 0; i < count; i++) {
        const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);
        struct value value = value_of(member);
        const char *name = config_setting_name(member);
        if (read_peer_member(peer, name, &value, error) != MUR_OK)
            return at_setting(source, member, error);
        has_rights = has_rights || strcmp(name, "rights") == 0;
    }
    enum mur_status status = MUR_OK;
    if (peer->ae_title == NULL || peer->host == NULL || peer->port == 0 || !has_rights)
        status = mur_error_set(error, MUR_INVALID,
                               "a peer needs all of { ae_title = \"AET\"; host = \"name\"; "
                               "port = 104; rights = \"rw\"; }");
    else if (find_peer(config->peers, before, peer->ae_title) != NULL)
        status = mur_error_set(error, MUR_INVALID, "peer \"%s\" is listed twice", peer->ae_title);
    return status == MUR_OK ? MUR_OK : at_setting(source, setting, error);
}

static enum mur_status read_peers(const struct source *source, const config_setting_t *setting,
                                  struct mur_error *error)
{
    int count = config_setting_length(setting);
    if (!config_setting_is_list(setting) || count > PEER_LIMIT) {
        mur_error_set(error, MUR_INVALID, "peers must be a list of at most %d: peers = ( {...} );",
                      PEER_LIMIT);
        return at_setting(source, setting, error);
    }
    if (count == 0)
        return MUR_OK;
    source->config->peers = calloc((size_t)count, sizeof *source->config->peers);
    if (source->config->peers == NULL)
        return mur_error_no_memory(error);
    for (int i = 0; i < count; i++) {
        enum mur_status status =
            read_peer(source, config_setting_get_elem(setting, (unsigned)i), error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

static enum mur_status read_group(const struct source *source, const config_setting_t *setting,
                                  struct mur_error *error)
{
    const char *group = config_setting_name(setting);
    if (find_group(group) == NULL) {
        (void)unknown_key(group, error);
        return at_setting(source, setting, error);
    }
    if (!config_setting_is_group(setting)) {
        mur_error_set(error, MUR_INVALID, "%s must be a group: %s: { ... };", group, group);
        return at_setting(source, setting, error);
    }
    for (int i = 0; i < config_setting_length(setting); i++) {
        const config_setting_t *member = config_setting_get_elem(setting, (unsigned)i);
        MUR_AUTO_FREE char *path = NULL;
        enum mur_status status =
            mur_text_format(&path, error, "%s.%s", group, config_setting_name(member));
        if (status != MUR_OK)
            return status;
        const struct key *key = find_key(path);
        struct value value = value_of(member);
        status =
            key != NULL ? assign(source->config, key, &value, error) : unknown_key(path, error);
        if (status != MUR_OK)
            return at_setting(source, member, error);
    }
    return MUR_OK;
}

static enum mur_status read_settings(const struct source *source, const config_setting_t *root,
                                     struct mur_error *error)
{
    for (int i = 0; i < config_setting_length(root); i++) {
        const config_setting_t *setting = config_setting_get_elem(root, (unsigned)i);
        enum mur_status status = strcmp(config_setting_name(setting), "peers") == 0
                                     ? read_peers(source, setting, error)
                                     : read_group(source, setting, error);
        if (status != MUR_OK)
            return status;
    }
    return MUR_OK;
}

enum mur_status mur_config_parse(struct mur_config **out, const char *text, const char *name,
                                 struct mur_error *error)
{
    MUR_AUTO(mur_config) *config = NULL;
    enum mur_status status = mur_config_create(&config, error);
    if (status != MUR_OK)
        return status;
    config_t file __attribute__((cleanup(config_destroy)));
    config_init(&file);
    /* @include "peers.cfg" means the one beside this file. */
    MUR_AUTO_FREE char *folder = NULL;
    struct mur_slice before = {.data = name, .length = (size_t)(mur_path_base(name) - name)};
    status = mur_text_copy(&folder, before, error);
    if (status != MUR_OK)
        return status;
    if (folder[0] != '\0')
        config_set_include_dir(&file, folder);
    if (config_read_string(&file, text) != CONFIG_TRUE) {
        const char *place = config_error_file(&file);
        return mur_error_set(error, MUR_INVALID, "%s:%d: %s", place != NULL ? place : name,
                             config_error_line(&file), config_error_text(&file));
    }
    struct source source = {.config = config, .name = name};
    status = read_settings(&source, config_root_setting(&file), error);
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(config);
    return MUR_OK;
}

enum mur_status mur_config_load(struct mur_config **out, const char *path, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (strcmp(path, "/dev/null") == 0) /* what people write for "none"; no regular file */
        return mur_config_parse(out, "", path, error);
    enum mur_status status = mur_file_read_all(&text, path, FILE_LIMIT, error);
    if (status != MUR_OK)
        return mur_error_prefix(error, "configuration");
    size_t length = strlen(mur_buffer_text(&text));
    if (length != text.length) {
        int line = 1;
        for (size_t i = 0; i < length; i++)
            line += text.data[i] == '\n' ? 1 : 0;
        return mur_error_set(error, MUR_INVALID, "%s:%d: NUL byte: not a text file", path, line);
    }
    return mur_config_parse(out, mur_buffer_text(&text), path, error);
}

enum mur_status mur_config_set(struct mur_config *config, const char *assignment,
                               struct mur_error *error)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL)
        return mur_error_set(error, MUR_INVALID,
                             "\"%.80s\": expected KEY=VALUE, such as dicom.port=0", assignment);
    MUR_AUTO_FREE char *path = NULL;
    struct mur_slice left = {.data = assignment, .length = (size_t)(equals - assignment)};
    enum mur_status status = mur_text_copy(&path, mur_slice_trim(left), error);
    if (status != MUR_OK)
        return status;
    if (strcmp(path, "peers") == 0)
        return mur_error_set(error, MUR_INVALID, "peers can only be set in a configuration file");
    const struct key *key = find_key(path);
    if (key == NULL)
        return unknown_key(path, error);
    struct value value = {.type = VALUE_TEXT, .text = equals + 1};
    if (key->type == KEY_INT &&
        mur_parse_int64(&value.number, mur_slice_of(value.text), INT_MIN, INT_MAX, NULL) == MUR_OK)
        value.type = VALUE_NUMBER;
    if (key->type == KEY_BOOL) {
        value.number = mur_ascii_equal_ignore_case(value.text, "true") ? 1 : 0;
        if (value.number == 1 || mur_ascii_equal_ignore_case(value.text, "false"))
            value.type = VALUE_BOOL;
    }
    return assign(config, key, &value, error);
}

const struct mur_peer *mur_config_find_peer(const struct mur_config *config, const char *ae_title)
{
    return find_peer(config->peers, config->peer_count, ae_title);
}

static enum mur_status write_quoted(struct mur_buffer *out, const char *text,
                                    struct mur_error *error)
{
    enum mur_status status = mur_buffer_append_text(out, "\"", error);
    for (const char *at = text; status == MUR_OK && *at != '\0'; at++) {
        if (*at == '"' || *at == '\\')
            status = mur_buffer_append_text(out, "\\", error);
        if (status == MUR_OK)
            status = mur_buffer_append(out, at, 1, error);
    }
    return status == MUR_OK ? mur_buffer_append_text(out, "\"", error) : status;
}

/* In the largest unit that needs no fraction. */
static enum mur_status write_size(struct mur_buffer *out, uint64_t size, struct mur_error *error)
{
    static const char units[] = "KMGT";
    size_t unit = 0;
    while (size != 0 && size % 1024 == 0 && unit < sizeof units - 1) {
        size /= 1024;
        unit++;
    }
    char suffix[2] = {unit > 0 ? units[unit - 1] : '\0', '\0'};
    return mur_buffer_append_format(out, error, "\"%" PRIu64 "%s\"", size, suffix);
}

static enum mur_status write_value(struct mur_buffer *out, const struct mur_config *config,
                                   const struct key *key, struct mur_error *error)
{
    const char *field = (const char *)config + key->offset;
    switch (key->type) {
    case KEY_STRING:
        return write_quoted(out, *(char *const *)(const void *)field, error);
    case KEY_INT:
        return mur_buffer_append_format(out, error, "%d", *(const int *)(const void *)field);
    case KEY_SIZE:
        return write_size(out, *(const uint64_t *)(const void *)field, error);
    case KEY_BOOL:
        return mur_buffer_append_text(out, *(const bool *)field ? "true" : "false", error);
    case KEY_CHOICE:
        break;
    }
    char name[NAME_SIZE];
    name_at(name, key->names, (int)*(const unsigned *)(const void *)field);
    return write_quoted(out, name, error);
}

/* Each line of the description after @p indent and '#'. */
static enum mur_status write_comment(struct mur_buffer *out, const char *indent, const char *text,
                                     struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    while (status == MUR_OK && *text != '\0') {
        int length = (int)(strchrnul(text, '\n') - text);
        status = mur_buffer_append_format(out, error, "%s# %.*s\n", indent, length, text);
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    return status;
}

static enum mur_status write_range(struct mur_buffer *out, const struct key *key,
                                   struct mur_error *error)
{
    if (key->type != KEY_INT)
        return MUR_OK;
    return mur_buffer_append_format(out, error, "    # From %d to %d.\n", key->low, key->high);
}

enum mur_status mur_config_write_default(struct mur_buffer *out, struct mur_error *error)
{
    MUR_AUTO(mur_config) *config = NULL;
    enum mur_status status = mur_config_create(&config, error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(
            out,
            "# Configuration of Murpacs: every key at its default. No key is needed, and no file.\n"
            "# Check: murpacs config --check FILE. Override once: murpacs --set dicom.port=0 ...\n",
            error);
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(keys); i++) {
        const struct key *key = &keys[i];
        if (is_group(key)) {
            status = mur_buffer_append_text(out, i == 0 ? "\n" : "};\n\n", error);
            if (status == MUR_OK)
                status = write_comment(out, "", key->description, error);
            if (status == MUR_OK)
                status = mur_buffer_append_format(out, error, "%s: {\n", key->group);
            continue;
        }
        status = write_comment(out, "    ", key->description, error);
        if (status == MUR_OK)
            status = write_range(out, key, error);
        if (status == MUR_OK)
            status = mur_buffer_append_format(out, error, "    %s = ", key->name);
        if (status == MUR_OK)
            status = write_value(out, config, key, error);
        if (status == MUR_OK)
            status = mur_buffer_append_text(out, ";\n", error);
    }
    if (status != MUR_OK)
        return status;
    return mur_buffer_append_text(
        out,
        "};\n\n"
        "# DICOM applications that the node knows: who they are, where C-MOVE sends to, and what\n"
        "# they may do: \"r\" find, move and get, \"w\" store, \"rw\" both, \"\" echo alone. All "
        "four are\n"
        "# needed; tls = true says that we call it by TLS. Example:\n"
        "#   peers = (\n"
        "#       { ae_title = \"VIEWER\"; host = \"192.0.2.10\"; port = 104; rights = \"rw\"; },\n"
        "#       { ae_title = \"SCANNER\"; host = \"scanner.example\"; port = 2762; rights = "
        "\"w\"; tls = true; }\n"
        "#   );\n"
        "peers = ();\n",
        error);
}

static enum mur_status write_peer(struct mur_buffer *out, const struct mur_peer *peer,
                                  struct mur_error *error)
{
    char rights[NAME_SIZE];
    name_at(rights, rights_names, (int)peer->rights);
    enum mur_status status = mur_buffer_append_text(out, "{ ae_title = ", error);
    if (status == MUR_OK)
        status = write_quoted(out, peer->ae_title, error);
    if (status == MUR_OK)
        status = mur_buffer_append_text(out, "; host = ", error);
    if (status == MUR_OK)
        status = write_quoted(out, peer->host, error);
    if (status == MUR_OK)
        status = mur_buffer_append_format(out, error, "; port = %d; rights = \"%s\"; %s}",
                                          peer->port, rights, peer->tls ? "tls = true; " : "");
    return status;
}

enum mur_status mur_config_write_values(struct mur_buffer *out, const struct mur_config *config,
                                        struct mur_error *error)
{
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < MUR_COUNT(keys); i++) {
        if (is_group(&keys[i]))
            continue;
        status = mur_buffer_append_format(out, error, "%s = ", keys[i].path);
        if (status == MUR_OK)
            status = write_value(out, config, &keys[i], error);
        if (status == MUR_OK)
            status = mur_buffer_append_text(out, "\n", error);
    }
    if (status == MUR_OK)
        status = mur_buffer_append_text(out, "peers = (", error);
    for (size_t i = 0; status == MUR_OK && i < config->peer_count; i++) {
        status = mur_buffer_append_text(out, i > 0 ? ",\n         " : "", error);
        if (status == MUR_OK)
            status = write_peer(out, &config->peers[i], error);
    }
    return status == MUR_OK ? mur_buffer_append_text(out, ")\n", error) : status;
}
