/*
 * rekey.c: another header for a volume that a guest uses
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "rekey.h"

#include <glib/gi18n-lib.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "link/handle.h"
#include "link/header.h"
#include "link/label.h"
#include "link/luks.h"
#include "util/error.h"
#include "util/io.h"
#include "util/text.h"
#include "convert.h"
#include "secrets.h"

/* A secret, and the key slots that it opens */
typedef struct _lukshdrRekeySecret lukshdrRekeySecret;
struct _lukshdrRekeySecret {
    char *uuid;
    guint slots; /* a bit each */
};

struct _lukshdrStorageRekey {
    GPtrArray *links; /* lukshdrLink *, one at least */
    GError *used;
    int before; /* a file in memory: the header as it is */
    char *digest;
    guint32 generation; /* of its label */
    GArray *secrets;    /* lukshdrRekeySecret */
};

static void
lukshdrRekeySecretClear(lukshdrRekeySecret *secret)
{
    g_free(secret->uuid);
}

static void
lukshdrRekeyClear(void *opaque)
{
    lukshdrStorageRekey *rekey = opaque;

    g_ptr_array_unref(rekey->links);
    g_clear_error(&rekey->used);
    if (rekey->before >= 0)
        close(rekey->before);
    g_free(rekey->digest);
    g_array_unref(rekey->secrets);
}

lukshdrStorageRekey *
lukshdrStorageRekeyRef(lukshdrStorageRekey *rekey)
{
    return g_atomic_rc_box_acquire(rekey);
}

void
lukshdrStorageRekeyUnref(lukshdrStorageRekey *rekey)
{
    if (rekey)
        g_atomic_rc_box_release_full(rekey, lukshdrRekeyClear);
}

/* A copy of @header in which only @slot is in use, or -1 with @error set */
static int
lukshdrRekeyCopySlot(int header, guint slot, GError **error)
{
    const guint32 inactive = GUINT32_TO_BE(LUKSHDR_LUKS_SLOT_INACTIVE);
    int copy = lukshdrLuksCopy(header, error);
    guint i;

    for (i = 0; copy >= 0 && i < LUKSHDR_LUKS_SLOTS; i++) {
        if (i != slot &&
            !lukshdrIOWrite(copy, &inactive, sizeof(inactive),
                            offsetof(lukshdrLuksHeader, slots) + i * sizeof(lukshdrLuksSlot),
                            error)) {
            close(copy);
            copy = -1;
        }
    }
    return copy;
}

/* QEMU does not say which slot it was that a passphrase has opened, so it gets one after the other */
static bool
lukshdrRekeyFindSlots(int header, const lukshdrSecret *secret, guint *slots, GError **error)
{
    lukshdrLuksHeader luks;
    guint i;

    if (!lukshdrLuksRead(header, &luks, error))
        return false;

    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        g_autoptr(GError) local = NULL;
        int copy;
        bool ok;

        if (luks.slots[i].active != LUKSHDR_LUKS_SLOT_ACTIVE)
            continue;
        if ((copy = lukshdrRekeyCopySlot(header, i, error)) < 0)
            return false;
        ok = lukshdrStorageOpens(copy, secret, &local);
        close(copy);
        if (ok) {
            *slots |= 1U << i;
        } else if (!g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
    }
    return true;
}

/* Links that share a header have the same secret, or each its own */
static bool
lukshdrRekeyAddSecret(lukshdrStorageRekey *rekey, const lukshdrLink *link, GError **error)
{
    g_autoptr(lukshdrSecret) value = NULL;
    g_autofree char *uuid = NULL;
    lukshdrRekeySecret *kept;
    guint slots = 0;
    guint i;

    for (i = 0; i < rekey->secrets->len; i++) {
        if (lukshdrTextSameUUID(g_array_index(rekey->secrets, lukshdrRekeySecret, i).uuid,
                                link->secretUUID))
            return true;
    }

    if (!(value = lukshdrStorageSecretGet(&link->payload, link->secretUUID, NULL, &uuid, error)) ||
        !lukshdrRekeyFindSlots(rekey->before, value, &slots, error))
        return false;
    if (!slots) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    _("the secret '%s' does not open the header as it is"), link->secretUUID);
        return false;
    }
    g_array_set_size(rekey->secrets, i + 1);
    kept = &g_array_index(rekey->secrets, lukshdrRekeySecret, i);
    kept->uuid = g_strdup(link->secretUUID);
    kept->slots = slots;
    return true;
}

