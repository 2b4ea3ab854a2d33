/*
 * appliance.c: a domain of libguestfs that tells what is not used on a disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * How it is found out: fstrim(8) in the appliance sends discards, which end in QEMU's luks node.  On their way the
 * appliance's kernel writes them down, with the writes between them (its event block_rq_issue), and this file reads
 * that.  What comes from the appliance is believed as far as the guest's own disk goes: a guest that takes the
 * appliance over can lose its own data, which it could delete itself.
 */

#include "config.h"

#include "appliance.h"

#include <dlfcn.h>
#include <glib/gi18n.h>
#include <string.h>

#include "tool.h"
#include "trace.h"

/* libguestfs promises that these do not change (guestfs(3), "LIBRARY VERSION NUMBERS" and "ABI GUARANTEE"); its header
 * would be a heavy thing to build with */
#define LUKSHDR_LIBGUESTFS "libguestfs.so.0"
#define LUKSHDR_GUESTFS_ADD_DRIVE_OPTS_FORMAT 1
#define LUKSHDR_GUESTFS_ADD_DRIVE_OPTS_LABEL 4
#define LUKSHDR_GUESTFS_ADD_DRIVE_OPTS_DISCARD 10
#define LUKSHDR_GUESTFS_FSTRIM_MINIMUMFREEEXTENT 2
#define LUKSHDR_GUESTFS_END (-1)

typedef struct guestfs_h guestfs_h;

typedef struct _lukshdrGuestfs lukshdrGuestfs;
struct _lukshdrGuestfs {
    guestfs_h *(*guestfs_create)(void);
    void (*guestfs_close)(guestfs_h *g);
    void (*guestfs_set_error_handler)(guestfs_h *g, void *callback, void *opaque);
    const char *(*guestfs_last_error)(guestfs_h *g);
    int (*guestfs_set_backend)(guestfs_h *g, const char *backend);
    int (*guestfs_add_drive_opts)(guestfs_h *g, const char *filename, ...);
    int (*guestfs_set_append)(guestfs_h *g, const char *append);
    int (*guestfs_launch)(guestfs_h *g);
    int (*guestfs_shutdown)(guestfs_h *g);
    char **(*guestfs_list_filesystems)(guestfs_h *g);
    char **(*guestfs_tune2fs_l)(guestfs_h *g, const char *device);
    int (*guestfs_mount)(guestfs_h *g, const char *mountable, const char *mountpoint);
    int (*guestfs_fstrim)(guestfs_h *g, const char *mountpoint, ...);
    int (*guestfs_umount_all)(guestfs_h *g);
    int (*guestfs_sync)(guestfs_h *g);
    char *(*guestfs_debug)(guestfs_h *g, const char *command, char *const *args);
};

struct _lukshdrToolAppliance {
    lukshdrGuestfs api;
    guestfs_h *g;
    guint64 capacity; /* of the disk, bytes */
};

/* An answer has 4 MiB at most (GUESTFS_MESSAGE_MAX), and a line of it some 25 bytes */
#define LUKSHDR_APPLIANCE_LINES 50000

/* The most that the XML for the daemon may hold, with 4 MiB for all of it (LUKSHDR_XML_MAX) */
#define LUKSHDR_APPLIANCE_RANGES 50000

/* libguestfs gives the disk this as its serial number, by which udev names it in the appliance.  The name that libguestfs
 * shows (/dev/sda) may be that of another disk there: its own. */
#define LUKSHDR_APPLIANCE_DISK "lukshdr"

/* The appliance's kernel gets this.  The appliance starts every RAID that it finds, also one of which only this disk is
 * there; until somebody writes to it, that leaves no mark on the disk. */
#define LUKSHDR_APPLIANCE_KERNEL "md_mod.start_ro=1"

/* What is smaller than this is not discarded, bytes: the cluster of a qcow2 is not, either, and the trace holds more of what
 * is worth it */
#define LUKSHDR_APPLIANCE_LEAST G_GINT64_CONSTANT(65536)

/* In the appliance's shell.  With RAID this is one disk of several: written to alone, it would be another than the others
 * are.  The trace's buffer holds some 500,000 requests, each in the order of one processor's.  A request of several
 * ranges would be traced as one, so there must be none such. */
