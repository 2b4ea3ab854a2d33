/*
 * replica.c: keeping the copies of a header alike
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "replica.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <gnutls/gnutls.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "handle.h"
#include "header.h"
#include "label.h"
#include "luks.h"
#include "util/log.h"
#include "pool-state.h"

typedef struct _lukshdrReplica lukshdrReplica;
struct _lukshdrReplica {
    const lukshdrVolume *vol;
    lukshdrHandle *handle; /* what stands at its path, whatever that is; or NULL */
    GError *closed;        /* why there is no handle, or NULL */
    char *text;            /* of its label, if it is whole, or NULL */
    guint32 generation;
    char *wrong; /* what is wrong with it, or NULL */
    bool skip;   /* its pool is not active: nothing is known of it */
};

static void
lukshdrReplicaClear(lukshdrReplica *replica)
{
    lukshdrHandleClose(replica->handle);
    g_clear_error(&replica->closed);
    g_free(replica->text);
    g_free(replica->wrong);
}

static void
lukshdrReplicaExamine(const lukshdrLink *link, lukshdrReplica *replica)
{
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&replica->text, g_free);
    g_clear_pointer(&replica->wrong, g_free);

    if (!replica->handle) {
        replica->wrong = g_strdup(replica->closed->message);
    } else if (lukshdrHeaderCheck(link, replica->vol, replica->handle->fd, &labels, &error)) {
        replica->text = lukshdrLinkListFormat(labels);
        replica->generation = lukshdrLinkListFind(labels, link->uuid)->generation;
    } else {
        replica->wrong = g_strdup(error->message);
    }
}

/* Whether the volume is a copy of @link's header by its own content, be it damaged or out of date */
static bool
lukshdrReplicaIsCopy(const lukshdrLink *link, int fd)
{
    g_autoptr(GPtrArray) labels = NULL;
    g_autofree char *uuid = NULL;
    const lukshdrLink *label;

    return lukshdrLabelRead(fd, &labels, NULL) && labels &&
           (label = lukshdrLinkListFind(labels, link->uuid)) &&
           lukshdrLuksReadUUID(fd, &uuid, NULL) && lukshdrTextSameUUID(uuid, link->luksUUID) &&
           lukshdrTextSameUUID(label->luksUUID, link->luksUUID);
}

/* A name or a path that leads to a volume is no reason to overwrite it: it must be the recorded one,
 * or a copy of this header.  A block device's number is another's after a boot. */
static bool
lukshdrReplicaMayWrite(const lukshdrLink *link, const lukshdrReplica *to, GError **error)
{
    g_autofree char *where = lukshdrVolumeWhere(to->vol);
    g_autoptr(lukshdrHandle) other = NULL;

    if (to->handle->match == LUKSHDR_IDENTITY_SAME ||
        (to->handle->match == LUKSHDR_IDENTITY_UNCERTAIN &&
         to->handle->identity.type == LUKSHDR_IDENTITY_FILE) ||
        lukshdrReplicaIsCopy(link, to->handle->fd))
        return true;

    /* says what was recorded and what is there */
    if ((other = lukshdrHandleOpen(to->vol, LUKSHDR_HANDLE_READ, error)))
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("block device '%s' has no lasting name, and does not hold the header of "
                      "linked volume '%s' of pool '%s'; bring the right device back"),
                    where, link->payload.volume, link->payload.pool);
    return false;
}

static bool
lukshdrReplicaCopyBytes(int from, int to, guint8 *buf, GError **error)
{
    ssize_t got = TEMP_FAILURE_RETRY(pread(from, buf, LUKSHDR_HEADER_VOLUME_SIZE, 0));
    ssize_t done = 0;

    if (got != LUKSHDR_HEADER_VOLUME_SIZE) {
        lukshdrErrorSetErrno(error, got < 0 ? errno : EIO, _("Unable to read the header volume"));
        return false;
    }

    while (done < got) {
        ssize_t rc = TEMP_FAILURE_RETRY(pwrite(to, buf + done, got - done, done));

        if (rc <= 0) {
            lukshdrErrorSetErrno(error, rc < 0 ? errno : ENOSPC,
                                 _("Unable to write the header volume"));
            return false;
        }
        done += rc;
    }

    if (fsync(to) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to flush the header volume"));
        return false;
    }
    return true;
}

