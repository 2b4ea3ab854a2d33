/*
 * recognise.h: which volume of a link is this?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The one question that both halves ask first: the storage half of every volume that a
 * client names, the QEMU half of every image of every disk.  What a file or device is
 * decides, not how it is called.  An answer that cannot be had is "uncertain", which is an
 * error here, so that nobody takes it for "plain".
 */

#pragma once

#include "registry.h"

typedef enum {
    LUKSHDR_RECOGNISED_PLAIN, /* no link has it */
    LUKSHDR_RECOGNISED_PAYLOAD,
    LUKSHDR_RECOGNISED_HEADER,
    LUKSHDR_RECOGNISED_REPLICA,
} lukshdrRecognisedAs;

typedef struct _lukshdrRecognised lukshdrRecognised;
struct _lukshdrRecognised {
    lukshdrRecognisedAs as;
    lukshdrLink *link;        /* a link that has it, a reference; NULL for PLAIN */
    const lukshdrVolume *vol; /* the volume of @link that it is; NULL for PLAIN */
};

/**
 * lukshdrRecognise:
 * @registry: the link registry
 * @path: what somebody is about to open, or libvirt's path of a volume; one that is not absolute names
 *        no file of this host, and is PLAIN
 * @what: filled in, to be cleared with lukshdrRecognisedClear also after a failure
 * @error: VIR_ERR_OPERATION_INVALID, VIR_ERR_SYSTEM_ERROR: it is uncertain what @path is, and the
 *         message says why and what to do; the caller must refuse
 *
 * Of a header that links share, @what names one of them.  Examines files of this host, and does not
 * call libvirt.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRecognise(lukshdrRegistry *registry,
                 const char *path,
                 lukshdrRecognised *what,
                 GError **error);

/**
 * lukshdrRecogniseRemote:
 * @registry: the link registry
 * @remote: where something is that somebody is about to open, which has no path on this host
 * @what: as lukshdrRecognise
 * @error: as lukshdrRecognise; a cluster or target that does not say what it has makes it uncertain
 *
 * As lukshdrRecognise.  Asks the cluster or target, within lukshdrRemoteHandleOpen's deadline, where
 * a volume of a link is in any; an image that is not there is PLAIN.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRecogniseRemote(lukshdrRegistry *registry,
                       const lukshdrRemote *remote,
                       lukshdrRecognised *what,
                       GError **error);

/**
 * lukshdrRecogniseVolume:
 * @registry: the link registry
 * @vol: says where something is; its names and identity do not matter
 * @what: as lukshdrRecognise
 * @error: as lukshdrRecognise
 *
 * lukshdrRecognise or lukshdrRecogniseRemote, by where @vol is.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrRecogniseVolume(lukshdrRegistry *registry,
                       const lukshdrVolume *vol,
                       lukshdrRecognised *what,
                       GError **error);

/**
 * lukshdrRecognisedClear:
 * @what: from lukshdrRecognise
 */
void
lukshdrRecognisedClear(lukshdrRecognised *what);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrRecognised, lukshdrRecognisedClear)
