/*
 * log.h: the daemon's log and the errors that clients see
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Both go through libvirt's own functions, so that filters, outputs and error
 * handlers treat the plugin as they treat libvirt.  What others wrote can be part of
 * any message: both pass it through lukshdrTextShown, so a message is always one line.
 * One line, that of lukshdrLogNotice, goes to the journal besides.
 */

#pragma once

#include "abi.h"

/**
 * lukshdrLogInit:
 * @abi: the common functions; copied.  Where virLogMessage is missing, messages
 *       go to stderr, where virReportErrorHelper is, errors go to the log.
 * @source: name of the log source, static, e.g. "lukshdr.storage"
 * @domain: virErrorDomain of the errors
 *
 * Called once, from the module's register function, before any thread exists.
 */
void
lukshdrLogInit(const lukshdrABICommon *abi, const char *source, int domain);

/**
 * lukshdrLog:
 * @priority: LUKSHDR_VIR_LOG_*
 * @file: source file
 * @line: line in it
 * @func: function
 * @format: printf format, already translated where a person is to read it
 *
 * To be used through the macros below.  Never given a secret.
 */
void
lukshdrLog(int priority, const char *file, int line, const char *func, const char *format, ...)
    G_GNUC_PRINTF(5, 6);

#define LUKSHDR_LOG_DEBUG(...) \
    lukshdrLog(LUKSHDR_VIR_LOG_DEBUG, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define LUKSHDR_LOG_INFO(...) \
    lukshdrLog(LUKSHDR_VIR_LOG_INFO, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define LUKSHDR_LOG_WARN(...) \
    lukshdrLog(LUKSHDR_VIR_LOG_WARN, __FILE__, __LINE__, __func__, __VA_ARGS__)
#define LUKSHDR_LOG_ERROR(...) \
    lukshdrLog(LUKSHDR_VIR_LOG_ERROR, __FILE__, __LINE__, __func__, __VA_ARGS__)

/**
 * lukshdrLogNotice:
 * @text: one line that says what the process does by the plugin, translated
 *
 * For what an administrator looks for after an installation. libvirt's own levels have nothing
 * between "info", which its default drops, and "warning", which this is not. So the daemon's log gets
 * @text as "info", and the journal gets it as "notice" if the process's stderr is the journal, as it
 * is where systemd has started the daemon.
 */
void
lukshdrLogNotice(const char *text);

/**
 * lukshdrReportError:
 * @error: the error
 *
 * Makes @error the calling thread's libvirt error, to be seen by the client.  A LUKSHDR_STOCK_ERROR to which
 * nothing was added becomes the very error that stock raised.
 */
void
lukshdrReportError(const GError *error);

/**
 * lukshdrErrorFromLast:
 * @error: set to a LUKSHDR_STOCK_ERROR
 *
 * Takes the calling thread's libvirt error over, before clean-up (any public libvirt
 * function, even a free) resets it.  Also keeps it (kept.h).
 */
void
lukshdrErrorFromLast(GError **error);
