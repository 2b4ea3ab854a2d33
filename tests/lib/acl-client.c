/*
 * acl-client.c: calls of libvirt's API, also about what the client was never shown
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * A client that knows a name needs no look-up: the wire protocol carries names, keys and UUIDs.  So
 * this one makes its pools, volumes and domains itself, with functions that libvirt.so exports for its own
 * tools.  It reads lines from stdin:
 *
 *   pool NAME UUID              a pool that the following lines name
 *   CALL POOL [VOLUME] [ARGUMENT...]
 *   CALL DOMAIN UUID FILE       of a domain, maybe with the domain's XML in FILE
 *
 * and prints a line for each call: what came of it, "ok", "denied" (VIR_ERR_ACCESS_DENIED) or "error",
 * then a tab, the line, a tab, the message.
 */

#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef virStoragePoolPtr (*makePoolFunc)(virConnectPtr conn,
                                          const char *name,
                                          const unsigned char *uuid,
                                          void *data,
                                          void (*freeData)(void *));
typedef virStorageVolPtr (*makeVolFunc)(virConnectPtr conn,
                                        const char *pool,
                                        const char *name,
                                        const char *key,
                                        void *data,
                                        void (*freeData)(void *));

typedef virDomainPtr (*makeDomainFunc)(virConnectPtr conn,
                                       const char *name,
                                       const unsigned char *uuid,
                                       int id);
/* what migrating is made of, which libvirt.so exports for itself */
typedef int (*prepareFunc)(virConnectPtr conn,
                           const char *cookiein,
                           int cookieinlen,
                           char **cookieout,
                           int *cookieoutlen,
                           const char *uriin,
                           char **uriout,
                           unsigned long flags,
                           const char *dname,
                           unsigned long bandwidth,
                           const char *xml);
typedef int (*prepareParamsFunc)(virConnectPtr conn,
                                 virTypedParameterPtr params,
                                 int nparams,
                                 const char *cookiein,
                                 int cookieinlen,
                                 char **cookieout,
                                 int *cookieoutlen,
                                 char **uriout,
                                 unsigned int flags);
typedef char *(*beginFunc)(virDomainPtr domain,
                           const char *xml,
                           char **cookieout,
                           int *cookieoutlen,
                           unsigned long flags,
                           const char *dname,
                           unsigned long bandwidth);

#define POOLS_MAX 32

static virConnectPtr conn;
static makePoolFunc makePool;
static makeVolFunc makeVol;
static makeDomainFunc makeDomain;
static prepareFunc prepare;
static prepareParamsFunc prepareParams;
static beginFunc begin;

static struct {
    char name[64];
    unsigned char uuid[VIR_UUID_BUFLEN];
} pools[POOLS_MAX];
static size_t npools;

static void
die(const char *what)
{
    fprintf(stderr, "acl-client: %s\n", what);
    exit(2);
}

static void
readUUID(const char *text, unsigned char *uuid)
{
    size_t i;

    for (i = 0; i < VIR_UUID_BUFLEN; i++) {
        unsigned int byte;

        if (*text == '-')
            text++;
        if (sscanf(text, "%2x", &byte) != 1)
            die("not a UUID");
        uuid[i] = (unsigned char)byte;
        text += 2;
    }
}

static void
addPool(const char *name, const char *uuid)
{
    if (npools == POOLS_MAX || !uuid || strlen(name) >= sizeof(pools->name))
        die("cannot remember a pool");
    strcpy(pools[npools].name, name);
    readUUID(uuid, pools[npools].uuid);
    npools++;
}

static virStoragePoolPtr
poolOf(const char *name)
{
    size_t i;

    for (i = 0; i < npools; i++) {
        if (!strcmp(pools[i].name, name))
            return makePool(conn, name, pools[i].uuid, NULL, NULL);
    }
    die("a pool that was not told");
    return NULL;
}

static char *
readFile(const char *name)
{
    static char text[65536];
    FILE *file = name ? fopen(name, "re") : NULL;
    size_t len;

    if (!file)
        die("cannot read a file");
    len = fread(text, 1, sizeof(text) - 1, file);
    text[len] = '\0';
    fclose(file);
    return text;
}

/* What the daemon has to say comes with the stream: the call alone may only have begun it. */
static int
transfer(virStorageVolPtr vol, int up)
{
    virStreamPtr stream = virStreamNew(conn, 0);
    char buf[4096] = "overwritten by an upload";
    int rc = up ? virStorageVolUpload(vol, stream, 0, sizeof(buf), 0)
                : virStorageVolDownload(vol, stream, 0, sizeof(buf), 0);
    int n = 0;

    if (rc == 0) {
        if (up)
            n = virStreamSend(stream, buf, sizeof(buf));
        else
            while ((n = virStreamRecv(stream, buf, sizeof(buf))) > 0)
                ;
        rc = n < 0 ? -1 : virStreamFinish(stream);
    }
    /* which would forget the error */
    if (rc == 0)
        virStreamFree(stream);
    return rc;
}

