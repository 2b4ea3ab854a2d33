/*
 * schema.c: XML against a RELAX NG schema
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "schema.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <libxml/relaxng.h>
#include <libxml/xmlversion.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "paths.h"
#include "xml.h"

/* The most that is said of one XML, bytes: the later complaints mostly follow from the first */
#define LUKSHDR_SCHEMA_MESSAGE_MAX 1024

#if LIBXML_VERSION >= 21200
typedef const xmlError lukshdrSchemaMessage;
#else
typedef xmlError lukshdrSchemaMessage;
#endif

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNG, xmlRelaxNGFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNGParserCtxt, xmlRelaxNGFreeParserCtxt)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNGValidCtxt, xmlRelaxNGFreeValidCtxt)

/* libxml2 fills tables of its own when the first schema is read, without a lock. A leaf, held while
 * a schema is read and not while an XML is held against it: the time for that grows with the square of
 * how many equal elements stand in a row, with stock's schemas as with ours (17 s for 100000). */
static GMutex lukshdrSchemaLock;

static void
lukshdrSchemaCollect(void *opaque, lukshdrSchemaMessage *message)
{
    GString *all = opaque;
    g_autofree char *text = g_utf8_make_valid(message->message ? message->message : "", -1);

    if (all->len + strlen(text) > LUKSHDR_SCHEMA_MESSAGE_MAX)
        return;

    if (all->len > 0)
        g_string_append(all, "; ");
    if (message->line > 0)
        g_string_append_printf(all, _("line %d: "), message->line);
    g_string_append(all, g_strchomp(text));
}

static xmlRelaxNG *
lukshdrSchemaRead(const char *path, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&lukshdrSchemaLock);
    g_autoptr(GString) messages = g_string_new(NULL);
    g_autoptr(xmlRelaxNGParserCtxt) ctxt = NULL;
    xmlRelaxNG *schema;

    if (access(path, R_OK) < 0) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("schema '%s' is needed to validate XML and cannot be read (%s); install "
                      "libvirt-lukshdr again"),
                    path, g_strerror(errno));
        return NULL;
    }

    if (!(ctxt = xmlRelaxNGNewParserCtxt(path)))
        g_error("out of memory");

    xmlRelaxNGSetParserStructuredErrors(ctxt, lukshdrSchemaCollect, messages);
    if (!(schema = xmlRelaxNGParse(ctxt)))
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("schema '%s' is needed to validate XML and cannot be used: %s"), path,
                    messages->str);
    return schema;
}

bool
lukshdrSchemaValidate(const char *schema, const char *root, const char *text, GError **error)
{
    g_autofree char *path = g_path_is_absolute(schema) ? g_strdup(schema)
                                                       : lukshdrPathSchema(schema);
    g_autoptr(GString) messages = g_string_new(NULL);
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(xmlRelaxNG) grammar = NULL;
    g_autoptr(xmlRelaxNGValidCtxt) ctxt = NULL;

    if (!(doc = lukshdrXMLParse(text, strlen(text), root, error)) ||
        !(grammar = lukshdrSchemaRead(path, error)))
        return false;

    if (!(ctxt = xmlRelaxNGNewValidCtxt(grammar)))
        g_error("out of memory");

    xmlRelaxNGSetValidStructuredErrors(ctxt, lukshdrSchemaCollect, messages);
    if (xmlRelaxNGValidateDoc(ctxt, doc) == 0)
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_INVALID_SCHEMA,
                _("XML is not as '%s' describes it: %s"), path, messages->str);
    return false;
}
