/*
 * rbd.c: an image of a Ceph cluster, asked through librbd
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "rbd.h"

#include <dlfcn.h>
#include <errno.h>
#include <glib/gi18n-lib.h>
#include <gnutls/gnutls.h>
#include <rados/librados.h>
#include <rbd/librbd.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"

/* librados's documentation of rados_conf_read_file: what every client of the host reads */
#define LUKSHDR_RBD_CONFIG "/etc/ceph/ceph.conf"

/* longer than what Ceph gives an image or a cluster for a name; ERANGE says otherwise */
#define LUKSHDR_RBD_ID_LEN 64

/* All that is needed of the libraries, by their own prototypes */
#define LUKSHDR_RBD_RADOS(X) \
    X(rados_create) \
    X(rados_conf_read_file) \
    X(rados_conf_set) \
    X(rados_connect) \
    X(rados_shutdown) \
    X(rados_cluster_fsid) \
    X(rados_get_instance_id) \
    X(rados_ioctx_create) \
    X(rados_ioctx_destroy) \
    X(rados_ioctx_get_id) \
    X(rados_ioctx_set_namespace)
#define LUKSHDR_RBD_LIBRBD(X) \
    X(rbd_open) \
    X(rbd_open_by_id) \
    X(rbd_open_read_only) \
    X(rbd_open_by_id_read_only) \
    X(rbd_close) \
    X(rbd_get_id) \
    X(rbd_get_size) \
    X(rbd_list2) \
    X(rbd_image_spec_list_cleanup) \
    X(rbd_get_modify_timestamp) \
    X(rbd_read) \
    X(rbd_write) \
    X(rbd_flush) \
    X(rbd_resize) \
    X(rbd_lock_acquire) \
    X(rbd_watchers_list) \
    X(rbd_watchers_list_cleanup) \
    X(rbd_snap_list) \
    X(rbd_snap_list_end)

#define LUKSHDR_RBD_MEMBER(name) __typeof__(&(name)) name;

/* Set by lukshdrRBDLoad, once, and read-only from then on */
static struct {
    LUKSHDR_RBD_RADOS(LUKSHDR_RBD_MEMBER)
    LUKSHDR_RBD_LIBRBD(LUKSHDR_RBD_MEMBER)
} lukshdrRBDAPI;

static lukshdrRBDKeySource lukshdrRBDKeys;

/* Instance ids of this process's connections, as gint64: they may watch images, too.  The lock is a
 * leaf. */
static GMutex lukshdrRBDOwnLock;
static GHashTable *lukshdrRBDOwn;

struct _lukshdrRBD {
    rados_t cluster;
    guint64 instance; /* of the connection; 0 while there is none */
    rados_ioctx_t pool;
    rbd_image_t image;
    char *where; /* for messages */
    lukshdrIdentity identity;
    struct timespec written;
};

void
lukshdrRBDSetKeySource(lukshdrRBDKeySource source)
{
    lukshdrRBDKeys = source;
}

