/**
 * What the commands that talk to a peer share: whom to, for how long, Ctrl-C, and how answers are
 * printed. Options go by DCMTK's and dcm4che's names. Threads: the program's first, unless said.
 */
#ifndef MUR_CLI_CLIENT_H
#define MUR_CLI_CLIENT_H

#include <popt.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"
#include "cli/client_tls.h"
#include "core/json_write.h"
#include "core/progress.h"
#include "scu/client.h"
#include "scu/keys.h"
#include "scu/receiver.h"
#include "scu/retrieve.h"

/** Exit codes of DCMTK's clients for networks, beside those of cli.h. */
enum mur_client_exit {
    MUR_EXIT_NOT_OFFERED = 66, /**< the peer refused every presentation context */
    MUR_EXIT_WARNING = 68,     /**< done, but not all of it */
    MUR_EXIT_REFUSED = 69,     /**< the peer answers with a failure */
};

enum { MUR_SECONDS_UNSET = -1 };

/** What the options below said. */
struct mur_client_words {
    char *peer;
    char *calling, *called;
    int connect_s, acse_s, dimse_s; /**< MUR_SECONDS_UNSET where nothing was said */
    int json;
};
extern struct mur_client_words mur_client_words;

/** Rows of an option table, for every client. */
/* clang-format off */
#define MUR_CLIENT_OPTIONS                                                                         \
    {"connect", 'c', POPT_ARG_STRING, &mur_client_words.peer, 0,                                   \
     "the peer, instead of the first arguments", "AET@HOST:PORT"},                                 \
    {"aet", '\0', POPT_ARG_STRING | POPT_ARGFLAG_ONEDASH, &mur_client_words.calling, 0,            \
     "our AE title (default: node.ae_title)", "AET"},                                              \
    {"aec", '\0', POPT_ARG_STRING | POPT_ARGFLAG_ONEDASH, &mur_client_words.called, 0,             \
     "AE title of the peer (default: ANY-SCP)", "AET"},                                            \
    {"to", '\0', POPT_ARG_INT | POPT_ARGFLAG_ONEDASH, &mur_client_words.connect_s, 0,              \
     "seconds for the connection (default: 15)", "S"},                                             \
    {"ta", '\0', POPT_ARG_INT | POPT_ARGFLAG_ONEDASH, &mur_client_words.acse_s, 0,                 \
     "seconds for the association's answer (default: 30)", "S"},                                   \
    {"td", '\0', POPT_ARG_INT | POPT_ARGFLAG_ONEDASH, &mur_client_words.dimse_s, 0,                \
     "seconds for each message of the peer; 0 waits for ever (default: 600)", "S"},                \
    {"secure", '\0', POPT_ARG_NONE, &mur_client_tls_words.secure, 0,                                \
     "TLS with the certificate of the configuration (dicom.tls_...)", NULL},                       \
    {"tls", '\0', POPT_ARG_NONE | POPT_ARGFLAG_ONEDASH, &mur_client_tls_words.plain, 0,            \
     "no TLS, whatever the configuration says of the peer", NULL},                                 \
    {"ic", '\0', POPT_ARG_NONE | POPT_ARGFLAG_ONEDASH, &mur_client_tls_words.ignore, 0,            \
     "do not verify the peer's certificate", NULL},                                                \
    {"json", '\0', POPT_ARG_NONE, &mur_client_words.json, 0, "lines of JSON, for programs", NULL}
/* clang-format on */

/** Catches SIGINT and SIGTERM (once: a second one ends the program) and lowers the log to warnings
 * unless -v or --log-level said otherwise: a client's result is what it prints.
 * @param[out] client  as options, arguments and configuration say
 * @param[in,out] cli  loses the arguments that are about TLS
 * @param[out] used    how many arguments the address took
 * @return MUR_EXIT_OK, or the exit code after a message */
MUR_NODISCARD
int mur_client_begin(struct mur_client *client, size_t *used, struct mur_cli *cli);

/** Prints the error of an operation on the network. @return its exit code */
int mur_client_fail(const struct mur_cli *cli, const struct mur_error *error);
/** Prints what was not a success on stderr, with what to do about it. @param field  of the request
 * @return the exit code */
int mur_client_finish(const struct mur_cli *cli, const struct mur_outcome *outcome, uint16_t field);
/** Members "status" (hexadecimal), "meaning", "comment" if there is one. */
void mur_client_json_outcome(struct mur_json_writer *json, const struct mur_outcome *outcome,
                             uint16_t field);
/** Ends the object that @p json is writing into @p line, and prints it as a line. */
int mur_client_print_json(const struct mur_cli *cli, struct mur_json_writer *json,
                          struct mur_buffer *line);

