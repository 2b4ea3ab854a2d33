/*
 * bitmap-json.h: dirty bitmaps of linked disks, as QEMU has them and as libvirt sees them
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A checkpoint is a dirty bitmap that QEMU stores in the disk's image.  libvirt asks for it on the
 * disk's top node.  Of a linked disk that is the luks node, which can store none; the qcow2 node of the
 * payload below it can.  What the guest writes through the luks node is counted there as well, at
 * the same offsets.  So bitmaps that are stored lie on the payload's node, and libvirt is shown them on
 * the luks node.  Bitmaps that are not stored, which libvirt makes for the time of a job, stay
 * on the luks node: QEMU's jobs look for them there.
 */

#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>

/* The linked disks of one guest, and the bitmaps that they have */
typedef struct _lukshdrQemuBitmaps lukshdrQemuBitmaps;

/**
 * lukshdrQemuBitmapsRead:
 * @nodes: what QEMU's query-named-block-nodes returns
 *
 * A linked disk is a luks node PREFIX-format with a qcow2 node PREFIX-payload, which
 * lukshdrChainFromStock names so.  If the two have not the same capacity, their offsets
 * are not the same: then the disk is not among the answer, and QEMU refuses its checkpoints.
 *
 * Returns: the linked disks with payloads in qcow2, freed with lukshdrQemuBitmapsFree; NULL if there are
 * none.
 */
lukshdrQemuBitmaps *
lukshdrQemuBitmapsRead(JsonArray *nodes);

/**
 * lukshdrQemuBitmapsFree:
 * @bitmaps: from lukshdrQemuBitmapsRead, or NULL
 */
void
lukshdrQemuBitmapsFree(lukshdrQemuBitmaps *bitmaps);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrQemuBitmaps, lukshdrQemuBitmapsFree)

/**
 * lukshdrQemuBitmapsShow:
 * @nodes: what QEMU's query-named-block-nodes returns, changed
 *
 * Shows the bitmaps of a payload's node on its luks node, too.
 *
 * Returns: whether anything was changed.
 */
bool
lukshdrQemuBitmapsShow(JsonArray *nodes);

/**
 * lukshdrQemuBitmapsNamed:
 * @actions: "actions" of QEMU's command transaction
 *
 * Returns: whether one of them concerns a bitmap.
 */
bool
lukshdrQemuBitmapsNamed(JsonArray *actions);

/**
 * lukshdrQemuBitmapsRedirect:
 * @bitmaps: the guest's linked disks; what the actions will add and remove is noted there
 * @actions: "actions" of QEMU's command transaction as libvirt made them, changed
 *
 * Names the node that has, or is to have, each bitmap.  Where a bitmap is to be made whose name the
 * other node has already, that node is named, so that QEMU refuses it as for any disk.
 */
void
lukshdrQemuBitmapsRedirect(lukshdrQemuBitmaps *bitmaps, JsonArray *actions);

/**
 * lukshdrQemuBitmapsRedirectMapping:
 * @bitmaps: the guest's linked disks
 * @params: arguments of QEMU's command migrate-set-parameters, changed
 *
 * Names the payload's node where bitmaps come from it, or are to come to it, in a migration
 * that copies the disk.
 *
 * Returns: whether anything was changed.
 */
bool
lukshdrQemuBitmapsRedirectMapping(const lukshdrQemuBitmaps *bitmaps, JsonObject *params);
