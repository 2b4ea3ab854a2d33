/*
 * test-prepared.c: headers that are made ahead
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * QEMU's tool is a shell script, but in "form".  It notes each call, and then does what the file "how" says.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "link/label.h"
#include "link/luks.h"
#include "link/prepared.h"
#include "util/error.h"
#include "util/io.h"
#include "util/log.h"
#include "utiltest.h"

/* How long a test waits for something: the script has the lowest priority, and the machine may be busy */
#define PATIENCE (600 * G_USEC_PER_SEC)

#define DEPTH 2

/* What the script makes: these bytes, the passphrase, zeroes up to there */
#define HEAD "LUKS\xba\xbe"
#define HEAD_LEN (sizeof(HEAD) - 1)
#define HEADER_LEN 2068480

/* It does little by itself and starts next to nothing: whatever it does takes long on a busy machine. */
static const char testScript[] =
    "#!/bin/sh\n"
    "dir=${0%/*}\n"
    "for file; do :; done\n"
    "read -r line </proc/$$/stat && echo \"$line\" >>\"$dir/stat\"\n"
    "[ ! -e /proc/$$/autogroup ] || { read -r line </proc/$$/autogroup && echo \"$line\" >>\"$dir/autogroup\"; }\n"
    "echo \"$*\" >>\"$dir/runs\"\n"
    "read -r how <\"$dir/how\"\n"
    "read -r secret </dev/fd/3\n"
    "case $how in\n"
    "    fail) echo 'not today' >&2; exit 1 ;;\n"
    "    hang) echo $$ >\"$dir/pid.new\"; mv \"$dir/pid.new\" \"$dir/pid\"; exec sleep 10000 ;;\n"
    "    long) exec truncate -s 5M \"$file\" ;;\n"
    "    empty) : >\"$file\" ;;\n"
    "    update) read -r line <\"$dir/go\"; cp \"$0\" \"$0.new\"; mv \"$0.new\" \"$0\" ;;\n"
    "esac\n"
    "case $how in\n"
    "    ok | update) printf 'LUKS\\272\\276%s' \"$secret\" >\"$file\"; exec truncate -s 2068480 \"$file\" ;;\n"
    "esac\n";

/* Under testLock: what the thread has said */
static GMutex testLock;
static GCond testSaid;
static guint testReady;
static guint testWarnings;
static guint testOther;

static void
testLog(lukshdrVirLogSource *source G_GNUC_UNUSED,
        int priority,
        const char *filename G_GNUC_UNUSED,
        int linenr G_GNUC_UNUSED,
        const char *funcname G_GNUC_UNUSED,
        void *metadata G_GNUC_UNUSED,
        const char *fmt,
        ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);

    g_mutex_lock(&testLock);
    if (priority == LUKSHDR_VIR_LOG_WARN)
        testWarnings++;
    else if (strstr(text, "headers are ready"))
        testReady++;
    else
        testOther++;
    g_cond_signal(&testSaid);
    g_mutex_unlock(&testLock);
}

static void
testWait(const guint *counter, guint wanted)
{
    gint64 end = g_get_monotonic_time() + PATIENCE;

    g_mutex_lock(&testLock);
    while (*counter < wanted)
        g_assert_true(g_cond_wait_until(&testSaid, &testLock, end));
    g_mutex_unlock(&testLock);
}

/* Pages that are given back while this is set must be zero; how many regions there were */
static bool testWiping;
static guint testUnmapped;

int
munmap(void *addr, size_t len)
{
    const guint8 *bytes = addr;
    size_t i;

    for (i = 0; testWiping && i < len; i++) {
        if (bytes[i])
            g_error("memory is given back that was not wiped");
    }
    testUnmapped += testWiping;
    return (int)syscall(SYS_munmap, addr, len);
}

static void
testHow(const char *how)
{
    g_autofree char *path = utilTestPath("bin/how");

    g_autofree char *line = g_strconcat(how, "\n", NULL);

    utilTestWrite(path, line, -1);
}