/** Appends text from a peer so that it cannot move the cursor: control characters become '?'. */
MUR_NODISCARD
enum mur_status mur_client_append_safe(struct mur_buffer *out, const char *text,
                                       struct mur_error *error);

/* ---- queries and retrievals ------------------------------------------------------------------ */

/** What these options said. */
struct mur_query_words {
    char **keys; /**< -k and -m, in their order each */
    char **matches;
    char **returns; /**< -r */
    char *level;
    int patient_root, study_root;
};
extern struct mur_query_words mur_query_words;

/* clang-format off */
#define MUR_QUERY_OPTIONS                                                                          \
    {"key", 'k', POPT_ARG_ARGV, &mur_query_words.keys, 0,                                          \
     "a key: PatientName=M*, (0010,0020)=M1, Sequence[0].Attribute=VALUE; may be repeated",        \
     "KEY[=VALUE]"},                                                                               \
    {"match", 'm', POPT_ARG_ARGV, &mur_query_words.matches, 0,                                     \
     "the same by dcm4che's name; may be repeated", "KEY=VALUE"},                                  \
    {"level", 'L', POPT_ARG_STRING, &mur_query_words.level, 0,                                     \
     "PATIENT, STUDY, SERIES or IMAGE (default: that of the deepest UID among the keys)", "LEVEL"}, \
    {"patient", 'P', POPT_ARG_NONE, &mur_query_words.patient_root, 0,                              \
     "use the Patient Root model", NULL},                                                          \
    {"study", 'S', POPT_ARG_NONE, &mur_query_words.study_root, 0,                                  \
     "use the Study Root model (default)", NULL}
/* clang-format on */

enum { MUR_KEYS_LIMIT = 256 };

/** The keys of the command line. */
struct mur_query_keys {
    struct mur_key keys[MUR_KEYS_LIMIT]; /**< -k, -m, then -r */
    size_t count;
    size_t returned; /**< how many of them, the last ones, are of -r: they replace no value */
    enum mur_model model;
};

/** Reads -k, -m, -r, -P, -S. */
MUR_NODISCARD
enum mur_status mur_query_read(struct mur_query_keys *out, struct mur_error *error);
/** An identifier of the keys, on top of a query file unless @p path is NULL, with its level.
 * @param[out] level  which it is */
MUR_NODISCARD
enum mur_status mur_query_identifier(struct mur_dataset **out, enum mur_level *level,
                                     const struct mur_query_keys *keys, const char *path,
                                     struct mur_error *error);
/** As mur_query_identifier() for a retrieval: the unique key of the level has a value (PS3.4
 * C.4.2.1.4), so that a slip of the keyboard does not fetch an archive. */
MUR_NODISCARD
enum mur_status mur_query_retrieval(struct mur_dataset **out, enum mur_model *model,
                                    const char *path, struct mur_error *error);

/* ---- where objects land ---------------------------------------------------------------------- */

/** What these options said. */
struct mur_landing_words {
    int overwrite;
    int max_objects, max_megabytes, free_megabytes;
};
extern struct mur_landing_words mur_landing_words;

/* clang-format off */
#define MUR_LANDING_OPTIONS                                                                        \
    {"overwrite", '\0', POPT_ARG_NONE, &mur_landing_words.overwrite, 0,                            \
     "replace files of the same UID with another content (default: keep them, refuse the object)", \
     NULL},                                                                                        \
    {"max-objects", '\0', POPT_ARG_INT, &mur_landing_words.max_objects, 0,                         \
     "take no more than so many (default: 10000000)", "N"},                                        \
    {"max-size", '\0', POPT_ARG_INT, &mur_landing_words.max_megabytes, 0,                          \
     "megabytes of one object (default: 68719)", "MB"},                                            \
    {"keep-free", '\0', POPT_ARG_INT, &mur_landing_words.free_megabytes, 0,                        \
     "megabytes of the file system that are not filled (default: 268)", "MB"}
/* clang-format on */

/** The receiver that they mean. @param[in] asked  the identifier of the retrieval
 * @retval MUR_INVALID  an option is wrong; others as mur_receiver_create() */
MUR_NODISCARD
enum mur_status mur_query_receiver(struct mur_receiver **out, const char *folder,
                                   struct mur_dataset *asked, mur_received_callback *on_object,
                                   void *user, struct mur_error *error);

/** Prints why objects could not be taken. @return the exit code */
int mur_client_receiver_fail(const struct mur_cli *cli, const struct mur_error *error);

/** Warns that the peer did not agree to a relational identifier. */
void mur_client_warn_relational(const struct mur_cli *cli);

/** Prints what became of a C-MOVE or C-GET. @return the exit code */
int mur_client_print_retrieval(const struct mur_cli *cli, const struct mur_retrieval_result *result,
                               uint16_t field, const char *where);

#endif
