/*
 * entry.c: changing the registry entry of a link
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "entry.h"

/* A thread holds this lock while it reads, changes and writes an entry.  It need not hold the lock
 * to make or remove an entry.  While it holds the lock, it touches only the registry's files. */
static GMutex lukshdrStorageUpdateLock;

bool
lukshdrStorageUpdate(const lukshdrLink *link,
                     lukshdrStorageChange change,
                     void *opaque,
                     GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrStorageUpdateLock);
    g_autoptr(lukshdrLink) current = lukshdrRegistryGet(registry, link->uuid);
    g_autoptr(lukshdrLink) copy = NULL;

    if (!current)
        return true;

    copy = lukshdrLinkCopy(current);
    return !change(copy, opaque) || lukshdrRegistryStore(registry, copy, error);
}

/* A lukshdrStorageChange */
static bool
lukshdrStorageChangeShared(lukshdrLink *link, void *opaque)
{
    const bool *shared = opaque;

    if (link->state != LUKSHDR_LINK_STATE_ACTIVE || link->headerShared == *shared)
        return false;
    link->headerShared = *shared;
    return true;
}

bool
lukshdrStorageSetShared(const lukshdrLink *link, bool shared, GError **error)
{
    return lukshdrStorageUpdate(link, lukshdrStorageChangeShared, &shared, error);
}

/* A lukshdrStorageChange */
static bool
lukshdrStorageChangeState(lukshdrLink *link, void *opaque)
{
    const lukshdrLinkState *linkState = opaque;

    link->state = *linkState;
    return true;
}

bool
lukshdrStorageSetState(const lukshdrLink *link, lukshdrLinkState linkState, GError **error)
{
    return lukshdrStorageUpdate(link, lukshdrStorageChangeState, &linkState, error);
}

static bool
lukshdrStorageKeysAreNewer(const lukshdrLink *link, const lukshdrLink *label)
{
    return label->generation > link->generation ||
           (label->generation == link->generation && !link->digest && label->digest);
}

/* A lukshdrStorageChange */
static bool
lukshdrStorageChangeKeys(lukshdrLink *link, void *opaque)
{
    const lukshdrLink *label = opaque;

    if (link->state != LUKSHDR_LINK_STATE_ACTIVE || !lukshdrStorageKeysAreNewer(link, label))
        return false;
    link->generation = label->generation;
    g_free(link->digest);
    link->digest = g_strdup(label->digest);
    return true;
}

bool
lukshdrStorageRecordKeys(const lukshdrLink *link, GPtrArray *labels, GError **error)
{
    lukshdrLink *label = lukshdrLinkListFind(labels, link->uuid);

    return !label || !lukshdrStorageKeysAreNewer(link, label) ||
           lukshdrStorageUpdate(link, lukshdrStorageChangeKeys, label, error);
}
