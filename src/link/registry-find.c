/*
 * registry-find.c: whose payload or header is this?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The invariant: a path is called "no payload" only if that is certain, since a
 * caller that is told so gives the ciphertext to a guest, which may overwrite it.
 */

#include "config.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "registry-priv.h"

typedef enum {
    LUKSHDR_REGISTRY_PAYLOAD,
    LUKSHDR_REGISTRY_HEADER,
} lukshdrRegistrySide;

/* Goes through the volumes of @entry on that side that can be found: a link has one payload, and one
 * header or more copies of it.  @i is 0 at first and then left alone; returns NULL behind the last. */
static const lukshdrVolume *
lukshdrRegistryNext(const lukshdrRegistryEntry *entry, lukshdrRegistrySide side, guint *i)
{
    const lukshdrVolume *vol;

    while ((vol = lukshdrLinkVolumeAt(entry->link, *i))) {
        guint at = (*i)++;
        bool isPayload = lukshdrLinkRoleAt(at) == LUKSHDR_ROLE_PAYLOAD;

        if (isPayload == (side == LUKSHDR_REGISTRY_PAYLOAD) &&
            lukshdrRegistryVolumeCounts(entry->link, at))
            return vol;
    }
    return NULL;
}

/* Of a file that cannot be read, nothing but its name tells which link it was */
static char *
lukshdrRegistryForgetCommand(const lukshdrRegistryEntry *entry)
{
    return entry->link ? lukshdrLinkForgetCommand(entry->link, false)
                       : g_strdup_printf("virt-lukshdr forget %s", entry->uuid);
}

static void
lukshdrRegistrySetUndecided(const lukshdrRegistryEntry *entry,
                            lukshdrRegistrySide side,
                            const lukshdrVolume *vol,
                            const char *path,
                            const lukshdrIdentity *found,
                            GError **error)
{
    g_autofree char *where = lukshdrVolumeWhere(vol);
    g_autofree char *payload = NULL;
    g_autofree char *command = NULL;
    const char *role = side == LUKSHDR_REGISTRY_PAYLOAD ? _("payload") : _("header");

    command = lukshdrRegistryForgetCommand(entry);
    if (entry->damage) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' seems to belong to a linked volume, but its link registry entry "
                      "cannot be believed (put it back from a backup, or give up the link with "
                      "\"%s\", after which the label of its header can make it anew): %s"),
                    path, command, entry->damage);
        return;
    }

    if (vol->identity.type == LUKSHDR_IDENTITY_ISCSI) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("it is uncertain whether '%s' is the %s volume '%s' of pool '%s', recorded at "
              "'%s': either it has the same name, which units of other targets can have as "
              "well, or it stands in the place of that unit; give each unit a name of its own at "
              "its target (an NAA of type 6, say), or give up the link with \"%s\""),
            path, role, vol->volume, vol->pool, where, command);
        return;
    }
    if (vol->remote) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is not the image that was recorded by that name, the %s volume '%s' of "
                      "pool '%s'; give the two their names back (rbd rename), or give up the link "
                      "with \"%s\""),
                    path, role, vol->volume, vol->pool, command);
        return;
    }

    if (found && side == LUKSHDR_REGISTRY_PAYLOAD &&
        entry->link->state == LUKSHDR_LINK_STATE_ACTIVE &&
        lukshdrIdentityCompare(&vol->identity, found) == LUKSHDR_IDENTITY_DIFFERENT) {
        payload = lukshdrTextShellName(vol->pool, vol->volume);
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s', volume '%s' of pool '%s', was replaced: it is not what was linked to "
                      "header '%s' of pool '%s'. If it was put back from a backup, take it with "
                      "\"virt-lukshdr link %s\"; if it is something else, give up the link with "
                      "\"%s\""),
                    path, vol->volume, vol->pool, entry->link->header.volume,
                    entry->link->header.pool, payload, command);
        return;
    }

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("it is uncertain whether '%s' is the %s volume '%s' of pool '%s': the file that "
                  "was recorded at '%s' is not the one that is there now; put the recorded file "
                  "back, or give up the link with \"%s\""),
                path, role, vol->volume, vol->pool, where, command);
}

