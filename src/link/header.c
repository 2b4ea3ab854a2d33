/*
 * header.c: is a header volume the one of a link, and is it whole?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "header.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include "util/error.h"
#include "util/text.h"
#include "label.h"
#include "luks.h"

/* The registry remembers the generation of the keys.  An older header may hold keys that were removed:
 * put back unnoticed, it would open the volume with them. */
static bool
lukshdrHeaderCheckGeneration(const lukshdrLink *link, const lukshdrLink *label, GError **error)
{
    if (label->generation > link->generation ||
        (label->generation == link->generation &&
         (!link->digest || !label->digest || g_str_equal(label->digest, link->digest))))
        return true;

    if (label->generation == link->generation)
        g_set_error(
            error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
            _("it is another header than this host knows (the keys of both are of generation "
              "%u), which passphrases that were removed since may open; put the newest "
              "header back from a backup, or, if you mean this one, say: virt-lukshdr link "
              "%s/%s"),
            label->generation, link->payload.pool, link->payload.volume);
    else
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is an older header, which passphrases that were removed since may open "
                      "(its keys are of generation %u, and this host knows generation %u); put the "
                      "newest header back from a backup, or, if you mean this one, say: "
                      "virt-lukshdr link %s/%s"),
                    label->generation, link->generation, link->payload.pool, link->payload.volume);
    return false;
}

static bool
lukshdrHeaderCheckDigest(const lukshdrLink *link, const lukshdrLink *label, int fd, GError **error)
{
    const char *expected = label->digest;
    g_autofree char *digest = NULL;

    /* a release that knew no digests may have written the label */
    if (!expected && label->generation == link->generation)
        expected = link->digest;
    if (!expected)
        return true;

    if (!lukshdrLuksDigest(fd, &digest, error))
        return false;

    if (g_str_equal(digest, expected))
        return true;

    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
        _("the LUKS header or its key material is damaged, or another tool changed its keys; "
          "put the header back from a backup, or, if it was you who changed its keys, say: "
          "virt-lukshdr link %s/%s"),
        link->payload.pool, link->payload.volume);
    return false;
}

char *
lukshdrHeaderRestoreAdvice(const lukshdrLink *link)
{
    g_autofree char *name = lukshdrTextShellName(link->payload.pool, link->payload.volume);
    g_autofree char *pool = lukshdrTextShellWord(link->payload.pool);
    g_autofree char *volume = lukshdrTextShellWord(link->payload.volume);

    return g_strdup_printf(
        _("put the right header back from a backup: virt-lukshdr header-restore %1$s FILE; without "
          "a backup the data is lost, and the volume can only be deleted: virsh vol-delete %2$s "
          "%3$s"),
        name, volume, pool);
}

/* There is a LUKS header, and no label behind it: the file may be cut short, or a backup made by a tool that knows
 * nothing of labels */
static void
lukshdrHeaderSetUnlabelled(const lukshdrLink *link, int fd, GError **error)
{
    g_autofree char *name = lukshdrTextShellName(link->payload.pool, link->payload.volume);
    g_autofree char *advice = lukshdrHeaderRestoreAdvice(link);
    off_t bytes = lseek(fd, 0, SEEK_END);
    guint64 end;

    if (bytes >= 0 && lukshdrLuksKeyMaterialEnd(fd, &end, NULL) && end > (guint64)bytes)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it is cut short: its key material ends at %1$llu bytes, and there are "
                      "%2$llu; %3$s"),
                    (unsigned long long)end, (unsigned long long)bytes, advice);
    else
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it has no link label, as a backup by cryptsetup has none; if it is the "
                      "header of this volume: virt-lukshdr link %1$s; if not, %2$s"),
                    name, advice);
}

static bool
lukshdrHeaderCheckContent(const lukshdrLink *link, int fd, GPtrArray **labels, GError **error)
{
    g_autofree char *advice = lukshdrHeaderRestoreAdvice(link);
    g_autoptr(GPtrArray) found = NULL;
    g_autoptr(GError) local = NULL;
    g_autofree char *luksUUID = NULL;
    lukshdrIdentity identity;
    lukshdrLink *label;

    /* refuses what is neither file nor block device */
    if (!lukshdrIdentityFromFD(fd, &identity, error))
        return false;

    if (!lukshdrLabelRead(fd, &found, &local) || !lukshdrLuksReadUUID(fd, &luksUUID, &local)) {
        /* what cannot be read, as on a server that does not answer, may still be whole */
        if (g_error_matches(local, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID))
            g_set_error(error, local->domain, local->code, "%s; %s", local->message, advice);
        else
            g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }

    if (!found) {
        lukshdrHeaderSetUnlabelled(link, fd, error);
        return false;
    }
    if (!(label = lukshdrLinkListFind(found, link->uuid))) {
        g_autofree char *volume = NULL;
        g_autofree char *pool = NULL;

        label = g_ptr_array_index(found, 0);
        volume = lukshdrTextShown(label->payload.volume);
        pool = lukshdrTextShown(label->payload.pool);
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("its link label is that of volume '%1$s' of pool '%2$s', and not that of "
                      "linked volume '%3$s' of pool '%4$s'; %5$s"),
                    volume, pool, link->payload.volume, link->payload.pool, advice);
        return false;
    }

    if (!lukshdrTextSameUUID(luksUUID, link->luksUUID) ||
        !lukshdrTextSameUUID(label->luksUUID, link->luksUUID)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it holds LUKS header %s instead of %s; %s"), luksUUID,
                    link->luksUUID ? link->luksUUID : "-", advice);
        return false;
    }

    /* the cost first: what the others say lets the client take the header, which this does not */
    if (!lukshdrLuksCheckCost(fd, error) || !lukshdrHeaderCheckGeneration(link, label, error) ||
        !lukshdrHeaderCheckDigest(link, label, fd, error))
        return false;

    if (labels)
        *labels = g_steal_pointer(&found);
    return true;
}

bool
lukshdrHeaderCheck(const lukshdrLink *link,
                   const lukshdrVolume *copy,
                   int fd,
                   GPtrArray **labels,
                   GError **error)
{
    g_autofree char *where = NULL;

    if (labels)
        *labels = NULL;

    if (lukshdrHeaderCheckContent(link, fd, labels, error))
        return true;

    where = lukshdrVolumeWhere(copy);
    g_prefix_error(error, _("header volume '%s' of pool '%s', at '%s', cannot be used: "),
                   copy->volume, copy->pool, where);
    return false;
}

bool
lukshdrHeaderCheckMounted(const lukshdrVolume *header, GError **error)
{
    if (!lukshdrVolumeIsUnmounted(header))
        return true;
    g_set_error(
        error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
        _("header volume '%s' of pool '%s' is not there, and its directory is on another file "
          "system than it was: mount that, and refresh the pool"),
        header->volume, header->pool);
    return false;
}
