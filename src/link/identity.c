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
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util/error.h"
#include "util/xml.h"

static bool
lukshdrIdentityFromStatx(const struct statx *stx,
                         const char *what,
                         lukshdrIdentity *identity,
                         GError **error)
{
    *identity = (lukshdrIdentity){ 0 };

    if (S_ISREG(stx->stx_mode)) {
        identity->type = LUKSHDR_IDENTITY_FILE;
        identity->dev = makedev(stx->stx_dev_major, stx->stx_dev_minor);
        identity->inode = stx->stx_ino;
        if (stx->stx_mask & STATX_BTIME) {
            identity->birthSec = stx->stx_btime.tv_sec;
            identity->birthNsec = stx->stx_btime.tv_nsec;
        }
        return true;
    }

    if (S_ISBLK(stx->stx_mode)) {
        identity->type = LUKSHDR_IDENTITY_BLOCK;
        identity->dev = makedev(stx->stx_rdev_major, stx->stx_rdev_minor);
        return true;
    }

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                _("'%s' is neither a regular file nor a block device"), what);
    return false;
}

bool
lukshdrIdentityFromPath(const char *path, lukshdrIdentity *identity, GError **error)
{
    struct statx stx;

    if (statx(AT_FDCWD, path, AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_BTIME, &stx) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to examine '%s'"), path);
        return false;
    }

    return lukshdrIdentityFromStatx(&stx, path, identity, error);
}

bool
lukshdrIdentityFromFD(int fd, lukshdrIdentity *identity, GError **error)
{
    struct statx stx;

    if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_BTIME,
              &stx) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to examine an open volume"));
        return false;
    }

    return lukshdrIdentityFromStatx(&stx, _("open volume"), identity, error);
}

lukshdrIdentityMatch
lukshdrIdentityCompare(const lukshdrIdentity *recorded, const lukshdrIdentity *found)
{
    bool birthKnown;

    if (recorded->type == LUKSHDR_IDENTITY_NONE || recorded->type != found->type)
        return LUKSHDR_IDENTITY_DIFFERENT;

    if (recorded->type == LUKSHDR_IDENTITY_BLOCK)
        return recorded->dev == found->dev ? LUKSHDR_IDENTITY_UNCERTAIN
                                           : LUKSHDR_IDENTITY_DIFFERENT;

    if (recorded->inode != found->inode)
        return LUKSHDR_IDENTITY_DIFFERENT;

    birthKnown = (recorded->birthSec || recorded->birthNsec) &&
                 (found->birthSec || found->birthNsec);

    if (birthKnown &&
        (recorded->birthSec != found->birthSec || recorded->birthNsec != found->birthNsec))
        return LUKSHDR_IDENTITY_DIFFERENT;

    if (recorded->dev != found->dev) {
        /* NFS has no birth times, and another device number at every mount */
        bool noBirth = !recorded->birthSec && !recorded->birthNsec && !found->birthSec &&
                       !found->birthNsec;

        return birthKnown || noBirth ? LUKSHDR_IDENTITY_UNCERTAIN : LUKSHDR_IDENTITY_DIFFERENT;
    }

    return birthKnown ? LUKSHDR_IDENTITY_SAME : LUKSHDR_IDENTITY_UNCERTAIN;
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
    lukshdrXMLSetAttribute(node, "type",
                           identity->type == LUKSHDR_IDENTITY_BLOCK ? "block" : "file");
    lukshdrIdentityFormatNumber(node, "dev", identity->dev);
    if (identity->type == LUKSHDR_IDENTITY_BLOCK)
        return;

    lukshdrIdentityFormatNumber(node, "inode", identity->inode);
    birth = g_strdup_printf("%" G_GINT64_FORMAT ".%09" G_GUINT32_FORMAT, identity->birthSec,
                            identity->birthNsec);
    lukshdrXMLSetAttribute(node, "birth", birth);
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
    if (!lukshdrIdentityParseNumber(node, "dev", &identity->dev, error))
        return false;

    if (g_strcmp0(type, "block") == 0) {
        identity->type = LUKSHDR_IDENTITY_BLOCK;
        return true;
    }

    if (g_strcmp0(type, "file") == 0) {
        identity->type = LUKSHDR_IDENTITY_FILE;
        return lukshdrIdentityParseNumber(node, "inode", &identity->inode, error) &&
               lukshdrIdentityParseBirth(node, identity, error);
    }

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("unknown type of an identity: '%s'"),
                type ? type : "");
    return false;
}
