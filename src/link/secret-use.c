/*
 * secret-use.c: does a domain of this host name a secret?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "secret-use.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "remote-xml.h"
#include "util/error.h"
#include "util/io.h"
#include "util/paths.h"
#include "util/text.h"
#include "util/xml.h"

/* What managed save writes before the domain's XML: struct _virQEMUSaveHeader in libvirt's
 * qemu_saveimage.h.  Two words, then numbers in the byte order of the host that wrote them. */
#define LUKSHDR_SAVE_MAGIC "LibvirtQemud"
#define LUKSHDR_SAVE_LENGTH_OFFSET 20
#define LUKSHDR_SAVE_HEADER_LEN 92

typedef struct _lukshdrSecretUse lukshdrSecretUse;
struct _lukshdrSecretUse {
    const char *uuid;
    const char *usage;
    const lukshdrVolume *except;
    lukshdrRegistry *registry; /* while definitions of domains are looked at, else NULL */
    char *user;
};

/* Whether @vol is what a disk names: as volume @volume of pool @pool, as an image, or by its path */
static bool
lukshdrSecretUseIsVolume(const lukshdrVolume *vol,
                         const char *pool,
                         const char *volume,
                         const lukshdrRemote *remote,
                         const char *path)
{
    if (lukshdrTextSame(pool, vol->pool) && lukshdrTextSame(volume, vol->volume))
        return true;
    if (remote)
        return vol->remote && lukshdrRemoteIsOwnName(vol->remote, remote);
    return path && (lukshdrTextSame(path, vol->path) || lukshdrHandleIsOwnName(vol, path));
}

/* Whether what a disk names is the payload of a link that has another secret.  A domain whose XML
 * was copied from another one (virt-clone) names the secret of that one's volume until it starts:
 * then it gets the right one (the QEMU half's renew.c). */
static bool
lukshdrSecretUseIsOthers(const lukshdrSecretUse *use,
                         const char *pool,
                         const char *volume,
                         const lukshdrRemote *remote,
                         const char *path)
{
    g_autofree char *where = remote ? lukshdrRemoteDescribe(remote) : g_strdup(path);
    g_autoptr(lukshdrLink) named = NULL;
    g_autoptr(GPtrArray) links = NULL;
    guint i;

    if (where)
        links = lukshdrRegistryListAt(use->registry, where, NULL);
    else if (pool && volume)
        (void)lukshdrRegistryLookup(use->registry, pool, volume, &named, NULL, NULL);
    if (!links)
        links = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrLinkUnref);
    if (named)
        g_ptr_array_add(links, g_steal_pointer(&named));

    for (i = 0; i < links->len; i++) {
        const lukshdrLink *link = g_ptr_array_index(links, i);

        if (link->state == LUKSHDR_LINK_STATE_ACTIVE && link->secretUUID &&
            !lukshdrTextSameUUID(link->secretUUID, use->uuid) &&
            lukshdrSecretUseIsVolume(&link->payload, pool, volume, remote, path))
            return true;
    }
    return false;
}

/* Whether @node, an element with the secret's name, is the encryption of a disk that does not count:
 * <source> has the <encryption>, or, as older releases write it, <disk> has both */
static bool
lukshdrSecretUseIsExcepted(const lukshdrSecretUse *use, xmlNode *node)
{
    xmlNode *parent = node->parent ? node->parent->parent : NULL;
    xmlNode *source;
    g_autofree char *path = NULL;
    g_autofree char *pool = NULL;
    g_autofree char *volume = NULL;
    g_autoptr(lukshdrRemote) remote = NULL;

    if ((!use->except && !use->registry) || !xmlStrEqual(node->name, BAD_CAST LUKSHDR_XML_SECRET) ||
        !parent || parent->type != XML_ELEMENT_NODE ||
        !xmlStrEqual(node->parent->name, BAD_CAST LUKSHDR_XML_ENCRYPTION))
        return false;

    source = xmlStrEqual(parent->name, BAD_CAST LUKSHDR_XML_SOURCE)
                 ? parent
                 : lukshdrXMLChild(parent, LUKSHDR_XML_SOURCE);
    if (!source)
        return false;

    pool = lukshdrXMLAttribute(source, LUKSHDR_XML_POOL);
    volume = lukshdrXMLAttribute(source, LUKSHDR_XML_VOLUME);
    if (!(remote = lukshdrRemoteFromDisk(source)) &&
        !(path = lukshdrXMLAttribute(source, LUKSHDR_XML_FILE)))
        path = lukshdrXMLAttribute(source, LUKSHDR_XML_DEV);

    return (use->except && lukshdrSecretUseIsVolume(use->except, pool, volume, remote, path)) ||
           (use->registry && lukshdrSecretUseIsOthers(use, pool, volume, remote, path));
}

