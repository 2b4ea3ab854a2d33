/*
 * chain-priv.h: the chain's model, for the files of this folder alone
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <stdbool.h>

#include "chain.h"

struct _lukshdrChain {
    lukshdrLink *link;
    const char *driver; /* of the payload's format; raw payloads get no node of their own */
    bool readOnly;
    char *keySecret;
    JsonObject *common;  /* members named in lukshdrChainCommon */
    JsonObject *options; /* all others: of the payload's format node, or of the luks node */

    char *payloadFile; /* instead of the link's path, or NULL */
    char *headerFile;
    char *remoteSecret; /* of the payload's Ceph user, instead of libvirt's name; or NULL */
    char *remoteConfig; /* or NULL */

    char *top; /* node names, from here on */
    char *payload;
    char *storage;
    char *headerFormat;
    char *headerStorage;
};

enum {
    LUKSHDR_CHAIN_LUKS = 1 << 0,
    LUKSHDR_CHAIN_PAYLOAD = 1 << 1,
    LUKSHDR_CHAIN_STORAGE = 1 << 2,
    LUKSHDR_CHAIN_HEADER = 1 << 3,
    LUKSHDR_CHAIN_ALL = (1 << 4) - 1,
};

typedef struct _lukshdrChainOption lukshdrChainOption;
struct _lukshdrChainOption {
    const char *name;
    unsigned int nodes; /* which need it, of LUKSHDR_CHAIN_* */
};

/* Options that every QEMU node can have, ended by a NULL name */
extern const lukshdrChainOption lukshdrChainCommon[];

/**
 * lukshdrChainNewUnnamed:
 * @link: the link
 * @error: VIR_ERR_CONFIG_UNSUPPORTED for a format or path QEMU cannot do,
 *         VIR_ERR_OPERATION_INVALID if a path is missing
 *
 * What does not depend on where a chain comes from.
 *
 * Returns: a chain that lacks its key-secret and all node names, or NULL with
 * @error set.
 */
lukshdrChain *
lukshdrChainNewUnnamed(const lukshdrLink *link, GError **error);

/**
 * lukshdrChainPrefixUsable:
 * @prefix: beginning of node names
 *
 * Returns: whether QEMU will accept all names that lukshdrChainSetNames makes
 * of it.
 */
bool
lukshdrChainPrefixUsable(const char *prefix);

/**
 * lukshdrChainSetNames:
 * @chain: a chain without names
 * @prefix: one that lukshdrChainPrefixUsable accepts
 */
void
lukshdrChainSetNames(lukshdrChain *chain, const char *prefix);

/**
 * lukshdrChainAddMember:
 * @object: not used
 * @name: name of the member
 * @node: its value, which is copied through all levels
 * @opaque: the JsonObject to add the member to
 *
 * A JsonObjectForeach: json_object_foreach_member with it copies an object.
 */
void
lukshdrChainAddMember(JsonObject *object, const char *name, JsonNode *node, gpointer opaque);

/**
 * lukshdrChainDriverFormat:
 * @driver: name of a QEMU block driver
 *
 * Returns: the inverse of lukshdrChainFormatDriver, static, or NULL.
 */
const char *
lukshdrChainDriverFormat(const char *driver);