/* Is what stands at @vol's recorded path now the thing that @found is? */
static bool
lukshdrRegistryIsAtRecordedPath(const lukshdrVolume *vol, const lukshdrIdentity *found)
{
    lukshdrIdentity now;

    return vol->path && lukshdrIdentityFromPath(vol->path, &now, NULL) && now.type == found->type &&
           now.dev == found->dev && now.inode == found->inode;
}

/* Two NFS servers give the same inode numbers to different files, and no birth times.
 * While the recorded one is seen where it was recorded, the other is another. */
static bool
lukshdrRegistryIsElsewhere(const lukshdrVolume *vol, const lukshdrIdentity *found)
{
    lukshdrIdentity now;

    return !vol->identity.birthSec && !vol->identity.birthNsec && vol->path &&
           lukshdrIdentityFromPath(vol->path, &now, NULL) && now.type == LUKSHDR_IDENTITY_FILE &&
           now.inode == vol->identity.inode && now.dev != found->dev;
}

/* @found is an image or unit, somewhere called @where, that is not @vol.  If it is called as @vol was, in the
 * same pool of the same cluster, it stands in its place; the name of a unit says all. */
static bool
lukshdrRegistryIsInPlace(const lukshdrVolume *vol, const char *where, const lukshdrIdentity *found)
{
    g_autofree char *recorded = vol->remote ? lukshdrRemoteDescribe(vol->remote) : NULL;
    g_auto(GStrv) was = g_strsplit(vol->identity.id, ":", 3);
    g_auto(GStrv) is = g_strsplit(found->id, ":", 3);

    if (g_strcmp0(recorded, where))
        return false;
    if (found->type == LUKSHDR_IDENTITY_ISCSI)
        return true;
    /* a volume that was never seen can be any */
    return vol->identity.type == LUKSHDR_IDENTITY_NONE ||
           (g_strv_length(was) == 3 && g_strv_length(is) == 3 && g_str_equal(was[0], is[0]) &&
            g_str_equal(was[1], is[1]));
}

/* What the recorded volume @vol and an existing @found, at @path, are to each other.  Costs a statx only
 * where the recorded identity does not settle it. */
static lukshdrIdentityMatch
lukshdrRegistryMatch(const lukshdrVolume *vol, const char *path, const lukshdrIdentity *found)
{
    lukshdrIdentityMatch match = lukshdrIdentityCompare(&vol->identity, found);

    if (found->type == LUKSHDR_IDENTITY_RBD || found->type == LUKSHDR_IDENTITY_ISCSI)
        return match == LUKSHDR_IDENTITY_DIFFERENT && lukshdrRegistryIsInPlace(vol, path, found)
                   ? LUKSHDR_IDENTITY_UNCERTAIN
                   : match;

    if (vol->identity.type == LUKSHDR_IDENTITY_BLOCK && found->type == LUKSHDR_IDENTITY_BLOCK) {
        bool there = lukshdrRegistryIsAtRecordedPath(vol, found);

        /* a lasting name decides; what has another stands in the volume's place at most */
        if (match == LUKSHDR_IDENTITY_SAME)
            return match;
        if (vol->identity.id[0] && found->id[0])
            return there ? LUKSHDR_IDENTITY_UNCERTAIN : LUKSHDR_IDENTITY_DIFFERENT;

        /* the path that libvirt gave the device is more lasting than its number;
         * another device under the recorded number is another device */
        return there ? LUKSHDR_IDENTITY_SAME : LUKSHDR_IDENTITY_DIFFERENT;
    }

    if (match == LUKSHDR_IDENTITY_SAME)
        return match;

    if (match == LUKSHDR_IDENTITY_UNCERTAIN) {
        if (lukshdrRegistryIsAtRecordedPath(vol, found))
            return LUKSHDR_IDENTITY_SAME;
        return lukshdrRegistryIsElsewhere(vol, found) ? LUKSHDR_IDENTITY_DIFFERENT
                                                      : LUKSHDR_IDENTITY_UNCERTAIN;
    }

    /* something else now stands where the recorded volume stood, or the volume
     * was never seen (a crash in vol-create) */
    return lukshdrRegistryIsAtRecordedPath(vol, found) ? LUKSHDR_IDENTITY_UNCERTAIN
                                                       : LUKSHDR_IDENTITY_DIFFERENT;
}

