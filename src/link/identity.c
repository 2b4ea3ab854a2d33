/*
 * identity.c: what a volume is, whatever its path is called
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "scsi.h"
#include "util/error.h"
#include "util/xml.h"

/* of an id of type ISCSI, before the target */
#define LUKSHDR_IDENTITY_TARGET ";target="

/* longer names of units and targets (an IQN has up to 223 bytes) are told by their digest */
#define LUKSHDR_IDENTITY_NAME_MAX 64

/* How identities of block devices begin (lukshdrIdentityReadDevice) that are SCSI disks, or multipath over some,
 * whose UUID has in it how udev's scsi_id calls the unit: a digit for the kind of name, and the name */
static const char lukshdrIdentityDisk[] = "device_wwid=";
static const char lukshdrIdentityMultipath[] = "mpath-";

/* Appends to @id, which has LUKSHDR_IDENTITY_ID_LEN bytes.  What others chose may hold anything: it
 * gets into XML, the index and messages, so other characters than those of the header are
 * replaced, and what is too long is left out as a whole: half a name could be another's. */
static void
lukshdrIdentityAppend(char *id, const char *text)
{
    size_t used = strlen(id);
    size_t len = strlen(text);
    size_t i;

    if (used + len >= LUKSHDR_IDENTITY_ID_LEN) {
        id[0] = '\0';
        return;
    }
    for (i = 0; i < len; i++)
        id[used + i] = g_ascii_isalnum(text[i]) || strchr("._:+=;@-", text[i]) ? text[i] : '_';
    id[used + len] = '\0';
}

/* The source of mount @mount, such as SERVER:/EXPORT, and its type, as /proc/self/mountinfo has
 * them (proc(5)); NULL if it is not there */
static char *
lukshdrIdentityMountSource(guint64 mount)
{
    g_autofree char *wanted = g_strdup_printf("%" G_GUINT64_FORMAT " ", mount);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    size_t i;

    if (!g_file_get_contents("/proc/self/mountinfo", &text, NULL, NULL))
        return NULL;

    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i]; i++) {
        const char *tail = g_str_has_prefix(lines[i], wanted) ? strstr(lines[i], " - ") : NULL;
        g_auto(GStrv) fields = tail ? g_strsplit(tail + strlen(" - "), " ", 3) : NULL;

        if (fields && fields[0] && fields[1])
            return g_strdup_printf("%s:%s", fields[0], fields[1]);
    }
    return NULL;
}

/* What the file system of @fd is.  Kernel file systems derive statfs's f_fsid from their UUID (XFS,
 * from the device number).  One that comes over the network has none, but its mount's source. */
static void
lukshdrIdentityReadFileSystem(int fd, const struct statx *stx, char *id)
{
    g_autofree char *source = NULL;
    g_autofree char *text = NULL;
    struct statfs fs;

    if (fstatfs(fd, &fs) < 0)
        return;

    if (fs.f_fsid.__val[0] || fs.f_fsid.__val[1]) {
        text = g_strdup_printf("fs-%lx-%08x%08x", (unsigned long)fs.f_type,
                               (unsigned int)fs.f_fsid.__val[0], (unsigned int)fs.f_fsid.__val[1]);
    } else if (stx->stx_mask & STATX_MNT_ID) {
        /* a source without ':' is a device or a word of the administrator's */
        if ((source = lukshdrIdentityMountSource(stx->stx_mnt_id)) && strchr(source, '/')) {
            g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, source, -1);

            text = g_strdup_printf("net-%.32s", digest);
        }
    }
    if (text)
        lukshdrIdentityAppend(id, text);
}

static bool
lukshdrIdentityReadSysfs(const char *device, const char *attribute, char *id)
{
    g_autofree char *path = g_build_filename(device, attribute, NULL);
    g_autofree char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL) || !*g_strstrip(text))
        return false;
    lukshdrIdentityAppend(id, text);
    return true;
}

/* What the block device at @device, its directory in sysfs, calls itself: device-mapper's UUID (LVM's
 * names volume group and volume), a WWN, or a serial number (Linux's Documentation/ABI).  Loop
 * devices and the like have none. */
