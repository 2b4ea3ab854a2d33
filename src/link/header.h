/*
 * header.h: is a header volume the one of a link, and is it whole?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "link.h"

/**
 * lukshdrHeaderCheck:
 * @link: an active link
 * @copy: the copy of its header in question (lukshdrLinkHeaderCopy)
 * @fd: what stands at the recorded path of @copy, open for reading
 * @labels: set to what the link label says, a GPtrArray of lukshdrLink * to be unreffed; may be
 *          NULL
 * @error: VIR_ERR_OPERATION_INVALID, saying what is wrong with it and what to do;
 *         VIR_ERR_SYSTEM_ERROR
 *
 * The content decides, not the identity: a header that was put back from a backup is
 * another file with the same link label and LUKS header, and an attacker who can forge both
 * could as well have written into the file that was recorded.  Keys may have been changed from another
 * host: if the label has a higher generation than @link, its digest holds.  A header with a lower
 * generation, or with the same and other keys, was rolled back and is refused.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrHeaderCheck(const lukshdrLink *link,
                   const lukshdrVolume *copy,
                   int fd,
                   GPtrArray **labels,
                   GError **error);

/**
 * lukshdrHeaderRestoreAdvice:
 * @link: a link whose header is lost or broken
 *
 * Returns: what to do, for the end of a message, to be freed with g_free.
 */
char *
lukshdrHeaderRestoreAdvice(const lukshdrLink *link);

/**
 * lukshdrHeaderCheckMounted:
 * @header: a header volume
 * @error: VIR_ERR_OPERATION_INVALID, saying what to do
 *
 * Returns: false with @error set if lukshdrVolumeIsUnmounted says so of @header; else true.
 */
bool
lukshdrHeaderCheckMounted(const lukshdrVolume *header, GError **error);
