/*
 * vol-xml.c: reading volume XML with a detached header
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Writing is in vol-xml-show.c.
 */

#include "config.h"

#include "vol-xml.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "util/error.h"
#include "util/text.h"
#include "util/xml.h"

/* The most copies of a header.  We write each copy when the volume is made, and read each when the
 * header is damaged.  To ask for more is a mistake. */
#define LUKSHDR_VOLUME_MAX_HEADERS 16

static const char *const lukshdrHeaderLinkActions[] = {
    [LUKSHDR_HEADER_LINK_NEW] = "new",       [LUKSHDR_HEADER_LINK_EXISTING] = "existing",
    [LUKSHDR_HEADER_LINK_UNLINK] = "unlink", [LUKSHDR_HEADER_LINK_CHECK] = "check",
    [LUKSHDR_HEADER_LINK_SHARE] = "share",   [LUKSHDR_HEADER_LINK_COPY] = "copy",
    [LUKSHDR_HEADER_LINK_TRIM] = "trim",
};

/* The names that release 0.1 had for them; we still understand them */
static const char *const lukshdrHeaderLinkOld[G_N_ELEMENTS(lukshdrHeaderLinkActions)] = {
    [LUKSHDR_HEADER_LINK_EXISTING] = "adopt",
    [LUKSHDR_HEADER_LINK_UNLINK] = "part",
};

const char *
lukshdrHeaderLinkActionToString(lukshdrHeaderLinkAction action)
{
    return lukshdrHeaderLinkActions[action];
}

static void
lukshdrHeaderSourceFree(lukshdrHeaderSource *source)
{
    g_free(source->pool);
    g_free(source->volume);
    g_free(source);
}

void
lukshdrVolumeXMLFree(lukshdrVolumeXML *xml)
{
    if (!xml)
        return;

    g_free(xml->name);
    g_free(xml->stock);
    g_clear_pointer(&xml->headers, g_ptr_array_unref);
    g_free(xml->secretUUID);
    g_free(xml->secretUsage);
    g_free(xml->image);
    g_clear_pointer(&xml->unused, g_array_unref);
    lukshdrFormatParamsClear(&xml->params);
    g_free(xml);
}

static unsigned int
lukshdrVolumeXMLCountHeaders(xmlNode *node)
{
    xmlNode *child;
    unsigned int count = 0;

    for (child = lukshdrXMLChild(node, NULL); child; child = lukshdrXMLNext(child, NULL)) {
        if (xmlStrEqual(child->name, BAD_CAST LUKSHDR_XML_HEADER))
            count++;
        count += lukshdrVolumeXMLCountHeaders(child);
    }
    return count;
}

/* Reads a name that QEMU gets as the value of an option.  QEMU itself refuses a
 * name that it does not know. */
static bool
lukshdrVolumeXMLToken(xmlNode *node, const char *attribute, char **token, GError **error)
{
    *token = lukshdrXMLAttribute(node, attribute);
    if (*token && !lukshdrTextIsToken(*token)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("malformed attribute '%s' of element '%s': '%s'"), attribute, node->name,
                    *token);
        return false;
    }
    return true;
}

static bool
lukshdrVolumeXMLParseCipher(xmlNode *cipher, lukshdrFormatParams *params, GError **error)
{
    g_autofree char *name = NULL;
    g_autofree char *size = NULL;

    if (!cipher)
        return true;

    if (!lukshdrVolumeXMLToken(cipher, "name", &name, error) ||
        !lukshdrVolumeXMLToken(cipher, "size", &size, error) ||
        !lukshdrVolumeXMLToken(cipher, "mode", &params->cipherMode, error) ||
        !lukshdrVolumeXMLToken(cipher, "hash", &params->hashAlg, error))
        return false;

    if (!name || !size) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("element 'cipher' needs the attributes 'name' and 'size'"));
        return false;
    }

    params->cipherAlg = g_strdup_printf("%s-%s", name, size);
    return true;
}

