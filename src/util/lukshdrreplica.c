/*
 * lukshdrreplica.c: keeping the copies of a header alike
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lukshdrreplica.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <gnutls/gnutls.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <unistd.h>

#include "lukshdrerror.h"
#include "lukshdrheader.h"
#include "lukshdrlabel.h"
#include "lukshdrlog.h"
#include "lukshdrpaths.h"

typedef struct _lukshdrReplica lukshdrReplica;
struct _lukshdrReplica {
    const lukshdrLinkVolume *vol;
    int fd;     /* or -1 */
    char *text; /* of its label, if it is whole, or NULL */
    guint32 generation;
    char *wrong; /* what is wrong with it, or NULL */
    bool skip;   /* its pool is not active: nothing is known of it */
};

static void
lukshdrReplicaClear(lukshdrReplica *replica)
{
    if (replica->fd >= 0)
        close(replica->fd);
    g_free(replica->text);
    g_free(replica->wrong);
}

/* O_NONBLOCK: whoever may write to the pool's directory may have put a FIFO there */
static void
lukshdrReplicaExamine(const lukshdrLink *link, lukshdrReplica *replica)
{
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GError) error = NULL;

    replica->fd = open(replica->vol->path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (replica->fd < 0) {
        replica->wrong = g_strdup(g_strerror(errno));
    } else if (lukshdrHeaderCheck(link, replica->vol, replica->fd, &labels, &error)) {
        replica->text = lukshdrLinkListFormat(labels);
        replica->generation = lukshdrLinkListFind(labels, link->uuid)->generation;
    } else {
        replica->wrong = g_strdup(error->message);
    }
}

bool
lukshdrReplicaCopy(int from, int to, GError **error)
{
    g_autofree guint8 *buf = g_malloc(LUKSHDR_HEADER_VOLUME_SIZE);
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
            gnutls_memset(buf, 0, got);
            return false;
        }
        done += rc;
    }
    gnutls_memset(buf, 0, got);

    if (fsync(to) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to flush the header volume"));
        return false;
    }
    return true;
}

/* There is nothing at the path: half a header must not be there either, if we are cut short */
static bool
lukshdrReplicaMake(const lukshdrReplica *from, const char *path, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
    int fd = g_mkstemp_full(temporary, O_RDWR | O_CLOEXEC, 0600);
    bool ok;

    if (fd < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to create '%s'"), temporary);
        return false;
    }

    ok = lukshdrReplicaCopy(from->fd, fd, error);
    close(fd);
    if (ok && link(temporary, path) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to create '%s'"), path);
        ok = false;
    }
    g_unlink(temporary);
    return ok;
}

static bool
lukshdrReplicaWrite(const lukshdrReplica *from, const lukshdrReplica *to, GError **error)
{
    lukshdrIdentity identity;

    if (to->fd < 0 && access(to->vol->path, F_OK) < 0 && errno == ENOENT)
        return lukshdrReplicaMake(from, to->vol->path, error);

    if (to->fd < 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID, "%s", to->wrong);
        return false;
    }

    /* refuses what is neither file nor block device */
    return lukshdrIdentityFromFD(to->fd, &identity, error) && lukshdrLabelLock(to->fd, error) &&
           lukshdrReplicaCopy(from->fd, to->fd, error);
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
    if (to->skip || to == from || g_strcmp0(to->text, from->text) == 0)
        return true;

    if (!lukshdrReplicaWrite(from, to, error)) {
        g_prefix_error(error, _("header volume '%s' of pool '%s' cannot be replaced: "),
                       to->vol->volume, to->vol->pool);
        LUKSHDR_LOG_ERROR(_("Linked volume '%s' of pool '%s': %s"), link->payload.volume,
                          link->payload.pool, (*error)->message);
        return false;
    }

    LUKSHDR_LOG_WARN(_("Linked volume '%s' of pool '%s': header volume '%s' of pool '%s' has been "
                       "replaced by its copy '%s' of pool '%s'; it was %s"),
                     link->payload.volume, link->payload.pool, to->vol->volume, to->vol->pool,
                     from->vol->volume, from->vol->pool, to->wrong ? to->wrong : _("out of date"));
    return true;
}

/* What is wrong with the header itself, no copy being whole */
static void
lukshdrReplicaSetLost(const lukshdrLink *link, const lukshdrReplica *primary, GError **error)
{
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("linked volume '%s' of pool '%s' has no header that is whole, and no replica of "
                  "it in an active pool: %s"),
                link->payload.volume, link->payload.pool,
                primary->wrong ? primary->wrong : _("its pool is not active"));
}

bool
lukshdrReplicaSync(const lukshdrLink *link, bool privileged, GError **error)
{
    g_autoptr(GArray) copies = g_array_new(FALSE, TRUE, sizeof(lukshdrReplica));
    const lukshdrReplica *current;
    const lukshdrLinkVolume *vol;
    bool ok;
    guint i;

    g_array_set_clear_func(copies, (GDestroyNotify)lukshdrReplicaClear);

    for (i = 0; (vol = lukshdrLinkHeaderCopy(link, i)); i++) {
        lukshdrReplica copy = { .vol = vol, .fd = -1 };
        g_autofree char *state = lukshdrPathPoolState(privileged, vol->pool);

        copy.skip = !vol->path || access(state, F_OK) < 0;
        if (!copy.skip)
            lukshdrReplicaExamine(link, &copy);
        g_array_append_val(copies, copy);
    }

    if (!(current = lukshdrReplicaCurrent(copies))) {
        lukshdrReplicaSetLost(link, &g_array_index(copies, lukshdrReplica, 0), error);
        return false;
    }

    ok = lukshdrReplicaReplace(link, current, &g_array_index(copies, lukshdrReplica, 0), error);
    for (i = 1; i < copies->len; i++) {
        g_autoptr(GError) logged = NULL;

        (void)lukshdrReplicaReplace(link, current, &g_array_index(copies, lukshdrReplica, i),
                                    &logged);
    }
    return ok;
}