/* The same for all volumes of @entry on that side; the closest match counts, and @vol is set to
 * the volume of it */
static lukshdrIdentityMatch
lukshdrRegistryMatchEntry(const lukshdrRegistryEntry *entry,
                          lukshdrRegistrySide side,
                          const char *path,
                          const lukshdrIdentity *found,
                          const lukshdrVolume **vol)
{
    lukshdrIdentityMatch best = LUKSHDR_IDENTITY_DIFFERENT;
    const lukshdrVolume *candidate;
    guint i = 0;

    while ((candidate = lukshdrRegistryNext(entry, side, &i))) {
        lukshdrIdentityMatch match = lukshdrRegistryMatch(candidate, path, found);

        if (match > best) {
            best = match;
            *vol = candidate;
        }
    }
    return best;
}

/* Examines one bucket of candidates.  Returns false with @error set if one of
 * them cannot be decided and none is certain. */
static bool
lukshdrRegistryFindInBucket(const GList *bucket,
                            lukshdrRegistrySide side,
                            const char *path,
                            const lukshdrIdentity *found,
                            lukshdrLink **link,
                            GError **error)
{
    const lukshdrRegistryEntry *certain = NULL;
    const lukshdrRegistryEntry *undecided = NULL;
    const lukshdrVolume *undecidedVol = NULL;

    /* many payloads may share a header: the first says that it is one */
    for (; bucket && !(certain && side == LUKSHDR_REGISTRY_HEADER); bucket = bucket->next) {
        const lukshdrRegistryEntry *entry = bucket->data;
        const lukshdrVolume *vol = NULL;

        switch (lukshdrRegistryMatchEntry(entry, side, path, found, &vol)) {
        case LUKSHDR_IDENTITY_SAME:
            if (entry->damage) {
                undecided = entry;
                undecidedVol = vol;
                break;
            }
            if (certain) {
                g_autofree char *one = lukshdrLinkForgetCommand(certain->link, true);
                g_autofree char *other = lukshdrLinkForgetCommand(entry->link, true);

                g_set_error(
                    error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is recorded as the payload of two linked volumes, and can be of "
                      "one only; give up the link that is wrong, with \"%s\" or \"%s\""),
                    path, one, other);
                return false;
            }
            certain = entry;
            break;
        case LUKSHDR_IDENTITY_UNCERTAIN:
            undecided = entry;
            undecidedVol = vol;
            break;
        case LUKSHDR_IDENTITY_DIFFERENT:
            break;
        }
    }

    if (certain) {
        *link = lukshdrLinkRef(certain->link);
        return true;
    }
    if (undecided) {
        lukshdrRegistrySetUndecided(undecided, side, undecidedVol, path, found, error);
        return false;
    }
    return true;
}

/* Returns the volume of @entry on that side that is recorded at @key, or NULL */
static const lukshdrVolume *
lukshdrRegistryRecordedAt(const lukshdrRegistryEntry *entry,
                          lukshdrRegistrySide side,
                          const char *key)
{
    const lukshdrVolume *vol;
    guint i = 0;

    while ((vol = lukshdrRegistryNext(entry, side, &i))) {
        g_autofree char *recorded = vol->path ? lukshdrRegistryKeyPath(vol->path) : NULL;

        if (g_strcmp0(recorded, key) == 0)
            return vol;
    }
    return NULL;
}

