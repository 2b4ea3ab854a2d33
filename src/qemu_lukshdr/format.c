/*
 * format.c: the chain in the place of stock's format layer
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirt 9.0.0 asks for the format layer also while it talks to QEMU, without the
 * domain's lock.  So this file looks things up in memory only.  The one exception is
 * statx for a source that was never prepared.
 */

#include "config.h"

#include <glib/gi18n-lib.h>

#include "chain/chain.h"
#include "util/error.h"
#include "util/log.h"
#include "qemu.h"
#include "disk.h"
#include "guest.h"
#include "props.h"
#include "remote-header.h"

/* Consumes @stock.  Returns: the chain for @disk, or NULL with a libvirt error reported. */
static virJSONValue *
lukshdrQemuFormatChain(const lukshdrGuestDisk *disk, virJSONValue *stock)
{
    g_autoptr(lukshdrLink) link = lukshdrQemuDiskLink(disk);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonObject) object = lukshdrQemuPropsToObject(stock, &error);
    g_autoptr(lukshdrChain) chain = object ? lukshdrChainFromStock(link, object, &error) : NULL;
    g_autoptr(JsonObject) format = NULL;

    lukshdrQemu.libvirt.virJSONValueFree(stock);

    if (chain && disk->headerNode)
        lukshdrChainSetHeaderNode(chain, disk->headerNode);
    if (!chain || !(format = lukshdrChainToFormat(chain))) {
        lukshdrReportError(error);
        return NULL;
    }
    return lukshdrQemuPropsFromObject(format);
}

static virJSONValue *
lukshdrQemuFormatProps(virStorageSource *src, virStorageSource *backing)
{
    g_autoptr(lukshdrGuestDisk) disk = NULL;
    g_autofree char *node = NULL;
    virJSONValue *stock = lukshdrQemuPropsStock(src, lukshdrQemuRemoteHeaderBehind(backing));

    if (!stock || !lukshdrQemu.active)
        return stock;

    if (lukshdrQemuDiskGetState(src) == LUKSHDR_QEMU_DISK_UNKNOWN && lukshdrQemuGuestsAny())
        node = lukshdrQemuPropsNodeName(stock);
    if (!(disk = lukshdrQemuDiskFindNode(src, node)))
        return stock;

    return lukshdrQemuFormatChain(disk, stock);
}

virJSONValue *
qemuBlockStorageSourceGetFormatProps(virStorageSource *src, virStorageSource *backingStore)
{
    return lukshdrQemuFormatProps(src, backingStore);
}

virJSONValue *
qemuBlockStorageSourceGetBlockdevProps(virStorageSource *src, virStorageSource *backingStore)
{
    return lukshdrQemuFormatProps(src, backingStore);
}

/* Makes of stock's options to format @disk's payload those without encryption: the
 * encryption is the header's affair.  Consumes @stock. */
static virJSONValue *
lukshdrQemuFormatCreate(const lukshdrGuestDisk *disk, virJSONValue *stock, GError **error)
{
    g_autoptr(JsonObject) object = lukshdrQemuPropsToObject(stock, error);

    lukshdrQemu.libvirt.virJSONValueFree(stock);
    if (!object)
        return NULL;

    if (json_object_has_member(object, "backing-file")) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("linked payload '%s' cannot have a backing file: its data would be decrypted "
                      "a second time"),
                    disk->payloadPath);
        return NULL;
    }

    if (json_object_has_member(object, "encrypt"))
        json_object_remove_member(object, "encrypt");
    return lukshdrQemuPropsFromObject(object);
}

/* Stock formats the target of a copy or a backup, unless the client says that it exists
 * already.  Of a linked volume QEMU must format the payload only: attached LUKS would put a
 * second header into it.  A raw payload needs no format.  But if we answered that there is
 * nothing to do, callers would fail with words that help nobody: so refuse with better ones. */
int
qemuBlockStorageSourceCreateGetFormatProps(virStorageSource *src,
                                           virStorageSource *backing,
                                           virJSONValue **props)
{
    g_autoptr(lukshdrGuestDisk) disk = NULL;
    g_autoptr(GError) error = NULL;
    int rc = LUKSHDR_STOCK(qemuBlockStorageSourceCreateGetFormatProps)(src, backing, props);

    if (rc < 0 || !*props || !lukshdrQemu.active || !(disk = lukshdrQemuDiskFind(src, NULL)))
        return rc;

    if (g_str_equal(disk->format, "raw")) {
        g_clear_pointer(props, lukshdrQemu.libvirt.virJSONValueFree);
        error = g_error_new(LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                            _("linked payload '%s' is ready for use and cannot be formatted: ask "
                              "for an existing target (virsh blockcopy or backup-begin with "
                              "--reuse-external)"),
                            disk->payloadPath);
    } else {
        *props = lukshdrQemuFormatCreate(disk, *props, &error);
    }

    if (*props)
        return 0;
    if (error)
        lukshdrReportError(error);
    return -1;
}
