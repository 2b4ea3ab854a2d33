/*
 * chain.h: the chain, the QEMU block nodes of a linked volume
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * One model: a luks node on top, whose "file" is the
 * payload's format node and whose "header" is a raw node over the header's
 * storage node.  Built from a link; written as JSON.  The QEMU half asks for
 * the top node over a storage node that libvirt made; tools ask for the whole.
 */

#pragma once

#include <json-glib/json-glib.h>

#include "link/link.h"

/* QEMU refuses node names of 32 bytes and more (BlockDriverState.node_name in
 * its include/block/block_int-common.h) */
#define LUKSHDR_CHAIN_NODE_NAME_MAX 31

typedef struct _lukshdrChain lukshdrChain;

/**
 * lukshdrChainNew:
 * @link: the link; its header and payload must have paths
 * @prefix: what all node names begin with, as libvirt's, e.g. "libvirt-2"
 * @error: VIR_ERR_INVALID_ARG if @prefix is not what QEMU takes for a name (a
 *         letter, then letters, digits, '-', '.' and '_') or leaves no room for
 *         a suffix (more than 23 bytes), VIR_ERR_CONFIG_UNSUPPORTED if QEMU has
 *         no driver that writes the payload's format or a path is not UTF-8,
 *         VIR_ERR_OPERATION_INVALID if a path is missing
 *
 * The names are PREFIX-format (top), PREFIX-storage (the payload's storage),
 * PREFIX-payload (its format; raw payloads have no such node),
 * PREFIX-header-format and PREFIX-header-storage.  Where the prefix is too long for the
 * latter two (more than 16 bytes), they are PREFIX-hdr-fmt and PREFIX-hdr-sto.  The
 * secret is PREFIX-format-encryption-secret0, as libvirt names it.
 *
 * Returns: a chain, freed with lukshdrChainFree, or NULL with @error set.
 */
lukshdrChain *
lukshdrChainNew(const lukshdrLink *link, const char *prefix, GError **error);

/**
 * lukshdrChainFree:
 * @chain: a chain, or NULL
 */
void
lukshdrChainFree(lukshdrChain *chain);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrChain, lukshdrChainFree)

/**
 * lukshdrChainSetReadOnly:
 * @chain: a chain
 * @readOnly: whether nothing may be written through the chain
 *
 * A header opened read-only makes the luks node read-only, and a reopen needs
 * read-only on every level, so it is one property of the whole chain.
 */
void
lukshdrChainSetReadOnly(lukshdrChain *chain, bool readOnly);

/**
 * lukshdrChainSetFiles:
 * @chain: a chain
 * @payload: file name by which QEMU is to open the payload, instead of its path
 * @header: the same of the header
 *
 * For a tool that has both as descriptors (lukshdrCommandFile).
 */
void
lukshdrChainSetFiles(lukshdrChain *chain, const char *payload, const char *header);

/**
 * lukshdrChainSetRemote:
 * @chain: a chain
 * @keySecret: id of the QEMU secret object with the key of the payload's Ceph user, instead of
 *             PREFIX-storage-auth-secret0
 * @config: name of the file that QEMU reads as ceph.conf, or NULL for those of the host
 *
 * Says nothing of a payload with a path.
 */
void
lukshdrChainSetRemote(lukshdrChain *chain, const char *keySecret, const char *config);

/**
 * lukshdrChainSetHeaderNode:
 * @chain: a chain
 * @node: name of the node that libvirt makes for a header without a path
 *
 * Says nothing of a header with a path.
 */
void
lukshdrChainSetHeaderNode(lukshdrChain *chain, const char *node);

/**
 * lukshdrChainGetKeySecret:
 * @chain: a chain
 *
 * Returns: the id of the QEMU secret object that the chain refers to; the
 * chain's.
 */
const char *
lukshdrChainGetKeySecret(const lukshdrChain *chain);

/**
 * lukshdrChainSetKeySecret:
 * @chain: a chain
 * @id: id of the QEMU secret object that unlocks the header
 */
void
lukshdrChainSetKeySecret(lukshdrChain *chain, const char *id);

/* The key of a Ceph user, or the password of an iSCSI target's, which a chain needs beside the passphrase */
typedef struct _lukshdrChainAuth lukshdrChainAuth;
struct _lukshdrChainAuth {
    lukshdrLocationKind kind;
    char *id;         /* of the QEMU secret object that is to hold it */
    char *user;       /* whose key it is, without "client."; NULL if the pool names no user */
    char *secretUUID; /* of the libvirt secret that holds it */
};