/* A path that cannot be examined (a directory that only the guest's user may
 * enter, say) can still be the recorded path of a volume, and then it is not
 * certain that it is not that volume. */
static bool
lukshdrRegistryFindUnexaminable(lukshdrRegistry *reg,
                                lukshdrRegistrySide side,
                                const char *path,
                                GError **error)
{
    g_autofree char *key = lukshdrRegistryKeyPath(path);
    const GList *at;

    for (at = lukshdrRegistryIndexFind(reg->index, key); at; at = at->next) {
        const lukshdrRegistryEntry *entry = at->data;
        const lukshdrVolume *vol = lukshdrRegistryRecordedAt(entry, side, key);

        if (vol) {
            lukshdrRegistrySetUndecided(entry, side, vol, path, NULL, error);
            return false;
        }
    }
    return true;
}

static bool
lukshdrRegistryIsBehind(const lukshdrVolume *vol, const lukshdrRegistryQuestion *question)
{
    if (question->behind.type != LUKSHDR_IDENTITY_FILE)
        return lukshdrIdentityCompare(&vol->identity, &question->behind) !=
               LUKSHDR_IDENTITY_DIFFERENT;
    return vol->identity.type == LUKSHDR_IDENTITY_FILE &&
           vol->identity.inode == question->behind.inode &&
           vol->identity.dev == question->behind.dev;
}

/* Refused rather than recognised: a loop device can begin anywhere in its file, and who maps an image of a
 * cluster on this host, or has the kernel log in to a target, has it open. */
static bool
lukshdrRegistryCheckLoop(lukshdrRegistry *reg,
                         lukshdrRegistrySide side,
                         const lukshdrRegistryQuestion *question,
                         GError **error)
{
    g_autofree char *key = lukshdrRegistryKeyIdentity(&question->behind);
    const GList *at;

    if (question->behind.type == LUKSHDR_IDENTITY_NONE)
        return true;

    for (at = lukshdrRegistryIndexFind(reg->index, key); at; at = at->next) {
        const lukshdrRegistryEntry *entry = at->data;
        const lukshdrVolume *vol;
        guint n = 0;

        while ((vol = lukshdrRegistryNext(entry, side, &n))) {
            if (!lukshdrRegistryIsBehind(vol, question))
                continue;
            g_set_error(
                error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                question->behind.type != LUKSHDR_IDENTITY_FILE
                    ? _("'%s' is the %s volume '%s' of pool '%s', mapped on this host; name "
                        "the linked volume itself")
                    : _("'%s' is a loop device over the %s volume '%s' of pool '%s'; name "
                        "the linked volume itself"),
                question->path, side == LUKSHDR_REGISTRY_PAYLOAD ? _("payload") : _("header"),
                vol->volume, vol->pool);
            return false;
        }
    }
    return true;
}