static bool
lukshdrReplicaCopyTo(int from, int to, GError **error)
{
    g_autofree guint8 *buf = g_malloc0(LUKSHDR_HEADER_VOLUME_SIZE);
    bool ok = lukshdrReplicaCopyBytes(from, to, buf, error);

    gnutls_memset(buf, 0, LUKSHDR_HEADER_VOLUME_SIZE);
    return ok;
}

bool
lukshdrReplicaCopy(int from, lukshdrHandle *to, GError **error)
{
    return lukshdrReplicaCopyTo(from, to->fd, error) && lukshdrHandleCommit(to, error);
}

/* Copies, and looks at what has come of it: @from may have been changed meanwhile */
static bool
lukshdrReplicaCopyChecked(const lukshdrLink *link,
                          const lukshdrReplica *from,
                          const lukshdrReplica *to,
                          int fd,
                          GError **error)
{
    return lukshdrReplicaCopyTo(from->handle->fd, fd, error) &&
           lukshdrHeaderCheck(link, to->vol, fd, NULL, error);
}

/* A file without a name in directory @dirfd, which a crash takes with it.  Not every file system has
 * that (NFS has not): there, @temporary is set to the name of one that a crash leaves. */
static int
lukshdrReplicaOpenNew(int dirfd, const char *path, char **temporary, GError **error)
{
    int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EOPNOTSUPP) {
        g_autofree char *name = g_path_get_basename(path);

        *temporary = g_strdup_printf("%s.%06x", name, g_random_int() & 0xffffff);
        fd = openat(dirfd, *temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    }
    if (fd < 0)
        lukshdrErrorSetErrno(error, errno, _("Unable to create '%s'"), path);
    return fd;
}

/* As lukshdrReplicaMake, in directory @dirfd */
static bool
lukshdrReplicaMakeAt(int dirfd,
                     const lukshdrLink *link,
                     const lukshdrReplica *from,
                     const lukshdrReplica *to,
                     GError **error)
{
    const char *path = to->vol->path;
    g_autofree char *last = g_path_get_basename(path);
    g_autofree char *temporary = NULL;
    g_autofree char *name = NULL;
    int fd = lukshdrReplicaOpenNew(dirfd, path, &temporary, error);
    bool ok;

    if (fd < 0)
        return false;

    /* open(2), at O_TMPFILE, says how what is open gets a name */
    name = g_strdup_printf("/proc/self/fd/%d", fd);
    ok = lukshdrReplicaCopyChecked(link, from, to, fd, error);
    /* unlike rename(2), replaces nothing that somebody else has made meanwhile */
    if (ok && (linkat(AT_FDCWD, name, dirfd, last, AT_SYMLINK_FOLLOW) < 0 || fsync(dirfd) < 0)) {
        lukshdrErrorSetErrno(error, errno, _("Unable to create '%s'"), path);
        ok = false;
    }
    close(fd);
    if (temporary)
        unlinkat(dirfd, temporary, 0);
    return ok;
}

