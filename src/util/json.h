/*
 * json.h: members of JSON that somebody else has made
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * JSON-GLib's own functions complain in the log of a member that is missing or of another type.
 */

#pragma once

#include <json-glib/json-glib.h>

/**
 * lukshdrJSONString:
 * @object: an object, or NULL
 * @name: name of a member
 *
 * Returns: the member's text, owned by @object; NULL if it is missing or no string.
 */
const char *
lukshdrJSONString(JsonObject *object, const char *name);

/**
 * lukshdrJSONObject:
 * @object: an object, or NULL
 * @name: name of a member
 *
 * Returns: the member, owned by @object; NULL if it is missing or no object.
 */
JsonObject *
lukshdrJSONObject(JsonObject *object, const char *name);

/**
 * lukshdrJSONArray:
 * @object: an object, or NULL
 * @name: name of a member
 *
 * Returns: the member, owned by @object; NULL if it is missing or no array.
 */
JsonArray *
lukshdrJSONArray(JsonObject *object, const char *name);
