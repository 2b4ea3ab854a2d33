/*
 * overlay.h: overlays of domains that do not run
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt makes the overlays of running guests itself, and encrypts those whose XML says so.  For a domain that
 * does not run it makes plain ones, whatever the XML says; so the encrypted ones are made here.
 *
 * An overlay is not a linked volume: QEMU looks for a backing file in the payload's own format, below the luks
 * node, and what it reads there would be decrypted a second time.  So it is encrypted by qcow2 itself, with the
 * LUKS header in the file, a master key of its own, and the secret of the linked volume below it.
 */

#pragma once

#include "snapshot-xml.h"

/**
 * lukshdrQemuOverlayMake:
 * @overlay: a file that does not exist, above an image that nobody has open
 * @error: VIR_ERR_CONFIG_UNSUPPORTED if it exists, or if what it is put on has no path or format;
 *         VIR_ERR_NO_SECRET; as lukshdrHandleOpen, lukshdrPayloadCapacity and lukshdrCommandRun
 *
 * Makes it with qemu-img: encrypted if it has a secret, or else as libvirt makes it.  After a failure nothing is
 * left.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuOverlayMake(lukshdrQemuOverlay *overlay, GError **error);

/**
 * lukshdrQemuOverlayRemove:
 * @overlay: an overlay
 *
 * Removes the file that lukshdrQemuOverlayMake made, if there is one and it is still that one.  The log says if
 * it cannot be removed.
 */
void
lukshdrQemuOverlayRemove(lukshdrQemuOverlay *overlay);

/**
 * lukshdrQemuOverlayReplace:
 * @overlay: an overlay with a secret, whose path is that of a plain one that nobody has open and that holds nothing
 * @error: as lukshdrQemuOverlayMake; VIR_ERR_SYSTEM_ERROR
 *
 * Makes it beside the plain one, and puts it in that one's place.  After a crash either is there, and perhaps a file with
 * ".lukshdr" behind its name, which nobody needs.
 *
 * Returns: true, or false with @error set and the plain one as it was.
 */
bool
lukshdrQemuOverlayReplace(lukshdrQemuOverlay *overlay, GError **error);
