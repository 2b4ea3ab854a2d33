/*
 * decrypted.c: plain volumes that were made of linked ones
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A record is a file with the digest of the volume's path for a name.
 */

#include "config.h"

#include "decrypted.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "luks.h"
#include "util/file.h"
#include "util/text.h"
#include "util/xml.h"

#define LUKSHDR_DECRYPTED "decrypted" /* the root element */

/* The path of the volume at @path, with no symbolic link among its directories */
static char *
lukshdrDecryptedResolve(const char *path)
{
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *real = realpath(parent, NULL); /* malloc is GLib's allocator since 2.46 */

    return g_build_filename(real ? real : parent, base, NULL);
}

static char *
lukshdrDecryptedFile(const char *dir, const char *path)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);
    g_autofree char *name = g_strconcat(digest, ".xml", NULL);

    return g_build_filename(dir, name, NULL);
}

bool
lukshdrDecryptedStore(const char *dir, const lukshdrVolume *vol, const char *secret, GError **error)
{
    g_autofree char *path = lukshdrDecryptedResolve(vol->path);
    g_autofree char *file = lukshdrDecryptedFile(dir, path);
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *root = xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_DECRYPTED, NULL);
    g_autofree char *text = NULL;

    xmlDocSetRootElement(doc, root);
    lukshdrXMLSetAttribute(root, LUKSHDR_XML_SECRET, secret);
    lukshdrXMLAddChild(root, LUKSHDR_XML_PATH, path);
    lukshdrIdentityFormat(root, &vol->identity);
    text = lukshdrXMLFormat(root);
    return lukshdrFileWrite(file, text, error);
}

bool
lukshdrDecryptedForget(const char *dir, const char *path, GError **error)
{
    g_autofree char *resolved = lukshdrDecryptedResolve(path);
    g_autofree char *file = lukshdrDecryptedFile(dir, resolved);

    return access(file, F_OK) < 0 || lukshdrFileRemove(file, error);
}

/* Is what stands at @path the volume of @record, and without a LUKS header? */
static bool
lukshdrDecryptedMatches(xmlNode *record, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
    lukshdrIdentity recorded;
    lukshdrIdentity found;
    lukshdrLuksHeader header;
    bool same;

    if (fd < 0)
        return false;
    same = lukshdrIdentityParse(record, &recorded, NULL) &&
           lukshdrIdentityFromFD(fd, &found, NULL) &&
           lukshdrIdentityCompare(&recorded, &found) == LUKSHDR_IDENTITY_SAME &&
           !lukshdrLuksRead(fd, &header, NULL);
    close(fd);
    return same;
}

bool
lukshdrDecryptedIs(const char *dir, const char *path, const char *secret)
{
    g_autofree char *resolved = lukshdrDecryptedResolve(path);
    g_autofree char *file = lukshdrDecryptedFile(dir, resolved);
    g_autofree char *text = NULL;
    g_autofree char *said = NULL;
    g_autofree char *where = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *root;

    if (access(file, F_OK) < 0 || !lukshdrFileRead(file, &text, NULL) ||
        !(doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_DECRYPTED, NULL)))
        return false;

    root = xmlDocGetRootElement(doc);
    if (lukshdrXMLChild(root, LUKSHDR_XML_PATH))
        where = lukshdrXMLText(lukshdrXMLChild(root, LUKSHDR_XML_PATH));
    said = lukshdrXMLAttribute(root, LUKSHDR_XML_SECRET);
    return lukshdrTextSame(where, resolved) && lukshdrTextSameUUID(said, secret) &&
           lukshdrDecryptedMatches(root, resolved);
}
