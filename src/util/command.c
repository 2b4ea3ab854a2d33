/*
 * command.c: running QEMU's tools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <libvirt/virterror.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"

/* The child's numbers of the first passphrase and the first file, see the names in the header */
#define LUKSHDR_COMMAND_SECRET_FD 3
#define LUKSHDR_COMMAND_FILE_FD (LUKSHDR_COMMAND_SECRET_FD + LUKSHDR_COMMAND_SECRETS_MAX)

/* How long a child that was killed may take to be gone before it is given up, seconds */
#define LUKSHDR_COMMAND_GRACE 10

/* How much of what a child says is kept, bytes: QEMU's tools say a line or two */
#define LUKSHDR_COMMAND_TEXT_MAX (64 * 1024)

/* Looks at a child's progress in one deadline */
#define LUKSHDR_COMMAND_LOOKS 10

const char *
lukshdrCommandFile(guint index)
{
    static const char *const names[] = { "/dev/fd/7", "/dev/fd/8", "/dev/fd/9", "/dev/fd/10" };

    G_STATIC_ASSERT(LUKSHDR_COMMAND_FILE_FD == 7);
    G_STATIC_ASSERT(G_N_ELEMENTS(names) == LUKSHDR_COMMAND_FILES_MAX);
    g_return_val_if_fail(index < LUKSHDR_COMMAND_FILES_MAX, NULL);
    return names[index];
}

/* As the next function.  Nothing here has to succeed. */
static void
lukshdrCommandYield(void)
{
    static const char lowest[] = "19";
    const struct sched_param none = { 0 };
    int fd;

    setpriority(PRIO_PROCESS, 0, 19);
    sched_setscheduler(0, SCHED_IDLE, &none);
    /* where the kernel shares out time among sessions first (sched(7), "autogroup"), priorities count within
     * a session only, and this child has one of its own */
    if ((fd = open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC)) >= 0) {
        if (write(fd, lowest, sizeof(lowest) - 1) < 0)
            errno = 0;
        close(fd);
    }
}

/* Runs in the child between fork and exec: async-signal-safe calls only.  The
 * daemon's threads block signals and ignore SIGPIPE, which a child inherits.  @opaque is the command. */
static void
lukshdrCommandSetupChild(gpointer opaque)
{
    const lukshdrCommand *command = opaque;
    const struct rlimit none = { 0, 0 };
    sigset_t empty;

    /* the thread that waits for the child lives as long as it does, unless the
     * daemon dies: then nobody may go on writing to what the next one clears up */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* to be killed with all that it starts; SELinux lets libvirt's daemons do this, and not setpgid */
    setsid();
    if (command->background)
        lukshdrCommandYield();
    setrlimit(RLIMIT_CORE, &none);
    umask(0077);
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&empty);
    sigprocmask(SIG_SETMASK, &empty, NULL);
}

/* Puts passphrases and files where the child finds them */
static bool
lukshdrCommandGive(GSubprocessLauncher *launcher, const lukshdrCommand *command, GError **error)
{
    int fd;
    int i;

    for (i = 0; command->secrets && command->secrets[i]; i++) {
        g_return_val_if_fail(i < LUKSHDR_COMMAND_SECRETS_MAX, false);
        if ((fd = lukshdrSecretPipe(command->secrets[i], error)) < 0)
            return false;
        g_subprocess_launcher_take_fd(launcher, fd, LUKSHDR_COMMAND_SECRET_FD + i);
    }

    for (i = 0; command->files && command->files[i] >= 0; i++) {
        g_return_val_if_fail(i < LUKSHDR_COMMAND_FILES_MAX, false);
        if ((fd = fcntl(command->files[i], F_DUPFD_CLOEXEC, 0)) < 0) {
            lukshdrErrorSetErrno(error, errno, _("Unable to hand a file to '%s'"),
                                 command->argv[0]);
            return false;
        }
        g_subprocess_launcher_take_fd(launcher, fd, LUKSHDR_COMMAND_FILE_FD + i);
    }
    return true;
}