/* 0, -1 with a libvirt error, or -2 if @call is not one about pools */
static int
callPool(const char *call, const char *name, const char *argument)
{
    if (!strcmp(call, "virStoragePoolBuild"))
        return virStoragePoolBuild(poolOf(name), 0);
    if (!strcmp(call, "virStoragePoolBuild:overwrite"))
        return virStoragePoolBuild(poolOf(name), VIR_STORAGE_POOL_BUILD_OVERWRITE);
    if (!strcmp(call, "virStoragePoolCreate"))
        return virStoragePoolCreate(poolOf(name), 0);
    if (!strcmp(call, "virStoragePoolCreate:overwrite"))
        return virStoragePoolCreate(poolOf(name), VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE);
    if (!strcmp(call, "virStoragePoolDestroy"))
        return virStoragePoolDestroy(poolOf(name));
    if (!strcmp(call, "virStoragePoolDelete"))
        return virStoragePoolDelete(poolOf(name), 0);
    if (!strcmp(call, "virStoragePoolUndefine"))
        return virStoragePoolUndefine(poolOf(name));
    if (!strcmp(call, "virStoragePoolRefresh"))
        return virStoragePoolRefresh(poolOf(name), 0);
    if (!strcmp(call, "virStoragePoolGetXMLDesc"))
        return virStoragePoolGetXMLDesc(poolOf(name), 0) ? 0 : -1;
    if (!strcmp(call, "virStorageVolCreateXML"))
        return virStorageVolCreateXML(poolOf(name), readFile(argument), 0) ? 0 : -1;
    if (!strcmp(call, "virStoragePoolDefineXML"))
        return virStoragePoolDefineXML(conn, readFile(argument), 0) ? 0 : -1;
    if (!strcmp(call, "virStoragePoolCreateXML"))
        return virStoragePoolCreateXML(conn, readFile(argument), 0) ? 0 : -1;
    if (!strcmp(call, "virStoragePoolCreateXML:overwrite"))
        return virStoragePoolCreateXML(conn, readFile(argument),
                                       VIR_STORAGE_POOL_CREATE_WITH_BUILD_OVERWRITE)
                   ? 0
                   : -1;
    return -2;
}

/* As callPool, about volumes */
static int
callVol(const char *call, const char *pool, const char *name, char **arguments)
{
    virStorageVolPtr vol = makeVol(conn, pool, name, name, NULL, NULL);
    virStorageVolInfo info;

    if (!vol)
        return -1;
    if (!strcmp(call, "virStorageVolDelete"))
        return virStorageVolDelete(vol, 0);
    if (!strcmp(call, "virStorageVolWipe"))
        return virStorageVolWipe(vol, 0);
    if (!strcmp(call, "virStorageVolWipePattern"))
        return virStorageVolWipePattern(vol, VIR_STORAGE_VOL_WIPE_ALG_ZERO, 0);
    if (!strcmp(call, "virStorageVolUpload"))
        return transfer(vol, 1);
    if (!strcmp(call, "virStorageVolDownload"))
        return transfer(vol, 0);
    if (!strcmp(call, "virStorageVolResize"))
        return virStorageVolResize(vol, 32ULL << 20, 0);
    if (!strcmp(call, "virStorageVolGetXMLDesc"))
        return virStorageVolGetXMLDesc(vol, 0) ? 0 : -1;
    if (!strcmp(call, "virStorageVolGetInfo"))
        return virStorageVolGetInfo(vol, &info);
    if (!strcmp(call, "virStorageVolGetPath"))
        return virStorageVolGetPath(vol) ? 0 : -1;
    if (!strcmp(call, "virStorageVolCreateXMLFrom"))
        return virStorageVolCreateXMLFrom(poolOf(arguments[0]), readFile(arguments[1]), vol, 0)
                   ? 0
                   : -1;
    return -2;
}