#define LUKSHDR_APPLIANCE_RAID "RAID"
#define LUKSHDR_APPLIANCE_BEGIN \
    "set -e; t=/sys/kernel/tracing; [ -e $t/events ] || mount -t tracefs tracefs $t; " \
    "b=$(readlink -e /dev/disk/guestfs/" LUKSHDR_APPLIANCE_DISK "); b=/sys/block/${b##*/}; " \
    "[ ! -e /proc/mdstat ] || ! grep -q '^md' /proc/mdstat || { echo RAID; exit; }; " \
    "if dmsetup table | grep -q ': [0-9]* [0-9]* \\(raid\\|mirror\\) '; then echo RAID; exit; fi; " \
    "[ \"$(cat $b/queue/max_discard_segments)\" -le 1 ]; [ $(nproc) -eq 1 ]; " \
    "d=$(cat $b/dev); d=$((${d%:*} << 20 | ${d#*:})); " \
    "cd $t; echo nop > current_tracer; echo 65536 > buffer_size_kb; echo > trace; " \
    "cd events/block/block_rq_issue; echo \"dev == $d\" > filter; echo 1 > enable; echo 1 > $t/tracing_on; " \
    "echo ready $(cat $b/size)"
/* its first line: how many entries there are, a slash, and how many there were */
#define LUKSHDR_APPLIANCE_END \
    "set -e; cd /sys/kernel/tracing; echo 0 > tracing_on; " \
    "sed -n 's/^# entries-in-buffer.entries-written: \\([0-9]*.[0-9]*\\) .*/\\1/p; " \
    "s/^.*block_rq_issue: [0-9]*,[0-9]* \\([A-Z]*\\) [0-9]* (.*) \\([0-9]*\\) + \\([0-9]*\\) .*/\\1 \\2 \\3/p' " \
    "trace > /tmp/lukshdr; grep -c block_rq_issue: trace || :"
#define LUKSHDR_APPLIANCE_READ "sed -n '%u,%up;%uq' /tmp/lukshdr"

static bool
lukshdrGuestfsLoad(lukshdrGuestfs *api, GError **error)
{
    /* it stays: libraries that it loads do not like to be unloaded */
    void *library = dlopen(LUKSHDR_LIBGUESTFS, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (!library) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("to find out what a volume does not use, libguestfs is needed; install it "
                      "(package libguestfs0 or libguestfs): %s"),
                    dlerror());
        return false;
    }

#define LUKSHDR_GUESTFS_FIND(name) \
    if (!(api->name = (__typeof__(api->name))dlsym(library, #name))) { \
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED, \
                    _("libguestfs has no function '%s'; install a newer one"), #name); \
        return false; \
    }
    LUKSHDR_GUESTFS_FIND(guestfs_create)
    LUKSHDR_GUESTFS_FIND(guestfs_close)
    LUKSHDR_GUESTFS_FIND(guestfs_set_error_handler)
    LUKSHDR_GUESTFS_FIND(guestfs_last_error)
    LUKSHDR_GUESTFS_FIND(guestfs_set_backend)
    LUKSHDR_GUESTFS_FIND(guestfs_add_drive_opts)
    LUKSHDR_GUESTFS_FIND(guestfs_set_append)
    LUKSHDR_GUESTFS_FIND(guestfs_launch)
    LUKSHDR_GUESTFS_FIND(guestfs_shutdown)
    LUKSHDR_GUESTFS_FIND(guestfs_list_filesystems)
    LUKSHDR_GUESTFS_FIND(guestfs_tune2fs_l)
    LUKSHDR_GUESTFS_FIND(guestfs_mount)
    LUKSHDR_GUESTFS_FIND(guestfs_fstrim)
    LUKSHDR_GUESTFS_FIND(guestfs_umount_all)
    LUKSHDR_GUESTFS_FIND(guestfs_sync)
    LUKSHDR_GUESTFS_FIND(guestfs_debug)
    return true;
}

/* Before what libvirt said, libguestfs advises to go without libvirt.  It would see ciphertext then, and write to it. */
static void
lukshdrToolApplianceSetError(const lukshdrToolAppliance *appliance, GError **error)
{
    const char *advised = "Original error from libvirt: ";
    const char *message = appliance->api.guestfs_last_error(appliance->g);
    const char *original = message ? strstr(message, advised) : NULL;

    if (original)
        message = original + strlen(advised);
    g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED, "libguestfs: %s",
                message ? message : _("unknown error"));
}

/* Returns what @script prints in the appliance's shell, freed with g_free (malloc is GLib's allocator since 2.46), or NULL
 * with @error set */
static char *
lukshdrToolApplianceShell(const lukshdrToolAppliance *appliance, const char *script, GError **error)
{
    char *args[] = { (char *)script, NULL };
    char *said = appliance->api.guestfs_debug(appliance->g, "sh", args);

    if (!said)
        lukshdrToolApplianceSetError(appliance, error);
    return said;
}

