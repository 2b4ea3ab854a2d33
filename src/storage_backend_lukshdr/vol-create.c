/*
 * vol-create.c: vol-create of a linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps, and what a crash after each leaves (lukshdrStorageStart clears up):
 *
 *   0 the client's rights to make all of them    nothing
 *   1 registry entry "creating", no identities   nothing else
 *   2 header volume made by stock                an empty header volume, unrecorded: removed
 *                                                (leftover.h)
 *   3 its identity recorded                      removed at the next start
 *     (2 and 3 for each replica                    as 2 and 3)
 *   4 payload volume made by stock               an empty payload, unrecorded: removed if it
 *                                                is raw, otherwise reported
 *   5 its identity recorded                      both removed at the next start
 *     (an image of a cluster formatted, if       as 5
 *     it is to be qcow2: image.h)
 *     (a secret generated, if none was given     as 5, the secret is removed, too)
 *   6 header formatted, or a prepared one        as 5
 *     written (link/prepared.h)
 *   7 label written, replicas filled             as 5
 *     (content converted, when cloning           as 5)
 *   8 registry entry "active"                    the linked volume
 *
 * If another linked volume has the header already, there are no steps 2, 3 and 6: step 1 records
 * the header's identity, and step 7 adds the link to the label.  Between 7 and 8 the registry says
 * that the other link shares its header; if the creation is undone, that is undone too.
 *
 * A failure at any step is undone in this process, by the same code.
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/io.h"
#include "link/format.h"
#include "link/handle.h"
#include "link/header.h"
#include "link/label.h"
#include "util/log.h"
#include "link/luks.h"
#include "link/prepared.h"
#include "link/replica.h"
#include "storage.h"
#include "headers.h"
#include "lookup.h"
#include "vol-link.h"
#include "vol-unlink.h"
#include "busy.h"
#include "vol-create.h"
#include "defaults.h"
#include "events.h"
#include "image.h"
#include "remote.h"
#include "secrets.h"
#include "vol-share.h"
#include "validate.h"
#include "vol-trim.h"
#include "vol-xml.h"

/* Records the volume that stock has made.  No other thread has @link before it is stored. */
static bool
lukshdrStorageRecord(lukshdrLink *link, lukshdrVolume *where, virStorageVolPtr vol, GError **error)
{
    return lukshdrStorageLocate(vol, where, error) &&
           lukshdrRegistryStore(lukshdrStorageState.registry, link, error);
}

static virStorageVolPtr
lukshdrStorageMakeVolume(virStoragePoolPtr pool,
                         const char *xml,
                         unsigned int flags,
                         lukshdrLink *link,
                         lukshdrVolume *where,
                         GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virStorageVolPtr vol = state->stock.storageVolCreateXML(pool, xml, flags);

    if (!vol) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    if (!lukshdrStorageRecord(link, where, vol, error)) {
        virIdentity *client = lukshdrStorageBecomeSystem();

        /* the volume is not recorded, so the general undo would not delete it */
        if (state->stock.storageVolDelete(vol, 0) < 0)
            LUKSHDR_LOG_WARN(_("Volume '%s' of pool '%s' is left behind: %s"), where->volume,
                             where->pool, virGetLastErrorMessage());
        lukshdrStorageBecomeClient(client);
        virStorageVolFree(vol);
        return NULL;
    }
    return vol;
}

/* Opens the volume that stock has made for a copy of the header.  The directory's owner may have
 * put something else there before the volume was recorded.  So the file that we overwrite must have
 * no other hard link and must be empty. */
static lukshdrHandle *
lukshdrStorageOpenFresh(const lukshdrVolume *copy, GError **error)
{
    g_autoptr(lukshdrHandle)
        handle = lukshdrHandleOpen(copy, LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_HEADER, error);
    g_autofree char *where = lukshdrVolumeWhere(copy);
    struct stat st;

    if (!handle || handle->identity.type == LUKSHDR_IDENTITY_BLOCK)
        return g_steal_pointer(&handle);

    if (fstat(handle->fd, &st) == 0 && st.st_nlink <= 1 &&
        lukshdrIOIsZero(handle->fd, handle->identity.size))
        return g_steal_pointer(&handle);

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("'%s' is not the empty volume '%s' that was just made in pool '%s', and is not "
                  "overwritten; who else may write to that directory?"),
                where, copy->volume, copy->pool);
    return NULL;
}