/* There is nothing at the path: half a header must not be there either, if we are cut short */
static bool
lukshdrReplicaMake(const lukshdrLink *link,
                   const lukshdrReplica *from,
                   const lukshdrReplica *to,
                   GError **error)
{
    g_autofree char *dir = NULL;
    int dirfd;
    bool ok;

    /* who removed the image may have had a reason, and stock makes images, not this code */
    if (to->vol->remote) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("there is no volume '%s' in pool '%s' any more; make one of %d bytes (virsh "
                      "vol-create-as), then link the volume again with link='existing'"),
                    to->vol->volume, to->vol->pool, LUKSHDR_HEADER_VOLUME_SIZE);
        return false;
    }

    /* key material in a file of /dev would be lost at the next boot, if not found before */
    if (to->vol->identity.type == LUKSHDR_IDENTITY_BLOCK) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("block device '%s' is not there; bring it back"), to->vol->path);
        return false;
    }

    if (to->vol->identity.type != LUKSHDR_IDENTITY_FILE) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("there is nothing at '%s', and this host has never seen a replica there; if the volume "
              "was moved, put it back"),
            to->vol->path);
        return false;
    }

    dir = g_path_get_dirname(to->vol->path);
    if ((dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to create '%s'"), to->vol->path);
        return false;
    }
    ok = lukshdrReplicaMakeAt(dirfd, link, from, to, error);
    close(dirfd);
    return ok;
}

/* Whether the label of @to, the header itself, is the current one, and its keys were changed since.  A replica that took its place
 * would take the change back: a key that was removed would open the volume again. */
static bool
lukshdrReplicaIsRekeyed(const lukshdrLink *link,
                        const lukshdrReplica *from,
                        const lukshdrReplica *to)
{
    g_autoptr(GPtrArray) labels = NULL;
    g_autofree char *text = NULL;

    if (to->vol != lukshdrLinkHeaderCopy(link, 0) ||
        !lukshdrLabelRead(to->handle->fd, &labels, NULL) || !labels)
        return false;
    text = lukshdrLinkListFormat(labels);
    return g_str_equal(text, from->text) && lukshdrLuksIsRekeyed(from->handle->fd, to->handle->fd);
}

/* Sets @written if anything had to be.  The lock on @to goes with its handle, so that
 * never more than one is held: links that share a header may list its copies in any order. */
static bool
lukshdrReplicaWrite(const lukshdrLink *link,
                    const lukshdrReplica *from,
                    lukshdrReplica *to,
                    bool *written,
                    GError **error)
{
    *written = true;

    if (!to->handle) {
        if (g_error_matches(to->closed, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL))
            return lukshdrReplicaMake(link, from, to, error);
        g_propagate_error(error, g_error_copy(to->closed));
        return false;
    }

    if (to->handle->denied) {
        g_autofree char *where = lukshdrVolumeWhere(to->vol);

        lukshdrErrorSetErrno(error, to->handle->denied, _("Unable to open '%s' for writing"),
                             where);
        return false;
    }

    if (!lukshdrReplicaMayWrite(link, to, error) || !lukshdrLabelLock(to->handle, error))
        return false;

    /* the holder of the lock before us may have done the same, or changed keys */
    lukshdrReplicaExamine(link, to);
    if (to->text && (to->generation > from->generation || g_str_equal(to->text, from->text))) {
        *written = false;
        return true;
    }

    if (lukshdrReplicaIsRekeyed(link, from, to)) {
        g_autofree char *name = lukshdrTextShellName(link->payload.pool, link->payload.volume);

        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("another tool changed its keys; if it was you, say: virt-lukshdr link %1$s; "
                      "if not, put the header before back, from a backup or a download of copy "
                      "'%2$s' of pool '%3$s': virt-lukshdr header-restore %1$s FILE"),
                    name, from->vol->volume, from->vol->pool);
        return false;
    }

    return (!to->handle->remote || lukshdrHandleGrow(to->handle, error)) &&
           lukshdrReplicaCopyChecked(link, from, to, to->handle->fd, error) &&
           lukshdrHandleCommit(to->handle, error);
}

/* Returns the current copy, or NULL if none is whole */
static const lukshdrReplica *
lukshdrReplicaCurrent(GArray *copies)
{
    const lukshdrReplica *current = NULL;
    guint i;

    for (i = 0; i < copies->len; i++) {
        const lukshdrReplica *copy = &g_array_index(copies, lukshdrReplica, i);

        if (copy->text && (!current || copy->generation > current->generation))
            current = copy;
    }
    return current;
}

