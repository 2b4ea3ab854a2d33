/*
 * file.c: text files that a crash cannot tear and damage cannot hide in
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

#define LUKSHDR_FILE_TRAILER_START "<!-- sha256: "
#define LUKSHDR_FILE_TRAILER_END " -->\n"
/* SHA-256 in hexadecimal */
#define LUKSHDR_FILE_DIGEST_LEN 64
#define LUKSHDR_FILE_TRAILER_LEN \
    (strlen(LUKSHDR_FILE_TRAILER_START) + LUKSHDR_FILE_DIGEST_LEN + \
     strlen(LUKSHDR_FILE_TRAILER_END))

bool
lukshdrFileSyncDirectory(const char *dir, GError **error)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        lukshdrErrorSetErrno(error, errno, _("Unable to flush directory '%s'"), dir);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* GLib 2.84 gives a new file the mode of the one that it replaces, which others may read by now */
static bool
lukshdrFileMakePrivate(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    bool ok = fd < 0 || fchmod(fd, 0600) == 0;

    if (!ok)
        lukshdrErrorSetErrno(error, errno, _("Unable to change the mode of '%s'"), path);
    if (fd >= 0)
        close(fd);
    return ok;
}

bool
lukshdrFileWrite(const char *path, const char *text, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    g_autofree char *content = g_strconcat(text, LUKSHDR_FILE_TRAILER_START, digest,
                                           LUKSHDR_FILE_TRAILER_END, NULL);

    if (g_mkdir_with_parents(dir, 0700) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to make directory '%s'"), dir);
        return false;
    }

    if (!lukshdrFileMakePrivate(path, error) ||
        !g_file_set_contents_full(path, content, -1,
                                  G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                  0600, error))
        return false;

    return lukshdrFileSyncDirectory(dir, error);
}

bool
lukshdrFileRemove(const char *path, GError **error)
{
    g_autofree char *dir = g_path_get_dirname(path);

    if (unlink(path) < 0) {
        if (errno == ENOENT)
            return true;
        lukshdrErrorSetErrno(error, errno, _("Unable to remove '%s'"), path);
        return false;
    }
    return lukshdrFileSyncDirectory(dir, error);
}

bool
lukshdrFileRemoveTemporary(const char *dir, GError **error)
{
    g_autoptr(GDir) opened = g_dir_open(dir, 0, NULL);
    const char *name;

    while (opened && (name = g_dir_read_name(opened))) {
        const char *dot = strrchr(name, '.');
        g_autofree char *path = NULL;

        /* GLib's are called as the file, a dot, and six characters */
        if (!g_pattern_match_simple("*.xml.??????", name) || strlen(dot) != 7)
            continue;
        path = g_build_filename(dir, name, NULL);
        if (!lukshdrFileRemove(path, error))
            return false;
    }
    return true;
}

/* What is in a regular file of a sensible length: freed with g_free, or NULL with @error set */
static char *
lukshdrFileContent(const char *path, gsize *len, GError **error)
{
    g_autofree char *content = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    ssize_t got;

    if (fd < 0 || fstat(fd, &st) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to examine '%s'"), path);
    } else if (!S_ISREG(st.st_mode) || st.st_size > LUKSHDR_FILE_MAX) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is damaged: no regular file of a sensible length"), path);
    } else {
        content = g_malloc(st.st_size + 1);
        *len = 0;
        while ((got = read(fd, content + *len, st.st_size - *len)) > 0)
            *len += got;
        content[*len] = '\0';
        if (got < 0) {
            lukshdrErrorSetErrno(error, errno, _("Unable to read '%s'"), path);
            g_clear_pointer(&content, g_free);
        }
    }
    if (fd >= 0)
        close(fd);
    return g_steal_pointer(&content);
}

bool
lukshdrFileRead(const char *path, char **text, GError **error)
{
    g_autofree char *content = NULL;
    guint8 digest[LUKSHDR_FILE_DIGEST_LEN / 2];
    char hex[LUKSHDR_FILE_DIGEST_LEN];
    const char *trailer;
    gsize len = 0;
    size_t i;

    *text = NULL;

    if (!(content = lukshdrFileContent(path, &len, error)))
        return false;

    if (len < LUKSHDR_FILE_TRAILER_LEN || strlen(content) != len) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is damaged: it is cut short or no text"), path);
        return false;
    }

    trailer = content + len - LUKSHDR_FILE_TRAILER_LEN;
    *text = g_strndup(content, trailer - content);

    /* GnuTLS uses what the processor has for this: of many files it is the larger part */
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, *text, strlen(*text), digest) < 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR,
                    _("Unable to calculate the digest of '%s'"), path);
        return false;
    }
    for (i = 0; i < LUKSHDR_FILE_DIGEST_LEN; i++)
        hex[i] = "0123456789abcdef"[i % 2 ? digest[i / 2] & 0xf : digest[i / 2] >> 4];

    if (!g_str_has_prefix(trailer, LUKSHDR_FILE_TRAILER_START) ||
        !g_str_has_suffix(trailer, LUKSHDR_FILE_TRAILER_END) ||
        strncmp(trailer + strlen(LUKSHDR_FILE_TRAILER_START), hex, LUKSHDR_FILE_DIGEST_LEN)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is damaged: its digest is missing or wrong"), path);
        return false;
    }

    return true;
}

/* twice the slowest tick */
#define LUKSHDR_FILE_RACY_NSEC (20 * G_GINT64_CONSTANT(1000000))

/* where times are stored in seconds or two */
#define LUKSHDR_FILE_RACY_COARSE_NSEC (2 * G_GINT64_CONSTANT(1000000000))

gint64
lukshdrFileTime(const struct timespec *ts)
{
    return (gint64)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

gint64
lukshdrFileNow(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return lukshdrFileTime(&now);
}

bool
lukshdrFileIsRacy(gint64 stamp, gint64 seen)
{
    return seen - stamp <=
           (stamp % 1000000000 ? LUKSHDR_FILE_RACY_NSEC : LUKSHDR_FILE_RACY_COARSE_NSEC);
}
