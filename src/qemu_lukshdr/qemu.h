/*
 * qemu.h: what the files of the QEMU half share
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The state that qemuRegister sets up, and the names that this module exports.
 * README.md says which file wraps which function.
 */

#pragma once

#include "util/abi.h"
#include "lookup.h"

#define LUKSHDR_QEMU_EXPORT __attribute__((visibility("default")))

typedef struct _lukshdrQemuState lukshdrQemuState;
struct _lukshdrQemuState {
    bool active;        /* false: every wrapper calls its stock function and does nothing else */
    bool remoteHeaders; /* whether headers without a path can be used */
    bool bitmaps;       /* whether linked disks can have checkpoints */
    lukshdrABICommon common;
    lukshdrABIQemu libvirt;
    lukshdrABIQemuDriver stock; /* the stock module's own functions */
    lukshdrQemuHost host;       /* only Prepare and the code for clients' XML ask it */
};

/* qemuRegister sets it before any thread of the QEMU driver exists; after that it is only read. */
extern lukshdrQemuState lukshdrQemu;

/* The stock module's own function @name, in front of which our wrapper of that name stands */
#define LUKSHDR_STOCK(name) (lukshdrQemu.stock.name)

/* The wrappers, under the names that the stock driver calls */
#define LUKSHDR_QEMU_DECLARE(ret, name, args) LUKSHDR_QEMU_EXPORT ret name args;
LUKSHDR_ABI_QEMU_WRAPPED(LUKSHDR_QEMU_DECLARE)
LUKSHDR_ABI_QEMU_FORMAT_PROPS(LUKSHDR_QEMU_DECLARE)
LUKSHDR_ABI_QEMU_SCOPE(LUKSHDR_QEMU_DECLARE)
LUKSHDR_ABI_QEMU_REMOTE(LUKSHDR_QEMU_DECLARE)
LUKSHDR_ABI_QEMU_BITMAPS(LUKSHDR_QEMU_DECLARE)
#undef LUKSHDR_QEMU_DECLARE

/**
 * qemuRegister:
 *
 * libvirt's daemon calls this after it has loaded this module in the place of the stock
 * one.  It loads the stock module, stands in front of it if that is safe, and registers it.
 *
 * Returns: what the stock qemuRegister returns; 0 if there is no stock module.
 */
LUKSHDR_QEMU_EXPORT int
qemuRegister(void);

/**
 * lukshdrQemuErrorSave:
 *
 * Sets the thread's libvirt error aside.  Use it around calls whose own errors do not
 * matter: clean-up after a failure, or a question.
 *
 * Returns: the error, or NULL if there was none; to be handed to lukshdrQemuErrorRestore.
 */
virErrorPtr
lukshdrQemuErrorSave(void);

/**
 * lukshdrQemuErrorRestore:
 * @saved: from lukshdrQemuErrorSave; consumed
 *
 * Makes @saved the thread's libvirt error again, or resets it if @saved is NULL.
 */
void
lukshdrQemuErrorRestore(virErrorPtr saved);