/* Reads the header as it is, which must be in order */
static bool
lukshdrRekeyRead(lukshdrStorageRekey *rekey, GError **error)
{
    const lukshdrLink *link = g_ptr_array_index(rekey->links, 0);
    g_autoptr(lukshdrHandle) header = lukshdrHandleOpen(
        &link->header, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_HEADER, error);
    g_autoptr(GPtrArray) labels = NULL;
    guint i;

    if (!header || !lukshdrHeaderCheck(link, &link->header, header->fd, &labels, error) ||
        (rekey->before = lukshdrLuksCopy(header->fd, error)) < 0 ||
        !lukshdrLuksDigest(rekey->before, &rekey->digest, error))
        return false;
    rekey->generation = lukshdrLinkListFind(labels, link->uuid)->generation;

    for (i = 0; i < rekey->links->len; i++) {
        if (!lukshdrRekeyAddSecret(rekey, g_ptr_array_index(rekey->links, i), error))
            return false;
    }
    return true;
}

/* Says first that the volume is in use, and what to do about that */
static void
lukshdrRekeySetRefused(const lukshdrStorageRekey *rekey, const char *why, GError **error)
{
    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                _("%1$s. Meanwhile its keys alone can be changed, by virt-lukshdr key-add, "
                  "key-change and key-remove, and nothing was done: %2$s"),
                rekey->used->message, why);
}

lukshdrStorageRekey *
lukshdrStorageRekeyNew(GPtrArray *links, const GError *used, GError **error)
{
    g_autoptr(lukshdrStorageRekey) rekey = g_atomic_rc_box_new0(lukshdrStorageRekey);
    g_autoptr(GError) why = NULL;

    rekey->links = g_ptr_array_ref(links);
    rekey->used = g_error_copy(used);
    rekey->before = -1;
    rekey->secrets = g_array_new(FALSE, FALSE, sizeof(lukshdrRekeySecret));
    g_array_set_clear_func(rekey->secrets, (GDestroyNotify)lukshdrRekeySecretClear);

    if (lukshdrRekeyRead(rekey, &why))
        return g_steal_pointer(&rekey);
    lukshdrRekeySetRefused(rekey, why->message, error);
    return NULL;
}

/* Has nobody changed the header since it was read?  Another client may have had the same idea. */
static bool
lukshdrRekeyCheckUnchanged(const lukshdrStorageRekey *rekey, GError **error)
{
    const lukshdrLink *link = g_ptr_array_index(rekey->links, 0);
    g_autoptr(lukshdrHandle) header = lukshdrHandleOpen(
        &link->header, LUKSHDR_HANDLE_READ | LUKSHDR_HANDLE_HEADER, error);
    g_autofree char *now = NULL;

    if (!header || !lukshdrLuksDigest(header->fd, &now, error))
        return false;
    if (g_str_equal(now, rekey->digest))
        return true;
    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("somebody else is changing its keys; try again"));
    return false;
}

/* One of the slots that @secret opens must be what it was.  That the key material of a slot is the same which says the
 * same, lukshdrLuksIsRekeyed has found. */
static bool
lukshdrRekeyKeeps(const lukshdrRekeySecret *secret,
                  const lukshdrLuksHeader *before,
                  const lukshdrLuksHeader *after)
{
    guint i;

    for (i = 0; i < LUKSHDR_LUKS_SLOTS; i++) {
        if ((secret->slots & (1U << i)) &&
            memcmp(&before->slots[i], &after->slots[i], sizeof(before->slots[i])) == 0)
            return true;
    }
    return false;
}

