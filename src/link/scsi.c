/*
 * scsi.c: what a SCSI unit calls itself
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "scsi.h"

#include <string.h>

/* SPC-4, 7.8.6: designation descriptors of the device identification page */
enum {
    LUKSHDR_SCSI_T10 = 1,
    LUKSHDR_SCSI_EUI64 = 2,
    LUKSHDR_SCSI_NAA = 3,
    LUKSHDR_SCSI_NAME = 8,
};
#define LUKSHDR_SCSI_BINARY 1
#define LUKSHDR_SCSI_PAGE_HEAD 4
#define LUKSHDR_SCSI_DESIGNATOR_HEAD 4

typedef struct {
    guint8 type;
    const guint8 *data;
    gsize len; /* at least 1 */
} lukshdrScsiDesignator;

void
lukshdrScsiPagesClear(lukshdrScsiPages *pages)
{
    g_clear_pointer(&pages->identification, g_bytes_unref);
    g_clear_pointer(&pages->serial, g_bytes_unref);
}

static GBytes *
lukshdrScsiReadPage(const char *device, const char *name)
{
    g_autofree char *path = g_build_filename(device, name, NULL);
    char *text = NULL;
    gsize len = 0;

    return g_file_get_contents(path, &text, &len, NULL) ? g_bytes_new_take(text, len) : NULL;
}

static void
lukshdrScsiReadText(const char *device, const char *name, char *text, gsize size)
{
    g_autofree char *path = g_build_filename(device, name, NULL);
    g_autofree char *found = NULL;

    if (g_file_get_contents(path, &found, NULL, NULL))
        g_strlcpy(text, g_strchomp(found), size);
}

bool
lukshdrScsiPagesFromSysfs(const char *device, lukshdrScsiPages *pages)
{
    pages->identification = lukshdrScsiReadPage(device, "vpd_pg83");
    pages->serial = lukshdrScsiReadPage(device, "vpd_pg80");
    lukshdrScsiReadText(device, "vendor", pages->vendor, sizeof(pages->vendor));
    lukshdrScsiReadText(device, "model", pages->product, sizeof(pages->product));
    return pages->identification || pages->serial;
}

/* What the page's head says that it holds, at most what came.  Sets @len. */
static const guint8 *
lukshdrScsiPageBody(GBytes *page, gsize *len)
{
    gsize size = 0;
    const guint8 *data = page ? g_bytes_get_data(page, &size) : NULL;

    *len = 0;
    if (size <= LUKSHDR_SCSI_PAGE_HEAD)
        return NULL;
    *len = MIN(size - LUKSHDR_SCSI_PAGE_HEAD, ((gsize)data[2] << 8) | data[3]);
    return data + LUKSHDR_SCSI_PAGE_HEAD;
}

/* Goes through the designators that are the unit's own, and not those of a port or of the whole target.
 * @at is 0 at first and then left alone. */
static bool
lukshdrScsiNext(GBytes *page, gsize *at, lukshdrScsiDesignator *found)
{
    gsize len;
    const guint8 *body = lukshdrScsiPageBody(page, &len);

    while (*at + LUKSHDR_SCSI_DESIGNATOR_HEAD < len) {
        const guint8 *d = body + *at;
        gsize size = d[3];
        bool binary = (d[0] & 0xf) == LUKSHDR_SCSI_BINARY;

        *at += LUKSHDR_SCSI_DESIGNATOR_HEAD + size;
        if (*at > len)
            return false;
        found->type = d[1] & 0xf;
        found->data = d + LUKSHDR_SCSI_DESIGNATOR_HEAD;
        found->len = size;
        if (!(d[1] & 0x30) && size > 0 &&
            (binary || (found->type != LUKSHDR_SCSI_NAA && found->type != LUKSHDR_SCSI_EUI64)))
            return true;
    }
    return false;
}

/* Text of the unit's own, without what is padding */
static char *
lukshdrScsiText(const char *prefix, const guint8 *data, gsize len)
{
    g_autofree char *text = g_strndup((const char *)data, len); /* ends at a NUL */

    return g_strconcat(prefix, g_strstrip(text), NULL);
}

static char *
lukshdrScsiHex(const char *prefix, const guint8 *data, gsize len)
{
    GString *text = g_string_new(prefix);
    gsize i;

    for (i = 0; i < len; i++)
        g_string_append_printf(text, "%02x", data[i]);
    return g_string_free(text, FALSE);
}