static void
testInstall(void)
{
    g_autofree char *tool = utilTestPath("bin/" LUKSHDR_QEMU_IMG);
    g_autofree char *new = utilTestPath("bin/new");

    utilTestWrite(new, testScript, -1);
    g_assert_cmpint(g_chmod(new, 0700), ==, 0);
    g_assert_cmpint(g_rename(new, tool), ==, 0);
}

/* A fresh tool that has not been called yet */
static void
testBegin(const char *how)
{
    g_autofree char *bin = utilTestPath("bin");

    utilTestClear(bin);
    g_assert_cmpint(g_mkdir(bin, 0700), ==, 0);
    testInstall();
    testHow(how);
    testReady = testWarnings = testOther = 0;
}

static guint
testRuns(const char *with)
{
    g_autofree char *path = utilTestPath("bin/runs");
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    guint count = 0;
    guint i;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i] && *lines[i]; i++)
        count += strstr(lines[i], with) != NULL;
    return count;
}

/* Whether this process has the thread */
static bool
testHasThread(void)
{
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(tasks))) {
        g_autofree char *path = g_strdup_printf("/proc/self/task/%s/comm", name);
        g_autofree char *comm = NULL;

        if (g_file_get_contents(path, &comm, NULL, NULL) && g_str_equal(comm, "lukshdr-prepare\n"))
            return true;
    }
    return false;
}

static const lukshdrFormatParams testAes = { .cipherAlg = (char *)"aes-256", .iterTime = 1 };
static const lukshdrFormatParams testTwofish = { .cipherAlg = (char *)"twofish-256",
                                                 .iterTime = 1 };
static const lukshdrFormatParams testSerpent = { .cipherAlg = (char *)"serpent-256",
                                                 .iterTime = 1 };

/* A new header volume */
static int
testVolume(void)
{
    g_autofree char *path = utilTestPath("volume");
    int fd;

    g_unlink(path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, LUKSHDR_HEADER_VOLUME_SIZE), ==, 0);
    return fd;
}

/* A header opens with its own passphrase: the script wrote that into it.  Returns the passphrase. */
static char *
testAssertHeader(lukshdrPreparedHeader *header)
{
    const lukshdrSecret *secret = lukshdrPreparedHeaderSecret(header);
    gsize len = lukshdrSecretLength(secret);
    g_autofree char *content = g_malloc(LUKSHDR_HEADER_VOLUME_SIZE);
    g_autoptr(GError) error = NULL;
    int fd = testVolume();

    g_assert_true(lukshdrPreparedHeaderWrite(header, fd, &error));
    g_assert_no_error(error);
    g_assert_true(lukshdrIOReadAll(fd, content, LUKSHDR_HEADER_VOLUME_SIZE, 0, &error));
    g_assert_no_error(error);
    close(fd);

    /* 256 bits in base64 */
    g_assert_cmpuint(len, ==, 44);
    g_assert_cmpmem(content, HEAD_LEN, HEAD, HEAD_LEN);
    g_assert_cmpmem(content + HEAD_LEN, len, lukshdrSecretData(secret), len);
    for (gsize i = HEAD_LEN + len; i < LUKSHDR_HEADER_VOLUME_SIZE; i++)
        g_assert_cmpint(content[i], ==, 0);
    return g_strndup((const char *)lukshdrSecretData(secret), len);
}

/* Takes all that are ready, each of which is another one than those @seen */
static void
testTakeAll(lukshdrPrepared *prepared, GHashTable *seen)
{
    guint i;

    for (i = 0; i < DEPTH; i++) {
        g_autoptr(lukshdrPreparedHeader) header = lukshdrPreparedTake(prepared, &testAes);

        g_assert_nonnull(header);
        g_assert_true(g_hash_table_add(seen, testAssertHeader(header)));
    }
}

