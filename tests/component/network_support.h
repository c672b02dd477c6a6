/* For tests that talk over real connections: a small acceptor in threads of its own, raw sockets,
 * programs that are run. Threads of the acceptor record; only the test's own thread asserts. */
#ifndef MUR_TESTS_NETWORK_SUPPORT_H
#define MUR_TESTS_NETWORK_SUPPORT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/own.h"

extern char **environ;

#define VERIFICATION "1.2.840.10008.1.1"
#define CT_STORAGE "1.2.840.10008.5.1.4.1.1.2"
#define IMPLICIT_LITTLE "1.2.840.10008.1.2"
#define EXPLICIT_LITTLE "1.2.840.10008.1.2.1"

/* "Is not kept waiting": what is refused must be so within 6 s, far less than any time after which
 * waiting would end by itself, and far more than a busy machine takes for what is ready. How quick
 * the node is, benchmarks tell. */
enum { SOON_S = 6, SOON_MS = 1000 * SOON_S };

static inline double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The last word of main(). A failed assertion jumps out of its test and leaves behind what it had:
 * reports of such leaks would only hide which one it was. */
static inline int end_of_tests(int failed)
{
    if (failed == 0)
        return 0;
    (void)fflush(NULL);
    _exit(1);
}

/* ---- raw sockets ---- */

static inline int connect_raw(unsigned port)
{
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof(address)) != 0)
        fail_msg("connecting to port %u: %s", port, strerror(errno));
    return descriptor;
}

