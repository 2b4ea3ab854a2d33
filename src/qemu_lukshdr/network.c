/*
 * network.c: which files of this host does a network lead back to?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "network.h"

#include <glib/gi18n-lib.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/json.h"

#define LUKSHDR_QEMU_NETWORK_PROC "/proc"
#define LUKSHDR_QEMU_NETWORK_CONFIGFS "/sys/kernel/config"
#define LUKSHDR_QEMU_NETWORK_PORT_NBD 10809
#define LUKSHDR_QEMU_NETWORK_PORT_ISCSI 3260

/* of the proc file system's tables of sockets */
#define LUKSHDR_QEMU_NETWORK_TCP_LISTEN 0x0a     /* TCP_LISTEN */
#define LUKSHDR_QEMU_NETWORK_UNIX_LISTEN 0x10000 /* __SO_ACCEPTCON */

/* Leaves one slash at the beginning: GLib takes two for something special and would keep them. */
static char *
lukshdrQemuNetworkCanonical(const char *path)
{
    return g_canonicalize_filename(path + MAX(strspn(path, "/"), 1) - 1, "/");
}

static bool
lukshdrQemuNetworkIsHere(const char *name, const lukshdrQemuNetworkHere *here)
{
    g_autoptr(GInetAddress) address = name ? g_inet_address_new_from_string(name) : NULL;
    size_t i;

    if (!name)
        return false;
    if (address && g_inet_address_get_is_loopback(address))
        return true;
    for (i = 0; here->names[i]; i++) {
        g_autoptr(GInetAddress) own = g_inet_address_new_from_string(here->names[i]);

        if (g_ascii_strcasecmp(here->names[i], name) == 0 ||
            (own && address && g_inet_address_equal(own, address)))
            return true;
    }
    return false;
}

/* A server has the file @path and the share @share; the share, or its directory @root, is mounted
 * at
 * @mountpoint.  Returns the file's path below @mountpoint, or NULL if it is not in there. */
static char *
lukshdrQemuNetworkBelow(const char *path,
                        const char *share,
                        const char *root,
                        const char *mountpoint)
{
    g_autofree char *file = lukshdrQemuNetworkCanonical(path);
    g_autofree char *whole = g_build_filename("/", share, root, NULL);
    g_autofree char *prefix = lukshdrQemuNetworkCanonical(whole);
    size_t len = g_str_equal(prefix, "/") ? 0 : strlen(prefix);

    if (strncmp(file, prefix, len) != 0 || file[len] != '/')
        return NULL;
    return g_build_filename(mountpoint, file + len, NULL);
}

typedef struct {
    const char *type; /* of the file system */
    char *server;
    char *share;
    char *root;
    char *mountpoint;
    const char *options;
} lukshdrQemuNetworkMount;

