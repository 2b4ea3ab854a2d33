/*
 * volume.c: what a daemon says of its volumes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "volume.h"

#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "link/remote-xml.h"
#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"

lukshdrToolName *
lukshdrToolNameNew(const char *text)
{
    lukshdrToolName *name = g_new0(lukshdrToolName, 1);
    const char *slash = strchr(text, '/');

    name->pool = slash ? g_strndup(text, slash - text) : g_strdup(text);
    name->volume = slash ? g_strdup(slash + 1) : NULL;
    return name;
}

void
lukshdrToolNameFree(void *opaque)
{
    lukshdrToolName *name = opaque;

    g_free(name->pool);
    g_free(name->volume);
    g_free(name);
}

void
lukshdrToolVolumeFree(lukshdrToolVolume *volume)
{
    if (!volume)
        return;

    virStorageVolFree(volume->vol);
    g_free(volume->pool);
    g_free(volume->name);
    g_free(volume->path);
    lukshdrRemoteFree(volume->remote);
    g_free(volume->format);
    g_free(volume->backing);
    g_free(volume->linkState);
    g_free(volume->secretUUID);
    g_ptr_array_unref(volume->others);
    g_free(volume);
}

char *
lukshdrToolVolumeWhere(const lukshdrToolVolume *volume)
{
    return volume->remote ? lukshdrRemoteKey(volume->remote) : g_strdup(volume->path);
}

bool
lukshdrToolVolumeIsSource(const lukshdrToolVolume *volume, xmlNode *source)
{
    g_autofree char *path = lukshdrXMLAttribute(source, "file");
    g_autofree char *pool = lukshdrXMLAttribute(source, "pool");
    g_autofree char *name = lukshdrXMLAttribute(source, "volume");
    g_autoptr(lukshdrRemote) remote = lukshdrRemoteFromDisk(source);

    if (remote)
        return volume->remote && lukshdrRemoteIsOwnName(volume->remote, remote);

    if (!path)
        path = lukshdrXMLAttribute(source, "dev");
    return (!volume->remote && lukshdrTextSame(path, volume->path)) ||
           (lukshdrTextSame(pool, volume->pool) && lukshdrTextSame(name, volume->name));
}

const lukshdrToolName *
lukshdrToolVolumeOther(const lukshdrToolVolume *volume)
{
    return volume->others->len ? g_ptr_array_index(volume->others, 0) : NULL;
}

/* Reads the volumes that <header> or <payload> names */
static void
lukshdrToolVolumeReadOthers(lukshdrToolVolume *volume, xmlNode *node)
{
    const lukshdrToolName *first;
    xmlNode *source;

    for (source = lukshdrXMLChild(node, LUKSHDR_XML_SOURCE); source;
         source = lukshdrXMLNext(source, LUKSHDR_XML_SOURCE)) {
        g_autofree char *pool = lukshdrXMLAttribute(source, "pool");
        lukshdrToolName *name;

        if (!pool)
            continue;

        name = g_new0(lukshdrToolName, 1);
        name->pool = g_steal_pointer(&pool);
        name->volume = lukshdrXMLAttribute(source, "volume");
        /* a replica without a name has the header's name */
        if (!name->volume && (first = lukshdrToolVolumeOther(volume)))
            name->volume = g_strdup(first->volume);
        if (name->volume)
            g_ptr_array_add(volume->others, name);
        else
            lukshdrToolNameFree(name);
    }
}

static void
lukshdrToolVolumeReadEncryption(lukshdrToolVolume *volume, xmlNode *encryption)
{
    xmlNode *secret = lukshdrXMLChild(encryption, LUKSHDR_XML_SECRET);
    xmlNode *header = lukshdrXMLChild(encryption, LUKSHDR_XML_HEADER);
    xmlNode *payload = lukshdrXMLChild(encryption, LUKSHDR_XML_PAYLOAD);

    if (secret)
        volume->secretUUID = lukshdrXMLAttribute(secret, "uuid");

    if (header) {
        g_autofree char *link = lukshdrXMLAttribute(header, LUKSHDR_XML_HEADER_LINK);

        volume->role = LUKSHDR_TOOL_ROLE_PAYLOAD;
        volume->shared = g_strcmp0(link, "share") == 0;
        volume->linkState = lukshdrXMLAttribute(header, LUKSHDR_XML_STATE);
        lukshdrToolVolumeReadOthers(volume, header);
    } else if (payload) {
        xmlNode *source = lukshdrXMLChild(payload, LUKSHDR_XML_SOURCE);
        g_autofree char *state = source ? lukshdrXMLAttribute(source, LUKSHDR_XML_STATE) : NULL;

        volume->role = g_strcmp0(state, LUKSHDR_XML_STATE_FOUND) ? LUKSHDR_TOOL_ROLE_HEADER
                                                                 : LUKSHDR_TOOL_ROLE_FOUND;
        lukshdrToolVolumeReadOthers(volume, payload);
    }
    if (!volume->others->len)
        volume->role = LUKSHDR_TOOL_ROLE_NONE;
}