static bool
lukshdrReplicaReplace(const lukshdrLink *link,
                      const lukshdrReplica *from,
                      lukshdrReplica *to,
                      GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *wrong = NULL;
    bool written;
    bool ok;

    if (to->skip || to == from || g_strcmp0(to->text, from->text) == 0)
        return true;

    wrong = g_strdup(to->wrong ? to->wrong : _("out of date"));
    ok = lukshdrReplicaWrite(link, from, to, &written, &local);
    g_clear_pointer(&to->handle, lukshdrHandleClose);

    if (!ok) {
        g_prefix_error(&local, _("header volume '%s' of pool '%s' cannot be replaced: "),
                       to->vol->volume, to->vol->pool);
        LUKSHDR_LOG_ERROR(_("Linked volume '%s' of pool '%s': %s"), link->payload.volume,
                          link->payload.pool, local->message);
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }

    if (written)
        LUKSHDR_LOG_WARN(_("Linked volume '%s' of pool '%s': header volume '%s' of pool '%s' has "
                           "been replaced by its copy '%s' of pool '%s'; the reason: %s"),
                         link->payload.volume, link->payload.pool, to->vol->volume, to->vol->pool,
                         from->vol->volume, from->vol->pool, wrong);
    return true;
}

/* What is wrong with the header itself, there being nothing to replace it or no way to */
static void
lukshdrReplicaSetLost(const lukshdrLink *link, const lukshdrReplica *primary, GError **error)
{
    if (primary->skip)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("header volume '%s' of linked volume '%s' of pool '%s' cannot be reached: "
                      "pool '%s' is not active; start it first"),
                    primary->vol->volume, link->payload.volume, link->payload.pool,
                    primary->vol->pool);
    else
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("linked volume '%s' of pool '%s' has no header that is whole, and no "
                      "replica of it in an active pool: %s"),
                    link->payload.volume, link->payload.pool, primary->wrong);
}

bool
lukshdrReplicaSync(const lukshdrLink *link, bool privileged, GError **error)
{
    g_autoptr(GArray) copies = g_array_new(FALSE, TRUE, sizeof(lukshdrReplica));
    const lukshdrReplica *current;
    const lukshdrReplica *primary;
    const lukshdrVolume *vol;
    bool ok;
    guint i;

    g_array_set_clear_func(copies, (GDestroyNotify)lukshdrReplicaClear);

    for (i = 0; (vol = lukshdrLinkHeaderCopy(link, i)); i++) {
        lukshdrReplica copy = { .vol = vol };

        copy.skip = lukshdrVolumeLocation(vol) == LUKSHDR_LOCATION_NONE ||
                    !lukshdrPoolStateIsActive(privileged, vol->pool);
        if (!copy.skip) {
            /* what can be read only cannot be replaced, but can still replace others */
            copy.handle = lukshdrHandleOpen(
                vol, LUKSHDR_HANDLE_PERHAPS_WRITE | LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER,
                &copy.closed);
            lukshdrReplicaExamine(link, &copy);
        }
        g_array_append_val(copies, copy);
    }
    primary = &g_array_index(copies, lukshdrReplica, 0);

    if (!(current = lukshdrReplicaCurrent(copies))) {
        lukshdrReplicaSetLost(link, primary, error);
        return false;
    }

    ok = lukshdrReplicaReplace(link, current, &g_array_index(copies, lukshdrReplica, 0), error);
    for (i = 1; i < copies->len; i++)
        (void)lukshdrReplicaReplace(link, current, &g_array_index(copies, lukshdrReplica, i), NULL);

    if (primary->skip) {
        lukshdrReplicaSetLost(link, primary, error);
        return false;
    }
    return ok;
}