static bool
lukshdrSecretUseInElement(const lukshdrSecretUse *use, xmlNode *node)
{
    xmlNode *child;
    xmlAttr *attr;

    for (attr = node->properties; attr; attr = attr->next) {
        xmlChar *value = xmlNodeGetContent((xmlNode *)attr);
        bool names = lukshdrTextSameUUID((const char *)value, use->uuid) ||
                     (xmlStrEqual(attr->name, BAD_CAST "usage") &&
                      lukshdrTextSame((const char *)value, use->usage));

        xmlFree(value);
        if (names && !lukshdrSecretUseIsExcepted(use, node))
            return true;
    }

    for (child = node->children; child; child = child->next) {
        if (child->type == XML_ELEMENT_NODE && lukshdrSecretUseInElement(use, child))
            return true;
    }
    return false;
}

/* What managed save has written: sets @text to the domain's XML */
static bool
lukshdrSecretUseReadSaved(int fd, char **text, GError **error)
{
    char header[LUKSHDR_SAVE_HEADER_LEN];
    g_autofree char *found = NULL;
    guint32 length;

    if (!lukshdrIOReadAll(fd, header, sizeof(header), 0, error))
        return false;

    memcpy(&length, header + LUKSHDR_SAVE_LENGTH_OFFSET, sizeof(length));
    if (length > LUKSHDR_XML_MAX)
        length = GUINT32_SWAP_LE_BE(length);
    if (memcmp(header, LUKSHDR_SAVE_MAGIC, strlen(LUKSHDR_SAVE_MAGIC)) ||
        length > LUKSHDR_XML_MAX) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("it is no saved domain: it does not begin like one"));
        return false;
    }

    /* behind the NUL that ends the XML comes what the domain's processor is like */
    found = g_malloc0((gsize)length + 1);
    if (!lukshdrIOReadAll(fd, found, length, sizeof(header), error))
        return false;
    *text = g_steal_pointer(&found);
    return true;
}

static bool
lukshdrSecretUseReadFile(const char *path, char **text, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    bool ok = false;

    if (fd < 0 || fstat(fd, &st) < 0) {
        lukshdrErrorSetErrno(error, errno, "open");
    } else if (!S_ISREG(st.st_mode)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR, _("it is no regular file"));
    } else if (g_str_has_suffix(path, LUKSHDR_PATH_SAVED_SUFFIX)) {
        ok = lukshdrSecretUseReadSaved(fd, text, error);
    } else if (st.st_size > LUKSHDR_XML_MAX) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("it is longer than %d bytes"),
                    LUKSHDR_XML_MAX);
    } else {
        *text = g_malloc0((gsize)st.st_size + 1);
        /* libvirt replaces files as a whole, so one that is open does not change */
        ok = lukshdrIOReadAll(fd, *text, (gsize)st.st_size, 0, error);
    }

    if (fd >= 0)
        close(fd);
    return ok;
}

/* Looks into one file, which may have gone meanwhile */
static bool
lukshdrSecretUseLook(lukshdrSecretUse *use, const char *path, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GError) local = NULL;

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return true;

    if (!lukshdrSecretUseReadFile(path, &text, &local) ||
        ((strcasestr(text, use->uuid) || strstr(text, "usage=")) &&
         !(doc = lukshdrXMLParse(text, strlen(text), NULL, &local)))) {
        g_propagate_prefixed_error(error, g_steal_pointer(&local), _("Unable to read '%s': "),
                                   path);
        return false;
    }

    if (doc && lukshdrSecretUseInElement(use, xmlDocGetRootElement(doc)))
        use->user = g_strdup(path);
    return true;
}

/* @deep: what matters are the files of the directories in @path */
static bool
lukshdrSecretUseSearch(lukshdrSecretUse *use, const char *path, bool deep, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &local);
    const char *name;
    bool ok = true;

    if (!dir) {
        if (g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
            g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
            return true;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR, "%s", local->message);
        return false;
    }

    while (ok && !use->user && (name = g_dir_read_name(dir))) {
        g_autofree char *below = g_build_filename(path, name, NULL);

        if (deep)
            ok = lukshdrSecretUseSearch(use, below, false, error);
        else if (g_str_has_suffix(name, ".xml") ||
                 g_str_has_suffix(name, LUKSHDR_PATH_SAVED_SUFFIX))
            ok = lukshdrSecretUseLook(use, below, error);
    }
    return ok;
}

bool
lukshdrSecretUseFind(bool privileged,
                     const char *uuid,
                     const char *usage,
                     const lukshdrVolume *except,
                     lukshdrRegistry *registry,
                     char **user,
                     GError **error)
{
    lukshdrSecretUse use = { .uuid = uuid, .usage = usage, .except = except };
    g_auto(GStrv) dirs = lukshdrPathSecretUsers(privileged, false);
    g_auto(GStrv) deep = lukshdrPathSecretUsers(privileged, true);
    bool ok = true;
    guint i;

    for (i = 0; ok && !use.user && dirs[i]; i++) {
        /* the first has the definitions; nothing corrects what is in the others */
        use.registry = i == 0 ? registry : NULL;
        ok = lukshdrSecretUseSearch(&use, dirs[i], false, error);
    }
    use.registry = NULL;
    for (i = 0; ok && !use.user && deep[i]; i++)
        ok = lukshdrSecretUseSearch(&use, deep[i], true, error);

    *user = use.user;
    return ok;
}
