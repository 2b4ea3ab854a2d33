/*
 * secret-use.h: does a domain of this host name a secret?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A secret that was generated for a linked volume goes with it, unless something else
 * was told to use it.  The storage half cannot ask the QEMU driver, which may be
 * another process; so it reads the files that libvirt keeps of its domains.
 */

#pragma once

#include "registry.h"
#include "volume.h"

/**
 * lukshdrSecretUseFind:
 * @privileged: whether the daemon runs as root
 * @uuid: UUID of a secret
 * @usage: its usage, of type volume
 * @except: a payload; a disk with it as the source does not count.  NULL: every disk counts
 * @registry: the links; in the definition of a domain, a disk with the payload of a link that has
 *            another secret does not count.  NULL: it counts
 * @user: set to the path of a file that names the secret, to be freed with g_free, or to NULL
 * @error: VIR_ERR_SYSTEM_ERROR, VIR_ERR_XML_ERROR, naming the file: what it says is uncertain
 *
 * Looks through the domains that are defined, those that run, their snapshots and checkpoints, what
 * managed save keeps, and the encryption defaults of pools (lukshdrPathSecretUsers).  Each file is searched
 * as text first; only one with the UUID or a usage in it is parsed.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrSecretUseFind(bool privileged,
                     const char *uuid,
                     const char *usage,
                     const lukshdrVolume *except,
                     lukshdrRegistry *registry,
                     char **user,
                     GError **error);
