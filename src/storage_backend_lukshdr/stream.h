/*
 * stream.h: looking at what a client uploads before stock writes it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt opens a volume for an upload, lets its client's stream write there, and asks nobody again.  So a driver of
 * ours is put in front of the stream's: it keeps the first bytes, has them judged, and hands them on.  From then on the
 * stream has its own driver again; or, if they were refused, what the client sends is dropped, and finishing fails.
 */

#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

#include "util/abi.h"

/**
 * lukshdrStreamMeasure:
 * @abi: libvirt's functions; copied
 * @conn: a connection
 * @error: VIR_ERR_NO_SUPPORT if that is not what it was in the releases that are known; stock's
 *
 * Finds where a stream keeps its driver: the member that libvirt sets when it opens a file for a stream.  A driver for
 * trial is put there, and libvirt's public functions must call its functions.  Called once, before any client is
 * served.
 *
 * Returns: true, or false with @error set; then lukshdrStreamExamine does nothing.
 */
bool
lukshdrStreamMeasure(const lukshdrABIStorage *abi, virConnectPtr conn, GError **error);

/**
 * lukshdrStreamJudge:
 * @bytes: the first bytes that were uploaded, zeroes where the client sent a hole
 * @len: how many there are
 * @opaque: the caller's
 * @error: why they must not be written, for the client
 *
 * Returns: true if they may be written, or false with @error set.
 */
typedef bool (*lukshdrStreamJudge)(const guint8 *bytes, gsize len, void *opaque, GError **error);

/**
 * lukshdrStreamExamine:
 * @stream: a stream that stock has just opened for writing to a file or device
 * @want: how many of its first bytes @judge wants, at most; it gets fewer if the upload is shorter
 * @judge: called once, by whatever thread sends the bytes
 * @opaque: for @judge; the stream owns it
 * @freeOpaque: frees @opaque
 *
 * Nothing reaches the volume before @judge has seen it, and nothing at all if it says no: finishing then fails with its
 * error.  A stream that has another driver than the measured one is left as it is.
 *
 * Returns: true, or false if it was left as it is: @judge is not asked, and @opaque is freed.
 */
bool
lukshdrStreamExamine(virStreamPtr stream,
                     gsize want,
                     lukshdrStreamJudge judge,
                     void *opaque,
                     GDestroyNotify freeOpaque);
