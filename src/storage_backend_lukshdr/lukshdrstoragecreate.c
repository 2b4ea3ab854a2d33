/*
 * lukshdrstoragecreate.c: vol-create of a linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The steps, and what a crash after each leaves (lukshdrStorageStart clears up):
 *
 *   1 registry entry "creating", no identities   nothing else
 *   2 header volume made by stock                an empty header volume, unrecorded: reported
 *   3 its identity recorded                      removed at the next start
 *   4 payload volume made by stock               an empty payload, unrecorded: reported
 *   5 its identity recorded                      both removed at the next start
 *     (a secret generated, if none was given     as 5, the secret is removed, too)
 *   6 header formatted                           as 5
 *   7 label written                              as 5
 *     (content converted, when cloning           as 5)
 *   8 registry entry "active"                    the linked volume
 *
 * A failure at any step is undone in this process, by the same code.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lukshdrchain.h"
#include "lukshdrerror.h"
#include "lukshdrlabel.h"
#include "lukshdrlog.h"
#include "lukshdrluks.h"
#include "lukshdrstorage.h"
#include "lukshdrstoragecreate.h"
#include "lukshdrstoragedefault.h"
#include "lukshdrstoragexml.h"

/* What QEMU is asked to spend on stretching a secret that needs none, ms: the least */
#define LUKSHDR_STORAGE_ITER_TIME 1

/* UUIDs of the links that are being created, char * as key and value.  Its lock is
 * a leaf. */
static GMutex lukshdrStorageUnderWayLock;
static GHashTable *lukshdrStorageUnderWay;

void
lukshdrStorageSetUnderWay(const lukshdrLink *link, bool underWay)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrStorageUnderWayLock);

    if (!lukshdrStorageUnderWay)
        lukshdrStorageUnderWay = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (underWay)
        g_hash_table_add(lukshdrStorageUnderWay, g_strdup(link->uuid));
    else
        g_hash_table_remove(lukshdrStorageUnderWay, link->uuid);
}

bool
lukshdrStorageIsUnderWay(const lukshdrLink *link)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrStorageUnderWayLock);

    return lukshdrStorageUnderWay && g_hash_table_contains(lukshdrStorageUnderWay, link->uuid);
}

/* Records what stock has made.  @link is this thread's alone until it is stored. */
static bool
lukshdrStorageRecord(lukshdrLink *link,
                     lukshdrLinkVolume *part,
                     virStorageVolPtr vol,
                     GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *path = state->stock.storageVolGetPath(vol);

    if (!path) {
        lukshdrErrorFromLast(error);
        return false;
    }

    if (!g_path_is_absolute(path)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("volume '%s' of pool '%s' has no path on this host, which both volumes of "
                      "a linked volume need"),
                    part->volume, part->pool);
        return false;
    }

    part->path = g_steal_pointer(&path);
    return lukshdrIdentityFromPath(part->path, &part->identity, error) &&
           lukshdrRegistryStore(state->registry, link, error);
}

static virStorageVolPtr
lukshdrStorageMakeVolume(virStoragePoolPtr pool,
                         const char *xml,
                         unsigned int flags,
                         lukshdrLink *link,
                         lukshdrLinkVolume *part,
                         GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virStorageVolPtr vol = state->stock.storageVolCreateXML(pool, xml, flags);

    if (!vol) {
        lukshdrErrorFromLast(error);
        return NULL;
    }

    if (!lukshdrStorageRecord(link, part, vol, error)) {
        virIdentity *client = lukshdrStorageBecomeSystem();

        /* not recorded, so the general undo would not dare */
        if (state->stock.storageVolDelete(vol, 0) < 0)
            LUKSHDR_LOG_WARN(_("Volume '%s' of pool '%s' is left behind: %s"), part->volume,
                             part->pool, virGetLastErrorMessage());
        lukshdrStorageBecomeClient(client);
        virStorageVolFree(vol);
        return NULL;
    }
    return vol;
}

/* QEMU's tools leave a file as long as the LUKS header; the volume is to be as
 * long as libvirt believes, with the label's place allocated. */
static bool
lukshdrStorageFillHeader(int fd, GError **error)
{
    struct stat st;
    int rc;

    if (fstat(fd, &st) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to examine the header volume"));
        return false;
    }

    if (S_ISREG(st.st_mode) && (rc = posix_fallocate(fd, 0, LUKSHDR_HEADER_VOLUME_SIZE)) != 0) {
        lukshdrErrorSetErrno(error, rc, _("Unable to allocate the header volume"));
        return false;
    }
    return true;
}