static bool
lukshdrVolumeXMLParseSecret(xmlNode *secret, lukshdrVolumeXML *xml, GError **error)
{
    g_autofree char *type = NULL;

    /* without a <secret>, one is generated */
    if (!secret)
        return true;

    type = lukshdrXMLAttribute(secret, "type");
    if (g_strcmp0(type, "passphrase")) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("unknown type '%s' of the secret, it must be 'passphrase'"),
                    type ? type : "");
        return false;
    }

    xml->secretUUID = lukshdrXMLAttribute(secret, "uuid");
    xml->secretUsage = lukshdrXMLAttribute(secret, "usage");

    if (!xml->secretUUID == !xml->secretUsage) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("element 'secret' needs either 'uuid' or 'usage'"));
        return false;
    }

    if (xml->secretUUID && !g_uuid_string_is_valid(xml->secretUUID)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("malformed UUID of the secret: '%s'"), xml->secretUUID);
        return false;
    }
    return true;
}

static bool
lukshdrVolumeXMLCheckName(const char *name, bool isPool, GError **error)
{
    if (*name && !strchr(name, '/') && !g_str_equal(name, ".") && !g_str_equal(name, "..") &&
        lukshdrTextIsName(name))
        return true;

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                isPool ? _("'%s' cannot be the name of a pool")
                       : _("'%s' cannot be the name of a volume"),
                name);
    return false;
}

const lukshdrHeaderSource *
lukshdrVolumeXMLPrimary(const lukshdrVolumeXML *xml)
{
    return xml->headers->len > 0 ? g_ptr_array_index(xml->headers, 0) : NULL;
}

void
lukshdrVolumeXMLRename(lukshdrVolumeXML *xml, const char *volume)
{
    g_autofree char *before = g_strdup(lukshdrVolumeXMLPrimary(xml)->volume);
    guint i;

    for (i = 0; i < xml->headers->len; i++) {
        lukshdrHeaderSource *source = g_ptr_array_index(xml->headers, i);

        if (g_str_equal(source->volume, before)) {
            g_free(source->volume);
            source->volume = g_strdup(volume);
        }
    }
}

static bool
lukshdrVolumeXMLParseAction(xmlNode *header, lukshdrVolumeXML *xml, GError **error)
{
    g_autofree char *action = lukshdrXMLAttribute(header, LUKSHDR_XML_HEADER_LINK);
    size_t i;

    for (i = 0; action && i < G_N_ELEMENTS(lukshdrHeaderLinkActions); i++) {
        if (g_str_equal(action, lukshdrHeaderLinkActions[i]) ||
            g_strcmp0(action, lukshdrHeaderLinkOld[i]) == 0) {
            xml->action = i;
            return true;
        }
    }
    if (!action)
        return true;

    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
        _("unknown link='%s' of the header, it must be 'new', 'existing', 'unlink', 'check', "
          "'share', 'copy' or 'trim'"),
        action);
    return false;
}

/* Reads the sources.  The first is that of the header, the others those of its replicas.  A replica
 * has the header's name unless its source gives another. */
static bool
lukshdrVolumeXMLParseSource(xmlNode *node, lukshdrVolumeXML *xml, GError **error)
{
    lukshdrHeaderSource *source = g_new0(lukshdrHeaderSource, 1);
    guint i;

    if (xml->headers->len == LUKSHDR_VOLUME_MAX_HEADERS) {
        g_free(source);
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("a volume can have no more than %d headers: one, and its replicas"),
                    LUKSHDR_VOLUME_MAX_HEADERS);
        return false;
    }

    source->pool = lukshdrXMLAttribute(node, "pool");
    source->volume = lukshdrXMLAttribute(node, "volume");
    if (!source->volume && xml->headers->len > 0)
        source->volume = g_strdup(lukshdrVolumeXMLPrimary(xml)->volume);
    if (!source->volume)
        source->volume = g_strconcat(xml->name, LUKSHDR_HEADER_SUFFIX, NULL);
    g_ptr_array_add(xml->headers, source);

    if (!source->pool) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("the source of the header needs the name of a pool"));
        return false;
    }

    if (!lukshdrVolumeXMLCheckName(source->pool, true, error) ||
        !lukshdrVolumeXMLCheckName(source->volume, false, error))
        return false;

    for (i = 0; i + 1 < xml->headers->len; i++) {
        const lukshdrHeaderSource *other = g_ptr_array_index(xml->headers, i);

        if (g_str_equal(source->pool, other->pool) && g_str_equal(source->volume, other->volume)) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                        _("volume '%s' of pool '%s' is named for two copies of the header"),
                        source->volume, source->pool);
            return false;
        }
    }
    return true;
}

