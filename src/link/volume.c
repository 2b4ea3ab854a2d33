/*
 * volume.c: a volume of a link: where it is, what libvirt calls it, which it is
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "volume.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"

/* libvirt's names of the protocols */
static const struct {
    const char *protocol;
    lukshdrLocationKind kind;
    guint16 port;
} lukshdrRemoteProtocols[] = {
    { "rbd", LUKSHDR_LOCATION_RBD, 6789 },
    { "iscsi", LUKSHDR_LOCATION_ISCSI, 3260 },
};

void
lukshdrRemoteFree(lukshdrRemote *remote)
{
    if (!remote)
        return;

    g_strfreev(remote->servers);
    g_free(remote->name);
    g_free(remote->user);
    g_free(remote->secretUUID);
    g_free(remote->initiator);
    g_free(remote);
}

lukshdrRemote *
lukshdrRemoteCopy(const lukshdrRemote *src)
{
    lukshdrRemote *dst;

    if (!src)
        return NULL;

    dst = g_new0(lukshdrRemote, 1);
    dst->kind = src->kind;
    dst->servers = g_strdupv(src->servers);
    dst->name = g_strdup(src->name);
    dst->user = g_strdup(src->user);
    dst->secretUUID = g_strdup(src->secretUUID);
    dst->initiator = g_strdup(src->initiator);
    return dst;
}

const char *
lukshdrRemoteProtocol(lukshdrLocationKind kind)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrRemoteProtocols); i++) {
        if (lukshdrRemoteProtocols[i].kind == kind)
            return lukshdrRemoteProtocols[i].protocol;
    }
    return "";
}

guint16
lukshdrRemotePort(lukshdrLocationKind kind)
{
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrRemoteProtocols); i++) {
        if (lukshdrRemoteProtocols[i].kind == kind)
            return lukshdrRemoteProtocols[i].port;
    }
    return 0;
}

char *
lukshdrRemoteISCSI(const char *name)
{
    return g_strconcat(name, strchr(name, '/') ? "" : "/0", NULL);
}

char *
lukshdrRemoteDescribe(const lukshdrRemote *remote)
{
    return g_strconcat(lukshdrRemoteProtocol(remote->kind), ":", remote->name, NULL);
}

char *
lukshdrRemoteKey(const lukshdrRemote *remote)
{
    g_autofree char *where = lukshdrRemoteDescribe(remote);
    g_autofree char *servers = g_strjoinv(",", remote->servers);

    return g_strconcat(where, " at ", servers, NULL);
}

char *
lukshdrRemoteServer(const char *host, const char *port)
{
    bool bare = strchr(host, ':') && host[0] != '[';

    return g_strconcat(bare ? "[" : "", host, bare ? "]" : "", port && *port ? ":" : NULL, port,
                       NULL);
}

bool
lukshdrRemoteParseServer(const char *server, char **host, guint *port)
{
    g_autoptr(GSocketConnectable) address = g_network_address_parse(server, 0, NULL);

    if (!address)
        return false;
    *host = g_strdup(g_network_address_get_hostname(G_NETWORK_ADDRESS(address)));
    *port = g_network_address_get_port(G_NETWORK_ADDRESS(address));
    return true;
}

bool
lukshdrRemoteSplitRBD(const lukshdrRemote *remote, char **pool, char **space, char **image)
{
    g_auto(GStrv) names = g_strsplit(remote->name, "/", 3);
    guint n = g_strv_length(names);

    if (n < 2)
        return false;
    *pool = g_strdup(names[0]);
    *space = g_strdup(n == 3 ? names[1] : "");
    *image = g_strdup(names[n - 1]);
    return true;
}

/* @server without the port that is meant where none is named */
static char *
lukshdrRemoteBareServer(const lukshdrRemote *remote, const char *server)
{
    g_autofree char *standard = g_strdup_printf(":%u", lukshdrRemotePort(remote->kind));

    return g_str_has_suffix(server, standard) ? g_strndup(server, strlen(server) - strlen(standard))
                                              : g_strdup(server);
}