static void
lukshdrQemuNetworkMountClear(lukshdrQemuNetworkMount *mount)
{
    g_free(mount->server);
    g_free(mount->share);
    g_free(mount->root);
    g_free(mount->mountpoint);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(lukshdrQemuNetworkMount, lukshdrQemuNetworkMountClear)

/* Parses a line of mountinfo: NUMBER PARENT DEVICE ROOT MOUNTPOINT OPTIONS [TAGS] - TYPE SOURCE
 * OPTIONS.  SOURCE must be SERVER:SHARE.  Blanks in names are octal escapes. */
static bool
lukshdrQemuNetworkParseMount(char **fields, lukshdrQemuNetworkMount *mount)
{
    g_autofree char *source = NULL;
    const char *colon;
    guint n = g_strv_length(fields);
    guint i = 6;

    while (i < n && !g_str_equal(fields[i], "-"))
        i++;
    if (i + 3 >= n)
        return false;

    source = g_strcompress(fields[i + 2]);
    if (!(colon = source[0] == '[' ? strstr(source, "]:") : strchr(source, ':')))
        return false;
    mount->server = source[0] == '[' ? g_strndup(source + 1, colon - source - 1)
                                     : g_strndup(source, colon - source);
    mount->share = g_strdup(colon + (source[0] == '[' ? 2 : 1));
    mount->type = fields[i + 1];
    mount->options = fields[i + 3];
    mount->root = g_strcompress(fields[3]);
    mount->mountpoint = g_strcompress(fields[4]);
    return true;
}

/* Is @name the server of @mount?  The options of the mount also give the server's address. */
static bool
lukshdrQemuNetworkIsServer(const lukshdrQemuNetworkMount *mount, const char *name)
{
    g_auto(GStrv) options = g_strsplit(mount->options, ",", -1);
    g_autofree char *address = g_strdup_printf("addr=%s", name);
    size_t len = strcspn(mount->server, ".");

    return g_ascii_strcasecmp(mount->server, name) == 0 ||
           g_strv_contains((const char *const *)options, address) ||
           /* one is the short name of the other */
           (!g_hostname_is_ip_address(name) && !g_hostname_is_ip_address(mount->server) &&
            len == strcspn(name, ".") && g_ascii_strncasecmp(mount->server, name, len) == 0 &&
            (!mount->server[len] || !name[len]));
}

/* Adds where @path is in each mount whose type begins with @type and whose server may be @server.
 * NULL means any server: each server of a cluster has the same share. */
static void
lukshdrQemuNetworkMounted(GPtrArray *paths,
                          const lukshdrQemuNetworkHere *here,
                          const char *type,
                          const char *server,
                          const char *path)
{
    g_auto(GStrv) lines = g_strsplit(here->mountinfo, "\n", -1);
    size_t i;

    for (i = 0; lines[i]; i++) {
        g_auto(GStrv) fields = g_strsplit(lines[i], " ", -1);
        g_auto(lukshdrQemuNetworkMount) mount = { 0 };
        char *local;

        if (!lukshdrQemuNetworkParseMount(fields, &mount) || !g_str_has_prefix(mount.type, type) ||
            (server && !lukshdrQemuNetworkIsServer(&mount, server)))
            continue;
        if ((local = lukshdrQemuNetworkBelow(path, mount.share, mount.root, mount.mountpoint)))
            g_ptr_array_add(paths, local);
    }
}

static void
lukshdrQemuNetworkSSH(GPtrArray *paths, JsonObject *props, const lukshdrQemuNetworkHere *here)
{
    JsonObject *server = lukshdrJSONObject(props, "server");
    const char *path = lukshdrJSONString(props, "path");

    if (server && path && lukshdrQemuNetworkIsHere(lukshdrJSONString(server, "host"), here))
        g_ptr_array_add(paths, lukshdrQemuNetworkCanonical(path));
}

static void
lukshdrQemuNetworkNFS(GPtrArray *paths, JsonObject *props, const lukshdrQemuNetworkHere *here)
{
    JsonObject *server = lukshdrJSONObject(props, "server");
    const char *host = server ? lukshdrJSONString(server, "host") : NULL;
    const char *path = lukshdrJSONString(props, "path");

    if (!host || !path)
        return;
    if (lukshdrQemuNetworkIsHere(host, here))
        g_ptr_array_add(paths, lukshdrQemuNetworkCanonical(path));
    lukshdrQemuNetworkMounted(paths, here, "nfs", host, path);
}

static void
lukshdrQemuNetworkGluster(GPtrArray *paths, JsonObject *props, const lukshdrQemuNetworkHere *here)
{
    const char *volume = lukshdrJSONString(props, "volume");
    const char *path = lukshdrJSONString(props, "path");
    g_autofree char *whole = volume && path ? g_build_filename("/", volume, path, NULL) : NULL;

    if (whole)
        lukshdrQemuNetworkMounted(paths, here, "fuse.glusterfs", NULL, whole);
}

/* Reads @table, one of the proc file system's tables of sockets, and adds to @sockets the number of
 * each socket that listens on @port, or at @path if that is not NULL. */
static void
lukshdrQemuNetworkListening(GHashTable *sockets,
                            const lukshdrQemuNetworkHere *here,
                            const char *table,
                            guint64 port,
                            const char *path)
{
    g_autofree char *file = g_build_filename(here->proc, "net", table, NULL);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    size_t i;

    if (!g_file_get_contents(file, &text, NULL, NULL))
        return;

    lines = g_strsplit(text, "\n", -1);
    for (i = 1; lines[0] && lines[i]; i++) {
        char local[64];
        char name[256] = "";
        unsigned int state;
        unsigned long inode;
        bool found;

        if (path) {
            g_autofree char *real = NULL;

            /* Num RefCount Protocol Flags Type St Inode Path */
            if (sscanf(lines[i], "%*s %*s %*s %x %*s %*s %lu %255[^\n]", &state, &inode, name) < 3)
                continue;
            real = realpath(name, NULL);
            found = (state & LUKSHDR_QEMU_NETWORK_UNIX_LISTEN) &&
                    (g_str_equal(name, path) || g_strcmp0(real, path) == 0);
        } else {
            /* sl local_address rem_address st tx:rx tr:tm->when retrnsmt uid timeout inode */
            const char *colon;

            if (sscanf(lines[i], "%*s %63s %*s %x %*s %*s %*s %*s %*s %lu", local, &state, &inode) <
                3)
                continue;
            colon = strrchr(local, ':');
            found = state == LUKSHDR_QEMU_NETWORK_TCP_LISTEN && colon &&
                    g_ascii_strtoull(colon + 1, NULL, 16) == port;
        }
        if (found)
            g_hash_table_add(sockets, g_strdup_printf("socket:[%lu]", inode));
    }
}

/* Adds the files that the arguments of process @pid name: as "FILE" or "NAME=FILE". */
static void
lukshdrQemuNetworkArguments(GPtrArray *paths, const lukshdrQemuNetworkHere *here, const char *pid)
{
    g_autofree char *file = g_build_filename(here->proc, pid, "cmdline", NULL);
    g_autofree char *text = NULL;
    gsize len = 0;
    const char *arg;

    if (!g_file_get_contents(file, &text, &len, NULL))
        return;
    for (arg = text; arg < text + len; arg += strlen(arg) + 1) {
        const char *equals = strchr(arg, '=');
        const char *const names[] = { arg, equals ? equals + 1 : NULL };
        size_t i;

        for (i = 0; i < G_N_ELEMENTS(names) && names[i]; i++) {
            char *path = g_path_is_absolute(names[i])
                             ? g_strdup(names[i])
                             : g_build_filename(here->proc, pid, "cwd", names[i], NULL);

            if (g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_DIR))
                g_ptr_array_add(paths, path);
            else
                g_free(path);
        }
    }
}

