/*
 * vol-link.c: making a linked volume of two that exist
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps of linking two volumes that exist, and what a crash after each leaves:
 *
 *   1 header volume grown to its size,      a longer header volume, which its owner may write to,
 *     made writable, without an offset      and which says that it is detached
 *   2 label written, replicas filled        a header whose label names the payload; in a declared
 *                                           header pool, the next refresh makes the link; in any
 *                                           other, a client can link the two again
 *   3 registry entry "active"               the linked volume
 *
 * If the client names a secret that was generated for another linked volume, this one gets a secret
 * of its own with the same value.  Then two steps come before step 1:
 *
 *   a registry entry "unlinking", no LUKS UUID  nothing else
 *   b secret generated                          removed at the next start, with entry and label;
 *                                               until 3, steps 1 and 2 leave the same
 *
 * A client can link two volumes again that are linked already.  They have an entry, so of the two
 * only step b is needed: a crash before the entry has the secret's UUID leaves a secret that
 * nothing needs, with the payload's name.  If the link gets another secret, and its earlier one was
 * generated for it, one step comes after step 3:
 *
 *   4 the earlier secret removed            a crash before that leaves it, with the payload's name
 *
 * Of the two secrets, the one goes that the entry does not name.
 *
 * A payload that was put back from a backup, or moved to another pool, is linked again like that: until
 * step 3 the entry has the payload as it was.
 */

#include "config.h"

#include "vol-link.h"

#include <glib/gi18n-lib.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "link/handle.h"
#include "util/text.h"
#include "link/label.h"
#include "util/log.h"
#include "link/luks.h"
#include "link/payload.h"
#include "link/replica.h"
#include "busy.h"
#include "convert.h"
#include "entry.h"
#include "headers.h"
#include "image.h"
#include "lookup.h"
#include "recognise.h"
#include "remote.h"
#include "secrets.h"
#include "use.h"

/* Fills in @where from the volume of that name.  The client must have the right to write to it. */
static virStorageVolPtr
lukshdrExistingFind(virStoragePoolPtr pool, const char *name, lukshdrVolume *where, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStorageVol) vol = NULL;

    g_free(where->pool);
    g_free(where->volume);
    where->pool = g_strdup(virStoragePoolGetName(pool));
    where->volume = g_strdup(name);

    if (!lukshdrStorageCheckPoolType(pool, false, error))
        return NULL;
    if (!(vol = state->stock.storageVolLookupByName(pool, name))) {
        lukshdrErrorFromLast(error);
        return NULL;
    }
    if (!lukshdrStorageMay(vol, state->abi.virStorageVolUploadEnsureACL, error) ||
        !lukshdrStorageLocate(vol, where, error))
        return NULL;
    return g_steal_pointer(&vol);
}

/* Sets @link's format to that of what is in the image, of which stock always says "raw".  The client need not
 * name the format, but may not name another. */
static bool
lukshdrExistingReadImage(lukshdrLink *link, const lukshdrVolumeXML *xml, GError **error)
{
    g_autofree char *said = lukshdrVolumeXMLFormatSaid(xml->stock);
    const char *format = lukshdrImageFormat(&link->payload, error);

    if (!format)
        return false;
    if (said && !g_str_equal(said, format)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("what is in image '%s' of pool '%s' is of format '%s', not '%s'"),
                    link->payload.volume, link->payload.pool, format, said);
        return false;
    }
    g_free(link->format);
    link->format = g_strdup(format);
    return true;
}

/* Sets @link's format from stock's XML of the payload, and checks there that it can be a payload */
static bool
lukshdrExistingReadPayload(virStorageVolPtr vol,
                           const lukshdrVolumeXML *xml,
                           lukshdrLink *link,
                           GError **error)
{
    g_autofree char *text = lukshdrStorageReadFormat(vol, link, error);

    if (!text || (link->payload.remote && !lukshdrExistingReadImage(link, xml, error)))
        return false;

    if (lukshdrVolumeXMLIsEncrypted(text)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' has a LUKS header of its own, so it is no payload; "
                      "docs/linking.md says how to take the two apart"),
                    link->payload.volume, link->payload.pool);
        return false;
    }

    if (lukshdrVolumeXMLHasBacking(text)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("volume '%s' has a backing store, which a payload cannot have: its content "
                      "would be decrypted a second time"),
                    link->payload.volume);
        return false;
    }
    return true;
}

/* Refuses a payload that QEMU has open: it must not be a plain disk and a linked one at the same
 * time. */