static bool
lukshdrToolVolumeRead(lukshdrToolVolume *volume, const char *text, GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, error);
    xmlNode *target;
    xmlNode *node;

    if (!doc)
        return false;

    if ((node = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_BACKING_STORE)) &&
        (node = lukshdrXMLChild(node, LUKSHDR_XML_PATH)))
        volume->backing = lukshdrXMLText(node);
    if ((target = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET))) {
        if ((node = lukshdrXMLChild(target, LUKSHDR_XML_FORMAT)))
            volume->format = lukshdrXMLAttribute(node, "type");
        if ((node = lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION)))
            lukshdrToolVolumeReadEncryption(volume, node);
    }
    /* for a partition of a disk, stock shows the partition's type as the format */
    if (!volume->format || volume->block) {
        g_free(volume->format);
        volume->format = g_strdup("raw");
    }
    return true;
}

/* Finds where a volume is whose path, as libvirt gives it, is no path on its host */
static bool
lukshdrToolVolumeReadRemote(lukshdrToolVolume *volume, virStoragePoolPtr pool, GError **error)
{
    char *text = virStoragePoolGetXMLDesc(pool, 0);
    g_autoptr(virSecret) secret = NULL;
    g_autofree char *usage = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN];
    bool ok;

    if (!text) {
        lukshdrToolSetLast(error);
        return false;
    }
    ok = lukshdrRemoteFromPool(text, volume->pool, volume->name, &volume->remote, &usage, error);
    free(text);
    if (!ok || !usage)
        return ok;

    if (!(secret = virSecretLookupByUsage(virStoragePoolGetConnect(pool),
                                          volume->remote->kind == LUKSHDR_LOCATION_ISCSI
                                              ? VIR_SECRET_USAGE_TYPE_ISCSI
                                              : VIR_SECRET_USAGE_TYPE_CEPH,
                                          usage)) ||
        virSecretGetUUIDString(secret, uuid) < 0) {
        lukshdrToolSetLast(error);
        return false;
    }
    volume->remote->secretUUID = g_strdup(uuid);
    return true;
}

lukshdrToolVolume *
lukshdrToolVolumeNew(virStorageVolPtr vol, GError **error)
{
    g_autoptr(lukshdrToolVolume) volume = g_new0(lukshdrToolVolume, 1);
    g_autoptr(virStoragePool) pool = NULL;
    virStorageVolInfo info;
    char *path;
    char *xml;
    bool ok;

    virStorageVolRef(vol);
    volume->vol = vol;
    volume->others = g_ptr_array_new_with_free_func(lukshdrToolNameFree);
    volume->name = g_strdup(virStorageVolGetName(vol));

    if (!(pool = virStoragePoolLookupByVolume(vol)) || virStorageVolGetInfo(vol, &info) < 0 ||
        !(path = virStorageVolGetPath(vol))) {
        lukshdrToolSetLast(error);
        return NULL;
    }
    volume->pool = g_strdup(virStoragePoolGetName(pool));
    volume->path = g_strdup(path);
    free(path);
    volume->block = info.type == VIR_STORAGE_VOL_BLOCK;
    volume->capacity = info.capacity;
    volume->allocation = info.allocation;

    if (volume->path[0] != '/' && !lukshdrToolVolumeReadRemote(volume, pool, error))
        return NULL;

    if (!(xml = virStorageVolGetXMLDesc(vol, 0))) {
        lukshdrToolSetLast(error);
        return NULL;
    }
    ok = lukshdrToolVolumeRead(volume, xml, error);
    free(xml);
    return ok ? g_steal_pointer(&volume) : NULL;
}

/* Returns the pool of that name, which must be active */
static virStoragePoolPtr
lukshdrToolPoolOpen(lukshdrTool *tool, const char *name, GError **error)
{
    virConnectPtr conn = lukshdrToolConnect(tool, error);
    g_autoptr(virStoragePool) pool = NULL;

    if (!conn)
        return NULL;

    if (!(pool = virStoragePoolLookupByName(conn, name))) {
        lukshdrToolSetLast(error);
        return NULL;
    }

    if (virStoragePoolIsActive(pool) == 0) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_NOT_FOUND,
                    _("storage pool '%s' is not active; start it with: virsh pool-start %s"), name,
                    name);
        return NULL;
    }
    return g_steal_pointer(&pool);
}