static void
lukshdrIdentityReadDevice(const char *device, char *id)
{
    static const char *const attributes[] = { "dm/uuid", "wwid", "device/wwid", "serial" };
    g_autofree char *partition = g_build_filename(device, "partition", NULL);
    size_t i;

    /* a partition is its disk's, and what begins at that sector */
    if (g_file_test(partition, G_FILE_TEST_EXISTS)) {
        g_autofree char *disk = g_build_filename(device, "..", NULL);

        lukshdrIdentityReadDevice(disk, id);
        if (id[0]) {
            lukshdrIdentityAppend(id, ";start=");
            if (id[0] && !lukshdrIdentityReadSysfs(device, "start", id))
                id[0] = '\0';
        }
        return;
    }

    for (i = 0; i < G_N_ELEMENTS(attributes); i++) {
        g_autofree char *kind = g_strdup_printf("%s=", attributes[i]);

        lukshdrIdentityAppend(id, kind);
        if (lukshdrIdentityReadSysfs(device, attributes[i], id) && id[0])
            return;
        id[0] = '\0';
    }
}

static bool
lukshdrIdentityFromStatx(int fd,
                         const struct statx *stx,
                         const char *what,
                         lukshdrIdentity *identity,
                         GError **error)
{
    if (S_ISREG(stx->stx_mode)) {
        identity->type = LUKSHDR_IDENTITY_FILE;
        identity->dev = makedev(stx->stx_dev_major, stx->stx_dev_minor);
        identity->inode = stx->stx_ino;
        identity->size = stx->stx_size;
        if (stx->stx_mask & STATX_BTIME) {
            identity->birthSec = stx->stx_btime.tv_sec;
            identity->birthNsec = stx->stx_btime.tv_nsec;
        }
        lukshdrIdentityReadFileSystem(fd, stx, identity->id);
        return true;
    }

    if (S_ISBLK(stx->stx_mode)) {
        g_autofree char *device = g_strdup_printf("/sys/dev/block/%u:%u", stx->stx_rdev_major,
                                                  stx->stx_rdev_minor);

        identity->type = LUKSHDR_IDENTITY_BLOCK;
        identity->dev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor);
        lukshdrIdentityReadDevice(device, identity->id);
        return true;
    }

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                _("'%s' is neither a regular file nor a block device"), what);
    return false;
}

bool
lukshdrIdentityExamine(int fd, const char *what, lukshdrIdentity *identity, GError **error)
{
    struct statx stx;

    *identity = (lukshdrIdentity){ 0 };

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_SYNC_AS_STAT,
              STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &stx) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to examine '%s'"), what);
        return false;
    }
    return lukshdrIdentityFromStatx(fd, &stx, what, identity, error);
}

bool
lukshdrIdentityFromPath(const char *path, lukshdrIdentity *identity, GError **error)
{
    int fd;
    bool ok;

    *identity = (lukshdrIdentity){ 0 };

    if (!g_path_is_absolute(path)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("'%s' is no path on this host"), path);
        return false;
    }

    if ((fd = open(path, O_PATH | O_CLOEXEC)) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to examine '%s'"), path);
        return false;
    }
    ok = lukshdrIdentityExamine(fd, path, identity, error);
    close(fd);
    return ok;
}

bool
lukshdrIdentityFromFD(int fd, lukshdrIdentity *identity, GError **error)
{
    return lukshdrIdentityExamine(fd, _("open volume"), identity, error);
}

bool
lukshdrIdentitySetRBD(lukshdrIdentity *identity, const char *id, guint64 size)
{
    *identity = (lukshdrIdentity){ .type = LUKSHDR_IDENTITY_RBD, .size = size };
    lukshdrIdentityAppend(identity->id, id);
    return *id && g_str_equal(identity->id, id);
}

/* Appends @text, or if it is long, a digest of it */
static void
lukshdrIdentityAppendShort(char *id, const char *text)
{
    if (strlen(text) <= LUKSHDR_IDENTITY_NAME_MAX) {
        lukshdrIdentityAppend(id, text);
    } else {
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);

        digest[LUKSHDR_IDENTITY_NAME_MAX / 2] = '\0';
        lukshdrIdentityAppend(id, digest);
    }
}