static bool
lukshdrExistingCheckIdle(const lukshdrVolume *vol, GError **error)
{
    /* for an image of a cluster, only the guest will find out whether it can be written */
    unsigned int flags = vol->remote ? LUKSHDR_HANDLE_READ : LUKSHDR_HANDLE_WRITE;
    g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(vol, flags, error);

    return handle && lukshdrStorageCheckOpeners(vol, handle, error);
}

/* Checks the claims of a label that the header has already.  Claims whose payload is not here are
 * dropped: the client has asked for another link. */
static bool
lukshdrExistingCheckLabel(virConnectPtr conn, lukshdrLink *link, int fd, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GError) damage = NULL;
    guint i;

    if (!lukshdrLabelRead(fd, &labels, &damage)) {
        LUKSHDR_LOG_WARN(_("Volume '%s' of pool '%s' gets a new link label: %s"),
                         link->header.volume, link->header.pool, damage->message);
        return true;
    }

    for (i = 0; labels && i < labels->len; i++) {
        const lukshdrLink *claim = g_ptr_array_index(labels, i);
        g_autoptr(lukshdrLink) known = lukshdrRegistryGet(state->registry, claim->uuid);
        g_autoptr(virStoragePool) pool = NULL;
        g_autoptr(virStorageVol) vol = NULL;
        bool same = g_str_equal(claim->payload.pool, link->payload.pool) &&
                    g_str_equal(claim->payload.volume, link->payload.volume);

        if (same && !known) {
            g_free(link->uuid);
            link->uuid = g_strdup(claim->uuid);
            link->headerShared = claim->headerShared;
            continue;
        }

        if (!known && (pool = state->stock.storagePoolLookupByName(conn, claim->payload.pool)))
            vol = state->stock.storageVolLookupByName(pool, claim->payload.volume);
        virResetLastError();
        if (known || vol) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("volume '%s' of pool '%s' is a header of volume '%s' of pool '%s'"),
                        link->header.volume, link->header.pool, claim->payload.volume,
                        claim->payload.pool);
            return false;
        }
    }
    return true;
}

/* A header as it was read at one moment.  What the secret is tested against and what the label describes are then the
 * same bytes, whoever writes to the header volume meanwhile. */
typedef struct _lukshdrExistingCopy lukshdrExistingCopy;
struct _lukshdrExistingCopy {
    int fd; /* a file in memory with LUKS header and key material, which has no offset; or -1 */
    guint32 offset; /* where the header says that its payload begins, sectors */
    char *uuid;     /* the header's */
    char *read;     /* its digest as it was read */
    char *digest;   /* the one of what is in memory */
};

static void
lukshdrExistingCopyClear(lukshdrExistingCopy *copy)
{
    if (copy->fd >= 0)
        close(copy->fd);
    g_free(copy->uuid);
    g_free(copy->read);
    g_free(copy->digest);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrExistingCopy, lukshdrExistingCopyClear)

/* QEMU supports detached headers for LUKS1 only.  The header of an attached volume that was taken apart says that its
 * payload begins behind it; QEMU ignores that, and cryptsetup would look there, so it becomes 0. */
static bool
lukshdrExistingCopyHeader(const lukshdrLink *link,
                          int fd,
                          lukshdrExistingCopy *copy,
                          GError **error)
{
    const guint32 none = 0;

    if ((copy->fd = lukshdrLuksCopy(fd, error)) >= 0 &&
        lukshdrLuksReadUUID(copy->fd, &copy->uuid, error) &&
        lukshdrLuksPayloadOffset(copy->fd, &copy->offset, error) &&
        lukshdrLuksDigest(copy->fd, &copy->read, error) &&
        lukshdrIOWrite(copy->fd, &none, sizeof(none), offsetof(lukshdrLuksHeader, payloadOffset),
                       error) &&
        lukshdrLuksDigest(copy->fd, &copy->digest, error))
        return true;
    g_prefix_error(error, _("volume '%s' of pool '%s' cannot be the header: "), link->header.volume,
                   link->header.pool);
    return false;
}

/* @link gets what the copy of its header says */
static void
lukshdrExistingSetCopied(lukshdrLink *link, const lukshdrExistingCopy *copy)
{
    g_free(link->luksUUID);
    g_free(link->digest);
    link->luksUUID = g_strdup(copy->uuid);
    link->digest = g_strdup(copy->digest);
}

/* Makes the header one that stays usable, and what the copy is.  The label is locked, but other tools know nothing of
 * that lock. */
