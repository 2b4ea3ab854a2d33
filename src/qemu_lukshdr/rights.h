/*
 * rights.h: asking libvirt's access driver before stock does, where that is necessary
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
 * @ensure: asks for the right that the client must have
 * @flags: of the call that the client has made; some rights depend on them
 *
 * Call it before this thread looks at a domain as the system, or tells the client something of the
 * domain's disks that a client without the right must not learn.
 *
 * Returns: true, or false with a libvirt error: stock's.
 */
bool
lukshdrQemuMay(virDomainPtr domain, lukshdrQemuEnsureACL ensure, unsigned int flags);

/**
 * lukshdrQemuMayXML:
 * @conn: the client's connection
 * @xml: XML of a domain that it wants to have; name and UUID matter
 * @name: another name that the domain shall have, or NULL
 * @ensure: asks for the right that the client must have
 * @flags: of the call that the client has made
 *
 * As lukshdrQemuMay, for a domain that may not exist yet.  XML that libvirt cannot parse counts as
 * allowed: libvirt will refuse it for that.
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
 * @flags: of virDomainGetXMLDesc; VIR_DOMAIN_XML_SECURE only where the XML becomes the domain's again
 *
 * Looks as the system: a client that may do something to a domain may have no right to read its
 * XML, but the plugin must know the domain's disks nevertheless.
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

/**
 * lukshdrQemuBecomeSystem:
 *
 * For what completes something that the client had the right to cause.
 *
 * Returns: the thread's identity from before, for lukshdrQemuBecomeClient.
 */
virIdentity *
lukshdrQemuBecomeSystem(void);

/**
 * lukshdrQemuBecomeClient:
 * @client: from lukshdrQemuBecomeSystem; consumed
 */
void
lukshdrQemuBecomeClient(virIdentity *client);
