/*
 * paths.h: the directories that the halves and the tool share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Configure-time directories come from meson (config.h); a daemon of an
 * ordinary user has its own, by the same rules as libvirt's session daemons
 * (virGetUserConfigDirectory, virGetUserRuntimeDirectory in virutil.c).
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* names, in the environment of a daemon or a tool, a directory to take all schemas from instead of the
 * installed one: that of a build tree */
#define LUKSHDR_ENV_SCHEMA_DIR "LUKSHDR_SCHEMA_DIR"

/**
 * lukshdrPathRegistry:
 * @privileged: whether the daemon runs as root
 *
 * Returns: the registry's directory, to be freed with g_free.
 */
char *
lukshdrPathRegistry(bool privileged);

/**
 * lukshdrPathDecrypted:
 * @privileged: whether the daemon runs as root
 *
 * Returns: the directory of the records of decrypted volumes, to be freed with g_free.
 */
char *
lukshdrPathDecrypted(bool privileged);

/**
 * lukshdrPathPools:
 * @privileged: whether the daemon runs as root
 *
 * Returns: the directory of the pools' encryption defaults, to be freed with g_free.
 */
char *
lukshdrPathPools(bool privileged);

/**
 * lukshdrPathQemuConf:
 * @privileged: whether the daemon runs as root
 *
 * Returns: the configuration file of libvirt's QEMU driver (virQEMUDriverConfigNew and
 * qemuStateInitialize in its qemu_conf.c and qemu_driver.c), to be freed with g_free.
 */
char *
lukshdrPathQemuConf(bool privileged);

/**
 * lukshdrPathGuests:
 * @privileged: whether the daemon runs as root
 *
 * Returns: the directory of the guest records, to be freed with g_free.
 */
char *
lukshdrPathGuests(bool privileged);

/**
 * lukshdrPathGuestStates:
 * @privileged: whether the daemon runs as root
 *
 * Returns: path of the directory where libvirt's QEMU driver has a file for each guest that runs (stateDir in its
 * qemu_conf.c), to be freed with g_free.
 */
char *
lukshdrPathGuestStates(bool privileged);

/**
 * lukshdrPathSchema:
 * @name: of a schema, without directory
 *
 * Returns: its path, to be freed with g_free.
 */
char *
lukshdrPathSchema(const char *name);

/**
 * lukshdrPathPoolConfigs:
 * @privileged: whether the daemon runs as root
 *
 * Returns: the directory where libvirt's storage driver keeps the definitions of pools, NAME.xml each,
 * to be freed with g_free.
 */
char *
lukshdrPathPoolConfigs(bool privileged);

/**
 * lukshdrPathPoolStates:
 * @privileged: whether the daemon runs as root
 *
 * Returns: the directory of the files that lukshdrPathPoolState names, to be freed with g_free.
 */
char *
lukshdrPathPoolStates(bool privileged);

/**
 * lukshdrPathPoolState:
 * @privileged: whether the daemon runs as root
 * @pool: name of a storage pool
 *
 * libvirt's storage driver makes this file when the pool is started, and removes it when it is
 * stopped (virStoragePoolSaveState and storagePoolDestroy in its storage_driver.c).
 *
 * Returns: path of the pool's status file, to be freed with g_free.
 */
char *
lukshdrPathPoolState(bool privileged, const char *pool);

/**
 * lukshdrPathPoolFound:
 * @privileged: whether the daemon runs as root
 * @pool: name of a storage pool, or NULL
 *
 * Returns: path of the file that says that the daemon found the pool active when it started
 * (lukshdrPoolStateIsActive), or of the directory of all; to be freed with g_free.
 */
char *
lukshdrPathPoolFound(bool privileged, const char *pool);

/* how the files of saved domains are called (qemuDomainManagedSavePath in libvirt's qemu_domain.c) */
#define LUKSHDR_PATH_SAVED_SUFFIX ".save"

/**
 * lukshdrPathSecretUsers:
 * @privileged: whether the daemon runs as root
 * @deep: false for the directories whose files matter, true for those with one directory a domain
 *
 * Where libvirt's QEMU driver keeps what may name a secret: domains that are defined, that run, and that
 * are saved, or their snapshots and checkpoints (virQEMUDriverConfigNew in its qemu_conf.c); and where the
 * defaults of pools are (lukshdrPathPools).
 *
 * Returns: the directories; they may be missing.  A NULL-terminated vector, to be freed with
 * g_strfreev.
 */
char **
lukshdrPathSecretUsers(bool privileged, bool deep);
