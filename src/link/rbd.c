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
#include <unistd.h>

#include "auth.h"
#include "util/error.h"
#include "util/io.h"

/* librados's documentation of rados_conf_read_file: what every client of the host reads */
#define LUKSHDR_RBD_CONFIG "/etc/ceph/ceph.conf"

/* longer than what Ceph gives an image or a cluster for a name; ERANGE says otherwise */
#define LUKSHDR_RBD_ID_LEN 64
/* the same of the one holder of a lock, or of some that share one */
#define LUKSHDR_RBD_LOCKERS_LEN 512

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
    X(rbd_list_lockers) \
    X(rbd_watchers_list) \
    X(rbd_watchers_list_cleanup) \
    X(rbd_snap_list) \
    X(rbd_snap_list_end) \
    X(rbd_snap_get_namespace_type) \
    X(rbd_snap_set) \
    X(rbd_list_children3) \
    X(rbd_linked_image_spec_list_cleanup)

#define LUKSHDR_RBD_MEMBER(name) __typeof__(&(name)) name;

/* Set by lukshdrRBDLoad, once, and read-only from then on */
static struct {
    LUKSHDR_RBD_RADOS(LUKSHDR_RBD_MEMBER)
    LUKSHDR_RBD_LIBRBD(LUKSHDR_RBD_MEMBER)
} lukshdrRBDAPI;

/* Instance ids of this process's connections, as gint64: they may watch images, too.  The lock is a
 * leaf. */
static GMutex lukshdrRBDOwnLock;
static GHashTable *lukshdrRBDOwn;

/* A connection to a cluster as one of its users, or why there is none.  Other threads may have
 * images open in it. */
typedef struct _lukshdrRBDCluster lukshdrRBDCluster;
struct _lukshdrRBDCluster {
    gint refs;            /* atomic */
    lukshdrRemote *whose; /* its servers, user and secret; the name does not matter */
    rados_t rados;
    guint64 instance; /* of the connection; 0 while there is none */
    bool silent;      /* it has not answered within the deadline; only its own thread looks */
};

/* What the thread's operation has connected to: lukshdrRBDCluster.  NULL outside of one. */
static __thread GPtrArray *lukshdrRBDClusters;
static __thread guint lukshdrRBDDepth;

struct _lukshdrRBD {
    lukshdrRBDCluster *cluster;
    rados_ioctx_t pool;
    rbd_image_t image;
    char *space; /* the pool's namespace, or "" */
    char *name;  /* the image's */
    char *where; /* for messages */
    lukshdrIdentity identity;
    struct timespec written;
};

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
              "monitors and OSDs run and can be reached from here, and whether the libvirt secret "
              "has its user's key, then try again"),
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
    case ESHUTDOWN:
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
            _("the Ceph cluster has shut out this host's client of '%s' (ceph osd blocklist "
              "ls), as it does when another takes over a lock; try again"),
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
lukshdrRBDFormatID(const lukshdrRBD *rbd, const char *fsid, const char *image)
{
    return g_strdup_printf("%s:%" G_GINT64_FORMAT ":%s:%s", fsid,
                           (gint64)lukshdrRBDAPI.rados_ioctx_get_id(rbd->pool), rbd->space, image);
}

/* What the open image is */
static int
lukshdrRBDExamine(lukshdrRBD *rbd)
{
    char fsid[LUKSHDR_RBD_ID_LEN];
    char id[LUKSHDR_RBD_ID_LEN];
    g_autofree char *text = NULL;
    guint64 size;
    int rc;

    if ((rc = lukshdrRBDAPI.rados_cluster_fsid(rbd->cluster->rados, fsid, sizeof(fsid))) < 0 ||
        (rc = lukshdrRBDAPI.rbd_get_id(rbd->image, id, sizeof(id))) < 0 ||
        (rc = lukshdrRBDAPI.rbd_get_size(rbd->image, &size)) < 0 ||
        (rc = lukshdrRBDAPI.rbd_get_modify_timestamp(rbd->image, &rbd->written)) < 0)
        return rc;

    text = lukshdrRBDFormatID(rbd, fsid, id);
    return lukshdrIdentitySetRBD(&rbd->identity, text, size) ? 0 : -ERANGE;
}

