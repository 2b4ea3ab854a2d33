/*
 * lukshdrqemuprocess.c: the end of a guest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lukshdrqemu.h"
#include "lukshdrqemudomain.h"
#include "lukshdrqemuguest.h"

/* Also how a start that fails is cleaned up, and what a daemon calls that finds a guest
 * gone at its own start.  Labels are restored in there, by the wrappers of
 * lukshdrqemusecurity.c, when the domain has its number no more. */
void
qemuProcessStop(virQEMUDriver *driver,
                virDomainObj *vm,
                int reason,
                int asyncJob,
                unsigned int flags)
{
    g_autofree char *name = NULL;
    lukshdrQemuDomainStop stop;

    if (!lukshdrQemu.active) {
        lukshdrQemu.stock.qemuProcessStop(driver, vm, reason, asyncJob, flags);
        return;
    }

    lukshdrQemuDomainStopBegin(&stop, vm);
    lukshdrQemu.stock.qemuProcessStop(driver, vm, reason, asyncJob, flags);
    if ((name = lukshdrQemuDomainStopEnd(&stop)))
        lukshdrQemuGuestDrop(name);
}
