/*
 * fail-client.c: calls of libvirt's API that fail, one or more for each entry of a driver's table
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Usage: fail-client ENTRY...; where it runs there are the pools "data" (active, with the volume "there"), "off"
 * (inactive), "file" (inactive, its directory is a file), "gone" (active, its directory removed) and "found" (active, in the
 * middle of making a volume), and the domains "off", "on" (running) and "fails" (QEMU refuses it).  For each ENTRY
 * it makes the calls of its own list that lead to that entry, and prints a line for each: entry, case, the error's
 * code, its domain, and its text.  An entry that it has no call for is "no case", a call that succeeds "ok".
 */

#include <dlfcn.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/* what libvirt.so exports for itself: objects of what does not exist, and what migrating is made of */
static virStoragePoolPtr (
    *makePool)(virConnectPtr, const char *, const unsigned char *, void *, void (*)(void *));
static virStorageVolPtr (
    *makeVol)(virConnectPtr, const char *, const char *, const char *, void *, void (*)(void *));
static virDomainPtr (*makeDomain)(virConnectPtr, const char *, const unsigned char *, int);
static virDomainSnapshotPtr (*makeSnapshot)(virDomainPtr, const char *);
static char *(
    *begin)(virDomainPtr, const char *, char **, int *, unsigned long, const char *, unsigned long);
static char *(*beginParams)(virDomainPtr, virTypedParameterPtr, int, char **, int *, unsigned int);
static int (*prepare)(virConnectPtr,
                      const char *,
                      int,
                      char **,
                      int *,
                      const char *,
                      char **,
                      unsigned long,
                      const char *,
                      unsigned long,
                      const char *);
static int (*prepareParams)(virConnectPtr,
                            virTypedParameterPtr,
                            int,
                            const char *,
                            int,
                            char **,
                            int *,
                            char **,
                            unsigned int);
static virDomainPtr (*finish)(virConnectPtr,
                              const char *,
                              const char *,
                              int,
                              char **,
                              int *,
                              const char *,
                              const char *,
                              unsigned long,
                              int);
static virDomainPtr (*finishParams)(virConnectPtr,
                                    virTypedParameterPtr,
                                    int,
                                    const char *,
                                    int,
                                    char **,
                                    int *,
                                    unsigned int,
                                    int);
static int (*performParams)(virDomainPtr,
                            const char *,
                            virTypedParameterPtr,
                            int,
                            const char *,
                            int,
                            char **,
                            int *,
                            unsigned int);

static const struct {
    const char *name;
    void *function;
} privates[] = {
    { "virGetStoragePool", &makePool },
    { "virGetStorageVol", &makeVol },
    { "virGetDomain", &makeDomain },
    { "virGetDomainSnapshot", &makeSnapshot },
    { "virDomainMigrateBegin3", &begin },
    { "virDomainMigrateBegin3Params", &beginParams },
    { "virDomainMigratePrepare3", &prepare },
    { "virDomainMigratePrepare3Params", &prepareParams },
    { "virDomainMigrateFinish3", &finish },
    { "virDomainMigrateFinish3Params", &finishParams },
    { "virDomainMigratePerform3Params", &performParams },
};

static virConnectPtr conn;
static const unsigned char nobody[VIR_UUID_BUFLEN] = { 1 };
static char *cookie;
static char *uri;
static int len;
static virDomainBlockInfo blockInfo;
static virDomainStatsRecordPtr *records;

#define BAD 0x40000000 /* a flag that no call knows */

static virStoragePoolPtr
pool(const char *name)
{
    virStoragePoolPtr found = virStoragePoolLookupByName(conn, name);

    return found ? found : makePool(conn, name, nobody, NULL, NULL);
}

static virStorageVolPtr
vol(const char *where, const char *name)
{
    virStorageVolPtr found = virStorageVolLookupByName(pool(where), name);

    return found ? found : makeVol(conn, where, name, name, NULL, NULL);
}

static virDomainPtr
domain(const char *name)
{
    virDomainPtr found = virDomainLookupByName(conn, name);

    return found ? found : makeDomain(conn, name, nobody, -1);
}

