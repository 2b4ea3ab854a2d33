/*
 * fuzz-label.c: any bytes as a link label
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The first byte says how: bit 0, the rest is the text of a label with a proper head
 * (else it is the first slot, head and all); bit 1, the second slot is so, too;
 * bit 2, the volume ends with the input.
 */

#include <gnutls/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "link/label.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) slot = g_byte_array_new();
    g_autoptr(GPtrArray) links = NULL;
    g_autoptr(GPtrArray) again = NULL;
    g_autofree char *text = NULL;
    g_autofree char *againText = NULL;
    g_autoptr(GError) error = NULL;
    uint8_t how;
    bool ok;
    int fd;

    if (size == 0)
        return 0;
    how = *data++;
    size--;

    if (how & 1) {
        guint32 numbers[2] = { GUINT32_TO_BE(1), GUINT32_TO_BE((guint32)size) };
        guint8 digest[32];

        gnutls_hash_fast(GNUTLS_DIG_SHA256, data, size, digest);
        g_byte_array_append(slot, (const guint8 *)"LUKSHDR\n", 8);
        g_byte_array_append(slot, (const guint8 *)numbers, sizeof(numbers));
        g_byte_array_append(slot, digest, sizeof(digest));
    }
    g_byte_array_append(slot, data, size);

    fd = memfd_create("label", MFD_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    if (!(how & 4))
        g_assert_cmpint(ftruncate(fd, LUKSHDR_HEADER_VOLUME_SIZE), ==, 0);
    g_assert_cmpint(pwrite(fd, slot->data, slot->len, LUKSHDR_LABEL_OFFSET), ==, slot->len);
    if (how & 2)
        g_assert_cmpint(
            pwrite(fd, slot->data, slot->len, LUKSHDR_LABEL_OFFSET + LUKSHDR_LABEL_SLOT_SIZE), ==,
            slot->len);

    ok = lukshdrLabelRead(fd, &links, &error);
    fuzzError(ok, error);
    g_assert_true(ok || !links);

    /* what is believed can be written, and is then believed to be the same */
    if (links) {
        text = lukshdrLinkListFormat(links);
        g_assert_cmpint(ftruncate(fd, LUKSHDR_HEADER_VOLUME_SIZE), ==, 0);
        if (lukshdrLabelWrite(fd, links, &error)) {
            g_assert_true(lukshdrLabelRead(fd, &again, NULL) && again);
            againText = lukshdrLinkListFormat(again);
            g_assert_cmpstr(againText, ==, text);
        } else {
            /* text that was shorter, before each link got elements of its own */
            g_assert_cmpuint(strlen(text), >, LUKSHDR_LABEL_TEXT_MAX);
        }
    }
    close(fd);
    return 0;
}
