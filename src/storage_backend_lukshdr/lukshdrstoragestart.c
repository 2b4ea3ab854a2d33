/*
 * lukshdrstoragestart.c: the link registry when the daemon starts
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Runs once, in the state driver's initialisation: no client is served yet, so
 * nothing can be under way, and what says that it is was interrupted.
 */

#include "config.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <glib/gstdio.h>

#include "lukshdrerror.h"
#include "lukshdrlog.h"
#include "lukshdrpaths.h"
#include "lukshdrstorage.h"
#include "lukshdrstorageadopt.h"
#include "lukshdrstoragediscover.h"

/* What a crash left of writing a registry file: GLib's temporary files are called
 * as the file, a dot, and six characters. */
static void
lukshdrStorageRemoveTemporary(void)
{
    g_autofree char *path = lukshdrPathRegistry(lukshdrStorageState.privileged);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = NULL;

        if (!g_pattern_match_simple("*-*-*-*-*.xml.??????", name))
            continue;
        file = g_build_filename(path, name, NULL);
        if (g_unlink(file) < 0)
            LUKSHDR_LOG_WARN(_("Unable to remove '%s': %s"), file, g_strerror(errno));
    }
}

static void
lukshdrStorageReportDamage(lukshdrRegistry *registry)
{
    g_autoptr(GPtrArray) damaged = NULL;
    g_autoptr(GError) error = NULL;
    guint i;

    if (!lukshdrRegistryLoad(registry, &damaged, &error)) {
        LUKSHDR_LOG_ERROR("%s", error->message);
        return;
    }
    for (i = 0; i < damaged->len; i++)
        LUKSHDR_LOG_ERROR(_("Link registry entry is not used: %s"),
                          (const char *)g_ptr_array_index(damaged, i));
}

static void
lukshdrStorageFinishInterrupted(lukshdrLink *link, virConnectPtr conn)
{
    g_autoptr(GError) error = NULL;
    bool creating = link->state == LUKSHDR_LINK_STATE_CREATING;

    if (!lukshdrStorageDeleteFinish(link, conn, &error)) {
        LUKSHDR_LOG_ERROR(_("The interrupted %s of linked volume '%s' of pool '%s' cannot be "
                            "cleared up, which is tried again at the next start: %s"),
                          creating ? _("creation") : _("deletion"), link->payload.volume,
                          link->payload.pool, error->message);
        return;
    }

    LUKSHDR_LOG_WARN(creating
                         ? _("The creation of linked volume '%s' of pool '%s' was interrupted, "
                             "what there was of it has been removed")
                         : _("The deletion of linked volume '%s' of pool '%s' was interrupted "
                             "and is now complete"),
                     link->payload.volume, link->payload.pool);
    if (creating && !link->payload.path)
        LUKSHDR_LOG_WARN(_("It may have left an empty volume '%s' in pool '%s' or '%s' in '%s'"),
                         link->payload.volume, link->payload.pool, link->header.volume,
                         link->header.pool);
}

static void
lukshdrStorageFinishWipe(lukshdrLink *link, virConnectPtr conn)
{
    g_autoptr(GError) error = NULL;

    if (lukshdrStorageWipeFinish(link, conn, &error))
        LUKSHDR_LOG_WARN(_("The wiping of linked volume '%s' of pool '%s' was interrupted and is "
                           "now complete"),
                         link->payload.volume, link->payload.pool);
    else
        LUKSHDR_LOG_ERROR(_("The interrupted wiping of linked volume '%s' of pool '%s' cannot be "
                            "completed, which is tried again at the next start: %s"),
                          link->payload.volume, link->payload.pool, error->message);
}