static virTypedParameterPtr
param(const char *name, const char *value)
{
    virTypedParameterPtr params = NULL;
    int max = 0;
    int n = 0;

    virTypedParamsAddString(&params, &n, &max, name, value);
    return params;
}

/* What the daemon has to say can come with the stream: the call alone may only have begun it */
static int
transfer(const char *where, const char *name, int up, unsigned long long offset, unsigned int flags)
{
    virStreamPtr stream = virStreamNew(conn, 0);
    virStorageVolPtr of = vol(where, name);
    char buf[4096] = "";
    int n = 0;
    int rc;

    virResetLastError();
    rc = up ? virStorageVolUpload(of, stream, offset, 1 << 20, flags)
            : virStorageVolDownload(of, stream, offset, 1 << 20, flags);
    if (rc < 0)
        return rc;
    if (up)
        n = virStreamSend(stream, buf, sizeof(buf));
    else
        while ((n = virStreamRecv(stream, buf, sizeof(buf))) > 0)
            ;
    return n < 0 ? -1 : virStreamFinish(stream);
}

static const char newVolume[] = "<volume><name>new</name><capacity>1048576</capacity></volume>";
static const char thereVolume[] = "<volume><name>there</name><capacity>1048576</capacity></volume>";
static const char lostSecret[] =
    "<volume><name>new</name><capacity>1048576</capacity><target><format type='raw'/><encryption format='luks'>"
    "<secret type='passphrase' uuid='11111111-2222-3333-4444-555555555555'/></encryption></target></volume>";
static const char otherPool[] =
    "<pool type='dir'><name>data</name><uuid>01000000-0000-0000-0000-000000000000</uuid>"
    "<target><path>/nonexistent</path></target></pool>";
static const char lostPool[] =
    "<pool type='dir'><name>lost</name><target><path>/nonexistent/lost</path></target></pool>";
static const char noPool[] = "<pool type='nonsense'><name>x</name></pool>";
static const char otherDomain[] =
    "<domain type='qemu'><name>off</name><uuid>01000000-0000-0000-0000-000000000000</uuid>"
    "<memory>65536</memory><os><type>hvm</type></os></domain>";
static const char newDomain[] =
    "<domain type='qemu'><name>new</name><memory>65536</memory><os><type>hvm</type></os><devices>"
    "<disk type='file'><source file='/nonexistent/disk'/><target dev='vda' bus='virtio'/></disk>"
    "</devices></domain>";
static const char noDisk[] =
    "<disk type='file'><source file='/nonexistent/disk'/><target dev='vdx' bus='virtio'/></disk>";
static const char badDisk[] = "<disk type='file'><source file='/nonexistent/disk'/></disk>";
static const char thereDisk[] =
    "<disk type='file'><source file='/nonexistent/disk'/><target dev='vda' bus='virtio'/></disk>";
static const char noMetadata[] = "<a";

#define INT(call) (call)
#define PTR(call) ((call) ? 0 : -1)

/* clang-format off */

