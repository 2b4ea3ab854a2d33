/*
 * domain.c: what must be known of libvirt's domain objects
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "domain.h"

#include <glib/gi18n-lib.h>
#include <malloc.h>
#include <string.h>

#include "util/error.h"
#include "util/xml.h"
#include "qemu.h"
#include "source.h"

/* set by lukshdrQemuDomainMeasure */
static int lukshdrQemuDomainDeviceDisk;      /* VIR_DOMAIN_DEVICE_DISK */
static size_t lukshdrQemuDomainDeviceOffset; /* of the disk's pointer in a virDomainDeviceDef */
static size_t lukshdrQemuDomainSourceOffset; /* of the source's pointer in a virDomainDiskDef */

static size_t lukshdrQemuDomainTargetOffset; /* of the target's name in a virDomainDiskDef */

static void *
lukshdrQemuDomainWord(const void *structure, size_t offset)
{
    void *value;

    memcpy(&value, (const char *)structure + offset, sizeof(value));
    return value;
}

/* Finds the one word of a disk that libvirt takes for its source: if another source is put
 * there, virDomainDiskGetSource names the path of that source. */
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

/* Finds the one empty word of the only disk of @def that libvirt takes for its target.  Fills all
 * empty words at once, each with a name of its own: libvirt's function would crash on a disk
 * without a target. */
static size_t
lukshdrQemuDomainMeasureTarget(virDomainDef *def, virDomainDiskDef *disk)
{
    size_t words = malloc_usable_size(disk) / sizeof(void *);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    size_t candidates = 0;
    size_t i;

    for (i = 0; i < words; i++) {
        char *name = NULL;

        if (!lukshdrQemuDomainWord(disk, i * sizeof(void *))) {
            name = g_strdup_printf("lukshdr%zu", i);
            memcpy((char *)disk + i * sizeof(void *), &name, sizeof(name));
        }
        g_ptr_array_add(names, name);
    }

    for (i = 0; i < words; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (name && lukshdrQemu.libvirt.virDomainDiskIndexByName(def, name, false) >= 0) {
            lukshdrQemuDomainTargetOffset = i * sizeof(void *);
            candidates++;
        }
    }

    for (i = 0; i < words; i++) {
        if (g_ptr_array_index(names, i))
            memset((char *)disk + i * sizeof(void *), 0, sizeof(void *));
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
    size_t targets;

    lukshdrQemu.libvirt.virDomainDiskInsert(def, disk); /* owned by def now */
    lukshdrQemu.libvirt.virDomainDeviceInfoIterate(def, lukshdrQemuDomainMeasureDevice, &data);
    targets = lukshdrQemuDomainMeasureTarget(def, disk);
    lukshdrQemu.libvirt.virDomainDefFree(def);
    lukshdrQemuErrorRestore(saved);

    if (candidates != 1 || data.candidates != 1 || targets != 1) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_NO_SUPPORT,
                    _("sources and targets of a domain's disks were not found: %zu, %zu and %zu "
                      "candidates"),
                    candidates, data.candidates, targets);
        return false;
    }
    return true;
}

/* The definition and name of @vm, if it is running. */
static virDomainDef *
lukshdrQemuDomainRunning(virDomainObj *vm, char **name)
{
    g_autofree char *shortName = NULL;
    virDomainDef *def;
    virErrorPtr saved;

    /* ask this first: if we asked for the definition of a transient domain that has ended,
     * libvirt would write an error to the daemon's log */
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
    const lukshdrQemuContext *stop = lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_STOP, vm);
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

const char *
lukshdrQemuDomainDiskTarget(virDomainDiskDef *disk)
{
    return lukshdrQemuDomainWord(disk, lukshdrQemuDomainTargetOffset);
}

virDomainDiskDef *
lukshdrQemuDomainDeviceDef(virDomainDeviceDef *dev)
{
    int type;

    memcpy(&type, dev, sizeof(type));
    if (type != lukshdrQemuDomainDeviceDisk)
        return NULL;
    return lukshdrQemuDomainWord(dev, lukshdrQemuDomainDeviceOffset);
}

