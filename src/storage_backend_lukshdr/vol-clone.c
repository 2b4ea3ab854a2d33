/*
 * vol-clone.c: vol-clone and vol-create-from where a linked volume is involved
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A clone makes a linked volume of a plain one, a plain one of a linked one, or another linked
 * volume with keys of its own.  Stock would copy ciphertext, and its way of locking two pools can
 * deadlock.  So stock makes the new volume first, and we fill it.  The source is only read.  QEMU's
 * locks keep others from writing to it meanwhile.  Images of Ceph clusters have no such locks: we
 * refuse one that anybody has open, and fail at the end if somebody wrote to it (convert.c).
 *
 * What a crash leaves (the cluster removes an image only 30 seconds after the qemu-img that had it
 * open was killed):
 *
 *   of a linked volume   as vol-create (vol-create.c), the content is converted before 8
 *
 *   of a plain volume
 *   1 registry entry "creating", no identity     nothing else
 *   2 volume made by stock                       an empty volume, unrecorded: removed if it is raw
 *                                                and has a path, otherwise reported (leftover.h)
 *   3 its identity recorded                      removed at the next start
 *   4 content converted                          as 3
 *   5 registry entry removed                     the new volume
 */

#include "config.h"

#include <glib/gi18n-lib.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chain/chain.h"
#include "link/decrypted.h"
#include "util/error.h"
#include "util/text.h"
#include "util/log.h"
#include "storage.h"
#include "busy.h"
#include "convert.h"
#include "vol-create.h"
#include "defaults.h"
#include "headers.h"
#include "image.h"
#include "lookup.h"
#include "recognise.h"
#include "secrets.h"
#include "use.h"
#include "validate.h"
#include "vol-xml.h"

typedef struct _lukshdrCloneSource lukshdrCloneSource;
struct _lukshdrCloneSource {
    lukshdrConvertSide side;
    lukshdrStorageBusy *busy;
    lukshdrLink *link;
    lukshdrSecret *secret;
    lukshdrVolume volume; /* a plain one */
    char *format;
    unsigned long long capacity; /* bytes */
};

static void
lukshdrCloneSourceClear(lukshdrCloneSource *source)
{
    lukshdrConvertSideClear(&source->side);
    lukshdrStorageBusyEnd(source->busy);
    lukshdrLinkUnref(source->link);
    lukshdrSecretFree(source->secret);
    lukshdrVolumeClear(&source->volume);
    g_free(source->format);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrCloneSource, lukshdrCloneSourceClear)

/* @link is that of which @vol is the payload, or NULL */
static bool
lukshdrCloneReadCapacity(virStorageVolPtr vol,
                         const lukshdrLink *link,
                         unsigned long long *capacity,
                         GError **error)
{
    virStorageVolInfo info;

    if (link && lukshdrImageIs(link))
        return lukshdrImageCapacity(link, capacity, error);

    if (lukshdrStorageState.stock.storageVolGetInfo(vol, &info) < 0) {
        lukshdrErrorFromLast(error);
        return false;
    }
    *capacity = info.capacity;
    return true;
}

/* Takes the source, so that nobody changes it while it is read */
static bool
lukshdrCloneTakeSource(virStorageVolPtr vol, lukshdrCloneSource *source, GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(virStoragePool) pool = NULL;

    if (source->link)
        return (
            source->busy = lukshdrStorageBusyLink(source->link, LUKSHDR_STORAGE_BUSY_READ, error));

    if (!(pool = state->stock.storagePoolLookupByVolume(vol))) {
        lukshdrErrorFromLast(error);
        return false;
    }

    source->volume.pool = g_strdup(virStoragePoolGetName(pool));
    source->volume.volume = g_strdup(virStorageVolGetName(vol));
    return lukshdrStoragePlace(vol, &source->volume, error) &&
           (source->busy = lukshdrStorageBusyOne(NULL, &source->volume, LUKSHDR_STORAGE_BUSY_READ,
                                                 error));
}

/* Said here, before anything is made.  Who reads cannot be told from who writes. */
static bool
lukshdrCloneCheckImage(const lukshdrCloneSource *source, GError **error)
{
    return !source->side.volume->remote ||
           lukshdrRemoteHandleCheckUnused(source->side.volume->remote, error);
}

