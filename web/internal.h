/** What the service holds. Internal to web/. Threads: nothing changes after mur_web_start(). */
#ifndef MUR_WEB_INTERNAL_H
#define MUR_WEB_INTERNAL_H

#include "web/web.h"

struct MHD_Daemon;
struct mur_activity;
struct mur_auth;
struct mur_status_groups;
struct mur_wado;

struct mur_web {
    const struct mur_config *config;
    struct mur_archive *archive;
    struct mur_web_node node;
    int socket; /**< until the daemon has it */
    uint16_t port;
    bool local;                /**< nobody but this machine reaches it */
    struct mur_auth *auth;     /**< NULL: everybody may do everything */
    struct MHD_Daemon *daemon; /**< NULL while nobody is answered */
    struct mur_activity *activity;
    struct mur_status_groups *groups; /**< of the status page */
    struct mur_wado *wado;            /**< what retrieving keeps in memory */
};

#endif