void
lukshdrIdentitySetISCSI(lukshdrIdentity *identity,
                        const char *name,
                        bool unique,
                        const char *target,
                        guint64 size)
{
    *identity = (lukshdrIdentity){ .type = LUKSHDR_IDENTITY_ISCSI, .size = size };
    lukshdrIdentityAppendShort(identity->id, name);
    if (!unique) {
        /* names of targets are the same in whatever case they are written (RFC 7143, 4.2.7.2) */
        g_autofree char *lower = g_ascii_strdown(target ? target : "", -1);

        lukshdrIdentityAppend(identity->id, LUKSHDR_IDENTITY_TARGET);
        lukshdrIdentityAppendShort(identity->id, lower);
    }
}

/* Finds the SCSI device of @block, a directory of a block device in sysfs */
static bool
lukshdrIdentityFindUnit(const char *block, guint depth, lukshdrScsiPages *pages)
{
    g_autofree char *partition = g_build_filename(block, "partition", NULL);
    bool isPartition = g_file_test(partition, G_FILE_TEST_EXISTS);
    g_autofree char *device = g_build_filename(block, isPartition ? "../device" : "device", NULL);
    g_autofree char *uuid = g_build_filename(block, "dm", "uuid", NULL);
    g_autofree char *text = NULL;
    g_autofree char *slaves = NULL;
    g_autoptr(GDir) dir = NULL;
    const char *name;

    if (lukshdrScsiPagesFromSysfs(device, pages))
        return true;

    /* partitions of multipath devices are made by device-mapper as well */
    if (depth == 0 || !g_file_get_contents(uuid, &text, NULL, NULL) ||
        !strstr(text, lukshdrIdentityMultipath))
        return false;
    slaves = g_build_filename(block, "slaves", NULL);
    dir = g_dir_open(slaves, 0, NULL);
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *slave = g_build_filename(slaves, name, NULL);

        /* each of them leads to the same unit */
        if (lukshdrIdentityFindUnit(slave, depth - 1, pages))
            return true;
    }
    return false;
}

bool
lukshdrIdentityFromUnit(guint64 dev, lukshdrIdentity *identity)
{
    g_autofree char *sysfs = g_strdup_printf("/sys/dev/block/%u:%u", major(dev), minor(dev));
    char *block = realpath(sysfs, NULL);
    g_auto(lukshdrScsiPages) pages = { 0 };
    g_autofree char *name = NULL;
    bool unique;

    if (block && lukshdrIdentityFindUnit(block, 2, &pages))
        name = lukshdrScsiName(&pages, &unique);
    free(block);
    if (!name)
        return false;
    lukshdrIdentitySetISCSI(identity, name, unique, NULL, 0);
    return true;
}

bool
lukshdrIdentityMayBeUnit(const lukshdrIdentity *identity)
{
    return identity->type == LUKSHDR_IDENTITY_ISCSI ||
           (identity->type == LUKSHDR_IDENTITY_BLOCK &&
            (g_str_has_prefix(identity->id, lukshdrIdentityDisk) ||
             (g_str_has_prefix(identity->id, "dm_uuid=") &&
              strstr(identity->id, lukshdrIdentityMultipath))));
}

bool
lukshdrIdentityIsUnit(const lukshdrIdentity *block, const char *const *names)
{
    bool disk = g_str_has_prefix(block->id, lukshdrIdentityDisk);
    size_t i;

    if (block->type != LUKSHDR_IDENTITY_BLOCK || !lukshdrIdentityMayBeUnit(block))
        return false;

    for (i = 0; names[i]; i++) {
        char name[LUKSHDR_IDENTITY_ID_LEN] = "";
        const char *dot = strchr(names[i], '.');
        size_t len;

        lukshdrIdentityAppend(name, disk ? names[i] : dot ? dot + 1 : names[i]);
        if (!(len = strlen(name)))
            continue;
        if (disk) {
            const char *own = block->id + strlen(lukshdrIdentityDisk);

            if (g_ascii_strncasecmp(own, name, len) == 0 && (!own[len] || own[len] == ';'))
                return true;
        } else {
            const char *own = strstr(block->id, lukshdrIdentityMultipath) +
                              strlen(lukshdrIdentityMultipath);

            /* the first is the digit */
            if (*own && g_ascii_strcasecmp(own + 1, name) == 0)
                return true;
        }
    }
    return false;
}

