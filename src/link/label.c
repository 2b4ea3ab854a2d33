/*
 * label.c: the link label, the link as the header volume carries it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "label.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <gnutls/crypto.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"

#define LUKSHDR_LABEL_MAGIC "LUKSHDR\n"
#define LUKSHDR_LABEL_VERSION 1
#define LUKSHDR_LABEL_DIGEST_LEN 32
#define LUKSHDR_LABEL_SLOTS 2
#define LUKSHDR_LABEL_SECTOR 512

typedef struct _lukshdrLabelHead lukshdrLabelHead;
struct _lukshdrLabelHead {
    char magic[8];
    guint32 version;
    guint32 length;
    guint8 digest[LUKSHDR_LABEL_DIGEST_LEN];
};

G_STATIC_ASSERT(sizeof(lukshdrLabelHead) == 48);
G_STATIC_ASSERT(sizeof(lukshdrLabelHead) + LUKSHDR_LABEL_TEXT_MAX <= LUKSHDR_LABEL_SLOT_SIZE);
G_STATIC_ASSERT(LUKSHDR_LABEL_OFFSET + LUKSHDR_LABEL_SLOTS * LUKSHDR_LABEL_SLOT_SIZE <=
                LUKSHDR_HEADER_VOLUME_SIZE);

static off_t
lukshdrLabelSlotOffset(unsigned int slot)
{
    return LUKSHDR_LABEL_OFFSET + (off_t)slot * LUKSHDR_LABEL_SLOT_SIZE;
}

bool
lukshdrLabelWrite(int fd, GPtrArray *links, GError **error)
{
    g_autofree char *text = lukshdrLinkListFormat(links);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    size_t len = strlen(text);
    lukshdrLabelHead head = {
        .version = GUINT32_TO_BE(LUKSHDR_LABEL_VERSION),
        .length = GUINT32_TO_BE(len),
    };
    off_t end = lseek(fd, 0, SEEK_END);
    unsigned int slot;

    memcpy(head.magic, LUKSHDR_LABEL_MAGIC, sizeof(head.magic));

    /* which nobody could read again */
    if (links->len == 0) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                            _("Unable to write a link label without links"));
        return false;
    }

    if (len > LUKSHDR_LABEL_TEXT_MAX) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("link label of %zu bytes is longer than the limit of %d; let fewer volumes "
                      "share the header, or have it fewer replicas"),
                    len, LUKSHDR_LABEL_TEXT_MAX);
        return false;
    }

    if (end < LUKSHDR_HEADER_VOLUME_SIZE) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("a header volume needs %d bytes and has %lld"), LUKSHDR_HEADER_VOLUME_SIZE,
                    (long long)end);
        return false;
    }

    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text, len, head.digest) < 0) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                            _("Unable to compute a SHA-256 digest"));
        return false;
    }

    g_byte_array_append(bytes, (const guint8 *)&head, sizeof(head));
    g_byte_array_append(bytes, (const guint8 *)text, len);

    /* The last slot first, each flushed before the next is touched, so that at
     * any moment at least one slot is whole; reading prefers the first. */
    for (slot = LUKSHDR_LABEL_SLOTS; slot-- > 0;) {
        ssize_t done = TEMP_FAILURE_RETRY(
            pwrite(fd, bytes->data, bytes->len, lukshdrLabelSlotOffset(slot)));

        if (done != (ssize_t)bytes->len || fsync(fd) < 0) {
            lukshdrErrorSetErrno(error, done >= 0 && done != (ssize_t)bytes->len ? ENOSPC : errno,
                                 _("Unable to write the link label"));
            return false;
        }
    }

    return true;
}

bool
lukshdrLabelWriteOne(int fd, lukshdrLink *link, GError **error)
{
    g_autoptr(GPtrArray) links = g_ptr_array_new();

    g_ptr_array_add(links, link);
    return lukshdrLabelWrite(fd, links, error);
}

/* Returns 1 and sets @links if the slot holds an intact label, 0 if it holds
 * none, -1 with @error set if it holds something that means to be one */
static int
lukshdrLabelReadSlot(int fd, unsigned int slot, GPtrArray **links, GError **error)
{
    g_autofree char *text = NULL;
    guint8 digest[LUKSHDR_LABEL_DIGEST_LEN];
    lukshdrLabelHead head;
    off_t offset = lukshdrLabelSlotOffset(slot);
    ssize_t got;
    guint32 len;

    got = TEMP_FAILURE_RETRY(pread(fd, &head, sizeof(head), offset));
    if (got < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read the link label"));
        return -1;
    }

    if (got < (ssize_t)sizeof(head) || memcmp(head.magic, LUKSHDR_LABEL_MAGIC, sizeof(head.magic)))
        return 0;

    if (GUINT32_FROM_BE(head.version) != LUKSHDR_LABEL_VERSION) {
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("the link label has format version %u, and this release of libvirt-lukshdr knows "
              "version %d; install a newer one"),
            GUINT32_FROM_BE(head.version), LUKSHDR_LABEL_VERSION);
        return -1;
    }

    len = GUINT32_FROM_BE(head.length);
    if (len == 0 || len > LUKSHDR_LABEL_TEXT_MAX) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the link label is damaged: it claims a length of %u bytes"), len);
        return -1;
    }

    text = g_malloc(len);
    got = TEMP_FAILURE_RETRY(pread(fd, text, len, offset + sizeof(head)));
    if (got < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read the link label"));
        return -1;
    }

    if (got != (ssize_t)len || gnutls_hash_fast(GNUTLS_DIG_SHA256, text, len, digest) < 0 ||
        memcmp(digest, head.digest, sizeof(digest))) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("the link label is damaged: it is cut short or its digest is wrong"));
        return -1;
    }

    return (*links = lukshdrLinkListParse(text, len, error)) ? 1 : -1;
}

