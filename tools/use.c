/*
 * use.c: which running domains use a volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "use.h"

#include <stdlib.h>
#include <string.h>

#include "link/remote-xml.h"
#include "util/text.h"
#include "util/xml.h"

struct _lukshdrToolUse {
    /* "/path" or "pool/volume" -> names of the domains that have such a disk; several domains can
     * share one */
    GHashTable *domains; /* char * -> GPtrArray of char * */
    GPtrArray *remotes;  /* lukshdrToolUseRemote *: images of clusters, by more than a name */
};

typedef struct _lukshdrToolUseRemote lukshdrToolUseRemote;
struct _lukshdrToolUseRemote {
    lukshdrRemote *remote;
    char *domain;
};

static void
lukshdrToolUseRemoteFree(void *opaque)
{
    lukshdrToolUseRemote *use = opaque;

    lukshdrRemoteFree(use->remote);
    g_free(use->domain);
    g_free(use);
}

static void
lukshdrToolUseAdd(lukshdrToolUse *use, char *key, const char *domain)
{
    GPtrArray *names = g_hash_table_lookup(use->domains, key);

    if (!names) {
        names = g_ptr_array_new_with_free_func(g_free);
        g_hash_table_insert(use->domains, g_strdup(key), names);
    }
    if (!g_ptr_array_find_with_equal_func(names, domain, g_str_equal, NULL))
        g_ptr_array_add(names, g_strdup(domain));
    g_free(key);
}

/* All <source> below @node: of disks, their mirrors and their backing chains */
static void
lukshdrToolUseRead(lukshdrToolUse *use, xmlNode *node, const char *domain)
{
    for (node = lukshdrXMLChild(node, NULL); node; node = lukshdrXMLNext(node, NULL)) {
        if (xmlStrEqual(node->name, BAD_CAST LUKSHDR_XML_SOURCE)) {
            char *path = lukshdrXMLAttribute(node, "file");
            g_autofree char *pool = lukshdrXMLAttribute(node, "pool");
            g_autofree char *volume = lukshdrXMLAttribute(node, "volume");
            lukshdrRemote *remote;

            if ((remote = lukshdrRemoteFromDisk(node))) {
                lukshdrToolUseRemote *entry = g_new0(lukshdrToolUseRemote, 1);

                entry->remote = remote;
                entry->domain = g_strdup(domain);
                g_ptr_array_add(use->remotes, entry);
            }
            if (!path)
                path = lukshdrXMLAttribute(node, "dev");
            if (path)
                lukshdrToolUseAdd(use, path, domain);
            if (pool && volume)
                lukshdrToolUseAdd(use, g_strdup_printf("%s/%s", pool, volume), domain);
        }
        lukshdrToolUseRead(use, node, domain);
    }
}

/* @image is a <disk> or a <backingStore> */
static char *
lukshdrToolUseOverlayOf(xmlNode *image, const char *uuid)
{
    xmlNode *source;
    xmlNode *below;

    for (; (below = lukshdrXMLChild(image, LUKSHDR_XML_BACKING_STORE)); image = below) {
        xmlNode *secret;
        g_autofree char *named = NULL;

        source = lukshdrXMLChild(image, LUKSHDR_XML_SOURCE);
        secret = lukshdrXMLChild(lukshdrXMLChild(source, LUKSHDR_XML_ENCRYPTION),
                                 LUKSHDR_XML_SECRET);
        named = secret ? lukshdrXMLAttribute(secret, LUKSHDR_XML_UUID) : NULL;
        if (lukshdrXMLChild(below, LUKSHDR_XML_SOURCE) && lukshdrTextSameUUID(named, uuid))
            return lukshdrXMLAttribute(source, LUKSHDR_XML_FILE);
    }
    return NULL;
}

char *
lukshdrToolUseFindOverlay(lukshdrTool *tool, const char *uuid, char **domain)
{
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(tool->conn, &domains, 0);
    char *found = NULL;
    int i;

    *domain = NULL;
    for (i = 0; i < count; i++) {
        char *xml = found ? NULL : virDomainGetXMLDesc(domains[i], 0);
        g_autoptr(xmlDoc) doc = xml ? lukshdrXMLParse(xml, strlen(xml), "domain", NULL) : NULL;
        xmlNode *devices = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_DEVICES)
                               : NULL;
        xmlNode *node;

        for (node = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); node && !found;
             node = lukshdrXMLNext(node, LUKSHDR_XML_DISK))
            found = lukshdrToolUseOverlayOf(node, uuid);
        if (found && !*domain)
            *domain = g_strdup(virDomainGetName(domains[i]));
        free(xml);
        virDomainFree(domains[i]);
    }
    free(domains);
    return found;
}

lukshdrToolUse *
lukshdrToolUseNew(lukshdrTool *tool)
{
    lukshdrToolUse *use = g_new0(lukshdrToolUse, 1);
    virDomainPtr *domains = NULL;
    int count = virConnectListAllDomains(tool->conn, &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    int i;

    use->domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify)g_ptr_array_unref);
    use->remotes = g_ptr_array_new_with_free_func(lukshdrToolUseRemoteFree);
    for (i = 0; i < count; i++) {
        char *xml = virDomainGetXMLDesc(domains[i], 0);
        g_autoptr(xmlDoc) doc = xml ? lukshdrXMLParse(xml, strlen(xml), "domain", NULL) : NULL;
        xmlNode *devices = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_DEVICES)
                               : NULL;
        xmlNode *node;

        for (node = lukshdrXMLChild(devices, LUKSHDR_XML_DISK); node;
             node = lukshdrXMLNext(node, LUKSHDR_XML_DISK))
            lukshdrToolUseRead(use, node, virDomainGetName(domains[i]));
        free(xml);
        virDomainFree(domains[i]);
    }
    free(domains);
    return use;
}

void
lukshdrToolUseFree(lukshdrToolUse *use)
{
    if (!use)
        return;

    g_hash_table_unref(use->domains);
    g_ptr_array_unref(use->remotes);
    g_free(use);
}

static void
lukshdrToolUseAddTo(GPtrArray *users, const char *name)
{
    if (!g_ptr_array_find_with_equal_func(users, name, g_str_equal, NULL))
        g_ptr_array_add(users, g_strdup(name));
}

static void
lukshdrToolUseCopy(lukshdrToolUse *use, const char *key, GPtrArray *users)
{
    GPtrArray *names = g_hash_table_lookup(use->domains, key);
    guint i;

    for (i = 0; names && i < names->len; i++)
        lukshdrToolUseAddTo(users, g_ptr_array_index(names, i));
}

void
lukshdrToolUseFind(lukshdrToolUse *use, const lukshdrToolVolume *volume, GPtrArray *users)
{
    g_autofree char *name = g_strdup_printf("%s/%s", volume->pool, volume->name);
    guint i;

    if (!volume->remote)
        lukshdrToolUseCopy(use, volume->path, users);
    lukshdrToolUseCopy(use, name, users);
    for (i = 0; volume->remote && i < use->remotes->len; i++) {
        const lukshdrToolUseRemote *entry = g_ptr_array_index(use->remotes, i);

        if (lukshdrRemoteIsOwnName(volume->remote, entry->remote))
            lukshdrToolUseAddTo(users, entry->domain);
    }
}