static inline bool send_raw(int descriptor, const void *bytes, size_t length)
{
    return send(descriptor, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* What came until the peer closed, reset or was silent for @p timeout_ms; *closed tells which. */
static inline size_t receive_raw(int descriptor, uint8_t *bytes, size_t capacity, int timeout_ms,
                                 bool *closed)
{
    size_t length = 0;
    *closed = false;
    while (length < capacity) {
        struct pollfd polled = {.fd = descriptor, .events = POLLIN};
        if (poll(&polled, 1, timeout_ms) <= 0)
            return length;
        ssize_t count = recv(descriptor, bytes + length, capacity - length, 0);
        if (count <= 0) {
            *closed = true;
            return length;
        }
        length += (size_t)count;
    }
    return length;
}

/* A plain A-ASSOCIATE-RQ: Verification and CT, both little endian syntaxes. */
static inline size_t make_request(uint8_t *out, uint32_t max_pdu)
{
    static const char *const classes[] = {VERIFICATION, CT_STORAGE};
    static const char *const syntaxes[] = {IMPLICIT_LITTLE, EXPLICIT_LITTLE};
    uint8_t *at = out + 6;
    memset(at, 0, 68);
    at[1] = 1;
    memcpy(at + 4, "MURPACS         RAW             ", 32);
    at += 68;
#define PUT_ITEM(type, value, length)                                                              \
    do {                                                                                           \
        at[0] = (type);                                                                            \
        at[1] = 0;                                                                                 \
        at[2] = (uint8_t)((length) >> 8);                                                          \
        at[3] = (uint8_t)(length);                                                                 \
        memcpy(at + 4, (value), (length));                                                         \
        at += 4 + (length);                                                                        \
    } while (0)
    PUT_ITEM(0x10, "1.2.840.10008.3.1.1.1", 21);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *context = at;
        at += 4;
        memcpy(at, (uint8_t[]){(uint8_t)(2 * i + 1), 0, 0, 0}, 4);
        at += 4;
        PUT_ITEM(0x30, classes[i], strlen(classes[i]));
        for (unsigned k = 0; k < 2; k++)
            PUT_ITEM(0x40, syntaxes[k], strlen(syntaxes[k]));
        context[0] = 0x20;
        context[1] = 0;
        context[2] = 0;
        context[3] = (uint8_t)(at - context - 4);
    }
    uint8_t length[4] = {(uint8_t)(max_pdu >> 24), (uint8_t)(max_pdu >> 16),
                         (uint8_t)(max_pdu >> 8), (uint8_t)max_pdu};
    uint8_t *information = at;
    at += 4;
    PUT_ITEM(0x51, length, 4);
    PUT_ITEM(0x52, "1.2.3.4", 7);
    information[0] = 0x50;
    information[1] = 0;
    information[2] = 0;
    information[3] = (uint8_t)(at - information - 4);
#undef PUT_ITEM
    size_t whole = (size_t)(at - out);
    memcpy(out, (uint8_t[]){1, 0, 0, 0, (uint8_t)((whole - 6) >> 8), (uint8_t)(whole - 6)}, 6);
    return whole;
}

/* Connects and is accepted. */
static inline int associate_raw(unsigned port, uint32_t max_pdu)
{
    uint8_t bytes[4096];
    int descriptor = connect_raw(port);
    assert_true(send_raw(descriptor, bytes, make_request(bytes, max_pdu)));
    bool closed = false;
    size_t length = 0;
    while (length < 6 || length < 6u + ((size_t)bytes[4] << 8 | bytes[5])) {
        struct pollfd polled = {.fd = descriptor, .events = POLLIN};
        assert_int_equal(poll(&polled, 1, 5000), 1);
        ssize_t count = recv(descriptor, bytes + length, sizeof(bytes) - length, 0);
        assert_true(count > 0);
        length += (size_t)count;
    }
    assert_false(closed);
    assert_int_equal(bytes[0], 2);
    return descriptor;
}

/* A C-ECHO-RQ as one PDV in one PDU. */
static inline size_t make_echo(uint8_t *out)
{
    static const uint8_t command[] = {
        0,   0,   0,   0,   4,   0,   0,   0,   56,  0,   0,   0,   0,    0,   2,   0,   18,
        0,   0,   0,   '1', '.', '2', '.', '8', '4', '0', '.', '1', '0',  '0', '0', '8', '.',
        '1', '.', '1', 0,   0,   0,   0,   1,   2,   0,   0,   0,   0x30, 0,   0,   0,   0x10,
        1,   2,   0,   0,   0,   1,   0,   0,   0,   0,   8,   2,   0,    0,   0,   1,   1};
    uint8_t head[] = {4, 0, 0, 0, 0, sizeof(command) + 6, 0, 0, 0, sizeof(command) + 2, 1, 3};
    memcpy(out, head, sizeof(head));
    memcpy(out + sizeof(head), command, sizeof(command));
    return sizeof(head) + sizeof(command);
}

/* ---- programs ---- */

/* Runs a program of the path to its end. @return its exit code, -1 when it could not be run or
 * took longer than the limit; *output gets what it printed on both streams. */
static inline int run_program(const char *const arguments[], double limit_s, char *output,
                              size_t size)
{
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    (void)posix_spawn_file_actions_adddup2(&actions, out[1], 2);
    pid_t pid = 0;
    int failed = posix_spawnp(&pid, arguments[0], &actions, NULL,
                              (char *const *)(uintptr_t)arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(out[1]);
    size_t length = 0;
    double deadline = seconds_now() + limit_s;
    char spill[4096];
    while (failed == 0) {
        struct pollfd polled = {.fd = out[0], .events = POLLIN};
        int left = (int)((deadline - seconds_now()) * 1000);
        if (left <= 0 || poll(&polled, 1, left) <= 0) {
            (void)kill(pid, SIGKILL);
            failed = ETIMEDOUT;
            break;
        }
        bool room = length + 1 < size;
        ssize_t count =
            read(out[0], room ? output + length : spill, room ? size - 1 - length : sizeof(spill));
        if (count <= 0)
            break;
        if (room)
            length += (size_t)count;
    }
    output[length] = '\0';
    (void)close(out[0]);
    int code = -1;
    if (pid != 0)
        (void)waitpid(pid, &code, 0);
    return failed == 0 && WIFEXITED(code) ? WEXITSTATUS(code) : -1;
}

static inline bool has_program(const char *name)
{
    char output[256];
    const char *arguments[] = {name, "--version", NULL};
    return run_program(arguments, 10, output, sizeof(output)) == 0;
}

/* A port that nobody listened at a moment ago, for programs that cannot take port 0. */
static inline unsigned free_port(void)
{
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &length), 0);
    (void)close(descriptor);
    return ntohs(address.sin_port);
}

static inline pid_t start_program(const char *const arguments[])
{
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    (void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawnp(&pid, arguments[0], &actions, NULL,
                              (char *const *)(uintptr_t)arguments, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    assert_int_equal(failed, 0);
    return pid;
}

static inline void stop_program(pid_t pid)
{
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
}

static inline void wait_for_port(unsigned port)
{
    for (int i = 0; i < 40 * SOON_S; i++) {
        int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int failed = connect(descriptor, (struct sockaddr *)&address, sizeof(address));
        (void)close(descriptor);
        if (failed == 0)
            return;
        (void)usleep(25000);
    }
    fail_msg("nobody listens at port %u", port);
}

static inline void allow_many_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < 8192 ? limit.rlim_max : 8192;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

#endif
