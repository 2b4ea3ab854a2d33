/*
 * space.h: how much space the payload of a guest's disk takes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <libvirt/libvirt.h>

/**
 * lukshdrQemuSpaceBlockInfo:
 * @domain: a domain
 * @disk: target or path of one of its disks
 * @info: set
 * @flags: none
 *
 * In front of stock's domainGetBlockInfo.  What QEMU says of a running guest's linked disk is the
 * space of payload and header: takes the header's away.
 *
 * Returns: 0, or -1 with a libvirt error: stock's.
 */
int
lukshdrQemuSpaceBlockInfo(virDomainPtr domain,
                          const char *disk,
                          virDomainBlockInfoPtr info,
                          unsigned int flags);

/**
 * lukshdrQemuSpaceStats:
 * @conn: a connection
 * @doms: domains, or NULL for all
 * @ndoms: their number
 * @stats: of virDomainStatsTypes
 * @records: set
 * @flags: of virConnectGetAllDomainStatsFlags
 *
 * In front of stock's connectGetAllDomainStats, and does the same.
 *
 * Returns: the number of records, or -1 with a libvirt error: stock's.
 */
int
lukshdrQemuSpaceStats(virConnectPtr conn,
                      virDomainPtr *doms,
                      unsigned int ndoms,
                      unsigned int stats,
                      virDomainStatsRecordPtr **records,
                      unsigned int flags);
