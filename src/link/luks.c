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
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/io.h"
#include "label.h"

static const char lukshdrLuksMagic[] = { 'L', 'U', 'K', 'S', '\xba', '\xbe' };

G_STATIC_ASSERT(sizeof(lukshdrLuksSlot) == 48);
G_STATIC_ASSERT(sizeof(lukshdrLuksHeader) == 592);
G_STATIC_ASSERT(sizeof(lukshdrLuksMagic) == sizeof(((lukshdrLuksHeader *)NULL)->magic));

#define LUKSHDR_LUKS_SHA256_LEN 32
#define LUKSHDR_LUKS_BUFFER (64 * 1024)

/* Rounds of a hash that a slow processor does in a second while others want it, too.  What
 * runs QEMU today does from 500,000 to 5,000,000 by itself. */
#define LUKSHDR_LUKS_ROUNDS_PER_SECOND 50000

/* Hours, by that measure; on a fast processor some minutes.  QEMU and cryptsetup stretch for
 * two seconds unless told otherwise, which makes 10,000,000 rounds a slot at most: all eight
 * slots, each stretched for twenty seconds on the fastest, are still below. */
#define LUKSHDR_LUKS_HOURS_MAX 6
#define LUKSHDR_LUKS_ROUNDS_MAX \
    (LUKSHDR_LUKS_HOURS_MAX * G_GUINT64_CONSTANT(3600) * LUKSHDR_LUKS_ROUNDS_PER_SECOND)

bool
lukshdrLuksRead(int fd, lukshdrLuksHeader *header, GError **error)
{
    gssize got = lukshdrIORead(fd, header, sizeof(*header), 0, error);
    size_t i;

    if (got < 0) {
        g_prefix_error(error, "%s: ", _("Unable to read the LUKS header"));
        return false;
    }

    if (got < (gssize)sizeof(*header) ||
        memcmp(header->magic, lukshdrLuksMagic, sizeof(lukshdrLuksMagic))) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("there is no LUKS header"));
        return false;
    }

    header->version = GUINT16_FROM_BE(header->version);
    if (header->version != 1) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("the header is LUKS version %u; QEMU supports detached headers for LUKS1 "
                      "only"),
                    header->version);
        return false;
    }

    header->payloadOffset = GUINT32_FROM_BE(header->payloadOffset);
    header->keyBytes = GUINT32_FROM_BE(header->keyBytes);
    header->digestIterations = GUINT32_FROM_BE(header->digestIterations);
    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        lukshdrLuksSlot *slot = &header->slots[i];

        slot->active = GUINT32_FROM_BE(slot->active);
        slot->iterations = GUINT32_FROM_BE(slot->iterations);
        slot->offset = GUINT32_FROM_BE(slot->offset);
        slot->stripes = GUINT32_FROM_BE(slot->stripes);
    }
    return true;
}

bool
lukshdrLuksReadUUID(int fd, char **uuid, GError **error)
{
    lukshdrLuksHeader header;

    *uuid = NULL;

    if (!lukshdrLuksRead(fd, &header, error))
        return false;

    *uuid = g_strndup(header.uuid, sizeof(header.uuid));
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
    lukshdrLuksHeader header;
    size_t i;

    if (!lukshdrLuksRead(fd, &header, error))
        return false;

    *end = sizeof(header);
    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        guint64 start = (guint64)header.slots[i].offset * LUKSHDR_LUKS_SECTOR;
        guint64 len = (guint64)header.keyBytes * header.slots[i].stripes;

        *end = MAX(*end, start + MIN(len, G_MAXUINT64 - start));
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
        gssize got = lukshdrIORead(fd, buf, MIN(LUKSHDR_LUKS_BUFFER, end - pos), pos, error);

        if (got < 0) {
            g_prefix_error(error, "%s: ", _("Unable to read the key material"));
            return false;
        }
        if (got == 0) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("the LUKS header is cut short: its key material ends at %llu bytes, and "
                          "there are %llu"),
                        (unsigned long long)end, (unsigned long long)pos);
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
    guint8 bytes[LUKSHDR_LUKS_SHA256_LEN];
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

