/*
 * xml.c: names of XML elements and attributes, and how XML is read
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "xml.h"

#include <glib/gi18n-lib.h>
#include <libxml/parser.h>
#include <string.h>

#include "error.h"

/* libxml2's messages end with a newline, which a libvirt error does not */
static void
lukshdrXMLSetParserError(xmlParserCtxt *ctxt, GError **error)
{
    const xmlError *last = xmlCtxtGetLastError(ctxt);
    g_autofree char *message = g_strdup(last && last->message ? last->message : "");

    g_strchomp(message);
    if (!g_utf8_validate(message, -1, NULL))
        *message = '\0';
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("XML is malformed at line %d: %s"),
                last ? last->line : 0, *message ? message : _("no document found"));
}

/* Without XML_PARSE_HUGE libxml2's own limits on depth and size hold */
#define LUKSHDR_XML_OPTIONS \
    (XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS)

xmlDoc *
lukshdrXMLParse(const char *xml, gsize len, const char *root, GError **error)
{
    xmlParserCtxt *ctxt = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    xmlNode *node;

    if (len > LUKSHDR_XML_MAX) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("XML of %zu bytes is longer than the limit of %d"), (size_t)len,
                    LUKSHDR_XML_MAX);
        return NULL;
    }

    if (!(ctxt = xmlNewParserCtxt()))
        g_error("out of memory");

    doc = xmlCtxtReadMemory(ctxt, xml, (int)len, NULL, NULL, LUKSHDR_XML_OPTIONS);
    if (!doc || !ctxt->wellFormed) {
        lukshdrXMLSetParserError(ctxt, error);
        xmlFreeParserCtxt(ctxt);
        return NULL;
    }
    xmlFreeParserCtxt(ctxt);

    if (xmlGetIntSubset(doc)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("XML must not contain a document type declaration"));
        return NULL;
    }

    node = xmlDocGetRootElement(doc);
    if (!node || (root && !xmlStrEqual(node->name, BAD_CAST root))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("expected an XML document with root element '%s', found '%s'"),
                    root ? root : "", node ? (const char *)node->name : "");
        return NULL;
    }

    return g_steal_pointer(&doc);
}

char *
lukshdrXMLFormat(xmlNode *root)
{
    xmlBuffer *buf = xmlBufferCreate();
    char *text;

    /* Of a document without an encoding libxml2 before 2.14 escapes in attributes what is not
     * ASCII.  Later releases do not.  With one, all write the same. */
    if (!root->doc->encoding)
        root->doc->encoding = xmlStrdup(BAD_CAST "UTF-8");

    if (!buf || xmlNodeDump(buf, root->doc, root, 0, 1) < 0)
        g_error("out of memory");

    text = g_strdup_printf("%s\n", (const char *)xmlBufferContent(buf));
    xmlBufferFree(buf);
    return text;
}

/* Where the @text that is no element ends: a comment, a CDATA section or an instruction; NULL if it
 * is none of these */
static const char *
lukshdrXMLSkip(const char *text)
{
    static const struct {
        const char *begin;
        const char *end;
    } kinds[] = { { "<!--", "-->" }, { "<![CDATA[", "]]>" }, { "<?", "?>" } };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(kinds); i++) {
        gsize begin = strlen(kinds[i].begin);
        const char *end = strncmp(text, kinds[i].begin, begin) == 0
                              ? strstr(text + begin, kinds[i].end)
                              : NULL;

        if (end)
            return end + strlen(kinds[i].end);
    }
    return NULL;
}

char *
lukshdrXMLFormatShown(xmlNode *root)
{
    g_autofree char *text = lukshdrXMLFormat(root);
    g_autoptr(GString) shown = g_string_sized_new(strlen(text));
    const char *at = text;
    bool tag = false;
    char quote = '\0'; /* within an attribute's value: what ends that */

    while (*at) {
        const char *end = tag ? NULL : lukshdrXMLSkip(at);

        if (end) {
            g_string_append_len(shown, at, end - at);
            at = end;
            continue;
        }

        /* libxml2 escapes both in values */
        if (*at == '<' || *at == '>')
            tag = *at == '<';

        if (tag && (quote ? *at == quote : *at == '"' || *at == '\'')) {
            g_string_append_c(shown, '\'');
            quote = quote ? '\0' : *at;
        } else if (*at == '"') {
            g_string_append(shown, "&quot;");
        } else if (*at == '\'') {
            g_string_append(shown, "&apos;");
        } else {
            g_string_append_c(shown, *at);
        }
        at++;
    }
    return g_string_free(g_steal_pointer(&shown), FALSE);
}

