/*
 * headers.c: the header volumes of a link: the header and its replicas
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "headers.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "util/command.h"
#include "util/error.h"
#include "util/io.h"
#include "link/handle.h"
#include "link/header.h"
#include "link/label.h"
#include "util/log.h"
#include "link/luks.h"
#include "util/text.h"
#include "link/replica.h"
#include "entry.h"
#include "lookup.h"

static void
lukshdrHeaderVolumeClear(lukshdrHeaderVolume *header)
{
    lukshdrHandleClose(header->handle);
    if (header->vol)
        virStorageVolFree(header->vol);
}

/* Does the label name @link, with its LUKS header?  Then it was written for this link, whatever is left of
 * the header: it goes last (lukshdrStorageHeadersErase). */
static bool
lukshdrStorageHasLabel(const lukshdrLink *link, int fd)
{
    g_autoptr(GPtrArray) labels = NULL;
    const lukshdrLink *label;

    return lukshdrLabelRead(fd, &labels, NULL) && labels &&
           (label = lukshdrLinkListFind(labels, link->uuid)) &&
           lukshdrTextSameUUID(label->luksUUID, link->luksUUID);
}

static bool
lukshdrStorageIsHeader(const lukshdrLink *link, lukshdrHeaderVolume *header, GError **error)
{
    const lukshdrVolume *copy = header->copy;
    const lukshdrHandle *handle = header->handle;
    bool isFile = handle->identity.type == LUKSHDR_IDENTITY_FILE;
    g_autofree char *where = NULL;

    /* an UNCERTAIN identity needs a second proof: here the file is at its recorded path */
    if (handle->match == LUKSHDR_IDENTITY_SAME ||
        (handle->match == LUKSHDR_IDENTITY_UNCERTAIN && (isFile || lukshdrStorageIsUnderWay(link))))
        return true;

    header->byContent = true;
    if (lukshdrStorageHasLabel(link, handle->fd))
        return true;
    if (link->luksUUID)
        return lukshdrHeaderCheck(link, copy, handle->fd, NULL, error);

    where = lukshdrVolumeWhere(copy);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("'%s' is not the header volume '%s' of pool '%s' that was recorded there; put "
                  "that one back"),
                where, copy->volume, copy->pool);
    return false;
}

/* Leaves @header without a handle if there is nothing at its path.  @which says what is done about
 * something else there. */
static bool
lukshdrStorageOpenHeader(const lukshdrLink *link,
                         lukshdrHeaderVolume *header,
                         lukshdrHeadersWhich which,
                         GError **error)
{
    g_autoptr(GError) local = NULL;
    bool isOther;

    header->handle = lukshdrHandleOpen(
        header->copy, LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, &local);
    if (header->handle && lukshdrStorageIsHeader(link, header, &local))
        return true;

    /* a header on a disk that is not there at the moment would come back, and its payload would not */
    if (which == LUKSHDR_HEADERS_ALL && !lukshdrHeaderCheckMounted(header->copy, error))
        return false;
    if (g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL))
        return true;
    /* a symbolic link, a directory; of what has no path, that would be a cluster that does not answer */
    isOther = header->handle ||
              (!header->copy->remote &&
               (g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID) ||
                g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED)));
    if (which == LUKSHDR_HEADERS_REACHABLE || (which == LUKSHDR_HEADERS_KNOWN && isOther)) {
        LUKSHDR_LOG_WARN(
            _("Volume '%s' of pool '%s' is left as it is, since it cannot be told to hold "
              "the header of linked volume '%s' of pool '%s': %s"),
            header->copy->volume, header->copy->pool, link->payload.volume, link->payload.pool,
            local->message);
        g_clear_pointer(&header->handle, lukshdrHandleClose);
        header->left = true;
        return true;
    }
    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}

/* Is the copy's pool active?  If it is not, @error is set, unless @which does without. */
static bool
lukshdrStorageHasHeaderPool(const lukshdrLink *link,
                            lukshdrHeaderVolume *header,
                            lukshdrHeadersWhich which,
                            virConnectPtr conn,
                            GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(virStoragePool) pool = lukshdrStorageOpenPool(conn, header->copy->pool, &local);

    if (pool)
        return true;
    if (which != LUKSHDR_HEADERS_REACHABLE) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    LUKSHDR_LOG_WARN(
        _("Volume '%s' of pool '%s', which holds the header of linked volume '%s' of pool "
          "'%s', is left as it is: %s"),
        header->copy->volume, header->copy->pool, link->payload.volume, link->payload.pool,
        local->message);
    header->left = true;
    return true;
}

