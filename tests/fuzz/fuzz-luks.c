/*
 * fuzz-luks.c: any bytes as a LUKS header, and the check of a header volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first byte says how: bit 0, the volume has the length of a header volume (else it ends with
 * the input); bit 1, with a label; bit 2, which has the digest of what is there (else it has none);
 * bit 3, and another LUKS UUID than the link.
 */

#include <gnutls/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "link/header.h"
#include "link/label.h"
#include "link/luks.h"
#include "util/text.h"
#include "fuzz.h"

#define FUZZ_OTHER "c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e77"

static int fd = -1;

/* A volume of @len bytes that begins with the input, and else is zeroes */
static void
fuzzVolume(const uint8_t *data, size_t size, size_t len)
{
    if (fd < 0)
        fd = memfd_create("header", MFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    g_assert_cmpint(ftruncate(fd, (off_t)len), ==, 0);
    g_assert_cmpint(pwrite(fd, data, size, 0), ==, (ssize_t)size);
}

/* The digest that a header of that length has, by another implementation; NULL if it has none */
static char *
fuzzDigest(guint64 end, size_t len)
{
    g_autofree guint8 *bytes = NULL;

    if (end > LUKSHDR_LABEL_OFFSET || end > len)
        return NULL;
    bytes = g_malloc(end);
    g_assert_cmpint(pread(fd, bytes, end, 0), ==, (ssize_t)end);
    return g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, end);
}

static void
fuzzSetUUID(const char *uuid)
{
    g_autofree char *now = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(lukshdrLuksSetUUID(fd, uuid, &error));
    g_assert_true(lukshdrLuksReadUUID(fd, &now, &error));
    g_assert_cmpstr(now, ==, uuid);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(lukshdrLink) link = fuzzLink();
    g_autoptr(GPtrArray) labels = NULL;
    g_autoptr(GError) uuidError = NULL;
    g_autoptr(GError) endError = NULL;
    g_autoptr(GError) digestError = NULL;
    g_autoptr(GError) timeError = NULL;
    g_autoptr(GError) checkError = NULL;
    g_autofree char *uuid = NULL;
    g_autofree char *digest = NULL;
    g_autofree char *expected = NULL;
    lukshdrLuksHeader header;
    uint8_t how;
    guint64 end = 0;
    guint seconds;
    size_t len;
    bool isHeader;
    bool fits;
    bool ok;

    if (size == 0)
        return 0;
    how = *data++;
    size--;
    len = how & 1 ? MAX(size, LUKSHDR_HEADER_VOLUME_SIZE) : size;
    size = MIN(size, LUKSHDR_LABEL_OFFSET);
    fuzzVolume(data, size, len);

    isHeader = lukshdrLuksRead(fd, &header, NULL);
    ok = lukshdrLuksReadUUID(fd, &uuid, &uuidError);
    fuzzError(ok, uuidError);
    g_assert_true(ok == (uuid != NULL) && (!ok || (isHeader && g_uuid_string_is_valid(uuid))));

    ok = lukshdrLuksKeyMaterialEnd(fd, &end, &endError);
    fuzzError(ok, endError);
    g_assert_true(ok == isHeader && (!ok || end >= sizeof(header)));

    ok = lukshdrLuksOpenTime(fd, &seconds, &timeError);
    fuzzError(ok, timeError);
    g_assert_true(!ok || isHeader);

    ok = lukshdrLuksDigest(fd, &digest, &digestError);
    fuzzError(ok, digestError);
    expected = isHeader ? fuzzDigest(end, len) : NULL;
    g_assert_cmpstr(digest, ==, expected);

    if (how & 2 && how & 1) {
        if (how & 4)
            link->digest = g_strdup(digest);
        g_assert_true(lukshdrLabelWriteOne(fd, link, NULL));
    }
    if (how & 8) {
        g_free(link->luksUUID);
        link->luksUUID = g_strdup(FUZZ_OTHER);
    }
    /* a header is that of the link if, and only if, the label is the link's, and the UUID of LUKS
     * and, where there is one, the digest are those of the link and of the label, and it does not
     * ask for hours */
    fits = how & 1 && how & 2 && lukshdrTextSameUUID(uuid, link->luksUUID) &&
           lukshdrLuksCheckCost(fd, NULL);
    ok = lukshdrHeaderCheck(link, &link->header, fd, &labels, &checkError);
    fuzzError(ok, checkError);
    g_assert_true(ok == fits && ok == (labels != NULL));

    if (uuid)
        fuzzSetUUID(FUZZ_OTHER);
    return 0;
}
