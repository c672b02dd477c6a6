#include "workflow/session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/isa.h"
#include "converters/identity.h"
#include "core/file.h"
#include "core/text.h"
#include "dicom/part10.h"
#include "dicom/scanner.h"

enum { HEAD_PIECE = 8192, HEAD_LIMIT = 1 << 20 };

struct session {
    size_t investigation; /* index; studies are local to it */
    const char *study;    /* borrowed from the scans */
    const char *session;  /* likewise */
    char uid[MUR_UID_TEXT_SIZE];
    bool native;  /* uid is that of a native scan */
    bool several; /* native scans disagree */
};

struct mur_sessions {
    const struct mur_scan *scans; /* borrowed: the list's first */
    size_t scan_count;
    struct session *sessions;
    size_t count;
    size_t *of_scan;   /* session of each scan */
    unsigned *numbers; /* of each scan in its session */
};

void mur_sessions_free(struct mur_sessions *sessions)
{
    if (sessions == NULL)
        return;
    free(sessions->sessions);
    free(sessions->of_scan);
    free(sessions->numbers);
    free(sessions);
}

/* ---- Study Instance UID of a file ------------------------------------------------------------ */

struct head {
    char uid[MUR_UID_TEXT_SIZE];
    bool past; /* tags beyond it have come */
};

static enum mur_status look_at(void *user, const struct mur_scan_element *element,
                               struct mur_error *error)
{
    (void)error;
    struct head *head = user;
    if (element->depth > 0)
        return MUR_OK;
    if (element->tag == MUR_TAG_StudyInstanceUID) {
        struct mur_slice uid = mur_uid_trim(mur_scan_text(element));
        if (uid.length < sizeof head->uid)
            (void)snprintf(head->uid, sizeof head->uid, "%.*s", (int)uid.length, uid.data);
    }
    head->past = head->past || element->tag >= MUR_TAG_StudyInstanceUID;
    return MUR_OK;
}

static const struct mur_scan_events head_events = {.element = look_at};

static void read_study_uid(struct head *head, const char *path)
{
    MUR_AUTO_CLOSE int file = open(path, O_RDONLY | O_CLOEXEC);
    struct mur_part10 part10;
    MUR_AUTO(mur_scanner) *scanner = NULL;
    if (file < 0 || mur_part10_read(&part10, file, path, NULL) != MUR_OK ||
        mur_scanner_create(&scanner, part10.transfer_syntax, &head_events, head, NULL) != MUR_OK)
        return;
    for (uint64_t at = 0; !head->past && at < HEAD_LIMIT;) {
        char piece[HEAD_PIECE];
        size_t got = 0;
        if (mur_pread_full(&got, file, piece, sizeof piece, (off_t)(part10.offset + at), path,
                           NULL) != MUR_OK ||
            got == 0 || mur_scanner_write(scanner, piece, got, NULL) != MUR_OK)
            return;
        at += got;
    }
}

static void note_native(struct session *session, const char *path)
{
    struct head head = {0};
    read_study_uid(&head, path);
    if (!mur_uid_acceptable(mur_slice_of(head.uid)))
        return;
    if (!session->native)
        memcpy(session->uid, head.uid, sizeof session->uid);
    else if (strcmp(session->uid, head.uid) != 0)
        session->several = true;
    session->native = true;
}

static enum mur_status note_file(void *user, const struct mur_walk_entry *entry, bool *skip,
                                 struct mur_error *error)
{
    (void)skip;
    (void)error;
    if (entry->kind == MUR_WALK_FILE)
        note_native(user, entry->path);
    return MUR_OK;
}

static enum mur_status note_scan(struct session *session, const struct mur_scan *scan,
                                 const char *root, struct mur_error *error)
{
    for (size_t i = 0; i < scan->image_count; i++) {
        if (scan->images[i].path[0] == '\0')
            continue;
        MUR_AUTO_FREE char *path = NULL;
        enum mur_status status = mur_path_join(&path, root, scan->images[i].path, error);
        if (status != MUR_OK)
            return status;
        if (mur_directory_exists(path))
            (void)!mur_directory_walk(path, note_file, session, NULL);
        else
            note_native(session, path);
    }
    return MUR_OK;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static struct session *session_of(struct mur_sessions *sessions, const struct mur_scan *scan)
{
    for (size_t i = sessions->count; i > 0; i--) { /* scans of a session stand together */
        struct session *session = &sessions->sessions[i - 1];
        if (strcmp(session->session, scan->session) == 0 &&
            strcmp(session->study, scan->study) == 0 &&
            session->investigation == scan->isa_study->investigation)
            return session;
    }
    struct session *session = &sessions->sessions[sessions->count++];
    *session = (struct session){.investigation = scan->isa_study->investigation,
                                .study = scan->study,
                                .session = scan->session};
    return session;
}

enum mur_status mur_sessions_find(struct mur_sessions **out, const struct mur_scan_list *scans,
                                  const struct mur_isa *isa, struct mur_error *error)
{
    MUR_AUTO(mur_sessions) *sessions = calloc(1, sizeof *sessions);
    if (sessions == NULL)
        return mur_error_no_memory(error);
    sessions->scans = scans->scans;
    sessions->scan_count = scans->count;
    sessions->sessions = calloc(scans->count + 1, sizeof *sessions->sessions);
    sessions->of_scan = calloc(scans->count + 1, sizeof *sessions->of_scan);
    sessions->numbers = calloc(scans->count + 1, sizeof *sessions->numbers);
    if (sessions->sessions == NULL || sessions->of_scan == NULL || sessions->numbers == NULL)
        return mur_error_no_memory(error);
    enum mur_status status = MUR_OK;
    for (size_t i = 0; status == MUR_OK && i < scans->count; i++) {
        const struct mur_scan *scan = &scans->scans[i];
        struct session *session = session_of(sessions, scan);
        sessions->of_scan[i] = (size_t)(session - sessions->sessions);
        unsigned number = 1;
        for (size_t j = i; j > 0; j--)
            if (sessions->of_scan[j - 1] == sessions->of_scan[i]) {
                number = sessions->numbers[j - 1] + 1;
                break;
            }
        sessions->numbers[i] = number;
        status = note_scan(session, scan, isa->root, error);
    }
    for (size_t i = 0; status == MUR_OK && i < scans->count; i++) {
        struct session *session = &sessions->sessions[sessions->of_scan[i]];
        if (session->native && !session->several)
            continue;
        const struct mur_scan *scan = &scans->scans[i];
        MUR_AUTO_FREE char *investigation = NULL;
        status = mur_isa_identifier_of(&investigation, isa, scan->isa_study->investigation, error);
        if (status == MUR_OK)
            status = mur_identity_study(session->uid, investigation, scan->study, scan->source,
                                        scan->session, error);
    }
    if (status != MUR_OK)
        return status;
    *out = MUR_STEAL(sessions);
    return MUR_OK;
}

const char *mur_session_study(const struct mur_sessions *sessions, const struct mur_scan *scan)
{
    return sessions->sessions[sessions->of_scan[scan - sessions->scans]].uid;
}

unsigned mur_session_scan_number(const struct mur_sessions *sessions, const struct mur_scan *scan)
{
    return sessions->numbers[scan - sessions->scans];
}