static bool
lukshdrExistingPrepare(const lukshdrLink *link,
                       lukshdrHandle *header,
                       const lukshdrExistingCopy *copy,
                       GError **error)
{
    g_autofree char *now = NULL;
    const guint32 none = 0;

    if (!lukshdrLuksDigest(header->fd, &now, error))
        return false;
    if (!g_str_equal(now, copy->read)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("header '%s' of pool '%s' was changed while its secret was tested; nothing "
                      "was done, link the volume once more"),
                    link->header.volume, link->header.pool);
        return false;
    }

    if (!lukshdrHandleMendMode(header, error)) {
        g_prefix_error(error, _("Header '%s' of pool '%s': "), link->header.volume,
                       link->header.pool);
        return false;
    }
    return copy->offset == 0 ||
           (lukshdrIOWrite(header->fd, &none, sizeof(none),
                           offsetof(lukshdrLuksHeader, payloadOffset), error) &&
            lukshdrIOSync(header->fd, error));
}

/* Tests the header alone: the payload has no key, and QEMU opens no qcow2 image that a running guest has open */
static bool
lukshdrExistingOpens(const lukshdrLink *link,
                     const lukshdrExistingCopy *copy,
                     const lukshdrSecret *secret,
                     GError **error)
{
    g_autoptr(GError) local = NULL;
    lukshdrLuksHeader luks;

    if (lukshdrStorageOpens(copy->fd, secret, &local))
        return true;

    /* cryptsetup knows ciphers and hashes that QEMU does not */
    if (!g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET) &&
        lukshdrLuksRead(copy->fd, &luks, NULL)) {
        g_autofree char *cipher = g_strndup(luks.cipher, sizeof(luks.cipher));
        g_autofree char *mode = g_strndup(luks.mode, sizeof(luks.mode));
        g_autofree char *hash = g_strndup(luks.hash, sizeof(luks.hash));

        g_propagate_prefixed_error(
            error, g_steal_pointer(&local),
            _("QEMU cannot open header '%1$s' of pool '%2$s', whose cipher is '%3$s-%4$s' and "
              "whose hash is '%5$s': "),
            link->header.volume, link->header.pool, cipher, mode, hash);
        return false;
    }

    /* what the tool says further is its command line */
    if (g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    _("the secret '%s' does not open header '%s' of pool '%s': it has another "
                      "passphrase, or the header's key material is damaged"),
                    link->secretUUID, link->header.volume, link->header.pool);
        return false;
    }
    g_propagate_prefixed_error(error, g_steal_pointer(&local),
                               _("the secret '%s' does not open header '%s' of pool '%s': "),
                               link->secretUUID, link->header.volume, link->header.pool);
    return false;
}

/* A replica must exist, and be blank or have this header already: nothing else is overwritten. */
static bool
lukshdrExistingCheckReplica(const lukshdrLink *link,
                            const lukshdrVolume *replica,
                            int fd,
                            GError **error)
{
    g_autofree char *uuid = NULL;

    if (lukshdrLuksReadUUID(fd, &uuid, NULL) && lukshdrTextSameUUID(uuid, link->luksUUID))
        return true;
    if (lukshdrIOIsZero(fd, LUKSHDR_HEADER_VOLUME_SIZE))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' of pool '%s' is neither empty nor a copy of the header, and is not "
                  "overwritten; make a new one of %d bytes"),
                replica->volume, replica->pool, LUKSHDR_HEADER_VOLUME_SIZE);
    return false;
}

static bool
lukshdrExistingFillReplica(const lukshdrLink *link,
                           const lukshdrVolume *replica,
                           int from,
                           GError **error)
{
    g_autoptr(lukshdrHandle)
        to = lukshdrHandleOpen(replica, LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_HEADER, error);

    return to && lukshdrLabelLock(to, error) &&
           lukshdrExistingCheckReplica(link, replica, to->fd, error) &&
           (!to->remote || lukshdrHandleGrow(to, error)) && lukshdrReplicaCopy(from, to, error);
}