static void
lukshdrStorageFinishPart(lukshdrLink *link, virConnectPtr conn)
{
    g_autoptr(GError) error = NULL;

    if (lukshdrStoragePartFinish(link, conn, &error))
        LUKSHDR_LOG_WARN(_("The parting of linked volume '%s' of pool '%s' from its header was "
                           "interrupted and is now complete"),
                         link->payload.volume, link->payload.pool);
    else
        LUKSHDR_LOG_ERROR(_("The interrupted parting of linked volume '%s' of pool '%s' cannot be "
                            "completed, which is tried again at the next start: %s"),
                          link->payload.volume, link->payload.pool, error->message);
}

/* Returns true if the identity recorded for @part is out of date and @fresh is
 * what to record: the same file, its file system under a new device number. */
static bool
lukshdrStorageCheckPart(const lukshdrLink *link,
                        const lukshdrLinkVolume *part,
                        lukshdrIdentity *fresh)
{
    g_autofree char *state = lukshdrPathPoolState(lukshdrStorageState.privileged, part->pool);
    g_autoptr(GError) error = NULL;

    /* an inactive pool's volumes may not be mounted: that tells nothing */
    if (!g_file_test(state, G_FILE_TEST_EXISTS))
        return false;

    if (!lukshdrIdentityFromPath(part->path, fresh, &error)) {
        LUKSHDR_LOG_WARN(_("Linked volume '%s' of pool '%s' has lost volume '%s' of pool '%s'; the "
                           "link is kept: %s"),
                         link->payload.volume, link->payload.pool, part->volume, part->pool,
                         error->message);
        return false;
    }

    /* a block device's number is compared nowhere, so it need not be renewed */
    if (part->identity.type == LUKSHDR_IDENTITY_BLOCK && fresh->type == LUKSHDR_IDENTITY_BLOCK)
        return false;

    if (lukshdrIdentityCompare(&part->identity, fresh) == LUKSHDR_IDENTITY_DIFFERENT) {
        LUKSHDR_LOG_WARN(_("'%s' is not the volume '%s' of pool '%s' that was recorded there; "
                           "linked volume '%s' of pool '%s' cannot be used until it is back"),
                         part->path, part->volume, part->pool, link->payload.volume,
                         link->payload.pool);
        return false;
    }

    return fresh->dev != part->identity.dev;
}

static void
lukshdrStorageCheckActive(lukshdrLink *link)
{
    g_autoptr(lukshdrLink) renewed = lukshdrLinkCopy(link);
    g_autoptr(GError) error = NULL;
    lukshdrIdentity fresh;
    bool changed = false;

    if (lukshdrStorageCheckPart(link, &link->payload, &fresh)) {
        renewed->payload.identity = fresh;
        changed = true;
    }
    if (lukshdrStorageCheckPart(link, &link->header, &fresh)) {
        renewed->header.identity = fresh;
        changed = true;
    }

    if (changed && !lukshdrRegistryStore(lukshdrStorageState.registry, renewed, &error))
        LUKSHDR_LOG_ERROR("%s", error->message);
}

void
lukshdrStorageStart(virConnectPtr conn)
{
    lukshdrRegistry *registry = lukshdrStorageState.registry;
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) links = NULL;
    guint i;

    lukshdrStorageRemoveTemporary();
    lukshdrStorageReportDamage(registry);

    if (!(links = lukshdrRegistryList(registry, &error)))
        return; /* reported above */

    for (i = 0; i < links->len; i++) {
        lukshdrLink *link = g_ptr_array_index(links, i);

        switch (link->state) {
        case LUKSHDR_LINK_STATE_ACTIVE:
        case LUKSHDR_LINK_STATE_WIPED:
            lukshdrStorageCheckActive(link);
            break;
        case LUKSHDR_LINK_STATE_WIPING:
            lukshdrStorageFinishWipe(link, conn);
            break;
        case LUKSHDR_LINK_STATE_PARTING:
            lukshdrStorageFinishPart(link, conn);
            break;
        case LUKSHDR_LINK_STATE_CREATING:
        case LUKSHDR_LINK_STATE_DELETING:
            lukshdrStorageFinishInterrupted(link, conn);
            break;
        }
    }

    lukshdrStorageDiscover(conn, NULL);
}
