/*
 * modular.c: lets libvirtd behave as the modular daemons do, by LD_PRELOAD
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * libvirtd takes every local connection for its own business, also one to a driver
 * that it has not loaded.  A modular daemon (virtqemud, virtstoraged, ...) asks the
 * daemon that has the driver.  The difference is one argument of the function that
 * sets the drivers up (libvirt 11.3.0: the fourth, after a name that may be NULL).
 */

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int
virStateInitialize(bool privileged,
                   bool mandatory,
                   const char *root,
                   uintptr_t monolithic,
                   void *callback,
                   void *opaque)
{
    int (*stock)(bool, bool, const char *, uintptr_t, void *, void *) = (int (*)(
        bool, bool, const char *, uintptr_t, void *, void *))dlsym(RTLD_NEXT, "virStateInitialize");

    /* a bool; in releases that have none there it is a function, which is not at address 1 */
    if ((monolithic & 0xff) == 1 && monolithic < 4096)
        monolithic = 0;
    return stock ? stock(privileged, mandatory, root, monolithic, callback, opaque) : -1;
}
