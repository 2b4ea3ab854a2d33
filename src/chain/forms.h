/*
 * forms.h: the chain as people and other programs want it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Further writings of the one model of chain.h: for QEMU's command line,
 * its monitor, libvirt's domain XML, and the eye.  None decides anything of the
 * chain itself.
 */

#pragma once

#include "chain.h"
#include "util/secret.h"

/* QEMU's AES-256-CBC for secrets, qcrypto_secret_decrypt in its crypto/secret_common.c */
#define LUKSHDR_CHAIN_MASTER_KEY_LEN 32

/* What goes with a chain to make a disk of a machine */
typedef struct _lukshdrChainPlug lukshdrChainPlug;
struct _lukshdrChainPlug {
    GPtrArray *secrets; /* JsonObject *: QEMU objects, in the order in which they are made */
    const char *driver; /* of the device, e.g. "virtio-blk-pci" */
    const char *id;     /* of the device */
    const char *bus;    /* NULL leaves it to QEMU */
    const char *addr;   /* on the bus; NULL leaves it to QEMU */
    const char *serial; /* that the guest sees, or NULL */
};

/**
 * lukshdrChainToNodes:
 * @chain: a chain
 *
 * Returns: the nodes of lukshdrChainToJSON as separate JsonObject *, each naming its
 * children, which come before it; the last is the luks node.  A GPtrArray, freed
 * with what is in it.
 */
GPtrArray *
lukshdrChainToNodes(const lukshdrChain *chain);

/**
 * lukshdrChainToArgs:
 * @chain: a chain
 * @plug: secrets and device
 *
 * Returns: arguments of a QEMU command line (-object, -blockdev, -device, each
 * followed by its JSON), not quoted; a GStrv, freed by the caller.
 */
char **
lukshdrChainToArgs(const lukshdrChain *chain, const lukshdrChainPlug *plug);

/**
 * lukshdrChainToQMP:
 * @chain: a chain
 * @plug: secrets and device
 *
 * Returns: the QMP commands that plug the disk into a running machine, in order,
 * each a text of one line; a GStrv, freed by the caller.  If one fails, those
 * before it are taken back by lukshdrChainToUnplug's.
 */
char **
lukshdrChainToQMP(const lukshdrChain *chain, const lukshdrChainPlug *plug);

/**
 * lukshdrChainToUnplug:
 * @chain: a chain
 * @plug: the same secrets and device
 *
 * Returns: the QMP commands that take back lukshdrChainToQMP's, as there.  QEMU
 * answers the first, device_del, at once, and the rest only succeeds after the
 * guest has let the device go (event DEVICE_DELETED).
 */
char **
lukshdrChainToUnplug(const lukshdrChain *chain, const lukshdrChainPlug *plug);

/**
 * lukshdrChainDiskRemote:
 * @disk: <disk> of a domain: gets an <auth>
 * @source: its <source>: gets attributes, <host>s and <initiator>
 * @remote: where an image of a Ceph cluster or a unit of an iSCSI target is
 *
 * Says where libvirt finds it, as its docs/formatdomain.rst has it.
 */
void
lukshdrChainDiskRemote(xmlNode *disk, xmlNode *source, const lukshdrRemote *remote);

/**
 * lukshdrChainToDisk:
 * @link: the link
 * @target: name of the disk in the guest, e.g. "vdb"
 * @bus: e.g. "virtio"
 * @serial: serial number that the guest sees, or NULL
 * @readOnly: whether the guest may only read
 *
 * The payload is named by its path, or, without one, by its image or unit, servers and user; never by
 * pool and volume: libvirt takes no <disk type='volume'> of pools of type rbd, and under AppArmor it denies
 * QEMU the file of such a disk unless the plugin adds the rule.
 *
 * Returns: libvirt's XML of the disk, which needs the plugin's QEMU half; freed
 * with g_free.
 */
char *
lukshdrChainToDisk(const lukshdrLink *link,
                   const char *target,
                   const char *bus,
                   const char *serial,
                   bool readOnly);

/**
 * lukshdrChainToCommandline:
 * @chain: a chain
 * @plug: secrets and device
 *
 * Returns: libvirt's <qemu:commandline> with lukshdrChainToArgs in it, for a
 * daemon without the plugin; freed with g_free.
 */
char *
lukshdrChainToCommandline(const lukshdrChain *chain, const lukshdrChainPlug *plug);

/**
 * lukshdrChainToDot:
 * @chain: a chain
 *
 * Returns: the nodes as a graph for Graphviz's dot, freed with g_free.
 */
char *
lukshdrChainToDot(const lukshdrChain *chain);

/**
 * lukshdrChainToTree:
 * @chain: a chain
 * @utf8: whether lines may be drawn with more than ASCII
 *
 * Returns: the nodes as a tree for a terminal, ended by a newline, freed with g_free.
 */
char *
lukshdrChainToTree(const lukshdrChain *chain, bool utf8);

/**
 * lukshdrChainSecretFile:
 * @id: id of the object
 * @path: file that QEMU reads the passphrase from
 *
 * Returns: a QEMU secret object that refers to a file, unreffed by the caller.
 */
JsonObject *
lukshdrChainSecretFile(const char *id, const char *path);

/**
 * lukshdrChainSecretKeyFile:
 * @id: id of the object
 * @path: file that QEMU reads the key of a Ceph user from, in base64 as Ceph writes it
 *
 * Returns: a QEMU secret object that refers to a file, unreffed by the caller.
 */
JsonObject *
lukshdrChainSecretKeyFile(const char *id, const char *path);

/**
 * lukshdrChainSecretClear:
 * @id: id of the object
 * @secret: the passphrase
 *
 * Returns: a QEMU secret object that contains the passphrase for everybody to read
 * (in base64, since it may be any bytes), unreffed by the caller.
 */
JsonObject *
lukshdrChainSecretClear(const char *id, const lukshdrSecret *secret);

/**
 * lukshdrChainSecretEncrypted:
 * @id: id of the object
 * @secret: the passphrase
 * @keyID: id of the secret object with the master key
 * @key: the master key, LUKSHDR_CHAIN_MASTER_KEY_LEN bytes
 * @error: VIR_ERR_INTERNAL_ERROR if GnuTLS fails
 *
 * As libvirt hands secrets to QEMU (qemuDomainSecretInfoSetup in its qemu_domain.c):
 * AES-256-CBC with a random initialisation vector and PKCS #7 padding.
 *
 * Returns: a QEMU secret object, unreffed by the caller, or NULL with @error set.
 */
JsonObject *
lukshdrChainSecretEncrypted(const char *id,
                            const lukshdrSecret *secret,
                            const char *keyID,
                            const lukshdrSecret *key,
                            GError **error);