/* Sets @link's LUKS UUID and digest from the header that was just written */
static bool
lukshdrStorageMeasureHeader(lukshdrLink *link, int fd, GError **error)
{
    guint64 end = 0;

    if (!lukshdrLuksKeyMaterialEnd(fd, &end, error))
        return false;

    if (end > LUKSHDR_LABEL_OFFSET) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("the LUKS header with this cipher is %llu bytes long, a "
                      "header volume has room for %d"),
                    (unsigned long long)end, LUKSHDR_LABEL_OFFSET);
        return false;
    }

    g_clear_pointer(&link->luksUUID, g_free);
    g_clear_pointer(&link->digest, g_free);
    return lukshdrLuksReadUUID(fd, &link->luksUUID, error) &&
           lukshdrLuksDigest(fd, &link->digest, error);
}

/* Copies @source's header, with its master key, and gives the copy a LUKS UUID of its own */
static bool
lukshdrStorageCopyHeader(const lukshdrLink *source, lukshdrHandle *to, GError **error)
{
    g_autofree char *uuid = g_uuid_string_random();
    g_autoptr(lukshdrHandle) from = lukshdrHandleOpen(
        &source->header, LUKSHDR_HANDLE_ANY | LUKSHDR_HANDLE_HEADER, error);

    return from && lukshdrHeaderCheck(source, &source->header, from->fd, NULL, error) &&
           lukshdrReplicaCopy(from->fd, to, error) && lukshdrLuksSetUUID(to->fd, uuid, error);
}

/* Makes the header of a new volume in @fd, of @prepared, or, if that is NULL, now */
static bool
lukshdrStorageFormatHeader(int fd,
                           const lukshdrVolumeXML *xml,
                           const lukshdrPreparedHeader *prepared,
                           const lukshdrSecret *secret,
                           GError **error)
{
    return prepared ? lukshdrPreparedHeaderWrite(prepared, fd, error)
                    : lukshdrFormatHeader(fd, &xml->params, secret, NULL, error);
}

/* Steps 6 and 7 */
static bool
lukshdrStorageWriteHeader(lukshdrLink *link,
                          const lukshdrVolumeXML *xml,
                          const lukshdrLink *source,
                          const lukshdrPreparedHeader *prepared,
                          const lukshdrSecret *secret,
                          GError **error)
{
    g_autoptr(lukshdrHandle) header = lukshdrStorageOpenFresh(&link->header, error);
    g_autoptr(lukshdrLink) label = NULL;
    guint i;

    if (!header ||
        (xml->action == LUKSHDR_HEADER_LINK_NEW &&
         !lukshdrStorageFormatHeader(header->fd, xml, prepared, secret, error)) ||
        !lukshdrHandleGrow(header, error) ||
        (xml->action != LUKSHDR_HEADER_LINK_NEW &&
         !lukshdrStorageCopyHeader(source, header, error)) ||
        !lukshdrStorageMeasureHeader(link, header->fd, error))
        return false;

    label = lukshdrLinkCopy(link);
    label->state = LUKSHDR_LINK_STATE_ACTIVE;
    if (!lukshdrLabelWriteOne(header->fd, label, error) || !lukshdrHandleCommit(header, error))
        return false;

    for (i = 1; i <= link->replicas->len; i++) {
        g_autoptr(lukshdrHandle)
            replica = lukshdrStorageOpenFresh(lukshdrLinkHeaderCopy(link, i), error);

        if (!replica || !lukshdrReplicaCopy(header->fd, replica, error))
            return false;
    }

    /* check that each path still leads to the volume that was written */
    for (i = 0; i <= link->replicas->len; i++) {
        g_autoptr(lukshdrHandle)
            still = lukshdrHandleOpen(lukshdrLinkHeaderCopy(link, i), LUKSHDR_HANDLE_READ, error);

        if (!still)
            return false;
    }
    return true;
}

