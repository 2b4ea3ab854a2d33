/*
 * props.h: what stock says of a block node, as JSON
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <json-glib/json-glib.h>

#include "util/abi.h"

/**
 * lukshdrQemuPropsStock:
 * @src: a source
 * @backing: what is behind it, or NULL
 *
 * Calls the stock function under the name that it has in this release.
 *
 * Returns: libvirt's JSON for the format layer, or NULL with a libvirt error reported.
 */
virJSONValue *
lukshdrQemuPropsStock(virStorageSource *src, virStorageSource *backing);

/**
 * lukshdrQemuPropsToObject:
 * @value: libvirt's JSON
 * @error: VIR_ERR_INTERNAL_ERROR if it is no object
 *
 * Returns: the same as JSON-GLib's, unreffed by the caller, or NULL with @error set.
 */
JsonObject *
lukshdrQemuPropsToObject(virJSONValue *value, GError **error);

/**
 * lukshdrQemuPropsNodeName:
 * @value: libvirt's JSON of a block node, or NULL
 *
 * Returns: the node's name, freed with g_free, or NULL.
 */
char *
lukshdrQemuPropsNodeName(virJSONValue *value);

/**
 * lukshdrQemuPropsFromObject:
 * @object: JSON-GLib's
 *
 * Returns: the same as libvirt's, freed with virJSONValueFree, or NULL with a libvirt error reported.
 */
virJSONValue *
lukshdrQemuPropsFromObject(JsonObject *object);
