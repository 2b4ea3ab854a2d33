/*
 * unsuited.c: a libvirt that the plugin must not touch
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For LD_PRELOAD into a daemon under test.  UNSUITED says in what way:
 *
 *   version       virGetVersion says 99.0.0 to the plugin
 *   old           virGetVersion says 8.0.0 to the plugin
 *   symbol=NAME   dlsym does not find NAME
 *   other=NAME    dlsym finds something else of that name
 *
 * The rest of the daemon asks neither way, so that it is as it was.
 */

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

int
virGetVersion(unsigned long *version, const char *type, unsigned long *typeVersion);

static int
unsuited(const char *how)
{
    const char *wanted = getenv("UNSUITED");

    return wanted && strcmp(wanted, how) == 0;
}

static int
unsuitedSymbol(const char *how, const char *name)
{
    const char *wanted = getenv("UNSUITED");
    size_t len = strlen(how);

    return wanted && strncmp(wanted, how, len) == 0 && strcmp(wanted + len, name) == 0;
}

int
virGetVersion(unsigned long *version, const char *type, unsigned long *typeVersion)
{
    int (*next)(unsigned long *, const char *, unsigned long *) = dlsym(RTLD_NEXT, "virGetVersion");
    int rc = next(version, type, typeVersion);

    if (unsuited("version"))
        *version = 99000000;
    else if (unsuited("old"))
        *version = 8000000;
    return rc;
}

/* glibc has no other name for its own: found by version, which only dlvsym can */
void *
dlsym(void *handle, const char *name)
{
    static void *(*next)(void *, const char *);

    if (!next && !(next = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34")))
        next = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (unsuitedSymbol("symbol=", name))
        return NULL;
    if (unsuitedSymbol("other=", name))
        return (void *)(size_t)&unsuited;
    return next(handle, name);
}