/* Takes over the reference to @link, which is NULL for a plain volume */
static bool
lukshdrCloneReadSource(virStorageVolPtr vol,
                       lukshdrLink *link,
                       lukshdrCloneSource *source,
                       GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *text = NULL;
    g_autofree char *uuid = NULL;

    source->link = link;
    if (!lukshdrCloneTakeSource(vol, source, error) ||
        !lukshdrCloneReadCapacity(vol, link, &source->capacity, error))
        return false;

    if (link) {
        if (link->state != LUKSHDR_LINK_STATE_ACTIVE) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("linked volume '%s' cannot be cloned: its state is '%s'"),
                        link->payload.volume, lukshdrLinkStateToString(link->state));
            return false;
        }
        if (!lukshdrStorageCheckUnwritten(link, error) || !lukshdrStorageHeaderReady(link, error))
            return false;
        return (source->secret = lukshdrStorageSecretGet(&link->payload, link->secretUUID, NULL,
                                                         &uuid, error)) &&
               lukshdrConvertSideLinked(&source->side, link, source->secret, LUKSHDR_HANDLE_READ,
                                        error) &&
               lukshdrCloneCheckImage(source, error);
    }

    if (!(text = state->stock.storageVolGetXMLDesc(vol, 0))) {
        lukshdrErrorFromLast(error);
        return false;
    }

    if (lukshdrVolumeXMLIsEncrypted(text)) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("volume '%s' of pool '%s' has a LUKS header of its own, and cannot be cloned into "
              "a linked one; docs/linking.md says how to take the two apart, which shows nothing "
              "in clear"),
            virStorageVolGetName(vol), source->volume.pool);
        return false;
    }

    return (source->format = lukshdrVolumeXMLFormatOf(text, error)) &&
           lukshdrConvertSidePlain(&source->side, &source->volume, source->format,
                                   LUKSHDR_HANDLE_NEW, error) &&
           lukshdrCloneCheckImage(source, error);
}

/* Makes the clone at least as large as its source, as stock does.  @link is the clone's, or NULL. */
static bool
lukshdrCloneGrow(virStorageVolPtr vol,
                 const lukshdrLink *link,
                 unsigned long long capacity,
                 GError **error)
{
    unsigned long long now;

    if (!lukshdrCloneReadCapacity(vol, link, &now, error))
        return false;

    if (now < capacity && link && lukshdrImageIs(link))
        return lukshdrImageResize(link, capacity, 0, error);
    if (now < capacity) {
        /* the resize is part of making the clone: stock asks for no further right to it */
        virIdentity *client = lukshdrStorageBecomeSystem();
        int rc = lukshdrStorageState.stock.storageVolResize(vol, capacity, 0);

        if (rc < 0)
            lukshdrErrorFromLast(error);
        lukshdrStorageBecomeClient(client);
        return rc == 0;
    }
    return true;
}

/* A lukshdrStorageFill */
static bool
lukshdrCloneFill(lukshdrLink *link,
                 virStorageVolPtr payload,
                 const lukshdrSecret *secret,
                 void *opaque,
                 GError **error)
{
    const lukshdrCloneSource *source = opaque;
    g_auto(lukshdrConvertSide) to = { 0 };

    return lukshdrCloneGrow(payload, link, source->capacity, error) &&
           lukshdrConvertSideLinked(&to, link, secret, LUKSHDR_HANDLE_WRITE, error) &&
           lukshdrStorageConvert(&source->side, &to, error);
}

/* A lukshdrStorageFill for a header with the source's master key: copies the ciphertext as it is */
static bool
lukshdrCloneFillCopy(lukshdrLink *link,
                     virStorageVolPtr payload,
                     const lukshdrSecret *secret G_GNUC_UNUSED,
                     void *opaque,
                     GError **error)
{
    const lukshdrCloneSource *source = opaque;
    /* the source's payload as it is */
    const lukshdrConvertSide from = { .format = source->side.format,
                                      .where = source->side.where,
                                      .volume = source->side.volume,
                                      .userKey = source->side.userKey,
                                      .name = source->side.name };
    g_auto(lukshdrConvertSide) to = { 0 };

    return lukshdrCloneGrow(payload, link, source->capacity, error) &&
           lukshdrConvertSidePlain(&to, &link->payload, link->format, LUKSHDR_HANDLE_WRITE,
                                   error) &&
           lukshdrStorageConvert(&from, &to, error);
}