/* Step 2.  Other links in the label, which share the header, stay. */
static bool
lukshdrExistingWrite(lukshdrLink *link,
                     lukshdrHandle *header,
                     const lukshdrExistingCopy *copy,
                     GError **error)
{
    g_autoptr(GPtrArray) labels = NULL;
    lukshdrLink *before;
    guint i;

    if (!lukshdrLabelLock(header, error) || !lukshdrExistingPrepare(link, header, copy, error))
        return false;

    /* if the label is damaged, lukshdrExistingCheckLabel has said so */
    if (!lukshdrLabelRead(header->fd, &labels, NULL) || !labels || !link->headerShared)
        g_clear_pointer(&labels, g_ptr_array_unref);
    if (!labels)
        labels = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);

    if ((before = lukshdrLinkListFind(labels, link->uuid)))
        g_ptr_array_remove(labels, before);
    for (i = 0; i < labels->len; i++) {
        lukshdrLink *other = g_ptr_array_index(labels, i);

        g_free(other->digest);
        other->digest = g_strdup(link->digest);
        other->generation = link->generation;
    }
    g_ptr_array_add(labels, lukshdrLinkRef(link));

    if (!lukshdrLabelWrite(header->fd, labels, error) || !lukshdrHandleCommit(header, error))
        return false;

    for (i = 1; i <= link->replicas->len; i++) {
        if (!lukshdrExistingFillReplica(link, lukshdrLinkHeaderCopy(link, i), header->fd, error))
            return false;
    }
    return true;
}

/* Finds the header volumes that @xml names, and makes @link name them */
static bool
lukshdrExistingHeaders(virConnectPtr conn,
                       const lukshdrVolumeXML *xml,
                       lukshdrLink *link,
                       GError **error)
{
    guint i;

    g_ptr_array_set_size(link->replicas, 0);
    for (i = 0; i < xml->headers->len; i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);
        g_autoptr(virStoragePool) pool = lukshdrStorageOpenPool(conn, source->pool, error);
        g_autoptr(virStorageVol) vol = NULL;

        if (!pool)
            return false;
        if (i > 0)
            lukshdrLinkAddReplica(link, source->pool, source->volume);
        if (!(vol = lukshdrExistingFind(pool, source->volume, lukshdrLinkHeaderCopy(link, i),
                                        error)))
            return false;
    }
    return true;
}

/* No copy may belong to another link, or be a payload */
static bool
lukshdrExistingCheckHeaders(const lukshdrLink *link, const lukshdrLink *known, GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    const lukshdrVolume *copy;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        g_autoptr(lukshdrLink) payload = NULL;
        g_auto(lukshdrRecognised) what = { 0 };
        g_autoptr(GError) local = NULL;

        if (lukshdrIdentityCompare(&link->payload.identity, &copy->identity) ==
            LUKSHDR_IDENTITY_SAME) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                                _("a volume cannot be its own header"));
            return false;
        }
        if (copy->path && !lukshdrRegistryFindPayload(registry, copy->path, &payload, error))
            return false;

        /* A header that was put back from a backup is another file than the recorded one.  Its LUKS
         * UUID and the secret decide whether it is the link's own: see lukshdrExistingLinkAgain. */
        if (!lukshdrRecogniseVolume(registry, copy, &what, &local)) {
            if (known && lukshdrLinkHeaderCopyAt(known, copy))
                continue;
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }

        /* for a shared header, the registry may return any of the links that share it */
        if (what.as == LUKSHDR_RECOGNISED_PLAIN ||
            (known && what.as != LUKSHDR_RECOGNISED_PAYLOAD &&
             lukshdrVolumeIsSamePlace(&what.link->header, &known->header)))
            continue;
        if (what.as != LUKSHDR_RECOGNISED_PAYLOAD && lukshdrVolumeIsGone(&what.link->payload)) {
            g_autofree char *command = lukshdrLinkForgetCommand(what.link, false);

            g_set_error(
                error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%1$s' is a header already, of linked volume '%2$s' of pool '%3$s', "
                  "which is not there; if '%4$s' of pool '%5$s' is that volume, give up the "
                  "earlier link with \"%6$s\", then link the two again"),
                copy->volume, what.link->payload.volume, what.link->payload.pool,
                link->payload.volume, link->payload.pool, command);
            return false;
        }
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    what.as == LUKSHDR_RECOGNISED_PAYLOAD
                        ? _("volume '%s' is a payload, of linked volume '%s' of pool '%s'")
                        : _("volume '%s' is a header already, of linked volume '%s' of pool "
                            "'%s'; to share it, make a new volume with link='share'"),
                    copy->volume, what.link->payload.volume, what.link->payload.pool);
        return false;
    }
    return true;
}

/* Steps a and b, for a link that shall have its own secret (lukshdrStorageSecretOwn) */
static bool
lukshdrExistingMakeSecret(const lukshdrLink *link, const lukshdrSecret *value, GError **error)
{
    g_autoptr(lukshdrLink) journal = lukshdrLinkCopy(link);
    g_autoptr(lukshdrSecret) made = NULL;

    journal->state = LUKSHDR_LINK_STATE_UNLINKING;
    g_clear_pointer(&journal->luksUUID, g_free);
    g_clear_pointer(&journal->digest, g_free);
    return lukshdrRegistryStore(lukshdrStorageState.registry, journal, error) &&
           (made = lukshdrStorageSecretGenerate(link, value, error));
}

