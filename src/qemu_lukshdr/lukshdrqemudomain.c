/*
 * lukshdrqemudomain.c: what must be known of libvirt's domain objects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "lukshdrqemudomain.h"

#include <glib/gi18n-lib.h>
#include <malloc.h>
#include <string.h>

#include "../util/lukshdrerror.h"
#include "lukshdrqemu.h"
#include "lukshdrqemusource.h"

/* set by lukshdrQemuDomainMeasure */
static int lukshdrQemuDomainDeviceDisk;      /* VIR_DOMAIN_DEVICE_DISK */
static size_t lukshdrQemuDomainDeviceOffset; /* of the disk's pointer in a virDomainDeviceDef */
static size_t lukshdrQemuDomainSourceOffset; /* of the source's pointer in a virDomainDiskDef */

/* the innermost domain that this thread is stopping */
static __thread lukshdrQemuDomainStop *lukshdrQemuDomainStopping;

static void *
lukshdrQemuDomainWord(const void *structure, size_t offset)
{
    void *value;

    memcpy(&value, (const char *)structure + offset, sizeof(value));
    return value;
}

/* The one word of a disk that libvirt takes for its source: with another source
 * in it, virDomainDiskGetSource names that one's path. */
static size_t
lukshdrQemuDomainMeasureSource(virDomainDiskDef *disk)
{
    static const char path[] = "/lukshdr";
    g_autoptr(virStorageSource) other = NULL;
    size_t candidates = 0;
    size_t offset;

    if (lukshdrQemu.libvirt.virStorageSourceNewFromBackingAbsolute(path, &other) < 0)
        return 0;

    for (offset = 0; offset + sizeof(void *) <= malloc_usable_size(disk);
         offset += sizeof(void *)) {
        void *word = lukshdrQemuDomainWord(disk, offset);

        if (!word)
            continue;

        memcpy((char *)disk + offset, &other, sizeof(other));
        if (g_strcmp0(lukshdrQemu.libvirt.virDomainDiskGetSource(disk), path) == 0) {
            lukshdrQemuDomainSourceOffset = offset;
            candidates++;
        }
        memcpy((char *)disk + offset, &word, sizeof(word));
    }
    return candidates;
}

typedef struct {
    virDomainDiskDef *disk;
    size_t candidates;
} lukshdrQemuDomainMeasureData;

/* A virDomainDeviceDef is a number that says what it is, and a pointer to it. */
static int
lukshdrQemuDomainMeasureDevice(virDomainDef *def G_GNUC_UNUSED,
                               virDomainDeviceDef *dev,
                               virDomainDeviceInfo *info G_GNUC_UNUSED,
                               void *opaque)
{
    lukshdrQemuDomainMeasureData *data = opaque;

    memcpy(&lukshdrQemuDomainDeviceDisk, dev, sizeof(lukshdrQemuDomainDeviceDisk));
    if (lukshdrQemuDomainWord(dev, sizeof(void *)) == data->disk) {
        lukshdrQemuDomainDeviceOffset = sizeof(void *);
        data->candidates++;
    }
    return 0;
}

bool
lukshdrQemuDomainMeasure(GError **error)
{
    virErrorPtr saved = lukshdrQemuErrorSave();
    virDomainDef *def = lukshdrQemu.libvirt.virDomainDefNew(NULL);
    virDomainDiskDef *disk = lukshdrQemu.libvirt.virDomainDiskDefNew(NULL);
    lukshdrQemuDomainMeasureData data = { disk, 0 };
    size_t candidates = lukshdrQemuDomainMeasureSource(disk);

    lukshdrQemu.libvirt.virDomainDiskInsert(def, disk); /* owned by def now */
    lukshdrQemu.libvirt.virDomainDeviceInfoIterate(def, lukshdrQemuDomainMeasureDevice, &data);
    lukshdrQemu.libvirt.virDomainDefFree(def);
    lukshdrQemuErrorRestore(saved);

    if (candidates != 1 || data.candidates != 1) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("the sources of a domain's disks cannot be told: %zu and %zu candidates"),
                    candidates, data.candidates);
        return false;
    }
    return true;
}

