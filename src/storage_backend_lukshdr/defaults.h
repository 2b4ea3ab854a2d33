/*
 * defaults.h: what a pool's volumes get: the encryption default
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stock drops <encryption> and <headers/> from a pool's <target> whenever it
 * writes it, so they are kept in a file of our own, by the pool's UUID.
 */

#pragma once

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>

/* The right to change one pool together with its file, and to tell from the one what the other must
 * be: of two who define, stop or undefine a pool of one UUID the second waits for the first. */
typedef struct _lukshdrStorageDefaultHold lukshdrStorageDefaultHold;

/**
 * lukshdrStorageDefaultTake:
 * @uuid: a pool's, as libvirt writes it
 * @error: VIR_ERR_OPERATION_INVALID if another client does not let go of it within 30 seconds
 *
 * Not a lock that is held while stock is called, although it lasts as long: stock never comes back
 * here from inside, and a thread that waits here holds nothing of stock's.  The client's right
 * comes first, or a client without any could make others wait.
 *
 * Returns: the hold, ended by lukshdrStorageDefaultRelease, or NULL with @error set.
 */
lukshdrStorageDefaultHold *
lukshdrStorageDefaultTake(const char *uuid, GError **error);

/**
 * lukshdrStorageDefaultRelease:
 * @hold: from lukshdrStorageDefaultTake, or NULL
 */
void
lukshdrStorageDefaultRelease(lukshdrStorageDefaultHold *hold);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(lukshdrStorageDefaultHold, lukshdrStorageDefaultRelease)

/**
 * lukshdrStorageDefaultSplit:
 * @text: pool XML as a client sent it
 * @uuid: set to the pool's UUID, as libvirt writes it, made up and put into @stock if @text has
 *        none; to NULL if @text is nothing to us; freed with g_free
 * @stock: set to the XML without what is ours, freed with g_free, or to NULL as @uuid
 * @ours: set to a document with the root element <pool> that holds what is ours, freed with
 *        xmlFreeDoc, or to NULL if there is nothing of it
 * @error: VIR_ERR_XML_ERROR, VIR_ERR_CONFIG_UNSUPPORTED
 *
 * An XML that cannot be parsed and names nothing of ours is stock's business.
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageDefaultSplit(const char *text,
                           char **uuid,
                           char **stock,
                           xmlDoc **ours,
                           GError **error);

/**
 * lukshdrStorageDefaultShow:
 * @text: pool XML as stock writes it
 * @ours: what is ours of it
 *
 * Returns: @text with it in <target>, to be freed with free(3) as an API result; NULL if @text is
 * not as expected.
 */
char *
lukshdrStorageDefaultShow(const char *text, xmlDoc *ours);

/**
 * lukshdrStorageDefaultPools:
 * @ours: what is ours of a pool, or NULL
 *
 * Returns: the names of the pools in which the default, if there is one, puts headers; freed with
 * g_ptr_array_unref.
 */
GPtrArray *
lukshdrStorageDefaultPools(xmlDoc *ours);

/**
 * lukshdrStorageDefaultStandIn:
 * @name: name of a pool that does not exist
 *
 * Returns: XML of some pool of that name, to ask libvirt's access driver with, freed with g_free.
 */
char *
lukshdrStorageDefaultStandIn(const char *name);

/**
 * lukshdrStorageDefaultIsSame:
 * @a: what is ours of a pool, or NULL
 * @b: the same
 *
 * Returns: whether both ask for the same.
 */
bool
lukshdrStorageDefaultIsSame(xmlDoc *a, xmlDoc *b);

/**
 * lukshdrStorageDefaultLoad:
 * @dir: directory of the files
 * @uuid: the pool's
 * @ours: set to what is kept of it, or to NULL if there is nothing
 * @error: VIR_ERR_SYSTEM_ERROR, VIR_ERR_OPERATION_INVALID if the file is damaged: then nobody
 *         knows whether new volumes are to be encrypted
 *
 * Returns: true, or false with @error set.
 */
bool
lukshdrStorageDefaultLoad(const char *dir, const char *uuid, xmlDoc **ours, GError **error);

/**
 * lukshdrStorageDefaultStore:
 * @dir: directory of the files; made (0700) if missing
 * @uuid: the pool's
 * @ours: what to keep, or NULL to remove what is kept
 * @error: VIR_ERR_SYSTEM_ERROR
 *
 * Writes atomically, mode 0600.
 *
 * Returns: true, or false with @error set and the old file in place.
 */
bool
lukshdrStorageDefaultStore(const char *dir, const char *uuid, xmlDoc *ours, GError **error);

/**
 * lukshdrStorageDefaultApply:
 * @text: volume XML as a client sent it
 * @ours: what is kept of its pool, or NULL
 * @error: VIR_ERR_XML_ERROR
 *
 * A volume without <encryption> gets the pool's; one with <encryption format='none'/> is to be
 * plain, and loses that element, which stock does not know; any other <encryption> wins.
 *
 * Returns: the XML to go on with, freed with g_free, or NULL with @error set.
 */
char *
lukshdrStorageDefaultApply(const char *text, xmlDoc *ours, GError **error);

/**
 * lukshdrStorageDefaultGives:
 * @text: volume XML as a client sent it
 * @ours: what is kept of its pool, or NULL
 *
 * Returns: true if the volume gets its <encryption> from the pool (lukshdrStorageDefaultApply).
 */
bool
lukshdrStorageDefaultGives(const char *text, xmlDoc *ours);

/**
 * lukshdrStorageDefaultDeclares:
 * @dir: directory of the files
 * @uuid: a pool's
 * @name: its name
 *
 * A file that cannot be read declares nothing: labels are then not believed.
 *
 * Returns: true if the pool is declared to hold headers: by <headers/> of its own, or by the
 * encryption default of any pool.
 */
bool
lukshdrStorageDefaultDeclares(const char *dir, const char *uuid, const char *name);