/* Steps 6 and 7 */
static bool
lukshdrStorageFormatHeader(lukshdrLink *link,
                           const lukshdrFormatParams *params,
                           const lukshdrSecret *secret,
                           GError **error)
{
    g_autoptr(lukshdrLink) label = NULL;
    guint64 end = 0;
    int fd;
    bool ok;

    if (!lukshdrFormatHeader(link->header.path, params, secret, error))
        return false;

    fd = open(link->header.path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to open header volume '%s'"),
                             link->header.path);
        return false;
    }

    ok = lukshdrLuksReadUUID(fd, &link->luksUUID, error) &&
         lukshdrLuksKeyMaterialEnd(fd, &end, error) && lukshdrStorageFillHeader(fd, error);

    if (ok && end > LUKSHDR_LABEL_OFFSET) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("the LUKS header with this cipher is %llu bytes long, a "
                      "header volume has room for %d"),
                    (unsigned long long)end, LUKSHDR_LABEL_OFFSET);
        ok = false;
    }

    if (ok) {
        label = lukshdrLinkCopy(link);
        label->state = LUKSHDR_LINK_STATE_ACTIVE;
        ok = lukshdrLabelWriteOne(fd, label, error);
    }

    close(fd);
    return ok;
}

/* A registry entry outlives its volumes until somebody says otherwise, and a new
 * volume of the same name is not that. */
static bool
lukshdrStorageCheckUnregistered(virConnectPtr conn,
                                const char *pool,
                                const char *volume,
                                GError **error)
{
    g_autoptr(lukshdrLink) payload = NULL;
    g_autoptr(lukshdrLink) header = NULL;
    lukshdrLink *link;

    if (!lukshdrRegistryLookup(lukshdrStorageState.registry, pool, volume, &payload, &header,
                               error))
        return false;
    if (!(link = payload ? payload : header))
        return true;

    /* what a crash left could not be cleared up at the start if its pools were not active */
    if (link->state == LUKSHDR_LINK_STATE_CREATING && !lukshdrStorageIsUnderWay(link))
        return lukshdrStorageDeleteFinish(link, conn, error);

    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
        _("volume '%s' of pool '%s' has gone, but is still registered as part of linked "
          "volume '%s' of pool '%s'; put it back, or give up the link by removing '%s' from "
          "the link registry"),
        volume, pool, link->payload.volume, link->payload.pool, link->uuid);
    return false;
}

static bool
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

static bool
lukshdrStorageCheckNames(virStoragePoolPtr pool,
                         virStoragePoolPtr headerPool,
                         const lukshdrVolumeXML *xml,
                         GError **error)
{
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    const char *poolName = virStoragePoolGetName(pool);

    if (g_str_equal(poolName, xml->headerPool) && g_str_equal(xml->name, xml->headerVolume)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("a volume cannot be its own header"));
        return false;
    }

    return lukshdrStorageCheckAbsent(pool, xml->name, error) &&
           lukshdrStorageCheckAbsent(headerPool, xml->headerVolume, error) &&
           lukshdrStorageCheckUnregistered(conn, poolName, xml->name, error) &&
           lukshdrStorageCheckUnregistered(conn, xml->headerPool, xml->headerVolume, error);
}

/* Stock knows the format only once it has made the volume: some pools have
 * none, others a default. */
static bool
lukshdrStorageReadFormat(virStorageVolPtr vol, lukshdrLink *link, GError **error)
{
    g_autofree char *text = lukshdrStorageState.stock.storageVolGetXMLDesc(vol, 0);

    if (!text) {
        lukshdrErrorFromLast(error);
        return false;
    }

    g_free(link->format);
    if (!(link->format = lukshdrVolumeXMLFormatOf(text, error)))
        return false;

    if (!lukshdrChainFormatDriver(link->format)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("QEMU cannot write volumes of format '%s', so they cannot hold a payload"),
                    link->format);
        return false;
    }
    return true;
}