static bool
lukshdrIdentityHasBirth(const lukshdrIdentity *identity)
{
    return identity->birthSec || identity->birthNsec;
}

static bool
lukshdrIdentitySameBirth(const lukshdrIdentity *a, const lukshdrIdentity *b)
{
    return a->birthSec == b->birthSec && a->birthNsec == b->birthNsec;
}

static lukshdrIdentityMatch
lukshdrIdentityCompareBlock(const lukshdrIdentity *recorded, const lukshdrIdentity *found)
{
    if (recorded->id[0] && found->id[0])
        return g_str_equal(recorded->id, found->id) ? LUKSHDR_IDENTITY_SAME
                                                    : LUKSHDR_IDENTITY_DIFFERENT;
    return recorded->dev == found->dev ? LUKSHDR_IDENTITY_UNCERTAIN : LUKSHDR_IDENTITY_DIFFERENT;
}

bool
lukshdrIdentityIsRemote(const lukshdrIdentity *identity)
{
    return identity->type == LUKSHDR_IDENTITY_RBD || identity->type == LUKSHDR_IDENTITY_ISCSI;
}

static lukshdrIdentityMatch
lukshdrIdentityCompareISCSI(const lukshdrIdentity *recorded, const lukshdrIdentity *found)
{
    const char *target = strstr(recorded->id, LUKSHDR_IDENTITY_TARGET);
    size_t len = target ? (size_t)(target - recorded->id) + strlen(LUKSHDR_IDENTITY_TARGET) : 0;

    if (g_str_equal(recorded->id, found->id))
        return LUKSHDR_IDENTITY_SAME;
    /* a name of both that is unique would be all */
    return target && strncmp(recorded->id, found->id, len) == 0 ? LUKSHDR_IDENTITY_UNCERTAIN
                                                                : LUKSHDR_IDENTITY_DIFFERENT;
}

lukshdrIdentityMatch
lukshdrIdentityCompare(const lukshdrIdentity *recorded, const lukshdrIdentity *found)
{
    bool birthKnown = lukshdrIdentityHasBirth(recorded) && lukshdrIdentityHasBirth(found);

    if (recorded->type == LUKSHDR_IDENTITY_NONE || recorded->type != found->type)
        return LUKSHDR_IDENTITY_DIFFERENT;

    if (recorded->type == LUKSHDR_IDENTITY_BLOCK)
        return lukshdrIdentityCompareBlock(recorded, found);
    if (recorded->type == LUKSHDR_IDENTITY_ISCSI)
        return lukshdrIdentityCompareISCSI(recorded, found);
    if (recorded->type == LUKSHDR_IDENTITY_RBD)
        return g_str_equal(recorded->id, found->id) ? LUKSHDR_IDENTITY_SAME
                                                    : LUKSHDR_IDENTITY_DIFFERENT;

    if (recorded->inode != found->inode ||
        (birthKnown && !lukshdrIdentitySameBirth(recorded, found)))
        return LUKSHDR_IDENTITY_DIFFERENT;

    if (recorded->dev != found->dev) {
        /* NFS has no birth times, and another device number at every mount */
        bool noBirth = !lukshdrIdentityHasBirth(recorded) && !lukshdrIdentityHasBirth(found);

        return birthKnown || noBirth ? LUKSHDR_IDENTITY_UNCERTAIN : LUKSHDR_IDENTITY_DIFFERENT;
    }

    return birthKnown ? LUKSHDR_IDENTITY_SAME : LUKSHDR_IDENTITY_UNCERTAIN;
}