bool
lukshdrStorageLinkExistingFinish(const lukshdrLink *link, GError **error)
{
    g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(&link->header, LUKSHDR_HANDLE_HEADER, NULL);
    g_autoptr(lukshdrLink) whole = NULL;
    g_autoptr(GPtrArray) labels = NULL;
    const lukshdrLink *label;

    if (handle && lukshdrLabelRead(handle->fd, &labels, NULL) && labels &&
        (label = lukshdrLinkListFind(labels, link->uuid)) &&
        lukshdrTextSameUUID(label->secretUUID, link->secretUUID)) {
        whole = lukshdrLinkCopy(link);
        whole->state = LUKSHDR_LINK_STATE_ACTIVE;
        whole->luksUUID = g_strdup(label->luksUUID);
        whole->digest = g_strdup(label->digest);
        whole->generation = label->generation;
        return lukshdrRegistryStore(lukshdrStorageState.registry, whole, error);
    }

    return lukshdrStorageSecretRelease(link, false, error) &&
           lukshdrRegistryRemove(lukshdrStorageState.registry, link->uuid, error);
}

/* Undoes what was done for a link that could not be made, as the system: a client that may link
 * volumes may have no right to remove a secret */
static void
lukshdrExistingUndo(lukshdrLink *link, virConnectPtr conn)
{
    virIdentity *client = lukshdrStorageBecomeSystem();
    g_autoptr(GArray) headers = lukshdrStorageHeadersOpen(link, LUKSHDR_HEADERS_ALL, conn, NULL);
    g_autoptr(GError) error = NULL;

    link->state = LUKSHDR_LINK_STATE_UNLINKING;
    if (headers)
        (void)lukshdrStorageHeadersLabel(headers, link, NULL, NULL);
    if (!lukshdrStorageLinkExistingFinish(link, &error))
        LUKSHDR_LOG_ERROR(_("Volume '%s' of pool '%s' was not linked, and this is left of that "
                            "until the next start: %s"),
                          link->payload.volume, link->payload.pool, error->message);
    lukshdrStorageBecomeClient(client);
}

static bool
lukshdrExistingLinkNew(virStorageVolPtr vol,
                       lukshdrLink *link,
                       lukshdrSecret *secret,
                       GError **error)
{
    g_autoptr(lukshdrHandle) header = lukshdrHandleOpen(
        &link->header, LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_HEADER, error);
    g_auto(lukshdrExistingCopy) copy = { .fd = -1 };
    virConnectPtr conn = virStorageVolGetConnect(vol);
    bool own;

    if (!header || !lukshdrExistingCopyHeader(link, header->fd, &copy, error))
        return false;
    lukshdrExistingSetCopied(link, &copy);
    if (!lukshdrExistingCheckLabel(conn, link, header->fd, error) ||
        !lukshdrExistingOpens(link, &copy, secret, error) || !lukshdrStorageSecretOwn(link, error))
        return false;

    own = link->secretGenerated;
    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    if ((!own || lukshdrExistingMakeSecret(link, secret, error)) &&
        lukshdrHandleGrow(header, error) && lukshdrExistingWrite(link, header, &copy, error) &&
        lukshdrRegistryStore(lukshdrStorageState.registry, link, error))
        return true;

    g_clear_pointer(&header, lukshdrHandleClose); /* gives back the lock on the label */
    if (own)
        lukshdrExistingUndo(link, conn);
    return false;
}

/* Is the payload of @now another one than that of @before, or somewhere else? */
static bool
lukshdrExistingPayloadDiffers(const lukshdrLink *now, const lukshdrLink *before)
{
    return g_strcmp0(now->payload.pool, before->payload.pool) ||
           g_strcmp0(now->payload.volume, before->payload.volume) ||
           !lukshdrVolumeIsSamePlace(&now->payload, &before->payload) ||
           lukshdrIdentityCompare(&before->payload.identity, &now->payload.identity) ==
               LUKSHDR_IDENTITY_DIFFERENT;
}

/* A lukshdrStorageChange: puts what linking again has found into an entry that may have changed
 * since */
