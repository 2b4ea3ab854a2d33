/*
 * process.c: the end of a guest
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "qemu.h"
#include "domain.h"
#include "guest.h"

/* (driver, vm, reason, asyncJob, flags) in 9.0.0 and 11.3.0, (vm, reason, asyncJob, flags)
 * in 12.8.0; in which release it changed is not known.  So the arguments are words that
 * are handed on as they are, and the second tells: a domain's address, or a small number. */
static virDomainObj *
lukshdrQemuProcessDomain(guintptr first, guintptr second)
{
    return (virDomainObj *)(second < 4096 ? first : second);
}

/* Also how a start that fails is cleaned up, and what a daemon calls that finds a guest
 * gone at its own start.  Labels are restored in there, by the wrappers of
 * security.c, when the domain has its number no more. */
void
qemuProcessStop(guintptr first, guintptr second, guintptr third, guintptr fourth, guintptr fifth)
{
    g_autofree char *name = NULL;
    lukshdrQemuDomainStop stop;

    if (!lukshdrQemu.active) {
        lukshdrQemu.stock.qemuProcessStop(first, second, third, fourth, fifth);
        return;
    }

    lukshdrQemuDomainStopBegin(&stop, lukshdrQemuProcessDomain(first, second));
    lukshdrQemu.stock.qemuProcessStop(first, second, third, fourth, fifth);
    if ((name = lukshdrQemuDomainStopEnd(&stop)))
        lukshdrQemuGuestDrop(name);
}