/* By its name, or, where there is none of that name, by the id that was recorded */
static int
lukshdrRBDOpenImage(lukshdrRBD *rbd, const lukshdrIdentity *recorded, bool writable)
{
    const char *id = recorded && recorded->type == LUKSHDR_IDENTITY_RBD
                         ? strrchr(recorded->id, ':') + 1
                         : NULL;
    int rc = writable ? lukshdrRBDAPI.rbd_open(rbd->pool, rbd->name, &rbd->image, NULL)
                      : lukshdrRBDAPI.rbd_open_read_only(rbd->pool, rbd->name, &rbd->image, NULL);

    if (rc != -ENOENT || !id)
        return rc;
    return writable ? lukshdrRBDAPI.rbd_open_by_id(rbd->pool, id, &rbd->image, NULL)
                    : lukshdrRBDAPI.rbd_open_by_id_read_only(rbd->pool, id, &rbd->image, NULL);
}

/* Before an image is opened, so that no thread takes the connection for somebody else's */
static void
lukshdrRBDRemember(lukshdrRBDCluster *cluster)
{
    cluster->instance = lukshdrRBDAPI.rados_get_instance_id(cluster->rados);
    g_mutex_lock(&lukshdrRBDOwnLock);
    if (!lukshdrRBDOwn)
        lukshdrRBDOwn = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    g_hash_table_add(lukshdrRBDOwn, g_memdup2(&cluster->instance, sizeof(cluster->instance)));
    g_mutex_unlock(&lukshdrRBDOwnLock);
}

static bool
lukshdrRBDIsOwn(guint64 instance)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrRBDOwnLock);

    return lukshdrRBDOwn && g_hash_table_contains(lukshdrRBDOwn, &instance);
}

static void
lukshdrRBDClusterUnref(lukshdrRBDCluster *cluster)
{
    if (!g_atomic_int_dec_and_test(&cluster->refs))
        return;

    if (cluster->rados)
        lukshdrRBDAPI.rados_shutdown(cluster->rados);
    if (cluster->instance) {
        g_mutex_lock(&lukshdrRBDOwnLock);
        g_hash_table_remove(lukshdrRBDOwn, &cluster->instance);
        g_mutex_unlock(&lukshdrRBDOwnLock);
    }
    lukshdrRemoteFree(cluster->whose);
    g_free(cluster);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrRBDCluster, lukshdrRBDClusterUnref)

lukshdrRBDOperation
lukshdrRBDOperationBegin(void)
{
    if (lukshdrRBDDepth++ == 0)
        lukshdrRBDClusters = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrRBDClusterUnref);
    return (lukshdrRBDOperation){ true };
}

void
lukshdrRBDOperationEnd(lukshdrRBDOperation *operation)
{
    if (operation->begun && --lukshdrRBDDepth == 0)
        g_clear_pointer(&lukshdrRBDClusters, g_ptr_array_unref);
    operation->begun = false;
}

/* Returns what this thread's operation has found of the cluster of @remote, or NULL if it has not
 * asked yet */
static lukshdrRBDCluster *
lukshdrRBDClusterFind(const lukshdrRemote *remote)
{
    guint i;

    for (i = 0; lukshdrRBDClusters && i < lukshdrRBDClusters->len; i++) {
        lukshdrRBDCluster *cluster = g_ptr_array_index(lukshdrRBDClusters, i);

        if (g_strv_equal((const char *const *)cluster->whose->servers,
                         (const char *const *)remote->servers) &&
            g_strcmp0(cluster->whose->user, remote->user) == 0 &&
            g_strcmp0(cluster->whose->secretUUID, remote->secretUUID) == 0) {
            g_atomic_int_inc(&cluster->refs);
            return cluster;
        }
    }
    return NULL;
}

/* Returns a connection to the cluster of @remote, a reference, or NULL with @error set */
static lukshdrRBDCluster *
lukshdrRBDConnect(const lukshdrRemote *remote, GError **error)
{
    g_autoptr(lukshdrRBDCluster) cluster = lukshdrRBDClusterFind(remote);
    g_autoptr(lukshdrSecret) key = NULL;
    int rc;

    if (cluster) {
        if (!cluster->silent)
            return g_steal_pointer(&cluster);
        lukshdrRBDSetError(remote->name, -ETIMEDOUT, error);
        return NULL;
    }

    if (!lukshdrAuthGet(remote, &key, error))
        return NULL;

    cluster = g_new0(lukshdrRBDCluster, 1);
    cluster->refs = 1;
    cluster->whose = lukshdrRemoteCopy(remote);
    if ((rc = lukshdrRBDAPI.rados_create(&cluster->rados, remote->user)) >= 0 &&
        (rc = lukshdrRBDConfigure(cluster->rados, remote, key)) >= 0)
        rc = lukshdrRBDAPI.rados_connect(cluster->rados);

    cluster->silent = rc == -ETIMEDOUT;
    if (lukshdrRBDClusters && (rc >= 0 || cluster->silent)) {
        g_atomic_int_inc(&cluster->refs);
        g_ptr_array_add(lukshdrRBDClusters, cluster);
    }
    if (rc < 0) {
        lukshdrRBDSetError(remote->name, rc, error);
        return NULL;
    }
    lukshdrRBDRemember(cluster);
    return g_steal_pointer(&cluster);
}