static bool
lukshdrExistingChange(lukshdrLink *link, void *opaque)
{
    const lukshdrLink *found = opaque;
    guint i;

    if (link->state != LUKSHDR_LINK_STATE_ACTIVE)
        return false;

    g_free(link->digest);
    link->digest = g_strdup(found->digest);
    link->generation = found->generation;
    link->header.identity = found->header.identity;
    /* others that share the header have payloads of their own */
    if (g_str_equal(link->uuid, found->uuid) && lukshdrExistingPayloadDiffers(found, link)) {
        lukshdrVolumeClear(&link->payload);
        lukshdrVolumeCopy(&link->payload, &found->payload);
    }

    g_ptr_array_set_size(link->replicas, 0);
    for (i = 1; i <= found->replicas->len; i++) {
        const lukshdrVolume *from = lukshdrLinkHeaderCopy(found, i);

        lukshdrLinkAddReplica(link, from->pool, from->volume);
        lukshdrVolumeSetPlace(lukshdrLinkHeaderCopy(link, i), from);
    }

    if (g_strcmp0(link->secretUUID, found->secretUUID)) {
        g_free(link->secretUUID);
        link->secretUUID = g_strdup(found->secretUUID);
        link->secretGenerated = found->secretGenerated;
    }
    return true;
}

/* Returns the highest generation in the label of any copy */
static guint32
lukshdrExistingGeneration(const lukshdrLink *link)
{
    const lukshdrVolume *copy;
    guint32 highest = link->generation;
    guint i;

    for (i = 0; (copy = lukshdrLinkHeaderCopy(link, i)); i++) {
        g_autoptr(GPtrArray) labels = NULL;
        const lukshdrLink *label;
        g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(copy, LUKSHDR_HANDLE_HEADER, NULL);

        if (handle && lukshdrLabelRead(handle->fd, &labels, NULL) && labels &&
            (label = lukshdrLinkListFind(labels, link->uuid)))
            highest = MAX(highest, label->generation);
    }
    return highest;
}

/* Updates the registry entries of all links that have this header */
static bool
lukshdrExistingStore(lukshdrLink *link, GError **error)
{
    g_autoptr(GPtrArray) sharers = lukshdrStorageHeadersSharers(link, error);
    guint i;

    if (!sharers)
        return false;

    for (i = 0; i < sharers->len; i++) {
        if (!lukshdrStorageUpdate(g_ptr_array_index(sharers, i), lukshdrExistingChange, link,
                                  error))
            return false;
    }
    return lukshdrStorageUpdate(link, lukshdrExistingChange, link, error);
}

/* Gives a link that exists a secret of its own, if the one that the client named belongs to another
 * link */
static bool
lukshdrExistingRenewSecret(lukshdrLink *link, const lukshdrSecret *value, bool *own, GError **error)
{
    g_autoptr(lukshdrSecret) made = NULL;

    if (link->secretGenerated)
        return true;
    if (!lukshdrStorageSecretOwn(link, error))
        return false;
    *own = link->secretGenerated;
    return !*own || (made = lukshdrStorageSecretGenerate(link, value, error));
}

/* Removes that secret again after a failure; not if the registry names it, since a store may have
 * changed the file before it failed */
static void
lukshdrExistingDropSecret(const lukshdrLink *link)
{
    g_autoptr(lukshdrLink) now = lukshdrRegistryGet(lukshdrStorageState.registry, link->uuid);
    g_autoptr(GError) error = NULL;

    if ((!now || !lukshdrTextSameUUID(now->secretUUID, link->secretUUID)) &&
        !lukshdrStorageSecretRelease(link, false, &error))
        LUKSHDR_LOG_ERROR(_("Secret '%s', made for volume '%s' of pool '%s', is left behind: %s"),
                          link->secretUUID, link->payload.volume, link->payload.pool,
                          error->message);
}

/* @known had a generated secret.  If the registry now names another secret for its volume, nobody
 * needs the generated one: removes it. */
static void
lukshdrExistingReleaseEarlier(const lukshdrLink *known)
{
    g_autoptr(lukshdrLink) now = lukshdrRegistryGet(lukshdrStorageState.registry, known->uuid);
    g_autoptr(GError) error = NULL;

    if (now && !lukshdrTextSameUUID(now->secretUUID, known->secretUUID) &&
        !lukshdrStorageSecretRelease(known, true, &error))
        LUKSHDR_LOG_ERROR(_("Secret '%s', generated for volume '%s' of pool '%s', which is opened "
                            "with another now, is left behind: %s"),
                          known->secretUUID, known->payload.volume, known->payload.pool,
                          error->message);
}

/* Links two volumes again that are linked already.  A client asks for that after it changed keys
 * with another tool or put back an older header on purpose, or to have other replicas.  @link is a
 * copy of @known with what the client asked for. */
