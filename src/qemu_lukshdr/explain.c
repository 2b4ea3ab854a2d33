/*
 * explain.c: what a secret that is missing, or the wrong one, means for a linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "explain.h"

#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>

#include "link/handle.h"
#include "link/payload.h"
#include "util/error.h"
#include "util/log.h"
#include "util/text.h"
#include "util/xml.h"
#include "qemu.h"
#include "disk.h"
#include "domain.h"
#include "secret.h"

/* What QEMU says of a passphrase that opens no slot (qcrypto_block_luks_find_key in its crypto/block-luks.c) */
#define LUKSHDR_QEMU_EXPLAIN_WRONG "Invalid password, cannot unlock any keyslot"

/* Stock could not get the secret's value.  A linked volume that came with its header from another
 * host (in a shared pool, or with a guest that migrates) leaves its secret there.  libvirt's
 * message names no volume and does not say what to do. */
void
lukshdrQemuExplainMissing(const lukshdrLink *link)
{
    virErrorPtr last = virGetLastError();
    g_autofree char *said = NULL;
    g_autoptr(GError) error = NULL;

    if (!link->secretUUID || !last || last->code != VIR_ERR_NO_SECRET)
        return;

    /* take only libvirt's own words (str2): libvirt puts the text that belongs to the error code
     * (str1 is its format) in front of ours again */
    said = g_strdup(last->str2 ? last->str2 : last->message);
    if (strstr(said, link->secretUUID) && lukshdrQemuSecretExists(link->secretUUID))
        error = g_error_new(
            LUKSHDR_ERROR, VIR_ERR_NO_SECRET,
            _("secret '%1$s' of linked volume '%2$s' of pool '%3$s' has no value on this host; "
              "give it the passphrase: virsh secret-set-value %1$s --interactive; if it was "
              "generated, put its files %1$s.* into /etc/libvirt/secrets, from a backup of this host's or, "
              "unless libvirt encrypted them (.aes256cbc), from the host that made the volume, and restart "
              "the daemon"),
            link->secretUUID, link->payload.volume, link->payload.pool);
    else
        error = g_error_new(
            LUKSHDR_ERROR, VIR_ERR_NO_SECRET,
            _("%1$s; define secret '%2$s' of linked volume '%3$s' of pool '%4$s' on this host (virsh "
              "secret-define, secret-set-value) with the value that it has on the host that made the "
              "volume; if it was generated, put its files %2$s.* into /etc/libvirt/secrets, from a backup of "
              "this host's or, unless libvirt encrypted them (.aes256cbc), from that host, and restart "
              "the daemon"),
            said, link->secretUUID, link->payload.volume, link->payload.pool);
    lukshdrReportError(error);
}

void
lukshdrQemuExplainUnknown(virDomainDiskDef *disk, virStorageSource *src, const char *path)
{
    virErrorPtr last = virGetLastError();
    g_autofree char *real = NULL;
    g_autofree char *secret = NULL;
    g_autofree char *word = NULL;
    g_autoptr(lukshdrHandle) volume = NULL;
    g_autoptr(GError) error = NULL;
    const char *format;

    if (!disk || src != lukshdrQemuDomainDiskSource(disk) || !last ||
        last->code != VIR_ERR_NO_SECRET || !lukshdrQemuSourceEncryption(src) ||
        !(real = realpath(path, NULL)) || /* malloc is GLib's allocator since 2.46 */
        !(volume = lukshdrHandleOpenPath(real, LUKSHDR_HANDLE_READ, NULL)) ||
        /* of a disk with attached LUKS libvirt's words say enough */
        !(format = lukshdrPayloadImageFormat(volume, NULL)) ||
        lukshdrPayloadHasHeader(volume, format) || !(secret = lukshdrQemuSourceSecretUUID(src)))
        return;

    word = lukshdrTextShellWord(path);
    error = g_error_new(
        LUKSHDR_ERROR, VIR_ERR_NO_SECRET,
        _("disk '%1$s', '%2$s', is encrypted with secret '%3$s', which this host cannot use, and no link "
          "of this host says which header it has; on a host that was installed anew, put its files %3$s.* "
          "back into /etc/libvirt/secrets from a backup, unless libvirt encrypted them (.aes256cbc), and "
          "restart the daemon, or define the secret with that UUID and give it the passphrase (virsh secret-define, secret-set-value); then "
          "define the pools, that of headers with <headers/> (docs/accidents.md), or link the volume: "
          "virt-lukshdr link %4$s HEADER --secret %3$s"),
        lukshdrQemuDomainDiskTarget(disk), path, secret, word);
    lukshdrReportError(error);
}