bool
lukshdrIdentityIsElsewhere(const lukshdrIdentity *file, const char *dir)
{
    char id[LUKSHDR_IDENTITY_ID_LEN] = "";
    struct statx stx;
    int fd;

    if (file->type != LUKSHDR_IDENTITY_FILE || !file->id[0] ||
        (fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return false;
    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_SYNC_AS_STAT, STATX_MNT_ID, &stx) == 0)
        lukshdrIdentityReadFileSystem(fd, &stx, id);
    close(fd);
    return id[0] && !g_str_equal(id, file->id);
}

bool
lukshdrIdentityClaims(const lukshdrIdentity *claim, bool grows, const lukshdrIdentity *found)
{
    bool idKnown = claim->id[0] && found->id[0];

    if (claim->type == LUKSHDR_IDENTITY_NONE || claim->type != found->type)
        return false;

    if (claim->type != LUKSHDR_IDENTITY_FILE)
        return idKnown && g_str_equal(claim->id, found->id);

    if (claim->inode != found->inode || !lukshdrIdentitySameBirth(claim, found))
        return false;
    if (idKnown ? !g_str_equal(claim->id, found->id) : claim->dev != found->dev)
        return false;
    if (lukshdrIdentityHasBirth(claim))
        return true;

    /* nothing but an inode number is a number that every file system gives again */
    return idKnown && claim->size > 0 &&
           (grows ? found->size >= claim->size : found->size == claim->size);
}

bool
lukshdrIdentityCountsSize(const lukshdrIdentity *identity)
{
    return identity->type == LUKSHDR_IDENTITY_FILE && !lukshdrIdentityHasBirth(identity);
}

char *
lukshdrIdentityDescribe(const lukshdrIdentity *identity)
{
    g_autoptr(GDateTime) birth = NULL;
    g_autofree char *born = NULL;
    g_autofree char *inode = NULL;

    switch (identity->type) {
    case LUKSHDR_IDENTITY_NONE:
        return g_strdup(_("nothing"));
    case LUKSHDR_IDENTITY_BLOCK:
        return identity->id[0]
                   ? g_strdup_printf(_("block device %u:%u, '%s'"), major(identity->dev),
                                     minor(identity->dev), identity->id)
                   : g_strdup_printf(_("block device %u:%u"), major(identity->dev),
                                     minor(identity->dev));
    case LUKSHDR_IDENTITY_RBD:
        return g_strdup_printf(_("Ceph image '%s'"), identity->id);
    case LUKSHDR_IDENTITY_ISCSI:
        return g_strdup_printf(_("iSCSI unit '%s'"), identity->id);
    case LUKSHDR_IDENTITY_FILE:
        break;
    }

    inode = g_strdup_printf("%" G_GUINT64_FORMAT, identity->inode);
    if (lukshdrIdentityHasBirth(identity) &&
        (birth = g_date_time_new_from_unix_local(identity->birthSec)) &&
        (born = g_date_time_format(birth, "%F %T")))
        return g_strdup_printf(_("inode %s of device %u:%u, made %s"), inode, major(identity->dev),
                               minor(identity->dev), born);
    return g_strdup_printf(_("inode %s of device %u:%u"), inode, major(identity->dev),
                           minor(identity->dev));
}

static void
lukshdrIdentityFormatNumber(xmlNode *node, const char *name, guint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    lukshdrXMLSetAttribute(node, name, text);
}

