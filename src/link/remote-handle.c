/*
 * remote-handle.c: an open volume that has no path
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "remote-handle.h"

#include <glib/gi18n-lib.h>

#include "iscsi.h"
#include "util/error.h"

/* one of the two */
struct _lukshdrRemoteHandle {
    lukshdrRBD *rbd;
    lukshdrISCSI *iscsi;
    char *where; /* for messages */
};

lukshdrRemoteHandle *
lukshdrRemoteHandleOpen(const lukshdrRemote *remote,
                        const lukshdrIdentity *recorded,
                        bool writable,
                        GError **error)
{
    g_autoptr(lukshdrRemoteHandle) image = g_new0(lukshdrRemoteHandle, 1);

    image->where = lukshdrRemoteDescribe(remote);
    if (remote->kind == LUKSHDR_LOCATION_ISCSI)
        image->iscsi = lukshdrISCSIOpen(remote, error);
    else
        image->rbd = lukshdrRBDOpen(remote, recorded, writable, error);
    return image->iscsi || image->rbd ? g_steal_pointer(&image) : NULL;
}

void
lukshdrRemoteHandleClose(lukshdrRemoteHandle *image)
{
    if (!image)
        return;
    lukshdrISCSIClose(image->iscsi);
    lukshdrRBDClose(image->rbd);
    g_free(image->where);
    g_free(image);
}

void
lukshdrRemoteHandleIdentity(const lukshdrRemoteHandle *image, lukshdrIdentity *identity)
{
    if (image->iscsi)
        lukshdrISCSIIdentity(image->iscsi, identity);
    else
        lukshdrRBDIdentity(image->rbd, identity);
}

const char *const *
lukshdrRemoteHandleKernelNames(const lukshdrRemoteHandle *image)
{
    return image->iscsi ? lukshdrISCSIKernelNames(image->iscsi) : NULL;
}

bool
lukshdrRemoteHandleIsUnwritten(const lukshdrRemoteHandle *before, const lukshdrRemoteHandle *now)
{
    return before->iscsi || lukshdrRBDIsUnwritten(before->rbd, now->rbd);
}

bool
lukshdrRemoteHandleCheckUnused(const lukshdrRemoteHandle *image, GError **error)
{
    return image->iscsi || lukshdrRBDCheckUnused(image->rbd, error);
}

bool
lukshdrRemoteHandleFindSnapshot(const lukshdrRemoteHandle *image, char **name, GError **error)
{
    *name = NULL;
    return image->iscsi || lukshdrRBDFindSnapshot(image->rbd, name, error);
}

bool
lukshdrRemoteHandleCheckRemovable(const lukshdrRemoteHandle *image, bool purge, GError **error)
{
    return image->iscsi || lukshdrRBDCheckRemovable(image->rbd, purge, error);
}

gssize
lukshdrRemoteHandleRead(lukshdrRemoteHandle *image,
                        void *buf,
                        gsize len,
                        guint64 offset,
                        GError **error)
{
    return image->iscsi ? lukshdrISCSIRead(image->iscsi, buf, len, offset, error)
                        : lukshdrRBDRead(image->rbd, buf, len, offset, error);
}

bool
lukshdrRemoteHandleWrite(lukshdrRemoteHandle *image,
                         const void *buf,
                         gsize len,
                         guint64 offset,
                         GError **error)
{
    return image->iscsi ? lukshdrISCSIWrite(image->iscsi, buf, len, offset, error)
                        : lukshdrRBDWrite(image->rbd, buf, len, offset, error);
}

bool
lukshdrRemoteHandleFlush(lukshdrRemoteHandle *image, GError **error)
{
    return image->iscsi ? lukshdrISCSIFlush(image->iscsi, error)
                        : lukshdrRBDFlush(image->rbd, error);
}

bool
lukshdrRemoteHandleGrow(lukshdrRemoteHandle *image, guint64 size, GError **error)
{
    lukshdrIdentity now;

    if (image->rbd)
        return lukshdrRBDGrow(image->rbd, size, error);

    lukshdrISCSIIdentity(image->iscsi, &now);
    if (now.size >= size)
        return true;
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
        _("a header volume needs %llu bytes, and '%s' has %llu: make the unit larger at its "
          "target"),
        (unsigned long long)size, image->where, (unsigned long long)now.size);
    return false;
}

bool
lukshdrRemoteHandleLock(lukshdrRemoteHandle *image, bool *held, GError **error)
{
    return image->iscsi ? lukshdrISCSILock(image->iscsi, held, error)
                        : lukshdrRBDLock(image->rbd, held, error);
}