int
lukshdrLuksCopy(int fd, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(LUKSHDR_LABEL_OFFSET);
    gssize got = lukshdrIORead(fd, bytes, LUKSHDR_LABEL_OFFSET, 0, error);
    int copy = -1;

    if (got < 0) {
        g_prefix_error(error, "%s: ", _("Unable to read the LUKS header"));
    } else if ((copy = lukshdrIOMemory("lukshdr-header", error)) >= 0 &&
               !lukshdrIOWrite(copy, bytes, got, 0, error)) {
        close(copy);
        copy = -1;
    }
    gnutls_memset(bytes, 0, LUKSHDR_LABEL_OFFSET);
    return copy;
}

/* Whether the key material of @slot, which is in the same place in both, is the same */
static bool
lukshdrLuksSameMaterial(const lukshdrLuksHeader *header,
                        const lukshdrLuksSlot *slot,
                        int before,
                        int after)
{
    guint64 start = (guint64)slot->offset * LUKSHDR_LUKS_SECTOR;
    guint64 len = (guint64)header->keyBytes * slot->stripes;
    g_autofree guint8 *one = NULL;
    g_autofree guint8 *other = NULL;
    bool same;

    if (start > LUKSHDR_LABEL_OFFSET || len > LUKSHDR_LABEL_OFFSET - start)
        return false;
    one = g_malloc0(len);
    other = g_malloc0(len);
    same = lukshdrIOReadAll(before, one, len, start, NULL) &&
           lukshdrIOReadAll(after, other, len, start, NULL) && memcmp(one, other, len) == 0;
    gnutls_memset(one, 0, len);
    gnutls_memset(other, 0, len);
    return same;
}

/* A new key has a new salt, of random bytes */
static bool
lukshdrLuksIsNewSalt(const lukshdrLuksSlot *before, const lukshdrLuksSlot *after)
{
    size_t same = 0;
    size_t i;

    for (i = 0; i < LUKSHDR_LUKS_SALT_LEN; i++)
        same += before->salt[i] == after->salt[i];
    return same < LUKSHDR_LUKS_SALT_LEN / 2;
}

static bool
lukshdrLuksIsState(guint32 active)
{
    return active == LUKSHDR_LUKS_SLOT_ACTIVE || active == LUKSHDR_LUKS_SLOT_INACTIVE;
}

bool
lukshdrLuksIsRekeyed(int before, int after)
{
    lukshdrLuksHeader was;
    lukshdrLuksHeader is;
    bool changed = false;
    size_t i;

    if (!lukshdrLuksRead(before, &was, NULL) || !lukshdrLuksRead(after, &is, NULL) ||
        memcmp(&was, &is, offsetof(lukshdrLuksHeader, slots)))
        return false;

    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        const lukshdrLuksSlot *from = &was.slots[i];
        const lukshdrLuksSlot *to = &is.slots[i];
        bool used = to->active == LUKSHDR_LUKS_SLOT_ACTIVE;

        if (from->offset != to->offset || from->stripes != to->stripes ||
            !lukshdrLuksIsState(from->active) || !lukshdrLuksIsState(to->active))
            return false;
        if (from->active != to->active)
            changed = true;
        else if (used && lukshdrLuksIsNewSalt(from, to))
            changed = true;
        else if (used && (memcmp(from, to, sizeof(*from)) ||
                          !lukshdrLuksSameMaterial(&is, to, before, after)))
            return false;
    }
    return changed;
}

bool
lukshdrLuksSetUUID(int fd, const char *uuid, GError **error)
{
    lukshdrLuksHeader header;

    if (!g_uuid_string_is_valid(uuid)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("'%s' is no UUID for a LUKS header"), uuid);
        return false;
    }

    if (!lukshdrLuksRead(fd, &header, error))
        return false;

    memset(header.uuid, 0, sizeof(header.uuid));
    g_strlcpy(header.uuid, uuid, sizeof(header.uuid));
    if (lukshdrIOWrite(fd, header.uuid, sizeof(header.uuid), offsetof(lukshdrLuksHeader, uuid),
                       error) &&
        lukshdrIOSync(fd, error))
        return true;
    g_prefix_error(error, "%s: ", _("Unable to write the UUID of the LUKS header"));
    return false;
}