/* X(entry, case, call): the call is 0 or -1 */
#define CASES(X) \
    X(connectGetStoragePoolCapabilities, flags, \
      PTR(virConnectGetStoragePoolCapabilities(conn, BAD))) \
    X(storageVolCreateXML, there, PTR(virStorageVolCreateXML(pool("data"), thereVolume, 0))) \
    X(storageVolCreateXML, inactive, PTR(virStorageVolCreateXML(pool("off"), newVolume, 0))) \
    X(storageVolCreateXML, text, PTR(virStorageVolCreateXML(pool("data"), "<volume>", 0))) \
    X(storageVolCreateXML, nopool, PTR(virStorageVolCreateXML(pool("no"), newVolume, 0))) \
    X(storageVolCreateXML, flags, PTR(virStorageVolCreateXML(pool("data"), newVolume, BAD))) \
    X(storageVolCreateXML, secret, PTR(virStorageVolCreateXML(pool("data"), lostSecret, 0))) \
    X(storageVolCreateXML, directory, PTR(virStorageVolCreateXML(pool("gone"), newVolume, 0))) \
    X(storageVolCreateXMLFrom, there, \
      PTR(virStorageVolCreateXMLFrom(pool("data"), thereVolume, vol("data", "there"), 0))) \
    X(storageVolCreateXMLFrom, inactive, \
      PTR(virStorageVolCreateXMLFrom(pool("off"), newVolume, vol("data", "there"), 0))) \
    X(storageVolCreateXMLFrom, novolume, \
      PTR(virStorageVolCreateXMLFrom(pool("data"), newVolume, vol("data", "no"), 0))) \
    X(storageVolCreateXMLFrom, directory, \
      PTR(virStorageVolCreateXMLFrom(pool("gone"), newVolume, vol("data", "there"), 0))) \
    X(storageVolDelete, flags, INT(virStorageVolDelete(vol("data", "there"), BAD))) \
    X(storageVolDelete, novolume, INT(virStorageVolDelete(vol("data", "no"), 0))) \
    X(storageVolDelete, inactive, INT(virStorageVolDelete(vol("off", "there"), 0))) \
    X(storageVolWipe, flags, INT(virStorageVolWipe(vol("data", "there"), BAD))) \
    X(storageVolWipe, novolume, INT(virStorageVolWipe(vol("data", "no"), 0))) \
    X(storageVolWipe, file, INT(virStorageVolWipe(vol("gone", "lost"), 0))) \
    X(storageVolWipePattern, pattern, INT(virStorageVolWipePattern(vol("data", "there"), 99, 0))) \
    X(storageVolWipePattern, novolume, INT(virStorageVolWipePattern(vol("data", "no"), 0, 0))) \
    X(storageVolGetXMLDesc, flags, PTR(virStorageVolGetXMLDesc(vol("data", "there"), BAD))) \
    X(storageVolGetXMLDesc, novolume, PTR(virStorageVolGetXMLDesc(vol("data", "no"), 0))) \
    X(storageVolGetXMLDesc, file, PTR(virStorageVolGetXMLDesc(vol("gone", "lost"), 0))) \
    X(storageVolGetInfo, novolume, \
      INT(virStorageVolGetInfo(vol("data", "no"), &(virStorageVolInfo){ 0 }))) \
    X(storageVolGetInfo, file, \
      INT(virStorageVolGetInfo(vol("gone", "lost"), &(virStorageVolInfo){ 0 }))) \
    X(storageVolGetInfoFlags, flags, \
      INT(virStorageVolGetInfoFlags(vol("data", "there"), &(virStorageVolInfo){ 0 }, BAD))) \
    X(storageVolGetInfoFlags, novolume, \
      INT(virStorageVolGetInfoFlags(vol("data", "no"), &(virStorageVolInfo){ 0 }, 1))) \
    X(storageVolDownload, flags, transfer("data", "there", 0, 0, BAD)) \
    X(storageVolDownload, novolume, transfer("data", "no", 0, 0, 0)) \
    X(storageVolDownload, file, transfer("gone", "lost", 0, 0, 0)) \
    X(storageVolUpload, flags, transfer("data", "there", 1, 0, BAD)) \
    X(storageVolUpload, novolume, transfer("data", "no", 1, 0, 0)) \
    X(storageVolUpload, file, transfer("gone", "lost", 1, 0, 0)) \
    X(storageVolResize, smaller, INT(virStorageVolResize(vol("data", "there"), 4096, 0))) \
    X(storageVolResize, flags, INT(virStorageVolResize(vol("data", "there"), 4096, BAD))) \
    X(storageVolResize, novolume, INT(virStorageVolResize(vol("data", "no"), 4096, 0))) \
    X(storageVolResize, file, INT(virStorageVolResize(vol("gone", "lost"), 1 << 23, 0))) \
    X(storagePoolDefineXML, other, PTR(virStoragePoolDefineXML(conn, otherPool, 0))) \
    X(storagePoolDefineXML, type, PTR(virStoragePoolDefineXML(conn, noPool, 0))) \
    X(storagePoolDefineXML, text, PTR(virStoragePoolDefineXML(conn, "<pool", 0))) \
    X(storagePoolDefineXML, flags, PTR(virStoragePoolDefineXML(conn, lostPool, BAD))) \
    X(storagePoolCreateXML, other, PTR(virStoragePoolCreateXML(conn, otherPool, 0))) \
    X(storagePoolCreateXML, directory, PTR(virStoragePoolCreateXML(conn, lostPool, 0))) \
    X(storagePoolCreateXML, type, PTR(virStoragePoolCreateXML(conn, noPool, 0))) \
    X(storagePoolGetXMLDesc, nopool, PTR(virStoragePoolGetXMLDesc(pool("no"), 0))) \
    X(storagePoolGetXMLDesc, flags, PTR(virStoragePoolGetXMLDesc(pool("data"), BAD))) \
    X(storagePoolBuild, active, INT(virStoragePoolBuild(pool("data"), 0))) \
    X(storagePoolBuild, nopool, INT(virStoragePoolBuild(pool("no"), 0))) \
    X(storagePoolBuild, flags, INT(virStoragePoolBuild(pool("off"), BAD))) \
    X(storagePoolCreate, active, INT(virStoragePoolCreate(pool("data"), 0))) \
    X(storagePoolCreate, nopool, INT(virStoragePoolCreate(pool("no"), 0))) \
    X(storagePoolCreate, directory, INT(virStoragePoolCreate(pool("file"), 0))) \
    X(storagePoolRefresh, inactive, INT(virStoragePoolRefresh(pool("off"), 0))) \
    X(storagePoolRefresh, nopool, INT(virStoragePoolRefresh(pool("no"), 0))) \
    X(storagePoolRefresh, flags, INT(virStoragePoolRefresh(pool("data"), BAD))) \
    X(storagePoolDestroy, inactive, INT(virStoragePoolDestroy(pool("off")))) \
    X(storagePoolDestroy, nopool, INT(virStoragePoolDestroy(pool("no")))) \
    X(storagePoolDestroy, busy, INT(virStoragePoolDestroy(pool("found")))) \
    X(storagePoolDelete, active, INT(virStoragePoolDelete(pool("data"), 0))) \
    X(storagePoolDelete, nopool, INT(virStoragePoolDelete(pool("no"), 0))) \
    X(storagePoolDelete, directory, INT(virStoragePoolDelete(pool("file"), 0))) \
    X(storagePoolUndefine, active, INT(virStoragePoolUndefine(pool("data")))) \
    X(storagePoolUndefine, nopool, INT(virStoragePoolUndefine(pool("no")))) \
    X(storagePoolRefresh, directory, INT(virStoragePoolRefresh(pool("gone"), 0))) \
    X(domainCreateXML, other, PTR(virDomainCreateXML(conn, otherDomain, 0))) \
    X(domainCreateXML, disk, PTR(virDomainCreateXML(conn, newDomain, 0))) \
    X(domainCreateXML, text, PTR(virDomainCreateXML(conn, "<domain", 0))) \
    X(domainCreate, running, INT(virDomainCreate(domain("on")))) \
    X(domainCreate, disk, INT(virDomainCreate(domain("off")))) \
    X(domainCreate, qemu, INT(virDomainCreate(domain("fails")))) \
    X(domainCreate, nodomain, INT(virDomainCreate(domain("no")))) \
    X(domainCreateWithFlags, running, INT(virDomainCreateWithFlags(domain("on"), 1))) \
    X(domainCreateWithFlags, disk, INT(virDomainCreateWithFlags(domain("off"), 1))) \
    X(domainCreateWithFlags, qemu, INT(virDomainCreateWithFlags(domain("fails"), 1))) \
    X(domainCreateWithFlags, nodomain, INT(virDomainCreateWithFlags(domain("no"), 1))) \
    X(domainDefineXML, other, PTR(virDomainDefineXML(conn, otherDomain))) \
    X(domainDefineXML, text, PTR(virDomainDefineXML(conn, "<domain"))) \
    X(domainDefineXMLFlags, other, PTR(virDomainDefineXMLFlags(conn, otherDomain, 0))) \
    X(domainDefineXMLFlags, flags, PTR(virDomainDefineXMLFlags(conn, otherDomain, BAD))) \
    X(domainAttachDevice, off, INT(virDomainAttachDevice(domain("off"), noDisk))) \
    X(domainAttachDevice, disk, INT(virDomainAttachDevice(domain("on"), noDisk))) \
    X(domainAttachDevice, text, INT(virDomainAttachDevice(domain("on"), badDisk))) \
    X(domainAttachDeviceFlags, off, INT(virDomainAttachDeviceFlags(domain("off"), noDisk, 1))) \
    X(domainAttachDeviceFlags, disk, INT(virDomainAttachDeviceFlags(domain("on"), noDisk, 1))) \
    X(domainAttachDeviceFlags, there, INT(virDomainAttachDeviceFlags(domain("off"), thereDisk, 2))) \
    X(domainUpdateDeviceFlags, off, INT(virDomainUpdateDeviceFlags(domain("off"), noDisk, 1))) \
    X(domainUpdateDeviceFlags, disk, INT(virDomainUpdateDeviceFlags(domain("on"), noDisk, 1))) \
    X(domainUpdateDeviceFlags, config, INT(virDomainUpdateDeviceFlags(domain("off"), noDisk, 2))) \
    X(domainSaveFlags, off, INT(virDomainSaveFlags(domain("off"), "/nonexistent/a", NULL, 0))) \
    X(domainSaveFlags, file, \
      INT(virDomainSaveFlags(domain("on"), "/nonexistent/a", otherDomain, 0))) \
    X(domainSaveParams, off, \
      INT(virDomainSaveParams(domain("off"), param(VIR_DOMAIN_SAVE_PARAM_FILE, "/nonexistent/a"), \
                              1, 0))) \
    X(domainRestoreFlags, file, INT(virDomainRestoreFlags(conn, "/nonexistent/a", NULL, 0))) \
    X(domainRestoreFlags, image, INT(virDomainRestoreFlags(conn, "/etc/passwd", NULL, 0))) \
    X(domainRestoreParams, file, \
      INT(virDomainRestoreParams(conn, param(VIR_DOMAIN_SAVE_PARAM_FILE, "/nonexistent/a"), 1, \
                                 0))) \
    X(domainSaveImageDefineXML, file, \
      INT(virDomainSaveImageDefineXML(conn, "/nonexistent/a", otherDomain, 0))) \
    X(domainSaveImageDefineXML, image, \
      INT(virDomainSaveImageDefineXML(conn, "/etc/passwd", otherDomain, 0))) \
    X(domainManagedSaveDefineXML, none, \
      INT(virDomainManagedSaveDefineXML(domain("off"), otherDomain, 0))) \
    X(domainSnapshotCreateXML, text, PTR(virDomainSnapshotCreateXML(domain("on"), "<a", 0))) \
    X(domainSnapshotCreateXML, image, \
      PTR(virDomainSnapshotCreateXML(domain("off"), "<domainsnapshot/>", 0))) \
    X(domainRevertToSnapshot, none, \
      INT(virDomainRevertToSnapshot(makeSnapshot(domain("off"), "no"), 0))) \
    X(domainBlockCopy, off, INT(virDomainBlockCopy(domain("off"), "vda", thereDisk, NULL, 0, 0))) \
    X(domainBlockCopy, disk, INT(virDomainBlockCopy(domain("on"), "vdx", thereDisk, NULL, 0, 0))) \
    X(domainBlockRebase, off, INT(virDomainBlockRebase(domain("off"), "vda", NULL, 0, 0))) \
    X(domainBlockRebase, disk, INT(virDomainBlockRebase(domain("on"), "vdx", NULL, 0, 0))) \
    X(domainGetBlockInfo, gone, INT(virDomainGetBlockInfo(domain("off"), "vda", &blockInfo, 0))) \
    X(domainGetBlockInfo, disk, INT(virDomainGetBlockInfo(domain("on"), "vdx", &blockInfo, 0))) \
    X(domainGetBlockInfo, nodomain, INT(virDomainGetBlockInfo(domain("no"), "vda", &blockInfo, 0))) \
    X(connectGetAllDomainStats, stats, INT(virConnectGetAllDomainStats(conn, BAD, &records, \
                                           VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS))) \
    X(connectGetAllDomainStats, flags, INT(virConnectGetAllDomainStats(conn, 0, &records, BAD))) \
    X(domainSetMetadata, text, INT(virDomainSetMetadata(domain("off"), 2, noMetadata, "k", "u", 0))) \
    X(domainSetMetadata, live, INT(virDomainSetMetadata(domain("off"), 1, "t", NULL, NULL, 1))) \
    X(domainMigrateBegin3, off, PTR(begin(domain("off"), NULL, &cookie, &len, 1, NULL, 0))) \
    X(domainMigrateBegin3, xml, PTR(begin(domain("on"), otherDomain, &cookie, &len, 1, NULL, 0))) \
    X(domainMigrateBegin3Params, off, \
      PTR(beginParams(domain("off"), NULL, 0, &cookie, &len, 1))) \
    X(domainMigrateBegin3Params, name, \
      PTR(beginParams(domain("on"), param("nonsense", "x"), 1, &cookie, &len, 1))) \
    X(domainMigratePrepare3, xml, \
      INT(prepare(conn, NULL, 0, &cookie, &len, NULL, &uri, 1, NULL, 0, "<domain/>"))) \
    X(domainMigratePrepare3, uri, \
      INT(prepare(conn, NULL, 0, &cookie, &len, "nonsense:x", &uri, 1, NULL, 0, newDomain))) \
    X(domainMigratePrepare3Params, xml, \
      INT(prepareParams(conn, param(VIR_MIGRATE_PARAM_DEST_XML, "<domain/>"), 1, NULL, 0, &cookie, \
                        &len, &uri, 1))) \
    X(domainMigratePrepare3Params, none, \
      INT(prepareParams(conn, NULL, 0, NULL, 0, &cookie, &len, &uri, 1))) \
    X(domainMigrateFinish3, none, \
      PTR(finish(conn, "no", NULL, 0, &cookie, &len, NULL, NULL, 1, 0))) \
    X(domainMigrateFinish3Params, none, \
      PTR(finishParams(conn, param(VIR_MIGRATE_PARAM_DEST_NAME, "no"), 1, NULL, 0, &cookie, &len, \
                       1, 0))) \
    X(domainMigratePerform3Params, off, \
      INT(performParams(domain("off"), NULL, NULL, 0, NULL, 0, &cookie, &len, 1))) \
    X(domainMigratePerform3Params, p2p, \
      INT(performParams(domain("off"), "qemu+nonsense://x/system", NULL, 0, NULL, 0, &cookie, \
                        &len, 3)))

