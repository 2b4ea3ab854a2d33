/*
 * disk.c: what was found out about a storage source
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "disk.h"

#include "qemu.h"
#include "guest.h"

static GQuark
lukshdrQemuDiskQuark(void)
{
    return g_quark_from_static_string("lukshdr-qemu-disk");
}

static GQuark
lukshdrQemuDiskStateQuark(void)
{
    return g_quark_from_static_string("lukshdr-qemu-disk-state");
}

void
lukshdrQemuDiskAttach(virStorageSource *src, lukshdrGuestDisk *disk, lukshdrQemuDiskState state)
{
    g_object_set_qdata_full(G_OBJECT(src), lukshdrQemuDiskQuark(), disk,
                            (GDestroyNotify)lukshdrGuestDiskFree);
    g_object_set_qdata(G_OBJECT(src), lukshdrQemuDiskStateQuark(), GINT_TO_POINTER(state));
}

lukshdrQemuDiskState
lukshdrQemuDiskGetState(virStorageSource *src)
{
    return GPOINTER_TO_INT(g_object_get_qdata(G_OBJECT(src), lukshdrQemuDiskStateQuark()));
}

static gpointer
lukshdrQemuDiskDup(gpointer disk, gpointer opaque G_GNUC_UNUSED)
{
    return disk ? lukshdrGuestDiskCopy(disk) : NULL;
}

/* Looks for @src, which was not prepared in this process, in the records of @guest or of all guests;
 * for one with @nodeName, if that is not NULL */
static lukshdrGuestDisk *
lukshdrQemuDiskFindRecord(virStorageSource *src, const char *guest, const char *nodeName)
{
    g_autoptr(lukshdrRemote) remote = NULL;
    g_autofree char *path = NULL;

    if (!lukshdrQemuGuestsAny())
        return NULL;
    if (!(path = lukshdrQemuSourcePath(src)) && lukshdrQemuSourceRemote(src, &remote, NULL) &&
        remote)
        path = lukshdrRemoteKey(remote);
    return path ? lukshdrQemuGuestFindPayload(path, guest, nodeName) : NULL;
}

lukshdrGuestDisk *
lukshdrQemuDiskFind(virStorageSource *src, const char *guest)
{
    if (lukshdrQemuDiskGetState(src) != LUKSHDR_QEMU_DISK_UNKNOWN)
        return g_object_dup_qdata(G_OBJECT(src), lukshdrQemuDiskQuark(), lukshdrQemuDiskDup, NULL);
    return lukshdrQemuDiskFindRecord(src, guest, NULL);
}

lukshdrGuestDisk *
lukshdrQemuDiskFindNode(virStorageSource *src, const char *nodeName)
{
    lukshdrGuestDisk *disk = NULL;

    if (nodeName && lukshdrQemuDiskGetState(src) == LUKSHDR_QEMU_DISK_UNKNOWN)
        disk = lukshdrQemuDiskFindRecord(src, NULL, nodeName);
    return disk ? disk : lukshdrQemuDiskFind(src, NULL);
}

bool
lukshdrQemuDiskHeaderIsRemote(const lukshdrGuestDisk *disk)
{
    return lukshdrIdentityIsRemote(&disk->headerIdentity);
}

/* Sets where @vol is, by what a record says of it.  libvirt has told QEMU which image of a cluster, or unit of a
 * target, to open: the chain needs to know no more than that it is one. */
static void
lukshdrQemuDiskVolume(lukshdrVolume *vol, const char *path, const lukshdrIdentity *identity)
{
    vol->pool = g_path_get_dirname(path);
    vol->volume = g_path_get_basename(path);
    vol->identity = *identity;
    if (lukshdrIdentityIsRemote(identity)) {
        vol->remote = g_new0(lukshdrRemote, 1);
        vol->remote->kind = identity->type == LUKSHDR_IDENTITY_ISCSI ? LUKSHDR_LOCATION_ISCSI
                                                                     : LUKSHDR_LOCATION_RBD;
        vol->remote->name = g_strdup(path);
        vol->remote->servers = g_new0(char *, 1);
    } else {
        vol->path = g_strdup(path);
    }
}

lukshdrLink *
lukshdrQemuDiskLink(const lukshdrGuestDisk *disk)
{
    lukshdrLink *link = lukshdrLinkNew();

    g_free(link->uuid);
    link->uuid = g_strdup(disk->linkUUID);
    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    lukshdrQemuDiskVolume(&link->payload, disk->payloadPath, &disk->payloadIdentity);
    lukshdrQemuDiskVolume(&link->header, disk->headerPath, &disk->headerIdentity);
    link->format = g_strdup(disk->format);
    link->headerShared = disk->headerShared;
    return link;
}

virStorageSource *
lukshdrQemuDiskHeader(const lukshdrGuestDisk *disk, virStorageSource *src)
{
    g_autoptr(virStorageSource) header = NULL;

    if (lukshdrQemu.libvirt.virStorageSourceNewFromBackingAbsolute(disk->headerPath, &header) < 0)
        return NULL;
    if (src && lukshdrQemu.libvirt.virStorageSourceInitChainElement(header, src, true) < 0)
        return NULL;
    return g_steal_pointer(&header);
}
