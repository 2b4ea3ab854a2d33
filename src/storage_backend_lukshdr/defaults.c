/*
 * defaults.c: what a pool's volumes get: the encryption default
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "defaults.h"

#include <glib/gi18n-lib.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "util/file.h"
#include "link/header-pools.h"
#include "util/xml.h"

/* How long one who wants to change a pool waits for another who is at it, microseconds: to build
 * one may take minutes, to define one takes none */
#define LUKSHDR_DEFAULT_WAIT (30 * G_USEC_PER_SEC)

/* The one type of pool without host paths whose volumes can be payloads (libvirt's
 * virStoragePoolType) */
#define LUKSHDR_DEFAULT_RBD "rbd"

struct _lukshdrStorageDefaultHold {
    char *uuid;
};

/* The lock protects the list.  It is a leaf: nothing is called under it. */
static GMutex lukshdrDefaultLock;
static GCond lukshdrDefaultReleased;
static GPtrArray *lukshdrDefaultHolds; /* lukshdrStorageDefaultHold *, each owned by its thread */

static bool
lukshdrStorageDefaultIsHeld(const char *uuid)
{
    guint i;

    for (i = 0; i < lukshdrDefaultHolds->len; i++) {
        const lukshdrStorageDefaultHold *hold = g_ptr_array_index(lukshdrDefaultHolds, i);

        if (g_str_equal(hold->uuid, uuid))
            return true;
    }
    return false;
}

lukshdrStorageDefaultHold *
lukshdrStorageDefaultTake(const char *uuid, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrDefaultLock);
    gint64 deadline = g_get_monotonic_time() + LUKSHDR_DEFAULT_WAIT;
    lukshdrStorageDefaultHold *hold;

    if (!lukshdrDefaultHolds)
        lukshdrDefaultHolds = g_ptr_array_new();

    while (lukshdrStorageDefaultIsHeld(uuid)) {
        if (g_cond_wait_until(&lukshdrDefaultReleased, &lukshdrDefaultLock, deadline))
            continue;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("storage pool %s is being defined, built, stopped or undefined by another "
                      "client, which takes long; try again later"),
                    uuid);
        return NULL;
    }

    hold = g_new0(lukshdrStorageDefaultHold, 1);
    hold->uuid = g_strdup(uuid);
    g_ptr_array_add(lukshdrDefaultHolds, hold);
    return hold;
}

void
lukshdrStorageDefaultRelease(lukshdrStorageDefaultHold *hold)
{
    if (!hold)
        return;

    g_mutex_lock(&lukshdrDefaultLock);
    g_ptr_array_remove_fast(lukshdrDefaultHolds, hold);
    g_cond_broadcast(&lukshdrDefaultReleased);
    g_mutex_unlock(&lukshdrDefaultLock);
    g_free(hold->uuid);
    g_free(hold);
}

static char *
lukshdrStorageDefaultPath(const char *dir, const char *uuid)
{
    g_autofree char *file = g_strconcat(uuid, ".xml", NULL);

    return g_build_filename(dir, file, NULL);
}

/* A default names the pools of the headers and leaves their names to each volume */
static bool
lukshdrStorageDefaultCheckHeader(xmlNode *header)
{
    static const char *const children[] = { LUKSHDR_XML_SOURCE, NULL };
    g_autofree char *action = lukshdrXMLAttribute(header, LUKSHDR_XML_HEADER_LINK);
    unsigned int count = 0;
    xmlNode *node;

    if (action || !lukshdrXMLOnlyChildren(header, children, NULL))
        return false;

    for (node = lukshdrXMLChild(header, NULL); node; node = lukshdrXMLNext(node, NULL)) {
        g_autofree char *pool = lukshdrXMLAttribute(node, LUKSHDR_XML_POOL);
        g_autofree char *volume = lukshdrXMLAttribute(node, LUKSHDR_XML_VOLUME);

        if (!pool || !*pool || volume)
            return false;
        count++;
    }
    return count > 0;
}