/* All bytes that the child has read and written so far; where the kernel does not count them, its
 * time on the processor.  0 if it is gone. */
static guint64
lukshdrChildWork(const lukshdrChild *child)
{
    g_autofree char *io = g_strdup_printf("/proc/%d/io", (int)child->pid);
    g_autofree char *stat = g_strdup_printf("/proc/%d/stat", (int)child->pid);
    g_autofree char *text = NULL;
    unsigned long long first;
    unsigned long long second;
    const char *rest;

    /* proc(5): "rchar: N\nwchar: N\n..."; "PID (NAME) STATE" and ten numbers before the two times */
    if (g_file_get_contents(io, &text, NULL, NULL) &&
        sscanf(text, "rchar: %llu wchar: %llu", &first, &second) == 2)
        return first + second;

    g_clear_pointer(&text, g_free);
    if (g_file_get_contents(stat, &text, NULL, NULL) && (rest = strrchr(text, ')')) &&
        sscanf(rest, ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &first, &second) ==
            2)
        return first + second;
    return 0;
}

/* A GThreadFunc */
static gpointer
lukshdrChildWatch(gpointer opaque)
{
    lukshdrChild *child = opaque;
    const gint64 most = (gint64)child->deadline * G_USEC_PER_SEC;
    gint64 since = g_get_monotonic_time();
    guint64 before = 0;

    g_mutex_lock(&child->lock);
    while (!child->ended) {
        gint64 now = g_get_monotonic_time();
        guint64 work = child->progress ? lukshdrChildWork(child) : 0;

        if (work != before) {
            before = work;
            since = now;
        }
        if (!child->stopped && now - since < most) {
            gint64 look = child->progress ? now + most / LUKSHDR_COMMAND_LOOKS : since + most;

            g_cond_wait_until(&child->changed, &child->lock, MIN(look, since + most));
            continue;
        }

        child->late = !child->stopped;
        /* once it has been buried its number may be another's */
        if (g_subprocess_get_identifier(child->process))
            kill(-child->pid, SIGKILL);
        while (!child->ended && g_cond_wait_until(&child->changed, &child->lock,
                                                  now + LUKSHDR_COMMAND_GRACE * G_USEC_PER_SEC))
            ;
        if (!child->ended)
            g_cancellable_cancel(child->cancellable);
        break;
    }
    g_mutex_unlock(&child->lock);
    return NULL;
}

/* A GCallback of GCancellable's */
static void
lukshdrChildStop(GCancellable *background G_GNUC_UNUSED, gpointer opaque)
{
    lukshdrChild *child = opaque;

    g_mutex_lock(&child->lock);
    child->stopped = true;
    g_cond_signal(&child->changed);
    g_mutex_unlock(&child->lock);
}

lukshdrChild *
lukshdrCommandSpawn(const lukshdrCommand *command, GSubprocessFlags flags, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(flags);
    g_autoptr(GError) local = NULL;
    GSubprocess *process;
    lukshdrChild *child;
    const char *pid;

    /* messages are shown to the client as they are, and looked into below */
    g_subprocess_launcher_setenv(launcher, "LC_ALL", "C", TRUE);
    g_subprocess_launcher_set_child_setup(launcher, lukshdrCommandSetupChild, (gpointer)command,
                                          NULL);

    if (!lukshdrCommandGive(launcher, command, error))
        return NULL;

    if (!(process = g_subprocess_launcher_spawnv(launcher, command->argv, &local))) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_SYSTEM_ERROR,
                    _("Unable to run '%s': %s (is QEMU's package of tools installed?)"),
                    command->argv[0], local->message);
        return NULL;
    }

    child = g_new0(lukshdrChild, 1);
    child->process = process;
    child->cancellable = g_cancellable_new();
    child->program = g_strdup(command->argv[0]);
    child->deadline = command->deadline;
    child->progress = command->progress;
    g_mutex_init(&child->lock);
    g_cond_init(&child->changed);
    /* NULL if it has ended already; what it has started may still hold its pipes */
    if ((pid = g_subprocess_get_identifier(process)))
        child->pid = (GPid)g_ascii_strtoll(pid, NULL, 10);
    child->watch = g_thread_new("lukshdr-watch", lukshdrChildWatch, child);
    if (command->background) {
        child->background = g_object_ref(command->background);
        child->handler = g_cancellable_connect(child->background, G_CALLBACK(lukshdrChildStop),
                                               child, NULL);
    }
    return child;
}

