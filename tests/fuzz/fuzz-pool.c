/*
 * fuzz-pool.c: any bytes as pool XML with an encryption default, and as a volume that gets it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * What is behind a NUL is the XML of a volume of the pool. Bit 0 of the size: with a default that
 * is kept already.
 */

#include <stdlib.h>
#include <string.h>

#include "storage_backend_lukshdr/defaults.h"
#include "util/xml.h"
#include "fuzz.h"

#define FUZZ_UUID "5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11"

static const char fuzzDefault[] =
    "<pool><encryption format='luks'><header type='volume'><source pool='vault'/></header>"
    "</encryption></pool>";

/* Blanks between elements come and go with each indentation, and mean nothing */
static char *
fuzzText(xmlDoc *doc)
{
    g_autofree char *text = doc ? lukshdrXMLFormat(xmlDocGetRootElement(doc)) : NULL;
    g_auto(GStrv) words = text ? g_strsplit_set(text, " \t\r\n", -1) : NULL;

    return words ? g_strjoinv("", words) : NULL;
}

static void
fuzzTaken(const char *uuid, const char *stock, xmlDoc *ours)
{
    g_autofree char *text = fuzzText(ours);
    g_autofree char *againUUID = NULL;
    g_autofree char *againStock = NULL;
    g_autofree char *againText = NULL;
    g_autofree char *shown = NULL;
    g_autoptr(xmlDoc) none = NULL;
    g_autoptr(xmlDoc) again = NULL;
    g_autoptr(xmlDoc) kept = NULL;
    char *result;

    g_assert_true(uuid && g_uuid_string_is_valid(uuid));

    /* what stock gets has nothing of ours */
    g_assert_true(lukshdrStorageDefaultSplit(stock, &againUUID, &againStock, &none, NULL));
    g_assert_null(none);
    g_assert_null(againStock);
    g_assert_cmpstr(againUUID, ==, uuid);
    g_clear_pointer(&againUUID, g_free);

    /* what is shown reads as what was asked for */
    g_assert_nonnull(result = lukshdrStorageDefaultShow(stock, ours));
    g_assert_true(lukshdrStorageDefaultSplit(result, &againUUID, &againStock, &again, NULL));
    free(result);
    againText = fuzzText(again);
    g_assert_cmpstr(againText, ==, text);
    g_assert_cmpstr(againUUID, ==, uuid);

    /* and so does what is kept */
    g_assert_true(lukshdrStorageDefaultStore(fuzzDir(), uuid, ours, NULL));
    g_assert_true(lukshdrStorageDefaultLoad(fuzzDir(), uuid, &kept, NULL));
    shown = fuzzText(kept);
    g_assert_cmpstr(shown, ==, text);
    g_assert_true(lukshdrStorageDefaultStore(fuzzDir(), uuid, NULL, NULL));
}

static void
fuzzApply(const char *volume, xmlDoc *ours)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) againError = NULL;
    g_autofree char *applied = lukshdrStorageDefaultApply(volume, ours, &error);
    g_autofree char *again = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *target;
    xmlNode *encryption;
    g_autofree char *format = NULL;

    fuzzError(applied, error);
    if (!applied || !(doc = lukshdrXMLParse(applied, strlen(applied), LUKSHDR_XML_VOLUME, NULL)))
        return;

    /* the word for "plain" is gone, and who did not say it gets the default */
    target = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET);
    encryption = lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION);
    format = encryption ? lukshdrXMLAttribute(encryption, LUKSHDR_XML_FORMAT) : NULL;
    g_assert_cmpstr(format, !=, LUKSHDR_XML_FORMAT_NONE);
    if (!encryption)
        return;

    /* which is given once */
    again = lukshdrStorageDefaultApply(applied, ours, &againError);
    g_assert_no_error(againError);
    g_assert_cmpstr(again, ==, applied);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    size_t len = MIN(strlen(text) + 1, size);
    g_autofree char *volume = g_strndup((const char *)data + len, size - len);
    g_autofree char *uuid = NULL;
    g_autofree char *stock = NULL;
    g_autoptr(xmlDoc) ours = NULL;
    g_autoptr(xmlDoc) ready = lukshdrXMLParse(fuzzDefault, strlen(fuzzDefault), NULL, NULL);
    g_autoptr(GError) error = NULL;
    bool ok = lukshdrStorageDefaultSplit(text, &uuid, &stock, &ours, &error);

    fuzzError(ok, error);
    g_assert_true(!ours == !stock);
    g_assert_true(ok || (!uuid && !ours));
    if (ours)
        fuzzTaken(uuid, stock, ours);
    fuzzApply(volume, ours ? ours : (size & 1) ? ready : NULL);
    return 0;
}
