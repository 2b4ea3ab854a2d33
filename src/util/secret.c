/*
 * secret.c: a passphrase in memory
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"

/* 256 bits: more than any LUKS cipher's security, so that no key stretching is needed */
#define LUKSHDR_SECRET_GENERATED_BYTES 32

struct _lukshdrSecret {
    guint8 *data;
    gsize len;
    gsize mapped; /* bytes, a whole number of pages */
};

lukshdrSecret *
lukshdrSecretNew(const guint8 *data, gsize len)
{
    lukshdrSecret *secret = g_new0(lukshdrSecret, 1);
    gsize page = sysconf(_SC_PAGESIZE);

    secret->len = len;
    secret->mapped = (len / page + 1) * page;
    secret->data = mmap(NULL, secret->mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);
    if (secret->data == MAP_FAILED)
        g_error("out of memory");

    madvise(secret->data, secret->mapped, MADV_DONTDUMP);
    madvise(secret->data, secret->mapped, MADV_DONTFORK);
    /* best effort: RLIMIT_MEMLOCK of a session daemon can be small */
    mlock(secret->data, secret->mapped);

    memcpy(secret->data, data, len);
    return secret;
}

lukshdrSecret *
lukshdrSecretGenerate(GError **error)
{
    guint8 bytes[LUKSHDR_SECRET_GENERATED_BYTES];
    lukshdrSecret *secret;
    char *text;

    if (gnutls_rnd(GNUTLS_RND_KEY, bytes, sizeof(bytes)) < 0) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                            _("Unable to get random bytes"));
        return NULL;
    }

    text = g_base64_encode(bytes, sizeof(bytes));
    secret = lukshdrSecretNew((const guint8 *)text, strlen(text));
    gnutls_memset(bytes, 0, sizeof(bytes));
    gnutls_memset(text, 0, strlen(text));
    g_free(text);
    return secret;
}

void
lukshdrSecretFree(lukshdrSecret *secret)
{
    if (!secret)
        return;

    gnutls_memset(secret->data, 0, secret->mapped);
    munmap(secret->data, secret->mapped);
    g_free(secret);
}

const guint8 *
lukshdrSecretData(const lukshdrSecret *secret)
{
    return secret->data;
}

gsize
lukshdrSecretLength(const lukshdrSecret *secret)
{
    return secret->len;
}

int
lukshdrSecretPipe(const lukshdrSecret *secret, GError **error)
{
    ssize_t done;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to make a pipe"));
        return -1;
    }

    /* Non-blocking, since nobody reads yet: a pipe holds 64 KiB (pipe(7)) */
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    done = TEMP_FAILURE_RETRY(write(fds[1], secret->data, secret->len));
    close(fds[1]);

    if (done != (ssize_t)secret->len) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                            _("the passphrase is too long to be handed to QEMU's tools"));
        close(fds[0]);
        return -1;
    }
    return fds[0];
}
