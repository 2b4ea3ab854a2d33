/*
 * luks.c: what must be known of a LUKS1 header on disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "luks.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "label.h"

static const char lukshdrLuksMagic[] = { 'L', 'U', 'K', 'S', '\xba', '\xbe' };
#define LUKSHDR_LUKS_VERSION_OFFSET 6
#define LUKSHDR_LUKS_UUID_OFFSET 168
#define LUKSHDR_LUKS_UUID_LEN 40
#define LUKSHDR_LUKS_PAYLOAD_OFFSET_OFFSET 104
#define LUKSHDR_LUKS_KEY_BYTES_OFFSET 108
#define LUKSHDR_LUKS_SLOTS_OFFSET 208
#define LUKSHDR_LUKS_SLOTS 8
#define LUKSHDR_LUKS_SLOT_LEN 48
#define LUKSHDR_LUKS_SLOT_MATERIAL_OFFSET 40
#define LUKSHDR_LUKS_SLOT_STRIPES_OFFSET 44
#define LUKSHDR_LUKS_SECTOR 512
#define LUKSHDR_LUKS_PHDR_LEN 592

#define LUKSHDR_LUKS_DIGEST_BYTES 32 /* SHA-256 */
#define LUKSHDR_LUKS_BUFFER (64 * 1024)

static guint32
lukshdrLuksNumber(const char *phdr, size_t offset)
{
    guint32 value;

    memcpy(&value, phdr + offset, sizeof(value));
    return GUINT32_FROM_BE(value);
}

/* Reads the partition header and makes sure that it is one of LUKS1 */
static bool
lukshdrLuksRead(int fd, char phdr[LUKSHDR_LUKS_PHDR_LEN], GError **error)
{
    ssize_t got = TEMP_FAILURE_RETRY(pread(fd, phdr, LUKSHDR_LUKS_PHDR_LEN, 0));
    guint16 version;

    if (got < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to read the LUKS header"));
        return false;
    }

    if (got < LUKSHDR_LUKS_PHDR_LEN || memcmp(phdr, lukshdrLuksMagic, sizeof(lukshdrLuksMagic))) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("there is no LUKS header"));
        return false;
    }

    memcpy(&version, phdr + LUKSHDR_LUKS_VERSION_OFFSET, sizeof(version));
    if (GUINT16_FROM_BE(version) != 1) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the header is LUKS version %u, of which QEMU can detach none but 1"),
                    GUINT16_FROM_BE(version));
        return false;
    }
    return true;
}

bool
lukshdrLuksReadUUID(int fd, char **uuid, GError **error)
{
    char phdr[LUKSHDR_LUKS_PHDR_LEN];

    *uuid = NULL;

    if (!lukshdrLuksRead(fd, phdr, error))
        return false;

    *uuid = g_strndup(phdr + LUKSHDR_LUKS_UUID_OFFSET, LUKSHDR_LUKS_UUID_LEN);
    if (!g_uuid_string_is_valid(*uuid)) {
        g_clear_pointer(uuid, g_free);
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("the LUKS header has a malformed UUID"));
        return false;
    }

    return true;
}

bool
lukshdrLuksKeyMaterialEnd(int fd, guint64 *end, GError **error)
{
    char phdr[LUKSHDR_LUKS_PHDR_LEN];
    guint64 keyBytes;
    size_t slot;

    if (!lukshdrLuksRead(fd, phdr, error))
        return false;

    *end = LUKSHDR_LUKS_PHDR_LEN;
    keyBytes = lukshdrLuksNumber(phdr, LUKSHDR_LUKS_KEY_BYTES_OFFSET);

    for (slot = 0; slot < LUKSHDR_LUKS_SLOTS; slot++) {
        size_t at = LUKSHDR_LUKS_SLOTS_OFFSET + slot * LUKSHDR_LUKS_SLOT_LEN;
        guint64 start = (guint64)lukshdrLuksNumber(phdr, at + LUKSHDR_LUKS_SLOT_MATERIAL_OFFSET) *
                        LUKSHDR_LUKS_SECTOR;
        guint64 stripes = lukshdrLuksNumber(phdr, at + LUKSHDR_LUKS_SLOT_STRIPES_OFFSET);

        *end = MAX(*end, start + MIN(keyBytes * stripes, G_MAXUINT64 - start));
    }
    return true;
}

