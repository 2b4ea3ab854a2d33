/*
 * kept.h: stock's error, kept until the entry that the client called returns
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Stock says why it failed in the thread's libvirt error, and every public function of libvirt's, even one
 * that frees something, resets that error.  So each entry that the plugin puts in front of stock's goes through
 * LUKSHDR_KEPT_ENTRY, and calls stock's through LUKSHDR_KEPT_STOCK: clean-up of ours cannot lose the error.  The
 * same goes for an error of our own (lukshdrReportError).
 */

#pragma once

#include <glib.h>
#include <libvirt/virterror.h>
#include <stdbool.h>

#include "abi.h"

/**
 * lukshdrKeptInit:
 * @abi: the common functions; copied
 *
 * lukshdrLogInit calls it.
 */
void
lukshdrKeptInit(const lukshdrABICommon *abi);

/**
 * lukshdrKeptBegin:
 *
 * An entry begins.
 *
 * Returns: the error that was kept for an entry around this one, or NULL; to be handed to lukshdrKeptEnd.
 */
virErrorPtr
lukshdrKeptBegin(void);

/**
 * lukshdrKeptEnd:
 * @outer: from lukshdrKeptBegin; consumed
 * @failed: whether the entry failed
 *
 * An entry returns.  If it has failed and the thread has no libvirt error, the one that was kept last becomes the
 * thread's again.
 */
void
lukshdrKeptEnd(virErrorPtr outer, bool failed);

/**
 * lukshdrKeptSet:
 *
 * Stock has failed: keeps the thread's libvirt error, if it has one.
 */
void
lukshdrKeptSet(void);

/**
 * lukshdrKeptIs:
 * @code: a virErrorNumber
 * @message: a message of libvirt's
 *
 * Returns: whether the error that was kept last is this one.
 */
bool
lukshdrKeptIs(int code, const char *message);

/**
 * lukshdrKeptRestore:
 *
 * Makes the error that was kept last, if there is one, the thread's again.  It is no longer kept then.
 */
void
lukshdrKeptRestore(void);

static inline bool
lukshdrKeptIsNegative(int value)
{
    return value < 0;
}

static inline bool
lukshdrKeptIsNull(const void *value)
{
    return !value;
}

/* clang-format off */

/* What an entry returned: did it fail? */
#define LUKSHDR_KEPT_FAILED(value) \
    _Generic((value), int: lukshdrKeptIsNegative, default: lukshdrKeptIsNull)(value)

/* clang-format on */

/* Defines a function that calls stock's entry @name of the table @from, and keeps its error */
#define LUKSHDR_KEPT_STOCK(from, ret, name, params, args) \
    static ret lukshdrStock_##name params \
    { \
        ret value = (from).name args; \
\
        if (LUKSHDR_KEPT_FAILED(value)) \
            lukshdrKeptSet(); \
        return value; \
    }

/* Defines a function to be put in the place of stock's entry @name: it calls ours, of the table @from */
#define LUKSHDR_KEPT_ENTRY(from, ret, name, params, args) \
    static ret lukshdrEntry_##name params \
    { \
        virErrorPtr outer = lukshdrKeptBegin(); \
        ret value = (from).name args; \
\
        lukshdrKeptEnd(outer, LUKSHDR_KEPT_FAILED(value)); \
        return value; \
    }
