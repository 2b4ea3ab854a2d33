/*
 * guest-users.h: which guests use a link?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The records of guests (guest-record.h), by the links of their disks.  A cache that follows single
 * changes, so that to ask for one link reads no other guest's record.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct _lukshdrGuestUsers lukshdrGuestUsers;

/**
 * lukshdrGuestUsersNew:
 * @dir: directory of the records; need not exist
 *
 * Returns: what guests use, freed with lukshdrGuestUsersFree; nothing is read yet.  It may be used
 * from any thread: a mutex of its own, a leaf, protects it.
 */
lukshdrGuestUsers *
lukshdrGuestUsersNew(const char *dir);

/**
 * lukshdrGuestUsersFree:
 * @users: from lukshdrGuestUsersNew, or NULL
 */
void
lukshdrGuestUsersFree(lukshdrGuestUsers *users);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrGuestUsers, lukshdrGuestUsersFree)

/**
 * lukshdrGuestUsersFind:
 * @users: from lukshdrGuestUsersNew
 * @link: UUID of a link
 * @writers: those that only read do not matter
 * @except: id of a running domain that does not matter either, or -1
 * @guest: set to the name of a domain that uses it, freed with g_free, or to NULL
 * @error: VIR_ERR_SYSTEM_ERROR if the directory cannot be read; of lukshdrGuestLoad, naming the domain,
 *         if nobody is known to use the link and the record of some domain cannot be read
 *
 * Returns: true with @guest set or NULL, or false with @error set.
 */
bool
lukshdrGuestUsersFind(lukshdrGuestUsers *users,
                      const char *link,
                      bool writers,
                      int except,
                      char **guest,
                      GError **error);

/**
 * lukshdrGuestUsersHas:
 * @users: from lukshdrGuestUsersNew
 * @link: UUID of a link
 * @id: id of a running domain
 * @error: VIR_ERR_SYSTEM_ERROR if the directory cannot be read
 *
 * Returns: whether that domain may write to the volume; false also with @error set.
 */
bool
lukshdrGuestUsersHas(lukshdrGuestUsers *users, const char *link, int id, GError **error);
