/*
 * dir-watch.c: what has changed in a directory of small files
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The invariant: SAME and SOME are said only where all changes since the last call are known.  The
 * queue is the witness; the directory's modification time is a second one, so that a file system
 * whose changes raise no events is noticed even if its type is thought to be local.
 */

#include "config.h"

#include "dir-watch.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "file.h"

/* Whatever changes a file or its name.  Without IN_CREATE and IN_MODIFY what is written in place, by
 * hand, would be noticed only when it is closed. */
#define LUKSHDR_DIR_WATCH_EVENTS \
    (IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | \
     IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

/* after these, no further event can be relied on */
#define LUKSHDR_DIR_WATCH_ENDS \
    (IN_Q_OVERFLOW | IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)

/* File systems that only this kernel writes to.  These are not all of that kind; on others a change
 * costs a look at all files. */
static const long lukshdrDirWatchLocal[] = {
    EXT4_SUPER_MAGIC, /* and ext2, ext3 */
    XFS_SUPER_MAGIC,  BTRFS_SUPER_MAGIC,     F2FS_SUPER_MAGIC, TMPFS_MAGIC,
    RAMFS_MAGIC,      OVERLAYFS_SUPER_MAGIC, 0x2fc12fc1, /* ZFS (ZFS_SUPER_MAGIC in its include/sys/fs/zfs.h) */
    0xca451a4e,                                          /* bcachefs (BCACHEFS_STATFS_MAGIC) */
};

struct _lukshdrDirWatch {
    char *dir;  /* immutable */
    int fd;     /* of inotify, or -1 */
    pid_t pid;  /* the process that opened fd: a forked one must not take its events */
    bool known; /* something was said of the directory that is described below */
    dev_t dev;
    ino_t inode;
    gint64 mtime; /* ns */
    gint64 seen;  /* when, ns */
};

lukshdrDirWatch *
lukshdrDirWatchNew(const char *dir)
{
    lukshdrDirWatch *watch = g_new0(lukshdrDirWatch, 1);

    watch->dir = g_strdup(dir);
    watch->fd = -1;
    return watch;
}

static void
lukshdrDirWatchClose(lukshdrDirWatch *watch)
{
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

void
lukshdrDirWatchFree(lukshdrDirWatch *watch)
{
    if (!watch)
        return;

    lukshdrDirWatchClose(watch);
    g_free(watch->dir);
    g_free(watch);
}

void
lukshdrDirWatchForget(lukshdrDirWatch *watch)
{
    watch->known = false;
}

bool
lukshdrDirWatchFollows(const lukshdrDirWatch *watch)
{
    return watch->fd >= 0;
}

/* Opens a queue for the directory as it is now, if there can be one */
static void
lukshdrDirWatchOpen(lukshdrDirWatch *watch)
{
    struct statfs fs;
    size_t i;

    lukshdrDirWatchClose(watch);
    if (statfs(watch->dir, &fs) < 0)
        return;
    for (i = 0; i < G_N_ELEMENTS(lukshdrDirWatchLocal); i++) {
        if ((unsigned int)fs.f_type == (unsigned int)lukshdrDirWatchLocal[i])
            break;
    }
    if (i == G_N_ELEMENTS(lukshdrDirWatchLocal))
        return;

    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    watch->pid = getpid();
    if (watch->fd >= 0 && inotify_add_watch(watch->fd, watch->dir, LUKSHDR_DIR_WATCH_EVENTS) < 0)
        lukshdrDirWatchClose(watch);
}

/* Adds what the queue holds to @names.  Returns how many events there were, or -1 if the queue cannot
 * be relied on any more. */
static int
lukshdrDirWatchDrain(lukshdrDirWatch *watch, GHashTable *names)
{
    char buf[16 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
    int count = 0;
    ssize_t len;

    while ((len = read(watch->fd, buf, sizeof(buf))) > 0) {
        const char *at = buf;

        while (at < buf + len) {
            const struct inotify_event *event = (const void *)at;

            if (event->mask & LUKSHDR_DIR_WATCH_ENDS)
                return -1;
            if (event->len > 0)
                g_hash_table_add(names, g_strdup(event->name));
            at += sizeof(*event) + event->len;
            count++;
        }
    }
    return len < 0 && errno != EAGAIN ? -1 : count;
}

/* Is @st the directory that was seen last? */
static bool
lukshdrDirWatchIsSameDir(const lukshdrDirWatch *watch, const struct stat *st)
{
    return watch->known && watch->dev == st->st_dev && watch->inode == st->st_ino;
}

static void
lukshdrDirWatchSee(lukshdrDirWatch *watch, const struct stat *st, gint64 now)
{
    watch->known = true;
    watch->dev = st->st_dev;
    watch->inode = st->st_ino;
    watch->mtime = lukshdrFileTime(&st->st_mtim);
    watch->seen = now;
}

/* By events alone; ALL where they do not tell everything */
static lukshdrDirWatchVerdict
lukshdrDirWatchFollow(lukshdrDirWatch *watch, GHashTable *names)
{
    gint64 now = lukshdrFileNow();
    int count = 0;
    int tries;

    for (tries = 0; tries < 2; tries++) {
        int more = lukshdrDirWatchDrain(watch, names);
        struct stat st;

        /* in this order: what changes in between is in the queue for the next call */
        if (more < 0 || stat(watch->dir, &st) < 0 || !lukshdrDirWatchIsSameDir(watch, &st))
            return LUKSHDR_DIR_WATCH_ALL;

        count += more;
        /* without an event it may have changed in between, which the second try tells */
        if (count > 0 || watch->mtime == lukshdrFileTime(&st.st_mtim)) {
            lukshdrDirWatchSee(watch, &st, now);
            return count > 0 ? LUKSHDR_DIR_WATCH_SOME : LUKSHDR_DIR_WATCH_SAME;
        }
    }
    return LUKSHDR_DIR_WATCH_ALL;
}

lukshdrDirWatchVerdict
lukshdrDirWatchNext(lukshdrDirWatch *watch, GHashTable *names)
{
    gint64 now = lukshdrFileNow();
    lukshdrDirWatchVerdict verdict;
    struct stat st;

    if (watch->known && watch->fd >= 0 && watch->pid == getpid()) {
        verdict = lukshdrDirWatchFollow(watch, names);
        if (verdict != LUKSHDR_DIR_WATCH_ALL)
            return verdict;
    }

    if (stat(watch->dir, &st) < 0) {
        int saved = errno;

        lukshdrDirWatchClose(watch);
        watch->known = false;
        errno = saved;
        return saved == ENOENT ? LUKSHDR_DIR_WATCH_MISSING : LUKSHDR_DIR_WATCH_FAILED;
    }

    /* every write ends in a rename or an unlink, which stamp the directory */
    if (watch->fd < 0 && lukshdrDirWatchIsSameDir(watch, &st) &&
        watch->mtime == lukshdrFileTime(&st.st_mtim) &&
        !lukshdrFileIsRacy(watch->mtime, watch->seen))
        return LUKSHDR_DIR_WATCH_SAME;

    /* before the caller reads anything, so that no change is missed in between */
    lukshdrDirWatchSee(watch, &st, now);
    lukshdrDirWatchOpen(watch);
    return LUKSHDR_DIR_WATCH_ALL;
}