/* A library that was loaded stays: it has threads and thread-local data of its own */
static bool
lukshdrRBDLoad(GError **error)
{
    static gsize loaded;
    void *rados;
    void *rbd;

    if (g_once_init_enter(&loaded)) {
        bool ok;

        rados = dlopen("librados.so.2", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        rbd = dlopen("librbd.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        ok = rados && rbd;
#define LUKSHDR_RBD_FIND_RADOS(name) \
    ok = ok && (lukshdrRBDAPI.name = (__typeof__(&(name)))dlsym(rados, #name));
#define LUKSHDR_RBD_FIND_LIBRBD(name) \
    ok = ok && (lukshdrRBDAPI.name = (__typeof__(&(name)))dlsym(rbd, #name));
        LUKSHDR_RBD_RADOS(LUKSHDR_RBD_FIND_RADOS)
        LUKSHDR_RBD_LIBRBD(LUKSHDR_RBD_FIND_LIBRBD)
        g_once_init_leave(&loaded, ok ? 1 : 2);
    }

    if (loaded == 1)
        return true;
    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                        _("Ceph's librbd is not installed, or is older than release 16: install "
                          "librbd1"));
    return false;
}

/* @err is a negative errno of librados or librbd */
static void
lukshdrRBDSetError(const char *where, int err, GError **error)
{
    switch (-err) {
    case ENOENT:
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_STORAGE_VOL,
                    _("the Ceph cluster has no pool or image '%s'"), where);
        return;
    case ETIMEDOUT:
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_TIMEOUT,
            _("the Ceph cluster of '%s' has not answered within %s seconds; see whether its "
              "monitors and OSDs run and can be reached from here, then try again"),
            where, LUKSHDR_RBD_TIMEOUT);
        return;
    case EPERM:
    case EACCES:
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_AUTH_FAILED,
            _("the Ceph cluster refuses access to '%s': see what its user may do (ceph auth "
              "get) and whether the libvirt secret has its key"),
            where);
        return;
    default:
        lukshdrErrorSetErrno(error, -err, _("Unable to ask the Ceph cluster of '%s'"), where);
    }
}

/* The cephx key, in base64 as Ceph writes it */
static int
lukshdrRBDSetKey(rados_t cluster, const lukshdrSecret *key)
{
    char *text = g_base64_encode(lukshdrSecretData(key), lukshdrSecretLength(key));
    int rc = lukshdrRBDAPI.rados_conf_set(cluster, "key", text);

    gnutls_memset(text, 0, strlen(text));
    g_free(text);
    return rc;
}

/* As QEMU sets a connection up (qemu_rbd_connect in its block/rbd.c), with deadlines */
static int
lukshdrRBDConfigure(rados_t cluster, const lukshdrRemote *remote, const lukshdrSecret *key)
{
    static const char *const deadlines[] = { "client_mount_timeout", "rados_mon_op_timeout",
                                             "rados_osd_op_timeout" };
    g_autofree char *servers = g_strjoinv(",", remote->servers);
    int rc = 0;
    size_t i;

    /* a host need not have one, and without servers either, connecting says so */
    (void)lukshdrRBDAPI.rados_conf_read_file(cluster, LUKSHDR_RBD_CONFIG);
    if (*servers)
        rc = lukshdrRBDAPI.rados_conf_set(cluster, "mon_host", servers);
    if (rc == 0 && key)
        rc = lukshdrRBDSetKey(cluster, key);
    for (i = 0; rc == 0 && i < G_N_ELEMENTS(deadlines); i++)
        rc = lukshdrRBDAPI.rados_conf_set(cluster, deadlines[i], LUKSHDR_RBD_TIMEOUT);
    return rc;
}

/* As an identity has it.  Ids are Ceph's own: of letters, digits and '-'. */
static char *
lukshdrRBDFormatID(const lukshdrRBD *rbd, const char *fsid, const char *space, const char *image)
{
    return g_strdup_printf("%s:%" G_GINT64_FORMAT ":%s:%s", fsid,
                           (gint64)lukshdrRBDAPI.rados_ioctx_get_id(rbd->pool), space, image);
}

/* What the open image is */
static int
lukshdrRBDExamine(lukshdrRBD *rbd, const char *space)
{
    char fsid[LUKSHDR_RBD_ID_LEN];
    char id[LUKSHDR_RBD_ID_LEN];
    g_autofree char *text = NULL;
    guint64 size;
    int rc;

    if ((rc = lukshdrRBDAPI.rados_cluster_fsid(rbd->cluster, fsid, sizeof(fsid))) < 0 ||
        (rc = lukshdrRBDAPI.rbd_get_id(rbd->image, id, sizeof(id))) < 0 ||
        (rc = lukshdrRBDAPI.rbd_get_size(rbd->image, &size)) < 0 ||
        (rc = lukshdrRBDAPI.rbd_get_modify_timestamp(rbd->image, &rbd->written)) < 0)
        return rc;

    text = lukshdrRBDFormatID(rbd, fsid, space, id);
    return lukshdrIdentitySetRBD(&rbd->identity, text, size) ? 0 : -ERANGE;
}

/* By its name, or, where there is none of that name, by the id that was recorded */
static int
lukshdrRBDOpenImage(lukshdrRBD *rbd,
                    const char *name,
                    const lukshdrIdentity *recorded,
                    bool writable)
{
    const char *id = recorded && recorded->type == LUKSHDR_IDENTITY_RBD
                         ? strrchr(recorded->id, ':') + 1
                         : NULL;
    int rc = writable ? lukshdrRBDAPI.rbd_open(rbd->pool, name, &rbd->image, NULL)
                      : lukshdrRBDAPI.rbd_open_read_only(rbd->pool, name, &rbd->image, NULL);

    if (rc != -ENOENT || !id)
        return rc;
    return writable ? lukshdrRBDAPI.rbd_open_by_id(rbd->pool, id, &rbd->image, NULL)
                    : lukshdrRBDAPI.rbd_open_by_id_read_only(rbd->pool, id, &rbd->image, NULL);
}

/* Before an image is opened, so that no thread takes the connection for somebody else's */
static void
lukshdrRBDRemember(lukshdrRBD *rbd)
{
    rbd->instance = lukshdrRBDAPI.rados_get_instance_id(rbd->cluster);
    g_mutex_lock(&lukshdrRBDOwnLock);
    if (!lukshdrRBDOwn)
        lukshdrRBDOwn = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_hash_table_add(lukshdrRBDOwn, g_memdup2(&rbd->instance, sizeof(rbd->instance)));
    g_mutex_unlock(&lukshdrRBDOwnLock);
}

static bool
lukshdrRBDIsOwn(guint64 instance)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrRBDOwnLock);

    return lukshdrRBDOwn && g_hash_table_contains(lukshdrRBDOwn, &instance);
}

