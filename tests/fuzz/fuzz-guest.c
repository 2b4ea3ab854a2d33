/*
 * fuzz-guest.c: any bytes as the record of a guest's linked disks
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * If the first byte is odd, the rest is followed by a proper digest line.
 */

#include <string.h>

#include "link/guest-record.h"
#include "fuzz.h"

static void
fuzzSameFile(const char *path,
             const lukshdrIdentity *identity,
             const char *againPath,
             const lukshdrIdentity *againIdentity)
{
    g_assert_cmpstr(path, ==, againPath);
    g_assert_cmpint(identity->type, ==, againIdentity->type);
    g_assert_cmpuint(identity->dev, ==, againIdentity->dev);
    g_assert_cmpuint(identity->inode, ==, againIdentity->inode);
    g_assert_cmpint(identity->birthSec, ==, againIdentity->birthSec);
    g_assert_cmpuint(identity->birthNsec, ==, againIdentity->birthNsec);
}

static void
fuzzSame(const lukshdrGuestDisk *disk, const lukshdrGuestDisk *again)
{
    g_assert_cmpstr(disk->linkUUID, ==, again->linkUUID);
    g_assert_cmpstr(disk->nodeName, ==, again->nodeName);
    g_assert_cmpstr(disk->format, ==, again->format);
    g_assert_cmpuint(disk->granted, ==, again->granted);
    g_assert_cmpint(disk->readOnly, ==, again->readOnly);
    g_assert_cmpint(disk->headerShared, ==, again->headerShared);
    g_assert_cmpint(disk->headerExplicit, ==, again->headerExplicit);
    g_assert_false(disk->revoked || again->revoked);
    fuzzSameFile(disk->payloadPath, &disk->payloadIdentity, again->payloadPath,
                 &again->payloadIdentity);
    fuzzSameFile(disk->headerPath, &disk->headerIdentity, again->headerPath,
                 &again->headerIdentity);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *path = g_build_filename(fuzzDir(), "guest.xml", NULL);
    g_autoptr(GPtrArray) disks = NULL;
    g_autoptr(GPtrArray) again = NULL;
    g_autoptr(GError) error = NULL;
    guint i;

    if (size == 0)
        return 0;

    fuzzStore(path, data + 1, size - 1, *data & 1);
    disks = lukshdrGuestLoad(fuzzDir(), "guest", &error);
    fuzzError(disks, error);
    if (!disks)
        return 0;

    /* what is believed can be written, and is then believed to be the same */
    g_assert_true(lukshdrGuestStore(fuzzDir(), "guest", disks, &error));
    g_assert_no_error(error);
    again = lukshdrGuestLoad(fuzzDir(), "guest", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(again->len, ==, disks->len);
    for (i = 0; i < disks->len; i++) {
        g_autoptr(lukshdrGuestDisk) copy = lukshdrGuestDiskCopy(g_ptr_array_index(disks, i));

        fuzzSame(g_ptr_array_index(disks, i), g_ptr_array_index(again, i));
        fuzzSame(copy, g_ptr_array_index(again, i));
    }
    return 0;
}
