/*
 * payload.c: whether a volume's content stands alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Offsets are from QEMU's docs/interop/qcow2.txt and qed_spec.txt, of qcow and vdi from its
 * block/qcow.c and block/vdi.c, of vmdk from VMware's "Virtual Disk Format 5.0".
 */

#include "config.h"

#include "payload.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "util/error.h"
#include "util/io.h"

#define LUKSHDR_PAYLOAD_QCOW_BACKING 8
#define LUKSHDR_PAYLOAD_QCOW2_SIZE 24     /* of the disk in it, bytes */
#define LUKSHDR_PAYLOAD_QCOW2_CRYPT 32    /* method of encryption: 0 none, 1 AES, 2 LUKS */
#define LUKSHDR_PAYLOAD_QCOW2_FEATURES 72 /* incompatible ones; from version 3 on */
#define LUKSHDR_PAYLOAD_QCOW2_DATA_FILE (G_GUINT64_CONSTANT(1) << 2)
/* what keeps all in one file: dirty, corrupt, compression type, extended L2 entries */
#define LUKSHDR_PAYLOAD_QCOW2_KNOWN G_GUINT64_CONSTANT(0x1b)
#define LUKSHDR_PAYLOAD_QCOW2_EXTENDED (G_GUINT64_CONSTANT(1) << 4) /* L2 entries of 16 bytes */

#define LUKSHDR_PAYLOAD_QCOW2_BITS 20 /* of its clusters' size */
#define LUKSHDR_PAYLOAD_QCOW2_L1_SIZE 36
#define LUKSHDR_PAYLOAD_QCOW2_L1 40 /* where the first table is */
#define LUKSHDR_PAYLOAD_QCOW2_OFFSET G_GUINT64_CONSTANT(0x00fffffffffffe00)
#define LUKSHDR_PAYLOAD_QCOW2_COMPRESSED (G_GUINT64_CONSTANT(1) << 62)
#define LUKSHDR_PAYLOAD_QCOW2_ZERO (G_GUINT64_CONSTANT(1) << 0)

#define LUKSHDR_PAYLOAD_QED_FEATURES 16
#define LUKSHDR_PAYLOAD_QED_BACKING (G_GUINT64_CONSTANT(1) << 0)

#define LUKSHDR_PAYLOAD_VMDK_CAPACITY 12
#define LUKSHDR_PAYLOAD_VMDK_DESCRIPTOR 512
#define LUKSHDR_PAYLOAD_VMDK_PARENT "parentFileNameHint"

/* as much as any of them needs: 20 sectors of a vmdk's descriptor behind the first */
#define LUKSHDR_PAYLOAD_LEN (21 * 512)

/* up to where a disk says what it is: Btrfs, 64 KiB behind its beginning */
#define LUKSHDR_PAYLOAD_DISK_LEN (68 * 1024)

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

static bool
lukshdrPayloadIsLUKS(const guint8 *head)
{
    return !memcmp(head, "LUKS\xba\xbe", 6);
}

bool
lukshdrPayloadHasHeader(const lukshdrHandle *volume, const char *format)
{
    g_autofree guint8 *head = g_malloc(LUKSHDR_PAYLOAD_LEN);

    if (!lukshdrPayloadRead(volume, head, NULL))
        return true;
    if (g_str_equal(format, "raw"))
        return lukshdrPayloadIsLUKS(head);
    return !g_str_equal(format, "qcow2") || !lukshdrPayloadIsQcow2(head) ||
           lukshdrPayloadNumber32(head + LUKSHDR_PAYLOAD_QCOW2_CRYPT) != 0;
}