/* Adds the files that process @pid has open, if it listens on one of @sockets.  The names below
 * /proc/PID/fd lead to the files themselves, even if the process has a mount namespace of its
 * own. */
static void
lukshdrQemuNetworkOpen(GPtrArray *paths,
                       const lukshdrQemuNetworkHere *here,
                       const char *pid,
                       GHashTable *sockets)
{
    g_autofree char *fds = g_build_filename(here->proc, pid, "fd", NULL);
    g_autoptr(GDir) dir = g_dir_open(fds, 0, NULL);
    g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(g_free);
    bool listens = false;
    const char *fd;

    while (dir && (fd = g_dir_read_name(dir))) {
        g_autofree char *name = g_build_filename(fds, fd, NULL);
        g_autofree char *target = g_file_read_link(name, NULL);

        if (target && g_hash_table_contains(sockets, target))
            listens = true;
        else if (target && g_path_is_absolute(target))
            g_ptr_array_add(files, g_steal_pointer(&name));
    }
    if (!listens)
        return;
    g_ptr_array_extend_and_steal(paths, g_steal_pointer(&files));
    lukshdrQemuNetworkArguments(paths, here, pid);
}

/* Adds the files of the processes of this host that listen on TCP port @port, or on a socket at
 * @path. */
static void
lukshdrQemuNetworkListener(GPtrArray *paths,
                           const lukshdrQemuNetworkHere *here,
                           guint64 port,
                           const char *path)
{
    g_autoptr(GHashTable) sockets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autofree char *real = path ? realpath(path, NULL) : NULL;
    g_autoptr(GDir) dir = NULL;
    const char *pid;

    if (path) {
        lukshdrQemuNetworkListening(sockets, here, "unix", 0, real ? real : path);
    } else {
        lukshdrQemuNetworkListening(sockets, here, "tcp", port, NULL);
        lukshdrQemuNetworkListening(sockets, here, "tcp6", port, NULL);
    }
    if (g_hash_table_size(sockets) == 0 || !(dir = g_dir_open(here->proc, 0, NULL)))
        return;

    while ((pid = g_dir_read_name(dir))) {
        if (g_ascii_isdigit(*pid))
            lukshdrQemuNetworkOpen(paths, here, pid, sockets);
    }
}