GArray *
lukshdrStorageHeadersOpen(const lukshdrLink *link,
                          lukshdrHeadersWhich which,
                          virConnectPtr conn,
                          GError **error)
{
    g_autoptr(GArray) headers = g_array_new(FALSE, TRUE, sizeof(lukshdrHeaderVolume));
    const lukshdrVolume *copy;
    guint i;

    g_array_set_clear_func(headers, (GDestroyNotify)lukshdrHeaderVolumeClear);

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        lukshdrHeaderVolume header = { .copy = copy };

        if (lukshdrVolumeLocation(copy) == LUKSHDR_LOCATION_NONE)
            continue;
        if (!lukshdrStorageHasHeaderPool(link, &header, which, conn, error) ||
            (!header.left && !lukshdrStorageOpenHeader(link, &header, which, error))) {
            lukshdrHeaderVolumeClear(&header);
            return NULL;
        }
        if (header.handle)
            g_array_append_val(headers, header);
        else if (!header.left && link->state == LUKSHDR_LINK_STATE_ACTIVE)
            LUKSHDR_LOG_WARN(_("Header volume '%s' of pool '%s', of linked volume '%s', has gone"),
                             copy->volume, copy->pool, link->payload.volume);
    }
    return g_steal_pointer(&headers);
}

bool
lukshdrStorageHeadersLookup(GArray *headers,
                            virConnectPtr conn,
                            lukshdrStorageEnsureACL ensure,
                            GError **error)
{
    guint i;

    for (i = 0; i < headers->len; i++) {
        lukshdrHeaderVolume *header = &g_array_index(headers, lukshdrHeaderVolume, i);

        if (!(header->vol = lukshdrStorageLookupVolume(header->copy, conn, error)) ||
            (ensure && !lukshdrStorageMay(header->vol, ensure, error)))
            return false;
    }
    return true;
}

bool
lukshdrStorageHeadersErase(GArray *headers, GError **error)
{
    guint i;

    /* erase the header itself last: otherwise another host might mend it from a replica
     * meanwhile */
    for (i = headers->len; i-- > 0;) {
        const lukshdrHeaderVolume *header = &g_array_index(headers, lukshdrHeaderVolume, i);

        /* what only its content tells would be nobody's without its label, and could not be deleted */
        if (!lukshdrLuksErase(header->handle->fd, header->byContent, error) ||
            !lukshdrHandleCommit(header->handle, error))
            return false;
    }
    return true;
}

/* Returns scrub(1)'s name for one of libvirt's algorithms; NULL if scrub is not used for it */
static const char *
lukshdrStorageScrubPattern(unsigned int algorithm)
{
    static const char *const patterns[] = {
        [VIR_STORAGE_VOL_WIPE_ALG_NNSA] = "nnsa",
        [VIR_STORAGE_VOL_WIPE_ALG_DOD] = "dod",
        [VIR_STORAGE_VOL_WIPE_ALG_BSI] = "bsi",
        [VIR_STORAGE_VOL_WIPE_ALG_GUTMANN] = "gutmann",
        [VIR_STORAGE_VOL_WIPE_ALG_SCHNEIER] = "schneier",
        [VIR_STORAGE_VOL_WIPE_ALG_PFITZNER7] = "pfitzner7",
        [VIR_STORAGE_VOL_WIPE_ALG_PFITZNER33] = "pfitzner33",
        [VIR_STORAGE_VOL_WIPE_ALG_RANDOM] = "random",
    };

    return algorithm < G_N_ELEMENTS(patterns) ? patterns[algorithm] : NULL;
}

/* Zeroes all of @fd, but not the label if @keepLabel */
static bool
lukshdrStorageZero(int fd, bool keepLabel, GError **error)
{
    static const char zeroes[64 * 1024];
    off_t end = lseek(fd, 0, SEEK_END);
    off_t pos;

    if (end < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to find the size of the header volume"));
        return false;
    }
    for (pos = 0; pos < end; pos += sizeof(zeroes)) {
        if (keepLabel && pos >= LUKSHDR_LABEL_OFFSET && pos < LUKSHDR_LABEL_END)
            continue;
        if (!lukshdrIOWrite(fd, zeroes, MIN((off_t)sizeof(zeroes), end - pos), pos, error))
            return false;
    }
    return lukshdrIOSync(fd, error);
}