/* Ends the watch; nothing else looks at the child from now on */
static void
lukshdrChildUnwatch(lukshdrChild *child)
{
    /* waits for a handler that runs */
    if (child->background)
        g_cancellable_disconnect(child->background, child->handler);
    g_clear_object(&child->background);
    g_mutex_lock(&child->lock);
    child->ended = true;
    g_cond_signal(&child->changed);
    g_mutex_unlock(&child->lock);
    g_clear_pointer(&child->watch, g_thread_join);
}

bool
lukshdrChildEnd(lukshdrChild *child, const char *output, GError **error)
{
    g_autofree char *text = g_utf8_make_valid(output ? output : "", -1);

    g_strstrip(text);
    g_subprocess_wait(child->process, child->cancellable, NULL);
    lukshdrChildUnwatch(child);

    if (g_subprocess_get_identifier(child->process)) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                    _("'%s' did not end in time and cannot be killed (process %d): it waits for "
                      "storage that does not answer"),
                    child->program, (int)child->pid);
        return false;
    }

    if (child->stopped) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_ABORTED,
                    _("'%s' was killed: nobody needs it any more"), child->program);
        return false;
    }

    if (child->late) {
        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_TIMEOUT,
                    child->progress
                        ? _("'%s' was killed: it had read and written nothing for %u seconds; "
                            "does the storage still answer?")
                        : _("'%s' was killed: it had not ended after %u seconds; does the storage "
                            "still answer?"),
                    child->program, child->deadline);
        return false;
    }

    if (g_subprocess_get_successful(child->process))
        return true;

    if (g_subprocess_get_if_signaled(child->process)) {
        int sig = g_subprocess_get_term_sig(child->process);

        g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                    _("'%s' was killed by signal %d (%s)"), child->program, sig, strsignal(sig));
        return false;
    }

    g_set_error(error, LUKSHDR_ERROR, VIR_ERR_OPERATION_FAILED,
                _("'%s' failed with exit status %d: %s"), child->program,
                g_subprocess_get_if_exited(child->process)
                    ? g_subprocess_get_exit_status(child->process)
                    : -1,
                text);
    return false;
}

void
lukshdrChildFree(lukshdrChild *child)
{
    if (!child)
        return;

    g_subprocess_force_exit(child->process);
    lukshdrChildUnwatch(child);
    g_object_unref(child->process);
    g_object_unref(child->cancellable);
    g_free(child->program);
    g_mutex_clear(&child->lock);
    g_cond_clear(&child->changed);
    g_free(child);
}

/* g_subprocess_communicate does the same, but has the pipe closed by a thread of a pool, which is still busy with GLib's objects when
 * the function has returned.  With GLib 2.74 such threads were seen to end in free(3), with memory that was
 * free already, and the daemon with them. */
char *
lukshdrChildRead(lukshdrChild *child)
{
    GInputStream *pipe = g_subprocess_get_stderr_pipe(child->process);
    GString *text = g_string_new(NULL);
    char buf[4096];
    gssize got;

    while ((got = g_input_stream_read(pipe, buf, sizeof(buf), child->cancellable, NULL)) > 0)
        g_string_append_len(text, buf, MIN((gsize)got, LUKSHDR_COMMAND_TEXT_MAX - text->len));
    if (got < 0)
        g_subprocess_force_exit(child->process);
    return g_string_free(text, FALSE);
}

bool
lukshdrCommandRun(const lukshdrCommand *command, GError **error)
{
    g_autoptr(lukshdrChild) child = NULL;
    g_autofree char *text = NULL;

    if (!(child = lukshdrCommandSpawn(
              command, G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, error)))
        return false;

    text = lukshdrChildRead(child);
    return lukshdrChildEnd(child, text, error);
}