lukshdrToolAppliance *
lukshdrToolApplianceNew(const char *uri,
                        const char *path,
                        const char *format,
                        guint64 capacity,
                        GError **error)
{
    g_autoptr(lukshdrToolAppliance) appliance = g_new0(lukshdrToolAppliance, 1);
    g_autofree char *backend = g_strconcat("libvirt:", uri, NULL);
    const lukshdrGuestfs *api = &appliance->api;

    appliance->capacity = capacity;
    if (!lukshdrGuestfsLoad(&appliance->api, error))
        return NULL;
    if (!(appliance->g = api->guestfs_create())) {
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                            _("libguestfs cannot be used; libguestfs-test-tool tells why"));
        return NULL;
    }
    api->guestfs_set_error_handler(appliance->g, NULL, NULL);
    if (api->guestfs_set_backend(appliance->g, backend) < 0 ||
        api->guestfs_set_append(appliance->g, LUKSHDR_APPLIANCE_KERNEL) < 0 ||
        api->guestfs_add_drive_opts(appliance->g, path, LUKSHDR_GUESTFS_ADD_DRIVE_OPTS_FORMAT,
                                    format, LUKSHDR_GUESTFS_ADD_DRIVE_OPTS_LABEL,
                                    LUKSHDR_APPLIANCE_DISK, LUKSHDR_GUESTFS_ADD_DRIVE_OPTS_DISCARD,
                                    "enable", LUKSHDR_GUESTFS_END) < 0 ||
        api->guestfs_launch(appliance->g) < 0) {
        lukshdrToolApplianceSetError(appliance, error);
        return NULL;
    }
    return g_steal_pointer(&appliance);
}

void
lukshdrToolApplianceFree(lukshdrToolAppliance *appliance)
{
    if (!appliance)
        return;
    if (appliance->g) {
        appliance->api.guestfs_shutdown(appliance->g);
        appliance->api.guestfs_close(appliance->g);
    }
    g_free(appliance);
}

static bool
lukshdrToolApplianceBegin(const lukshdrToolAppliance *appliance, GError **error)
{
    /* another disk than the one that is meant would have another size */
    g_autofree char *ready = g_strdup_printf("ready %" G_GUINT64_FORMAT,
                                             appliance->capacity / LUKSHDR_TRACE_SECTOR);
    g_autofree char *said = lukshdrToolApplianceShell(appliance, LUKSHDR_APPLIANCE_BEGIN, error);
    bool ok = said && g_str_equal(g_strstrip(said), ready);

    if (said && g_str_equal(said, LUKSHDR_APPLIANCE_RAID))
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                            _("the volume is a disk of a RAID that the guest makes, and cannot be "
                              "trimmed without the others"));
    else if (said && !ok)
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("the kernel of libguestfs cannot trace what is discarded: %s"), said);
    return ok;
}

/* What libblkid calls swap space with the memory of a kernel that sleeps */
#define LUKSHDR_APPLIANCE_ASLEEP "swsuspend"

/* Is the guest hibernated?  Then its file systems must not be mounted: it goes on as if they were as it left them.
 * @systems: names and types in turn */
static bool
lukshdrToolApplianceIsAsleep(char *const *systems)
{
    size_t i;

    for (i = 0; systems[i] && systems[i + 1]; i += 2) {
        if (g_str_equal(systems[i + 1], LUKSHDR_APPLIANCE_ASLEEP))
            return true;
    }
    return false;
}

/* Has the kernel noted errors in the ext file system, so that what is free in it is not certain?  True also where that cannot be
 * told. */
static bool
lukshdrToolApplianceIsDamaged(const lukshdrToolAppliance *appliance, const char *name)
{
    g_auto(GStrv) fields = appliance->api.guestfs_tune2fs_l(appliance->g, name);
    bool known = false;
    bool damaged = false;
    size_t i;

    /* names and values in turn */
    for (i = 0; fields && fields[i] && fields[i + 1]; i += 2) {
        if (g_str_equal(fields[i], "Filesystem state")) {
            known = true;
            damaged = strstr(fields[i + 1], "error") != NULL;
        }
    }
    return !known || damaged;
}

/* Has the file system discard what it does not use.  Returns NULL, or why it was left out, for a person. */
static const char *
lukshdrToolApplianceDiscardOne(const lukshdrToolAppliance *appliance,
                               const char *name,
                               const char *type)
{
    /* whose journals are replayed when they are mounted: ntfs-3g throws that of NTFS away, and goes by what is not true any
     * more */
    static const char *const known[] = { "ext2", "ext3", "ext4", "xfs", "btrfs", NULL };
    const lukshdrGuestfs *api = &appliance->api;
    bool ok;

    if (!g_strv_contains(known, type))
        return _("this kind is not trimmed");
    if (g_str_has_prefix(type, "ext") && lukshdrToolApplianceIsDamaged(appliance, name))
        return _("it has errors: check it first");

    ok = api->guestfs_mount(appliance->g, name, "/") == 0 &&
         api->guestfs_fstrim(appliance->g, "/", LUKSHDR_GUESTFS_FSTRIM_MINIMUMFREEEXTENT,
                             LUKSHDR_APPLIANCE_LEAST, LUKSHDR_GUESTFS_END) == 0;
    return ok ? NULL : api->guestfs_last_error(appliance->g);
}

