/*
 * guestfs.c: a libguestfs that has no appliance
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * For LD_LIBRARY_PATH of virt-lukshdr, as libguestfs.so.0.  In the directory that FAKE_GUESTFS names:
 *
 *   launch, shutdown  programs that are run in the place of the appliance's beginning and end
 *   drive             gets what guestfs_add_drive_opts was given, a line each; so do "backend" and "append"
 *   filesystems       what guestfs_list_filesystems returns, names and types in turn, a line each; missing: none
 *   broken            a file system that cannot be mounted
 *   tune2fs           what guestfs_tune2fs_l returns, names and values in turn
 *   begin, end        what the scripts print that begin and end the trace
 *   trace             what the second of them leaves to be read
 */

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct guestfs_h guestfs_h;

static char guestfsError[256];

static FILE *
guestfsFile(const char *name, const char *mode)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", getenv("FAKE_GUESTFS"), name);
    return fopen(path, mode);
}

/* Returns what @in has, freed with free(3) */
static char *
guestfsRead(FILE *in)
{
    char *text = NULL;
    size_t room = 0;

    if (!in || getdelim(&text, &room, '\0', in) < 0) {
        free(text);
        text = strdup("");
    }
    /* of a pipe as well: nobody waits for its end, which is near */
    if (in)
        fclose(in);
    return text;
}

static char **
guestfsLines(const char *name)
{
    FILE *in = guestfsFile(name, "r");
    char *text = guestfsRead(in);
    char **lines = calloc(strlen(text) + 1, sizeof(*lines));
    char *rest = text;
    char *line;
    size_t i = 0;

    while ((line = strsep(&rest, "\n"))) {
        if (*line)
            lines[i++] = strdup(line);
    }
    free(text);
    return lines;
}

static int
guestfsRun(const char *name)
{
    char command[PATH_MAX];

    snprintf(command, sizeof(command), "'%s/%s'", getenv("FAKE_GUESTFS"), name);
    if (system(command) == 0)
        return 0;
    snprintf(guestfsError, sizeof(guestfsError), "%s failed", name);
    return -1;
}

guestfs_h *
guestfs_create(void)
{
    return (guestfs_h *)guestfsError;
}

void
guestfs_close(guestfs_h *g)
{
    (void)g;
}

void
guestfs_set_error_handler(guestfs_h *g, void *callback, void *opaque)
{
    (void)g;
    (void)callback;
    (void)opaque;
}

const char *
guestfs_last_error(guestfs_h *g)
{
    (void)g;
    return guestfsError;
}

static int
guestfsKeep(const char *name, const char *value)
{
    FILE *out = guestfsFile(name, "w");

    fprintf(out, "%s\n", value);
    fclose(out);
    return 0;
}

int
guestfs_set_backend(guestfs_h *g, const char *backend)
{
    (void)g;
    return guestfsKeep("backend", backend);
}

int
guestfs_set_append(guestfs_h *g, const char *append)
{
    (void)g;
    return guestfsKeep("append", append);
}

char **
guestfs_tune2fs_l(guestfs_h *g, const char *device)
{
    (void)g;
    (void)device;
    return guestfsLines("tune2fs");
}

int
guestfs_add_drive_opts(guestfs_h *g, const char *filename, ...)
{
    FILE *out = guestfsFile("drive", "w");
    va_list args;
    int option;

    (void)g;
    fprintf(out, "%s\n", filename);
    va_start(args, filename);
    /* all options that have a string */
    while ((option = va_arg(args, int)) != -1)
        fprintf(out, "%d %s\n", option, va_arg(args, const char *));
    va_end(args);
    fclose(out);
    return 0;
}

int
guestfs_launch(guestfs_h *g)
{
    (void)g;
    return guestfsRun("launch");
}

int
guestfs_shutdown(guestfs_h *g)
{
    (void)g;
    return guestfsRun("shutdown");
}

char **
guestfs_list_filesystems(guestfs_h *g)
{
    (void)g;
    return guestfsLines("filesystems");
}

int
guestfs_mount(guestfs_h *g, const char *mountable, const char *mountpoint)
{
    char **broken = guestfsLines("broken");
    size_t i;

    (void)g;
    (void)mountpoint;
    for (i = 0; broken[i]; i++) {
        if (strcmp(broken[i], mountable) == 0) {
            snprintf(guestfsError, sizeof(guestfsError), "mount: bad superblock");
            return -1;
        }
    }
    return 0;
}

int
guestfs_fstrim(guestfs_h *g, const char *mountpoint, ...)
{
    (void)g;
    (void)mountpoint;
    return 0;
}

int
guestfs_umount_all(guestfs_h *g)
{
    (void)g;
    return 0;
}

int
guestfs_sync(guestfs_h *g)
{
    (void)g;
    return 0;
}

char *
guestfs_debug(guestfs_h *g, const char *command, char *const *args)
{
    char script[PATH_MAX + 256];
    const char *file;

    (void)g;
    if (strcmp(command, "sh"))
        return NULL;
    if (strstr(args[0], "current_tracer"))
        return guestfsRead(guestfsFile("begin", "r"));
    if (strstr(args[0], "tracing_on"))
        return guestfsRead(guestfsFile("end", "r"));

    /* reads lines of a file in the appliance */
    file = strstr(args[0], "/tmp/");
    if (!file)
        return NULL;
    snprintf(script, sizeof(script), "%.*s '%s/trace'", (int)(file - args[0]), args[0],
             getenv("FAKE_GUESTFS"));
    return guestfsRead(popen(script, "r"));
}