/* Refuses a volume whose name is registered.  An entry stays when its volumes have gone, until
 * somebody removes it, and a new volume of the same name does not replace it. */
static bool
lukshdrStorageCheckUnregistered(virConnectPtr conn,
                                const char *pool,
                                const char *volume,
                                GError **error)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autofree char *command = NULL;
    lukshdrLink *link;

    if (!lukshdrRegistryLookup(lukshdrStorageState.registry, pool, volume, &payload, &header,
                               error))
        return false;
    if (!(link = payload ? payload : header))
        return true;

    /* a crash left it, and nobody could clear it up while its pools were not active: do so now */
    if (link->state == LUKSHDR_LINK_STATE_CREATING && !lukshdrStorageIsUnderWay(link))
        return (busy = lukshdrStorageBusyLink(link, LUKSHDR_STORAGE_BUSY_CHANGE, error)) &&
               lukshdrStorageDeleteFinish(link, conn, error);

    command = lukshdrLinkForgetCommand(link, false);
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("volume '%s' of pool '%s' has gone, but is still registered as part of linked "
                  "volume '%s' of pool '%s'; put it back, or give up the link with \"%s\""),
                volume, pool, link->payload.volume, link->payload.pool, command);
    return false;
}

bool
lukshdrStorageCheckAbsent(virStoragePoolPtr pool, const char *volume, GError **error)
{
    g_autoptr(virStorageVol) vol = lukshdrStorageState.stock.storageVolLookupByName(pool, volume);

    if (vol) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_STORAGE_VOL_EXIST, "'%s'", volume);
        return false;
    }

    if (virGetLastErrorCode() != VIR_ERR_NO_STORAGE_VOL) {
        lukshdrErrorFromLast(error);
        return false;
    }
    virResetLastError();
    return true;
}

/* Refuses if a volume that shall be made exists already.  @pools are the pools of the header
 * volumes to make; none if the header is shared. */
static bool
lukshdrStorageCheckNames(virStoragePoolPtr pool,
                         GPtrArray *pools,
                         const lukshdrVolumeXML *xml,
                         GError **error)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    const char *poolName = virStoragePoolGetName(pool);
    guint i;

    if (!lukshdrStorageCheckAbsent(pool, xml->name, error) ||
        !lukshdrStorageCheckUnregistered(conn, poolName, xml->name, error))
        return false;

    for (i = 0; i < pools->len; i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);
        g_autoptr(GError) local = NULL;

        if (g_str_equal(poolName, source->pool) && g_str_equal(xml->name, source->volume)) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                                _("a volume cannot be its own header"));
            return false;
        }
        if (!lukshdrStorageCheckAbsent(g_ptr_array_index(pools, i), source->volume, &local)) {
            if (g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_STORAGE_VOL_EXIST))
                /* libvirt's words go on: "exists already" */
                g_set_error(
                    error, local->domain, local->code,
                    _("'%1$s' of pool '%2$s', which is to become the header of '%3$s' (delete it "
                      "if no volume needs it, or name another header),"),
                    source->volume, source->pool, xml->name);
            else
                g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        if (!lukshdrStorageCheckUnregistered(conn, source->pool, source->volume, error))
            return false;
    }
    return true;
}

/* A GDestroyNotify */
static void
lukshdrStoragePoolUnref(void *pool)
{
    virStoragePoolFree(pool);
}

/* Refuses, before anything is made, what no volume of that pool could be as @role.  Of a payload that we
 * must format, @xml says so afterwards. */
