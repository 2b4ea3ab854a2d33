/*
 * guest-users.c: which guests use a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "guest-users.h"

#include <dirent.h>
#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/dir-watch.h"
#include "util/error.h"
#include "guest-record.h"

/* A record as it was read */
typedef struct _lukshdrGuestUser lukshdrGuestUser;
struct _lukshdrGuestUser {
    char *record;     /* its name */
    const char *name; /* of the domain, in that */
    gint64 id;        /* of the domain, in that; 0 for none */
    GPtrArray *disks; /* of lukshdrGuestDisk; NULL if the record cannot be read */
    GError *damage;   /* then why */
};

struct _lukshdrGuestUsers {
    char *dir; /* immutable */

    GMutex lock; /* protects all below */
    lukshdrDirWatch *watch;
    GHashTable *records; /* char * (name of a record) -> lukshdrGuestUser * */
    GHashTable *byLink;  /* char * (UUID) -> GPtrArray of lukshdrGuestUser *, owned by records */
    GHashTable *damaged; /* set of those with a damage */
};

static void
lukshdrGuestUserFree(lukshdrGuestUser *user)
{
    g_free(user->record);
    g_clear_pointer(&user->disks, g_ptr_array_unref);
    g_clear_error(&user->damage);
    g_free(user);
}

lukshdrGuestUsers *
lukshdrGuestUsersNew(const char *dir)
{
    lukshdrGuestUsers *users = g_new0(lukshdrGuestUsers, 1);

    g_mutex_init(&users->lock);
    users->dir = g_strdup(dir);
    users->watch = lukshdrDirWatchNew(dir);
    users->records = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                           (GDestroyNotify)lukshdrGuestUserFree);
    users->byLink = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                          (GDestroyNotify)g_ptr_array_unref);
    users->damaged = g_hash_table_new(NULL, NULL);
    return users;
}

void
lukshdrGuestUsersFree(lukshdrGuestUsers *users)
{
    if (!users)
        return;

    lukshdrDirWatchFree(users->watch);
    g_hash_table_unref(users->damaged);
    g_hash_table_unref(users->byLink);
    g_hash_table_unref(users->records);
    g_mutex_clear(&users->lock);
    g_free(users->dir);
    g_free(users);
}

static void
lukshdrGuestUsersForget(lukshdrGuestUsers *users, const char *record)
{
    lukshdrGuestUser *user = g_hash_table_lookup(users->records, record);
    guint i;

    if (!user)
        return;

    for (i = 0; user->disks && i < user->disks->len; i++) {
        const lukshdrGuestDisk *disk = g_ptr_array_index(user->disks, i);
        GPtrArray *bucket = g_hash_table_lookup(users->byLink, disk->linkUUID);

        if (bucket && g_ptr_array_remove_fast(bucket, user) && bucket->len == 0)
            g_hash_table_remove(users->byLink, disk->linkUUID);
    }
    g_hash_table_remove(users->damaged, user);
    g_hash_table_remove(users->records, record);
}

static void
lukshdrGuestUsersRead(lukshdrGuestUsers *users, const char *record)
{
    lukshdrGuestUser *user = g_new0(lukshdrGuestUser, 1);
    const char *name;
    guint i;

    lukshdrGuestUsersForget(users, record);

    /* records are named ID-NAME */
    user->record = g_strdup(record);
    name = strchr(user->record, '-');
    user->name = name ? name + 1 : user->record;
    user->id = g_ascii_strtoll(user->record, NULL, 10);
    user->disks = lukshdrGuestLoad(users->dir, record, &user->damage);
    if (user->disks && user->disks->len == 0) {
        /* it has gone since it was named */
        lukshdrGuestUserFree(user);
        return;
    }

    for (i = 0; user->disks && i < user->disks->len; i++) {
        const lukshdrGuestDisk *disk = g_ptr_array_index(user->disks, i);
        GPtrArray *bucket = g_hash_table_lookup(users->byLink, disk->linkUUID);

        if (g_str_equal(disk->linkUUID, LUKSHDR_GUEST_NO_LINK))
            continue;
        if (!bucket) {
            bucket = g_ptr_array_new();
            g_hash_table_insert(users->byLink, g_strdup(disk->linkUUID), bucket);
        }
        g_ptr_array_add(bucket, user);
    }
    if (user->damage)
        g_hash_table_add(users->damaged, user);
    g_hash_table_insert(users->records, user->record, user);
}

static void
lukshdrGuestUsersClear(lukshdrGuestUsers *users)
{
    g_hash_table_remove_all(users->damaged);
    g_hash_table_remove_all(users->byLink);
    g_hash_table_remove_all(users->records);
}

