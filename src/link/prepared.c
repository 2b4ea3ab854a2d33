/*
 * prepared.c: headers that are made ahead, for volumes with generated secrets
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One thread makes them, one after the other.  All the work is QEMU's tool's, which has the lowest
 * priority that there is.  The thread itself has an ordinary one: it starts the tool and copies some
 * 260 KB.  With a low priority it could be kept waiting with the lock held, and a client's call with it.
 */

#include "config.h"

#include "prepared.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <gnutls/gnutls.h>
#include <libvirt/virterror.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "util/log.h"
#include "label.h"

struct _lukshdrPreparedHeader {
    lukshdrSecret *secret;
    lukshdrSecret
        *bytes;  /* from the first to the last that is not zero: header and first key slot */
    gsize len;   /* bytes, up to the end of the last, empty key slot */
    char *tools; /* lukshdrPreparedTools, when it was made */
};

/* A choice of parameters, and what is ready for it */
typedef struct _lukshdrPreparedKind lukshdrPreparedKind;
struct _lukshdrPreparedKind {
    lukshdrFormatParams params;
    GQueue headers; /* of lukshdrPreparedHeader * */
};

struct _lukshdrPrepared {
    guint depth;
    GCancellable *end; /* kills the tool that is at work; has a lock of its own */

    /* The lock protects what is below.  It is a leaf, and clients' calls take it: a thread that holds it starts no
     * process, waits for none, touches no file and wipes nothing. */
    GMutex lock;
    GCond wakeup;
    GThread *thread; /* NULL before the first creation */
    GQueue kinds;    /* of lukshdrPreparedKind *, that of the last creation first */
    /* whether the last attempt failed or goes on, and nobody has created a volume since it began; then nothing is tried
     * before somebody does */
    bool failed;
    bool ended;
};

lukshdrPreparedHeader *
lukshdrPreparedHeaderNew(int fd, lukshdrSecret *secret, GError **error)
{
    lukshdrPreparedHeader *header;
    struct stat st;
    guint8 *map;
    gsize used;

    if (fstat(fd, &st) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read the LUKS header"));
        lukshdrSecretFree(secret);
        return NULL;
    }
    if (st.st_size <= 0 || st.st_size > LUKSHDR_HEADER_VOLUME_SIZE) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("QEMU made a header of %lld bytes"), (long long)st.st_size);
        lukshdrSecretFree(secret);
        return NULL;
    }

    /* not a map of the file: SELinux's policy does not let libvirt's daemons map it */
    map = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read the LUKS header"));
        lukshdrSecretFree(secret);
        return NULL;
    }
    madvise(map, st.st_size, MADV_DONTDUMP);
    madvise(map, st.st_size, MADV_DONTFORK);
    if (!lukshdrIOReadAll(fd, map, st.st_size, 0, error)) {
        gnutls_memset(map, 0, st.st_size);
        munmap(map, st.st_size);
        lukshdrSecretFree(secret);
        return NULL;
    }

    for (used = st.st_size; used > 0 && !map[used - 1]; used--)
        ;
    header = g_new0(lukshdrPreparedHeader, 1);
    header->secret = secret;
    header->bytes = lukshdrSecretNew(map, used);
    header->len = st.st_size;

    gnutls_memset(map, 0, used);
    if (!lukshdrIOWrite(fd, map, used, 0, error))
        g_clear_pointer(&header, lukshdrPreparedHeaderFree);
    munmap(map, st.st_size);
    return header;
}

void
lukshdrPreparedHeaderFree(lukshdrPreparedHeader *header)
{
    if (!header)
        return;

    lukshdrSecretFree(header->secret);
    lukshdrSecretFree(header->bytes);
    g_free(header->tools);
    g_free(header);
}

const lukshdrSecret *
lukshdrPreparedHeaderSecret(const lukshdrPreparedHeader *header)
{
    return header->secret;
}

bool
lukshdrPreparedHeaderWrite(const lukshdrPreparedHeader *header, int fd, GError **error)
{
    gsize used = lukshdrSecretLength(header->bytes);
    g_autofree guint8 *zeroes = NULL;
    struct stat st;

    if (!lukshdrIOWrite(fd, lukshdrSecretData(header->bytes), used, 0, error)) {
        g_prefix_error(error, "%s: ", _("Unable to write the LUKS header"));
        return false;
    }

    if (fstat(fd, &st) < 0 || !S_ISBLK(st.st_mode))
        return true;
    zeroes = g_malloc0(header->len - used);
    if (lukshdrIOWrite(fd, zeroes, header->len - used, used, error))
        return true;
    g_prefix_error(error, "%s: ", _("Unable to write the LUKS header"));
    return false;
}

