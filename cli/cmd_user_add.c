/* Who may ask by HTTP: a line of web.users_file. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "core/file.h"
#include "core/own.h"
#include "core/password.h"

enum { FILE_LIMIT = 1 << 20 };

static char *role;
static char *path;
static int token;

struct poptOption mur_user_add_options[] = {
    {"role", '\0', POPT_ARG_STRING, &role, 0, "r: search and retrieve; rw: store too (default: r)",
     "r|rw"},
    {"token", '\0', POPT_ARG_NONE, &token, 0,
     "make a bearer token, for programs, and print it; it is kept nowhere", NULL},
    {"file", '\0', POPT_ARG_STRING, &path, 0, "the file (default: web.users_file)", "FILE"},
    POPT_TABLEEND};

/* From the terminal without echo, twice; else the first line of stdin. */
static enum mur_status read_password(char **out, struct mur_error *error)
{
    char line[MUR_PASSWORD_LIMIT + 2] = "";
    if (isatty(STDIN_FILENO) != 0) {
        const char *typed = getpass("Password: ");
        if (typed == NULL || strlen(typed) > MUR_PASSWORD_LIMIT)
            return mur_error_set(error, MUR_INVALID, "a password has at most %d bytes",
                                 (int)MUR_PASSWORD_LIMIT);
        (void)snprintf(line, sizeof line, "%s", typed);
        typed = getpass("Again: ");
        if (typed == NULL || strcmp(typed, line) != 0)
            return mur_error_set(error, MUR_INVALID, "the passwords differ");
    } else if (fgets(line, sizeof line, stdin) == NULL) {
        return mur_error_set(error, MUR_INVALID, "stdin holds no password");
    }
    size_t length = strcspn(line, "\r\n");
    enum mur_status status = MUR_OK;
    if (length > MUR_PASSWORD_LIMIT)
        status = mur_error_set(error, MUR_INVALID, "a password has at most %d bytes",
                               (int)MUR_PASSWORD_LIMIT);
    else
        status = mur_text_copy(out, (struct mur_slice){.data = line, .length = length}, error);
    explicit_bzero(line, sizeof line);
    return status;
}

static bool is_name(const char *name)
{
    if (name[0] == '\0' || name[0] == '#' || strlen(name) > 200)
        return false;
    for (const char *at = name; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || *at == ':' || *at == 0x7F)
            return false;
    return mur_utf8_valid(mur_slice_of(name));
}

/* The file as it was, without the line of that name, and the new line. @param[out] replaced */
static enum mur_status put_line(bool *replaced, const char *file, const char *name,
                                const char *kept, struct mur_error *error)
{
    MUR_AUTO_BUFFER struct mur_buffer old = MUR_BUFFER_INIT;
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    enum mur_status status = MUR_OK;
    if (mur_file_exists(file))
        status = mur_file_read_all(&old, file, FILE_LIMIT, error);
    size_t length = strlen(name);
    *replaced = false;
    char *rest = old.data;
    for (char *line; status == MUR_OK && rest != NULL && (line = strsep(&rest, "\n")) != NULL;) {
        bool same = strncmp(line, name, length) == 0 && line[length] == ':';
        *replaced = *replaced || same;
        if (!same && (line[0] != '\0' || rest != NULL))
            status = mur_buffer_append_format(&text, error, "%s\n", line);
    }
    if (status == MUR_OK)
        status = mur_buffer_append_format(&text, error, "%s:%s:%s\n", name, role, kept);
    return status == MUR_OK ? mur_file_write_all(file, text.data, text.length, 0600, error)
                            : status;
}

int mur_command_user_add(struct mur_cli *cli)
{
    struct mur_error error = MUR_ERROR_INIT;
    if (cli->argument_count != 1)
        return mur_cli_usage(cli, "one name is needed");
    const char *name = cli->arguments[0];
    if (!is_name(name))
        return mur_cli_usage(cli, "\"%s\" is no name: no blanks, no colon", name);
    if (role == NULL)
        role = "r";
    if (strcmp(role, "r") != 0 && strcmp(role, "rw") != 0)
        return mur_cli_usage(cli, "--role is r or rw");
    const char *file = path != NULL ? path : cli->config->web_users_file;
    if (file[0] == '\0')
        return mur_cli_usage(cli, "which file? Set web.users_file, or say --file FILE");
    MUR_AUTO_FREE char *password = NULL;
    MUR_AUTO_FREE char *kept = NULL;
    char made[MUR_TOKEN_SIZE] = "";
    enum mur_status status;
    if (token != 0) {
        status = mur_token_create(made, &kept, &error);
    } else {
        status = read_password(&password, &error);
        if (status == MUR_OK)
            status = mur_password_hash(&kept, mur_slice_of(password), &error);
        if (password != NULL)
            explicit_bzero(password, strlen(password));
    }
    bool replaced = false;
    if (status == MUR_OK)
        status = put_line(&replaced, file, name, kept, &error);
    MUR_AUTO_BUFFER struct mur_buffer text = MUR_BUFFER_INIT;
    if (status == MUR_OK && token != 0)
        status = mur_buffer_append_format(&text, &error, "%s\n", made);
    if (status == MUR_OK && token == 0 && !cli->quiet)
        status = mur_buffer_append_format(&text, &error, "%s: %s %s\n", file, name,
                                          replaced ? "changed" : "added");
    return status == MUR_OK ? mur_cli_print(cli, &text) : mur_cli_fail(cli, &error);
}