/* Nothing before the first creation; then as many as shall be, each another one; each once */
static void
testKept(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(lukshdrPrepared) prepared = lukshdrPreparedNew(DEPTH);
    guint round;

    testBegin("ok");
    g_assert_null(lukshdrPreparedTake(prepared, &testAes));
    g_assert_false(testHasThread());
    g_assert_cmpuint(testRuns(""), ==, 0);

    for (round = 1; round <= 3; round++) {
        lukshdrPreparedUsed(prepared, &testAes);
        testWait(&testReady, round * DEPTH);
        g_assert_true(testHasThread());
        /* the last time nothing follows */
        if (round == 3)
            testHow("hang");
        testTakeAll(prepared, seen);
    }
    g_assert_null(lukshdrPreparedTake(prepared, &testAes));
    g_assert_cmpuint(testReady, ==, 3 * DEPTH);

    lukshdrPreparedEnd(prepared);
    g_assert_false(testHasThread());
}

/* One for another cipher is no use; those for the last two are kept */
static void
testParameters(void)
{
    const lukshdrFormatParams stretched = { .cipherAlg = testAes.cipherAlg, .iterTime = 2 };
    const lukshdrFormatParams hashed = { .cipherAlg = testAes.cipherAlg,
                                         .hashAlg = (char *)"sha512",
                                         .iterTime = 1 };
    g_autoptr(lukshdrPrepared) prepared = lukshdrPreparedNew(DEPTH);
    g_autoptr(lukshdrPreparedHeader) aes = NULL;
    g_autoptr(lukshdrPreparedHeader) twofish = NULL;

    testBegin("ok");
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testReady, DEPTH);
    g_assert_null(lukshdrPreparedTake(prepared, &testTwofish));
    g_assert_null(lukshdrPreparedTake(prepared, &stretched));
    g_assert_null(lukshdrPreparedTake(prepared, &hashed));
    g_assert_null(lukshdrPreparedTake(prepared, &(lukshdrFormatParams){ .iterTime = 1 }));

    lukshdrPreparedUsed(prepared, &testTwofish);
    testWait(&testReady, 2 * DEPTH);
    g_assert_cmpuint(testRuns("cipher-alg=aes-256,"), ==, DEPTH);
    g_assert_cmpuint(testRuns("cipher-alg=twofish-256,"), ==, DEPTH);
    g_assert_nonnull((aes = lukshdrPreparedTake(prepared, &testAes)));
    g_assert_nonnull((twofish = lukshdrPreparedTake(prepared, &testTwofish)));

    /* that with aes was the last but one then, and is the last now */
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testReady, 2 * DEPTH + 2);
    lukshdrPreparedUsed(prepared, &testSerpent);
    testWait(&testReady, 3 * DEPTH + 2);
    g_assert_null(lukshdrPreparedTake(prepared, &testTwofish));
    g_clear_pointer(&aes, lukshdrPreparedHeaderFree);
    g_assert_nonnull((aes = lukshdrPreparedTake(prepared, &testAes)));
}

/* A header of the QEMU that was there before an update is not used */
static void
testUpdate(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(lukshdrPrepared) prepared = lukshdrPreparedNew(DEPTH);
    g_autofree char *go = utilTestPath("bin/go");
    int fd;

    testBegin("ok");
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testReady, DEPTH);
    testInstall();
    g_assert_null(lukshdrPreparedTake(prepared, &testAes));
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testReady, 2 * DEPTH);

    /* nor one that was being made.  The thread may come to see that one is missing as soon as the first is taken, so the
     * script updates nothing before it is told to. */
    g_assert_cmpint(mkfifo(go, 0600), ==, 0);
    testHow("update");
    testTakeAll(prepared, seen);
    lukshdrPreparedUsed(prepared, &testAes);
    fd = open(go, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "\n", 1), ==, 1);
    close(fd);
    testWait(&testWarnings, 1);
    g_assert_null(lukshdrPreparedTake(prepared, &testAes));
}

/* It is tried again after the next creation, and said once */
static void
testFails(gconstpointer how)
{
    g_autoptr(lukshdrPrepared) prepared = lukshdrPreparedNew(DEPTH);
    g_autoptr(lukshdrPreparedHeader) header = NULL;

    testBegin(how);
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testWarnings, 1);
    g_assert_cmpuint(testRuns(""), ==, 1);
    g_assert_null(lukshdrPreparedTake(prepared, &testAes));
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testOther, 1);
    g_assert_cmpuint(testRuns(""), ==, 2);

    testHow("ok");
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testReady, DEPTH);
    g_assert_cmpuint(testRuns(""), ==, 2 + DEPTH);
    g_assert_nonnull((header = lukshdrPreparedTake(prepared, &testAes)));
    testWait(&testWarnings, 1);
}

