/*
 * storage.h: what the files of the storage half share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "util/abi.h"
#include "link/guest-users.h"
#include "link/prepared.h"
#include "link/registry.h"
#include "util/secret.h"
#include "table.h"
#include "util/xml.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStoragePool, virStoragePoolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virStorageVol, virStorageVolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, virConnectClose)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virSecret, virSecretFree)

typedef struct _lukshdrStorage lukshdrStorage;
struct _lukshdrStorage {
    lukshdrABICommon common;
    lukshdrABIStorage abi;
    void *handle;               /* of the stock module */
    lukshdrStorageTable client; /* its entries, as they were before ours went in */
    lukshdrStorageTable stock;  /* the same, but entries that only look run as the system (acl.c) */
    bool privileged;
    lukshdrRegistry *registry;
    lukshdrGuestUsers *guests;
    char *decryptedDir;
    char *poolsDir;
    lukshdrPrepared *prepared;
};

/* Filled in by the register function and the state driver's initialisation.
 * Both run before any client is served.  It is read-only afterwards, so no
 * lock protects it.  The registry, guests and prepared have their own. */
extern lukshdrStorage lukshdrStorageState;

/* Stock entries lock pools inside.  So a caller of the functions below must hold no lock of the
 * plugin, and the plugin holds none when it calls stock. */

/**
 * lukshdrStorageVolCreateXML:
 * @pool: pool of the payload
 * @xmldesc: volume XML
 * @flags: virStorageVolCreateFlags
 *
 * In front of stock's storageVolCreateXML.
 *
 * Returns: the payload volume, owned by @pool's connection, or NULL with a
 * libvirt error.
 */
virStorageVolPtr
lukshdrStorageVolCreateXML(virStoragePoolPtr pool, const char *xmldesc, unsigned int flags);

/**
 * lukshdrStorageVolDelete:
 * @vol: a volume
 * @flags: virStorageVolDeleteFlags
 *
 * In front of stock's storageVolDelete.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStorageVolDelete(virStorageVolPtr vol, unsigned int flags);

/**
 * lukshdrStorageWipeFinish:
 * @link: a link in state WIPING
 * @conn: connection of the storage driver
 * @error: what went wrong
 *
 * Completes a wipe that a crash interrupted.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageWipeFinish(lukshdrLink *link, virConnectPtr conn, GError **error);

/**
 * lukshdrStorageIsUnderWay:
 * @link: a link
 *
 * Returns: true if a thread of this process is creating @link's volumes.  If none is, a link in
 * state CREATING was left by a process that died.
 */
bool
lukshdrStorageIsUnderWay(const lukshdrLink *link);

/**
 * lukshdrStorageDeleteFinish:
 * @link: a link in state DELETING or CREATING on which nothing else is at work
 * @conn: connection of the storage driver
 * @error: what went wrong first; the registry entry then stays
 *
 * Completes a deletion that a crash interrupted, or undoes a creation, as the system: erases
 * the header volumes, deletes those volumes that are still the recorded ones, and removes the
 * registry entry.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageDeleteFinish(lukshdrLink *link, virConnectPtr conn, GError **error);

/**
 * lukshdrStorageVolGetXMLDesc:
 * @vol: a volume
 * @flags: must be 0 for stock
 *
 * In front of stock's storageVolGetXMLDesc.
 *
 * Returns: XML, freed by the caller with free(3), or NULL with a libvirt error.
 */
char *
lukshdrStorageVolGetXMLDesc(virStorageVolPtr vol, unsigned int flags);

/**
 * lukshdrStorageVolGetInfo:
 * @vol: a volume
 * @info: filled in
 *
 * In front of stock's storageVolGetInfo: of a qcow2 in an image of a Ceph cluster, the capacity is that of
 * the disk.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStorageVolGetInfo(virStorageVolPtr vol, virStorageVolInfoPtr info);

/**
 * lukshdrStorageVolGetInfoFlags:
 * @vol: a volume
 * @info: filled in
 * @flags: virStorageVolInfoFlags
 *
 * In front of stock's storageVolGetInfoFlags, as lukshdrStorageVolGetInfo.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStorageVolGetInfoFlags(virStorageVolPtr vol, virStorageVolInfoPtr info, unsigned int flags);

/**
 * lukshdrStorageVolCreateXMLFrom:
 * @pool: pool of the new volume
 * @xmldesc: its XML
 * @clonevol: the source
 * @flags: virStorageVolCreateFlags
 *
 * In front of stock's storageVolCreateXMLFrom: if the source or the new volume is linked,
 * converts the content: encrypts it, decrypts it, or encrypts it with other keys.
 *
 * Returns: the new volume, or NULL with a libvirt error.
 */
