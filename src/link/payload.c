/*
 * payload.c: whether a volume's content stands alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Offsets are from QEMU's docs/interop/qcow2.txt and qed_spec.txt, of qcow from its
 * block/qcow.c, of vmdk from VMware's "Virtual Disk Format 5.0".
 */

#include "config.h"

#include "payload.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/io.h"

#define LUKSHDR_PAYLOAD_QCOW_BACKING 8
#define LUKSHDR_PAYLOAD_QCOW2_SIZE 24     /* of the disk in it, bytes */
#define LUKSHDR_PAYLOAD_QCOW2_FEATURES 72 /* incompatible ones; from version 3 on */
#define LUKSHDR_PAYLOAD_QCOW2_DATA_FILE (G_GUINT64_CONSTANT(1) << 2)
/* what keeps all in one file: dirty, corrupt, compression type, extended L2 entries */
#define LUKSHDR_PAYLOAD_QCOW2_KNOWN G_GUINT64_CONSTANT(0x1b)

#define LUKSHDR_PAYLOAD_QED_FEATURES 16
#define LUKSHDR_PAYLOAD_QED_BACKING (G_GUINT64_CONSTANT(1) << 0)

#define LUKSHDR_PAYLOAD_VMDK_CAPACITY 12
#define LUKSHDR_PAYLOAD_VMDK_DESCRIPTOR 512
#define LUKSHDR_PAYLOAD_VMDK_PARENT "parentFileNameHint"

/* as much as any of them needs: 20 sectors of a vmdk's descriptor behind the first */
#define LUKSHDR_PAYLOAD_LEN (21 * 512)

static guint64
lukshdrPayloadNumber64(const guint8 *at)
{
    guint64 value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static guint32
lukshdrPayloadNumber32(const guint8 *at)
{
    guint32 value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* Each of these returns whether @head is of that format at all, and sets @names to what it names,
 * translated, or NULL.  @head has LUKSHDR_PAYLOAD_LEN bytes, zeroes behind the file's end. */

static bool
lukshdrPayloadQcow(const guint8 *head, const char **names)
{
    if (memcmp(head, "QFI\xfb", 4) || GUINT32_FROM_BE(lukshdrPayloadNumber32(head + 4)) != 1)
        return false;

    *names = lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_QCOW_BACKING) ? _("a backing file")
                                                                         : NULL;
    return true;
}

static bool
lukshdrPayloadIsQcow2(const guint8 *head)
{
    guint32 version = GUINT32_FROM_BE(lukshdrPayloadNumber32(head + 4));

    return !memcmp(head, "QFI\xfb", 4) && (version == 2 || version == 3);
}

static bool
lukshdrPayloadQcow2(const guint8 *head, const char **names)
{
    guint32 version = GUINT32_FROM_BE(lukshdrPayloadNumber32(head + 4));
    guint64 features = 0;

    if (!lukshdrPayloadIsQcow2(head))
        return false;

    if (version == 3)
        features = GUINT64_FROM_BE(lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_QCOW2_FEATURES));

    if (lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_QCOW_BACKING))
        *names = _("a backing file");
    else if (features & LUKSHDR_PAYLOAD_QCOW2_DATA_FILE)
        *names = _("an external data file");
    else if (features & ~LUKSHDR_PAYLOAD_QCOW2_KNOWN)
        *names = _("features that are not known here");
    else
        *names = NULL;
    return true;
}

static bool
lukshdrPayloadQed(const guint8 *head, const char **names)
{
    guint64 features = GUINT64_FROM_LE(lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_QED_FEATURES));

    if (memcmp(head, "QED", 4))
        return false;

    *names = features & LUKSHDR_PAYLOAD_QED_BACKING ? _("a backing file") : NULL;
    return true;
}

/* QEMU takes a text, and a sparse extent without capacity, for a list of extents in other files */
static bool
lukshdrPayloadVmdk(const guint8 *head, const char **names)
{
    if (memcmp(head, "KDMV", 4) || !lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_VMDK_CAPACITY))
        *names = _("extents in other files");
    else if (memmem(head + LUKSHDR_PAYLOAD_VMDK_DESCRIPTOR,
                    LUKSHDR_PAYLOAD_LEN - LUKSHDR_PAYLOAD_VMDK_DESCRIPTOR,
                    LUKSHDR_PAYLOAD_VMDK_PARENT, strlen(LUKSHDR_PAYLOAD_VMDK_PARENT)))
        *names = _("a parent");
    else
        *names = NULL;
    return true;
}