/* The end waits for no tool, leaves none, and is the end */
static void
testEnd(void)
{
    g_autoptr(lukshdrPrepared) prepared = lukshdrPreparedNew(DEPTH);
    g_autofree char *path = utilTestPath("bin/pid");
    g_autofree char *text = NULL;
    gint64 end = g_get_monotonic_time() + PATIENCE;
    pid_t pid;

    testBegin("hang");
    lukshdrPreparedUsed(prepared, &testAes);
    while (!g_file_get_contents(path, &text, NULL, NULL)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_usleep(10000);
    }
    pid = (pid_t)g_ascii_strtoll(text, NULL, 10);
    g_assert_cmpint(kill(pid, 0), ==, 0);

    /* a client's call does not wait for it either */
    g_assert_null(lukshdrPreparedTake(prepared, &testAes));
    lukshdrPreparedUsed(prepared, &testAes);

    lukshdrPreparedEnd(prepared);
    g_assert_cmpint(kill(pid, 0), ==, -1);
    g_assert_cmpint(errno, ==, ESRCH);
    g_assert_false(testHasThread());
    lukshdrPreparedUsed(prepared, &testAes);
    g_assert_false(testHasThread());
    g_assert_null(lukshdrPreparedTake(prepared, &testAes));
    g_assert_cmpuint(testRuns(""), ==, 1);
    g_assert_cmpuint(testWarnings, ==, 0);
}

/* The tool works when nothing else does, also where the kernel looks at sessions first */
static void
testPriority(void)
{
    g_autoptr(lukshdrPrepared) prepared = lukshdrPreparedNew(1);
    g_autofree char *statPath = utilTestPath("bin/stat");
    g_autofree char *groupPath = utilTestPath("bin/autogroup");
    g_autofree char *text = NULL;
    g_autofree char *group = NULL;
    g_auto(GStrv) fields = NULL;

    testBegin("ok");
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testReady, 1);
    g_assert_true(g_file_get_contents(statPath, &text, NULL, NULL));
    /* proc(5): behind the name, which is field 2, 19 is the nice value and 41 the policy */
    fields = g_strsplit(strrchr(text, ')') + 2, " ", -1);
    g_assert_cmpstr(fields[19 - 3], ==, "19");
    g_assert_cmpstr(fields[41 - 3], ==, "5");
    if (g_file_get_contents(groupPath, &group, NULL, NULL))
        g_assert_true(g_str_has_suffix(group, " nice 19\n"));
    else
        g_test_message("this kernel has no autogroups");
}

/* Returns the flags that the kernel has of the memory at @addr */
static char *
testFlags(const void *addr)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    bool inside = false;
    guint i;

    g_assert_true(g_file_get_contents("/proc/self/smaps", &text, NULL, NULL));
    lines = g_strsplit(text, "\n", -1);
    for (i = 0; lines[i]; i++) {
        unsigned long begin;
        unsigned long end;

        if (sscanf(lines[i], "%lx-%lx ", &begin, &end) == 2)
            inside = begin <= (unsigned long)addr && (unsigned long)addr < end;
        if (inside && g_str_has_prefix(lines[i], "VmFlags:"))
            return g_strdup(lines[i]);
    }
    g_assert_not_reached();
}

