/*
 * pass.c: passphrases, from people and from libvirt
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "pass.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <gnutls/gnutls.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "util/error.h"
#include "util/xml.h"

/* As much as a pipe holds and as libvirt allows (VIR_SECRET_VALUE_MAX in its secret driver's
 * RPC) */
#define LUKSHDR_TOOL_PASS_MAX (64 * 1024)

/* Reads to the end, into @buffer, which has LUKSHDR_TOOL_PASS_MAX + 1 bytes */
static ssize_t
lukshdrToolPassReadAll(int fd, guint8 *buffer)
{
    size_t len = 0;

    while (len <= LUKSHDR_TOOL_PASS_MAX) {
        ssize_t got = TEMP_FAILURE_RETRY(read(fd, buffer + len, LUKSHDR_TOOL_PASS_MAX + 1 - len));

        if (got < 0)
            return -1;
        if (got == 0)
            break;
        len += got;
    }
    return len;
}

static lukshdrSecret *
lukshdrToolPassReadFD(int fd, const char *name, GError **error)
{
    guint8 *buffer = g_malloc(LUKSHDR_TOOL_PASS_MAX + 1);
    ssize_t len = lukshdrToolPassReadAll(fd, buffer);
    lukshdrSecret *secret = NULL;

    if (len < 0)
        lukshdrErrorSetErrno(error, errno, _("Unable to read the passphrase from '%s'"), name);
    else if (len == 0 || len > LUKSHDR_TOOL_PASS_MAX)
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    len ? _("the passphrase in '%s' is longer than 64 KiB")
                        : _("'%s' has no passphrase in it"),
                    name);
    else
        secret = lukshdrSecretNew(buffer, len);

    gnutls_memset(buffer, 0, LUKSHDR_TOOL_PASS_MAX + 1);
    g_free(buffer);
    return secret;
}

/* The signal that came while the terminal did not echo.  Only one thread asks for passphrases. */
static volatile sig_atomic_t lukshdrToolPassSignal;

static void
lukshdrToolPassCatch(int number)
{
    lukshdrToolPassSignal = number;
}

/* Reads a line without echo; the terminal echoes again afterwards, even if a signal interrupts
 * it */
static ssize_t
lukshdrToolPassReadLine(int tty, const char *prompt, char *buffer, size_t size)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
    struct sigaction before[G_N_ELEMENTS(numbers)];
    /* without SA_RESTART a signal ends the read */
    const struct sigaction catch = { .sa_handler = lukshdrToolPassCatch };
    struct termios echo;
    struct termios silent;
    ssize_t got;
    size_t i;

    if (tcgetattr(tty, &echo) < 0)
        return -1;

    lukshdrToolPassSignal = 0;
    for (i = 0; i < G_N_ELEMENTS(numbers); i++)
        sigaction(numbers[i], &catch, &before[i]);

    silent = echo;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    silent.c_lflag |= ICANON | ISIG;
    tcsetattr(tty, TCSAFLUSH, &silent);
    dprintf(tty, "%s: ", prompt);
    got = read(tty, buffer, size);
    tcsetattr(tty, TCSAFLUSH, &echo);
    dprintf(tty, "\n");

    for (i = 0; i < G_N_ELEMENTS(numbers); i++)
        sigaction(numbers[i], &before[i], NULL);
    return lukshdrToolPassSignal ? -1 : got;
}

static lukshdrSecret *
lukshdrToolPassAsk(int tty, const char *prompt, GError **error)
{
    /* a terminal's line has at most this many bytes (N_TTY_BUF_SIZE in Linux) */
    char buffer[4096];
    ssize_t got = lukshdrToolPassReadLine(tty, prompt, buffer, sizeof(buffer));
    lukshdrSecret *secret = NULL;

    if (got > 0 && buffer[got - 1] == '\n')
        got--;
    if (lukshdrToolPassSignal)
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_INTERRUPTED, _("interrupted"));
    else if (got < 0)
        lukshdrErrorSetErrno(error, errno, _("Unable to read the passphrase from the terminal"));
    else if (got == 0)
        g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                            _("no passphrase was entered"));
    else
        secret = lukshdrSecretNew((const guint8 *)buffer, got);

    gnutls_memset(buffer, 0, sizeof(buffer));
    return secret;
}