const char *
lukshdrPayloadImageFormat(const lukshdrHandle *volume, GError **error)
{
    g_autofree guint8 *head = g_malloc(LUKSHDR_PAYLOAD_LEN);

    if (!lukshdrPayloadRead(volume, head, error))
        return NULL;
    if (lukshdrPayloadIsLUKS(head)) {
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

/* Is there a table of partitions, as the first sector of a disk has it?  Of random bytes, one in 10^14 looks like
 * one. */
static bool
lukshdrPayloadIsMBR(const guint8 *disk)
{
    bool any = false;
    size_t i;

    if (disk[510] != 0x55 || disk[511] != 0xaa)
        return false;
    for (i = 0; i < 4; i++) {
        const guint8 *partition = disk + 446 + i * 16;

        if (partition[0] & 0x7f)
            return false;
        any = any || (partition[4] && lukshdrPayloadNumber32(partition + 12));
    }
    return any;
}

/* ext2, 3 and 4: the magic is short, so what else is known of the superblock counts as well */
static bool
lukshdrPayloadIsExt(const guint8 *disk)
{
    const guint8 *super = disk + 1024;

    return super[56] == 0x53 && super[57] == 0xef &&
           GUINT32_FROM_LE(lukshdrPayloadNumber32(super + 24)) <= 6 &&
           GUINT32_FROM_LE(lukshdrPayloadNumber32(super + 76)) <= 1;
}

/* Returns what is recognised in @disk, of LUKSHDR_PAYLOAD_DISK_LEN bytes, zeroes where nothing is known.  Sets @image to
 * whether it is an image that holds another disk. */
static const char *
lukshdrPayloadLookAt(const guint8 *disk, bool *image)
{
    static const struct {
        gsize at;
        const char *magic;
        gsize len;
        const char *what;
        bool image;
    } magics[] = {
        { 512, "EFI PART", 8, N_("a partition table") },
        { 4096, "EFI PART", 8, N_("a partition table") },
        { 512, "LABELONE", 8, N_("a physical volume of LVM") },
        { 0, "XFSB", 4, N_("an XFS file system") },
        { 3, "NTFS    ", 8, N_("an NTFS file system") },
        { 82, "FAT32   ", 8, N_("a FAT file system") },
        { 54, "FAT16   ", 8, N_("a FAT file system") },
        { 4086, "SWAPSPACE2", 10, N_("swap space") },
        { 32769, "CD001", 5, N_("an image of a CD or DVD") },
        { 65600, "_BHRfS_M", 8, N_("a Btrfs file system") },
        { 0, "QFI\xfb", 4, N_("an image of format qcow2"), true },
        { 0, "KDMV", 4, N_("an image of format vmdk"), true },
        { 0, "vhdxfile", 8, N_("an image of format vhdx"), true },
        { 0, "conectix", 8, N_("an image of format vpc"), true },
        { 64, "\x7f\x10\xda\xbe", 4, N_("an image of format vdi"), true },
        { 0, "\3757zXZ", 6, N_("compressed data") },
        { 0, "LUKS\xba\xbe", 6, N_("a LUKS header of its own") },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(magics); i++) {
        if (memcmp(disk + magics[i].at, magics[i].magic, magics[i].len) == 0) {
            *image = magics[i].image;
            return _(magics[i].what);
        }
    }
    *image = false;
    if (lukshdrPayloadIsMBR(disk))
        return _("a partition table");
    return lukshdrPayloadIsExt(disk) ? _("an ext4 file system") : NULL;
}

/* Sets @at to where the first bytes of the disk in a qcow2 image are, or to 0 if that has none or they are
 * compressed.  Returns whether they are: ciphertext never is, since it does not become smaller. */
static bool
lukshdrPayloadFindFirst(const guint8 *head, lukshdrPayloadReader read, void *opaque, guint64 *at)
{
    guint64 l1 = GUINT64_FROM_BE(lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_QCOW2_L1));
    guint64 entry;

    *at = 0;
    if (read(&entry, sizeof(entry), l1, opaque) != sizeof(entry))
        return false;
    entry = GUINT64_FROM_BE(entry) & LUKSHDR_PAYLOAD_QCOW2_OFFSET;
    if (!entry || read(&entry, sizeof(entry), entry, opaque) != sizeof(entry))
        return false;
    entry = GUINT64_FROM_BE(entry);
    if (entry & LUKSHDR_PAYLOAD_QCOW2_COMPRESSED)
        return true;
    if (!(entry & LUKSHDR_PAYLOAD_QCOW2_ZERO))
        *at = entry & LUKSHDR_PAYLOAD_QCOW2_OFFSET;
    return false;
}

bool
lukshdrPayloadIsFormat(const char *format, lukshdrPayloadReader read, void *opaque)
{
    g_autofree guint8 *head = g_malloc0(LUKSHDR_PAYLOAD_LEN);
    const char *names;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrPayloadFormats); i++) {
        if (g_str_equal(lukshdrPayloadFormats[i].format, format))
            return read(head, LUKSHDR_PAYLOAD_LEN, 0, opaque) >= 0 &&
                   lukshdrPayloadFormats[i].read(head, &names);
    }
    return true;
}

