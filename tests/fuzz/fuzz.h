/*
 * fuzz.h: what libFuzzer or fuzz-main.c calls, and what the targets have in common
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * tests/README.md says how to run them.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * LLVMFuzzerTestOneInput:
 * @data: input, any bytes
 * @size: how many
 *
 * Returns: 0; what is wrong aborts.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * fuzzError:
 * @ok: whether a function says that it succeeded
 * @error: what it set
 *
 * Aborts unless one of the two is so, or if the message is empty, is no UTF-8, or would reach a
 * log or a terminal with control characters.
 */
void
fuzzError(bool ok, const GError *error);

/**
 * fuzzDir:
 *
 * Returns: path of a private directory, in memory where there is such a place, made at the first
 * call and removed when the process ends; static.
 */
const char *
fuzzDir(void);

/**
 * fuzzStore:
 * @path: file to make or replace, mode 0600
 * @data: its content
 * @size: bytes of it
 * @digest: whether a proper digest line follows, as in the files that the plugin writes
 */
void
fuzzStore(const char *path, const void *data, size_t size, bool digest);

/**
 * fuzzLink:
 *
 * Returns: an active link of volume data.qcow2 of pool images, /var/lib/libvirt/images/data.qcow2,
 * with header data.luks of pool vault, to be unreffed.
 */
struct _lukshdrLink *
fuzzLink(void);