lukshdrToolVolume *
lukshdrToolVolumeLookup(lukshdrTool *tool, const char *pool, const char *name, GError **error)
{
    g_autoptr(virStoragePool) opened = lukshdrToolPoolOpen(tool, pool, error);
    g_autoptr(virStorageVol) vol = NULL;

    if (!opened)
        return NULL;

    if (!(vol = virStorageVolLookupByName(opened, name))) {
        lukshdrToolSetLast(error);
        g_prefix_error(error, _("in pool '%s': "), pool);
        return NULL;
    }
    return lukshdrToolVolumeNew(vol, error);
}

static lukshdrToolVolume *
lukshdrToolVolumeFindPath(lukshdrTool *tool, const char *path, GError **error)
{
    virConnectPtr conn = lukshdrToolConnect(tool, error);
    g_autoptr(virStorageVol) vol = NULL;

    if (!conn)
        return NULL;

    if (!(vol = virStorageVolLookupByPath(conn, path))) {
        lukshdrToolSetLast(error);
        g_prefix_error(
            error, _("no active pool has '%s' (virsh pool-refresh makes it look again): "), path);
        return NULL;
    }
    return lukshdrToolVolumeNew(vol, error);
}

static lukshdrToolVolume *
lukshdrToolVolumeFindName(lukshdrTool *tool, const char *name, GError **error)
{
    virConnectPtr conn = lukshdrToolConnect(tool, error);
    g_autoptr(virStorageVol) found = NULL;
    g_autoptr(GString) candidates = g_string_new(NULL);
    virStoragePoolPtr *pools = NULL;
    int matches = 0;
    int count;
    int i;

    if (!conn)
        return NULL;

    count = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    if (count < 0) {
        lukshdrToolSetLast(error);
        return NULL;
    }

    for (i = 0; i < count; i++) {
        g_autoptr(virStorageVol) vol = virStorageVolLookupByName(pools[i], name);

        if (!vol)
            continue;
        g_string_append_printf(candidates, "%s%s/%s", matches++ ? ", " : "",
                               virStoragePoolGetName(pools[i]), name);
        if (!found)
            found = g_steal_pointer(&vol);
    }
    for (i = 0; i < count; i++)
        virStoragePoolFree(pools[i]);
    free(pools);

    if (matches == 0) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_NOT_FOUND,
                    _("no active pool has a volume '%s'; 'virt-lukshdr list' and 'virsh pool-list "
                      "--all' show what there is"),
                    name);
        return NULL;
    }
    if (matches > 1) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_NOT_FOUND,
                    _("'%s' is ambiguous; say which is meant: %s"), name, candidates->str);
        return NULL;
    }
    return lukshdrToolVolumeNew(found, error);
}

lukshdrToolVolume *
lukshdrToolVolumeFind(lukshdrTool *tool, const char *text, GError **error)
{
    const char *slash = strchr(text, '/');

    if (slash == text)
        return lukshdrToolVolumeFindPath(tool, text, error);

    if (slash) {
        g_autofree char *pool = g_strndup(text, slash - text);

        return lukshdrToolVolumeLookup(tool, pool, slash + 1, error);
    }
    return lukshdrToolVolumeFindName(tool, text, error);
}

lukshdrToolVolume *
lukshdrToolVolumeFindLinked(lukshdrTool *tool, const char *text, GError **error)
{
    g_autoptr(lukshdrToolVolume) volume = lukshdrToolVolumeFind(tool, text, error);

    if (!volume)
        return NULL;

    if (volume->role == LUKSHDR_TOOL_ROLE_HEADER) {
        const lukshdrToolName *payload = lukshdrToolVolumeOther(volume);

        return lukshdrToolVolumeLookup(tool, payload->pool, payload->volume, error);
    }
    if (volume->role == LUKSHDR_TOOL_ROLE_PAYLOAD)
        return g_steal_pointer(&volume);

    if (lukshdrToolProbePlugin(tool, error)) {
        g_autofree char *name = g_strdup_printf("%s/%s", volume->pool, volume->name);
        g_autofree char *word = lukshdrTextShellWord(name);

        g_set_error(
            error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
            _("volume '%1$s' of pool '%2$s' is not a linked volume: this host knows no header of it; "
              "\"virt-lukshdr list\" shows the linked ones, and \"virt-lukshdr link %3$s HEADER --secret "
              "UUID\" links it to a header volume that is here"),
            volume->name, volume->pool, word);
    }
    return NULL;
}