static void
lukshdrQemuNetworkNBD(GPtrArray *paths, JsonObject *props, const lukshdrQemuNetworkHere *here)
{
    JsonObject *server = lukshdrJSONObject(props, "server");
    const char *export = lukshdrJSONString(props, "export");
    const char *type = server ? lukshdrJSONString(server, "type") : NULL;
    const char *port = server ? lukshdrJSONString(server, "port") : NULL;
    bool isUnix = g_strcmp0(type, "unix") == 0;

    if (!server || (!isUnix && !lukshdrQemuNetworkIsHere(lukshdrJSONString(server, "host"), here)))
        return;

    if (export && g_path_is_absolute(export))
        g_ptr_array_add(paths, lukshdrQemuNetworkCanonical(export));
    lukshdrQemuNetworkListener(
        paths, here, port ? g_ascii_strtoull(port, NULL, 10) : LUKSHDR_QEMU_NETWORK_PORT_NBD,
        isUnix ? lukshdrJSONString(server, "path") : NULL);
}

/* Adds what is behind unit @lun of the kernel's target @target.  configfs describes a unit as a
 * symbolic link to its backing store, which has a file with its path. */
static void
lukshdrQemuNetworkKernelTarget(GPtrArray *paths,
                               const lukshdrQemuNetworkHere *here,
                               const char *target,
                               gint64 lun)
{
    g_autofree char *base = g_build_filename(here->configfs, "target", "iscsi", target, NULL);
    g_autoptr(GDir) groups = strchr(target, '/') ? NULL : g_dir_open(base, 0, NULL);
    const char *group;

    while (groups && (group = g_dir_read_name(groups))) {
        g_autofree char *unit = g_strdup_printf("%s/%s/lun/lun_%" G_GINT64_FORMAT, base, group,
                                                lun);
        g_autoptr(GDir) dir = g_dir_open(unit, 0, NULL);
        const char *name;

        while (dir && (name = g_dir_read_name(dir))) {
            g_autofree char *file = g_build_filename(unit, name, "udev_path", NULL);
            char *path = NULL;

            if (g_file_get_contents(file, &path, NULL, NULL))
                g_ptr_array_add(paths, g_strchomp(path));
        }
    }
}

static void
lukshdrQemuNetworkISCSI(GPtrArray *paths, JsonObject *props, const lukshdrQemuNetworkHere *here)
{
    const char *portal = lukshdrJSONString(props, "portal");
    const char *target = lukshdrJSONString(props, "target");
    g_autoptr(GSocketConnectable)
        address = portal ? g_network_address_parse(portal, LUKSHDR_QEMU_NETWORK_PORT_ISCSI, NULL)
                         : NULL;

    if (!address || !target ||
        !lukshdrQemuNetworkIsHere(g_network_address_get_hostname(G_NETWORK_ADDRESS(address)), here))
        return;
    lukshdrQemuNetworkKernelTarget(paths, here, target,
                                   json_object_get_int_member_with_default(props, "lun", 0));
    lukshdrQemuNetworkListener(paths, here, g_network_address_get_port(G_NETWORK_ADDRESS(address)),
                               NULL);
}

typedef void (*lukshdrQemuNetworkAdd)(GPtrArray *paths,
                                      JsonObject *props,
                                      const lukshdrQemuNetworkHere *here);

