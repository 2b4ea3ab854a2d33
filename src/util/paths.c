/*
 * paths.c: the directories that the halves and the tool share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "paths.h"

static char *
lukshdrPathConfig(bool privileged, const char *name)
{
    if (privileged)
        return g_build_filename(LUKSHDR_SYSCONFDIR, "libvirt", "lukshdr", name, NULL);
    return g_build_filename(g_get_user_config_dir(), "libvirt", "lukshdr", name, NULL);
}

char *
lukshdrPathRegistry(bool privileged)
{
    return lukshdrPathConfig(privileged, "links");
}

char *
lukshdrPathDecrypted(bool privileged)
{
    return lukshdrPathConfig(privileged, "decrypted");
}

char *
lukshdrPathPools(bool privileged)
{
    return lukshdrPathConfig(privileged, "pools");
}

char *
lukshdrPathQemuConf(bool privileged)
{
    return g_build_filename(privileged ? LUKSHDR_SYSCONFDIR : g_get_user_config_dir(), "libvirt",
                            "qemu.conf", NULL);
}

char *
lukshdrPathGuests(bool privileged)
{
    if (privileged)
        return g_strdup(LUKSHDR_RUNSTATEDIR "/libvirt/lukshdr/guests");
    return g_build_filename(g_get_user_runtime_dir(), "libvirt", "lukshdr", "guests", NULL);
}

char *
lukshdrPathGuestStates(bool privileged)
{
    if (privileged)
        return g_strdup(LUKSHDR_RUNSTATEDIR "/libvirt/qemu");
    return g_build_filename(g_get_user_runtime_dir(), "libvirt", "qemu", "run", NULL);
}

char *
lukshdrPathSchema(const char *name)
{
    const char *dir = g_getenv(LUKSHDR_ENV_SCHEMA_DIR);

    return g_build_filename(dir ? dir : LUKSHDR_SCHEMA_DIR, name, NULL);
}

char *
lukshdrPathPoolConfigs(bool privileged)
{
    if (privileged)
        return g_build_filename(LUKSHDR_SYSCONFDIR, "libvirt", "storage", NULL);
    return g_build_filename(g_get_user_config_dir(), "libvirt", "storage", NULL);
}

char *
lukshdrPathPoolStates(bool privileged)
{
    if (privileged)
        return g_build_filename(LUKSHDR_RUNSTATEDIR, "libvirt", "storage", NULL);
    return g_build_filename(g_get_user_runtime_dir(), "libvirt", "storage", "run", NULL);
}

char *
lukshdrPathPoolState(bool privileged, const char *pool)
{
    g_autofree char *name = g_strconcat(pool, ".xml", NULL);
    g_autofree char *dir = lukshdrPathPoolStates(privileged);

    return g_build_filename(dir, name, NULL);
}

char *
lukshdrPathPoolFound(bool privileged, const char *pool)
{
    g_autofree char *dir = privileged ? g_strdup(LUKSHDR_RUNSTATEDIR "/libvirt/lukshdr/active")
                                      : g_build_filename(g_get_user_runtime_dir(), "libvirt",
                                                         "lukshdr", "active", NULL);

    return pool ? g_build_filename(dir, pool, NULL) : g_steal_pointer(&dir);
}

char **
lukshdrPathSecretUsers(bool privileged, bool deep)
{
    g_autofree char *config = g_build_filename(
        privileged ? LUKSHDR_SYSCONFDIR : g_get_user_config_dir(), "libvirt", "qemu", NULL);
    g_autofree char *run = privileged
                               ? g_build_filename(LUKSHDR_RUNSTATEDIR, "libvirt", "qemu", NULL)
                               : g_build_filename(g_get_user_runtime_dir(), "libvirt", "qemu",
                                                  "run", NULL);
    g_autofree char *lib = privileged ? g_build_filename(LUKSHDR_LOCALSTATEDIR, "lib", "libvirt",
                                                         "qemu", NULL)
                                      : g_strdup(config);
    char **dirs = g_new0(char *, 5);

    if (deep) {
        dirs[0] = g_build_filename(lib, "snapshot", NULL);
        dirs[1] = g_build_filename(lib, "checkpoint", NULL);
    } else {
        dirs[0] = g_steal_pointer(&config);
        dirs[1] = g_steal_pointer(&run);
        dirs[2] = g_build_filename(lib, "save", NULL);
        dirs[3] = lukshdrPathPools(privileged);
    }
    return dirs;
}
