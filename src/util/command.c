/*
 * command.c: running QEMU's tools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "command.h"

#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "error.h"

/* Runs in the child between fork and exec: async-signal-safe calls only.  The
 * daemon's threads block signals and ignore SIGPIPE, which a child inherits. */
static void
lukshdrCommandSetupChild(gpointer opaque G_GNUC_UNUSED)
{
    const struct rlimit none = { 0, 0 };
    sigset_t empty;

    /* the thread that waits for the child lives as long as it does, unless the
     * daemon dies: then nobody may go on writing to what the next one clears up */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none);
    umask(0077);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, NULL);
}

GSubprocess *
lukshdrCommandSpawn(const char *const *argv,
                    const lukshdrSecret *const *secrets,
                    GSubprocessFlags flags,
                    GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
    g_autoptr(GError) local = NULL;
    GSubprocess *child;
    int i;

    /* messages are shown to the client as they are, and looked into below */
    g_subprocess_launcher_setenv(launcher, "LC_ALL", "C", TRUE);
    g_subprocess_launcher_set_child_setup(launcher, lukshdrCommandSetupChild, NULL, NULL);

    for (i = 0; secrets && secrets[i]; i++) {
        int fd = lukshdrSecretPipe(secrets[i], error);

        if (fd < 0)
            return NULL;
        g_subprocess_launcher_take_fd(launcher, fd, LUKSHDR_COMMAND_SECRET_FD + i);
    }

    child = g_subprocess_launcher_spawnv(launcher, argv, &local);
    if (!child) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR,
                    _("Unable to run '%s': %s (is QEMU's package of tools installed?)"), argv[0],
                    local->message);
        return NULL;
    }
    return child;
}

void
lukshdrCommandSetFailure(GSubprocess *child,
                         const char *program,
                         const char *output,
                         GError **error)
{
    g_autofree char *text = g_utf8_make_valid(output ? output : "", -1);

    g_strstrip(text);

    if (g_subprocess_get_if_signaled(child)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("'%s' was killed by signal %d (%s)"), program,
                    g_subprocess_get_term_sig(child), strsignal(g_subprocess_get_term_sig(child)));
        return;
    }

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                _("'%s' failed with exit status %d: %s"), program,
                g_subprocess_get_if_exited(child) ? g_subprocess_get_exit_status(child) : -1, text);
}

bool
lukshdrCommandRun(const char *const *argv, const lukshdrSecret *const *secrets, GError **error)
{
    g_autoptr(GSubprocess) child = NULL;
    g_autoptr(GBytes) err = NULL;
    g_autofree char *text = NULL;

    if (!(child = lukshdrCommandSpawn(
              argv, secrets, G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE,
              error)))
        return false;

    if (!g_subprocess_communicate(child, NULL, NULL, NULL, &err, error)) {
        g_subprocess_force_exit(child);
        return false;
    }

    if (g_subprocess_get_successful(child))
        return true;

    text = g_strndup(g_bytes_get_data(err, NULL), g_bytes_get_size(err));
    lukshdrCommandSetFailure(child, argv[0], text, error);
    return false;
}
