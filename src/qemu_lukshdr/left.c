/*
 * left.c: what guests have left that ended under a daemon without the plugin, or with the host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stock's own functions cannot be asked: they take a domain that runs.
 */

#include "config.h"

#include "left.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "link/handle.h"
#include "util/error.h"
#include "util/log.h"
#include "util/xml.h"
#include "disk.h"
#include "guest.h"
#include "qemu.h"
#include "remembered.h"
#include "shared-fs.h"

/* Two daemons may take the host's boot for one second more or less each; a boot takes longer than that */
#define LUKSHDR_QEMU_LEFT_BOOT_SECONDS 5

/* VIR_DOMAIN_SHORT_NAME_MAX in libvirt's domain_conf.c: of a longer name it takes so many characters */
#define LUKSHDR_QEMU_LEFT_SHORT 20

/* Returns the value of an attribute, or NULL with errno set */
static char *
lukshdrQemuLeftGet(int fd, const char *prefix, const char *driver)
{
    g_autofree char *name = g_strconcat(LUKSHDR_QEMU_REMEMBERED_XATTR, prefix, driver, NULL);
    char value[4096];
    ssize_t len = fgetxattr(fd, name, value, sizeof(value) - 1);

    return len < 0 ? NULL : g_strndup(value, len);
}

static void
lukshdrQemuLeftRemove(int fd, const char *prefix, const char *driver)
{
    g_autofree char *name = g_strconcat(LUKSHDR_QEMU_REMEMBERED_XATTR, prefix, driver, NULL);

    (void)fremovexattr(fd, name);
}

/* Takes @times users off what the security driver @driver remembers.  If none is left, sets @label to what the file
 * had before.  Returns false with errno set if nothing is remembered. */
static bool
lukshdrQemuLeftRecall(int fd, const char *driver, unsigned int times, char **label)
{
    g_autofree char *users = lukshdrQemuLeftGet(fd, LUKSHDR_QEMU_REMEMBERED_REF, driver);
    g_autofree char *name = NULL;
    g_autofree char *rest = NULL;
    guint64 count;

    *label = NULL;
    if (!users)
        return false;

    if (g_ascii_string_to_unsigned(users, 10, 0, G_MAXUINT, &count, NULL) && count > times) {
        name = g_strconcat(LUKSHDR_QEMU_REMEMBERED_XATTR, LUKSHDR_QEMU_REMEMBERED_REF, driver,
                           NULL);
        rest = g_strdup_printf("%" G_GUINT64_FORMAT, count - times);
        (void)fsetxattr(fd, name, rest, strlen(rest), XATTR_REPLACE);
        return true;
    }

    *label = lukshdrQemuLeftGet(fd, "", driver);
    lukshdrQemuLeftRemove(fd, LUKSHDR_QEMU_REMEMBERED_REF, driver);
    lukshdrQemuLeftRemove(fd, LUKSHDR_QEMU_REMEMBERED_TIME, driver);
    lukshdrQemuLeftRemove(fd, "", driver);
    return true;
}

typedef struct {
    bool dynamic;  /* whether libvirt changes the owners of images */
    bool remember; /* and remembers them */
} lukshdrQemuLeftConf;

static void
lukshdrQemuLeftConfRead(lukshdrQemuLeftConf *settings, const char *conf)
{
    const lukshdrABIQemu *abi = &lukshdrQemu.libvirt;
    virErrorPtr saved;
    virConf *parsed;

    *settings = (lukshdrQemuLeftConf){ .dynamic = true, .remember = true };
    if (access(conf, R_OK) < 0)
        return;

    saved = lukshdrQemuErrorSave();
    if ((parsed = abi->virConfReadFile(conf, 0))) {
        (void)abi->virConfGetValueBool(parsed, "dynamic_ownership", &settings->dynamic);
        (void)abi->virConfGetValueBool(parsed, "remember_owner", &settings->remember);
        abi->virConfFree(parsed);
    }
    lukshdrQemuErrorRestore(saved);
}

/* Whether what @driver remembers is of an earlier boot of the host: its guests are gone. */
static bool
lukshdrQemuLeftIsOfEarlierBoot(int fd, const char *driver)
{
    g_autofree char *recorded = lukshdrQemuLeftGet(fd, LUKSHDR_QEMU_REMEMBERED_TIME, driver);
    struct timespec up;
    guint64 then;

    return recorded && g_ascii_string_to_unsigned(recorded, 10, 0, G_MAXINT64, &then, NULL) &&
           clock_gettime(CLOCK_BOOTTIME, &up) == 0 &&
           (gint64)then + LUKSHDR_QEMU_LEFT_BOOT_SECONDS <
               g_get_real_time() / G_USEC_PER_SEC - up.tv_sec;
}