bool
lukshdrLabelRead(int fd, GPtrArray **links, GError **error)
{
    g_autoptr(GError) first = NULL;
    unsigned int slot;

    *links = NULL;

    for (slot = 0; slot < LUKSHDR_LABEL_SLOTS; slot++) {
        int rc = lukshdrLabelReadSlot(fd, slot, links, first ? NULL : &first);

        if (rc > 0)
            return true;
    }

    if (first) {
        g_propagate_error(error, g_steal_pointer(&first));
        return false;
    }
    return true;
}

/* Overwrites the first @len bytes of each slot with zeroes, as far as the volume has them.
 * The slot that is preferred goes first: the other is believed in its place until it goes, too. */
static bool
lukshdrLabelZero(int fd, off_t end, size_t len, GError **error)
{
    static const char zeroes[LUKSHDR_LABEL_SLOT_SIZE];
    unsigned int slot;

    for (slot = 0; slot < LUKSHDR_LABEL_SLOTS; slot++) {
        off_t offset = lukshdrLabelSlotOffset(slot);
        ssize_t todo = MIN((off_t)len, end - offset);
        ssize_t done;

        if (todo <= 0)
            break;
        done = TEMP_FAILURE_RETRY(pwrite(fd, zeroes, todo, offset));
        if (done != todo || fsync(fd) < 0) {
            lukshdrErrorSetErrno(error, done >= 0 && done != todo ? ENOSPC : errno,
                                 _("Unable to remove the link label"));
            return false;
        }
    }
    return true;
}

bool
lukshdrLabelClear(int fd, GError **error)
{
    off_t end = lseek(fd, 0, SEEK_END);

    if (end < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to remove the link label"));
        return false;
    }

    /* The sectors of a long write reach the medium in any order, and a head without its text
     * is no longer "none" but damage.  One sector is written or not. */
    return lukshdrLabelZero(fd, end, LUKSHDR_LABEL_SECTOR, error) &&
           lukshdrLabelZero(fd, end, LUKSHDR_LABEL_SLOT_SIZE, error);
}

/* How long somebody else may hold the lock, and how often it is tried again, us */
#define LUKSHDR_LABEL_LOCK_USEC (10 * G_USEC_PER_SEC)
#define LUKSHDR_LABEL_LOCK_TRY_USEC (20 * 1000)

/* Whether nobody waits for a lock any more */
static gint lukshdrLabelLockEnded;

/* Any process that may read the volume can hold a lock that keeps ours out.  A lock that a
 * process took for itself (of POSIX) says which process that is, one of a descriptor does not. */
static void
lukshdrLabelLockSetHeld(const lukshdrHandle *handle, const struct flock *lock, GError **error)
{
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", handle->fd);
    g_autofree char *path = g_file_read_link(link, NULL);
    const int seconds = LUKSHDR_LABEL_LOCK_USEC / G_USEC_PER_SEC;

    if (handle->identity.type == LUKSHDR_IDENTITY_ISCSI)
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_TIMEOUT,
            _("another client keeps the header's unit reserved, and has not given it back in %d "
              "seconds; end its session at the target if it has died, and try again"),
            seconds);
    else if (handle->remote)
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_TIMEOUT,
            _("somebody keeps the exclusive lock of the header's image, and has not given it back "
              "in %d seconds; find the client with 'rbd lock ls', and try again when it has ended"),
            seconds);
    else if (lock->l_pid > 0)
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_TIMEOUT,
            _("process %ld keeps a lock on the link label of header volume '%s', and has not given "
              "it back in %d seconds; find out what it is, and try again when it has ended"),
            (long)lock->l_pid, path ? path : "-", seconds);
    else
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_TIMEOUT,
            _("another process, here or on another host, keeps a lock on the link label of header "
              "volume '%s', and has not given it back in %d seconds; find it with 'lslocks' or "
              "'fuser -v %s', and try again when it has ended"),
            path ? path : "-", seconds, path ? path : "-");
}

bool
lukshdrLabelLock(lukshdrHandle *handle, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + LUKSHDR_LABEL_LOCK_USEC;

    for (;;) {
        struct flock lock = { .l_type = F_WRLCK,
                              .l_whence = SEEK_SET,
                              .l_start = LUKSHDR_LABEL_OFFSET,
                              .l_len = LUKSHDR_LABEL_SLOTS * LUKSHDR_LABEL_SLOT_SIZE };
        bool held;

        if (!lukshdrHandleTryLock(handle, &lock, &held, error)) {
            g_prefix_error(error, "%s: ", _("Unable to lock the link label"));
            return false;
        }
        if (!held)
            return true;
        if (g_atomic_int_get(&lukshdrLabelLockEnded) || g_get_monotonic_time() >= deadline) {
            lukshdrLabelLockSetHeld(handle, &lock, error);
            return false;
        }
        g_usleep(LUKSHDR_LABEL_LOCK_TRY_USEC);
    }
}

void
lukshdrLabelLockEnd(void)
{
    g_atomic_int_set(&lukshdrLabelLockEnded, 1);
}