/* POOL/IMAGE or POOL/NAMESPACE/IMAGE, as libvirt has it in <source name=''>, in its two or three components; NULL
 * if it is not that */
static GStrv
lukshdrRBDNames(const lukshdrRemote *remote)
{
    GStrv names = g_strsplit(remote->name, "/", 3);

    if (names[0] && names[1])
        return names;
    g_strfreev(names);
    return NULL;
}

/* Connects to the cluster and to the pool and namespace of @names */
static int
lukshdrRBDConnect(lukshdrRBD *rbd,
                  const lukshdrRemote *remote,
                  const GStrv names,
                  const lukshdrSecret *key)
{
    int rc;

    if ((rc = lukshdrRBDAPI.rados_create(&rbd->cluster, remote->user)) < 0 ||
        (rc = lukshdrRBDConfigure(rbd->cluster, remote, key)) < 0 ||
        (rc = lukshdrRBDAPI.rados_connect(rbd->cluster)) < 0 ||
        (rc = lukshdrRBDAPI.rados_ioctx_create(rbd->cluster, names[0], &rbd->pool)) < 0)
        return rc;

    lukshdrRBDAPI.rados_ioctx_set_namespace(rbd->pool, names[2] ? names[1] : "");
    lukshdrRBDRemember(rbd);
    return 0;
}

/* Makes @rbd ready for @remote's pool.  Returns @remote's components, freed with g_strfreev, or NULL with
 * @error set. */
static GStrv
lukshdrRBDReach(lukshdrRBD *rbd, const lukshdrRemote *remote, GError **error)
{
    g_auto(GStrv) names = lukshdrRBDNames(remote);
    g_autoptr(lukshdrSecret) key = NULL;
    int rc;

    rbd->where = g_strdup(remote->name);
    if (remote->secretUUID && !lukshdrRBDKeys) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("Ceph image '%s' cannot be looked at from here: only libvirt's daemons get "
                      "the key of its user"),
                    remote->name);
        return NULL;
    }
    if (!lukshdrRBDLoad(error) ||
        (remote->secretUUID && !(key = lukshdrRBDKeys(remote->secretUUID, error))))
        return NULL;

    if ((rc = names ? lukshdrRBDConnect(rbd, remote, names, key) : -ENOENT) < 0) {
        lukshdrRBDSetError(rbd->where, rc, error);
        return NULL;
    }
    return g_steal_pointer(&names);
}