static bool
lukshdrRemoteHasServer(const lukshdrRemote *remote, const char *wanted)
{
    g_autofree char *server = lukshdrRemoteBareServer(remote, wanted);
    size_t i;

    for (i = 0; remote->servers[i]; i++) {
        g_autofree char *candidate = lukshdrRemoteBareServer(remote, remote->servers[i]);

        if (g_ascii_strcasecmp(candidate, server) == 0)
            return true;
    }
    return false;
}

bool
lukshdrRemoteIsOwnName(const lukshdrRemote *recorded, const lukshdrRemote *given)
{
    size_t i;

    if (recorded->kind != given->kind || !g_str_equal(recorded->name, given->name) ||
        !recorded->servers[0] != !given->servers[0])
        return false;
    for (i = 0; given->servers[i]; i++) {
        if (!lukshdrRemoteHasServer(recorded, given->servers[i]))
            return false;
    }
    return true;
}

void
lukshdrVolumeClear(lukshdrVolume *vol)
{
    g_free(vol->pool);
    g_free(vol->volume);
    g_free(vol->path);
    lukshdrRemoteFree(vol->remote);
    *vol = (lukshdrVolume){ 0 };
}

void
lukshdrVolumeFree(lukshdrVolume *vol)
{
    if (vol)
        lukshdrVolumeClear(vol);
    g_free(vol);
}

void
lukshdrVolumeCopy(lukshdrVolume *dst, const lukshdrVolume *src)
{
    dst->pool = g_strdup(src->pool);
    dst->volume = g_strdup(src->volume);
    dst->path = g_strdup(src->path);
    dst->remote = lukshdrRemoteCopy(src->remote);
    dst->identity = src->identity;
}

lukshdrLocationKind
lukshdrVolumeLocation(const lukshdrVolume *vol)
{
    if (vol->path)
        return LUKSHDR_LOCATION_PATH;
    return vol->remote ? vol->remote->kind : LUKSHDR_LOCATION_NONE;
}

bool
lukshdrVolumeIsGone(const lukshdrVolume *vol)
{
    return vol->path && access(vol->path, F_OK) < 0 && errno == ENOENT;
}

bool
lukshdrVolumeIsUnmounted(const lukshdrVolume *vol)
{
    g_autofree char *dir = vol->path ? g_path_get_dirname(vol->path) : NULL;

    return dir && lukshdrVolumeIsGone(vol) && lukshdrIdentityIsElsewhere(&vol->identity, dir);
}

char *
lukshdrVolumeWhere(const lukshdrVolume *vol)
{
    return vol->remote ? lukshdrRemoteDescribe(vol->remote) : g_strdup(vol->path ? vol->path : "");
}

static void
lukshdrRemoteFormat(xmlNode *parent, const lukshdrRemote *remote)
{
    xmlNode *node = lukshdrXMLAddChild(parent, LUKSHDR_XML_REMOTE, NULL);
    size_t i;

    lukshdrXMLSetAttribute(node, LUKSHDR_XML_PROTOCOL, lukshdrRemoteProtocol(remote->kind));
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_NAME, remote->name);
    if (remote->user)
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_USER, remote->user);
    if (remote->secretUUID)
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_SECRET, remote->secretUUID);
    if (remote->initiator)
        lukshdrXMLSetAttribute(node, LUKSHDR_XML_INITIATOR, remote->initiator);
    for (i = 0; remote->servers[i]; i++)
        lukshdrXMLAddChild(node, LUKSHDR_XML_SERVER, remote->servers[i]);
}

bool
lukshdrVolumeIsSamePlace(const lukshdrVolume *a, const lukshdrVolume *b)
{
    if (a->remote && b->remote)
        return lukshdrRemoteIsOwnName(a->remote, b->remote) ||
               lukshdrRemoteIsOwnName(b->remote, a->remote);
    return lukshdrTextSame(a->path, b->path);
}

void
lukshdrVolumeSetPlace(lukshdrVolume *vol, const lukshdrVolume *from)
{
    vol->path = g_strdup(from->path);
    vol->remote = lukshdrRemoteCopy(from->remote);
    vol->identity = from->identity;
}