static bool
lukshdrVolumeXMLParseNumber(xmlNode *node, const char *attribute, guint64 *number, GError **error)
{
    g_autofree char *text = lukshdrXMLAttribute(node, attribute);

    /* the sum of two of them must fit as well, and QEMU counts bytes with a sign */
    if (text && g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64 / 2, number, NULL) &&
        *number % LUKSHDR_VOLUME_SECTOR == 0)
        return true;
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                _("malformed attribute '%s' of element '%s': a number of bytes, a multiple of %d, "
                  "is needed"),
                attribute, node->name, LUKSHDR_VOLUME_SECTOR);
    return false;
}

static bool
lukshdrVolumeXMLParseUnused(xmlNode *node, lukshdrVolumeXML *xml, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_RANGE, NULL };
    g_autofree char *domain = lukshdrXMLAttribute(node, "domain");
    guint64 end = 0;
    guint64 id;
    xmlNode *child;

    if (!lukshdrXMLOnlyChildren(node, children, error))
        return false;
    if (!domain || !g_ascii_string_to_unsigned(domain, 10, 1, G_MAXINT, &id, NULL)) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("element 'unused' needs the attribute 'domain', the id of a running "
                              "domain"));
        return false;
    }
    xml->unusedDomain = id;

    xml->unused = g_array_new(FALSE, FALSE, sizeof(lukshdrVolumeRange));
    for (child = lukshdrXMLChild(node, NULL); child; child = lukshdrXMLNext(child, NULL)) {
        lukshdrVolumeRange range;

        if (!lukshdrVolumeXMLParseNumber(child, "offset", &range.offset, error) ||
            !lukshdrVolumeXMLParseNumber(child, "size", &range.size, error))
            return false;
        if (range.offset < end || range.size == 0) {
            g_autofree char *offset = lukshdrXMLAttribute(child, "offset");

            g_set_error(
                error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                _("the range at offset %s is empty, or does not come after the one before it"),
                offset);
            return false;
        }
        end = range.offset + range.size;
        g_array_append_val(xml->unused, range);
    }
    return true;
}

static bool
lukshdrVolumeXMLParseHeader(xmlNode *header, lukshdrVolumeXML *xml, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_SOURCE, NULL };
    static const char *const trim[] = { LUKSHDR_XML_UNUSED, NULL };
    g_autofree char *type = lukshdrXMLAttribute(header, "type");
    xmlNode *node;

    if (g_strcmp0(type, "volume")) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                    _("unknown type '%s' of the header, it must be 'volume'"), type ? type : "");
        return false;
    }

    if (!lukshdrVolumeXMLParseAction(header, xml, error))
        return false;
    if (xml->action == LUKSHDR_HEADER_LINK_TRIM) {
        if (!lukshdrXMLOnlyChildren(header, trim, error) ||
            !lukshdrXMLAtMostOnce(header, trim, error))
            return false;
        if ((node = lukshdrXMLChild(header, LUKSHDR_XML_UNUSED)))
            return lukshdrVolumeXMLParseUnused(node, xml, error);
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("to trim a volume, element 'header' needs an 'unused'"));
        return false;
    }
    if (!lukshdrXMLOnlyChildren(header, children, error))
        return false;

    for (node = lukshdrXMLChild(header, NULL); node; node = lukshdrXMLNext(node, NULL)) {
        if (!lukshdrVolumeXMLParseSource(node, xml, error))
            return false;
    }

    /* what is given up may have lost its header, and its name as well */
    if (xml->headers->len == 0 && xml->action != LUKSHDR_HEADER_LINK_UNLINK &&
        xml->action != LUKSHDR_HEADER_LINK_CHECK) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("element 'header' needs a 'source'"));
        return false;
    }
    return true;
}

