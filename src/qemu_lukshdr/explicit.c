/*
 * explicit.c: disks that are opened with a header of their own
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "explicit.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "link/guest-record.h"
#include "link/luks.h"
#include "util/xml.h"
#include "qemu.h"
#include "context.h"
#include "domain.h"
#include "header.h"

bool
lukshdrQemuExplicitFind(virDomainDiskDef *disk,
                        virStorageSource *src,
                        lukshdrQemuHeaderSource **header,
                        GError **error)
{
    const lukshdrQemuContext *context = lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_PREPARE, NULL);
    g_autoptr(GHashTable) headers = NULL;
    g_autofree char *metadata = NULL;
    g_autofree char *key = NULL;
    const char *target;

    *header = NULL;

    if (!disk && context)
        disk = context->disk;
    /* the metadata means the disk's top image, not those behind it and not copies of it */
    if (!context || !disk || lukshdrQemuDomainDiskSource(disk) != src ||
        !(target = lukshdrQemuDomainDiskTarget(disk)))
        return true;

    if (!lukshdrQemuDomainMetadata(context->vm, &metadata, error))
        return false;
    if (!metadata)
        return true;
    if (!(headers = lukshdrQemuMetadataParseText(metadata, error)))
        return false;

    g_hash_table_steal_extended(headers, target, (gpointer *)&key, (gpointer *)header);
    return true;
}

static bool
lukshdrQemuExplicitCheckContent(int fd,
                                const lukshdrQemuHeaderSource *header,
                                const lukshdrLink *link,
                                lukshdrIdentity *identity,
                                GError **error)
{
    g_autofree char *luksUUID = NULL;

    /* refuses what is neither file nor block device */
    if (!lukshdrIdentityFromFD(fd, identity, error))
        return false;

    if ((header->type == LUKSHDR_QEMU_HEADER_FILE && identity->type != LUKSHDR_IDENTITY_FILE) ||
        (header->type == LUKSHDR_QEMU_HEADER_BLOCK && identity->type != LUKSHDR_IDENTITY_BLOCK)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED, "%s",
                    identity->type == LUKSHDR_IDENTITY_FILE
                        ? _("it is a file, so its type is 'file'")
                        : _("it is a block device, so its type is 'block'"));
        return false;
    }

    if (!lukshdrLuksReadUUID(fd, &luksUUID, error))
        return false;

    if (link && !lukshdrTextSameUUID(luksUUID, link->luksUUID)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it holds LUKS header %s, but volume '%s' of pool '%s' is linked with %s"),
                    luksUUID, link->payload.volume, link->payload.pool,
                    link->luksUUID ? link->luksUUID : "-");
        return false;
    }
    return true;
}

/* Opens the file at @path.  Anybody may have put a FIFO there: without O_NONBLOCK the daemon would
 * hang with the domain locked. */
static int
lukshdrQemuExplicitOpen(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID, _("it cannot be opened: %s"),
                    g_strerror(errno));
    }
    return fd;
}

static bool
lukshdrQemuExplicitCheck(const char *path,
                         const lukshdrQemuHeaderSource *header,
                         const lukshdrLink *link,
                         lukshdrIdentity *identity,
                         GError **error)
{
    int fd = lukshdrQemuExplicitOpen(path, error);
    bool ok = fd >= 0 && lukshdrQemuExplicitCheckContent(fd, header, link, identity, error);

    if (fd >= 0)
        close(fd);
    if (!ok) {
        g_prefix_error(error, _("header '%s', which the domain's metadata names, cannot be used: "),
                       path);
    }
    return ok;
}

/* Refuses a payload that begins with a header: QEMU would decrypt it from the wrong place on. */
static bool
lukshdrQemuExplicitCheckPayload(const char *payload, GError **error)
{
    g_autofree char *luksUUID = NULL;
    int fd = lukshdrQemuExplicitOpen(payload, NULL);
    bool attached = fd >= 0 && lukshdrLuksReadUUID(fd, &luksUUID, NULL);

    if (fd >= 0)
        close(fd);
    if (attached) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("'%s' begins with a LUKS header of its own (%s) and cannot be opened with "
                      "another that the domain's metadata names"),
                    payload, luksUUID);
    }
    return !attached;
}

/* Returns a link for a payload that is not linked.  All that is known of it is its path. */
static lukshdrLink *
lukshdrQemuExplicitNew(const char *payload)
{
    lukshdrLink *link = lukshdrLinkNew();

    g_free(link->uuid);
    link->uuid = g_strdup(LUKSHDR_GUEST_NO_LINK);
    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    link->payload.pool = g_path_get_dirname(payload);
    link->payload.volume = g_path_get_basename(payload);
    link->payload.path = g_strdup(payload);
    return link;
}

lukshdrLink *
lukshdrQemuExplicitLink(const lukshdrQemuHeaderSource *header,
                        const char *payload,
                        const lukshdrLink *link,
                        bool encrypted,
                        bool privileged,
                        GError **error)
{
    g_autoptr(lukshdrLink) both = NULL;
    g_autofree char *path = NULL;
    lukshdrIdentity identity;

    if (link && !lukshdrQemuHeaderCheckState(link, error))
        return NULL;

    if (!link && !encrypted) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
            _("the domain's metadata names a header for '%s', but there is no secret to open "
              "it with: give the disk an 'encryption' with a 'secret'"),
            payload);
        return NULL;
    }
    if (!link && !lukshdrQemuExplicitCheckPayload(payload, error))
        return NULL;

    if (!(path = lukshdrQemuHeaderSourcePath(header, privileged, error)) ||
        !lukshdrQemuExplicitCheck(path, header, link, &identity, error))
        return NULL;

    both = link ? lukshdrLinkCopy(link) : lukshdrQemuExplicitNew(payload);
    g_free(both->header.pool);
    both->header.pool = g_path_get_dirname(path);
    g_free(both->header.volume);
    both->header.volume = g_path_get_basename(path);
    g_clear_pointer(&both->header.remote, lukshdrRemoteFree);
    g_free(both->header.path);
    both->header.path = g_steal_pointer(&path);
    both->header.identity = identity;
    return g_steal_pointer(&both);
}
