/*
 * guest.c: which guest was given access to which header
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Guests with linked disks are few, and their disks fewer: lists are searched.
 */

#include "config.h"

#include "guest.h"

#include <glib/gi18n-lib.h>

#include "util/file.h"
#include "util/log.h"

static GMutex lukshdrQemuGuestLock;
static GHashTable *lukshdrQemuGuests; /* name to GPtrArray of lukshdrGuestDisk * */
static char *lukshdrQemuGuestDir;

static GPtrArray *
lukshdrQemuGuestNewDisks(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrGuestDiskFree);
}

void
lukshdrQemuGuestsLoad(const char *dir)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    g_auto(GStrv) names = lukshdrGuestList(dir);
    g_autoptr(GError) left = NULL;
    size_t i;

    /* by the daemon before, which died while it wrote a record */
    if (!lukshdrFileRemoveTemporary(dir, &left))
        LUKSHDR_LOG_WARN("%s", left->message);

    lukshdrQemuGuestDir = g_strdup(dir);
    lukshdrQemuGuests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                              (GDestroyNotify)g_ptr_array_unref);

    for (i = 0; names[i]; i++) {
        g_autoptr(GError) error = NULL;
        GPtrArray *disks = lukshdrGuestLoad(dir, names[i], &error);

        if (!disks) {
            LUKSHDR_LOG_ERROR(_("The record of guest '%s' in '%s' cannot be believed; the header "
                                "volumes of its linked disks must be given back by hand: %s"),
                              names[i], dir, error->message);
            /* an empty list, so that the record goes away when the guest ends */
            disks = lukshdrQemuGuestNewDisks();
        }
        g_hash_table_insert(lukshdrQemuGuests, g_strdup(names[i]), disks);
    }
}

static lukshdrGuestDisk *
lukshdrQemuGuestLookup(const char *name, const char *nodeName)
{
    GPtrArray *disks = g_hash_table_lookup(lukshdrQemuGuests, name);
    guint i;

    for (i = 0; disks && i < disks->len; i++) {
        lukshdrGuestDisk *disk = g_ptr_array_index(disks, i);

        if (g_str_equal(disk->nodeName, nodeName))
            return disk;
    }
    return NULL;
}

static bool
lukshdrQemuGuestSameHeader(const lukshdrGuestDisk *one, const lukshdrGuestDisk *other)
{
    return g_str_equal(one->headerPath, other->headerPath) ||
           lukshdrIdentityCompare(&one->headerIdentity, &other->headerIdentity) ==
               LUKSHDR_IDENTITY_SAME;
}

/* Finds another disk than @nodeName of guest @name that uses @disk's header; sets @owner
 * to the name of its guest. */
static lukshdrGuestDisk *
lukshdrQemuGuestOtherUser(const char *name,
                          const char *nodeName,
                          const lukshdrGuestDisk *disk,
                          const char **owner)
{
    GHashTableIter iter;
    gpointer key;
    gpointer value;

    g_hash_table_iter_init(&iter, lukshdrQemuGuests);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        GPtrArray *disks = value;
        guint i;

        for (i = 0; i < disks->len; i++) {
            lukshdrGuestDisk *other = g_ptr_array_index(disks, i);

            if (g_str_equal(key, name) && g_str_equal(other->nodeName, nodeName))
                continue;
            /* its guest is stopping, so nobody would restore this disk later */
            if (other->revoked)
                continue;
            if (lukshdrQemuGuestSameHeader(disk, other)) {
                *owner = key;
                return other;
            }
        }
    }
    return NULL;
}

static bool
lukshdrQemuGuestStore(const char *name, GError **error)
{
    GPtrArray *disks = g_hash_table_lookup(lukshdrQemuGuests, name);
    g_autoptr(GPtrArray) none = lukshdrQemuGuestNewDisks();

    return lukshdrGuestStore(lukshdrQemuGuestDir, name, disks ? disks : none, error);
}

/* For changes that must happen even if the record cannot be written.  A later daemon then
 * believes in more grants than there are, and restores once too often. */
static void
lukshdrQemuGuestStoreOrWarn(const char *name)
{
    g_autoptr(GError) error = NULL;

    if (!lukshdrQemuGuestStore(name, &error)) {
        LUKSHDR_LOG_WARN(_("The record of the linked disks of guest '%s' is out of date: %s"), name,
                         error->message);
    }
}