/* @designator as the kernel writes it, or NULL for types that it does not choose */
static char *
lukshdrScsiDesignatorName(const lukshdrScsiDesignator *designator)
{
    switch (designator->type) {
    case LUKSHDR_SCSI_T10:
        return lukshdrScsiText("t10.", designator->data, designator->len);
    case LUKSHDR_SCSI_EUI64:
        return lukshdrScsiHex("eui.", designator->data, designator->len);
    case LUKSHDR_SCSI_NAA:
        return lukshdrScsiHex("naa.", designator->data, designator->len);
    case LUKSHDR_SCSI_NAME:
        return lukshdrScsiText("", designator->data, designator->len);
    default:
        return NULL;
    }
}

/* The IEEE's number of the maker, which is in the name from the half byte number @at; the names are unique by
 * that.  Software that makes units without having one writes zeroes (tgt does). */
static bool
lukshdrScsiHasMaker(const lukshdrScsiDesignator *designator, gsize at)
{
    gsize i;

    for (i = at; i < at + 6; i++) {
        if ((designator->data[i / 2] >> (i % 2 ? 0 : 4)) & 0xf)
            return true;
    }
    return false;
}

/* How much @designator says: 0 for what is not taken, above LUKSHDR_SCSI_WEAK what is unique.  The longer,
 * the less likely is a clash.  Of what is not unique, an administrator can choose the T10 identification. */
#define LUKSHDR_SCSI_WEAK 2
static int
lukshdrScsiRank(const lukshdrScsiDesignator *designator)
{
    static const struct {
        guint8 type;
        guint8 naa; /* of NAA names */
        gsize len;
        gsize maker; /* half bytes before it */
        int rank;
    } unique[] = {
        { LUKSHDR_SCSI_NAA, 6, 16, 1, 8 },   { LUKSHDR_SCSI_EUI64, 0, 16, 16, 7 },
        { LUKSHDR_SCSI_EUI64, 0, 12, 0, 6 }, { LUKSHDR_SCSI_NAA, 5, 8, 1, 5 },
        { LUKSHDR_SCSI_NAA, 2, 8, 4, 4 },    { LUKSHDR_SCSI_EUI64, 0, 8, 0, 3 },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(unique); i++) {
        if (designator->type == unique[i].type && designator->len == unique[i].len &&
            (designator->type != LUKSHDR_SCSI_NAA || designator->data[0] >> 4 == unique[i].naa) &&
            lukshdrScsiHasMaker(designator, unique[i].maker))
            return unique[i].rank;
    }
    return designator->type == LUKSHDR_SCSI_T10                                             ? 2
           : designator->type == LUKSHDR_SCSI_NAA || designator->type == LUKSHDR_SCSI_EUI64 ? 1
                                                                                            : 0;
}

char *
lukshdrScsiName(const lukshdrScsiPages *pages, bool *unique)
{
    lukshdrScsiDesignator designator = { 0 };
    g_autofree char *best = NULL;
    const guint8 *serial;
    int rank = 0;
    gsize at = 0;
    gsize len;

    while (lukshdrScsiNext(pages->identification, &at, &designator)) {
        if (lukshdrScsiRank(&designator) <= rank)
            continue;
        rank = lukshdrScsiRank(&designator);
        g_free(best);
        best = lukshdrScsiDesignatorName(&designator);
    }
    *unique = rank > LUKSHDR_SCSI_WEAK;
    if (best)
        return g_steal_pointer(&best);

    if ((serial = lukshdrScsiPageBody(pages->serial, &len)) && len > 0) {
        best = lukshdrScsiText("", serial, len);
        if (*best)
            return g_strdup_printf("serial.%s.%s.%s", pages->vendor, pages->product, best);
    }
    return NULL;
}

GStrv
lukshdrScsiKernelNames(const lukshdrScsiPages *pages)
{
    GPtrArray *names = g_ptr_array_new();
    lukshdrScsiDesignator designator = { 0 };
    gsize at = 0;

    while (lukshdrScsiNext(pages->identification, &at, &designator)) {
        char *name = lukshdrScsiDesignatorName(&designator);

        if (name)
            g_ptr_array_add(names, name);
    }
    g_ptr_array_add(names, NULL);
    return (GStrv)g_ptr_array_free(names, FALSE);
}
