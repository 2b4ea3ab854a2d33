/*
 * bench-fill.c: makes many linked volumes in no time
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * bench-fill REGISTRY TEMPLATE DATA VAULT FIRST LAST [GUESTS]
 *
 * Payloads are sparse files in DATA, headers in VAULT are TEMPLATE (a detached header) under a UUID
 * of its own each, with its label, but without key material: nothing that is measured on them reads
 * that, and 10,000 times 4 MiB is a lot.  Registry entries and labels are written by the project's
 * own functions, so the volumes are to the daemon what vol-create would have left.  With GUESTS, each
 * hundredth has a guest's record in that directory.
 */

#include <fcntl.h>
#include <glib/gstdio.h>
#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "link/guest-record.h"
#include "link/label.h"
#include "link/registry.h"

/* "LUKS On-Disk Format Specification Version 1.2.3", table 2.1: the header is 592 bytes long, its
 * UUID stands at 168 */
#define FILL_HEADER_LEN 592
#define FILL_UUID_OFFSET 168

#define FILL_PAYLOAD_SIZE (16 * 1024 * 1024)

/* In front of the C library's, for all that is linked here: what is made need not outlive a power
 * cut, and 40,000 flushes take minutes */
int
fsync(int fd G_GNUC_UNUSED)
{
    return 0;
}

int
fdatasync(int fd G_GNUC_UNUSED)
{
    return 0;
}

static int
fillFile(const char *path, const char *content, size_t len, off_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 || pwrite(fd, content, len, 0) != (ssize_t)len || ftruncate(fd, size) < 0)
        g_error("%s: %s", path, g_strerror(errno));
    return fd;
}

static void
fillVolume(lukshdrVolume *vol, const char *dir, char *name)
{
    g_autoptr(GError) error = NULL;

    vol->pool = g_path_get_basename(dir);
    vol->volume = name;
    vol->path = g_build_filename(dir, name, NULL);
    if (!lukshdrIdentityFromPath(vol->path, &vol->identity, &error))
        g_error("%s", error->message);
}

static void
fillGuest(const char *dir, const lukshdrLink *link, unsigned int i)
{
    g_autoptr(GPtrArray)
        disks = g_ptr_array_new_with_free_func((GDestroyNotify)lukshdrGuestDiskFree);
    lukshdrGuestDisk *disk = g_new0(lukshdrGuestDisk, 1);
    g_autofree char *name = g_strdup_printf("%u-guest-%u", i, i);
    g_autoptr(GError) error = NULL;

    disk->linkUUID = g_strdup(link->uuid);
    disk->nodeName = g_strdup("libvirt-1-format");
    disk->payloadPath = g_strdup(link->payload.path);
    disk->payloadIdentity = link->payload.identity;
    disk->headerPath = g_strdup(link->header.path);
    disk->headerIdentity = link->header.identity;
    disk->format = g_strdup(link->format);
    disk->granted = 1;
    g_ptr_array_add(disks, disk);
    if (!lukshdrGuestStore(dir, name, disks, &error))
        g_error("%s", error->message);
}

static void
fillLink(lukshdrRegistry *reg,
         char *template,
         const char *data,
         const char *vault,
         const char *guests,
         unsigned int i)
{
    g_autoptr(lukshdrLink) link = lukshdrLinkNew();
    g_autoptr(GError) error = NULL;
    g_autofree char *name = g_strdup_printf("volume-%05u.raw", i);
    g_autofree char *headerName = g_strconcat(name, ".luks", NULL);
    g_autofree char *path = g_build_filename(data, name, NULL);
    g_autofree char *headerPath = g_build_filename(vault, headerName, NULL);
    int header;

    link->luksUUID = g_uuid_string_random();
    link->secretUUID = g_uuid_string_random();
    link->secretGenerated = true;
    link->format = g_strdup("raw");
    link->state = LUKSHDR_LINK_STATE_ACTIVE;
    memcpy(template + FILL_UUID_OFFSET, link->luksUUID, strlen(link->luksUUID) + 1);

    close(fillFile(path, "", 0, FILL_PAYLOAD_SIZE));
    header = fillFile(headerPath, template, FILL_HEADER_LEN, LUKSHDR_HEADER_VOLUME_SIZE);
    fillVolume(&link->payload, data, g_steal_pointer(&name));
    fillVolume(&link->header, vault, g_steal_pointer(&headerName));

    if (!lukshdrLabelWriteOne(header, link, &error) || !lukshdrRegistryStore(reg, link, &error))
        g_error("%s", error->message);
    close(header);
    if (guests && i % 100 == 0)
        fillGuest(guests, link, i);
}

int
main(int argc, char *argv[])
{
    g_autoptr(GError) error = NULL;
    g_autofree char *template = NULL;
    lukshdrRegistry *reg;
    gsize len = 0;
    int i;

    if (argc != 7 && argc != 8) {
        g_printerr("Usage: %s REGISTRY TEMPLATE DATA VAULT FIRST LAST [GUESTS]\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (!g_file_get_contents(argv[2], &template, &len, &error) || len < FILL_HEADER_LEN)
        g_error("%s: %s", argv[2], error ? error->message : "no header");

    reg = lukshdrRegistryNew(argv[1]);
    for (i = atoi(argv[5]); i <= atoi(argv[6]); i++)
        fillLink(reg, template, argv[3], argv[4], argc == 8 ? argv[7] : NULL, i);
    lukshdrRegistryFree(reg);
    xmlCleanupParser();
    return EXIT_SUCCESS;
}