static bool
lukshdrStorageDefaultCheck(xmlNode *encryption, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_CIPHER, LUKSHDR_XML_IVGEN,
                                            LUKSHDR_XML_SECRET, LUKSHDR_XML_HEADER, NULL };
    g_autofree char *format = lukshdrXMLAttribute(encryption, LUKSHDR_XML_FORMAT);
    xmlNode *header = lukshdrXMLChild(encryption, LUKSHDR_XML_HEADER);

    if (g_strcmp0(format, "luks") || !lukshdrXMLOnlyChildren(encryption, children, NULL) ||
        lukshdrXMLChildCount(encryption, LUKSHDR_XML_HEADER) != 1 ||
        !lukshdrStorageDefaultCheckHeader(header)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("the encryption default of a pool must be of the form <encryption "
                              "format='luks'><header type='volume'><source pool='...'/></header>"
                              "</encryption>"));
        return false;
    }
    return true;
}

/* A default that no volume could have is noticed when it is written, not when it is needed.  Types
 * of pools: libvirt's virStoragePoolType. */
static bool
lukshdrStorageDefaultCheckType(const char *type, GError **error)
{
    static const char *const remote[] = { "gluster", "iscsi-direct", "sheepdog", NULL };

    if (!type || !g_strv_contains(remote, type))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                g_str_equal(type, "iscsi-direct")
                    ? _("libvirt makes no volumes in pools of type '%s', and headers there are "
                        "linked by their names; leave <encryption> and <headers> out")
                    : _("volumes of pools of type '%s' have no path on the host, so they can be "
                        "neither payloads nor headers; leave <encryption> and <headers> out"),
                type);
    return false;
}

/* Moves @node, if there is one, below the root of @ours */
static void
lukshdrStorageDefaultMove(xmlNode *node, xmlDoc *ours)
{
    /* a copy: names of nodes may belong to the dictionary of their document */
    if (node) {
        xmlAddChild(xmlDocGetRootElement(ours), xmlDocCopyNode(node, ours, 1));
        xmlUnlinkNode(node);
        xmlFreeNode(node);
    }
}

static xmlDoc *
lukshdrStorageDefaultNew(void)
{
    xmlDoc *doc = xmlNewDoc(NULL);

    xmlDocSetRootElement(doc, xmlNewDocNode(doc, NULL, BAD_CAST LUKSHDR_XML_POOL, NULL));
    return doc;
}

/* The UUID that stock reads in @text, as it writes it itself: files have that for a name.  It takes
 * 32 hexadecimal digits, in capitals or not, and '-' and ' ' between any two pairs. */
static char *
lukshdrStorageDefaultUUID(const char *text)
{
    g_autoptr(GString) uuid = g_string_new(NULL);
    unsigned int digits = 0;

    for (; *text; text++) {
        if (g_ascii_isspace(*text) || *text == '-')
            continue;
        if (!g_ascii_isxdigit(*text))
            return NULL;
        if (digits == 8 || digits == 12 || digits == 16 || digits == 20)
            g_string_append_c(uuid, '-');
        g_string_append_c(uuid, g_ascii_tolower(*text));
        digits++;
    }
    return digits == 32 ? g_string_free(g_steal_pointer(&uuid), FALSE) : NULL;
}