/* Which programs QEMU's tools are now.  A header of an older QEMU, which an update may have had its reasons to
 * replace, is not used. */
static char *
lukshdrPreparedTools(void)
{
    static const char *const names[] = { LUKSHDR_QEMU_IMG, LUKSHDR_QEMU_STORAGE_DAEMON };
    GString *tools = g_string_new(NULL);
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_find_program_in_path(names[i]);
        struct stat st;

        if (path && stat(path, &st) == 0)
            g_string_append_printf(tools, "%s %llu %llu %lld %lld.%09ld %lld.%09ld", path,
                                   (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                                   (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                                   (long)st.st_mtim.tv_nsec, (long long)st.st_ctim.tv_sec,
                                   (long)st.st_ctim.tv_nsec);
        g_string_append_c(tools, '\n');
    }
    return g_string_free(tools, FALSE);
}

static void
lukshdrPreparedKindFree(lukshdrPreparedKind *kind)
{
    lukshdrFormatParamsClear(&kind->params);
    g_queue_clear_full(&kind->headers, (GDestroyNotify)lukshdrPreparedHeaderFree);
    g_free(kind);
}

/* With the lock held, returns what the store has of @params, or NULL */
static lukshdrPreparedKind *
lukshdrPreparedFind(lukshdrPrepared *prepared, const lukshdrFormatParams *params)
{
    GList *item;

    for (item = prepared->kinds.head; item; item = item->next) {
        lukshdrPreparedKind *kind = item->data;

        if (lukshdrFormatParamsEqual(&kind->params, params))
            return kind;
    }
    return NULL;
}

static lukshdrPreparedHeader *
lukshdrPreparedMake(const lukshdrFormatParams *params, GCancellable *end, GError **error)
{
    g_autofree char *tools = lukshdrPreparedTools();
    g_autofree char *since = NULL;
    g_autoptr(lukshdrSecret) secret = lukshdrSecretGenerate(error);
    g_autoptr(lukshdrPreparedHeader) header = NULL;
    int fd;

    if (!secret || (fd = lukshdrIOMemory("lukshdr-header", error)) < 0)
        return NULL;

    if (lukshdrFormatHeader(fd, params, secret, end, error)) {
        /* what the tool may have left running does not make it shorter while it is read */
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
            header = lukshdrPreparedHeaderNew(fd, g_steal_pointer(&secret), error);
        else
            lukshdrErrorSetErrno(error, errno, _("Unable to make a file in memory"));
    }
    close(fd);
    if (!header)
        return NULL;

    since = lukshdrPreparedTools();
    if (!g_str_equal(tools, since)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                            _("QEMU's tools were replaced meanwhile"));
        return NULL;
    }
    header->tools = g_steal_pointer(&tools);
    return g_steal_pointer(&header);
}

/* Waits until a header is to be made, and sets @params to what it must be.  Returns false at the end. */
static bool
lukshdrPreparedNext(lukshdrPrepared *prepared, lukshdrFormatParams *params)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&prepared->lock);

    for (;;) {
        GList *item;

        if (prepared->ended)
            return false;
        for (item = prepared->failed ? NULL : prepared->kinds.head; item; item = item->next) {
            const lukshdrPreparedKind *kind = item->data;

            if (kind->headers.length < prepared->depth) {
                lukshdrFormatParamsCopy(&kind->params, params);
                prepared->failed = true;
                return true;
            }
        }
        g_cond_wait(&prepared->wakeup, &prepared->lock);
    }
}

/* Keeps @header, which is consumed, unless nobody wants it any more.  NULL is a failure.  Returns how many there are
 * of its kind now. */
static guint
lukshdrPreparedKeep(lukshdrPrepared *prepared,
                    const lukshdrFormatParams *params,
                    lukshdrPreparedHeader *header)
{
    lukshdrPreparedKind *kind;
    guint kept = 0;

    g_mutex_lock(&prepared->lock);
    if (header)
        prepared->failed = false;
    kind = prepared->ended ? NULL : lukshdrPreparedFind(prepared, params);
    if (kind && header)
        g_queue_push_tail(&kind->headers, g_steal_pointer(&header));
    if (kind)
        kept = kind->headers.length;
    g_mutex_unlock(&prepared->lock);

    lukshdrPreparedHeaderFree(header);
    return kept;
}