/* Reports that the secret of @disk, which @src is, is the wrong one */
static void
lukshdrQemuExplainWrong(virStorageSource *src, const lukshdrGuestDisk *disk)
{
    g_autofree char *secret = lukshdrQemuSourceSecretUUID(src);
    g_autoptr(lukshdrLink)
        link = disk->headerExplicit ? NULL
                                    : lukshdrRegistryGet(lukshdrQemu.host.registry, disk->linkUUID);
    g_autoptr(GError) error = NULL;

    if (link) {
        g_autofree char *name = lukshdrTextShellName(link->payload.pool, link->payload.volume);

        error = g_error_new(
            LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
            _("secret '%1$s' does not open header '%2$s' of pool '%3$s', of linked volume '%4$s' of pool "
              "'%5$s' (QEMU: %6$s); give it the passphrase (virsh secret-set-value %1$s --interactive), or "
              "name another secret; virt-lukshdr check %7$s tells whether it opens the header then"),
            secret ? secret : link->secretUUID, link->header.volume, link->header.pool,
            link->payload.volume, link->payload.pool, LUKSHDR_QEMU_EXPLAIN_WRONG, name);
    } else {
        error = g_error_new(
            LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
            _("secret '%1$s' does not open header '%2$s' of disk '%3$s' (QEMU: %4$s); give it the passphrase "
              "(virsh secret-set-value %1$s --interactive), or name another secret"),
            secret ? secret : "", disk->headerPath, disk->payloadPath, LUKSHDR_QEMU_EXPLAIN_WRONG);
    }
    lukshdrReportError(error);
}

/* Returns what libvirt's error says, if it is that a passphrase opens nothing; freed with g_free */
static char *
lukshdrQemuExplainSaid(void)
{
    virErrorPtr last = virGetLastError();

    return last && last->message && strstr(last->message, LUKSHDR_QEMU_EXPLAIN_WRONG)
               ? g_strdup(last->message)
               : NULL;
}

void
lukshdrQemuExplainStart(virDomainObj *vm)
{
    g_autofree char *said = lukshdrQemuExplainSaid();
    g_autofree char *name = NULL;
    g_autoptr(GPtrArray) sources = NULL;
    guint i;

    if (!said)
        return;
    name = lukshdrQemuDomainName(vm);
    sources = lukshdrQemuDomainSources(vm);
    for (i = 0; i < sources->len; i++) {
        virStorageSource *n;

        for (n = g_ptr_array_index(sources, i); n; n = lukshdrQemuSourceBacking(n)) {
            g_autoptr(lukshdrGuestDisk) disk = lukshdrQemuDiskFind(n, name);
            g_autofree char *node = disk ? g_strdup_printf("\"%s\"", disk->nodeName) : NULL;

            /* QEMU repeats the argument that it could not follow, which has the name of the node */
            if (node && strstr(said, node)) {
                lukshdrQemuExplainWrong(n, disk);
                return;
            }
        }
    }
}

void
lukshdrQemuExplainPlug(virDomainObj *vm, virDomainDiskDef *disk)
{
    g_autofree char *said = disk ? lukshdrQemuExplainSaid() : NULL;
    g_autofree char *name = NULL;
    g_autoptr(lukshdrGuestDisk) found = NULL;
    virStorageSource *src = NULL;
    virStorageSource *n;

    if (!said)
        return;
    for (n = lukshdrQemuDomainDiskSource(disk); n; n = lukshdrQemuSourceBacking(n)) {
        if (!lukshdrQemuSourceEncryption(n))
            continue;
        /* of two that have a passphrase, QEMU does not say which it means */
        if (src)
            return;
        src = n;
    }
    name = lukshdrQemuDomainName(vm);
    if (src && (found = lukshdrQemuDiskFind(src, name)))
        lukshdrQemuExplainWrong(src, found);
}