static bool
lukshdrVolumeXMLParseEncryption(xmlNode *encryption, lukshdrVolumeXML *xml, GError **error)
{
    static const char *const children[] = { LUKSHDR_XML_SECRET, LUKSHDR_XML_CIPHER,
                                            LUKSHDR_XML_IVGEN, LUKSHDR_XML_HEADER, NULL };
    g_autofree char *format = lukshdrXMLAttribute(encryption, LUKSHDR_XML_FORMAT);
    xmlNode *ivgen = lukshdrXMLChild(encryption, LUKSHDR_XML_IVGEN);
    size_t i;

    if (g_strcmp0(format, "luks")) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("only encryption of format 'luks' can have a detached header, not '%s'"),
                    format ? format : "");
        return false;
    }

    if (!lukshdrXMLOnlyChildren(encryption, children, error))
        return false;

    for (i = 0; children[i]; i++) {
        if (lukshdrXMLChildCount(encryption, children[i]) > 1) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                        _("element 'encryption' has more than one '%s'"), children[i]);
            return false;
        }
    }

    xml->hasCipher = ivgen || lukshdrXMLChild(encryption, LUKSHDR_XML_CIPHER);

    if (ivgen && (!lukshdrVolumeXMLToken(ivgen, "name", &xml->params.ivgenAlg, error) ||
                  !lukshdrVolumeXMLToken(ivgen, "hash", &xml->params.ivgenHashAlg, error)))
        return false;

    return lukshdrVolumeXMLParseCipher(lukshdrXMLChild(encryption, LUKSHDR_XML_CIPHER),
                                       &xml->params, error) &&
           lukshdrVolumeXMLParseSecret(lukshdrXMLChild(encryption, LUKSHDR_XML_SECRET), xml,
                                       error) &&
           lukshdrVolumeXMLParseHeader(lukshdrXMLChild(encryption, LUKSHDR_XML_HEADER), xml, error);
}

static bool
lukshdrVolumeXMLParseName(xmlNode *root, char **result, GError **error)
{
    xmlNode *name = lukshdrXMLChild(root, LUKSHDR_XML_NAME);

    if (!name || lukshdrXMLChildCount(root, LUKSHDR_XML_NAME) != 1) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("a volume needs exactly one name"));
        return false;
    }

    *result = lukshdrXMLText(name);
    return lukshdrVolumeXMLCheckName(*result, false, error);
}

char *
lukshdrVolumeXMLNameOf(const char *text, GError **error)
{
    g_autoptr(xmlDoc) doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, error);
    g_autofree char *name = NULL;

    return doc && lukshdrVolumeXMLParseName(xmlDocGetRootElement(doc), &name, error)
               ? g_steal_pointer(&name)
               : NULL;
}

/* Refuses a backing store.  Below a luks node, QEMU would decrypt the plaintext of the
 * backing file once more, and unallocated clusters would read as garbage. */
static bool
lukshdrVolumeXMLCheckBacking(xmlNode *root, GError **error)
{
    /* without a path it is none to stock, which shows it so */
    if (!lukshdrXMLChild(lukshdrXMLChild(root, LUKSHDR_XML_BACKING_STORE), LUKSHDR_XML_PATH))
        return true;

    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                        _("a volume with a detached header cannot have a backing store; make a "
                          "plain overlay of a linked volume instead"));
    return false;
}

bool
lukshdrVolumeXMLParse(const char *text, lukshdrVolumeXML **xml, GError **error)
{
    g_autoptr(lukshdrVolumeXML) result = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(GError) local = NULL;
    xmlNode *root;
    xmlNode *target;
    xmlNode *encryption;

    *xml = NULL;

    doc = lukshdrXMLParse(text, strlen(text), LUKSHDR_XML_VOLUME, &local);
    if (!doc) {
        /* Stock itself says what is wrong with XML that it cannot parse.  But if only we
         * refuse the XML, stock must not make the volume without its header.  So refuse it
         * here if a <header> may be in it; an entity can hide one. */
        if (!strstr(text, LUKSHDR_XML_HEADER) &&
            !(strstr(text, "<!ENTITY") && strstr(text, LUKSHDR_XML_ENCRYPTION)))
            return true;
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    root = xmlDocGetRootElement(doc);

    switch (lukshdrVolumeXMLCountHeaders(root)) {
    case 0:
        return true;
    case 1:
        break;
    default:
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("a volume can have only one detached header"));
        return false;
    }

    target = lukshdrXMLChild(root, LUKSHDR_XML_TARGET);
    encryption = target ? lukshdrXMLChild(target, LUKSHDR_XML_ENCRYPTION) : NULL;
    if (!encryption || !lukshdrXMLChild(encryption, LUKSHDR_XML_HEADER) ||
        lukshdrXMLChildCount(root, LUKSHDR_XML_TARGET) != 1 ||
        lukshdrXMLChildCount(target, LUKSHDR_XML_ENCRYPTION) != 1) {
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                            _("element 'header' must stand in the one <encryption "
                              "format='luks'> of the volume's <target>"));
        return false;
    }

    result = g_new0(lukshdrVolumeXML, 1);
    result->headers = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrHeaderSourceFree);
    if (!lukshdrVolumeXMLParseName(root, &result->name, error) ||
        !lukshdrVolumeXMLCheckBacking(root, error) ||
        !lukshdrVolumeXMLParseEncryption(encryption, result, error))
        return false;

    /* take the whole element out: stock would drop our elements and make a volume with attached
     * LUKS of the rest, or refuse them with --validate */
    xmlUnlinkNode(encryption);
    xmlFreeNode(encryption);
    result->stock = lukshdrXMLFormat(root);

    *xml = g_steal_pointer(&result);
    return true;
}