static bool
lukshdrStorageCheckPool(virStoragePoolPtr pool,
                        lukshdrVolumeXML *xml,
                        lukshdrRole role,
                        GError **error)
{
    g_autoptr(lukshdrRemote) remote = NULL;
    g_autofree char *format = NULL;

    if (!lukshdrStorageCheckPoolType(pool, true, error))
        return false;
    if (role != LUKSHDR_ROLE_PAYLOAD)
        return true;
    if (!lukshdrStorageRemote(pool, xml->name, &remote, error))
        return false;
    if (!remote)
        return true;

    if (!(format = lukshdrVolumeXMLFormatOf(xml->stock, error)))
        return false;
    if (g_str_equal(format, "raw"))
        return true;
    if (g_str_equal(format, "qcow2"))
        return lukshdrVolumeXMLToImage(xml, error);
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
        _("volume '%s' cannot have format '%s': in pool '%s', of type rbd, there are linked "
          "volumes of formats 'raw' and 'qcow2' alone"),
        xml->name, format, virStoragePoolGetName(pool));
    return false;
}

/* Returns the pools of the header volumes that shall be made; all of them are active */
static GPtrArray *
lukshdrStorageHeaderPools(virConnectPtr conn, lukshdrVolumeXML *xml, GError **error)
{
    g_autoptr(GPtrArray) pools = g_ptr_array_new_with_free_func(lukshdrStoragePoolUnref);
    guint i;

    for (i = 0; xml->action != LUKSHDR_HEADER_LINK_SHARE && i < xml->headers->len; i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);
        g_autofree char *text = lukshdrVolumeXMLHeader(source->volume);
        virStoragePoolPtr pool = lukshdrStorageOpenPool(conn, source->pool, error);

        if (!pool)
            return NULL;
        g_ptr_array_add(pools, pool);
        if (!lukshdrStorageMayCreate(pool, text, error) ||
            !lukshdrStorageCheckPool(pool, xml, LUKSHDR_ROLE_HEADER, error))
            return NULL;
    }
    return g_steal_pointer(&pools);
}

/* Steps 2 and 3 */
static bool
lukshdrStorageMakeHeaders(GPtrArray *pools,
                          const lukshdrVolumeXML *xml,
                          lukshdrLink *link,
                          GError **error)
{
    guint i;

    for (i = 0; i < pools->len; i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);
        g_autofree char *text = lukshdrVolumeXMLHeader(source->volume);
        g_autoptr(virStorageVol) vol = NULL;

        if (!(vol = lukshdrStorageMakeVolume(g_ptr_array_index(pools, i), text, 0, link,
                                             lukshdrLinkHeaderCopy(link, i), error)))
            return false;
    }
    return true;
}

/* Returns the passphrase of the new volume.  If the volume gets a secret of its own, generates
 * that: with the value of @given, or with that of a header that is ready, which becomes @prepared,
 * or with a new value. */
static lukshdrSecret *
lukshdrStorageMakeSecret(const lukshdrLink *link,
                         const lukshdrVolumeXML *xml,
                         const lukshdrSecret *given,
                         lukshdrPreparedHeader **prepared,
                         GError **error)
{
    if (given && !link->secretGenerated)
        return lukshdrSecretNew(lukshdrSecretData(given), lukshdrSecretLength(given));

    if (!given && (*prepared = lukshdrPreparedTake(lukshdrStorageState.prepared, &xml->params)))
        given = lukshdrPreparedHeaderSecret(*prepared);
    return lukshdrStorageSecretGenerate(link, given, error);
}

/* Steps 2 to 8.  On failure all that was made is recorded in @link. */
static virStorageVolPtr
lukshdrStorageMakeLinked(virStoragePoolPtr pool,
                         GPtrArray *headerPools,
                         lukshdrVolumeXML *xml,
                         unsigned int flags,
                         const lukshdrSecret *given,
                         const lukshdrStorageContent *content,
                         lukshdrLink *link,
                         GError **error)
{
    g_autoptr(lukshdrPreparedHeader) prepared = NULL;
    g_autoptr(lukshdrSecret) secret = NULL;
    g_autofree char *described = NULL;
    g_autoptr(virStorageVol) payload = NULL;

    if (!lukshdrStorageMakeHeaders(headerPools, xml, link, error) ||
        !(payload = lukshdrStorageMakeVolume(pool, xml->stock, flags, link, &link->payload,
                                             error)) ||
        !(described = lukshdrStorageReadFormat(payload, link, error)) ||
        (xml->image && !lukshdrImageMake(link, xml->image, error)))
        return NULL;

    if (xml->action == LUKSHDR_HEADER_LINK_SHARE) {
        if (!lukshdrStorageShare(link, virStoragePoolGetConnect(pool), error))
            return NULL;
    } else if (!(secret = lukshdrStorageMakeSecret(link, xml, given, &prepared, error)) ||
               !lukshdrStorageWriteHeader(link, xml, content ? content->source : NULL, prepared,
                                          secret, error)) {
        return NULL;
    }

    if (content && !content->fill(link, payload, secret ? secret : given, content->opaque, error))
        return NULL;

    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    if (!lukshdrRegistryStore(lukshdrStorageState.registry, link, error)) {
        link->state = LUKSHDR_LINK_STATE_CREATING;
        return NULL;
    }
    return g_steal_pointer(&payload);
}