bool
lukshdrStorageDefaultSplit(const char *text,
                           char **uuid,
                           char **stock,
                           xmlDoc **ours,
                           GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, &local);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *target = root ? lukshdrXMLChild(root, LUKSHDR_XML_TARGET) : NULL;
    xmlNode *encryption = target ? lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION) : NULL;
    xmlNode *headers = target ? lukshdrXMLChild(target, LUKSHDR_XML_HEADERS) : NULL;
    g_autofree char *type = root ? lukshdrXMLAttribute(root, LUKSHDR_XML_TYPE) : NULL;
    xmlNode *node;

    *uuid = NULL;
    *stock = NULL;
    *ours = NULL;

    if (!doc) {
        if (!strstr(text, LUKSHDR_XML_ENCRYPTION) && !strstr(text, LUKSHDR_XML_HEADERS))
            return true;
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }

    if (target && (lukshdrXMLChildCount(target, LUKSHDR_XML_ENCRYPTION) > 1 ||
                   lukshdrXMLChildCount(target, LUKSHDR_XML_HEADERS) > 1)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("a pool can have only one encryption default"));
        return false;
    }
    /* stock takes the first, and the other would be in its place when ours is taken out */
    if ((encryption || headers) && lukshdrXMLChildCount(root, LUKSHDR_XML_TARGET) > 1) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("a pool with an encryption default, or one that is declared to hold "
                              "headers, can have only one target"));
        return false;
    }
    if (((encryption || headers) && !lukshdrStorageDefaultCheckType(type, error)) ||
        (encryption && !lukshdrStorageDefaultCheck(encryption, error)))
        return false;

    /* stock replaces the definition of a pool by UUID; of a new one it would make one up */
    if ((node = lukshdrXMLChild(root, LUKSHDR_XML_UUID))) {
        g_autofree char *given = lukshdrXMLText(node);

        /* what is none is refused by stock, in its own words */
        if (!(*uuid = lukshdrStorageDefaultUUID(given)) && !encryption && !headers)
            return true;
        if (!*uuid) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                                _("malformed uuid element"));
            return false;
        }
    } else if (encryption || headers) {
        *uuid = g_uuid_string_random();
        lukshdrXMLAddChild(root, LUKSHDR_XML_UUID, *uuid);
    } else {
        return true;
    }

    if (encryption || headers) {
        *ours = lukshdrStorageDefaultNew();
        lukshdrStorageDefaultMove(encryption, *ours);
        lukshdrStorageDefaultMove(headers, *ours);
        /* such a pool has none, by libvirt's schema */
        if (g_strcmp0(type, LUKSHDR_DEFAULT_RBD) == 0 && !lukshdrXMLChild(target, NULL)) {
            xmlUnlinkNode(target);
            xmlFreeNode(target);
        }
        *stock = lukshdrXMLFormat(root);
    }
    return true;
}

char *
lukshdrStorageDefaultShow(const char *text, xmlDoc *ours)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, NULL);
    g_autofree char *shown = NULL;
    xmlNode *target;
    xmlNode *node;

    if (!doc)
        return NULL;

    if (!(target = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET)))
        target = lukshdrXMLAddChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET, NULL);

    for (node = lukshdrXMLChild(xmlDocGetRootElement(ours), NULL); node;
         node = lukshdrXMLNext(node, NULL))
        xmlAddChild(target, xmlDocCopyNode(node, doc, 1));

    shown = lukshdrXMLFormatShown(xmlDocGetRootElement(doc));
    return strdup(shown);
}

GPtrArray *
lukshdrStorageDefaultPools(xmlDoc *ours)
{
    GPtrArray *pools = g_ptr_array_new_with_free_func(g_free);
    xmlNode *encryption = ours ? lukshdrXMLChild(xmlDocGetRootElement(ours), LUKSHDR_XML_ENCRYPTION)
                               : NULL;
    xmlNode *header = encryption ? lukshdrXMLChild(encryption, LUKSHDR_XML_HEADER) : NULL;
    xmlNode *node;

    for (node = header ? header->children : NULL; node; node = node->next) {
        if (node->type == XML_ELEMENT_NODE)
            g_ptr_array_add(pools, lukshdrXMLAttribute(node, LUKSHDR_XML_POOL));
    }
    return pools;
}

char *
lukshdrStorageDefaultStandIn(const char *name)
{
    g_autoptr(xmlDoc) doc = lukshdrStorageDefaultNew();
    xmlNode *root = xmlDocGetRootElement(doc);

    lukshdrXMLSetAttribute(root, "type", "dir");
    lukshdrXMLAddChild(root, LUKSHDR_XML_NAME, name);
    lukshdrXMLAddChild(lukshdrXMLAddChild(root, LUKSHDR_XML_TARGET, NULL), "path", "/");
    return lukshdrXMLFormat(root);
}

