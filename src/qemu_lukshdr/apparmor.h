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
 * When libvirt "restores" a label with AppArmor, it makes all rules of the guest's
 * profile anew from the guest's XML.  The XML does not name the headers, so this
 * function adds their rules again.  It does nothing where AppArmor is not in use.
 * Keeps the thread's libvirt error.
 */
void
lukshdrQemuAppArmorRenew(virQEMUDriver *driver, virDomainObj *vm);