/* Chooses @link's secret; sets @secret to its value if the secret exists already */
static bool
lukshdrStorageChooseSecret(lukshdrLink *link,
                           lukshdrVolumeXML *xml,
                           const lukshdrStorageContent *content,
                           lukshdrSecret **secret,
                           GError **error)
{
    const lukshdrLink *source = content ? content->source : NULL;
    g_autofree char *uuid = NULL;

    if (xml->action == LUKSHDR_HEADER_LINK_SHARE)
        return (*secret = lukshdrStorageSecretGet(&link->payload, link->secretUUID, NULL, &uuid,
                                                  error));

    if (xml->action == LUKSHDR_HEADER_LINK_COPY)
        return (*secret = lukshdrStorageSecretGet(&source->payload, source->secretUUID, NULL,
                                                  &link->secretUUID, error)) &&
               lukshdrStorageSecretOwn(link, error);

    if (xml->secretUUID || xml->secretUsage)
        return (*secret = lukshdrStorageSecretGet(&link->payload, xml->secretUUID, xml->secretUsage,
                                                  &link->secretUUID, error)) &&
               lukshdrStorageSecretOwn(link, error);

    link->secretUUID = g_uuid_string_random();
    link->secretGenerated = true;
    xml->params.iterTime = LUKSHDR_FORMAT_ITER_TIME_GENERATED;
    return true;
}

/* Returns a link with all that is known of the new volume before anything is made */
static lukshdrLink *
lukshdrStorageNewLink(virStoragePoolPtr pool, const lukshdrVolumeXML *xml, GError **error)
{
    g_autoptr(lukshdrLink) link = lukshdrLinkNew();
    const lukshdrHeaderSource *primary = lukshdrVolumeXMLPrimary(xml);
    guint i;

    link->payload.pool = g_strdup(virStoragePoolGetName(pool));
    link->payload.volume = g_strdup(xml->name);
    link->format = g_strdup("raw"); /* until stock tells */

    if (xml->action == LUKSHDR_HEADER_LINK_SHARE)
        return lukshdrStorageShareBegin(link, virStoragePoolGetConnect(pool), xml, error)
                   ? g_steal_pointer(&link)
                   : NULL;

    link->header.pool = g_strdup(primary->pool);
    link->header.volume = g_strdup(primary->volume);
    for (i = 1; i < xml->headers->len; i++) {
        const lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);

        lukshdrLinkAddReplica(link, source->pool, source->volume);
    }
    return g_steal_pointer(&link);
}

