/*
 * log.c: the daemon's log and the errors that clients see
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "log.h"

#include <glib/gi18n-lib.h>
#include <stdio.h>
#include <unistd.h>

#include "error.h"
#include "kept.h"
#include "text.h"

/* set once by lukshdrLogInit, read-only afterwards; virLogMessage itself updates
 * the two numbers of the source under libvirt's lock */
static lukshdrABICommon lukshdrLogABI;
static lukshdrVirLogSource lukshdrLogSource = { .name = "lukshdr",
                                                .priority = LUKSHDR_VIR_LOG_ERROR };
static int lukshdrLogDomain = VIR_FROM_NONE;

void
lukshdrLogInit(const lukshdrABICommon *abi, const char *source, int domain)
{
    lukshdrLogABI = *abi;
    lukshdrKeptInit(abi);
    lukshdrLogSource.name = source;
    lukshdrLogDomain = domain;
}

void
lukshdrLog(int priority, const char *file, int line, const char *func, const char *format, ...)
{
    g_autofree char *message = NULL;
    g_autofree char *shown = NULL;
    va_list args;

    va_start(args, format);
    message = g_strdup_vprintf(format, args);
    va_end(args);
    shown = lukshdrTextShown(message);

    if (lukshdrLogABI.virLogMessage)
        lukshdrLogABI.virLogMessage(&lukshdrLogSource, priority, file, line, func, NULL, "%s",
                                    shown);
    else if (priority >= LUKSHDR_VIR_LOG_WARN)
        fprintf(stderr, "%s: %s\n", lukshdrLogSource.name, shown);
}

void
lukshdrLogNotice(const char *text)
{
    /* the number is syslog's LOG_NOTICE, in the journal's own form */
    const GLogField fields[] = { { "MESSAGE", text, -1 },
                                 { "PRIORITY", "5", -1 },
                                 { "LIBVIRT_SOURCE", lukshdrLogSource.name, -1 } };

    LUKSHDR_LOG_INFO("%s", text);
    if (g_log_writer_is_journald(STDERR_FILENO))
        g_log_writer_journald(G_LOG_LEVEL_MESSAGE, fields, G_N_ELEMENTS(fields), NULL);
}

void
lukshdrReportError(const GError *error)
{
    g_autofree char *shown = lukshdrTextShown(error->message);
    int code = lukshdrErrorCode(error);

    /* what stock has said, and nothing else: the log has it already */
    if (error->domain == LUKSHDR_STOCK_ERROR && lukshdrKeptIs(code, error->message))
        lukshdrKeptRestore();
    else if (error->domain == LUKSHDR_STOCK_ERROR && lukshdrLogABI.virRaiseErrorFull)
        lukshdrLogABI.virRaiseErrorFull(__FILE__, __func__, __LINE__, lukshdrLogDomain, code,
                                        VIR_ERR_ERROR, NULL, shown, NULL, -1, -1, "%s", shown);
    else if (lukshdrLogABI.virReportErrorHelper)
        lukshdrLogABI.virReportErrorHelper(lukshdrLogDomain, code, __FILE__, __func__, __LINE__,
                                           "%s", shown);
    else
        LUKSHDR_LOG_ERROR("%s", shown);
    lukshdrKeptSet();
}

void
lukshdrErrorFromLast(GError **error)
{
    virErrorPtr last = virGetLastError();

    lukshdrKeptSet();
    g_set_error_literal(error, LUKSHDR_STOCK_ERROR, last ? last->code : VIR_ERR_INTERNAL_ERROR,
                        last && last->message ? last->message : _("libvirt gives no reason"));
}
