/**
 * Socket activation as sd_listen_fds(3) describes it: a service manager binds, we accept. The
 * protocol is three environment variables; no library is needed for it.
 */
#ifndef MUR_SCP_ACTIVATION_H
#define MUR_SCP_ACTIVATION_H

#include <stdbool.h>

#include "core/error.h"

/**
 * The socket that was given to this process under a name (FileDescriptorName= of its unit).
 * @param[out] out  the descriptor, 3 or above; 0 when there is none
 * @param is_main   the first socket is it if that has no name; and when sockets are given, it must
 *                  be among them
 * @retval MUR_INVALID  sockets were given, but not the main one; or variables that make no sense
 * Threads: while nobody changes the environment.
 */
MUR_NODISCARD
enum mur_status mur_activation_socket(int *out, const char *name, bool is_main,
                                      struct mur_error *error);

#endif
