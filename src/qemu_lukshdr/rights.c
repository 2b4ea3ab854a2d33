/*
 * rights.c: asking libvirt's access driver before stock does, where that is necessary
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "rights.h"

#include <glib-object.h>

#include "util/log.h"
#include "util/xml.h"
#include "client-xml.h"

virIdentity *
lukshdrQemuBecomeSystem(void)
{
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    virIdentity *client = abi->virIdentityGetCurrent();
    g_autoptr(GObject) system = (GObject *)abi->virIdentityGetSystem();

    if (!system || abi->virIdentitySetCurrent((virIdentity *)system) < 0)
        LUKSHDR_LOG_ERROR("%s", virGetLastErrorMessage());
    return client;
}

void
lukshdrQemuBecomeClient(virIdentity *client)
{
    /* if this thread went on as the system, it would lend those rights to other clients */
    if (lukshdrQemu.libvirt.virIdentitySetCurrent(client) < 0)
        g_error("Unable to return to the client's identity");
    if (client)
        g_object_unref(client);
}

bool
lukshdrQemuMay(virDomainPtr domain, lukshdrQemuEnsureACL ensure, unsigned int flags)
{
    virDomainObj *vm = LUKSHDR_STOCK(qemuDomainObjFromDomain)(domain);
    virDomainDef *def;
    bool may;

    if (!vm)
        return false;

    /* as stock does, with the domain locked: take the running definition, or else the stored one */
    def = lukshdrQemu.libvirt.virDomainObjGetOneDef(vm, 0);
    may = def && ensure(virDomainGetConnect(domain), def, flags) == 0;
    lukshdrQemu.libvirt.virDomainObjEndAPI(&vm);
    return may;
}

/* Returns a domain that has the UUID from @xml and the name from there, or @name if that is not
 * NULL, and nothing else.  Returns NULL if libvirt cannot parse that. */
static virDomainDef *
lukshdrQemuMinimalDef(const char *xml, const char *name)
{
    static const char *const kept[] = { LUKSHDR_XML_NAME, LUKSHDR_XML_UUID };
    static const char outline[] =
        "<domain type='qemu'><memory>1024</memory><os><type>hvm</type></os></domain>";
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    g_autoptr(xmlDoc) given = lukshdrQemuConfigXMLRead(xml);
    g_autoptr(xmlDoc) doc = lukshdrQemuConfigXMLRead(outline);
    g_autoptr(GObject) xmlopt = NULL;
    g_autofree char *text = NULL;
    xmlNode *root = given ? xmlDocGetRootElement(given) : NULL;
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(kept) && root; i++) {
        xmlNode *node = lukshdrXMLChild(root, kept[i]);
        g_autofree char *value = node ? lukshdrXMLText(node) : NULL;

        if (name && g_str_equal(kept[i], LUKSHDR_XML_NAME))
            lukshdrXMLAddChild(xmlDocGetRootElement(doc), kept[i], name);
        else if (value)
            lukshdrXMLAddChild(xmlDocGetRootElement(doc), kept[i], value);
    }

    text = lukshdrQemuConfigXMLWrite(doc);
    xmlopt = (GObject *)abi->virDomainXMLOptionNew(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
    return abi->virDomainDefParseString(text, (virDomainXMLOption *)xmlopt, NULL,
                                        LUKSHDR_VIR_DOMAIN_DEF_PARSE_INACTIVE);
}

bool
lukshdrQemuMayXML(virConnectPtr conn,
                  const char *xml,
                  const char *name,
                  lukshdrQemuEnsureACL ensure,
                  unsigned int flags)
{
    virDomainDef *def = lukshdrQemuMinimalDef(xml, name);
    bool may = !def || ensure(conn, def, flags) == 0;

    if (!def)
        virResetLastError();
    lukshdrQemu.libvirt.virDomainDefFree(def);
    return may;
}

char *
lukshdrQemuLook(virDomainPtr domain, unsigned int flags)
{
    virIdentity *client = lukshdrQemuBecomeSystem();
    char *xml = virDomainGetXMLDesc(domain, flags);

    lukshdrQemuBecomeClient(client);
    return xml;
}

int
lukshdrQemuLookState(virDomainPtr domain, int (*ask)(virDomainPtr domain))
{
    virIdentity *client = lukshdrQemuBecomeSystem();
    int state = ask(domain);

    lukshdrQemuBecomeClient(client);
    return state;
}

char *
lukshdrQemuLookSnapshot(virDomainSnapshotPtr snapshot)
{
    virIdentity *client = lukshdrQemuBecomeSystem();
    char *xml = virDomainSnapshotGetXMLDesc(snapshot, 0);

    lukshdrQemuBecomeClient(client);
    return xml;
}