virStorageVolPtr
lukshdrStorageVolCreateXMLFrom(virStoragePoolPtr pool,
                               const char *xmldesc,
                               virStorageVolPtr clonevol,
                               unsigned int flags);

/**
 * lukshdrStorageVolDownload:
 * @vol: a volume
 * @stream: where to
 * @offset: from where, bytes
 * @length: how much, bytes
 * @flags: virStorageVolDownloadFlags
 *
 * In front of stock's storageVolDownload: refused while an operation of ours writes to the volume.
 * A download that has begun goes on, whatever else begins: as with stock.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStorageVolDownload(virStorageVolPtr vol,
                          virStreamPtr stream,
                          unsigned long long offset,
                          unsigned long long length,
                          unsigned int flags);

/**
 * lukshdrStorageVolUpload:
 * @vol: a volume
 * @stream: what to write
 * @offset: where, bytes
 * @length: how much, bytes
 * @flags: virStorageVolUploadFlags
 *
 * In front of stock's storageVolUpload: refused while a guest uses the linked volume.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStorageVolUpload(virStorageVolPtr vol,
                        virStreamPtr stream,
                        unsigned long long offset,
                        unsigned long long length,
                        unsigned int flags);

/**
 * lukshdrStorageVolWipe:
 * @vol: a volume
 * @flags: must be 0 for stock
 *
 * In front of stock's storageVolWipe: as lukshdrStorageVolWipePattern with zeroes.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStorageVolWipe(virStorageVolPtr vol, unsigned int flags);

/**
 * lukshdrStorageVolWipePattern:
 * @vol: a volume
 * @algorithm: virStorageVolWipeAlgorithm
 * @flags: must be 0 for stock
 *
 * In front of stock's storageVolWipePattern: for a payload, overwrites and flushes the header
 * volume and then wipes it by @algorithm.  The time for that does not depend on the payload's size.
 * Refused for header volumes in use.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStorageVolWipePattern(virStorageVolPtr vol, unsigned int algorithm, unsigned int flags);

/**
 * lukshdrStorageVolResize:
 * @vol: a volume
 * @capacity: new capacity or difference, bytes
 * @flags: virStorageVolResizeFlags
 *
 * In front of stock's storageVolResize: refused for header volumes in use.
 *
 * Returns: 0, or -1 with a libvirt error.
 */
int
lukshdrStorageVolResize(virStorageVolPtr vol, unsigned long long capacity, unsigned int flags);

/**
 * lukshdrStorageCapabilities:
 * @conn: a connection
 * @flags: none
 *
 * In front of stock's connectGetStoragePoolCapabilities: adds an element in a namespace of ours, by which
 * virt-lukshdr knows that the daemon has the plugin.
 *
 * Returns: the XML, freed with free, or NULL with a libvirt error.
 */
char *
lukshdrStorageCapabilities(virConnectPtr conn, unsigned int flags);

/**
 * lukshdrStoragePoolDefault:
 * @pool: a pool
 * @ours: set to what we keep for it (defaults.h), freed with xmlFreeDoc, or to NULL
 * @error: as lukshdrStorageDefaultLoad
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStoragePoolDefault(virStoragePoolPtr pool, xmlDoc **ours, GError **error);

/**
 * lukshdrStoragePoolExplain:
 * @pool: a pool, in which a volume could not be created
 * @xmldesc: the volume's XML, as the client sent it
 * @ours: what we keep for @pool
 * @error: why it could not, or NULL
 *
 * If the volume would have got the pool's encryption default, of which its creator may know
 * nothing, says so in @error where that matters.
 */
void
lukshdrStoragePoolExplain(virStoragePoolPtr pool,
                          const char *xmldesc,
                          xmlDoc *ours,
                          GError **error);

/**
 * lukshdrStoragePoolDefineXML:
 * @conn: connection
 * @xmldesc: pool XML
 * @flags: virStoragePoolDefineFlags
 *
 * In front of stock's storagePoolDefineXML: keeps <encryption> and <headers/>.
 *
 * Returns: the pool, or NULL with a libvirt error.
 */
virStoragePoolPtr
lukshdrStoragePoolDefineXML(virConnectPtr conn, const char *xmldesc, unsigned int flags);