lukshdrRBD *
lukshdrRBDOpen(const lukshdrRemote *remote,
               const lukshdrIdentity *recorded,
               bool writable,
               GError **error)
{
    g_autoptr(lukshdrRBD) rbd = g_new0(lukshdrRBD, 1);
    g_auto(GStrv) names = lukshdrRBDReach(rbd, remote, error);
    const char *space = names && names[2] ? names[1] : "";
    int rc;

    if (!names)
        return NULL;

    if ((rc = lukshdrRBDOpenImage(rbd, names[names[2] ? 2 : 1], recorded, writable)) < 0 ||
        (rc = lukshdrRBDExamine(rbd, space)) < 0) {
        lukshdrRBDSetError(rbd->where, rc, error);
        return NULL;
    }
    return g_steal_pointer(&rbd);
}

void
lukshdrRBDClose(lukshdrRBD *rbd)
{
    if (!rbd)
        return;

    if (rbd->image)
        lukshdrRBDAPI.rbd_close(rbd->image);
    if (rbd->pool)
        lukshdrRBDAPI.rados_ioctx_destroy(rbd->pool);
    if (rbd->cluster)
        lukshdrRBDAPI.rados_shutdown(rbd->cluster);
    if (rbd->instance) {
        g_mutex_lock(&lukshdrRBDOwnLock);
        g_hash_table_remove(lukshdrRBDOwn, &rbd->instance);
        g_mutex_unlock(&lukshdrRBDOwnLock);
    }
    g_free(rbd->where);
    g_free(rbd);
}

/* rbd_list2, with room for as many as there are.  Sets @n. */
static int
lukshdrRBDListImages(rados_ioctx_t pool, rbd_image_spec_t **images, size_t *n)
{
    int rc;

    *n = 64;
    do {
        g_free(*images);
        *images = g_new0(rbd_image_spec_t, *n);
    } while ((rc = lukshdrRBDAPI.rbd_list2(pool, *images, n)) == -ERANGE);
    return rc;
}

GHashTable *
lukshdrRBDList(const lukshdrRemote *remote, GError **error)
{
    g_autoptr(GHashTable) ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(lukshdrRBD) rbd = g_new0(lukshdrRBD, 1);
    g_auto(GStrv) names = lukshdrRBDReach(rbd, remote, error);
    g_autofree rbd_image_spec_t *images = NULL;
    char fsid[LUKSHDR_RBD_ID_LEN];
    size_t n;
    size_t i;
    int rc;

    if (!names)
        return NULL;

    if ((rc = lukshdrRBDAPI.rados_cluster_fsid(rbd->cluster, fsid, sizeof(fsid))) < 0 ||
        (rc = lukshdrRBDListImages(rbd->pool, &images, &n)) < 0) {
        lukshdrRBDSetError(rbd->where, rc, error);
        return NULL;
    }

    for (i = 0; i < n; i++)
        g_hash_table_add(ids,
                         lukshdrRBDFormatID(rbd, fsid, names[2] ? names[1] : "", images[i].id));
    lukshdrRBDAPI.rbd_image_spec_list_cleanup(images, n);
    return g_steal_pointer(&ids);
}

void
lukshdrRBDIdentity(const lukshdrRBD *rbd, lukshdrIdentity *identity)
{
    *identity = rbd->identity;
}

bool
lukshdrRBDIsUnwritten(const lukshdrRBD *before, const lukshdrRBD *now)
{
    return before->written.tv_sec == now->written.tv_sec &&
           before->written.tv_nsec == now->written.tv_nsec;
}

int
lukshdrRBDConfig(guint timeout, GError **error)
{
    g_autofree char *host = NULL;
    g_autofree char *text = NULL;
    int fd = memfd_create("ceph.conf", MFD_CLOEXEC);

    if (fd < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to make a file in memory"));
        return -1;
    }

    /* a host need not have one */
    (void)g_file_get_contents(LUKSHDR_RBD_CONFIG, &host, NULL, NULL);
    text = g_strdup_printf("%s\n[client]\n"
                           "rados_osd_op_timeout = %u\nrados_mon_op_timeout = %u\n",
                           host ? host : "", timeout, timeout);
    if (lukshdrIOWrite(fd, text, strlen(text), 0, error))
        return fd;
    close(fd);
    return -1;
}