/* virsh vol-clone sends the source's own XML under another name.  The clone cannot have the
 * source's header, nor a secret that was generated for the source and is removed with it. */
static void
lukshdrCloneOwnHeader(lukshdrVolumeXML *xml, const lukshdrLink *source)
{
    const lukshdrHeaderSource *primary = lukshdrVolumeXMLPrimary(xml);

    if (!source)
        return;

    if (g_strcmp0(primary->pool, source->header.pool) == 0 &&
        g_strcmp0(primary->volume, source->header.volume) == 0) {
        g_autofree char *volume = g_strconcat(xml->name, LUKSHDR_HEADER_SUFFIX, NULL);

        lukshdrVolumeXMLRename(xml, volume);
        if (xml->action == LUKSHDR_HEADER_LINK_SHARE)
            xml->action = LUKSHDR_HEADER_LINK_NEW;
    }
    if (source->secretGenerated && lukshdrTextSameUUID(xml->secretUUID, source->secretUUID))
        g_clear_pointer(&xml->secretUUID, g_free);
}

static bool
lukshdrCloneCheckAction(const lukshdrVolumeXML *xml, const lukshdrLink *source, GError **error)
{
    switch (xml->action) {
    case LUKSHDR_HEADER_LINK_NEW:
    case LUKSHDR_HEADER_LINK_SHARE:
        return true;
    case LUKSHDR_HEADER_LINK_COPY:
        if (!source) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                                _("the source is no linked volume and has no header to copy"));
            return false;
        }
        if (xml->hasCipher ||
            (xml->secretUUID && !lukshdrTextSameUUID(xml->secretUUID, source->secretUUID))) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                                _("a copy of a header has the cipher and the secret of its "
                                  "source; leave <cipher>, <ivgen> and <secret> out"));
            return false;
        }
        return true;
    case LUKSHDR_HEADER_LINK_EXISTING:
    case LUKSHDR_HEADER_LINK_UNLINK:
    case LUKSHDR_HEADER_LINK_CHECK:
    case LUKSHDR_HEADER_LINK_TRIM:
        g_set_error_literal(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("volumes that exist are linked and unlinked with virsh vol-create, not "
              "by cloning"));
        return false;
    }
    g_return_val_if_reached(false);
}

/* Says, and remembers for the configuration of a domain that is cloned with it (link/decrypted.h),
 * that the new volume is not encrypted.  Without the record, that configuration is for its owner to
 * change. */
static void
lukshdrCloneRecordPlain(const lukshdrLink *journal, const lukshdrLink *source)
{
    const lukshdrVolume *vol = &journal->payload;
    g_autoptr(GError) error = NULL;

    LUKSHDR_LOG_WARN(
        _("Linked volume '%1$s' of pool '%2$s' was decrypted into volume '%3$s' of pool "
          "'%4$s', which is not encrypted"),
        source->payload.volume, source->payload.pool, vol->volume, vol->pool);
    if (vol->path &&
        !lukshdrDecryptedStore(lukshdrStorageState.decryptedDir, vol, source->secretUUID, &error))
        LUKSHDR_LOG_WARN("%s", error->message);
}

/* Sets @size to the length of the file open as @handle, bytes */
static bool
lukshdrClonePlainSize(const lukshdrHandle *handle, off_t *size, GError **error)
{
    struct stat st;

    if (fstat(handle->fd, &st) < 0) {
        lukshdrErrorSetErrno(error, errno, "fstat");
        return false;
    }
    *size = st.st_size;
    return true;
}

/* Fills @to, as long as it is: QEMU writes whole sectors, and makes a raw file longer for the last */
static bool
lukshdrClonePlainConvert(const lukshdrCloneSource *source,
                         const lukshdrConvertSide *to,
                         GError **error)
{
    const lukshdrHandle *handle = to->volume;
    bool cut = g_str_equal(to->format, "raw") && handle->identity.type == LUKSHDR_IDENTITY_FILE;
    off_t before = 0;
    off_t after = 0;

    if ((cut && !lukshdrClonePlainSize(handle, &before, error)) ||
        !lukshdrStorageConvert(&source->side, to, error) ||
        (cut && !lukshdrClonePlainSize(handle, &after, error)))
        return false;

    if (after > before && ftruncate(handle->fd, before) < 0) {
        lukshdrErrorSetErrno(error, errno, "ftruncate");
        return false;
    }
    return true;
}