static bool
lukshdrRegistryFindLocked(lukshdrRegistry *reg,
                          lukshdrRegistrySide side,
                          const lukshdrRegistryQuestion *question,
                          lukshdrLink **link,
                          GError **error)
{
    g_autofree char *byIdentity = lukshdrRegistryKeyIdentity(&question->found);
    g_autofree char *byPath = lukshdrRegistryKeyPath(question->path);
    g_autofree char *byRealPath = lukshdrRegistryKeyPath(question->real ? question->real
                                                                        : question->path);
    /* by what it is first, then by where it is */
    const char *keys[] = { byIdentity, byPath, byRealPath, NULL };
    GHashTableIter iter;
    const lukshdrRegistryEntry *unknown;
    size_t i;

    if (question->failed) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is uncertain whether '%s' belongs to a linked volume: it cannot be "
                      "examined now; try again later"),
                    question->path);
        return false;
    }
    if (!question->examined)
        return lukshdrRegistryFindUnexaminable(reg, side, question->path, error);
    if (!lukshdrRegistryCheckLoop(reg, side, question, error))
        return false;

    if (question->found.type == LUKSHDR_IDENTITY_BLOCK)
        keys[G_N_ELEMENTS(keys) - 1] = question->found.id[0] ? LUKSHDR_REGISTRY_KEY_NAMELESS
                                                             : LUKSHDR_REGISTRY_KEY_BLOCKS;
    for (i = 0; i < G_N_ELEMENTS(keys) && keys[i] && !*link; i++) {
        const GList *bucket = lukshdrRegistryIndexFind(reg->index, keys[i]);

        if (!lukshdrRegistryFindInBucket(bucket, side, question->path, &question->found, link,
                                         error))
            return false;
    }

    g_hash_table_iter_init(&iter, reg->damaged);
    if (!*link && g_hash_table_iter_next(&iter, (void **)&unknown, NULL)) {
        g_autofree char *command = lukshdrRegistryForgetCommand(unknown);

        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is uncertain whether '%s' belongs to a linked volume, since an entry of "
                      "the link registry cannot be believed (put it back from a backup, or give up "
                      "the link with \"%s\", after which the label of its header can make it "
                      "anew): %s"),
                    question->path, command, unknown->damage);
        return false;
    }
    return true;
}

static bool
lukshdrRegistryFind(lukshdrRegistry *reg,
                    lukshdrRegistrySide side,
                    const char *path,
                    lukshdrLink **link,
                    GError **error)
{
    lukshdrRegistryQuestion question = { .path = path };
    bool ok = true;
    bool nothing;

    *link = NULL;

    /* a volume without a path on this host: nothing is looked for below the working directory */
    if (!g_path_is_absolute(path))
        return true;

    /* Without any link nothing need be known of @path.  That there was one a moment ago is
     * reason enough to ask: the registry is read again below, with the answer at hand. */
    g_mutex_lock(&reg->lock);
    if (g_hash_table_size(reg->entries) == 0)
        ok = lukshdrRegistryLoadLocked(reg, error);
    nothing = g_hash_table_size(reg->entries) == 0;
    g_mutex_unlock(&reg->lock);
    if (!ok || nothing)
        return ok;

    lukshdrRegistryExamine(&question);
    if (question.missing)
        return true;

    g_mutex_lock(&reg->lock);
    ok = lukshdrRegistryLoadLocked(reg, error) &&
         lukshdrRegistryFindLocked(reg, side, &question, link, error);
    g_mutex_unlock(&reg->lock);

    free(question.real);
    return ok;
}

bool
lukshdrRegistryHasRemote(lukshdrRegistry *reg, lukshdrLocationKind kind, bool *has, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);

    *has = false;
    if (!lukshdrRegistryLoadLocked(reg, error))
        return false;
    *has = g_hash_table_size(reg->damaged) > 0 ||
           (kind != LUKSHDR_LOCATION_ISCSI &&
            lukshdrRegistryIndexFind(reg->index, LUKSHDR_REGISTRY_KEY_REMOTE)) ||
           (kind != LUKSHDR_LOCATION_RBD &&
            lukshdrRegistryIndexFind(reg->index, LUKSHDR_REGISTRY_KEY_UNITS));
    return true;
}

/* Refused rather than recognised, as the other way round: the kernel, too, has the unit open */
static bool
lukshdrRegistryCheckUnit(lukshdrRegistry *reg,
                         const char *where,
                         const char *const *names,
                         GError **error)
{
    const GList *at;

    for (at = lukshdrRegistryIndexFind(reg->index, LUKSHDR_REGISTRY_KEY_UNITS); at; at = at->next) {
        const lukshdrRegistryEntry *entry = at->data;
        const lukshdrVolume *vol;
        guint i;

        for (i = 0; (vol = lukshdrLinkVolumeAt(entry->link, i)); i++) {
            if (!lukshdrRegistryVolumeCounts(entry->link, i) ||
                !lukshdrIdentityIsUnit(&vol->identity, names))
                continue;
            g_set_error(
                error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
                _("'%s' is the %s volume '%s' of pool '%s', which is '%s' on this host; name "
                  "the linked volume itself"),
                where, lukshdrLinkRoleAt(i) == LUKSHDR_ROLE_PAYLOAD ? _("payload") : _("header"),
                vol->volume, vol->pool, vol->path ? vol->path : "");
            return false;
        }
    }
    return true;
}

