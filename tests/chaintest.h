/*
 * chaintest.h: what the tests of the chain have in common
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "chain/chain.h"

/**
 * chainTestLoad:
 * @name: name of a case in tests/xml/chain
 * @suffix: of one of its files, with the dot
 *
 * Returns: the file's text, freed with g_free, or NULL if there is no such file.
 */
char *
chainTestLoad(const char *name, const char *suffix);

/**
 * chainTestLink:
 * @name: name of a case, with or without +SOMETHING
 *
 * Returns: its link; the test fails if it cannot be read.
 */
lukshdrLink *
chainTestLink(const char *name);

/**
 * chainTestParse:
 * @text: a JSON object
 *
 * Returns: the object, unreffed by the caller; the test fails for anything else.
 */
JsonObject *
chainTestParse(const char *text);

/**
 * chainTestCheckNames:
 * @object: a block node as it is given to QEMU
 * @names: set of strings, gets the names of @object and of all nodes inline in it
 *
 * The test fails if a name is too long for QEMU or was there before.
 */
void
chainTestCheckNames(JsonObject *object, GHashTable *names);