void
lukshdrIdentityFormat(xmlNode *parent, const lukshdrIdentity *identity)
{
    g_autofree char *birth = NULL;
    xmlNode *node;

    if (identity->type == LUKSHDR_IDENTITY_NONE)
        return;

    node = lukshdrXMLAddChild(parent, LUKSHDR_XML_IDENTITY, NULL);
    if (lukshdrIdentityIsRemote(identity)) {
        lukshdrXMLSetAttribute(node, "type",
                               identity->type == LUKSHDR_IDENTITY_RBD ? "rbd" : "iscsi");
        lukshdrXMLSetAttribute(node, "id", identity->id);
        return;
    }

    lukshdrXMLSetAttribute(node, "type",
                           identity->type == LUKSHDR_IDENTITY_BLOCK ? "block" : "file");
    lukshdrIdentityFormatNumber(node, "dev", identity->dev);
    if (identity->id[0])
        lukshdrXMLSetAttribute(node, "id", identity->id);
    if (identity->type == LUKSHDR_IDENTITY_BLOCK)
        return;

    lukshdrIdentityFormatNumber(node, "inode", identity->inode);
    birth = g_strdup_printf("%" G_GINT64_FORMAT ".%09" G_GUINT32_FORMAT, identity->birthSec,
                            identity->birthNsec);
    lukshdrXMLSetAttribute(node, "birth", birth);
    /* what else tells one file from the next with its number */
    if (!lukshdrIdentityHasBirth(identity) && identity->size)
        lukshdrIdentityFormatNumber(node, "size", identity->size);
}

static bool
lukshdrIdentityParseNumber(xmlNode *node, const char *name, guint64 *value, GError **error)
{
    g_autofree char *text = lukshdrXMLAttribute(node, name);

    if (!text || !g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, value, NULL)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("attribute '%s' of an identity must be a number"), name);
        return false;
    }
    return true;
}

/* It becomes part of keys and messages */
static bool
lukshdrIdentityParseId(xmlNode *node, char *id, GError **error)
{
    g_autofree char *text = lukshdrXMLAttribute(node, "id");

    if (!text)
        return true;

    lukshdrIdentityAppend(id, text);
    if (*text && g_str_equal(id, text))
        return true;

    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("malformed id of an identity"));
    return false;
}

static bool
lukshdrIdentityParseSize(xmlNode *node, guint64 *size, GError **error)
{
    g_autofree char *text = lukshdrXMLAttribute(node, "size");

    return !text || lukshdrIdentityParseNumber(node, "size", size, error);
}

static bool
lukshdrIdentityParseBirth(xmlNode *node, lukshdrIdentity *identity, GError **error)
{
    g_autofree char *text = lukshdrXMLAttribute(node, "birth");
    g_auto(GStrv) parts = g_strsplit(text ? text : "", ".", 2);
    guint64 nsec;

    if (g_strv_length(parts) != 2 ||
        !g_ascii_string_to_signed(parts[0], 10, G_MININT64, G_MAXINT64, &identity->birthSec,
                                  NULL) ||
        strlen(parts[1]) != 9 ||
        !g_ascii_string_to_unsigned(parts[1], 10, 0, 999999999, &nsec, NULL)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("malformed birth time of an identity"));
        return false;
    }
    identity->birthNsec = nsec;
    return true;
}

bool
lukshdrIdentityParse(xmlNode *parent, lukshdrIdentity *identity, GError **error)
{
    xmlNode *node = lukshdrXMLChild(parent, LUKSHDR_XML_IDENTITY);
    g_autofree char *type = NULL;

    *identity = (lukshdrIdentity){ 0 };
    if (!node)
        return true;

    type = lukshdrXMLAttribute(node, "type");
    if (!lukshdrIdentityParseId(node, identity->id, error))
        return false;

    /* without an id it would be any image */
    if (g_strcmp0(type, "rbd") == 0 && strchr(identity->id, ':')) {
        identity->type = LUKSHDR_IDENTITY_RBD;
        return true;
    }
    if (g_strcmp0(type, "iscsi") == 0 && identity->id[0]) {
        identity->type = LUKSHDR_IDENTITY_ISCSI;
        return true;
    }
    if (!lukshdrIdentityParseNumber(node, "dev", &identity->dev, error))
        return false;

    if (g_strcmp0(type, "block") == 0) {
        identity->type = LUKSHDR_IDENTITY_BLOCK;
        return true;
    }

    if (g_strcmp0(type, "file") == 0) {
        identity->type = LUKSHDR_IDENTITY_FILE;
        return lukshdrIdentityParseNumber(node, "inode", &identity->inode, error) &&
               lukshdrIdentityParseBirth(node, identity, error) &&
               lukshdrIdentityParseSize(node, &identity->size, error);
    }

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("unknown type of an identity: '%s'"),
                type ? type : "");
    return false;
}