/**
 * lukshdrStoragePoolCreateXML:
 * @conn: connection
 * @xmldesc: pool XML
 * @flags: virStoragePoolCreateFlags
 *
 * In front of stock's storagePoolCreateXML: keeps <encryption> and <headers/>.
 *
 * Returns: the pool, or NULL with a libvirt error.
 */
virStoragePoolPtr
lukshdrStoragePoolCreateXML(virConnectPtr conn, const char *xmldesc, unsigned int flags);

/**
 * lukshdrStoragePoolGetXMLDesc:
 * @pool: a pool
 * @flags: virStorageXMLFlags
 *
 * In front of stock's storagePoolGetXMLDesc: also shows what we keep for the pool.
 *
 * Returns: XML, freed by the caller with free(3), or NULL with a libvirt error.
 */
char *
lukshdrStoragePoolGetXMLDesc(virStoragePoolPtr pool, unsigned int flags);

/**
 * lukshdrStorageStart:
 * @conn: connection of the storage driver
 *
 * Runs when the daemon starts, before it serves any client: removes temporary files that a crash
 * left, then calls lukshdrStorageReload and lukshdrStorageScanAll.
 */
void
lukshdrStorageStart(virConnectPtr conn);

/**
 * lukshdrStorageReload:
 *
 * Reads what has changed in the link registry and reports entries that are damaged.
 */
void
lukshdrStorageReload(void);

/**
 * lukshdrStorageBecomeSystem:
 *
 * From here on the calling thread acts as the system, not as its client.  It is for clean-up:
 * a client that may create a volume may have no right to delete one.
 *
 * Returns: the client's identity, or NULL if the thread had none; to be handed to
 * lukshdrStorageBecomeClient.
 */
virIdentity *
lukshdrStorageBecomeSystem(void);

/**
 * lukshdrStorageBecomeClient:
 * @client: the identity to return to; consumed.  Ends the process if that fails.
 */
void
lukshdrStorageBecomeClient(virIdentity *client);

/**
 * lukshdrStorageLookAsSystem:
 * @table: stock's entries
 *
 * Makes the entries that only look do so as the system: a volume that the client may not see exists
 * nevertheless, and may belong to a link.  The lukshdrStorageMay... functions ask for the client's
 * rights, and entries that change something run as the client.
 */
void
lukshdrStorageLookAsSystem(lukshdrStorageTable *table);

/* One of libvirt's virStorageVol...EnsureACL functions: 0, or -1 with a libvirt error */
typedef int (*lukshdrStorageEnsureACL)(virConnectPtr conn,
                                       virStoragePoolDef *pool,
                                       virStorageVolDef *def);

/**
 * lukshdrStorageMay:
 * @vol: a volume
 * @ensure: one of libvirt's virStorageVol...EnsureACL functions
 * @error: stock's
 *
 * Asks libvirt's access driver whether the calling client may do something to @vol.  We must ask,
 * since we destroy key material before stock has a chance to ask.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageMay(virStorageVolPtr vol, lukshdrStorageEnsureACL ensure, GError **error);

/**
 * lukshdrStorageMayPool:
 * @pool: a pool
 * @ensure: one of libvirt's virStoragePool...EnsureACL functions
 * @error: stock's
 *
 * Asks libvirt's access driver whether the calling client may do something to @pool.  A client
 * that may not must not hear which volumes are in it.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageMayPool(virStoragePoolPtr pool,
                      int (*ensure)(virConnectPtr conn, virStoragePoolDef *def),
                      GError **error);

/**
 * lukshdrStorageMayCreate:
 * @pool: a pool
 * @xmldesc: XML of a volume that the client wants to make there, as stock shall get it
 * @error: stock's
 *
 * Asks libvirt's access driver whether the calling client may make that volume.  Call it before the
 * link registry is written, and before the client hears what exists.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageMayCreate(virStoragePoolPtr pool, const char *xmldesc, GError **error);

/**
 * lukshdrStorageMayPoolXML:
 * @conn: the client's connection
 * @xmldesc: XML of a pool, as stock shall get it
 * @ensure: one of libvirt's virStoragePool...XMLEnsureACL functions
 * @error: stock's
 *
 * Asks libvirt's access driver whether the calling client may make a pool of that name and UUID.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageMayPoolXML(virConnectPtr conn,
                         const char *xmldesc,
                         int (*ensure)(virConnectPtr conn, virStoragePoolDef *def),
                         GError **error);