void
lukshdrVolumeFormat(xmlNode *node, const lukshdrVolume *vol)
{
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_POOL, vol->pool);
    lukshdrXMLSetAttribute(node, LUKSHDR_XML_VOLUME, vol->volume);
    if (vol->path)
        lukshdrXMLAddChild(node, LUKSHDR_XML_PATH, vol->path);
    if (vol->remote)
        lukshdrRemoteFormat(node, vol->remote);
    lukshdrIdentityFormat(node, &vol->identity);
}

static bool
lukshdrRemoteParse(xmlNode *node, lukshdrRemote *remote, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_SERVER, NULL };
    g_autofree char *protocol = lukshdrXMLAttribute(node, LUKSHDR_XML_PROTOCOL);
    g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(g_free);
    xmlNode *child;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrRemoteProtocols); i++) {
        if (g_strcmp0(protocol, lukshdrRemoteProtocols[i].protocol) == 0)
            remote->kind = lukshdrRemoteProtocols[i].kind;
    }
    remote->name = lukshdrXMLAttribute(node, LUKSHDR_XML_NAME);
    remote->user = lukshdrXMLAttribute(node, LUKSHDR_XML_USER);
    remote->secretUUID = lukshdrXMLAttribute(node, LUKSHDR_XML_SECRET);
    remote->initiator = lukshdrXMLAttribute(node, LUKSHDR_XML_INITIATOR);

    if (!remote->kind || !remote->name || !*remote->name || !lukshdrTextIsName(remote->name) ||
        (remote->user && !lukshdrTextIsName(remote->user)) ||
        (remote->initiator && !lukshdrTextIsName(remote->initiator)) ||
        (remote->secretUUID && !g_uuid_string_is_valid(remote->secretUUID))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("'%s' needs a known protocol, a name, and a UUID for a secret"), node->name);
        return false;
    }
    if (!lukshdrXMLOnlyChildren(node, children, error))
        return false;

    for (child = lukshdrXMLChild(node, NULL); child; child = lukshdrXMLNext(child, NULL)) {
        char *server = NULL;

        if (!lukshdrXMLOnlyText(child, &server, error))
            return false;
        g_ptr_array_add(servers, server);
        if (!lukshdrTextIsName(server)) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("malformed '%s' in '%s'"),
                        LUKSHDR_XML_SERVER, node->name);
            return false;
        }
    }
    g_ptr_array_add(servers, NULL);
    remote->servers = (GStrv)g_ptr_array_free(g_steal_pointer(&servers), FALSE);
    return true;
}

/* A volume's name becomes part of messages and of calls to libvirt only, never
 * of a path; libvirt itself allows no '/' in either name. Of control characters a name
 * has only those that libvirt's have. */
static bool
lukshdrVolumeCheckName(const char *name)
{
    return name && *name && !strchr(name, '/') && lukshdrTextIsName(name);
}

bool
lukshdrVolumeParse(xmlNode *node, lukshdrVolume *vol, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_PATH, LUKSHDR_XML_REMOTE,
                                            LUKSHDR_XML_IDENTITY, NULL };
    const char *name = (const char *)node->name;
    xmlNode *child;

    if (!lukshdrXMLOnlyChildren(node, children, error) ||
        !lukshdrXMLAtMostOnce(node, children, error))
        return false;

    vol->pool = lukshdrXMLAttribute(node, LUKSHDR_XML_POOL);
    vol->volume = lukshdrXMLAttribute(node, LUKSHDR_XML_VOLUME);
    if (!lukshdrVolumeCheckName(vol->pool) || !lukshdrVolumeCheckName(vol->volume)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("'%s' needs the name of a pool and of a volume"), name);
        return false;
    }

    if ((child = lukshdrXMLChild(node, LUKSHDR_XML_PATH))) {
        if (!lukshdrXMLOnlyText(child, &vol->path, error))
            return false;
        if (!g_path_is_absolute(vol->path)) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("path of '%s' must be absolute"),
                        name);
            return false;
        }
    }

    if ((child = lukshdrXMLChild(node, LUKSHDR_XML_REMOTE))) {
        if (vol->path) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                        _("'%s' cannot have a path and be elsewhere, too"), name);
            return false;
        }
        vol->remote = g_new0(lukshdrRemote, 1);
        if (!lukshdrRemoteParse(child, vol->remote, error))
            return false;
    }

    return lukshdrIdentityParse(node, &vol->identity, error);
}