bool
lukshdrRegistryFindRemote(lukshdrRegistry *reg,
                          const lukshdrRemote *remote,
                          const lukshdrIdentity *identity,
                          const char *const *names,
                          lukshdrLink **payload,
                          lukshdrLink **header,
                          GError **error)
{
    g_autofree char *where = lukshdrRemoteDescribe(remote);
    const lukshdrRegistryQuestion question = { .path = where,
                                               .examined = true,
                                               .found = *identity };
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);

    *payload = NULL;
    *header = NULL;
    return lukshdrRegistryLoadLocked(reg, error) &&
           (!names || lukshdrRegistryCheckUnit(reg, where, names, error)) &&
           lukshdrRegistryFindLocked(reg, LUKSHDR_REGISTRY_PAYLOAD, &question, payload, error) &&
           (*payload ||
            lukshdrRegistryFindLocked(reg, LUKSHDR_REGISTRY_HEADER, &question, header, error));
}

bool
lukshdrRegistryFindPayload(lukshdrRegistry *reg,
                           const char *path,
                           lukshdrLink **link,
                           GError **error)
{
    return lukshdrRegistryFind(reg, LUKSHDR_REGISTRY_PAYLOAD, path, link, error);
}

bool
lukshdrRegistryFindHeader(lukshdrRegistry *reg,
                          const char *path,
                          lukshdrLink **link,
                          GError **error)
{
    return lukshdrRegistryFind(reg, LUKSHDR_REGISTRY_HEADER, path, link, error);
}

static const lukshdrVolume *
lukshdrRegistryNamed(const lukshdrRegistryEntry *entry,
                     lukshdrRegistrySide side,
                     const char *pool,
                     const char *volume)
{
    const lukshdrVolume *vol;
    guint i = 0;

    while ((vol = lukshdrRegistryNext(entry, side, &i))) {
        if (g_str_equal(vol->pool, pool) && g_str_equal(vol->volume, volume))
            return vol;
    }
    return NULL;
}

/* Sets @link, which may be NULL, to the link that has that volume as its @side */
static bool
lukshdrRegistryByName(const GList *bucket,
                      lukshdrRegistrySide side,
                      const char *pool,
                      const char *volume,
                      lukshdrLink **link,
                      GError **error)
{
    if (!link)
        return true;
    *link = NULL;

    for (; bucket; bucket = bucket->next) {
        const lukshdrRegistryEntry *entry = bucket->data;
        const lukshdrVolume *vol = lukshdrRegistryNamed(entry, side, pool, volume);

        if (!vol)
            continue;

        /* nobody may act on what a damaged entry says */
        if (entry->damage) {
            lukshdrRegistrySetUndecided(entry, side, vol, volume, NULL, error);
            return false;
        }
        *link = lukshdrLinkRef(entry->link);
        return true;
    }
    return true;
}

bool
lukshdrRegistryLookup(lukshdrRegistry *reg,
                      const char *pool,
                      const char *volume,
                      lukshdrLink **payload,
                      lukshdrLink **header,
                      GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);
    g_autofree char *key = lukshdrRegistryKeyName(pool, volume);
    const GList *bucket;

    if (!lukshdrRegistryLoadLocked(reg, error))
        return false;

    bucket = lukshdrRegistryIndexFind(reg->index, key);
    return lukshdrRegistryByName(bucket, LUKSHDR_REGISTRY_PAYLOAD, pool, volume, payload, error) &&
           lukshdrRegistryByName(bucket, LUKSHDR_REGISTRY_HEADER, pool, volume, header, error);
}