/* Adds the names of all files to @names.  Returns false with errno set. */
static bool
lukshdrGuestUsersNames(lukshdrGuestUsers *users, GHashTable *names)
{
    DIR *dir = opendir(users->dir);
    struct dirent *entry;
    int saved;

    if (!dir)
        return false;
    while ((errno = 0, entry = readdir(dir)))
        g_hash_table_add(names, g_strdup(entry->d_name));
    saved = errno;
    closedir(dir);
    errno = saved;
    return saved == 0;
}

/* Reads the records that may have changed since the last time, and those that could not be read */
static bool
lukshdrGuestUsersLoad(lukshdrGuestUsers *users, GError **error)
{
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    lukshdrDirWatchVerdict verdict = lukshdrDirWatchNext(users->watch, names);
    g_autoptr(GPtrArray) again = g_ptr_array_new_with_free_func(g_free);
    const lukshdrGuestUser *user;
    GHashTableIter iter;
    gpointer file;
    guint i;

    /* for want of a descriptor, say */
    g_hash_table_iter_init(&iter, users->damaged);
    while (g_hash_table_iter_next(&iter, (void **)&user, NULL))
        g_ptr_array_add(again, g_strdup(user->record));

    if (verdict == LUKSHDR_DIR_WATCH_MISSING || verdict == LUKSHDR_DIR_WATCH_ALL)
        lukshdrGuestUsersClear(users);
    if (verdict == LUKSHDR_DIR_WATCH_FAILED ||
        (verdict == LUKSHDR_DIR_WATCH_ALL && !lukshdrGuestUsersNames(users, names))) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read the records of guests in '%s'"),
                             users->dir);
        lukshdrDirWatchForget(users->watch);
        return false;
    }
    /* readdir(3) may miss a file that is replaced meanwhile, and then there are events */
    if (verdict == LUKSHDR_DIR_WATCH_ALL && lukshdrDirWatchFollows(users->watch) &&
        lukshdrDirWatchNext(users->watch, names) > LUKSHDR_DIR_WATCH_SOME)
        lukshdrDirWatchForget(users->watch);

    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &file, NULL)) {
        g_autofree char *record = lukshdrGuestRecordOf(file);

        if (record)
            lukshdrGuestUsersRead(users, record);
    }
    for (i = 0; i < again->len; i++)
        lukshdrGuestUsersRead(users, g_ptr_array_index(again, i));
    return true;
}

/* Does @user use the volume of @link? */
static bool
lukshdrGuestUserUses(const lukshdrGuestUser *user, const char *link, bool writers)
{
    guint i;

    for (i = 0; i < user->disks->len; i++) {
        const lukshdrGuestDisk *disk = g_ptr_array_index(user->disks, i);

        if (g_str_equal(disk->linkUUID, link) && !(writers && disk->readOnly))
            return true;
    }
    return false;
}

bool
lukshdrGuestUsersHas(lukshdrGuestUsers *users, const char *link, int id, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&users->lock);
    GPtrArray *bucket;
    guint i;

    if (!lukshdrGuestUsersLoad(users, error))
        return false;
    bucket = g_hash_table_lookup(users->byLink, link);
    for (i = 0; bucket && i < bucket->len; i++) {
        const lukshdrGuestUser *user = g_ptr_array_index(bucket, i);

        if (user->id == id && lukshdrGuestUserUses(user, link, true))
            return true;
    }
    return false;
}

bool
lukshdrGuestUsersFind(lukshdrGuestUsers *users,
                      const char *link,
                      bool writers,
                      int except,
                      char **guest,
                      GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&users->lock);
    const lukshdrGuestUser *damaged;
    GHashTableIter iter;
    GPtrArray *bucket;
    guint i;

    *guest = NULL;
    if (!lukshdrGuestUsersLoad(users, error))
        return false;

    bucket = g_hash_table_lookup(users->byLink, link);
    for (i = 0; bucket && i < bucket->len; i++) {
        const lukshdrGuestUser *user = g_ptr_array_index(bucket, i);

        if (user->id != except && lukshdrGuestUserUses(user, link, writers)) {
            *guest = g_strdup(user->name);
            return true;
        }
    }

    g_hash_table_iter_init(&iter, users->damaged);
    if (g_hash_table_iter_next(&iter, (void **)&damaged, NULL)) {
        g_propagate_prefixed_error(error, g_error_copy(damaged->damage),
                                   _("it is uncertain which volumes domain '%s' uses: "),
                                   damaged->name);
        return false;
    }
    return true;
}