/* Steps 2 to 8.  On failure all that was made is recorded in @link. */
static virStorageVolPtr
lukshdrStorageMakeLinked(virStoragePoolPtr pool,
                         virStoragePoolPtr headerPool,
                         lukshdrVolumeXML *xml,
                         unsigned int flags,
                         const lukshdrSecret *given,
                         lukshdrStorageFill fill,
                         void *opaque,
                         lukshdrLink *link,
                         GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_autoptr(lukshdrSecret) generated = NULL;
    g_autofree char *headerXML = lukshdrVolumeXMLHeader(xml->headerVolume);
    g_autoptr(virStorageVol) header = NULL;
    g_autoptr(virStorageVol) payload = NULL;

    if (!(header = lukshdrStorageMakeVolume(headerPool, headerXML, 0, link, &link->header,
                                            error)) ||
        !(payload = lukshdrStorageMakeVolume(pool, xml->stock, flags, link, &link->payload,
                                             error)) ||
        !lukshdrStorageReadFormat(payload, link, error) ||
        (!given && !(generated = lukshdrStorageSecretGenerate(link, error))) ||
        !lukshdrStorageFormatHeader(link, &xml->params, given ? given : generated, error) ||
        (fill && !fill(link, payload, given ? given : generated, opaque, error)))
        return NULL;

    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    if (!lukshdrRegistryStore(registry, link, error)) {
        link->state = LUKSHDR_LINK_STATE_CREATING;
        return NULL;
    }
    return g_steal_pointer(&payload);
}

virStorageVolPtr
lukshdrStorageCreateLinked(virStoragePoolPtr pool,
                           lukshdrVolumeXML *xml,
                           unsigned int flags,
                           lukshdrStorageFill fill,
                           void *opaque,
                           GError **error)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    virConnectPtr conn = virStoragePoolGetConnect(pool);
    g_autoptr(virStoragePool) headerPool = NULL;
    g_autoptr(lukshdrSecret) secret = NULL;
    g_autoptr(lukshdrLink) link = lukshdrLinkNew();
    g_autoptr(GError) undo = NULL;
    virStorageVolPtr vol;

    if (!(headerPool = lukshdrStorageOpenPool(conn, xml->headerPool, error)) ||
        !lukshdrStorageCheckNames(pool, headerPool, xml, error))
        return NULL;

    if (xml->secretUUID || xml->secretUsage) {
        if (!(secret = lukshdrStorageSecretGet(xml->secretUUID, xml->secretUsage, &link->secretUUID,
                                               error)))
            return NULL;
    } else {
        link->secretUUID = g_uuid_string_random();
        link->secretGenerated = true;
        xml->params.iterTime = LUKSHDR_STORAGE_ITER_TIME;
    }

    link->payload.pool = g_strdup(virStoragePoolGetName(pool));
    link->payload.volume = g_strdup(xml->name);
    link->header.pool = g_strdup(xml->headerPool);
    link->header.volume = g_strdup(xml->headerVolume);
    link->format = g_strdup("raw"); /* until stock tells */

    lukshdrStorageSetUnderWay(link, true);

    vol = lukshdrRegistryStore(registry, link, error)
              ? lukshdrStorageMakeLinked(pool, headerPool, xml, flags, secret, fill, opaque, link,
                                         error)
              : NULL;
    if (!vol && !lukshdrStorageDeleteFinish(link, conn, &undo))
        LUKSHDR_LOG_ERROR(_("Linked volume '%s' of pool '%s' was not created, and this is left "
                            "behind of it until the next start: %s"),
                          xml->name, link->payload.pool, undo->message);

    lukshdrStorageSetUnderWay(link, false);
    return vol;
}

virStorageVolPtr
lukshdrStorageVolCreateXML(virStoragePoolPtr pool, const char *xmldesc, unsigned int flags)
{
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autoptr(xmlDoc) ours = NULL;
    g_autofree char *applied = NULL;
    g_autoptr(GError) error = NULL;
    virStorageVolPtr vol;

    if (!lukshdrStoragePoolDefault(pool, &ours, &error) ||
        (ours && !(applied = lukshdrStorageDefaultApply(xmldesc, ours, &error))) ||
        !lukshdrVolumeXMLParse(applied ? applied : xmldesc, &xml, &error)) {
        lukshdrReportError(error);
        return NULL;
    }

    if (!xml)
        return lukshdrStorageState.stock.storageVolCreateXML(pool, applied ? applied : xmldesc,
                                                             flags);

    if (!(vol = lukshdrStorageCreateLinked(pool, xml, flags, NULL, NULL, &error)))
        lukshdrReportError(error);
    return vol;
}