/* clang-format on */

#define RUN(entry, situation, call) \
    static int entry##_##situation(void) \
    { \
        return call; \
    }
CASES(RUN)

#define LIST(entry, situation, call) { #entry, #situation, entry##_##situation },
static const struct {
    const char *entry;
    const char *situation;
    int (*run)(void);
} cases[] = { CASES(LIST) };

static void
quiet(void *data, virErrorPtr error)
{
    (void)data;
    (void)error;
}

static void
fail(const char *entry)
{
    size_t found = 0;
    size_t i;

    for (i = 0; i < N_ELEMENTS(cases); i++) {
        virErrorPtr error;

        if (strcmp(cases[i].entry, entry) != 0)
            continue;
        found++;
        if (cases[i].run() == 0) {
            printf("%s\t%s\tok\n", entry, cases[i].situation);
            continue;
        }
        error = virGetLastError();
        printf("%s\t%s\t%d\t%d\t%s\n", entry, cases[i].situation, error ? error->code : -1,
               error ? error->domain : -1, error && error->message ? error->message : "");
    }
    if (found == 0)
        printf("%s\tno case\n", entry);
}

int
main(int argc, char **argv)
{
    void *libvirt = dlopen("libvirt.so.0", RTLD_NOW);
    size_t n;
    int i;

    virSetErrorFunc(NULL, quiet);
    for (n = 0; n < N_ELEMENTS(privates); n++) {
        void *found = libvirt ? dlsym(libvirt, privates[n].name) : NULL;

        if (!found) {
            fprintf(stderr, "fail-client: libvirt does not export %s\n", privates[n].name);
            return 2;
        }
        memcpy(privates[n].function, &found, sizeof(found));
    }
    if (!(conn = virConnectOpen(NULL))) {
        fprintf(stderr, "fail-client: %s\n", virGetLastErrorMessage());
        return 2;
    }
    for (i = 1; i < argc; i++)
        fail(argv[i]);
    virConnectClose(conn);
    return 0;
}