/* A GThreadFunc */
static gpointer
lukshdrPreparedRun(gpointer opaque)
{
    lukshdrPrepared *prepared = opaque;
    lukshdrFormatParams params;
    bool told = false;

    while (lukshdrPreparedNext(prepared, &params)) {
        g_autoptr(GError) error = NULL;
        lukshdrPreparedHeader *header = lukshdrPreparedMake(&params, prepared->end, &error);
        guint kept = lukshdrPreparedKeep(prepared, &params, header);

        if (!error)
            LUKSHDR_LOG_DEBUG("%u headers are ready for volumes with generated secrets", kept);
        else if (told || g_error_matches(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_ABORTED))
            LUKSHDR_LOG_DEBUG("no header was prepared: %s", error->message);
        else
            LUKSHDR_LOG_WARN(
                _("No header can be made ahead for the next volumes with generated secrets, "
                  "so creating them takes its time: %s"),
                error->message);
        /* once is enough, also of a host whose security policy forbids it */
        told = error != NULL;
        lukshdrFormatParamsClear(&params);
    }
    return NULL;
}

lukshdrPrepared *
lukshdrPreparedNew(guint depth)
{
    lukshdrPrepared *prepared = g_new0(lukshdrPrepared, 1);

    prepared->depth = depth;
    prepared->end = g_cancellable_new();
    g_mutex_init(&prepared->lock);
    g_cond_init(&prepared->wakeup);
    g_queue_init(&prepared->kinds);
    return prepared;
}

lukshdrPreparedHeader *
lukshdrPreparedTake(lukshdrPrepared *prepared, const lukshdrFormatParams *params)
{
    g_autofree char *tools = lukshdrPreparedTools();
    lukshdrPreparedHeader *header = NULL;
    GQueue old = G_QUEUE_INIT;
    lukshdrPreparedKind *kind;

    g_mutex_lock(&prepared->lock);
    kind = prepared->ended ? NULL : lukshdrPreparedFind(prepared, params);
    while (kind && (header = g_queue_pop_head(&kind->headers)) &&
           !g_str_equal(header->tools, tools))
        g_queue_push_tail(&old, header);
    g_mutex_unlock(&prepared->lock);

    g_queue_clear_full(&old, (GDestroyNotify)lukshdrPreparedHeaderFree);
    return header;
}

void
lukshdrPreparedUsed(lukshdrPrepared *prepared, const lukshdrFormatParams *params)
{
    lukshdrPreparedKind *dropped = NULL;
    lukshdrPreparedKind *kind;

    g_mutex_lock(&prepared->lock);
    if (!prepared->ended) {
        if ((kind = lukshdrPreparedFind(prepared, params))) {
            g_queue_remove(&prepared->kinds, kind);
        } else {
            kind = g_new0(lukshdrPreparedKind, 1);
            lukshdrFormatParamsCopy(params, &kind->params);
            g_queue_init(&kind->headers);
        }
        g_queue_push_head(&prepared->kinds, kind);
        if (prepared->kinds.length > LUKSHDR_PREPARED_KINDS)
            dropped = g_queue_pop_tail(&prepared->kinds);

        prepared->failed = false;
        if (!prepared->thread)
            prepared->thread = g_thread_try_new("lukshdr-prepare", lukshdrPreparedRun, prepared,
                                                NULL);
        g_cond_signal(&prepared->wakeup);
    }
    g_mutex_unlock(&prepared->lock);

    if (dropped)
        lukshdrPreparedKindFree(dropped);
}

void
lukshdrPreparedEnd(lukshdrPrepared *prepared)
{
    lukshdrPreparedKind *kind;
    GThread *thread;

    if (!prepared)
        return;

    g_mutex_lock(&prepared->lock);
    prepared->ended = true;
    thread = g_steal_pointer(&prepared->thread);
    g_cond_signal(&prepared->wakeup);
    g_mutex_unlock(&prepared->lock);

    g_cancellable_cancel(prepared->end);
    if (thread)
        g_thread_join(thread);

    /* whoever comes later finds the store ended and leaves these alone */
    while ((kind = g_queue_pop_head(&prepared->kinds)))
        lukshdrPreparedKindFree(kind);
}

void
lukshdrPreparedFree(lukshdrPrepared *prepared)
{
    if (!prepared)
        return;

    lukshdrPreparedEnd(prepared);
    g_object_unref(prepared->end);
    g_mutex_clear(&prepared->lock);
    g_cond_clear(&prepared->wakeup);
    g_free(prepared);
}