/* In no other namespace than its parent: libvirt's paths such as "./uuid" do not match <x:uuid/>, and
 * what stock reads and what we read must be the same element. */
static bool
lukshdrXMLIs(const xmlNode *node, const char *name)
{
    const xmlNs *outer = node->parent->ns;

    return xmlStrEqual(node->name, BAD_CAST name) &&
           (!node->ns || (outer && xmlStrEqual(node->ns->href, outer->href)));
}

/* The first of @node and those behind it that is an element so named */
static xmlNode *
lukshdrXMLElement(xmlNode *node, const char *name)
{
    while (node && (node->type != XML_ELEMENT_NODE || (name && !lukshdrXMLIs(node, name))))
        node = node->next;
    return node;
}

xmlNode *
lukshdrXMLChild(xmlNode *parent, const char *name)
{
    return parent ? lukshdrXMLElement(parent->children, name) : NULL;
}

xmlNode *
lukshdrXMLNext(xmlNode *node, const char *name)
{
    return lukshdrXMLElement(node->next, name);
}

unsigned int
lukshdrXMLChildCount(xmlNode *parent, const char *name)
{
    xmlNode *node;
    unsigned int count = 0;

    for (node = lukshdrXMLChild(parent, name); node; node = lukshdrXMLNext(node, name))
        count++;
    return count;
}

bool
lukshdrXMLOnlyChildren(xmlNode *parent, const char *const *names, GError **error)
{
    xmlNode *node;

    for (node = lukshdrXMLChild(parent, NULL); node; node = lukshdrXMLNext(node, NULL)) {
        if (!g_strv_contains(names, (const char *)node->name)) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                        _("unexpected element '%s' in '%s'"), node->name, parent->name);
            return false;
        }
    }
    return true;
}

bool
lukshdrXMLAtMostOnce(xmlNode *parent, const char *const *names, GError **error)
{
    for (; *names; names++) {
        if (lukshdrXMLChildCount(parent, *names) > 1) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR, _("'%s' may have only one '%s'"),
                        parent->name, *names);
            return false;
        }
    }
    return true;
}

/* libxml2 has an allocator of its own: hand out GLib's */
static char *
lukshdrXMLSteal(xmlChar *value)
{
    char *copy = g_strdup((const char *)value);

    if (value)
        xmlFree(value);
    return copy;
}

char *
lukshdrXMLAttribute(xmlNode *node, const char *name)
{
    return lukshdrXMLSteal(xmlGetNoNsProp(node, BAD_CAST name));
}

char *
lukshdrXMLText(xmlNode *node)
{
    char *text = lukshdrXMLSteal(xmlNodeGetContent(node));

    return text ? text : g_strdup("");
}

void
lukshdrXMLSetAttribute(xmlNode *node, const char *name, const char *value)
{
    if (value && !xmlSetProp(node, BAD_CAST name, BAD_CAST value))
        g_error("out of memory");
}

xmlNode *
lukshdrXMLAddChild(xmlNode *parent, const char *name, const char *text)
{
    /* unlike xmlNewChild, xmlNewTextChild escapes */
    xmlNode *node = xmlNewTextChild(parent, NULL, BAD_CAST name, BAD_CAST text);

    if (!node)
        g_error("out of memory");
    return node;
}

bool
lukshdrXMLOnlyText(xmlNode *node, char **text, GError **error)
{
    static const char *const children[] = { NULL };

    if (!lukshdrXMLOnlyChildren(node, children, error))
        return false;
    *text = lukshdrXMLText(node);
    return true;
}