bool
lukshdrStorageDefaultIsSame(xmlDoc *a, xmlDoc *b)
{
    g_autofree char *textA = a ? lukshdrXMLFormat(xmlDocGetRootElement(a)) : NULL;
    g_autofree char *textB = b ? lukshdrXMLFormat(xmlDocGetRootElement(b)) : NULL;

    return g_strcmp0(textA, textB) == 0;
}

bool
lukshdrStorageDefaultLoad(const char *dir, const char *uuid, xmlDoc **ours, GError **error)
{
    g_autofree char *path = lukshdrStorageDefaultPath(dir, uuid);
    g_autofree char *text = NULL;

    *ours = NULL;
    if (!g_file_test(path, G_FILE_TEST_EXISTS))
        return true;

    return lukshdrFileRead(path, &text, error) &&
           (*ours = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, error));
}

bool
lukshdrStorageDefaultStore(const char *dir, const char *uuid, xmlDoc *ours, GError **error)
{
    g_autofree char *path = lukshdrStorageDefaultPath(dir, uuid);
    g_autofree char *text = NULL;

    if (!ours)
        return lukshdrFileRemove(path, error);

    text = lukshdrXMLFormat(xmlDocGetRootElement(ours));
    return lukshdrFileWrite(path, text, error);
}

char *
lukshdrStorageDefaultApply(const char *text, xmlDoc *ours, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    g_autofree char *format = NULL;
    xmlNode *theirs;
    xmlNode *target;
    xmlNode *encryption;

    /* nothing is ours */
    if (!ours && !strstr(text, LUKSHDR_XML_FORMAT_NONE))
        return g_strdup(text);

    if (!(doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, &local))) {
        if (!ours)
            return g_strdup(text); /* stock has words of its own for it */
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    theirs = ours ? lukshdrXMLChild(xmlDocGetRootElement(ours), LUKSHDR_XML_ENCRYPTION) : NULL;

    if (!(target = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET)))
        target = lukshdrXMLAddChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET, NULL);

    if (!(encryption = lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION))) {
        if (!ours)
            return g_strdup(text);
        if (theirs)
            xmlAddChild(target, xmlDocCopyNode(theirs, doc, 1));
        return lukshdrXMLFormat(xmlDocGetRootElement(doc));
    }

    format = lukshdrXMLAttribute(encryption, LUKSHDR_XML_FORMAT);
    if (g_strcmp0(format, LUKSHDR_XML_FORMAT_NONE) == 0) {
        xmlUnlinkNode(encryption);
        xmlFreeNode(encryption);
        return lukshdrXMLFormat(xmlDocGetRootElement(doc));
    }
    return g_strdup(text);
}

bool
lukshdrStorageDefaultGives(const char *text, xmlDoc *ours)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, NULL);

    return doc && ours && lukshdrXMLChild(xmlDocGetRootElement(ours), LUKSHDR_XML_ENCRYPTION) &&
           !lukshdrXMLChild(lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET),
                            LUKSHDR_XML_ENCRYPTION);
}

bool
lukshdrStorageDefaultDeclares(const char *dir, const char *uuid, const char *name)
{
    g_autoptr(GDir) entries = g_dir_open(dir, 0, NULL);
    const char *file;

    while (entries && (file = g_dir_read_name(entries))) {
        g_autofree char *owner = g_strndup(file, VIR_UUID_STRING_BUFLEN - 1);
        g_autoptr(xmlDoc) ours = NULL;

        if (!g_str_has_suffix(file, ".xml") || !g_uuid_string_is_valid(owner) ||
            !lukshdrStorageDefaultLoad(dir, owner, &ours, NULL) || !ours)
            continue;
        if (lukshdrHeaderPoolsDeclaredBy(ours, owner, uuid, name))
            return true;
    }
    return false;
}
