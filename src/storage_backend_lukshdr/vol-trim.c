/*
 * vol-trim.c: freeing what a guest does not use
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU's luks node ignores discards, so a payload only grows.  Only who sees the plaintext knows what is not used:
 * a domain that the client has started, with the guest's file systems mounted in it.  What it found is true only while
 * nobody else writes to the volume.  So this file takes over from it without a gap:
 *
 *   1 lock on the payload, while the domain has it open    no other QEMU can open it
 *   2 the operation is in the list of busy.h               vol-dumpxml shows it: the client may end the domain
 *   3 the domain has ended                                 its QEMU has written all that it will
 *   4 ranges freed by qemu-io, below the lock              some are, after a crash; nobody misses any of them
 *
 * A crash in 4 leaves the bitmaps of a qcow2 marked as inconsistent, as each crash of a QEMU that has it open does.
 */

#include "config.h"

#include "vol-trim.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>

#include "chain/chain.h"
#include "link/payload.h"
#include "util/command.h"
#include "util/error.h"
#include "util/log.h"
#include "busy.h"
#include "recognise.h"
#include "use.h"

/* How long the client may take to end its domain, seconds */
#define LUKSHDR_TRIM_PATIENCE 120

/* QEMU takes fewer than 2 GiB in one request (BDRV_REQUEST_MAX_BYTES) */
#define LUKSHDR_TRIM_REQUEST (1024 * 1024 * 1024)

/* Freeing one range writes metadata, seldom more */
#define LUKSHDR_TRIM_PER_RANGE 1 /* seconds */

/* Returns the name by which qemu-io opens the payload, a file whose descriptor is its first; freed with g_free */
static char *
lukshdrTrimName(const lukshdrLink *link)
{
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    JsonObject *format = lukshdrChainVolumeToJSON(link->format, lukshdrCommandFile(0), false);
    JsonObject *storage = json_object_get_object_member(format, "file");
    g_autofree char *text = NULL;

    json_object_set_string_member(format, "discard", "unmap");
    json_object_set_string_member(storage, "discard", "unmap");
    /* the lock is ours, for it */
    json_object_set_string_member(storage, "locking", "off");
    json_node_take_object(root, format);
    text = json_to_string(root, FALSE);
    return g_strconcat("json:", text, NULL);
}

/* Tells qemu-io, which listens at @in, what to free */
static bool
lukshdrTrimSay(GOutputStream *in, GArray *ranges, GCancellable *cancellable, GError **error)
{
    g_autoptr(GOutputStream) buffer = g_buffered_output_stream_new(in);
    guint i;

    for (i = 0; i < ranges->len; i++) {
        lukshdrVolumeRange range = g_array_index(ranges, lukshdrVolumeRange, i);

        while (range.size > 0) {
            guint64 size = MIN(range.size, LUKSHDR_TRIM_REQUEST);

            if (!g_output_stream_printf(buffer, NULL, cancellable, error,
                                        "discard -q %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
                                        range.offset, size))
                return false;
            range.offset += size;
            range.size -= size;
        }
    }
    /* its end is the end of what it reads, too */
    return g_output_stream_printf(buffer, NULL, cancellable, error, "flush\nquit\n") &&
           g_output_stream_close(buffer, cancellable, error);
}

static bool
lukshdrTrimFree(const lukshdrLink *link,
                const lukshdrHandle *payload,
                GArray *ranges,
                GError **error)
{
    g_autofree char *name = lukshdrTrimName(link);
    const char *const argv[] = { LUKSHDR_QEMU_IO, name, NULL };
    const int files[] = { payload->fd, -1 };
    const lukshdrCommand command = { .argv = argv,
                                     .files = files,
                                     .deadline = LUKSHDR_COMMAND_DEADLINE +
                                                 ranges->len * LUKSHDR_TRIM_PER_RANGE };
    g_autoptr(lukshdrChild) child = NULL;
    g_autoptr(GError) local = NULL;
    g_autofree char *said = NULL;

    if (!(child = lukshdrCommandSpawn(&command,
                                      /* its prompts would fill a pipe before it has read all */
                                      G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                          G_SUBPROCESS_FLAGS_STDOUT_SILENCE |
                                          G_SUBPROCESS_FLAGS_STDERR_PIPE,
                                      error)))
        return false;

    (void)lukshdrTrimSay(g_subprocess_get_stdin_pipe(child->process), ranges, child->cancellable,
                         &local);
    said = lukshdrChildRead(child);
    /* why it ended says more than that it did not read to the end */
    if (!lukshdrChildEnd(child, said, error))
        return false;
    if (!local)
        return true;
    g_propagate_error(error, g_steal_pointer(&local));
    return false;
}

virStorageVolPtr
lukshdrStorageTrim(virStoragePoolPtr pool, const lukshdrVolumeXML *xml, GError **error)
{
    g_autoptr(virStorageVol) vol = NULL;
    g_auto(lukshdrRecognised) what = { 0 };
    /* closed last, since the lock goes with it */
    g_autoptr(lukshdrHandle) payload = NULL;
    g_autoptr(lukshdrStorageBusy) busy = NULL;
    const lukshdrLink *link;

    if (!(vol = lukshdrStorageFindLinked(
              pool, xml->name, lukshdrStorageState.abi.virStorageVolUploadEnsureACL, &what, error)))
        return NULL;
    link = lukshdrStorageRecognisedPayload(&what);
    /* libvirt gives each guest a node of its own for a block device, where QEMU's locks are not seen */
    if (link->payload.identity.type != LUKSHDR_IDENTITY_FILE) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_UNSUPPORTED,
                    _("volume '%s' of pool '%s' is not in a file, and cannot be trimmed"),
                    xml->name, virStoragePoolGetName(pool));
        return NULL;
    }

    if (!(payload = lukshdrHandleOpen(&link->payload, LUKSHDR_HANDLE_WRITE, error)) ||
        !lukshdrPayloadCheck(payload, link->format, error) ||
        !lukshdrStorageHoldAfter(link, payload, xml->unusedDomain, error) ||
        !(busy = lukshdrStorageBusyLink(link, LUKSHDR_STORAGE_BUSY_TRIM, error)) ||
        !lukshdrStorageAwaitUnused(link, payload, LUKSHDR_TRIM_PATIENCE, error) ||
        !lukshdrTrimFree(link, payload, xml->unused, error))
        return NULL;

    LUKSHDR_LOG_INFO("freed %u ranges of volume '%s' of pool '%s'", xml->unused->len,
                     link->payload.volume, link->payload.pool);
    return g_steal_pointer(&vol);
}