/* Opens the header of @disk */
static lukshdrHandle *
lukshdrQemuLeftOpen(const lukshdrGuestDisk *disk, GError **error)
{
    g_autoptr(lukshdrLink) link = lukshdrQemuDiskLink(disk);

    return lukshdrHandleOpen(&link->header, LUKSHDR_HANDLE_READ, error);
}

/* As stock's drivers restore an image: the remembered owner or, where none could be remembered, root; the remembered
 * SELinux label.  AppArmor's rules ended with the guest. */
static bool
lukshdrQemuLeftGiveBack(const lukshdrGuestDisk *disk,
                        const lukshdrHandle *handle,
                        unsigned int times,
                        const lukshdrQemuLeftConf *settings,
                        GError **error)
{
    g_autofree char *owner = NULL;
    g_autofree char *label = NULL;
    unsigned int uid = 0;
    unsigned int gid = 0;
    struct stat st;

    if (fstat(handle->fd, &st) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to examine '%s'"), disk->headerPath);
        return false;
    }

    if (lukshdrQemuLeftRecall(handle->fd, "selinux", times, &label) && label &&
        fsetxattr(handle->fd, "security.selinux", label, strlen(label) + 1, 0) < 0) {
        lukshdrErrorSetErrno(error, errno, _("Unable to set the SELinux label of '%s'"),
                             disk->headerPath);
        return false;
    }

    if (lukshdrQemuLeftRecall(handle->fd, "dac", times, &owner)) {
        if (!owner)
            return true; /* others use it */
        if (sscanf(owner, "+%u:+%u", &uid, &gid) != 2) {
            g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INTERNAL_ERROR,
                        _("libvirt remembers '%s' as its owner"), owner);
            return false;
        }
    } else if (!settings->dynamic || st.st_uid == 0 || (settings->remember && errno != ENOTSUP)) {
        return true; /* libvirt gave it to nobody, or has taken it back */
    }

    if (fchown(handle->fd, uid, gid) == 0)
        return true;
    lukshdrErrorSetErrno(error, errno, _("Unable to change the owner of '%s'"), disk->headerPath);
    return false;
}

/* Returns the state of the guest that the record @name is of, if it runs; NULL otherwise.  Sets @uncertain if a state
 * cannot be read, which may be that guest's. */