/* Hashes the first @end bytes of @fd by way of @buf */
static bool
lukshdrLuksHash(int fd,
                guint64 end,
                guint8 buf[LUKSHDR_LUKS_BUFFER],
                gnutls_hash_hd_t hash,
                GError **error)
{
    guint64 pos = 0;

    while (pos < end) {
        ssize_t got = TEMP_FAILURE_RETRY(pread(fd, buf, MIN(LUKSHDR_LUKS_BUFFER, end - pos), pos));

        if (got < 0) {
            lukshdrErrorSetErrno(error, errno, _("Unable to read the key material"));
            return false;
        }
        if (got == 0) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                                _("the LUKS header is cut short"));
            return false;
        }
        if (gnutls_hash(hash, buf, got) < 0) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                                _("Unable to compute a SHA-256 digest"));
            return false;
        }
        pos += got;
    }
    return true;
}

bool
lukshdrLuksDigest(int fd, char **digest, GError **error)
{
    guint8 bytes[LUKSHDR_LUKS_DIGEST_BYTES];
    guint8 buf[LUKSHDR_LUKS_BUFFER];
    gnutls_hash_hd_t hash;
    guint64 end;
    bool ok;
    size_t i;

    *digest = NULL;

    if (!lukshdrLuksKeyMaterialEnd(fd, &end, error))
        return false;

    if (end > LUKSHDR_LABEL_OFFSET) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the LUKS header claims to be %llu bytes long, a header volume has room for "
                      "%d"),
                    (unsigned long long)end, LUKSHDR_LABEL_OFFSET);
        return false;
    }

    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                            _("Unable to compute a SHA-256 digest"));
        return false;
    }

    ok = lukshdrLuksHash(fd, end, buf, hash, error);
    gnutls_hash_deinit(hash, bytes);
    gnutls_memset(buf, 0, sizeof(buf));
    if (!ok)
        return false;

    *digest = g_malloc(2 * sizeof(bytes) + 1);
    for (i = 0; i < sizeof(bytes); i++)
        g_snprintf(*digest + 2 * i, 3, "%02x", bytes[i]);
    return true;
}

bool
lukshdrLuksSetUUID(int fd, const char *uuid, GError **error)
{
    char field[LUKSHDR_LUKS_UUID_LEN] = { 0 };
    char phdr[LUKSHDR_LUKS_PHDR_LEN];
    ssize_t done;

    if (!g_uuid_string_is_valid(uuid)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is no UUID for a LUKS header"), uuid);
        return false;
    }

    if (!lukshdrLuksRead(fd, phdr, error))
        return false;

    g_strlcpy(field, uuid, sizeof(field));
    done = TEMP_FAILURE_RETRY(pwrite(fd, field, sizeof(field), LUKSHDR_LUKS_UUID_OFFSET));
    if (done != (ssize_t)sizeof(field) || fsync(fd) < 0) {
        lukshdrErrorSetErrno(error, done >= 0 && done != (ssize_t)sizeof(field) ? ENOSPC : errno,
                             _("Unable to write the UUID of the LUKS header"));
        return false;
    }
    return true;
}

bool
lukshdrLuksPayloadOffset(int fd, guint32 *sectors, GError **error)
{
    char phdr[LUKSHDR_LUKS_PHDR_LEN];

    if (!lukshdrLuksRead(fd, phdr, error))
        return false;

    *sectors = lukshdrLuksNumber(phdr, LUKSHDR_LUKS_PAYLOAD_OFFSET_OFFSET);
    return true;
}

bool
lukshdrLuksErase(int fd, GError **error)
{
    guint8 noise[64 * 1024];
    off_t end = lseek(fd, 0, SEEK_END);
    off_t pos = 0;

    if (end < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to find the size of the header volume"));
        return false;
    }
    end = MIN(end, LUKSHDR_HEADER_VOLUME_SIZE);

    while (pos < end) {
        size_t len = MIN((off_t)sizeof(noise), end - pos);
        ssize_t done;

        /* noise, not zeroes: some storage turns zeroes into holes elsewhere on the
         * medium and leaves the blocks with the key material as they are */
        if (gnutls_rnd(GNUTLS_RND_NONCE, noise, len) < 0) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                                _("Unable to get random bytes"));
            return false;
        }

        done = TEMP_FAILURE_RETRY(pwrite(fd, noise, len, pos));
        if (done <= 0) {
            lukshdrErrorSetErrno(error, done < 0 ? errno : ENOSPC,
                                 _("Unable to overwrite the key material"));
            return false;
        }
        pos += done;
    }

    if (fsync(fd) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to flush the overwritten key material"));
        return false;
    }

    return true;
}
