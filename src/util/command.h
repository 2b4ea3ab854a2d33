/*
 * command.h: running QEMU's tools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * GSubprocess does the work; this file adds what a multi-threaded daemon with
 * secrets needs: the passphrase comes to the child on a descriptor, the child
 * inherits no other one, makes no core dump and no file that others can read.
 */

#pragma once

#include <gio/gio.h>
#include <stdbool.h>

#include "secret.h"

/* where a child finds the first passphrase, and the second; QEMU's secret object reads
 * them as files */
#define LUKSHDR_COMMAND_SECRET_FD 3
#define LUKSHDR_COMMAND_SECRET_FILE "/dev/fd/3"
#define LUKSHDR_COMMAND_SECRET_FILE2 "/dev/fd/4"

/**
 * lukshdrCommandSpawn:
 * @argv: NULL-terminated; argv[0] is searched in PATH if it has no '/'
 * @secrets: NULL-terminated: what the child can read at LUKSHDR_COMMAND_SECRET_FILE, and at
 *           LUKSHDR_COMMAND_SECRET_FILE2; NULL for none
 * @flags: which of stdin, stdout, stderr to connect
 * @error: VIR_ERR_SYSTEM_ERROR, naming the program and what to install if it is
 *         missing
 *
 * Returns: the running child, unreffed by the caller, or NULL with @error set.
 */
GSubprocess *
lukshdrCommandSpawn(const char *const *argv,
                    const lukshdrSecret *const *secrets,
                    GSubprocessFlags flags,
                    GError **error);

/**
 * lukshdrCommandRun:
 * @argv: as lukshdrCommandSpawn
 * @secrets: as lukshdrCommandSpawn
 * @error: as lukshdrCommandSpawn; VIR_ERR_OPERATION_FAILED with what the program wrote to
 *         stderr if it fails or is killed
 *
 * Runs a program to its end; stdin is empty, stdout is dropped.
 *
 * Returns: true if it exits with 0, or false with @error set.
 */
bool
lukshdrCommandRun(const char *const *argv, const lukshdrSecret *const *secrets, GError **error);

/**
 * lukshdrCommandSetFailure:
 * @child: a child that has ended (g_subprocess_wait has returned)
 * @program: its name, for the message
 * @output: what it wrote to stderr, any bytes, or NULL
 * @error: set to VIR_ERR_OPERATION_FAILED
 */
void
lukshdrCommandSetFailure(GSubprocess *child,
                         const char *program,
                         const char *output,
                         GError **error);