/* As callPool, about domains.  What is restored is no file: the rights come first. */
static int
callDomain(const char *call, const char *name, const char *id, const char *argument)
{
    static const char nowhere[] = "/nonexistent/saved";
    virTypedParameterPtr params = NULL;
    unsigned char uuid[VIR_UUID_BUFLEN];
    virDomainPtr domain;
    char *cookie = NULL;
    char *uri = NULL;
    char *xml = readFile(argument);
    int max = 0;
    int n = 0;
    int len = 0;

    readUUID(id, uuid);
    if (!(domain = makeDomain(conn, name, uuid, -1)))
        return -1;
    virTypedParamsAddString(&params, &n, &max,
                            strncmp(call, "virDomainMigrate", 16) ? VIR_DOMAIN_SAVE_PARAM_DXML
                                                                  : VIR_MIGRATE_PARAM_DEST_XML,
                            xml);
    if (!strcmp(call, "virDomainCreate"))
        return virDomainCreate(domain);
    if (!strcmp(call, "virDomainCreateWithFlags"))
        return virDomainCreateWithFlags(domain, VIR_DOMAIN_START_PAUSED);
    if (!strcmp(call, "virDomainManagedSaveDefineXML"))
        return virDomainManagedSaveDefineXML(domain, xml, 0);
    if (!strcmp(call, "virDomainSaveImageDefineXML"))
        return virDomainSaveImageDefineXML(conn, nowhere, xml, 0);
    if (!strcmp(call, "virDomainSaveFlags"))
        return virDomainSaveFlags(domain, nowhere, xml, 0);
    if (!strcmp(call, "virDomainRestoreFlags"))
        return virDomainRestoreFlags(conn, nowhere, xml, 0);
    if (!strcmp(call, "virDomainMigrateBegin3"))
        return begin(domain, xml, &cookie, &len, VIR_MIGRATE_LIVE, NULL, 0) ? 0 : -1;
    if (!strcmp(call, "virDomainMigratePrepare3"))
        return prepare(conn, NULL, 0, &cookie, &len, NULL, &uri, VIR_MIGRATE_LIVE, NULL, 0, xml);
    if (!strcmp(call, "virDomainMigratePrepare3Params"))
        return prepareParams(conn, params, n, NULL, 0, &cookie, &len, &uri, VIR_MIGRATE_LIVE);

    if (strcmp(call, "virDomainSaveParams") && strcmp(call, "virDomainRestoreParams"))
        return -2;
    virTypedParamsAddString(&params, &n, &max, VIR_DOMAIN_SAVE_PARAM_FILE, nowhere);
    return !strcmp(call, "virDomainSaveParams") ? virDomainSaveParams(domain, params, n, 0)
                                                : virDomainRestoreParams(conn, params, n, 0);
}

static void
run(const char *line)
{
    char copy[4096];
    char *words[8] = { NULL };
    char *rest = copy;
    const char *came = "ok";
    size_t n = 0;
    int rc;

    snprintf(copy, sizeof(copy), "%s", line);
    while (n < 7 && (words[n] = strsep(&rest, " ")))
        n++;
    if (n < 2)
        die("a line of less than two words");

    if (!strcmp(words[0], "pool")) {
        addPool(words[1], words[2]);
        return;
    }

    virResetLastError();
    if (words[2] && !strncmp(words[0], "virDomain", 9))
        rc = callDomain(words[0], words[1], words[2], words[3]);
    else
        rc = callPool(words[0], words[1], words[2]);
    if (rc == -2 && words[2])
        rc = callVol(words[0], words[1], words[2], words + 3);
    if (rc == -2)
        die("a call that is not known");
    if (rc < 0)
        came = virGetLastErrorCode() == VIR_ERR_ACCESS_DENIED ? "denied" : "error";
    printf("%s\t%s\t%s\n", came, line, rc < 0 ? virGetLastErrorMessage() : "");
}

static void
quiet(void *data, virErrorPtr error)
{
    (void)data;
    (void)error;
}

int
main(void)
{
    void *libvirt = dlopen("libvirt.so.0", RTLD_NOW);
    char line[4096];

    virSetErrorFunc(NULL, quiet);
    if (!libvirt || !(makePool = (makePoolFunc)dlsym(libvirt, "virGetStoragePool")) ||
        !(makeVol = (makeVolFunc)dlsym(libvirt, "virGetStorageVol")) ||
        !(makeDomain = (makeDomainFunc)dlsym(libvirt, "virGetDomain")) ||
        !(begin = (beginFunc)dlsym(libvirt, "virDomainMigrateBegin3")) ||
        !(prepare = (prepareFunc)dlsym(libvirt, "virDomainMigratePrepare3")) ||
        !(prepareParams = (prepareParamsFunc)dlsym(libvirt, "virDomainMigratePrepare3Params")))
        die("libvirt does not export what makes pools, volumes and domains, and migrates them");
    if (!(conn = virConnectOpen(NULL)))
        die(virGetLastErrorMessage());

    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\n")] = '\0';
        if (*line)
            run(line);
    }
    virConnectClose(conn);
    return 0;
}