/* What memory it is in, and that nothing is left of it there or in the file that the tool had */
static void
testWiped(void)
{
    static const guint8 phrase[] = "passphrase";
    lukshdrSecret *secret = lukshdrSecretNew(phrase, sizeof(phrase));
    lukshdrPreparedHeader *header;
    g_autofree guint8 *bytes = g_malloc0(HEADER_LEN);
    g_autofree char *flags = NULL;
    g_autoptr(GError) error = NULL;
    int fd = memfd_create("header", MFD_CLOEXEC);

    memset(bytes, 0x5a, 300000);
    g_assert_true(lukshdrIOWrite(fd, bytes, HEADER_LEN, 0, &error));
    g_assert_no_error(error);

    testUnmapped = 0;
    testWiping = true;
    header = lukshdrPreparedHeaderNew(fd, secret, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(testUnmapped, ==, 1);
    g_assert_true(lukshdrIOIsZero(fd, HEADER_LEN));
    close(fd);

    fd = testVolume();
    g_assert_true(lukshdrPreparedHeaderWrite(header, fd, &error));
    g_assert_no_error(error);
    close(fd);
    flags = testFlags(lukshdrSecretData(lukshdrPreparedHeaderSecret(header)));
    /* no dump, no copy in a child */
    g_assert_nonnull(strstr(flags, " dd"));
    g_assert_nonnull(strstr(flags, " dc"));

    testUnmapped = 0;
    lukshdrPreparedHeaderFree(header);
    testWiping = false;
    g_assert_cmpuint(testUnmapped, ==, 2);
}

/* Returns a loop device of a file that is all @byte, or -1 if there is none to be had */
static int
testBlockDevice(int byte)
{
    g_autofree char *path = utilTestPath("block");
    g_autofree char *content = g_malloc(LUKSHDR_HEADER_VOLUME_SIZE);
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int tries;
    int file;
    int fd = -1;

    memset(content, byte, LUKSHDR_HEADER_VOLUME_SIZE);
    utilTestWrite(path, content, LUKSHDR_HEADER_VOLUME_SIZE);
    file = open(path, O_RDWR | O_CLOEXEC);
    /* somebody else may take the number first */
    for (tries = 0; control >= 0 && fd < 0 && tries < 50; tries++) {
        const struct loop_config config = { .fd = file, .info.lo_flags = LO_FLAGS_AUTOCLEAR };
        g_autofree char *name = g_strdup_printf("/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));

        if ((fd = open(name, O_RDWR | O_CLOEXEC)) >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
            close(fd);
            fd = -1;
        }
    }
    close(file);
    if (control >= 0)
        close(control);
    return fd;
}

/* A block device may hold anything: it does not stay where key slots are */
static void
testBlock(void)
{
    g_autoptr(lukshdrSecret) secret = lukshdrSecretGenerate(NULL);
    g_autoptr(lukshdrPreparedHeader) header = NULL;
    g_autofree char *content = g_malloc(LUKSHDR_HEADER_VOLUME_SIZE);
    g_autoptr(GError) error = NULL;
    int made = memfd_create("header", MFD_CLOEXEC);
    int fd = testBlockDevice(0x77);
    gsize i;

    if (fd < 0) {
        close(made);
        g_test_skip("no loop device");
        return;
    }
    g_assert_true(lukshdrIOWrite(made, HEAD, HEAD_LEN, 0, &error));
    g_assert_cmpint(ftruncate(made, HEADER_LEN), ==, 0);
    header = lukshdrPreparedHeaderNew(made, g_steal_pointer(&secret), &error);
    g_assert_no_error(error);
    close(made);

    g_assert_true(lukshdrPreparedHeaderWrite(header, fd, &error));
    g_assert_no_error(error);
    g_assert_true(lukshdrIOReadAll(fd, content, LUKSHDR_HEADER_VOLUME_SIZE, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(content, HEAD_LEN, HEAD, HEAD_LEN);
    for (i = HEAD_LEN; i < LUKSHDR_HEADER_VOLUME_SIZE; i++)
        g_assert_cmpint(content[i], ==, i < HEADER_LEN ? 0 : 0x77);
    close(fd);
}

/* All that is kept is wiped at the end, and what another cipher takes the place of */
static void
testAllWiped(void)
{
    g_autoptr(lukshdrPrepared) prepared = lukshdrPreparedNew(DEPTH);

    testBegin("ok");
    lukshdrPreparedUsed(prepared, &testAes);
    testWait(&testReady, DEPTH);
    lukshdrPreparedUsed(prepared, &testTwofish);
    testWait(&testReady, 2 * DEPTH);
    testHow("fail");

    testUnmapped = 0;
    testWiping = true;
    lukshdrPreparedUsed(prepared, &testSerpent);
    testWait(&testWarnings, 1);
    g_assert_cmpuint(testUnmapped, >=, 2 * DEPTH);
    testUnmapped = 0;
    lukshdrPreparedEnd(prepared);
    testWiping = false;
    g_assert_cmpuint(testUnmapped, ==, 2 * DEPTH);
}

/* What QEMU has made is written as QEMU made it, to the byte */
static void
testForm(void)
{
    g_autofree char *script = utilTestPath("bin/" LUKSHDR_QEMU_IMG);
    bool gone = g_unlink(script) == 0 || errno == ENOENT;
    g_autofree char *img = g_find_program_in_path(LUKSHDR_QEMU_IMG);
    g_autofree char *daemon = g_find_program_in_path(LUKSHDR_QEMU_STORAGE_DAEMON);
    g_autoptr(lukshdrSecret) secret = lukshdrSecretGenerate(NULL);
    g_autoptr(lukshdrPreparedHeader) header = NULL;
    g_autofree guint8 *made = g_malloc0(LUKSHDR_HEADER_VOLUME_SIZE);
    g_autofree guint8 *written = g_malloc(LUKSHDR_HEADER_VOLUME_SIZE);
    g_autoptr(GError) error = NULL;
    guint32 sectors = 1;
    gssize len;
    int fd = memfd_create("header", MFD_CLOEXEC);

    g_assert_true(gone);
    if (!img || !daemon) {
        close(fd);
        g_test_skip("no QEMU tools");
        return;
    }

    lukshdrFormatHeader(fd, &testAes, secret, NULL, &error);
    g_assert_no_error(error);
    len = lukshdrIORead(fd, made, LUKSHDR_HEADER_VOLUME_SIZE, 0, &error);
    g_assert_cmpint(len, >, 0);
    header = lukshdrPreparedHeaderNew(fd, g_steal_pointer(&secret), &error);
    g_assert_no_error(error);
    close(fd);

    fd = testVolume();
    g_assert_true(lukshdrPreparedHeaderWrite(header, fd, &error));
    g_assert_no_error(error);
    g_assert_true(lukshdrIOReadAll(fd, written, LUKSHDR_HEADER_VOLUME_SIZE, 0, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(written, LUKSHDR_HEADER_VOLUME_SIZE, made, LUKSHDR_HEADER_VOLUME_SIZE);
    g_assert_true(lukshdrLuksPayloadOffset(fd, &sectors, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(sectors, ==, 0);
    close(fd);
    /* the rest is what lukshdrHandleGrow adds */
    g_assert_cmpint(len, ==, HEADER_LEN);
}

int
main(int argc, char **argv)
{
    static const lukshdrABICommon abi = { .virLogMessage = testLog };
    g_autofree char *bin = NULL;
    g_autofree char *path = NULL;
    bool fake = !strchr(LUKSHDR_QEMU_IMG, '/');

    g_test_init(&argc, &argv, NULL);
    lukshdrLogInit(&abi, "lukshdr.test", VIR_FROM_NONE);

    g_test_add_func("/prepared/wiped", testWiped);
    g_test_add_func("/prepared/block", testBlock);
    if (!fake) {
        g_test_add_func("/prepared/form", testForm);
        return g_test_run();
    }

    bin = utilTestPath("bin");
    path = g_strconcat(bin, ":", g_getenv("PATH"), NULL);
    g_setenv("PATH", path, TRUE);
    g_test_add_func("/prepared/kept", testKept);
    g_test_add_func("/prepared/parameters", testParameters);
    g_test_add_func("/prepared/update", testUpdate);
    g_test_add_data_func("/prepared/fails", "fail", testFails);
    g_test_add_data_func("/prepared/too-long", "long", testFails);
    g_test_add_data_func("/prepared/empty", "empty", testFails);
    g_test_add_func("/prepared/end", testEnd);
    g_test_add_func("/prepared/priority", testPriority);
    g_test_add_func("/prepared/all-wiped", testAllWiped);
    /* what qemu-img cannot do it is not asked again, so the script cannot come after the real ones */
    g_test_add_func("/prepared/form", testForm);
    return g_test_run();
}
