/* Faults that no healthy machine has, put between a process and its C library (ld.so(8), LD_PRELOAD).
 *
 * P2PVAULT_FAULTS names a file of nine 64-bit numbers, `struct control` below, which the test writes
 * while the process runs; harness/faulty.py is the other side. P2PVAULT_FAULTS_UNDER names the
 * directory whose files are meant, so that pipes, sockets and logs stay as they are.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNC = 2, TRUNCATE = 4, READ = 8 };
enum { DATABASE = 16, LOG = 32 }; /* beside kinds: only files whose name ends in .db, or in -wal */

struct control {
    int64_t kinds;       /* which calls are counted, and fail when it is their turn; 0 for none */
    int64_t good;        /* this many of them succeed first */
    int64_t bad;         /* this many of them fail then */
    int64_t code;        /* errno of a failure; 0 for a write that takes half of its bytes */
    int64_t seen;        /* counted by this library: calls of these kinds */
    int64_t hits;        /* counted by this library: those that failed */
    int64_t realtime_s;  /* how far the wall clock is ahead */
    int64_t boottime_s;  /* how far the clock that goes on in a suspend is ahead */
    int64_t monotonic_s; /* how far the clock that stands still in a suspend is ahead */
};

static struct control nothing;
static volatile struct control *control = &nothing;
static const char *under = "";

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("P2PVAULT_FAULTS");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED)
        abort();
    if (getenv("P2PVAULT_FAULTS_UNDER"))
        under = strdup(getenv("P2PVAULT_FAULTS_UNDER"));
    control = mapped;
}

/* Whether it is the turn of this call to fail. */
static int fails(enum kind kind, int descriptor)
{
    if (!(control->kinds & kind))
        return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 3 || strncmp(path, under, strlen(under)))
        return 0;
    if (control->kinds & DATABASE && strncmp(path + length - 3, ".db", 3))
        return 0;
    if (control->kinds & LOG && strncmp(path + length - 3, "wal", 3))
        return 0;
    int64_t turn = __atomic_fetch_add(&control->seen, 1, __ATOMIC_SEQ_CST);
    if (turn < control->good || turn - control->good >= control->bad)
        return 0;
    __atomic_fetch_add(&control->hits, 1, __ATOMIC_SEQ_CST);
    return 1;
}

static ssize_t refuse(void)
{
    errno = (int)control->code;
    return -1;
}

ssize_t write(int descriptor, const void *data, size_t count)
{
    if (fails(WRITE, descriptor)) {
        if (control->code)
            return refuse();
        count /= 2;
    }
    return syscall(SYS_write, descriptor, data, count);
}

ssize_t pwrite64(int descriptor, const void *data, size_t count, off64_t at)
{
    if (fails(WRITE, descriptor)) {
        if (control->code)
            return refuse();
        count /= 2;
    }
    return syscall(SYS_pwrite64, descriptor, data, count, at);
}

ssize_t pread64(int descriptor, void *data, size_t count, off64_t at)
{
    return fails(READ, descriptor) ? refuse() : syscall(SYS_pread64, descriptor, data, count, at);
}

int fsync(int descriptor)
{
    return fails(SYNC, descriptor) ? (int)refuse() : (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor)
{
    return fails(SYNC, descriptor) ? (int)refuse() : (int)syscall(SYS_fdatasync, descriptor);
}

int ftruncate64(int descriptor, off64_t length)
{
    if (fails(TRUNCATE, descriptor))
        return (int)refuse();
    return (int)syscall(SYS_ftruncate, descriptor, length);
}

static int64_t ahead_s(clockid_t clock)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return control->realtime_s;
    case CLOCK_BOOTTIME:
        return control->boottime_s;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
        return control->monotonic_s;
    default:
        return 0;
    }
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*real)(clockid_t, struct timespec *);
    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, now);
    if (!result)
        now->tv_sec += ahead_s(clock);
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    (void)zone;
    struct timespec precise;
    int result = clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return result;
}

time_t time(time_t *result)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}
