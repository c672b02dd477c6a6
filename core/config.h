/**
 * The configuration: every key stands once, in core/config.def, with type, default and description.
 * Each key is a plain field: "dicom.port" is config->dicom_port. All keys have defaults, so that no
 * file is needed. An unknown key, a wrong type or a bad value is MUR_INVALID, with file and line
 * and what would have been right.
 * Threads: any may read a configuration that nobody changes.
 */
#ifndef MUR_CORE_CONFIG_H
#define MUR_CORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/log.h"
#include "core/own.h"

/** What a peer may do: bits. In the order of the names "", "r", "w", "rw". */
enum mur_rights {
    MUR_RIGHTS_NONE = 0,
    MUR_RIGHTS_READ = 1,  /**< find, move, get */
    MUR_RIGHTS_WRITE = 2, /**< store */
    MUR_RIGHTS_BOTH = 3,
};

/** When Success is answered to a C-STORE. */
enum mur_durability {
    MUR_DURABILITY_DURABLE, /**< bytes and row survive a power cut */
    MUR_DURABILITY_PROCESS, /**< they survive the process only: no syncs */
};

/** What becomes of an object whose SOP Instance UID is stored already. */
enum mur_duplicates {
    MUR_DUPLICATES_KEEP,            /**< same content: success; other content: refused */
    MUR_DUPLICATES_REPLACE,         /**< the new one takes its place */
    MUR_DUPLICATES_REPLACE_CHANGED, /**< likewise, unless it is the same content */
};

/** Whose identity and description of an animal wins. */
enum mur_precedence {
    MUR_PRECEDENCE_ISA,
    MUR_PRECEDENCE_HEADER,
};

/** What is done about the certificate of who calls us by TLS. */
enum mur_tls_verify {
    MUR_TLS_VERIFY_NONE,    /**< it is not asked for */
    MUR_TLS_VERIFY_REQUEST, /**< if it shows one, we must trust it */
    MUR_TLS_VERIFY_REQUIRE, /**< without one that we trust, nobody comes in */
};

/** A DICOM application that the node knows: a row of the list "peers". */
struct mur_peer {
    char *ae_title; /**< owned by the configuration */
    char *host;     /**< owned by the configuration */
    int port;
    enum mur_rights rights;
    bool tls; /**< we call it by TLS */
};

struct mur_config {
#define MUR_CONFIG_GROUP(group, description)
#define MUR_CONFIG_STRING(group, name, kind, value, description) char *group##_##name;
#define MUR_CONFIG_INT(group, name, value, low, high, description) int group##_##name;
#define MUR_CONFIG_SIZE(group, name, value, description) uint64_t group##_##name;
#define MUR_CONFIG_BOOL(group, name, value, description) bool group##_##name;
#define MUR_CONFIG_CHOICE(group, name, type, names, value, description) enum type group##_##name;
#include "core/config.def"
    struct mur_peer *peers;
    size_t peer_count;
};

/** All defaults. @param[out] out  the caller's, mur_config_free() */
MUR_NODISCARD
enum mur_status mur_config_create(struct mur_config **out, struct mur_error *error);
void mur_config_free(struct mur_config *config);
MUR_DEFINE_AUTO(mur_config, mur_config_free)

/** Defaults overlaid by the file at @p path.
 * @retval MUR_NOT_FOUND, MUR_DENIED, MUR_IO  the file cannot be read
 * @retval MUR_INVALID  "FILE:LINE: reason" */
MUR_NODISCARD
enum mur_status mur_config_load(struct mur_config **out, const char *path, struct mur_error *error);
/** As mur_config_load(), from text; @p name stands for the file in messages. */
MUR_NODISCARD
enum mur_status mur_config_parse(struct mur_config **out, const char *text, const char *name,
                                 struct mur_error *error);

/** Overrides one key by "dicom.port=0". @retval MUR_INVALID  @p config is unchanged */
MUR_NODISCARD
enum mur_status mur_config_set(struct mur_config *config, const char *assignment,
                               struct mur_error *error);

/** The peer of this AE Title (leading and trailing spaces do not count, PS3.5 6.2 AE), or NULL;
 * borrowed from @p config. */
const struct mur_peer *mur_config_find_peer(const struct mur_config *config, const char *ae_title);

/** Appends the commented file with every key at its default: etc/murpacs.cfg. */
MUR_NODISCARD
enum mur_status mur_config_write_default(struct mur_buffer *out, struct mur_error *error);
/** Appends the values in force, one "dicom.port = 11112" a line and the peers, in table order. */
MUR_NODISCARD
enum mur_status mur_config_write_values(struct mur_buffer *out, const struct mur_config *config,
                                        struct mur_error *error);

#endif