/* Sets @error to why @rbd could not be opened */
static void
lukshdrRBDFail(lukshdrRBD *rbd, int err, GError **error)
{
    rbd->cluster->silent |= err == -ETIMEDOUT;
    lukshdrRBDSetError(rbd->where, err, error);
}

/* Makes @rbd ready for the images of @remote's pool */
static bool
lukshdrRBDReach(lukshdrRBD *rbd, const lukshdrRemote *remote, GError **error)
{
    g_autofree char *pool = NULL;
    int rc;

    rbd->where = g_strdup(remote->name);
    if (!lukshdrRBDLoad(error))
        return false;

    if (!lukshdrRemoteSplitRBD(remote, &pool, &rbd->space, &rbd->name)) {
        lukshdrRBDSetError(rbd->where, -ENOENT, error);
        return false;
    }
    if (!(rbd->cluster = lukshdrRBDConnect(remote, error)))
        return false;

    if ((rc = lukshdrRBDAPI.rados_ioctx_create(rbd->cluster->rados, pool, &rbd->pool)) < 0) {
        lukshdrRBDFail(rbd, rc, error);
        return false;
    }
    lukshdrRBDAPI.rados_ioctx_set_namespace(rbd->pool, rbd->space);
    return true;
}

/* librbd's own locks are called so (ManagedLock in its sources); their holders give them up when they are
 * asked, or refuse, or have died and lose them.  Others are those of "rbd lock add". */
#define LUKSHDR_RBD_MANAGED "auto "

/* librbd waits for ever for a lock that somebody has set by hand, whatever the deadlines are */
static bool
lukshdrRBDCheckUnlocked(lukshdrRBD *rbd, GError **error)
{
    char tag[LUKSHDR_RBD_ID_LEN];
    char clients[LUKSHDR_RBD_LOCKERS_LEN];
    char cookies[LUKSHDR_RBD_LOCKERS_LEN];
    char addresses[LUKSHDR_RBD_LOCKERS_LEN];
    size_t tagLen = sizeof(tag);
    size_t clientsLen = sizeof(clients);
    size_t cookiesLen = sizeof(cookies);
    size_t addressesLen = sizeof(addresses);
    int exclusive;
    ssize_t n = lukshdrRBDAPI.rbd_list_lockers(rbd->image, &exclusive, tag, &tagLen, clients,
                                               &clientsLen, cookies, &cookiesLen, addresses,
                                               &addressesLen);

    /* of one managed lock the texts are short */
    if (n < 0 && n != -ERANGE) {
        lukshdrRBDFail(rbd, n, error);
        return false;
    }
    if (n == 0 || (n == 1 && g_str_has_prefix(cookies, LUKSHDR_RBD_MANAGED)))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("image '%s' is locked by hand, and cannot be written to: see who needs that "
                  "(rbd lock ls), or remove the lock (rbd lock rm)"),
                rbd->where);
    return false;
}

