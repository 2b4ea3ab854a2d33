/*
 * apparmor.h: rules for linked volumes in a guest's AppArmor profile
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "util/abi.h"

/**
 * lukshdrQemuAppArmorIsUsed:
 *
 * Returns: whether libvirt's AppArmor driver can be used.  When a guest starts, that driver labels what it is asked to
 * label by name, and no disk of the guest.
 */
bool
lukshdrQemuAppArmorIsUsed(void);

/**
 * lukshdrQemuAppArmorAddVolumes:
 * @driver: the QEMU driver
 * @vm: a domain that is being started, after the stock driver has labelled everything
 *
 * libvirt makes the profile before it asks the storage driver for the paths of disks that the domain
 * names by pool and volume, so the profile lacks them.  This function adds the rules of those that
 * are payloads.  It does nothing where AppArmor is not in use.
 *
 * Returns: 0, or -1 with a libvirt error reported.
 */
int
lukshdrQemuAppArmorAddVolumes(virQEMUDriver *driver, virDomainObj *vm);

/**
 * lukshdrQemuAppArmorRenew:
 * @driver: the QEMU driver
 * @vm: a running domain, after the stock driver has restored the label of anything
 *
 * When libvirt "restores" a label with AppArmor, it makes all rules of the guest's
 * profile anew from the guest's XML.  The XML does not name the headers, nor in older releases the paths
 * of payloads that it names by pool and volume, so this function adds their rules again.  It does
 * nothing where AppArmor is not in use.  Keeps the thread's libvirt error.
 */
void
lukshdrQemuAppArmorRenew(virQEMUDriver *driver, virDomainObj *vm);
