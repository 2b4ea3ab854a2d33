/*
 * lukshdrheader.h: is a header volume the one of a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "lukshdrlink.h"

/**
 * lukshdrHeaderCheck:
 * @link: an active link
 * @fd: what stands at the recorded path of its header, open for reading
 * @error: VIR_ERR_OPERATION_INVALID, saying what is wrong with it and what to do;
 *         VIR_ERR_SYSTEM_ERROR
 *
 * The content decides, not the identity: a header that was put back from a backup is
 * another file with the same link label and LUKS header, and who could forge both
 * could as well have written into the file that was recorded.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrHeaderCheck(const lukshdrLink *link, int fd, GError **error);
