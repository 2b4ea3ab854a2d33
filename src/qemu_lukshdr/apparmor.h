/*
 * apparmor.h: keeping the headers' rules in a guest's AppArmor profile
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "util/abi.h"

/**
 * lukshdrQemuAppArmorRenew:
 * @driver: the QEMU driver
 * @vm: a running domain, after the stock driver has restored the label of anything
 *
 * With AppArmor, "restoring" means that all rules of the guest's profile are made
 * anew from its XML, in which no header stands: adds their rules again.  Does
 * nothing where AppArmor is not in use.  Keeps the thread's libvirt error.
 */
void
lukshdrQemuAppArmorRenew(virQEMUDriver *driver, virDomainObj *vm);