bool
lukshdrLuksPayloadOffset(int fd, guint32 *sectors, GError **error)
{
    lukshdrLuksHeader header;

    if (!lukshdrLuksRead(fd, &header, error))
        return false;

    *sectors = header.payloadOffset;
    return true;
}

/* Bytes that a round of @hash gives; of an unknown one the fewest, which makes the most rounds */
static guint
lukshdrLuksHashLen(const char hash[LUKSHDR_LUKS_NAME_LEN])
{
    static const struct {
        const char *name;
        guint len;
    } hashes[] = {
        { "sha1", 20 },   { "sha224", 28 },    { "sha256", 32 },    { "sha384", 48 },
        { "sha512", 64 }, { "ripemd160", 20 }, { "whirlpool", 64 }, { "sm3", 32 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(hashes); i++) {
        if (g_ascii_strncasecmp(hash, hashes[i].name, LUKSHDR_LUKS_NAME_LEN) == 0)
            return hashes[i].len;
    }
    return 16;
}

/* What QEMU does at most to open @header: for each key slot, the slot's key from the passphrase, and
 * the digest of the master key that it gave.  PBKDF2 (RFC 8018) does all iterations for each
 * hash's length of what it makes.  No overflow: 8 * (2^32 * 2^28 + 2^32 * 2). */
static guint64
lukshdrLuksRounds(const lukshdrLuksHeader *header)
{
    guint len = lukshdrLuksHashLen(header->hash);
    guint64 blocks = ((guint64)header->keyBytes + len - 1) / len;
    guint64 digestBlocks = (LUKSHDR_LUKS_DIGEST_LEN + len - 1) / len;
    guint64 rounds = 0;
    size_t i;

    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        if (header->slots[i].active != LUKSHDR_LUKS_SLOT_INACTIVE)
            rounds += header->slots[i].iterations * blocks +
                      header->digestIterations * digestBlocks;
    }
    return rounds;
}

bool
lukshdrLuksOpenTime(int fd, guint *seconds, GError **error)
{
    lukshdrLuksHeader header;
    guint32 most = 0;
    guint64 rounds;
    size_t i;

    if (!lukshdrLuksRead(fd, &header, error))
        return false;

    rounds = lukshdrLuksRounds(&header);
    if (rounds <= LUKSHDR_LUKS_ROUNDS_MAX) {
        if (seconds)
            *seconds = rounds / LUKSHDR_LUKS_ROUNDS_PER_SECOND + 1;
        return true;
    }

    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        if (header.slots[i].active != LUKSHDR_LUKS_SLOT_INACTIVE)
            most = MAX(most, header.slots[i].iterations);
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("the LUKS header asks for hours of computing before it opens (%u iterations in "
                  "a key slot, %u for the master key's digest), and is not used; put the right "
                  "header back from a backup"),
                most, header.digestIterations);
    return false;
}

bool
lukshdrLuksCheckCost(int fd, GError **error)
{
    return lukshdrLuksOpenTime(fd, NULL, error);
}

bool
lukshdrLuksErase(int fd, bool keepLabel, GError **error)
{
    guint8 noise[64 * 1024];
    off_t end = lseek(fd, 0, SEEK_END);
    off_t pos;

    if (end < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to find the size of the header volume"));
        return false;
    }
    end = MIN(end, LUKSHDR_HEADER_VOLUME_SIZE);

    for (pos = 0; pos < end; pos += sizeof(noise)) {
        size_t len = MIN((off_t)sizeof(noise), end - pos);

        if (keepLabel && pos >= LUKSHDR_LABEL_OFFSET && pos < LUKSHDR_LABEL_END)
            continue;

        /* noise, not zeroes: some storage turns zeroes into holes elsewhere on the
         * medium and leaves the blocks with the key material as they are */
        if (gnutls_rnd(GNUTLS_RND_NONCE, noise, len) < 0) {
            g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                                _("Unable to get random bytes"));
            return false;
        }

        if (!lukshdrIOWrite(fd, noise, len, pos, error)) {
            g_prefix_error(error, "%s: ", _("Unable to overwrite the key material"));
            return false;
        }
    }

    if (!lukshdrIOSync(fd, error)) {
        g_prefix_error(error, "%s: ", _("Unable to flush the overwritten key material"));
        return false;
    }
    return true;
}
