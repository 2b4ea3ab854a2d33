/*
 * rights.h: asking libvirt's access driver, where it must be before stock does
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "qemu.h"

/* One of libvirt's virDomain...EnsureACL functions: 0, or -1 with a libvirt error */
typedef int (*lukshdrQemuEnsureACL)(virConnectPtr conn, virDomainDef *def, unsigned int flags);

/**
 * lukshdrQemuMay:
 * @domain: a domain, which this thread has not locked
 * @ensure: what the client must be allowed to do to it
 * @flags: of the call that it has made; some rights depend on them
 *
 * Before something of a domain is looked at as the system, or said of its disks, that a client without
 * the right must not learn.
 *
 * Returns: true, or false with a libvirt error: stock's.
 */
bool
lukshdrQemuMay(virDomainPtr domain, lukshdrQemuEnsureACL ensure, unsigned int flags);

/**
 * lukshdrQemuMayXML:
 * @conn: the client's connection
 * @xml: XML of a domain that it wants to have; name and UUID matter
 * @name: another name that it is to have, or NULL
 * @ensure: what the client must be allowed to
 * @flags: of the call that it has made
 *
 * As lukshdrQemuMay, of a domain that need not exist.  What libvirt itself makes nothing of counts as
 * allowed: it will be refused for that.
 *
 * Returns: true, or false with a libvirt error: stock's.
 */
bool
lukshdrQemuMayXML(virConnectPtr conn,
                  const char *xml,
                  const char *name,
                  lukshdrQemuEnsureACL ensure,
                  unsigned int flags);

/**
 * lukshdrQemuLook:
 * @domain: a domain, which this thread has not locked
 * @flags: of virDomainGetXMLDesc, without VIR_DOMAIN_XML_SECURE
 *
 * Looks as the system: who may do something to a domain need not be allowed to read it, and what it has
 * for disks is there nevertheless.
 *
 * Returns: its XML, freed with g_free, or NULL with a libvirt error.
 */
char *
lukshdrQemuLook(virDomainPtr domain, unsigned int flags);

/**
 * lukshdrQemuLookState:
 * @domain: a domain, which this thread has not locked
 * @ask: virDomainIsActive or virDomainIsPersistent
 *
 * As lukshdrQemuLook.
 *
 * Returns: what @ask does.
 */
int
lukshdrQemuLookState(virDomainPtr domain, int (*ask)(virDomainPtr domain));

/**
 * lukshdrQemuLookSnapshot:
 * @snapshot: a snapshot
 *
 * As lukshdrQemuLook.
 *
 * Returns: its XML, freed with g_free, or NULL with a libvirt error.
 */
char *
lukshdrQemuLookSnapshot(virDomainSnapshotPtr snapshot);