bool
lukshdrQemuDomainMetadata(virDomainObj *vm, char **metadata, GError **error)
{
    virErrorPtr saved;
    bool ok;

    *metadata = NULL;

    /* domxml-to-native prepares a domain for which libvirt returns no definition */
    if (lukshdrQemu.libvirt.virDomainObjGetState(vm, NULL) == VIR_DOMAIN_SHUTOFF)
        return true;

    saved = lukshdrQemuErrorSave();
    *metadata = lukshdrQemu.libvirt.virDomainObjGetMetadata(
        vm, VIR_DOMAIN_METADATA_ELEMENT, LUKSHDR_XML_METADATA_URI, VIR_DOMAIN_AFFECT_CURRENT);
    ok = *metadata || virGetLastErrorCode() == VIR_ERR_NO_DOMAIN_METADATA;
    if (!ok) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                    _("the domain's metadata cannot be read: %s"), virGetLastErrorMessage());
    }
    lukshdrQemuErrorRestore(saved);
    return ok;
}

static int
lukshdrQemuDomainCollect(virDomainDef *def G_GNUC_UNUSED,
                         virDomainDeviceDef *dev,
                         virDomainDeviceInfo *info G_GNUC_UNUSED,
                         void *opaque)
{
    virDomainDiskDef *disk = lukshdrQemuDomainDeviceDef(dev);

    if (disk)
        g_ptr_array_add(opaque, lukshdrQemuDomainDiskSource(disk));
    return 0;
}

/* The definition of @vm, if it is running or the calling thread is stopping it */
static virDomainDef *
lukshdrQemuDomainDef(virDomainObj *vm)
{
    const lukshdrQemuContext *stop = lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_STOP, vm);
    g_autofree char *name = NULL;

    return stop ? stop->def : lukshdrQemuDomainRunning(vm, &name);
}

GPtrArray *
lukshdrQemuDomainSources(virDomainObj *vm)
{
    GPtrArray *sources = g_ptr_array_new();
    virDomainDef *def = lukshdrQemuDomainDef(vm);

    if (def)
        lukshdrQemu.libvirt.virDomainDeviceInfoIterate(def, lukshdrQemuDomainCollect, sources);
    return sources;
}

/* No disk of a domain has such a target: libvirt takes only those that belong to a bus. */
static char *
lukshdrQemuDomainAddedTarget(guint i)
{
    return g_strdup_printf("lukshdr%u", i);
}

void
lukshdrQemuDomainAddDisks(virDomainObj *vm, GPtrArray *sources)
{
    virDomainDef *def = lukshdrQemuDomainDef(vm);
    guint i;

    for (i = 0; def && i < sources->len; i++) {
        virDomainDiskDef *disk = lukshdrQemu.libvirt.virDomainDiskDefNew(NULL);
        g_autoptr(virStorageSource) empty = lukshdrQemuDomainDiskSource(disk);
        virStorageSource *src = g_object_ref(g_ptr_array_index(sources, i));
        char *target = lukshdrQemuDomainAddedTarget(i); /* libvirt frees it with g_free */

        memcpy((char *)disk + lukshdrQemuDomainSourceOffset, &src, sizeof(src));
        memcpy((char *)disk + lukshdrQemuDomainTargetOffset, &target, sizeof(target));
        lukshdrQemu.libvirt.virDomainDiskInsert(def, disk);
    }
}

void
lukshdrQemuDomainRemoveDisks(virDomainObj *vm, GPtrArray *sources)
{
    virDomainDef *def = lukshdrQemuDomainDef(vm);
    guint i;

    for (i = 0; def && i < sources->len; i++) {
        g_autofree char *target = lukshdrQemuDomainAddedTarget(i);

        lukshdrQemu.libvirt.virDomainDiskDefFree(
            lukshdrQemu.libvirt.virDomainDiskRemoveByName(def, target));
    }
}

void
lukshdrQemuDomainStopBegin(lukshdrQemuContext *stop, virDomainObj *vm)
{
    *stop = (lukshdrQemuContext){ .kind = LUKSHDR_QEMU_CONTEXT_STOP, .vm = vm };
    stop->def = lukshdrQemuDomainRunning(vm, &stop->name);
    lukshdrQemuContextBegin(stop);
}

bool
lukshdrQemuDomainIsStopping(virDomainObj *vm)
{
    return lukshdrQemuContextFind(LUKSHDR_QEMU_CONTEXT_STOP, vm) != NULL;
}

char *
lukshdrQemuDomainStopEnd(lukshdrQemuContext *stop)
{
    g_autofree char *now = NULL;

    lukshdrQemuContextEnd(stop);

    /* libvirt can fail before it stops anything; then the guest goes on */
    lukshdrQemuDomainRunning(stop->vm, &now);
    if (g_strcmp0(now, stop->name) == 0)
        g_clear_pointer(&stop->name, g_free);

    return g_steal_pointer(&stop->name);
}