static bool
lukshdrExistingLinkAgain(lukshdrLink *link,
                         const lukshdrLink *known,
                         lukshdrSecret *secret,
                         GError **error)
{
    g_autoptr(lukshdrHandle) header = lukshdrHandleOpen(
        &link->header, LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_HEADER, error);
    g_auto(lukshdrExistingCopy) copy = { .fd = -1 };
    bool own = false;

    if (!header || !lukshdrExistingCopyHeader(link, header->fd, &copy, error))
        return false;
    lukshdrExistingSetCopied(link, &copy);
    if (!lukshdrTextSameUUID(link->luksUUID, known->luksUUID)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' of pool '%s' holds LUKS header %s, and linked volume '%s' is "
                      "encrypted with %s; unlink them first if that is meant"),
                    link->header.volume, link->header.pool, link->luksUUID, link->payload.volume,
                    known->luksUUID ? known->luksUUID : "-");
        return false;
    }
    if (!lukshdrExistingOpens(link, &copy, secret, error))
        return false;

    link->generation = MIN(lukshdrExistingGeneration(link), G_MAXUINT32 - 1) + 1;
    if (lukshdrExistingRenewSecret(link, secret, &own, error) && lukshdrHandleGrow(header, error) &&
        lukshdrExistingWrite(link, header, &copy, error) && lukshdrExistingStore(link, error)) {
        if (known->secretGenerated)
            lukshdrExistingReleaseEarlier(known);
        return true;
    }

    if (own)
        lukshdrExistingDropSecret(link);
    return false;
}

/* Returns the secret that shall open the header: the one that the client named, or that of the
 * existing link */
static lukshdrSecret *
lukshdrExistingSecret(lukshdrLink *link, const lukshdrVolumeXML *xml, GError **error)
{
    g_autofree char *before = g_steal_pointer(&link->secretUUID);
    g_autoptr(lukshdrSecret) secret = NULL;

    if (!xml->secretUUID && !xml->secretUsage && !before) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("a header that exists has a passphrase already: name the secret "
                              "that has it in <secret>"));
        return NULL;
    }

    if (!(secret = lukshdrStorageSecretGet(
              &link->payload, xml->secretUUID || xml->secretUsage ? xml->secretUUID : before,
              xml->secretUsage, &link->secretUUID, error)))
        return NULL;

    if (!lukshdrTextSameUUID(link->secretUUID, before))
        link->secretGenerated = false;
    return g_steal_pointer(&secret);
}

static bool
lukshdrExistingCheckXML(const lukshdrVolumeXML *xml, GError **error)
{
    if (!xml->hasCipher)
        return true;

    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                        _("a header that exists has its cipher already; leave <cipher> and "
                          "<ivgen> out"));
    return false;
}

/* Is the payload of @known no longer where it was recorded?  Then @link has where it is now. */
static bool
lukshdrExistingHasMoved(const lukshdrLink *known, virConnectPtr conn)
{
    g_autoptr(lukshdrHandle)
        handle = lukshdrHandleOpen(&known->payload, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_ANY, NULL);
    g_autoptr(virStorageVol) vol = NULL;

    if (!handle || handle->match == LUKSHDR_IDENTITY_DIFFERENT)
        return true;
    vol = lukshdrStorageLookupVolume(&known->payload, conn, NULL);
    virResetLastError();
    return !vol;
}

/* Nobody can tell from ciphertext alone what it was encrypted with, but what is no ciphertext can be told: an image
 * that somebody put there, or an attached volume with its own header in front */
static bool
lukshdrExistingCheckContent(const lukshdrLink *link, GError **error)
{
    g_autoptr(lukshdrHandle) handle = lukshdrHandleOpen(&link->payload, LUKSHDR_HANDLE_READ, error);

    if (!handle)
        return false;
    if (lukshdrPayloadCheck(handle, link->format, error) &&
        lukshdrPayloadCheckCipher(handle, link->format, error))
        return true;
    g_prefix_error(error, _("volume '%s' of pool '%s' cannot be taken as the payload: "),
                   link->payload.volume, link->payload.pool);
    return false;
}

