/*
 * fuzz-volume.c: any bytes as volume XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "storage_backend_lukshdr/vol-xml.h"
#include "fuzz.h"

static const char fuzzLink[] =
    "<link state='active'><uuid>5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11</uuid>"
    "<payload pool='images' volume='data.qcow2' format='qcow2'><path>/p</path></payload>"
    "<header pool='vault' volume='data.luks'><path>/h</path></header>"
    "<luks uuid='0d1c8a55-7d2c-4a10-8c1d-9a4f5b6f7a33'/>"
    "<secret uuid='c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e77'/></link>";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(lukshdrLink) link = lukshdrLinkParse(fuzzLink, strlen(fuzzLink), NULL);
    g_autoptr(lukshdrVolumeXML) xml = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) formatError = NULL;
    g_autofree char *format = NULL;
    g_autoptr(GPtrArray) links = g_ptr_array_new();
    bool ok = lukshdrVolumeXMLParse(text, &xml, &error);

    g_assert_true(ok == !error);
    g_assert_true(ok || !xml);
    if (xml) {
        g_autoptr(lukshdrVolumeXML) again = NULL;

        /* what stock gets asks for no header, and so says nothing of encryption */
        g_assert_true(lukshdrVolumeXMLParse(xml->stock, &again, NULL));
        g_assert_null(again);
        g_assert_null(strstr(lukshdrVolumeXMLPrimary(xml)->volume, "/"));
        g_assert_true(!xml->secretUUID != !xml->secretUsage);
    }

    format = lukshdrVolumeXMLFormatOf(text, &formatError);
    g_assert_true(!format == !!formatError);
    free(lukshdrVolumeXMLShowPayload(text, link));
    g_ptr_array_add(links, link);
    free(lukshdrVolumeXMLShowHeader(text, links));
    return 0;
}