/* @size is <clusterSize>.  qemu-img takes a number with a suffix, of powers of two. */
static bool
lukshdrVolumeXMLImageCluster(xmlNode *size, GString *options, GError **error)
{
    static const char *const units[][2] = { { "B", "" },   { "bytes", "" }, { "k", "k" },
                                            { "K", "k" },  { "KiB", "k" },  { "M", "M" },
                                            { "MiB", "M" } };
    g_autofree char *unit = lukshdrXMLAttribute(size, LUKSHDR_XML_UNIT);
    g_autofree char *text = lukshdrXMLText(size);
    guint64 number;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(units); i++) {
        if (g_str_equal(units[i][0], unit ? unit : "B"))
            break;
    }
    if (i < G_N_ELEMENTS(units) &&
        g_ascii_string_to_unsigned(g_strstrip(text), 10, 1, G_MAXUINT32, &number, NULL)) {
        g_string_append_printf(options, ",cluster_size=%" G_GUINT64_FORMAT "%s", number,
                               units[i][1]);
        return true;
    }
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_XML_ERROR,
                _("malformed element 'clusterSize': a number of bytes, KiB or MiB is needed"));
    return false;
}

static bool
lukshdrVolumeXMLImageFeatures(xmlNode *features, GString *options, GError **error)
{
    static const char *const known[] = { "lazy_refcounts", "extended_l2", NULL };
    xmlNode *node;

    if (!lukshdrXMLOnlyChildren(features, known, error) ||
        !lukshdrXMLAtMostOnce(features, known, error))
        return false;
    for (node = lukshdrXMLChild(features, NULL); node; node = lukshdrXMLNext(node, NULL))
        g_string_append_printf(options, ",%s=on", (const char *)node->name);
    return true;
}

bool
lukshdrVolumeXMLToImage(lukshdrVolumeXML *xml, GError **error)
{
    static const char *const ours[] = { LUKSHDR_XML_FORMAT, LUKSHDR_XML_COMPAT,
                                        LUKSHDR_XML_CLUSTER_SIZE, LUKSHDR_XML_FEATURES, NULL };
    g_autoptr(xmlDoc)
        doc = lukshdrXMLParse(xml->stock, strlen(xml->stock), LUKSHDR_XML_VOLUME, error);
    xmlNode *target = doc ? lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_TARGET) : NULL;
    g_autoptr(GString) options = g_string_new(NULL);
    g_autofree char *compat = NULL;
    xmlNode *node;
    size_t i;

    if (!doc || (target && !lukshdrXMLAtMostOnce(target, ours, error)))
        return false;

    node = target ? lukshdrXMLChild(target, LUKSHDR_XML_COMPAT) : NULL;
    compat = node ? lukshdrXMLText(node) : g_strdup("1.1");
    g_strstrip(compat);
    if (!g_str_equal(compat, "1.1") && !g_str_equal(compat, "0.10")) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_CONFIG_UNSUPPORTED,
                    _("unknown compatibility level '%s' of qcow2, it must be '1.1' or '0.10'"),
                    compat);
        return false;
    }
    g_string_append_printf(options, "compat=%s", compat);

    if (target && (node = lukshdrXMLChild(target, LUKSHDR_XML_CLUSTER_SIZE)) &&
        !lukshdrVolumeXMLImageCluster(node, options, error))
        return false;
    if (target && (node = lukshdrXMLChild(target, LUKSHDR_XML_FEATURES)) &&
        !lukshdrVolumeXMLImageFeatures(node, options, error))
        return false;

    for (i = 0; target && ours[i]; i++) {
        if ((node = lukshdrXMLChild(target, ours[i]))) {
            xmlUnlinkNode(node);
            xmlFreeNode(node);
        }
    }
    g_free(xml->stock);
    xml->stock = lukshdrXMLFormat(xmlDocGetRootElement(doc));
    xml->image = g_string_free(g_steal_pointer(&options), FALSE);
    return true;
}
