/*
 * client.h: what clients send of domains and their disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

#include "table.h"
#include <stdbool.h>

/* The QEMU driver's own entries: set before any client is served, only read afterwards */
extern lukshdrQemuTableEntries lukshdrQemuConfigStock;

/**
 * lukshdrQemuConfigRewrite:
 * @xml: XML of a domain, disk or snapshot as a client sent it, or NULL; made what libvirt is to
 *       have instead
 * @rewritten: keeps that, to be freed with g_free
 *
 * Returns: true, or false with a libvirt error reported if it is to be refused.
 */
bool
lukshdrQemuConfigRewrite(const char **xml, char **rewritten);

/**
 * lukshdrQemuConfigRegister:
 * @stock: dlopen handle of the stock QEMU module, which has been registered
 * @error: VIR_ERR_INTERNAL_ERROR, in libvirt's words
 *
 * Adds a state driver that libvirt initialises after the QEMU driver's and before any client
 * is served.  It puts the entries of client.c in front of the QEMU driver's; if
 * it does not recognise those, the daemon's log says so and the configuration of domains is
 * left as clients send it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrQemuConfigRegister(void *stock, GError **error);