virStorageVolPtr
lukshdrStorageCreateLinked(virStoragePoolPtr pool,
                           lukshdrVolumeXML *xml,
                           unsigned int flags,
                           const lukshdrStorageContent *content,
                           GError **error)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    g_autoptr(GPtrArray) headerPools = NULL;
    g_autoptr(lukshdrSecret) secret = NULL;
    g_autoptr(lukshdrLink) link = NULL;
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autoptr(GError) undo = NULL;
    virStorageVolPtr vol;
    guint i;

    if (!lukshdrStorageCheckPool(pool, xml, LUKSHDR_ROLE_PAYLOAD, error) ||
        !(headerPools = lukshdrStorageHeaderPools(conn, xml, error)) ||
        !lukshdrStorageCheckNames(pool, headerPools, xml, error) ||
        !(link = lukshdrStorageNewLink(pool, xml, error)) ||
        !lukshdrStorageChooseSecret(link, xml, content, &secret, error))
        return NULL;

    if (!(busy = lukshdrStorageBusyLink(link, LUKSHDR_STORAGE_BUSY_CREATE, error)))
        return NULL;

    vol = lukshdrRegistryStore(lukshdrStorageState.registry, link, error)
              ? lukshdrStorageMakeLinked(pool, headerPools, xml, flags, secret, content, link,
                                         error)
              : NULL;
    if (!vol && !lukshdrStorageDeleteFinish(link, conn, &undo))
        LUKSHDR_LOG_ERROR(_("Linked volume '%s' of pool '%s' was not created, and this is left "
                            "behind of it until the next start: %s"),
                          xml->name, link->payload.pool, undo->message);
    /* without a given secret, the header was a new one with a generated secret */
    if (vol && !secret)
        lukshdrPreparedUsed(lukshdrStorageState.prepared, &xml->params);
    for (i = 0; vol && i < headerPools->len; i++)
        lukshdrStorageEventsPool(g_ptr_array_index(headerPools, i));
    return vol;
}

/* Runs the action of @xml, which is not NEW */
static virStorageVolPtr
lukshdrStorageActOnExisting(virStoragePoolPtr pool,
                            lukshdrVolumeXML *xml,
                            unsigned int flags,
                            GError **error)
{
    if (xml->action == LUKSHDR_HEADER_LINK_SHARE)
        return lukshdrStorageCreateLinked(pool, xml, flags, NULL, error);

    if (xml->action == LUKSHDR_HEADER_LINK_COPY) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("only a clone can have a copy of its source's header; use virsh "
                              "vol-create-from"));
        return NULL;
    }

    if (flags) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_ARG,
                    _("unsupported flags (0x%x) to link or unlink volumes"), flags);
        return NULL;
    }
    if (xml->action == LUKSHDR_HEADER_LINK_CHECK)
        return lukshdrStorageLinkCheck(pool, xml, error);
    if (xml->action == LUKSHDR_HEADER_LINK_TRIM)
        return lukshdrStorageTrim(pool, xml, error);
    return xml->action == LUKSHDR_HEADER_LINK_EXISTING
               ? lukshdrStorageLinkExisting(pool, xml, error)
               : lukshdrStorageUnlink(pool, xml, error);
}

virStorageVolPtr
lukshdrStorageVolCreateXML(virStoragePoolPtr pool, const char *xmldesc, unsigned int flags)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autoptr(xmlDoc) ours = NULL;
    g_autofree char *applied = NULL;
    g_autoptr(GError) error = NULL;
    virStorageVolPtr vol;

    if (!lukshdrStoragePoolDefault(pool, &ours, &error) ||
        !lukshdrStorageValidateVolume(xmldesc, flags, ours, &error) ||
        !(applied = lukshdrStorageDefaultApply(xmldesc, ours, &error)) ||
        !lukshdrVolumeXMLParse(applied, &xml, &error)) {
        lukshdrStoragePoolExplain(pool, xmldesc, ours, &error);
        lukshdrReportError(error);
        return NULL;
    }

    if (!xml) {
        if (lukshdrStorageSecretCheckStock(applied, &error))
            return lukshdrStorageState.stock.storageVolCreateXML(pool, applied, flags);
        lukshdrReportError(error);
        return NULL;
    }

    /* ask before the client hears what exists, and before the registry is written */
    if (!lukshdrStorageMayCreate(pool, xml->stock, &error))
        vol = NULL;
    else if (xml->action == LUKSHDR_HEADER_LINK_NEW)
        vol = lukshdrStorageCreateLinked(pool, xml, flags, NULL, &error);
    else
        vol = lukshdrStorageActOnExisting(pool, xml, flags, &error);
    if (!vol) {
        lukshdrStoragePoolExplain(pool, xmldesc, ours, &error);
        lukshdrReportError(error);
    }
    return vol;
}