/* The links under @key, which is taken over */
static GPtrArray *
lukshdrRegistryListKey(lukshdrRegistry *reg, char *key, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);
    g_autofree char *owned = key;
    GPtrArray *links;
    const GList *at;

    if (!lukshdrRegistryLoadLocked(reg, error))
        return NULL;

    links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    for (at = lukshdrRegistryIndexFind(reg->index, key); at; at = at->next) {
        const lukshdrRegistryEntry *entry = at->data;

        if (!entry->damage)
            g_ptr_array_add(links, lukshdrLinkRef(entry->link));
    }
    return links;
}

GPtrArray *
lukshdrRegistryListAt(lukshdrRegistry *reg, const char *path, GError **error)
{
    return lukshdrRegistryListKey(reg, lukshdrRegistryKeyPath(path), error);
}

GPtrArray *
lukshdrRegistryListPool(lukshdrRegistry *reg, const char *pool, GError **error)
{
    return lukshdrRegistryListKey(reg, lukshdrRegistryKeyPool(pool), error);
}

GPtrArray *
lukshdrRegistryListSecret(lukshdrRegistry *reg, const char *uuid, GError **error)
{
    return lukshdrRegistryListKey(reg, lukshdrRegistryKeySecret(uuid), error);
}

GPtrArray *
lukshdrRegistryListIn(lukshdrRegistry *reg, const char *dir, GError **error)
{
    return lukshdrRegistryListKey(reg, lukshdrRegistryKeyDirectory(dir), error);
}

GPtrArray *
lukshdrRegistryListDirectories(lukshdrRegistry *reg, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);
    GPtrArray *dirs;
    const GList *at;

    if (!lukshdrRegistryLoadLocked(reg, error))
        return NULL;

    dirs = g_ptr_array_new_with_free_func(g_free);
    at = lukshdrRegistryIndexFind(reg->index, LUKSHDR_REGISTRY_KEY_DIRECTORIES);
    for (; at; at = at->next)
        g_ptr_array_add(dirs, g_strdup(at->data));
    return dirs;
}

lukshdrLink *
lukshdrRegistryGet(lukshdrRegistry *reg, const char *uuid)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);
    const lukshdrRegistryEntry *entry;

    if (!lukshdrRegistryLoadLocked(reg, NULL) ||
        !(entry = g_hash_table_lookup(reg->entries, uuid)) || !entry->link || entry->damage)
        return NULL;
    return lukshdrLinkRef(entry->link);
}

char *
lukshdrRegistryFindDamaged(lukshdrRegistry *reg, const char *pool, const char *volume)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);
    const lukshdrRegistryEntry *entry;
    GHashTableIter iter;

    if (!lukshdrRegistryLoadLocked(reg, NULL))
        return NULL;
    g_hash_table_iter_init(&iter, reg->damaged);
    while (g_hash_table_iter_next(&iter, (void **)&entry, NULL)) {
        if (entry->link ? g_str_equal(entry->link->payload.pool, pool) &&
                              g_str_equal(entry->link->payload.volume, volume)
                        : g_str_equal(entry->uuid, volume))
            return g_strdup(entry->uuid);
    }
    return NULL;
}

gint64
lukshdrRegistryWritten(lukshdrRegistry *reg, const char *uuid)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&reg->lock);
    const lukshdrRegistryEntry *entry;

    if (!lukshdrRegistryLoadLocked(reg, NULL) || !(entry = g_hash_table_lookup(reg->entries, uuid)))
        return 0;
    return entry->mtime;
}

bool
lukshdrRegistryIsActive(lukshdrRegistry *reg, const char *uuid)
{
    g_autoptr(lukshdrLink) link = lukshdrRegistryGet(reg, uuid);

    return link && link->state == LUKSHDR_LINK_STATE_ACTIVE;
}
