/* WADO-RS with many clients at once, and with clients that go away. */
#include "web_support.h"

#include <dirent.h>
#include <pthread.h>

#include "core/digest.h"

#define SERIES "/dicom-web/studies/1.2.3/series/1.2.3.1"

enum { OBJECTS = 6, FRAMES = 8, SIDE = 256, CLIENTS = 6, ROUNDS = 12, LEAVERS = 20 };

static void encode_images(struct mur_buffer *out, const char *instance)
{
    struct mur_encoder encoder;
    assert_int_equal(mur_encoder_init(&encoder, out, EXPLICIT_LITTLE, NULL), MUR_OK);
    const struct {
        uint32_t tag;
        enum mur_vr vr;
        const char *text;
    } values[] = {
        {MUR_TAG_SOPClassUID, MUR_VR_UI, "1.2.840.10008.5.1.4.1.1.7.2"},
        {MUR_TAG_SOPInstanceUID, MUR_VR_UI, instance},
        {MUR_TAG_PatientID, MUR_VR_LO, "M1"},
        {MUR_TAG_StudyInstanceUID, MUR_VR_UI, "1.2.3"},
        {MUR_TAG_SeriesInstanceUID, MUR_VR_UI, "1.2.3.1"},
        {MUR_TAG_SamplesPerPixel, MUR_VR_US, "1"},
        {MUR_TAG_PhotometricInterpretation, MUR_VR_CS, "MONOCHROME2"},
        {MUR_TAG_NumberOfFrames, MUR_VR_IS, "8"},
        {MUR_TAG_Rows, MUR_VR_US, "256"},
        {MUR_TAG_Columns, MUR_VR_US, "256"},
        {MUR_TAG_BitsAllocated, MUR_VR_US, "8"},
        {MUR_TAG_BitsStored, MUR_VR_US, "8"},
        {MUR_TAG_HighBit, MUR_VR_US, "7"},
        {MUR_TAG_PixelRepresentation, MUR_VR_US, "0"},
    };
    for (size_t i = 0; i < MUR_COUNT(values); i++)
        assert_int_equal(mur_encode_any(&encoder, values[i].tag, values[i].vr,
                                        mur_slice_of(values[i].text), NULL),
                         MUR_OK);
    static char pixels[FRAMES * SIDE * SIDE];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (char)(i / SIDE + i * 3 + strlen(instance));
    assert_int_equal(mur_encode_value(&encoder, MUR_TAG_PixelData, MUR_VR_OB,
                                      (struct mur_slice){.data = pixels, .length = sizeof pixels},
                                      NULL),
                     MUR_OK);
}

static void fill_site(struct site *site)
{
    start_site(site, NULL);
    struct mur_association *association = connect_for(&site->node, "1.2.840.10008.5.1.4.1.1.7.2");
    for (unsigned i = 1; i <= OBJECTS; i++) {
        MUR_AUTO_BUFFER struct mur_buffer bytes = MUR_BUFFER_INIT;
        char uid[32];
        (void)snprintf(uid, sizeof uid, "1.2.3.1.%u", i);
        encode_images(&bytes, uid);
        assert_int_equal(
            store_bytes(association, "1.2.840.10008.5.1.4.1.1.7.2", uid, bytes.data, bytes.length)
                .status,
            0);
    }
    release_client(association);
}

/* ---- many clients ---------------------------------------------------------------------------- */

struct client {
    const struct site *site;
    pthread_t thread;
    unsigned failures; /* asserted on when the thread has ended */
    uint64_t seen[4];  /* digests of what each kind of request was answered */
};

/* 0: not answered with 200. What differs from answer to answer is in the head alone. */
static uint64_t digest_of(const struct site *site, const char *target)
{
    char request[300];
    int length =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", target);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(mur_web_port(site->web)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    MUR_AUTO_CLOSE int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUR_AUTO_BUFFER struct mur_buffer all = MUR_BUFFER_INIT;
    char piece[16384];
    if (socket_ < 0 || connect(socket_, (const struct sockaddr *)&to, sizeof to) != 0 ||
        send(socket_, request, (size_t)length, MSG_NOSIGNAL) != length)
        return 0;
    for (ssize_t some; (some = recv(socket_, piece, sizeof piece, 0)) > 0;)
        if (mur_buffer_append(&all, piece, (size_t)some, NULL) != MUR_OK)
            return 0;
    const char *body = all.length > 0 ? memmem(all.data, all.length, "\r\n\r\n", 4) : NULL;
    if (body == NULL || strncmp(all.data, "HTTP/1.1 200", 12) != 0)
        return 0;
    return mur_xxh64_of(body, all.length - (size_t)(body - all.data));
}

static void *ask(void *user)
{
    struct client *client = user;
    static const char *const targets[] = {
        SERIES "/metadata", SERIES "/instances/1.2.3.1.2/frames/3?accept=application/octet-stream",
        SERIES "/instances/1.2.3.1.3/rendered?viewport=32,32&accept=image/png",
        SERIES "/instances/1.2.3.1.4?accept=application/dicom"};
    for (unsigned round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < MUR_COUNT(targets); i++) {
            uint64_t digest = digest_of(client->site, targets[i]);
            if (digest == 0 || (round > 0 && digest != client->seen[i]))
                client->failures++;
            client->seen[i] = digest;
        }
    return NULL;
}

static void many_clients_at_once_get_the_same(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site);
    struct client clients[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.site = &site};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, ask, &clients[i]), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        (void)pthread_join(clients[i].thread, NULL);
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_int_equal(clients[i].failures, 0);
        assert_memory_equal(clients[i].seen, clients[0].seen, sizeof clients[0].seen);
    }
    stop_site(&site);
}

/* ---- clients that leave ---------------------------------------------------------------------- */

/* Stored objects that this process has open. */
static unsigned open_objects(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char path[512];
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, path, sizeof path - 1);
        path[length > 0 ? length : 0] = '\0';
        count += strstr(path, ".dcm") != NULL ? 1 : 0;
    }
    (void)closedir(folder);
    return count;
}

static void leave_early(const struct site *site, const char *target)
{
    char request[300];
    char piece[100];
    int length =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
    MUR_AUTO_CLOSE int client = http_connect(site);
    assert_int_equal(send(client, request, (size_t)length, MSG_NOSIGNAL), length);
    assert_true(recv(client, piece, sizeof piece, 0) > 0);
}

static void clients_that_leave_in_the_middle_leave_nothing_open(void **state)
{
    (void)state;
    struct site site;
    fill_site(&site);
    static const char *const targets[] = {SERIES, SERIES "/instances/1.2.3.1.1/frames/1,2,3,4,5,6",
                                          SERIES "/instances/1.2.3.1.1", SERIES "/metadata",
                                          SERIES "/instances/1.2.3.1.1/bulkdata/7FE00010"};
    for (unsigned i = 0; i < LEAVERS; i++)
        leave_early(&site, targets[i % MUR_COUNT(targets)]);
    mur_web_stop(site.web); /* all connections have ended then */
    assert_int_equal(open_objects(), 0);
    stop_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_clients_at_once_get_the_same),
        cmocka_unit_test(clients_that_leave_in_the_middle_leave_nothing_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