/* Has each file system discard what it does not use, but for those that are left out */
static bool
lukshdrToolApplianceDiscard(const lukshdrToolAppliance *appliance,
                            void (*tell)(const char *name, const char *reason),
                            GError **error)
{
    const lukshdrGuestfs *api = &appliance->api;
    g_auto(GStrv) systems = api->guestfs_list_filesystems(appliance->g);
    size_t i;

    if (!systems) {
        lukshdrToolApplianceSetError(appliance, error);
        return false;
    }
    if (lukshdrToolApplianceIsAsleep(systems)) {
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                            _("the guest is hibernated, with its memory in its swap space; wake it "
                              "up and shut it down first"));
        return false;
    }
    for (i = 0; systems[i] && systems[i + 1]; i += 2) {
        tell(systems[i], lukshdrToolApplianceDiscardOne(appliance, systems[i], systems[i + 1]));
        api->guestfs_umount_all(appliance->g);
    }
    if (api->guestfs_umount_all(appliance->g) == 0 && api->guestfs_sync(appliance->g) == 0)
        return true;
    lukshdrToolApplianceSetError(appliance, error);
    return false;
}

/* Ends the trace.  Sets @count to how many requests it has. */
static bool
lukshdrToolApplianceEnd(const lukshdrToolAppliance *appliance, guint64 *count, GError **error)
{
    g_autofree char *said = lukshdrToolApplianceShell(appliance, LUKSHDR_APPLIANCE_END, error);
    bool ok = said && g_ascii_string_to_unsigned(g_strstrip(said), 10, 0, G_MAXUINT32, count, NULL);

    if (said && !ok)
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                    _("the kernel of libguestfs cannot trace what is discarded: %s"), said);
    return ok;
}

/* Is @line "N/N"?  Then no request is missing. */
static bool
lukshdrToolApplianceIsWhole(const char *line)
{
    g_auto(GStrv) numbers = g_strsplit(line, "/", -1);

    return g_strv_length(numbers) == 2 && g_str_equal(numbers[0], numbers[1]);
}

static void
lukshdrToolApplianceSetUntrue(GError **error)
{
    g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_FAILED,
                        _("the kernel of libguestfs has not traced all that was discarded, so "
                          "nothing was changed"));
}

/* Reads all requests.  A trace from which anything is missing could lack the write after a discard. */
static bool
lukshdrToolApplianceRead(const lukshdrToolAppliance *appliance,
                         guint64 count,
                         GArray *ranges,
                         GError **error)
{
    guint64 read = 0;
    guint line;

    for (line = 1;; line += LUKSHDR_APPLIANCE_LINES) {
        guint last = line + LUKSHDR_APPLIANCE_LINES - 1;
        g_autofree char *script = g_strdup_printf(LUKSHDR_APPLIANCE_READ, line, last, last);
        g_autofree char *said = lukshdrToolApplianceShell(appliance, script, error);
        g_auto(GStrv) lines = said ? g_strsplit(g_strchomp(said), "\n", -1) : NULL;
        guint i;

        if (!lines)
            return false;
        for (i = 0; lines[i] && *lines[i]; i++) {
            if (line == 1 && i == 0 ? !lukshdrToolApplianceIsWhole(lines[i])
                                    : !lukshdrToolTraceAdd(ranges, lines[i]))
                break;
        }
        if (lines[i] && *lines[i])
            break;
        read += i;
        if (i < LUKSHDR_APPLIANCE_LINES) {
            /* one line is no request */
            if (read == count + 1)
                return true;
            break;
        }
    }
    lukshdrToolApplianceSetUntrue(error);
    return false;
}

GArray *
lukshdrToolApplianceTrim(lukshdrToolAppliance *appliance,
                         void (*tell)(const char *name, const char *reason),
                         GError **error)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(lukshdrToolRange));
    guint64 count;

    if (!lukshdrToolApplianceBegin(appliance, error) ||
        !lukshdrToolApplianceDiscard(appliance, tell, error) ||
        !lukshdrToolApplianceEnd(appliance, &count, error) ||
        !lukshdrToolApplianceRead(appliance, count, ranges, error))
        return NULL;
    lukshdrToolTraceSort(ranges, LUKSHDR_APPLIANCE_RANGES);
    if (ranges->len > 0) {
        const lukshdrToolRange *last = &g_array_index(ranges, lukshdrToolRange, ranges->len - 1);

        if (last->offset + last->size > appliance->capacity) {
            lukshdrToolApplianceSetUntrue(error);
            return NULL;
        }
    }
    return g_steal_pointer(&ranges);
}
