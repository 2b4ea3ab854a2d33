/*
 * header.c: is a header volume the one of a link, and is it whole?
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "header.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>

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

static bool
lukshdrHeaderCheckContent(const lukshdrLink *link, int fd, GPtrArray **labels, GError **error)
{
    g_autoptr(GPtrArray) found = NULL;
    g_autofree char *luksUUID = NULL;
    lukshdrIdentity identity;
    lukshdrLink *label;

    /* refuses what is neither file nor block device */
    if (!lukshdrIdentityFromFD(fd, &identity, error))
        return false;

    if (!lukshdrLabelRead(fd, &found, error) || !lukshdrLuksReadUUID(fd, &luksUUID, error))
        return false;

    if (!found || !(label = lukshdrLinkListFind(found, link->uuid))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("its link label is not that of linked volume '%s' of pool '%s'; put the "
                      "right header back from a backup"),
                    link->payload.volume, link->payload.pool);
        return false;
    }

    if (!lukshdrTextSameUUID(luksUUID, link->luksUUID) ||
        !lukshdrTextSameUUID(label->luksUUID, link->luksUUID)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_INVALID,
                    _("it holds LUKS header %s instead of %s; put the right header back from a "
                      "backup"),
                    luksUUID, link->luksUUID ? link->luksUUID : "-");
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