static xmlDoc *
lukshdrQemuLeftState(const char *states, const char *name, bool *uncertain)
{
    g_autoptr(GDir) dir = g_dir_open(states, 0, NULL);
    const char *shortName = strchr(name, '-');
    const char *file;

    while (dir && shortName && (file = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(states, file, NULL);
        g_autofree char *text = NULL;
        g_autofree char *id = NULL;
        g_autofree char *domainName = NULL;
        g_autoptr(xmlDoc) doc = NULL;
        xmlNode *domain;
        xmlNode *node;
        gsize len;

        if (!g_str_has_suffix(file, ".xml"))
            continue;
        if (!g_file_get_contents(path, &text, &len, NULL) ||
            !(doc = lukshdrXMLParse(text, len, NULL, NULL)) ||
            !(domain = lukshdrXMLChild(xmlDocGetRootElement(doc), LUKSHDR_XML_DOMAIN)) ||
            !(id = lukshdrXMLAttribute(domain, "id")) ||
            !(node = lukshdrXMLChild(domain, LUKSHDR_XML_NAME))) {
            *uncertain = true;
            continue;
        }

        domainName = lukshdrXMLText(node);
        if ((gsize)(shortName - name) == strlen(id) && g_str_has_prefix(name, id) &&
            (g_str_equal(domainName, shortName + 1) ||
             g_utf8_strlen(domainName, -1) > LUKSHDR_QEMU_LEFT_SHORT))
            return g_steal_pointer(&doc);
    }
    return NULL;
}

/* Does @node, or what is below it, name @disk's payload? */
static bool
lukshdrQemuLeftNames(xmlNode *node, const lukshdrGuestDisk *disk, const lukshdrLink *link)
{
    for (; node; node = node->next) {
        g_autofree char *volume = NULL;
        xmlAttr *attr;

        if (node->type != XML_ELEMENT_NODE)
            continue;
        for (attr = node->properties; attr; attr = attr->next) {
            if (attr->children && xmlStrEqual(attr->children->content, BAD_CAST disk->payloadPath))
                return true;
        }
        volume = lukshdrXMLAttribute(node, LUKSHDR_XML_VOLUME);
        if (volume && (!link || g_str_equal(volume, link->payload.volume)))
            return true;
        if (lukshdrQemuLeftNames(node->children, disk, link))
            return true;
    }
    return false;
}

/* Does the guest with that state still have @disk?  Of a payload without a path, its state says so in ways that differ
 * with the protocol: then yes. */
static bool
lukshdrQemuLeftHas(xmlDoc *state, const lukshdrGuestDisk *disk)
{
    g_autoptr(lukshdrLink) link = lukshdrRegistryGet(lukshdrQemu.host.registry, disk->linkUUID);

    return !g_path_is_absolute(disk->payloadPath) ||
           lukshdrQemuLeftNames(xmlDocGetRootElement(state), disk, link);
}

static void
lukshdrQemuLeftDisk(const char *name,
                    const lukshdrGuestDisk *disk,
                    const lukshdrQemuLeftConf *settings,
                    bool privileged)
{
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autoptr(GError) error = NULL;
    unsigned int times;

    /* further down a chain: stock leaves such files to the guest's user */
    if (disk->granted == 0) {
        lukshdrQemuGuestForget(name, disk->nodeName);
        return;
    }

    /* as in lukshdrQemuAccessRevoke: what another disk uses, or what is only read, stays */
    times = lukshdrQemuGuestRevoke(name, disk->nodeName, true);
    if (times == 0 || disk->readOnly || !privileged || lukshdrQemuDiskHeaderIsRemote(disk))
        return;

    if (lukshdrQemuSharedHas(disk->headerPath)) {
        LUKSHDR_LOG_WARN(
            _("Guest '%s' ended, or lost a disk, while the daemon ran without the plugin. Other hosts have "
              "header volume '%s' as well, so its owner stays as it is"),
            name, disk->headerPath);
    } else if ((handle = lukshdrQemuLeftOpen(disk, &error)) &&
               lukshdrQemuLeftGiveBack(disk, handle, times, settings, &error)) {
        LUKSHDR_LOG_INFO(
            "guest '%s' ended, or lost a disk, while the daemon ran without the plugin: header volume "
            "'%s' is given back",
            name, disk->headerPath);
    } else {
        LUKSHDR_LOG_WARN(
            _("Guest '%s' ended, or lost a disk, while the daemon ran without the plugin. Header volume "
              "'%s' must be given back to its owner by hand: %s"),
            name, disk->headerPath, error->message);
    }
}

void
lukshdrQemuLeftRestore(const char *states, const char *conf, bool privileged)
{
    g_auto(GStrv) names = lukshdrQemuGuestNames();
    lukshdrQemuLeftConf settings;
    size_t i;

    if (!names[0] || (access(states, R_OK | X_OK) < 0 && errno != ENOENT))
        return;
    lukshdrQemuLeftConfRead(&settings, conf);

    for (i = 0; names[i]; i++) {
        bool uncertain = false;
        g_autoptr(xmlDoc) state = lukshdrQemuLeftState(states, names[i], &uncertain);
        g_autoptr(GPtrArray) disks = lukshdrQemuGuestDisks(names[i]);
        guint j;

        if (!state && uncertain)
            continue;
        for (j = 0; j < disks->len; j++) {
            const lukshdrGuestDisk *disk = g_ptr_array_index(disks, j);

            if (!state || !lukshdrQemuLeftHas(state, disk))
                lukshdrQemuLeftDisk(names[i], disk, &settings, privileged);
        }
        if (!state)
            lukshdrQemuGuestDrop(names[i]);
    }
}

void
lukshdrQemuLeftReclaim(const lukshdrGuestDisk *disk)
{
    static const lukshdrQemuLeftConf nothing = { .dynamic = false, .remember = true };
    g_autoptr(lukshdrHandle) handle = NULL;
    g_autoptr(GError) error = NULL;

    if (!lukshdrQemu.host.privileged || lukshdrQemuSharedHas(disk->headerPath))
        return;

    /* what cannot be opened is told of by those who need it */
    if (!(handle = lukshdrQemuLeftOpen(disk, NULL)) ||
        !(lukshdrQemuLeftIsOfEarlierBoot(handle->fd, "dac") ||
          lukshdrQemuLeftIsOfEarlierBoot(handle->fd, "selinux")))
        return;

    if (!lukshdrQemuLeftGiveBack(disk, handle, G_MAXUINT, &nothing, &error)) {
        LUKSHDR_LOG_WARN(
            _("A guest had header volume '%s' when the host went down. It must be given back to its "
              "owner by hand: %s"),
            disk->headerPath, error->message);
    }
}