static bool
lukshdrExistingLink(virStoragePoolPtr pool,
                    virStorageVolPtr vol,
                    const lukshdrVolumeXML *xml,
                    lukshdrLink *link,
                    const lukshdrLink *known,
                    GError **error)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    bool isReplaced = known &&
                      lukshdrIdentityCompare(&known->payload.identity, &link->payload.identity) ==
                          LUKSHDR_IDENTITY_DIFFERENT;
    g_autoptr(lukshdrSecret) secret = NULL;
    g_autoptr(lukshdrStorageBusy) busy = NULL;

    if (known && (g_strcmp0(known->header.pool, lukshdrVolumeXMLPrimary(xml)->pool) ||
                  g_strcmp0(known->header.volume, lukshdrVolumeXMLPrimary(xml)->volume))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("volume '%s' is linked to header '%s' of pool '%s'; unlink them first"),
                    xml->name, known->header.volume, known->header.pool);
        return false;
    }

    if (known && known->state != LUKSHDR_LINK_STATE_ACTIVE) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("linked volume '%s' cannot be linked again: its state is '%s'; virt-lukshdr list "
              "says what can be done"),
            xml->name, lukshdrLinkStateToString(known->state));
        return false;
    }

    if (!lukshdrExistingHeaders(conn, xml, link, error) ||
        !(busy = lukshdrStorageBusyLink(link, LUKSHDR_STORAGE_BUSY_CREATE, error)) ||
        !lukshdrExistingCheckHeaders(link, known, error) ||
        (!known && (!lukshdrExistingReadPayload(vol, xml, link, error) ||
                    !lukshdrExistingCheckIdle(&link->payload, error))) ||
        (isReplaced && (!lukshdrStorageCheckUnused(known, false, error) ||
                        !lukshdrExistingCheckIdle(&link->payload, error))) ||
        !lukshdrExistingCheckContent(link, error) ||
        !(secret = lukshdrExistingSecret(link, xml, error)))
        return false;

    return known ? lukshdrExistingLinkAgain(link, known, secret, error)
                 : lukshdrExistingLinkNew(vol, link, secret, error);
}

virStorageVolPtr
lukshdrStorageLinkExisting(virStoragePoolPtr pool, lukshdrVolumeXML *xml, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrLink) link = lukshdrLinkNew();
    g_autoptr(virStorageVol) vol = NULL;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(lukshdrLink) replaced = NULL;
    g_autoptr(GError) local = NULL;
    const lukshdrLink *known;

    if (!lukshdrExistingCheckXML(xml, error) ||
        !(vol = lukshdrExistingFind(pool, xml->name, &link->payload, error)))
        return NULL;
    if (!lukshdrStorageRecognise(vol, state->abi.virStorageVolUploadEnsureACL, &what, &local) &&
        !(replaced = lukshdrStorageFindReplacedPayload(vol))) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }

    if ((known = replaced ? replaced : lukshdrStorageRecognisedPayload(&what))) {
        g_auto(lukshdrVolume) found = { 0 };

        lukshdrVolumeCopy(&found, &link->payload);
        lukshdrLinkUnref(link);
        link = lukshdrLinkCopy(known);
        /* it was put back from a backup, or into another pool: from now on this is the payload */
        if (replaced || lukshdrExistingHasMoved(known, virStoragePoolGetConnect(pool))) {
            lukshdrVolumeClear(&link->payload);
            lukshdrVolumeCopy(&link->payload, &found);
        }
    } else if (what.as != LUKSHDR_RECOGNISED_PLAIN) {
        lukshdrStorageSetHeaderInUse(what.link, error);
        return NULL;
    }

    return lukshdrExistingLink(pool, vol, xml, link, known, error) ? g_steal_pointer(&vol) : NULL;
}

virStorageVolPtr
lukshdrStorageLinkCheck(virStoragePoolPtr pool, const lukshdrVolumeXML *xml, GError **error)
{
    g_autoptr(virStorageVol) vol = NULL;
    g_autoptr(lukshdrHandle) header = NULL;
    g_autoptr(lukshdrSecret) secret = NULL;
    g_auto(lukshdrExistingCopy) copy = { .fd = -1 };
    g_auto(lukshdrRecognised) what = { 0 };
    g_autofree char *uuid = NULL;
    const lukshdrLink *link;

    if (!(vol = lukshdrStorageFindLinked(pool, xml->name,
                                         lukshdrStorageState.abi.virStorageVolDownloadEnsureACL,
                                         &what, error)))
        return NULL;
    link = lukshdrStorageRecognisedPayload(&what);
    if (!lukshdrExistingCheckContent(link, error) ||
        !(secret = lukshdrStorageSecretGet(&link->payload, link->secretUUID, NULL, &uuid, error)) ||
        !(header = lukshdrHandleOpen(&link->header, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_HEADER,
                                     error)) ||
        !lukshdrExistingCopyHeader(link, header->fd, &copy, error) ||
        !lukshdrExistingOpens(link, &copy, secret, error))
        return NULL;
    return g_steal_pointer(&vol);
}
