/*
 * source.h: what the QEMU half must know of libvirt's storage sources
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A virStorageSource is one image of a disk's backing chain.  Its layout is private to
 * libvirt and differs between releases.  At load, this code finds the members that it
 * needs by watching what libvirt's own functions do to them.
 */

#pragma once

#include <glib-object.h>
#include <json-glib/json-glib.h>

#include "link/volume.h"
#include "util/abi.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStorageSource, g_object_unref)

/**
 * lukshdrQemuSourceMeasure:
 * @error: VIR_ERR_NO_SUPPORT, saying what could not be found
 *
 * Finds the members; the functions below need it to have succeeded.  Needs
 * lukshdrQemu.libvirt and leaves no trace in the thread's libvirt error.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuSourceMeasure(GError **error);

/**
 * lukshdrQemuSourcePath:
 * @src: a source
 *
 * Asks the stock driver what it would make QEMU open.  Reports no libvirt error.
 *
 * Returns: absolute path of the local file or block device that @src is, to be
 * freed with g_free; NULL for everything else.
 */
char *
lukshdrQemuSourcePath(virStorageSource *src);

/**
 * lukshdrQemuSourceDirectory:
 * @src: a source
 *
 * As lukshdrQemuSourcePath, for a directory that a guest sees as a FAT file system.
 *
 * Returns: its absolute path, to be freed with g_free; NULL for everything else.
 */
char *
lukshdrQemuSourceDirectory(virStorageSource *src);

/**
 * lukshdrQemuSourceNetwork:
 * @src: a source
 *
 * Asks the stock driver what it would make QEMU open for a source that QEMU reaches over a network
 * protocol.  A volume may be such a source, too, by its pool.  Reports no libvirt error.
 *
 * Returns: the options of that block node, unreffed by the caller; NULL for everything else.
 */
JsonObject *
lukshdrQemuSourceNetwork(virStorageSource *src);

/**
 * lukshdrQemuSourceRemote:
 * @src: a source
 * @remote: set to where it is, freed with lukshdrRemoteFree, if it is an image of a Ceph cluster;
 *          else to NULL
 * @error: VIR_ERR_OPERATION_INVALID if the secret that its <auth> names by usage does not exist
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuSourceRemote(virStorageSource *src, lukshdrRemote **remote, GError **error);

/**
 * lukshdrQemuSourceIsVolume:
 * @src: a source
 *
 * Returns: whether the domain names it by pool and volume (type='volume').
 */
bool
lukshdrQemuSourceIsVolume(virStorageSource *src);

/**
 * lukshdrQemuSourceIsShared:
 * @src: a source that is not read-only
 *
 * libvirt copies two members from a disk to the images behind it: shared and read-only.  The
 * measurement finds the two but not which is which.  For a source that is not read-only, that
 * does not matter.
 *
 * Returns: whether other guests may use it at the same time (<shareable/>).
 */
bool
lukshdrQemuSourceIsShared(virStorageSource *src);

/**
 * lukshdrQemuSourceEncryption:
 * @src: a source
 *
 * Returns: the source's <encryption>, owned by it, or NULL.
 */
virStorageEncryption *
lukshdrQemuSourceEncryption(virStorageSource *src);

/**
 * lukshdrQemuSourceSetEncryption:
 * @src: a source that has no <encryption>
 * @encryption: what it gets; owned by @src from now on
 */
void
lukshdrQemuSourceSetEncryption(virStorageSource *src, virStorageEncryption *encryption);

typedef enum {
    LUKSHDR_QEMU_SOURCE_AUTH,
    LUKSHDR_QEMU_SOURCE_ENCRYPTION,
} lukshdrQemuSourceElement;

/**
 * lukshdrQemuSourceXML:
 * @src: a source
 * @element: which element of it
 *
 * What libvirt keeps of an <auth> or <encryption> it tells only in XML.  Reports no libvirt error.
 *
 * Returns: a document with that element as its root, freed with xmlFreeDoc; NULL if @src has no such
 * element, or libvirt cannot write it.
 */
xmlDoc *
lukshdrQemuSourceXML(virStorageSource *src, lukshdrQemuSourceElement element);

/**
 * lukshdrQemuSourceSecretUUID:
 * @src: a source
 *
 * Returns: UUID of the secret that its <encryption> names, by UUID or usage; freed with g_free, or NULL.
 */
char *
lukshdrQemuSourceSecretUUID(virStorageSource *src);

/**
 * lukshdrQemuSourceBacking:
 * @src: a source
 *
 * Returns: the next source of the chain, owned by @src, or NULL.  The last source
 * may be an empty one, which marks the end of the chain.
 */
virStorageSource *
lukshdrQemuSourceBacking(virStorageSource *src);

/**
 * lukshdrQemuSourceSetBacking:
 * @src: a source
 * @backing: what lukshdrQemuSourceBacking returns from now on, or NULL
 *
 * Neither takes a reference nor drops the one that @src had: whoever calls it puts back what was there
 * before the domain is unlocked.
 */
void
lukshdrQemuSourceSetBacking(virStorageSource *src, virStorageSource *backing);

/**
 * lukshdrQemuSourceDataStore:
 * @src: a source
 *
 * Returns: the source of the data file of a qcow2 image, owned by @src, or NULL; NULL also in
 * releases that know of no such files.
 */
virStorageSource *
lukshdrQemuSourceDataStore(virStorageSource *src);