/* Fills the plain volume @vol.  Until it is whole, a link of its own records it: so no guest gets
 * half of it, and it does not stay after a crash. */
static bool
lukshdrClonePlainFill(virStorageVolPtr vol,
                      const lukshdrCloneSource *source,
                      lukshdrLink *journal,
                      GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autofree char *text = state->stock.storageVolGetXMLDesc(vol, 0);
    g_autofree char *format = NULL;
    g_auto(lukshdrConvertSide) to = { 0 };

    if (!text) {
        lukshdrErrorFromLast(error);
        return false;
    }

    if (!lukshdrStoragePlace(vol, &journal->payload, error) ||
        !(format = lukshdrVolumeXMLFormatOf(text, error)) ||
        !lukshdrConvertSidePlain(&to, &journal->payload, format,
                                 LUKSHDR_HANDLE_WRITE | LUKSHDR_HANDLE_NEW, error))
        return false;

    journal->payload.identity = to.volume->identity;
    if (!lukshdrRegistryStore(state->registry, journal, error))
        return false;

    if (!lukshdrCloneGrow(vol, NULL, source->capacity, error) ||
        !lukshdrClonePlainConvert(source, &to, error))
        return false;

    lukshdrCloneRecordPlain(journal, source->link);
    return lukshdrRegistryRemove(state->registry, journal->uuid, error);
}

/* Removes @vol, which is NULL if none was made, and @journal.  Runs as the system: a client that
 * may create a volume may have no right to delete one. */
static void
lukshdrClonePlainUndo(virStorageVolPtr vol, lukshdrLink *journal)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    virIdentity *client;
    g_autoptr(GError) error = NULL;

    /* once it is known which one it is, no other is deleted */
    if (journal->payload.identity.type != LUKSHDR_IDENTITY_NONE) {
        if (!lukshdrStorageDeleteFinish(journal, virStorageVolGetConnect(vol), &error))
            LUKSHDR_LOG_ERROR(_("Volume '%s' of pool '%s' is left behind half-made: %s"),
                              journal->payload.volume, journal->payload.pool, error->message);
        return;
    }

    client = lukshdrStorageBecomeSystem();
    if (vol && state->stock.storageVolDelete(vol, 0) < 0)
        LUKSHDR_LOG_ERROR(_("Volume '%s' of pool '%s' is left behind half-made: %s"),
                          journal->payload.volume, journal->payload.pool, virGetLastErrorMessage());
    else if (!lukshdrRegistryRemove(state->registry, journal->uuid, &error))
        LUKSHDR_LOG_ERROR("%s", error->message);
    lukshdrStorageBecomeClient(client);
}

static virStorageVolPtr
lukshdrClonePlain(virStoragePoolPtr pool,
                  const char *xmldesc,
                  unsigned int flags,
                  const lukshdrCloneSource *source,
                  GError **error)
{
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrLink) journal = lukshdrLinkNew();
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    g_autofree char *name = lukshdrVolumeXMLNameOf(xmldesc, error);
    virStorageVolPtr vol = NULL;

    if (!name)
        return NULL;

    journal->payload.pool = g_strdup(virStoragePoolGetName(pool));
    journal->payload.volume = g_steal_pointer(&name);
    journal->header.pool = g_strdup(source->link->header.pool);
    journal->header.volume = g_strdup(source->link->header.volume);
    journal->format = g_strdup("raw");

    if (!(busy = lukshdrStorageBusyOne(journal, &journal->payload, LUKSHDR_STORAGE_BUSY_CREATE,
                                       error)) ||
        !lukshdrStorageCheckAbsent(pool, journal->payload.volume, error))
        return NULL;

    if (lukshdrRegistryStore(state->registry, journal, error)) {
        if (!(vol = state->stock.storageVolCreateXML(pool, xmldesc, flags)))
            lukshdrErrorFromLast(error);
        if (!vol || !lukshdrClonePlainFill(vol, source, journal, error)) {
            lukshdrClonePlainUndo(vol, journal);
            g_clear_pointer(&vol, virStorageVolFree);
        }
    } else {
        /* the store may have changed the file before it failed */
        lukshdrClonePlainUndo(NULL, journal);
    }
    return vol;
}