/* Forgets @disk if @added, and one grant of it if @restorable, in memory. */
static void
lukshdrQemuGuestUngrantLocked(const char *name, lukshdrGuestDisk *disk, bool restorable, bool added)
{
    GPtrArray *disks = g_hash_table_lookup(lukshdrQemuGuests, name);

    if (restorable && disk->granted > 0)
        disk->granted--;
    if (added)
        g_ptr_array_remove(disks, disk);
    if (disks->len == 0)
        g_hash_table_remove(lukshdrQemuGuests, name);
}

/* Notes a grant in memory. */
static void
lukshdrQemuGuestGrantLocked(const char *name, lukshdrQemuGrant *grant)
{
    GPtrArray *disks = g_hash_table_lookup(lukshdrQemuGuests, name);
    lukshdrGuestDisk *known = lukshdrQemuGuestLookup(name, grant->disk->nodeName);
    const char *owner;

    grant->lone = !lukshdrQemuGuestOtherUser(name, grant->disk->nodeName, grant->disk, &owner);
    grant->added = !known;
    grant->recorded = true;
    if (!known) {
        if (!disks) {
            disks = lukshdrQemuGuestNewDisks();
            g_hash_table_insert(lukshdrQemuGuests, g_strdup(name), disks);
        }
        known = lukshdrGuestDiskCopy(grant->disk);
        known->granted = 0;
        g_ptr_array_add(disks, known);
    }
    known->revoked = false;
    if (grant->restorable)
        known->granted++;
}

/* Undoes that. */
static void
lukshdrQemuGuestTakeBackLocked(const char *name, lukshdrQemuGrant *grant)
{
    lukshdrGuestDisk *disk = lukshdrQemuGuestLookup(name, grant->disk->nodeName);

    grant->recorded = false;
    if (disk)
        lukshdrQemuGuestUngrantLocked(name, disk, grant->restorable, grant->added);
}

bool
lukshdrQemuGuestGrant(const char *name, GPtrArray *grants, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    guint i;

    for (i = 0; i < grants->len; i++)
        lukshdrQemuGuestGrantLocked(name, g_ptr_array_index(grants, i));

    if (lukshdrQemuGuestStore(name, error))
        return true;

    while (i > 0)
        lukshdrQemuGuestTakeBackLocked(name, g_ptr_array_index(grants, --i));
    return false;
}

void
lukshdrQemuGuestRename(const char *nodeName, const lukshdrGuestDisk *disk)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    GHashTableIter iter;
    gpointer name;

    g_hash_table_iter_init(&iter, lukshdrQemuGuests);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        lukshdrGuestDisk *known = lukshdrQemuGuestLookup(name, nodeName);

        if (!known)
            continue;
        g_free(known->nodeName);
        known->nodeName = g_strdup(disk->nodeName);
        g_free(known->format);
        known->format = g_strdup(disk->format);
        g_free(known->headerNode);
        known->headerNode = g_strdup(disk->headerNode);
        known->readOnly = disk->readOnly;
        lukshdrQemuGuestStoreOrWarn(name);
    }
}

void
lukshdrQemuGuestUngrant(const char *name, lukshdrQemuGrant *grant)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);

    lukshdrQemuGuestTakeBackLocked(name, grant);
    lukshdrQemuGuestStoreOrWarn(name);
}

/* Takes access to @disk's header away from guest @name, in memory.  If the grants pass to another guest, writes that
 * guest's record: a crash before that of @name is written leaves too many grants, not too few. */
static unsigned int
lukshdrQemuGuestRevokeLocked(const char *name, lukshdrGuestDisk *disk)
{
    unsigned int times = MAX(disk->granted, 1);
    const char *owner = NULL;
    lukshdrGuestDisk *other = lukshdrQemuGuestOtherUser(name, disk->nodeName, disk, &owner);

    if (other) {
        other->granted += disk->granted;
        /* if it must be restored for this disk, it must be restored for its last user */
        other->readOnly = other->readOnly && disk->readOnly;
        if (!g_str_equal(owner, name))
            lukshdrQemuGuestStoreOrWarn(owner);
        times = 0;
    }

    disk->granted = 0;
    disk->revoked = true;
    return times;
}

unsigned int
lukshdrQemuGuestRevoke(const char *name, const char *nodeName, bool forget)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    GPtrArray *disks = g_hash_table_lookup(lukshdrQemuGuests, name);
    lukshdrGuestDisk *disk = lukshdrQemuGuestLookup(name, nodeName);
    unsigned int times;

    /* some error paths of stock restore a disk that was never granted */
    if (!disk)
        return 0;

    times = lukshdrQemuGuestRevokeLocked(name, disk);
    if (forget)
        g_ptr_array_remove(disks, disk);
    if (disks->len == 0)
        g_hash_table_remove(lukshdrQemuGuests, name);
    lukshdrQemuGuestStoreOrWarn(name);
    return times;
}

