/*
 * client.h: what clients send of domains and their disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrQemuConfigRegister:
 * @stock: dlopen handle of the stock QEMU module, which has been registered
 * @error: VIR_ERR_INTERNAL_ERROR, in libvirt's words
 *
 * Adds a state driver that libvirt initialises after the QEMU driver's and before it serves
 * any client.  The state driver puts the entries of client.c in front of the QEMU driver's.
 * If it does not recognise those, it says so in the daemon's log, and the configuration of
 * domains stays as clients send it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuConfigRegister(void *stock, GError **error);