/* The beginning of a qcow2 image */
typedef struct _lukshdrPayloadPeek lukshdrPayloadPeek;
struct _lukshdrPayloadPeek {
    const guint8 *bytes;
    guint64 len;     /* of the beginning, bytes */
    guint64 length;  /* of the whole, bytes */
    guint64 cluster; /* bytes */
    guint64 step;    /* from one L2 entry to the next, bytes */
    guint64 left;    /* of L2 tables, bytes to look at: an image can name one over and over */
};

/* Does the L2 table at @at, as far as it can be seen, name a cluster behind the end?  The last cluster may be written in
 * part; one that is known to be zero need not be there. */
static bool
lukshdrPayloadIsTableCut(lukshdrPayloadPeek *peek, guint64 at)
{
    guint64 end = MIN(at + peek->cluster, peek->len);

    for (; at + peek->step <= end && peek->left >= peek->step; at += peek->step) {
        guint64 entry = GUINT64_FROM_BE(lukshdrPayloadNumber64(peek->bytes + at));

        peek->left -= peek->step;
        if (!(entry & (LUKSHDR_PAYLOAD_QCOW2_COMPRESSED | LUKSHDR_PAYLOAD_QCOW2_ZERO)) &&
            (entry & LUKSHDR_PAYLOAD_QCOW2_OFFSET) >= peek->length)
            return true;
    }
    return false;
}

static bool
lukshdrPayloadIsQcow2Cut(lukshdrPayloadPeek *peek)
{
    const guint8 *head = peek->bytes;
    guint64 at = GUINT64_FROM_BE(lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_QCOW2_L1));
    guint64 size = GUINT32_FROM_BE(lukshdrPayloadNumber32(head + LUKSHDR_PAYLOAD_QCOW2_L1_SIZE)) *
                   sizeof(guint64);
    guint32 bits = GUINT32_FROM_BE(lukshdrPayloadNumber32(head + LUKSHDR_PAYLOAD_QCOW2_BITS));
    bool extended = GUINT32_FROM_BE(lukshdrPayloadNumber32(head + 4)) == 3 &&
                    (GUINT64_FROM_BE(
                         lukshdrPayloadNumber64(head + LUKSHDR_PAYLOAD_QCOW2_FEATURES)) &
                     LUKSHDR_PAYLOAD_QCOW2_EXTENDED);
    guint64 end;

    if (bits < 9 || bits > 21)
        return false;
    if (at > peek->length || size > peek->length - at)
        return true;
    peek->cluster = G_GUINT64_CONSTANT(1) << bits;
    peek->step = extended ? 16 : 8;
    peek->left = peek->len;

    for (end = MIN(at + size, peek->len); at + sizeof(guint64) <= end; at += sizeof(guint64)) {
        guint64 table = GUINT64_FROM_BE(lukshdrPayloadNumber64(head + at)) &
                        LUKSHDR_PAYLOAD_QCOW2_OFFSET;

        if (table &&
            (table + peek->cluster > peek->length || lukshdrPayloadIsTableCut(peek, table)))
            return true;
    }
    return false;
}