static bool
lukshdrToolPassEqual(const lukshdrSecret *one, const lukshdrSecret *other)
{
    return lukshdrSecretLength(one) == lukshdrSecretLength(other) &&
           memcmp(lukshdrSecretData(one), lukshdrSecretData(other), lukshdrSecretLength(one)) == 0;
}

lukshdrSecret *
lukshdrToolPassRead(const lukshdrToolPass *pass, const char *prompt, bool twice, GError **error)
{
    g_autoptr(lukshdrSecret) secret = NULL;
    int fd;

    if (pass->fd >= 0) {
        g_autofree char *name = g_strdup_printf(_("descriptor %d"), pass->fd);

        return lukshdrToolPassReadFD(pass->fd, name, error);
    }

    if (pass->file) {
        if ((fd = open(pass->file, O_RDONLY | O_CLOEXEC)) < 0) {
            lukshdrErrorSetErrno(error, errno, _("Unable to open '%s'"), pass->file);
            return NULL;
        }
        secret = lukshdrToolPassReadFD(fd, pass->file, error);
        close(fd);
        return g_steal_pointer(&secret);
    }

    if ((fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)) < 0) {
        g_set_error(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                    _("there is no terminal to ask at (%s); give a file or a descriptor"), prompt);
        return NULL;
    }

    secret = lukshdrToolPassAsk(fd, prompt, error);
    if (secret && twice) {
        g_autofree char *again = g_strdup_printf(_("%s, once more"), prompt);
        g_autoptr(lukshdrSecret) second = lukshdrToolPassAsk(fd, again, error);

        if (second && !lukshdrToolPassEqual(secret, second))
            g_set_error_literal(error, LUKSHDR_TOOL_ERROR, LUKSHDR_TOOL_REFUSED,
                                _("the two passphrases differ"));
        if (!second || !lukshdrToolPassEqual(secret, second))
            g_clear_pointer(&secret, lukshdrSecretFree);
    }
    close(fd);
    return g_steal_pointer(&secret);
}

/* Asked first, since the daemon logs an error when it is asked for the value of a private secret */
static bool
lukshdrToolPassIsPrivate(virSecretPtr secret)
{
    g_autofree char *xml = virSecretGetXMLDesc(secret, 0);
    g_autoptr(xmlDoc) doc = xml ? lukshdrXMLParse(xml, strlen(xml), LUKSHDR_XML_SECRET, NULL)
                                : NULL;
    g_autofree char *private = doc ? lukshdrXMLAttribute(xmlDocGetRootElement(doc), "private")
                                   : NULL;

    return g_strcmp0(private, "yes") == 0;
}

lukshdrSecret *
lukshdrToolPassOf(lukshdrTool *tool, const char *uuid, GError **error)
{
    g_autoptr(virSecret) libvirt = virSecretLookupByUUIDString(tool->conn, uuid);
    lukshdrSecret *secret;
    unsigned char *value;
    size_t len = 0;

    if (!libvirt) {
        lukshdrToolSetLast(error);
        return NULL;
    }

    if (lukshdrToolPassIsPrivate(libvirt)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_INVALID_SECRET,
                    _("secret '%s' is private: libvirt gives its value to no client"), uuid);
        return NULL;
    }
    if (!(value = virSecretGetValue(libvirt, &len, 0))) {
        lukshdrToolSetLast(error);
        return NULL;
    }

    secret = lukshdrSecretNew(value, len);
    gnutls_memset(value, 0, len);
    free(value);
    return secret;
}
