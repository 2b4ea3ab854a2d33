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

lukshdrGuestDisk *
lukshdrQemuDiskFind(virStorageSource *src, const char *guest)
{
    g_autoptr(lukshdrRemote) remote = NULL;
    g_autofree char *path = NULL;

    if (lukshdrQemuDiskGetState(src) != LUKSHDR_QEMU_DISK_UNKNOWN)
        return g_object_dup_qdata(G_OBJECT(src), lukshdrQemuDiskQuark(), lukshdrQemuDiskDup, NULL);

    if (!lukshdrQemuGuestsAny())
        return NULL;
    if (!(path = lukshdrQemuSourcePath(src)) && lukshdrQemuSourceRemote(src, &remote, NULL) &&
        remote)
        path = lukshdrRemoteKey(remote);
    if (!path)
        return NULL;
    return lukshdrQemuGuestFindPayload(path, guest);
}

lukshdrLink *
lukshdrQemuDiskLink(const lukshdrGuestDisk *disk)
{
    lukshdrLink *link = lukshdrLinkNew();

    g_free(link->uuid);
    link->uuid = g_strdup(disk->linkUUID);
    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    link->payload.pool = g_path_get_dirname(disk->payloadPath);
    link->payload.volume = g_path_get_basename(disk->payloadPath);
    /* libvirt has told QEMU which image of the cluster to open: the chain needs to know no more
     * than that the payload is such an image */
    if (disk->payloadIdentity.type == LUKSHDR_IDENTITY_RBD) {
        link->payload.remote = g_new0(lukshdrRemote, 1);
        link->payload.remote->kind = LUKSHDR_LOCATION_RBD;
        link->payload.remote->name = g_strdup(disk->payloadPath);
        link->payload.remote->servers = g_new0(char *, 1);
    } else {
        link->payload.path = g_strdup(disk->payloadPath);
    }
    link->payload.identity = disk->payloadIdentity;
    link->header.pool = g_path_get_dirname(disk->headerPath);
    link->header.volume = g_path_get_basename(disk->headerPath);
    link->header.path = g_strdup(disk->headerPath);
    link->header.identity = disk->headerIdentity;
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