bool
lukshdrPayloadIsCut(const char *format, guint64 length, lukshdrPayloadReader read, void *opaque)
{
    g_autofree guint8 *bytes = NULL;
    lukshdrPayloadPeek peek = { .length = length };
    gssize got;

    if (!length)
        return true;
    if (!g_str_equal(format, "qcow2"))
        return false;

    bytes = g_malloc0(LUKSHDR_PAYLOAD_PEEK);
    got = read(bytes, LUKSHDR_PAYLOAD_PEEK, 0, opaque);
    if (got < 0 || !lukshdrPayloadIsQcow2(bytes))
        return false;
    peek.bytes = bytes;
    peek.len = got;
    return lukshdrPayloadIsQcow2Cut(&peek);
}

/* As lukshdrPayloadFindPlain.  Sets @image to whether that is an image. */
static const char *
lukshdrPayloadFind(const char *format, lukshdrPayloadReader read, void *opaque, bool *image)
{
    g_autofree guint8 *disk = g_malloc0(LUKSHDR_PAYLOAD_DISK_LEN);
    guint64 at = 0;
    guint32 bits;
    gsize len = LUKSHDR_PAYLOAD_DISK_LEN;

    *image = false;
    if (g_str_equal(format, "qcow2")) {
        if (read(disk, LUKSHDR_PAYLOAD_LEN, 0, opaque) <= 0 || !lukshdrPayloadIsQcow2(disk))
            return NULL;
        if (lukshdrPayloadFindFirst(disk, read, opaque, &at))
            return _("compressed data");
        bits = GUINT32_FROM_BE(lukshdrPayloadNumber32(disk + LUKSHDR_PAYLOAD_QCOW2_BITS));
        if (!at || bits < 9 || bits > 21)
            return NULL;
        memset(disk, 0, LUKSHDR_PAYLOAD_DISK_LEN);
        len = MIN(len, (gsize)1 << bits);
    } else if (!g_str_equal(format, "raw")) {
        return NULL;
    }
    return read(disk, len, at, opaque) > 0 ? lukshdrPayloadLookAt(disk, image) : NULL;
}

const char *
lukshdrPayloadFindPlain(const char *format, lukshdrPayloadReader read, void *opaque)
{
    bool image;

    return lukshdrPayloadFind(format, read, opaque, &image);
}

const char *
lukshdrPayloadFindImage(const char *format, lukshdrPayloadReader read, void *opaque)
{
    bool image;
    const char *what = lukshdrPayloadFind(format, read, opaque, &image);

    /* only into a qcow2 image that stands at the beginning can be looked */
    if (!what || !image ||
        (g_str_equal(format, "raw") && lukshdrPayloadIsFormat("qcow2", read, opaque) &&
         lukshdrPayloadFindPlain("qcow2", read, opaque)))
        return NULL;
    return what;
}

/* A lukshdrPayloadReader */
static gssize
lukshdrPayloadReadHandle(void *buf, gsize len, guint64 offset, void *opaque)
{
    const lukshdrHandle *volume = opaque;

    return volume->remote ? lukshdrRemoteHandleRead(volume->remote, buf, len, offset, NULL)
                          : lukshdrIORead(volume->fd, buf, len, offset, NULL);
}

bool
lukshdrPayloadCheckCipher(const lukshdrHandle *volume, const char *format, GError **error)
{
    const char *what = lukshdrPayloadFindPlain(format, lukshdrPayloadReadHandle, (void *)volume);

    if (!what)
        return true;
    if (g_str_equal(format, "raw") && lukshdrPayloadHasHeader(volume, format)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("it has a LUKS header of its own: put the payload back, or take this "
                              "attached volume apart first (docs/linking.md)"));
        return false;
    }
    if (lukshdrPayloadFindImage(format, lukshdrPayloadReadHandle, (void *)volume)) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("its format as a payload is '%1$s', and it holds %2$s; if the payload was "
              "converted (qemu-img convert), convert it back, or give up the link (virt-lukshdr "
              "forget) and link the two again, which takes the new format; if that image is not "
              "encrypted, put the payload back, and encrypt the image into a new volume "
              "(virt-lukshdr convert)"),
            format, what);
        return false;
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("it holds %s in clear, so it is not encrypted by the header; put the encrypted "
                  "volume back, or encrypt this one into a new volume (virt-lukshdr convert)"),
                what);
    return false;
}