bool
lukshdrRBDCheckUnused(const lukshdrRBD *rbd, GError **error)
{
    g_autofree rbd_image_watcher_t *watchers = NULL;
    g_autofree char *address = NULL;
    size_t n = 8;
    size_t i;
    int rc;

    do {
        g_free(watchers);
        watchers = g_new0(rbd_image_watcher_t, n);
    } while ((rc = lukshdrRBDAPI.rbd_watchers_list(rbd->image, watchers, &n)) == -ERANGE);
    if (rc < 0) {
        lukshdrRBDSetError(rbd->where, rc, error);
        return false;
    }

    for (i = 0; i < n && !address; i++) {
        if (!lukshdrRBDIsOwn(watchers[i].id))
            address = g_strdup(watchers[i].addr);
    }
    lukshdrRBDAPI.rbd_watchers_list_cleanup(watchers, n);
    if (!address)
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("image '%s' is in use, by a client of the Ceph cluster at %s; if that client is "
                  "gone for good, the cluster forgets it by itself after 30 seconds"),
                rbd->where, address);
    return false;
}

bool
lukshdrRBDCheckRemovable(const lukshdrRBD *rbd, GError **error)
{
    g_autofree rbd_snap_info_t *snapshots = NULL;
    int max = 8;
    int n;

    do {
        g_free(snapshots);
        snapshots = g_new0(rbd_snap_info_t, max);
    } while ((n = lukshdrRBDAPI.rbd_snap_list(rbd->image, snapshots, &max)) == -ERANGE);
    if (n < 0) {
        lukshdrRBDSetError(rbd->where, n, error);
        return false;
    }
    if (n == 0)
        return true;

    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
        _("image '%s' has snapshots, such as '%s', which keep what was in it, and the cluster "
          "removes no image that has some; remove them first (rbd snap purge)"),
        rbd->where, snapshots[0].name);
    lukshdrRBDAPI.rbd_snap_list_end(snapshots);
    return false;
}

gssize
lukshdrRBDRead(const lukshdrRBD *rbd, void *buf, gsize len, guint64 offset, GError **error)
{
    ssize_t got = lukshdrRBDAPI.rbd_read(rbd->image, offset, len, buf);

    if (got < 0) {
        lukshdrRBDSetError(rbd->where, got, error);
        return -1;
    }
    return got;
}

bool
lukshdrRBDWrite(lukshdrRBD *rbd, const void *buf, gsize len, guint64 offset, GError **error)
{
    ssize_t done = lukshdrRBDAPI.rbd_write(rbd->image, offset, len, buf);

    if (done == (ssize_t)len)
        return true;
    lukshdrRBDSetError(rbd->where, done < 0 ? done : -ENOSPC, error);
    return false;
}

bool
lukshdrRBDFlush(lukshdrRBD *rbd, GError **error)
{
    int rc = lukshdrRBDAPI.rbd_flush(rbd->image);

    if (rc < 0)
        lukshdrRBDSetError(rbd->where, rc, error);
    return rc >= 0;
}

bool
lukshdrRBDGrow(lukshdrRBD *rbd, guint64 size, GError **error)
{
    guint64 now = 0;
    int rc = lukshdrRBDAPI.rbd_get_size(rbd->image, &now);

    if (rc >= 0 && now < size)
        rc = lukshdrRBDAPI.rbd_resize(rbd->image, size);
    if (rc < 0) {
        lukshdrRBDSetError(rbd->where, rc, error);
        return false;
    }
    rbd->identity.size = MAX(now, size);
    return true;
}

bool
lukshdrRBDLock(lukshdrRBD *rbd, bool *held, GError **error)
{
    int rc = lukshdrRBDAPI.rbd_lock_acquire(rbd->image, RBD_LOCK_MODE_EXCLUSIVE);

    /* the holder has refused to give it up, as we would */
    *held = rc == -EROFS || rc == -EBUSY;
    if (rc >= 0 || *held)
        return true;

    if (rc == -EINVAL)
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
            _("image '%s' has no feature exclusive-lock, without which two hosts could change it "
              "at the same time; give it one (rbd feature enable)"),
            rbd->where);
    else
        lukshdrRBDSetError(rbd->where, rc, error);
    return false;
}