static virStorageVolPtr
lukshdrClone(virStoragePoolPtr pool,
             const char *xmldesc,
             unsigned int flags,
             virStorageVolPtr clonevol,
             lukshdrLink *sourceLink,
             GError **error)
{
    g_auto(lukshdrCloneSource) source = { 0 };
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autofree char *sized = NULL;

    if (!lukshdrCloneReadSource(clonevol, sourceLink, &source, error))
        return NULL;

    if (flags & VIR_STORAGE_VOL_CREATE_REFLINK) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                            _("a volume with other keys cannot share blocks with its source"));
        return NULL;
    }

    if (!(sized = lukshdrVolumeXMLSetCapacity(xmldesc, source.capacity, error)) ||
        !lukshdrVolumeXMLParse(sized, &xml, error))
        return NULL;

    if (xml) {
        const lukshdrStorageContent content = { .fill = xml->action == LUKSHDR_HEADER_LINK_COPY
                                                            ? lukshdrCloneFillCopy
                                                            : lukshdrCloneFill,
                                                .opaque = &source,
                                                .source = source.link };

        if (!lukshdrCloneCheckAction(xml, source.link, error))
            return NULL;
        lukshdrCloneOwnHeader(xml, source.link);
        return lukshdrStorageCreateLinked(pool, xml, flags, &content, error);
    }

    if (lukshdrVolumeXMLIsEncrypted(sized)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                            _("a linked volume cannot be cloned into one with attached LUKS; clone "
                              "it into a linked or a plain one"));
        return NULL;
    }
    return lukshdrClonePlain(pool, sized, flags, &source, error);
}

virStorageVolPtr
lukshdrStorageVolCreateXMLFrom(virStoragePoolPtr pool,
                               const char *xmldesc,
                               virStorageVolPtr clonevol,
                               unsigned int flags)
{
    g_auto(lukshdrRBDOperation) operation = lukshdrRBDOperationBegin();
    const lukshdrStorage *state = &lukshdrStorageState;
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autoptr(xmlDoc) ours = NULL;
    g_autofree char *applied = NULL;
    g_autofree char *asked = NULL;
    g_autofree char *name = NULL;
    g_auto(lukshdrRecognised) what = { 0 };
    g_autoptr(GError) error = NULL;
    virStorageVolPtr vol = NULL;

    if (!lukshdrStoragePoolDefault(pool, &ours, &error) ||
        !lukshdrStorageValidateVolume(xmldesc, flags, ours, &error) ||
        !(applied = lukshdrStorageDefaultApply(xmldesc, ours, &error)) ||
        !lukshdrVolumeXMLParse(applied, &xml, &error) ||
        !lukshdrStorageRecognise(clonevol, state->abi.virStorageVolDownloadEnsureACL, &what,
                                 &error)) {
        lukshdrStoragePoolExplain(pool, xmldesc, ours, &error);
        lukshdrReportError(error);
        return NULL;
    }

    if (!xml && what.as == LUKSHDR_RECOGNISED_PLAIN) {
        if (lukshdrStorageSecretCheckStock(applied, &error))
            return state->stock.storageVolCreateXMLFrom(pool, applied, clonevol, flags);
        lukshdrReportError(error);
        return NULL;
    }

    /* virsh vol-clone sends what it was shown, and 'luks' is no format that stock makes */
    if (what.as != LUKSHDR_RECOGNISED_PLAIN && what.as != LUKSHDR_RECOGNISED_PAYLOAD &&
        (name = lukshdrVolumeXMLNameOf(applied, NULL)))
        asked = lukshdrVolumeXMLHeader(name);
    if (lukshdrStorageMayCreate(pool, asked ? asked : xml ? xml->stock : applied, &error)) {
        /* stock would take a header for a volume with attached LUKS, and would write a new
         * header */
        if (what.as != LUKSHDR_RECOGNISED_PLAIN && what.as != LUKSHDR_RECOGNISED_PAYLOAD)
            error = g_error_new_literal(LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                                        _("a header volume cannot be cloned; to back it up, use "
                                          "virsh vol-download"));
        else
            vol = lukshdrClone(pool, applied, flags, clonevol, g_steal_pointer(&what.link), &error);
    }

    if (!vol) {
        lukshdrStoragePoolExplain(pool, xmldesc, ours, &error);
        lukshdrReportError(error);
    }
    return vol;
}
