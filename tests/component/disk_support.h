/** A disk that fails, or a process that ends, at the n-th call that changes something: these
 * functions stand in place of the C library's, for the store and for SQLite. */
#ifndef MUR_TESTS_DISK_SUPPORT_H
#define MUR_TESTS_DISK_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SHORT_WRITE = -1, THE_END = -2 };

static atomic_int calls_to_come; /* before the first that fails */
static atomic_int calls_seen;
static atomic_bool armed, for_good;
static atomic_int failure; /* errno, SHORT_WRITE, or THE_END: kill -9 before the call */

/* @return whether this call is to fail */
static bool strikes(void)
{
    if (!atomic_load(&armed))
        return false;
    atomic_fetch_add(&calls_seen, 1);
    int left = atomic_fetch_sub(&calls_to_come, 1);
    if (left == 0 && atomic_load(&failure) == THE_END)
        (void)raise(SIGKILL);
    return left == 0 || (left < 0 && atomic_load(&for_good));
}

/* @return -1 with errno, or 0 for a short write */
static int fail_now(bool writes)
{
    int with = atomic_load(&failure);
    if (with == SHORT_WRITE && writes)
        return 0;
    errno = with == SHORT_WRITE ? ENOSPC : with;
    return -1;
}

/* In place of the C library's, for the store and for SQLite. Cut in half, a write goes on with the
 * next call. */
ssize_t write(int descriptor, const void *bytes, size_t length)
{
    if (descriptor > STDERR_FILENO && strikes()) {
        if (fail_now(true) != 0)
            return -1;
        length = (length + 1) / 2;
    }
    return syscall(SYS_write, descriptor, bytes, length);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset)
{
    if (strikes()) {
        if (fail_now(true) != 0)
            return -1;
        length = (length + 1) / 2;
    }
    return syscall(SYS_pwrite64, descriptor, bytes, length, offset);
}

ssize_t writev(int descriptor, const struct iovec *parts, int count)
{
    if (strikes()) {
        if (fail_now(true) != 0)
            return -1;
        return syscall(SYS_write, descriptor, parts[0].iov_base, (parts[0].iov_len + 1) / 2);
    }
    return syscall(SYS_writev, descriptor, parts, count);
}

int fdatasync(int descriptor)
{
    return strikes() ? (errno = EIO, -1) : (int)syscall(SYS_fdatasync, descriptor);
}

int fsync(int descriptor)
{
    return strikes() ? (errno = EIO, -1) : (int)syscall(SYS_fsync, descriptor);
}

int link(const char *from, const char *to)
{
    return strikes() && fail_now(false) != 0
               ? -1
               : (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int rename(const char *from, const char *to)
{
    return strikes() && fail_now(false) != 0 ? -1 : (int)syscall(SYS_rename, from, to);
}

int mkdir(const char *path, mode_t mode)
{
    return strikes() && fail_now(false) != 0 ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode)
{
    return strikes() && fail_now(false) != 0 ? -1 : (int)syscall(SYS_mkdirat, folder, path, mode);
}

int ftruncate(int descriptor, off_t length)
{
    return strikes() && fail_now(false) != 0 ? -1 : (int)syscall(SYS_ftruncate, descriptor, length);
}

/* These do not fail, but a process may end before them. */
static void may_end(void)
{
    if (atomic_load(&failure) == THE_END)
        (void)strikes();
}

int unlink(const char *path)
{
    may_end();
    return (int)syscall(SYS_unlink, path);
}

int rmdir(const char *path)
{
    may_end();
    return (int)syscall(SYS_rmdir, path);
}

static void arm(int nth, int with, bool stays)
{
    atomic_store(&calls_to_come, nth);
    atomic_store(&calls_seen, 0);
    atomic_store(&failure, with);
    atomic_store(&for_good, stays);
    atomic_store(&armed, true);
}

/* @return whether the call that was to fail was reached */
static bool disarm(void)
{
    atomic_store(&armed, false);
    return atomic_load(&calls_to_come) < 0;
}

#endif