void
lukshdrQemuGuestReturn(const char *name, GPtrArray *returns)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    bool any = false;
    guint i;

    for (i = 0; i < returns->len; i++) {
        lukshdrQemuReturn *back = g_ptr_array_index(returns, i);
        lukshdrGuestDisk *disk = lukshdrQemuGuestLookup(name, back->disk->nodeName);

        /* as in lukshdrQemuGuestRevoke */
        if (!disk)
            continue;
        any = true;
        back->remembered = disk->granted;
        back->times = lukshdrQemuGuestRevokeLocked(name, disk);
    }
    if (any)
        lukshdrQemuGuestStoreOrWarn(name);
}

void
lukshdrQemuGuestForget(const char *name, const char *nodeName)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    lukshdrGuestDisk *disk = lukshdrQemuGuestLookup(name, nodeName);

    if (!disk || disk->granted > 0)
        return;
    lukshdrQemuGuestUngrantLocked(name, disk, false, true);
    lukshdrQemuGuestStoreOrWarn(name);
}

void
lukshdrQemuGuestMoveGrants(const char *name, const char *from, const char *to)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    lukshdrGuestDisk *source = lukshdrQemuGuestLookup(name, from);
    lukshdrGuestDisk *target = to ? lukshdrQemuGuestLookup(name, to) : NULL;

    if (!source || source->granted == 0)
        return;

    /* the drivers replace what they remember of the target, so its own count is void */
    if (target)
        target->granted = source->granted;
    source->granted = 0;
    lukshdrQemuGuestStoreOrWarn(name);
}

void
lukshdrQemuGuestDrop(const char *name)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);

    if (g_hash_table_remove(lukshdrQemuGuests, name))
        lukshdrQemuGuestStoreOrWarn(name);
}

char **
lukshdrQemuGuestNames(void)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    g_autofree gpointer *names = g_hash_table_get_keys_as_array(lukshdrQemuGuests, NULL);

    return g_strdupv((char **)names);
}

GPtrArray *
lukshdrQemuGuestDisks(const char *name)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    GPtrArray *disks = g_hash_table_lookup(lukshdrQemuGuests, name);
    GPtrArray *copies = lukshdrQemuGuestNewDisks();
    guint i;

    for (i = 0; disks && i < disks->len; i++)
        g_ptr_array_add(copies, lukshdrGuestDiskCopy(g_ptr_array_index(disks, i)));
    return copies;
}

unsigned int
lukshdrQemuGuestGranted(const char *name, const char *nodeName)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    lukshdrGuestDisk *disk = lukshdrQemuGuestLookup(name, nodeName);

    return disk ? disk->granted : 0;
}

bool
lukshdrQemuGuestUsesHeader(const char *name, const lukshdrGuestDisk *disk)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    const char *owner;

    return lukshdrQemuGuestOtherUser(name, disk->nodeName, disk, &owner) != NULL;
}

bool
lukshdrQemuGuestsAny(void)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);

    return g_hash_table_size(lukshdrQemuGuests) > 0;
}

lukshdrGuestDisk *
lukshdrQemuGuestFindPayload(const char *path, const char *guest, const char *nodeName)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrQemuGuestLock);
    lukshdrIdentity found = { .type = LUKSHDR_IDENTITY_NONE };
    bool exists = lukshdrIdentityFromPath(path, &found, NULL);
    GHashTableIter iter;
    gpointer name;
    gpointer value;

    g_hash_table_iter_init(&iter, lukshdrQemuGuests);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        GPtrArray *disks = value;
        guint i;

        for (i = 0; i < disks->len && (!guest || g_str_equal(name, guest)); i++) {
            lukshdrGuestDisk *disk = g_ptr_array_index(disks, i);

            /* a guest that runs has its payload open: the path that led to it still means
             * that payload, even if somebody has moved the file away since */
            if (g_str_equal(disk->payloadPath, path) ||
                (exists &&
                 lukshdrIdentityCompare(&disk->payloadIdentity, &found) == LUKSHDR_IDENTITY_SAME)) {
                if (!nodeName || g_str_equal(disk->nodeName, nodeName))
                    return lukshdrGuestDiskCopy(disk);
            }
        }
    }
    return NULL;
}