static lukshdrQemuDomainStop *
lukshdrQemuDomainFindStop(virDomainObj *vm)
{
    lukshdrQemuDomainStop *stop = lukshdrQemuDomainStopping;

    while (stop && stop->vm != vm)
        stop = stop->outer;
    return stop;
}

/* The definition and name of @vm, if it is running. */
static virDomainDef *
lukshdrQemuDomainRunning(virDomainObj *vm, char **name)
{
    g_autofree char *shortName = NULL;
    virDomainDef *def;
    virErrorPtr saved;

    /* first, since the question for the definition of a transient domain that has ended
     * would leave an error in the daemon's log */
    if (lukshdrQemu.libvirt.virDomainObjGetState(vm, NULL) == VIR_DOMAIN_SHUTOFF)
        return NULL;

    saved = lukshdrQemuErrorSave();
    if ((def = lukshdrQemu.libvirt.virDomainObjGetOneDef(vm, VIR_DOMAIN_AFFECT_CURRENT)))
        shortName = lukshdrQemu.libvirt.virDomainDefGetShortName(def);
    lukshdrQemuErrorRestore(saved);

    /* the number of a domain that does not run is -1 */
    if (!shortName || *shortName == '-')
        return NULL;

    *name = g_steal_pointer(&shortName);
    return def;
}

char *
lukshdrQemuDomainName(virDomainObj *vm)
{
    lukshdrQemuDomainStop *stop = lukshdrQemuDomainFindStop(vm);
    char *name = NULL;

    if (stop)
        return g_strdup(stop->name);

    lukshdrQemuDomainRunning(vm, &name);
    return name;
}

virStorageSource *
lukshdrQemuDomainDiskSource(virDomainDiskDef *disk)
{
    return lukshdrQemuDomainWord(disk, lukshdrQemuDomainSourceOffset);
}

static int
lukshdrQemuDomainCollect(virDomainDef *def G_GNUC_UNUSED,
                         virDomainDeviceDef *dev,
                         virDomainDeviceInfo *info G_GNUC_UNUSED,
                         void *opaque)
{
    int type;

    memcpy(&type, dev, sizeof(type));
    if (type == lukshdrQemuDomainDeviceDisk) {
        g_ptr_array_add(opaque, lukshdrQemuDomainDiskSource(
                                    lukshdrQemuDomainWord(dev, lukshdrQemuDomainDeviceOffset)));
    }
    return 0;
}

GPtrArray *
lukshdrQemuDomainSources(virDomainObj *vm)
{
    lukshdrQemuDomainStop *stop = lukshdrQemuDomainFindStop(vm);
    GPtrArray *sources = g_ptr_array_new();
    g_autofree char *name = NULL;
    virDomainDef *def = stop ? stop->def : lukshdrQemuDomainRunning(vm, &name);

    if (def)
        lukshdrQemu.libvirt.virDomainDeviceInfoIterate(def, lukshdrQemuDomainCollect, sources);
    return sources;
}

void
lukshdrQemuDomainStopBegin(lukshdrQemuDomainStop *stop, virDomainObj *vm)
{
    stop->vm = vm;
    stop->name = NULL;
    stop->def = lukshdrQemuDomainRunning(vm, &stop->name);
    stop->outer = lukshdrQemuDomainStopping;
    lukshdrQemuDomainStopping = stop;
}

bool
lukshdrQemuDomainIsStopping(virDomainObj *vm)
{
    return lukshdrQemuDomainFindStop(vm) != NULL;
}

char *
lukshdrQemuDomainStopEnd(lukshdrQemuDomainStop *stop)
{
    g_autofree char *now = NULL;

    lukshdrQemuDomainStopping = stop->outer;

    /* stopping can fail to begin, and then the guest goes on */
    lukshdrQemuDomainRunning(stop->vm, &now);
    if (g_strcmp0(now, stop->name) == 0)
        g_clear_pointer(&stop->name, g_free);

    return g_steal_pointer(&stop->name);
}