static bool
lukshdrStorageWipeOne(const lukshdrHeaderVolume *header, unsigned int algorithm, GError **error)
{
    lukshdrHandle *handle = header->handle;
    const char *pattern = lukshdrStorageScrubPattern(algorithm);
    const char *argv[] = { "scrub", "-f", "-p", pattern, lukshdrCommandFile(0), NULL };
    const int files[] = { handle->fd, -1 };
    const lukshdrCommand command = {
        .argv = argv, .files = files, .deadline = LUKSHDR_COMMAND_DEADLINE, .progress = true
    };
    g_autofree guint8 *label = NULL;
    gsize len = LUKSHDR_LABEL_END - LUKSHDR_LABEL_OFFSET;

    if (algorithm == VIR_STORAGE_VOL_WIPE_ALG_ZERO)
        return lukshdrStorageZero(handle->fd, header->byContent, error) &&
               lukshdrHandleCommit(handle, error);
    if (!header->byContent)
        return lukshdrCommandRun(&command, error);

    /* scrub leaves nothing out */
    label = g_malloc(len);
    return lukshdrIOReadAll(handle->fd, label, len, LUKSHDR_LABEL_OFFSET, error) &&
           lukshdrCommandRun(&command, error) &&
           lukshdrIOWrite(handle->fd, label, len, LUKSHDR_LABEL_OFFSET, error) &&
           lukshdrIOSync(handle->fd, error);
}

bool
lukshdrStorageHeadersCanWipe(GArray *headers, unsigned int algorithm, GError **error)
{
    g_autofree char *scrub = NULL;
    guint i;

    for (i = 0; i < headers->len; i++) {
        const lukshdrVolume *copy = g_array_index(headers, lukshdrHeaderVolume, i).copy;

        if (algorithm == VIR_STORAGE_VOL_WIPE_ALG_ZERO ||
            (!copy->remote && lukshdrStorageScrubPattern(algorithm)))
            continue;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("header volume '%s' of pool '%s' cannot be wiped by algorithm %u; use zero"),
                    copy->volume, copy->pool, algorithm);
        return false;
    }

    if (headers->len > 0 && algorithm != VIR_STORAGE_VOL_WIPE_ALG_ZERO &&
        !(scrub = g_find_program_in_path("scrub"))) {
        const lukshdrVolume *copy = g_array_index(headers, lukshdrHeaderVolume, 0).copy;

        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("header volume '%s' of pool '%s' can be wiped by that algorithm only with the "
              "program 'scrub', which is not installed on the host; nothing has been "
              "changed. Install it, or wipe with zeros, which destroys the key as well"),
            copy->volume, copy->pool);
        return false;
    }
    return true;
}

bool
lukshdrStorageHeadersWipe(GArray *headers, unsigned int algorithm, GError **error)
{
    guint i;

    for (i = 0; i < headers->len; i++) {
        const lukshdrHeaderVolume *header = &g_array_index(headers, lukshdrHeaderVolume, i);

        if (!lukshdrStorageWipeOne(header, algorithm, error)) {
            g_prefix_error(error,
                           _("header volume '%s' of pool '%s' could not be wiped as asked for: "),
                           header->copy->volume, header->copy->pool);
            return false;
        }
    }
    return true;
}

bool
lukshdrStorageHeadersDelete(GArray *headers, unsigned int flags, GError **error)
{
    guint i;

    for (i = 0; i < headers->len; i++) {
        lukshdrHeaderVolume *header = &g_array_index(headers, lukshdrHeaderVolume, i);

        /* libvirt cannot remove a partition or logical volume while somebody has it open */
        g_clear_pointer(&header->handle, lukshdrHandleClose);
        if (lukshdrStorageState.stock.storageVolDelete(header->vol,
                                                       header->copy->remote ? flags : 0) < 0) {
            lukshdrErrorFromLast(error);
            return false;
        }
    }
    return true;
}

static void
lukshdrStorageListDrop(GPtrArray *links, const char *uuid)
{
    lukshdrLink *known = lukshdrLinkListFind(links, uuid);

    if (known)
        g_ptr_array_remove(links, known);
}

/* Returns the links in the label; none if the label is damaged, since nothing in that must stay */
static GPtrArray *
lukshdrStorageLabelOf(int fd)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *links = NULL;

    if (!lukshdrLabelRead(fd, &links, &error))
        LUKSHDR_LOG_WARN("%s", error->message);
    return links ? links : g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
}

static bool
lukshdrStorageLabelOne(lukshdrHandle *handle, lukshdrLink *link, GPtrArray *others, GError **error)
{
    g_autoptr(GPtrArray) links = NULL;
    guint i;

    if (!lukshdrLabelLock(handle, error))
        return false;

    links = lukshdrStorageLabelOf(handle->fd);
    lukshdrStorageListDrop(links, link->uuid);
    for (i = 0; others && i < others->len; i++) {
        lukshdrLink *other = g_ptr_array_index(others, i);

        lukshdrStorageListDrop(links, other->uuid);
        g_ptr_array_add(links, lukshdrLinkRef(other));
    }
    if (link->state == LUKSHDR_LINK_STATE_ACTIVE)
        g_ptr_array_add(links, lukshdrLinkRef(link));

    return (links->len > 0 ? lukshdrLabelWrite(handle->fd, links, error)
                           : lukshdrLabelClear(handle->fd, error)) &&
           lukshdrHandleCommit(handle, error);
}

