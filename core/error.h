/**
 * Statuses and the error that lives on the caller's stack.
 *
 * Every fallible function returns enum mur_status, takes its outputs first and a struct mur_error
 * last, and touches no output when it fails. The error needs no freeing. Threads: an error belongs
 * to the thread on whose stack it lives.
 */
#ifndef MUR_CORE_ERROR_H
#define MUR_CORE_ERROR_H

#include <stdarg.h>

#define MUR_NODISCARD __attribute__((warn_unused_result))
#define MUR_PRINTF(format_index, first_argument)                                                   \
    __attribute__((format(printf, format_index, first_argument)))

enum mur_status {
    MUR_OK = 0,
    MUR_INVALID,     /**< the caller's or user's argument, option or configuration is wrong */
    MUR_PARSE,       /**< bytes from outside cannot be understood */
    MUR_MISMATCH,    /**< understood, but contradicts what was announced or what belongs to it */
    MUR_NOT_FOUND,   /**< absent, which is not the same as empty */
    MUR_EXISTS,      /**< there already, with other content */
    MUR_UNSUPPORTED, /**< right, but not offered by this version */
    MUR_LIMIT,       /**< a limit on size, depth, count or time was exceeded */
    MUR_DENIED,      /**< access rules or permissions forbid it */
    MUR_BUSY,        /**< somebody else holds it; trying again later may help */
    MUR_IO,          /**< reading or writing failed */
    MUR_NO_SPACE,    /**< disk or quota is full */
    MUR_NO_MEMORY,
    MUR_CORRUPT,   /**< our own stored data are damaged */
    MUR_CLOSED,    /**< the peer released, aborted or closed */
    MUR_TIMEOUT,   /**< the peer did not answer in time */
    MUR_CANCELLED, /**< stopped by request */
    MUR_INTERNAL,  /**< a defect of ours */
};

enum { MUR_ERROR_MESSAGE_SIZE = 1024 };

struct mur_error {
    enum mur_status status;
    int remedy; /**< what would help, as a number of the room that set it; 0: nothing is known */
    char message[MUR_ERROR_MESSAGE_SIZE]; /**< UTF-8, one line, names file, place and remedy */
};

#define MUR_ERROR_INIT                                                                             \
    {                                                                                              \
        .status = MUR_OK, .remedy = 0, .message = ""                                               \
    }

/** Sets status and message (cut if too long); @p error may be NULL. @return @p status */
enum mur_status mur_error_set(struct mur_error *error, enum mur_status status, const char *format,
                              ...) MUR_PRINTF(3, 4);

/** As mur_error_set(), with ": " and the text of @p errno_value appended; ENOSPC and EDQUOT become
 * MUR_NO_SPACE, ENOENT MUR_NOT_FOUND, EACCES and EPERM MUR_DENIED, the rest MUR_IO. */
enum mur_status mur_error_set_errno(struct mur_error *error, int errno_value, const char *format,
                                    ...) MUR_PRINTF(3, 4);

/** Puts "text: " before the message that is there. @return the error's status */
enum mur_status mur_error_prefix(struct mur_error *error, const char *format, ...) MUR_PRINTF(2, 3);

/** Says what would help; the next mur_error_set() forgets it. @return @p status */
enum mur_status mur_error_offer(struct mur_error *error, enum mur_status status, int remedy);

/** Sets MUR_NO_MEMORY. */
enum mur_status mur_error_no_memory(struct mur_error *error);

/** A short English name such as "not found"; never NULL. */
const char *mur_status_name(enum mur_status status);

#endif