/**
 * lukshdrChainGetAuths:
 * @chain: a chain
 *
 * Returns: the secret objects that the storage nodes of @chain's volumes refer to, as a GPtrArray of
 * lukshdrChainAuth * freed with it; empty if no volume is on a cluster or target that asks for a key.
 */
GPtrArray *
lukshdrChainGetAuths(const lukshdrChain *chain);

/**
 * lukshdrChainFromStock:
 * @link: the link; its header and payload must have paths
 * @stock: what libvirt wants to give QEMU for the format layer of the payload
 *         with attached encryption: an object with "node-name", "driver", "file"
 *         and either driver "luks" with "key-secret" (raw payloads) or "encrypt"
 *         with format "luks" and "key-secret" (qcow2 and qcow)
 *         @stock is not changed
 * @error: VIR_ERR_CONFIG_UNSUPPORTED if the declared format is not the link's,
 *         if there is no key-secret or an encryption other than luks, if the
 *         payload has a backing file (its data would be decrypted a second time), or for the
 *         same as lukshdrChainNew; VIR_ERR_OPERATION_INVALID as there;
 *         VIR_ERR_INTERNAL_ERROR if @stock has not the expected form, or already
 *         a "header"
 *
 * Reads libvirt's wishes into the model.  node-name, key-secret and what concerns
 * the guest's view go to the luks node; how files are opened (read-only,
 * auto-read-only, active, force-share) also to all nodes below, cache and
 * discard also to the payload's format node, detect-zeroes to neither; driver
 * options of the payload's format (cache-size, discard-no-unref, data-file, ...)
 * to the payload's format node alone; and "file" stays the reference to the
 * storage node that libvirt adds by itself.  The header keeps QEMU's default
 * cache mode.  The payload's format node is opened without backing file.
 *
 * The other nodes are named as by lukshdrChainNew, the prefix being "node-name"
 * without "-format".
 *
 * Returns: a chain, freed with lukshdrChainFree, or NULL with @error set.
 */
lukshdrChain *
lukshdrChainFromStock(const lukshdrLink *link, JsonObject *stock, GError **error);

/**
 * lukshdrChainToFormat:
 * @chain: a chain
 *
 * Returns: the luks node with its children written inline, except for what libvirt makes by
 * itself and is named here: the payload's storage node, and the node of a header without a path.
 * So it becomes libvirt's format layer.  The children inherit from it whether they may be written
 * to.  A new object, unreffed by the caller.
 */
JsonObject *
lukshdrChainToFormat(const lukshdrChain *chain);

/**
 * lukshdrChainToJSON:
 * @chain: a chain
 *
 * Returns: the luks node with all its children written inline, the payload's
 * storage node, too: a complete -blockdev or blockdev-add argument, or with
 * "json:" before it a file name (QEMU's tools need --object secret beside it).
 * The driver of the storage nodes is "host_device" for what the link identifies
 * as a block device, "file" otherwise.  Members are in a fixed order.  A new
 * object, unreffed by the caller.
 */
JsonObject *
lukshdrChainToJSON(const lukshdrChain *chain);

/**
 * lukshdrChainVolumeToJSON:
 * @format: a volume format that lukshdrChainFormatDriver knows
 * @file: file name by which QEMU is to open it
 * @block: whether that is a block device
 *
 * Returns: the nodes of a volume that is no linked one, as lukshdrChainToJSON; a backing file that
 * its content names is not opened.
 */
JsonObject *
lukshdrChainVolumeToJSON(const char *format, const char *file, bool block);

/**
 * lukshdrChainRemoteToJSON:
 * @format: a volume format that lukshdrChainFormatDriver knows
 * @remote: where a volume is that is no linked one
 * @keySecret: as lukshdrChainSetRemote
 * @config: as lukshdrChainSetRemote
 *
 * Returns: its nodes, as lukshdrChainVolumeToJSON.
 */
JsonObject *
lukshdrChainRemoteToJSON(const char *format,
                         const lukshdrRemote *remote,
                         const char *keySecret,
                         const char *config);

/**
 * lukshdrChainFormatDriver:
 * @format: a volume format by libvirt's name ("raw", "qcow2", "vpc", ...)
 *
 * Returns: name of QEMU's block driver for it, static, or NULL if there is
 * none that could hold a payload (as qemuBlockStorageSourceGetBlockdevFormatProps
 * in libvirt's qemu_block.c: "ploop" is QEMU's "parallels", and so on; formats
 * that QEMU can only read are not for payloads).  libvirt itself starts guests on
 * encrypted "raw" and "qcow2" only (qemuDomainValidateStorageSource in its
 * qemu_domain.c); payloads of the others are for QEMU's own tools.
 */
const char *
lukshdrChainFormatDriver(const char *format);