/* QEMU's drivers of these open no other file: vdi and vhdx refuse an image with a parent, vpc and
 * parallels know none */
static bool
lukshdrPayloadAlone(const guint8 *head G_GNUC_UNUSED, const char **names)
{
    *names = NULL;
    return true;
}

static const struct {
    const char *format;
    bool (*read)(const guint8 *head, const char **names);
} lukshdrPayloadFormats[] = {
    { "raw", lukshdrPayloadAlone },   { "qcow2", lukshdrPayloadQcow2 },
    { "qcow", lukshdrPayloadQcow },   { "qed", lukshdrPayloadQed },
    { "vmdk", lukshdrPayloadVmdk },   { "vdi", lukshdrPayloadAlone },
    { "vpc", lukshdrPayloadAlone },   { "vhd", lukshdrPayloadAlone },
    { "ploop", lukshdrPayloadAlone },
};

/* Sets @head, of LUKSHDR_PAYLOAD_LEN bytes, to the volume's beginning, and zeroes behind its end */
static bool
lukshdrPayloadRead(const lukshdrHandle *volume, guint8 *head, GError **error)
{
    gssize got;

    memset(head, 0, LUKSHDR_PAYLOAD_LEN);
    got = volume->remote
              ? lukshdrRemoteHandleRead(volume->remote, head, LUKSHDR_PAYLOAD_LEN, 0, error)
              : lukshdrIORead(volume->fd, head, LUKSHDR_PAYLOAD_LEN, 0, error);
    if (got < 0)
        g_prefix_error(error, "%s: ", _("Unable to read its beginning"));
    return got >= 0;
}

bool
lukshdrPayloadCheck(const lukshdrHandle *volume, const char *format, GError **error)
{
    g_autofree guint8 *head = NULL;
    const char *names = NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrPayloadFormats); i++) {
        if (g_str_equal(lukshdrPayloadFormats[i].format, format))
            break;
    }
    if (i == G_N_ELEMENTS(lukshdrPayloadFormats)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("whether a volume of format '%s' names other files is not known; make it one "
                      "of format 'raw' or 'qcow2' first"),
                    format);
        return false;
    }

    head = g_malloc(LUKSHDR_PAYLOAD_LEN);
    if (!lukshdrPayloadRead(volume, head, error))
        return false;

    if (!lukshdrPayloadFormats[i].read(head, &names)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("its content is not of format '%s'; put it back from a backup"), format);
        return false;
    }
    if (!names)
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("its content, of format '%s', names %s, which QEMU would open as well; "
                  "anybody who may write to it can have put the name there; if it was you, make "
                  "a volume of it that stands alone first (qemu-img convert)"),
                format, names);
    return false;
}

const char *
lukshdrPayloadImageFormat(const lukshdrHandle *volume, GError **error)
{
    g_autofree guint8 *head = g_malloc(LUKSHDR_PAYLOAD_LEN);

    if (!lukshdrPayloadRead(volume, head, error))
        return NULL;
    if (!memcmp(head, "LUKS\xba\xbe", 6)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("it begins with a LUKS header, so it is no payload"));
        return NULL;
    }
    return lukshdrPayloadIsQcow2(head) ? "qcow2" : "raw";
}

bool
lukshdrPayloadCapacity(const lukshdrHandle *volume, guint64 *capacity, GError **error)
{
    g_autofree guint8 *head = g_malloc(LUKSHDR_PAYLOAD_LEN);

    if (!lukshdrPayloadRead(volume, head, error))
        return false;
    if (lukshdrPayloadIsQcow2(head)) {
        *capacity = GUINT64_FROM_BE(lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_QCOW2_SIZE));
        return true;
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("its content is not of format '%s'; put it back from a backup"), "qcow2");
    return false;
}