lukshdrRBD *
lukshdrRBDOpen(const lukshdrRemote *remote,
               const lukshdrIdentity *recorded,
               bool writable,
               GError **error)
{
    g_autoptr(lukshdrRBD) rbd = g_new0(lukshdrRBD, 1);
    int rc;

    if (!lukshdrRBDReach(rbd, remote, error))
        return NULL;

    if ((rc = lukshdrRBDOpenImage(rbd, recorded, writable)) < 0 ||
        (rc = lukshdrRBDExamine(rbd)) < 0) {
        lukshdrRBDFail(rbd, rc, error);
        return NULL;
    }
    if (writable && !lukshdrRBDCheckUnlocked(rbd, error))
        return NULL;
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
        lukshdrRBDClusterUnref(rbd->cluster);
    g_free(rbd->space);
    g_free(rbd->name);
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
    g_autofree rbd_image_spec_t *images = NULL;
    char fsid[LUKSHDR_RBD_ID_LEN];
    size_t n;
    size_t i;
    int rc;

    if (!lukshdrRBDReach(rbd, remote, error))
        return NULL;

    if ((rc = lukshdrRBDAPI.rados_cluster_fsid(rbd->cluster->rados, fsid, sizeof(fsid))) < 0 ||
        (rc = lukshdrRBDListImages(rbd->pool, &images, &n)) < 0) {
        lukshdrRBDFail(rbd, rc, error);
        return NULL;
    }

    for (i = 0; i < n; i++)
        g_hash_table_add(ids, lukshdrRBDFormatID(rbd, fsid, images[i].id));
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
    int fd = lukshdrIOMemory("ceph.conf", error);

    if (fd < 0)
        return -1;

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

/* Returns the image's snapshots, freed with lukshdrRBDFreeSnapshots, and sets @n to how many there are; NULL with
 * @error set */
static rbd_snap_info_t *
lukshdrRBDSnapshots(const lukshdrRBD *rbd, int *n, GError **error)
{
    rbd_snap_info_t *snapshots = NULL;
    int max = 8;

    do {
        g_free(snapshots);
        /* the last says where they end */
        snapshots = g_new0(rbd_snap_info_t, max + 1);
    } while ((*n = lukshdrRBDAPI.rbd_snap_list(rbd->image, snapshots, &max)) == -ERANGE);
    if (*n >= 0)
        return snapshots;

    g_free(snapshots);
    lukshdrRBDSetError(rbd->where, *n, error);
    return NULL;
}

static void
lukshdrRBDFreeSnapshots(rbd_snap_info_t *snapshots)
{
    lukshdrRBDAPI.rbd_snap_list_end(snapshots);
    g_free(snapshots);
}

bool
lukshdrRBDFindSnapshot(const lukshdrRBD *rbd, char **name, GError **error)
{
    int n;
    rbd_snap_info_t *snapshots = lukshdrRBDSnapshots(rbd, &n, error);

    *name = NULL;
    if (!snapshots)
        return false;
    if (n > 0)
        *name = g_strdup(snapshots[0].name);
    lukshdrRBDFreeSnapshots(snapshots);
    return true;
}

/* Sets @child to the name of an image that was cloned from the snapshot, or to NULL */
static int
lukshdrRBDFindChild(const lukshdrRBD *rbd, const char *snapshot, char **child)
{
    g_autofree rbd_linked_image_spec_t *children = NULL;
    size_t n = 8;
    int rc = lukshdrRBDAPI.rbd_snap_set(rbd->image, snapshot);

    *child = NULL;
    if (rc < 0)
        return rc;

    do {
        g_free(children);
        children = g_new0(rbd_linked_image_spec_t, n);
    } while ((rc = lukshdrRBDAPI.rbd_list_children3(rbd->image, children, &n)) == -ERANGE);
    if (rc >= 0) {
        if (n > 0)
            *child = g_strdup_printf("%s/%s", children[0].pool_name, children[0].image_name);
        lukshdrRBDAPI.rbd_linked_image_spec_list_cleanup(children, n);
    }
    (void)lukshdrRBDAPI.rbd_snap_set(rbd->image, NULL);
    return rc;
}

static bool
lukshdrRBDCheckPurge(const lukshdrRBD *rbd, const rbd_snap_info_t *snapshot, GError **error)
{
    rbd_snap_namespace_type_t type;
    g_autofree char *child = NULL;
    int rc = lukshdrRBDAPI.rbd_snap_get_namespace_type(rbd->image, snapshot->id, &type);

    if (rc >= 0 && type != RBD_SNAP_NAMESPACE_TYPE_USER) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("snapshot '%s' of image '%s' is not one that can be removed by itself: it "
              "belongs to a clone, a group or a mirror (rbd snap ls --all); end that first"),
            snapshot->name, rbd->where);
        return false;
    }

    if (rc < 0 || (rc = lukshdrRBDFindChild(rbd, snapshot->name, &child)) < 0) {
        lukshdrRBDSetError(rbd->where, rc, error);
        return false;
    }
    if (!child)
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("image '%s' was cloned from snapshot '%s' of image '%s' and needs it; delete the "
                  "clone first, or make it whole (rbd flatten)"),
                child, snapshot->name, rbd->where);
    return false;
}

bool
lukshdrRBDCheckRemovable(const lukshdrRBD *rbd, bool purge, GError **error)
{
    int n;
    rbd_snap_info_t *snapshots = lukshdrRBDSnapshots(rbd, &n, error);
    bool ok = true;
    int i;

    if (!snapshots)
        return false;
    for (i = 0; purge && ok && i < n; i++)
        ok = lukshdrRBDCheckPurge(rbd, &snapshots[i], error);
    if (!purge && n > 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("image '%s' has snapshots, such as '%s', which keep what was in it, and the "
                      "cluster removes no image that has some; remove them first (rbd snap purge), "
                      "or with the volume (virsh vol-delete --delete-snapshots)"),
                    rbd->where, snapshots[0].name);
        ok = false;
    }
    lukshdrRBDFreeSnapshots(snapshots);
    return ok;
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