static bool
lukshdrRekeyCheckKeys(const lukshdrStorageRekey *rekey, int fd, GError **error)
{
    lukshdrLuksHeader before;
    lukshdrLuksHeader after;
    guint i;

    if (!lukshdrLuksIsRekeyed(rekey->before, fd) ||
        !lukshdrLuksRead(rekey->before, &before, error) || !lukshdrLuksRead(fd, &after, error)) {
        g_clear_error(error);
        g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("more than its keys would be another"));
        return false;
    }

    for (i = 0; i < rekey->secrets->len; i++) {
        const lukshdrRekeySecret *secret = &g_array_index(rekey->secrets, lukshdrRekeySecret, i);

        if (lukshdrRekeyKeeps(secret, &before, &after))
            continue;
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("no key would be left that the secret '%s' opens now; give that the "
                      "passphrase of another key first (virsh secret-set-value)"),
                    secret->uuid);
        return false;
    }
    return true;
}

/* A client may have read the header before somebody else changed it, and would take that change back.  What this host
 * knows may be put back: a change that the daemon did not take leaves that. */
static bool
lukshdrRekeyCheckGeneration(const lukshdrStorageRekey *rekey,
                            GPtrArray *labels,
                            const char *digest,
                            GError **error)
{
    const lukshdrLink *link = g_ptr_array_index(rekey->links, 0);

    if (lukshdrLinkListFind(labels, link->uuid)->generation > rekey->generation ||
        g_strcmp0(digest, link->digest) == 0)
        return true;
    g_set_error_literal(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                        _("somebody else has changed its keys meanwhile; try again"));
    return false;
}

/* All that can be told without a look at the header volume */
static bool
lukshdrRekeyCheckContent(const lukshdrStorageRekey *rekey, int fd, GError **error)
{
    g_autofree char *digest = NULL;
    guint i;

    for (i = 0; i < rekey->links->len; i++) {
        const lukshdrLink *link = g_ptr_array_index(rekey->links, i);
        g_autoptr(GPtrArray) labels = NULL;

        if (!lukshdrHeaderCheck(link, &link->header, fd, &labels, error))
            return false;
        if (i == 0 && (!lukshdrLuksDigest(fd, &digest, error) ||
                       !lukshdrRekeyCheckGeneration(rekey, labels, digest, error)))
            return false;
    }
    return g_str_equal(digest, rekey->digest) || lukshdrRekeyCheckKeys(rekey, fd, error);
}

bool
lukshdrStorageRekeyCheck(const lukshdrStorageRekey *rekey, int fd, GError **error)
{
    return lukshdrRekeyCheckUnchanged(rekey, error) && lukshdrRekeyCheckContent(rekey, fd, error);
}

bool
lukshdrStorageRekeyJudge(const guint8 *bytes, gsize len, void *opaque, GError **error)
{
    const lukshdrStorageRekey *rekey = opaque;
    const lukshdrLink *link = g_ptr_array_index(rekey->links, 0);
    g_autoptr(GError) why = NULL;
    int fd = lukshdrIOMemory("lukshdr-header", &why);
    bool ok = false;

    if (fd >= 0 && len < LUKSHDR_LABEL_END)
        g_set_error_literal(&why, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                            _("what was uploaded is no whole header"));
    else if (fd >= 0)
        ok = lukshdrIOWrite(fd, bytes, len, 0, &why) &&
             (link->header.remote ? lukshdrRekeyCheckContent(rekey, fd, &why)
                                  : lukshdrStorageRekeyCheck(rekey, fd, &why));

    if (fd >= 0)
        close(fd);
    if (!ok)
        lukshdrRekeySetRefused(rekey, why->message, error);
    return ok;
}