/* Adds the volumes of one pool */
static bool
lukshdrToolVolumeListPool(virStoragePoolPtr pool, GPtrArray *volumes, GError **error)
{
    virStorageVolPtr *vols = NULL;
    int count = virStoragePoolListAllVolumes(pool, &vols, 0);
    int i;

    if (count < 0) {
        lukshdrToolSetLast(error);
        return false;
    }

    for (i = 0; i < count; i++) {
        g_autoptr(GError) local = NULL;
        lukshdrToolVolume *volume = lukshdrToolVolumeNew(vols[i], &local);

        if (volume)
            g_ptr_array_add(volumes, volume);
        else if (!g_error_matches(local, LUKSHDR_STOCK_ERROR, VIR_ERR_NO_STORAGE_VOL))
            lukshdrToolNote(_("volume '%s' is left out: %s"), virStorageVolGetName(vols[i]),
                            local->message);
        virStorageVolFree(vols[i]);
    }
    free(vols);
    return true;
}

GPtrArray *
lukshdrToolVolumeList(lukshdrTool *tool, const char *pool, GError **error)
{
    virConnectPtr conn = lukshdrToolConnect(tool, error);
    g_autoptr(GPtrArray)
        volumes = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrToolVolumeFree);
    virStoragePoolPtr *pools = NULL;
    bool ok = true;
    int count;
    int i;

    if (!conn)
        return NULL;

    if (pool) {
        g_autoptr(virStoragePool) opened = lukshdrToolPoolOpen(tool, pool, error);

        return opened && lukshdrToolVolumeListPool(opened, volumes, error)
                   ? g_steal_pointer(&volumes)
                   : NULL;
    }

    count = virConnectListAllStoragePools(conn, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    if (count < 0) {
        lukshdrToolSetLast(error);
        return NULL;
    }
    for (i = 0; i < count; i++) {
        g_autoptr(GError) local = NULL;

        /* if the pool was stopped meanwhile, it has nothing to list */
        if (ok && !lukshdrToolVolumeListPool(pools[i], volumes, &local) &&
            virStoragePoolIsActive(pools[i]) != 0) {
            g_propagate_error(error, g_steal_pointer(&local));
            ok = false;
        }
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    return ok ? g_steal_pointer(&volumes) : NULL;
}

/* Adds the header pools that one pool's XML names */
static void
lukshdrToolHeaderPoolsRead(const char *name, const char *text, GHashTable *set)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_POOL, NULL);
    xmlNode *node = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET) : NULL;

    if (!node)
        return;
    if (lukshdrXMLChild(node, LUKSHDR_XML_HEADERS))
        g_hash_table_add(set, g_strdup(name));

    if ((node = lukshdrXMLChild(node, LUKSHDR_XML_ENCRYPTION)) &&
        (node = lukshdrXMLChild(node, LUKSHDR_XML_HEADER)) &&
        (node = lukshdrXMLChild(node, LUKSHDR_XML_SOURCE))) {
        char *pool = lukshdrXMLAttribute(node, "pool");

        if (pool)
            g_hash_table_add(set, pool);
    }
}

GHashTable *
lukshdrToolHeaderPools(lukshdrTool *tool, GPtrArray *volumes, GError **error)
{
    virConnectPtr conn = lukshdrToolConnect(tool, error);
    g_autoptr(GHashTable) set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    virStoragePoolPtr *pools = NULL;
    int count;
    guint i;

    if (!conn)
        return NULL;

    for (i = 0; i < volumes->len; i++) {
        const lukshdrToolVolume *volume = g_ptr_array_index(volumes, i);
        guint j;

        if (volume->role == LUKSHDR_TOOL_ROLE_HEADER)
            g_hash_table_add(set, g_strdup(volume->pool));
        for (j = 0; volume->role == LUKSHDR_TOOL_ROLE_PAYLOAD && j < volume->others->len; j++) {
            const lukshdrToolName *header = g_ptr_array_index(volume->others, j);

            g_hash_table_add(set, g_strdup(header->pool));
        }
    }

    if ((count = virConnectListAllStoragePools(conn, &pools, 0)) < 0) {
        lukshdrToolSetLast(error);
        return NULL;
    }
    for (i = 0; i < (guint)count; i++) {
        char *xml = virStoragePoolGetXMLDesc(pools[i], 0);

        if (xml)
            lukshdrToolHeaderPoolsRead(virStoragePoolGetName(pools[i]), xml, set);
        free(xml);
        virStoragePoolFree(pools[i]);
    }
    free(pools);
    return g_steal_pointer(&set);
}
