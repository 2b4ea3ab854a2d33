/*
 * bench-queues.c: several readers or writers of a disk at once, each on a processor of its own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench-queues DISK read|write BYTES COUNT PROCESSES
 *
 * Each process, on the processor of its number, has a part of the disk to itself, of COUNT requests
 * of BYTES, and goes through it in order with eight requests under way, around the cache.  Prints how
 * long all of them took together: microseconds.
 *
 * Runs in a guest without a C library, so it is linked statically and calls the kernel's own AIO:
 * what completed is asked for again in one call, which costs an emulated guest less than a request
 * at a time.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_DEPTH 8

static _Noreturn void
benchFail(const char *what)
{
    fprintf(stderr, "bench-queues: %s: %s\n", what, strerror(errno));
    _exit(EXIT_FAILURE);
}

static long long
benchNow(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* Asks for, and waits for, COUNT requests of BYTES from OFFSET on */
static void
benchRequests(int disk,
              int opcode,
              size_t bytes,
              unsigned int count,
              long long offset,
              char *buffers,
              aio_context_t context)
{
    struct iocb requests[BENCH_DEPTH], *ready[BENCH_DEPTH];
    struct io_event done[BENCH_DEPTH];
    unsigned int asked = 0, finished = 0;
    long i, n;

    for (i = 0; i < BENCH_DEPTH; i++) {
        requests[i] = (struct iocb){
            .aio_fildes = disk,
            .aio_lio_opcode = opcode,
            .aio_buf = (unsigned long)(buffers + i * bytes),
            .aio_nbytes = bytes,
        };
        ready[i] = &requests[i];
    }
    n = BENCH_DEPTH;
    while (finished < count) {
        for (i = 0; i < n && asked < count; i++)
            ready[i]->aio_offset = offset + (long long)asked++ * bytes;
        if (i > 0 && syscall(SYS_io_submit, context, i, ready) != i)
            benchFail("io_submit");
        n = syscall(SYS_io_getevents, context, 1, BENCH_DEPTH, done, NULL);
        if (n < 1)
            benchFail("io_getevents");
        for (i = 0; i < n; i++) {
            if (done[i].res != (long long)bytes) {
                errno = done[i].res < 0 ? -done[i].res : EIO;
                benchFail("a request");
            }
            ready[i] = (struct iocb *)done[i].obj;
        }
        finished += n;
    }
}

/* One of the processes; says on READY that it could begin, and does when START has been closed */
static _Noreturn void
benchProcess(unsigned int number,
             int disk,
             int opcode,
             size_t bytes,
             unsigned int count,
             int ready,
             int start)
{
    aio_context_t context = 0;
    char *buffers;
    cpu_set_t cpus;
    char none;

    CPU_ZERO(&cpus);
    CPU_SET(number, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
        benchFail("no such processor");
    buffers = mmap(NULL, bytes * BENCH_DEPTH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                   -1, 0);
    if (buffers == MAP_FAILED)
        benchFail("no memory");
    /* not zeroes, which might not be written */
    memset(buffers, 'a' + number, bytes * BENCH_DEPTH);
    if (syscall(SYS_io_setup, BENCH_DEPTH, &context) < 0)
        benchFail("io_setup");
    if (write(ready, "", 1) != 1)
        benchFail("write");
    /* who asks then learns if another one has failed */
    close(ready);
    if (read(start, &none, 1) != 0)
        benchFail("read");
    benchRequests(disk, opcode, bytes, count, (long long)number * count * bytes, buffers, context);
    _exit(EXIT_SUCCESS);
}

int
main(int argc, char **argv)
{
    unsigned int i, count, processes;
    int ready[2], start[2], disk, opcode, status;
    long long began;
    size_t bytes;
    char none;

    if (argc != 6) {
        fprintf(stderr, "usage: bench-queues DISK read|write BYTES COUNT PROCESSES\n");
        return EXIT_FAILURE;
    }
    opcode = strcmp(argv[2], "read") == 0 ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
    bytes = strtoul(argv[3], NULL, 10);
    count = strtoul(argv[4], NULL, 10);
    processes = strtoul(argv[5], NULL, 10);
    disk = open(argv[1], (opcode == IOCB_CMD_PREAD ? O_RDONLY : O_WRONLY) | O_DIRECT);
    if (disk < 0 || pipe(ready) < 0 || pipe(start) < 0)
        benchFail(argv[1]);

    for (i = 0; i < processes; i++) {
        switch (fork()) {
        case -1:
            benchFail("fork");
        case 0:
            close(start[1]);
            close(ready[0]);
            benchProcess(i, disk, opcode, bytes, count, ready[1], start[0]);
        }
    }
    close(ready[1]);
    for (i = 0; i < processes; i++) {
        if (read(ready[0], &none, 1) != 1)
            return EXIT_FAILURE;
    }
    began = benchNow();
    close(start[1]);
    for (i = 0; i < processes; i++) {
        if (wait(&status) < 0 || status != 0)
            return EXIT_FAILURE;
    }
    printf("%lld\n", benchNow() - began);
    return EXIT_SUCCESS;
}