static const struct {
    const char *driver;
    lukshdrQemuNetworkAdd add;
} lukshdrQemuNetworkDrivers[] = {
    { "ssh", lukshdrQemuNetworkSSH },         { "nfs", lukshdrQemuNetworkNFS },
    { "gluster", lukshdrQemuNetworkGluster }, { "nbd", lukshdrQemuNetworkNBD },
    { "iscsi", lukshdrQemuNetworkISCSI },
};

/* Returns the function that knows the driver of @props, or NULL if none does. */
static lukshdrQemuNetworkAdd
lukshdrQemuNetworkFind(JsonObject *props)
{
    const char *driver = lukshdrJSONString(props, "driver");
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(lukshdrQemuNetworkDrivers); i++) {
        if (g_strcmp0(driver, lukshdrQemuNetworkDrivers[i].driver) == 0)
            return lukshdrQemuNetworkDrivers[i].add;
    }
    return NULL;
}

GPtrArray *
lukshdrQemuNetworkPaths(JsonObject *props, const lukshdrQemuNetworkHere *here)
{
    GPtrArray *paths = g_ptr_array_new_with_free_func(g_free);
    lukshdrQemuNetworkAdd add = lukshdrQemuNetworkFind(props);

    if (add)
        add(paths, props, here);
    return paths;
}

/* Returns the names and the addresses of this host, freed with g_strfreev. */
static GStrv
lukshdrQemuNetworkNames(void)
{
    g_autoptr(GStrvBuilder) names = g_strv_builder_new();
    g_autofree char *host = g_strndup(g_get_host_name(), strcspn(g_get_host_name(), "."));
    struct ifaddrs *all = NULL;
    struct ifaddrs *i;

    g_strv_builder_add_many(names, "localhost", "localhost.localdomain", "localhost4", "localhost6",
                            "ip6-localhost", "ip6-loopback", g_get_host_name(), host, NULL);

    if (getifaddrs(&all) < 0)
        return g_strv_builder_end(names);
    for (i = all; i; i = i->ifa_next) {
        int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
        char text[NI_MAXHOST];

        if ((family != AF_INET && family != AF_INET6) ||
            getnameinfo(i->ifa_addr,
                        family == AF_INET ? sizeof(struct sockaddr_in)
                                          : sizeof(struct sockaddr_in6),
                        text, sizeof(text), NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        text[strcspn(text, "%")] = '\0'; /* the interface of a link-local address */
        g_strv_builder_add(names, text);
    }
    freeifaddrs(all);
    return g_strv_builder_end(names);
}

bool
lukshdrQemuNetworkCheck(const lukshdrQemuHost *host, JsonObject *props, GError **error)
{
    g_auto(GStrv) names = NULL;
    g_autofree char *mountinfo = NULL;
    g_autoptr(GPtrArray) paths = NULL;
    lukshdrQemuNetworkHere here = { .proc = LUKSHDR_QEMU_NETWORK_PROC,
                                    .configfs = LUKSHDR_QEMU_NETWORK_CONFIGFS };
    guint i;

    if (!lukshdrQemuNetworkFind(props))
        return true;
    if (!g_file_get_contents(LUKSHDR_QEMU_NETWORK_PROC "/self/mountinfo", &mountinfo, NULL, error))
        return false;
    here.mountinfo = mountinfo;
    here.names = names = lukshdrQemuNetworkNames();

    paths = lukshdrQemuNetworkPaths(props, &here);
    for (i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);
        const char *driver = lukshdrJSONString(props, "driver");
        g_autoptr(lukshdrLink) link = NULL;

        if (!lukshdrQemuLookup(host, path, &link, error)) {
            g_prefix_error(error, _("what is reached over %s may be a file of this host: "),
                           driver);
            return false;
        }
        if (!link)
            continue;
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_DENIED,
            _("what is reached over %s is '%s' of this host, the payload of linked volume '%s' "
              "of pool '%s'; name the volume itself"),
            driver, path, link->payload.volume, link->payload.pool);
        return false;
    }
    return true;
}