bool
lukshdrStorageHeadersLabel(GArray *headers, lukshdrLink *link, GPtrArray *others, GError **error)
{
    guint i;

    for (i = 0; i < headers->len; i++) {
        if (!lukshdrStorageLabelOne(g_array_index(headers, lukshdrHeaderVolume, i).handle, link,
                                    others, error))
            return false;
    }
    return true;
}

static bool
lukshdrStorageLabelSize(lukshdrHandle *handle, const char *uuid, guint64 size, GError **error)
{
    g_autoptr(GPtrArray) links = NULL;
    lukshdrLink *known;

    if (!lukshdrLabelLock(handle, error) || !lukshdrLabelRead(handle->fd, &links, error))
        return false;
    if (!links || !(known = lukshdrLinkListFind(links, uuid)) ||
        !lukshdrIdentityCountsSize(&known->payload.identity) ||
        known->payload.identity.size == size)
        return true;

    known->payload.identity.size = size;
    return lukshdrLabelWrite(handle->fd, links, error) && lukshdrHandleCommit(handle, error);
}

void
lukshdrStorageHeadersResized(const lukshdrLink *link, guint64 size)
{
    const lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        lukshdrHeaderVolume header = { .copy = copy };
        g_autoptr(GError) error = NULL;

        if (lukshdrVolumeLocation(copy) != LUKSHDR_LOCATION_NONE &&
            lukshdrStorageOpenHeader(link, &header, LUKSHDR_HEADERS_ALL, &error) && header.handle)
            (void)lukshdrStorageLabelSize(header.handle, link->uuid, size, &error);
        if (error)
            LUKSHDR_LOG_WARN(_("The label in volume '%s' of pool '%s' does not say how long the "
                               "payload of linked volume '%s' is now, so other hosts will not take "
                               "it for that by themselves: %s; link it again (virt-lukshdr link)"),
                             copy->volume, copy->pool, link->payload.volume, error->message);
        lukshdrHeaderVolumeClear(&header);
    }
}

GPtrArray *
lukshdrStorageHeadersSharers(const lukshdrLink *link, GError **error)
{
    g_autofree char *where = lukshdrVolumeWhere(&link->header);
    g_autoptr(GPtrArray) links = NULL;
    GPtrArray *sharers;
    guint i;

    /* a header that does not exist yet belongs to no other link */
    if (lukshdrVolumeLocation(&link->header) == LUKSHDR_LOCATION_NONE)
        return g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    if (!(links = lukshdrRegistryListAt(lukshdrStorageState.registry, where, error)))
        return NULL;

    sharers = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    for (i = 0; i < links->len; i++) {
        lukshdrLink *other = g_ptr_array_index(links, i);

        if (!g_str_equal(other->uuid, link->uuid) && other->state != LUKSHDR_LINK_STATE_DELETING &&
            lukshdrVolumeIsSamePlace(&other->header, &link->header))
            g_ptr_array_add(sharers, lukshdrLinkRef(other));
    }
    return sharers;
}

bool
lukshdrStorageHeadersUnshare(GArray *headers, lukshdrLink *link, GPtrArray *sharers, GError **error)
{
    g_autoptr(GPtrArray) others = NULL;
    g_autoptr(lukshdrLink) last = NULL;

    if (sharers->len == 1) {
        last = lukshdrLinkCopy(g_ptr_array_index(sharers, 0));
        last->headerShared = false;
        others = g_ptr_array_new();
        /* if the last link is not active, the label keeps what it said of it before */
        if (last->state == LUKSHDR_LINK_STATE_ACTIVE)
            g_ptr_array_add(others, last);
    }

    return lukshdrStorageHeadersLabel(headers, link, others, error) &&
           (!last || lukshdrStorageSetShared(last, false, error));
}

bool
lukshdrStorageHeaderReady(const lukshdrLink *link, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(
        &link->header, LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, &local);

    if (handle && lukshdrHeaderCheck(link, &link->header, handle->fd, &labels, &local))
        return lukshdrStorageRecordKeys(link, labels, error);

    if (link->replicas->len > 0)
        return lukshdrReplicaSync(link, lukshdrStorageState.privileged, error);

    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}
