/*
 * test-format.c: formatting a header volume, with false tools and with real ones
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The false qemu-img and qemu-storage-daemon are this program under another name,
 * in a directory that is first in PATH.  They write what they were given (arguments,
 * environment, descriptors and what is on number 3) to files, and then do what the
 * environment variable FAKE_IMG or FAKE_DAEMON says.  Each case runs in a process of
 * its own: what qemu-img can do is asked once in the life of a process.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/command.h"
#include "util/error.h"
#include "link/format-priv.h"
#include "link/luks.h"
#include "utiltest.h"

/* no text, and nothing that is anywhere else by chance */
#define SECRET "Xyzzy,\n\"\\\xff\xfe-7Qm"
#define SECRET_LEN (sizeof(SECRET) - 1)

/* QEMU takes no other passphrase for LUKS than UTF-8 */
#define REAL_SECRET "Xyzzy,\n\"\\ d\xc3\xa9j\xc3\xa0"
#define REAL_SECRET_LEN (sizeof(REAL_SECRET) - 1)

/* --- the false tools --- */

static void
fakeDump(const char *dir, const char *name, int argc, char **argv)
{
    g_autofree char *path = g_strdup_printf("%s/%s.dump", dir, name);
    g_autofree char *secretPath = g_strdup_printf("%s/%s.secret", dir, name);
    FILE *out;
    FILE *secret;
    struct rlimit core;
    char buf[256];
    sigset_t blocked;
    ssize_t got;
    mode_t mask = umask(0);
    int flags[16];
    int fd;

    for (fd = 0; fd < 16; fd++)
        flags[fd] = fcntl(fd, F_GETFD);

    secret = fopen(secretPath, "w");
    while ((got = read(3, buf, sizeof(buf))) > 0)
        fwrite(buf, 1, got, secret);
    fclose(secret);

    out = fopen(path, "w");
    while (argc--)
        fprintf(out, "arg %s\n", *argv++);
    for (fd = 0; fd < 16; fd++) {
        if (flags[fd] >= 0)
            fprintf(out, "fd %d\n", fd);
    }
    getrlimit(RLIMIT_CORE, &core);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    fprintf(out, "core %lu\n", (unsigned long)core.rlim_cur);
    fprintf(out, "umask %o\n", mask);
    fprintf(out, "usr1 %s\n", sigismember(&blocked, SIGUSR1) ? "blocked" : "free");
    fprintf(out, "pipe %s\n", signal(SIGPIPE, SIG_DFL) == SIG_IGN ? "ignored" : "deadly");
    fprintf(out, "locale %s\n", g_getenv("LC_ALL"));
    fprintf(out, "env %s\n", memmem(*environ, strlen(*environ), "Xyzzy", 5) ? "secret" : "clean");
    fclose(out);
}

static int
fakeDie(const char *how)
{
    if (g_str_equal(how, "kill"))
        raise(SIGKILL);
    if (g_str_equal(how, "fail")) {
        fprintf(stderr, "  it did not like \xff that\n");
        return 3;
    }
    if (g_str_equal(how, "silent"))
        return 1;
    if (g_str_equal(how, "hang"))
        g_usleep(G_USEC_PER_SEC * 1000);
    return 0;
}

static int
fakeQemuImg(const char *how)
{
    char junk[4096];
    int i;

    if (g_str_equal(how, "old")) {
        fprintf(stderr, "qemu-img: /h: Parameter 'detached-header' is unexpected\n");
        return 1;
    }
    if (g_str_equal(how, "noisy")) {
        memset(junk, 'x', sizeof(junk));
        for (i = 0; i < 100; i++)
            fwrite(junk, 1, sizeof(junk), i % 2 ? stdout : stderr);
        return 1;
    }
    return fakeDie(how);
}

static int
fakeDaemonTalk(FILE *log, const char *how)
{
    char line[4096];
    bool created = false;

    setvbuf(log, NULL, _IONBF, 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (fakeDie(how))
        return 3;
    if (g_str_equal(how, "deaf")) {
        fclose(stdin);
        fclose(stdout);
        fprintf(stderr, "not today\n");
        return 4;
    }
    if (g_str_has_prefix(how, "say ")) {
        puts(how + 4);
        /* like the real one it stays when nobody speaks to it any more */
        g_usleep(G_USEC_PER_SEC * 100);
    }
    puts("{\"QMP\": {\"version\": {}}}");
    if (g_str_equal(how, "mute"))
        g_usleep(G_USEC_PER_SEC * 1000);
    while (fgets(line, sizeof(line), stdin)) {
        fputs(line, log);
        if (g_str_has_prefix(how, "answer ")) {
            puts(how + 7);
            g_usleep(G_USEC_PER_SEC * 100);
        }
        puts("{\"event\": \"NOISE\"}");
        if (strstr(line, "\"blockdev-add\"") && g_str_equal(how, "refuse")) {
            puts("{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such place\"}}");
        } else if (strstr(line, "\"blockdev-create\"")) {
            puts("{\"return\": {}}");
            puts("{\"event\": \"JOB_STATUS_CHANGE\", \"data\": {\"status\": \"running\"}}");
        } else if (strstr(line, "\"query-jobs\"") && g_str_has_prefix(how, "jobs ")) {
            printf("{\"return\": %s}\nthe end\n", how + 5);
        } else if (strstr(line, "\"query-jobs\"") && !created) {
            puts("{\"return\": [{\"id\": \"format\", \"status\": \"running\"}]}");
            puts("{\"event\": \"JOB_STATUS_CHANGE\", \"data\": {\"status\": \"concluded\"}}");
            created = true;
            if (g_str_equal(how, "vanish"))
                return 0;
        } else if (strstr(line, "\"query-jobs\"")) {
            printf("{\"return\": [{\"id\": \"format\", \"status\": \"concluded\"%s}]}\n",
                   g_str_equal(how, "job-fails") ? ", \"error\": \"disk is full\"" : "");
        } else if (strstr(line, "\"quit\"")) {
            puts("{\"return\": {}}");
            return g_str_equal(how, "bad-end") ? 5 : 0;
        } else {
            puts("{\"return\": {}}");
        }
    }
    return 0;
}

static int
fakeDaemon(const char *dir, const char *how)
{
    g_autofree char *path = g_strdup_printf("%s/qmp", dir);
    FILE *log = fopen(path, "w");
    int status = fakeDaemonTalk(log, how);

    fclose(log);
    return status;
}

static int
fakeMain(const char *name, int argc, char **argv)
{
    const char *dir = g_getenv("FAKE_DIR");

    fakeDump(dir, name, argc, argv);
    if (g_str_equal(name, "qemu-img"))
        return fakeQemuImg(g_getenv("FAKE_IMG"));
    return fakeDaemon(dir, g_getenv("FAKE_DAEMON"));
}

/* --- the tests --- */

static bool
testInPath(void)
{
    if (!strchr(LUKSHDR_QEMU_IMG, '/') && !strchr(LUKSHDR_QEMU_STORAGE_DAEMON, '/'))
        return true;
    g_test_skip("the tools were configured by path, none can be put in front");
    return false;
}

/* Returns false in the process that has only started the one that tests */
static bool
testSubprocess(void)
{
    if (g_test_subprocess())
        return true;
    g_test_trap_subprocess(NULL, 60 * G_USEC_PER_SEC, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
    return false;
}

/* Puts false tools in front; NULL leaves one out altogether */
static void
testFake(const char *img, const char *daemon)
{
    g_autofree char *bin = utilTestPath("bin");
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *imgPath = g_build_filename(bin, LUKSHDR_QEMU_IMG, NULL);
    g_autofree char *daemonPath = g_build_filename(bin, LUKSHDR_QEMU_STORAGE_DAEMON, NULL);

    signal(SIGPIPE, SIG_IGN); /* as libvirt's daemons do */
    g_setenv("LC_ALL", "C.UTF-8", TRUE);
    g_setenv("FAKE_DIR", utilTestDir(), TRUE);
    g_setenv("PATH", bin, TRUE);
    g_assert_cmpint(g_mkdir(bin, 0700), ==, 0);
    if (img) {
        g_setenv("FAKE_IMG", img, TRUE);
        g_assert_cmpint(symlink(self, imgPath), ==, 0);
    }
    if (daemon) {
        g_setenv("FAKE_DAEMON", daemon, TRUE);
        g_assert_cmpint(symlink(self, daemonPath), ==, 0);
    }
}

static void
testParams(lukshdrFormatParams *params)
{
    *params = (lukshdrFormatParams){
        .cipherAlg = g_strdup("serpent-256"),
        .cipherMode = g_strdup("c,b,iter-time=1"), /* one value, not options of its own */
        .ivgenAlg = g_strdup("essiv"),
        .ivgenHashAlg = g_strdup("sha256"),
        .hashAlg = g_strdup("sha512"),
        .iterTime = 10,
    };
}

/* GLib's worker thread closes the last descriptors of a child when it gets to it */
static void
testAssertFDs(unsigned int most)
{
    unsigned int wait;

    for (wait = 0; utilTestOpenFDs() > most && wait < 500; wait++)
        g_usleep(10000);
    g_assert_cmpuint(utilTestOpenFDs(), <=, most);
}

/* A header volume that does not exist by any name */
static int
testVolume(void)
{
    int fd = memfd_create("header", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static bool
testFormat(GError **error)
{
    int fd = testVolume();
    g_auto(lukshdrFormatParams) params = { 0 };
    g_autoptr(lukshdrSecret) secret = lukshdrSecretNew((const guint8 *)SECRET, SECRET_LEN);
    bool ok;

    testParams(&params);
    ok = lukshdrFormatHeader(fd, &params, secret, NULL, error);
    g_assert_true(ok == !*error);
    close(fd);
    return ok;
}

static char *
testDump(const char *name, const char *suffix, gsize *len)
{
    g_autofree char *file = g_strconcat(name, suffix, NULL);
    g_autofree char *path = utilTestPath(file);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, len, NULL));
    return text;
}

/* What every child of a daemon with secrets must be */
static void
testAssertChild(const char *name, const char *arguments)
{
    g_autofree char *secret = NULL;
    g_autofree char *dump = NULL;
    g_autofree char *expected = g_strconcat(
        "arg ", name, "\n", arguments,
        "fd 0\nfd 1\nfd 2\nfd 3\nfd 7\n"
        "core 0\numask 77\nusr1 free\npipe deadly\nlocale C\nenv clean\n",
        NULL);
    gsize len;

    dump = testDump(name, ".dump", NULL);
    g_assert_cmpstr(dump, ==, expected);
    g_assert_null(strstr(dump, "Xyzzy"));
    secret = testDump(name, ".secret", &len);
    g_assert_cmpmem(secret, len, SECRET, SECRET_LEN);
}

static void
testQemuImg(void)
{
    g_autoptr(GError) error = NULL;
    struct rlimit core;
    sigset_t usr1;
    int leak;

    if (!testInPath() || !testSubprocess())
        return;
    testFake("ok", NULL);

    /* all that a child could inherit */
    g_assert_cmpint(getrlimit(RLIMIT_CORE, &core), ==, 0);
    core.rlim_cur = core.rlim_max;
    g_assert_cmpint(setrlimit(RLIMIT_CORE, &core), ==, 0);
    umask(0022);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    leak = dup(2);
    g_assert_cmpint(fcntl(leak, F_GETFD), ==, 0);

    testFormat(&error);
    g_assert_no_error(error);
    testAssertChild("qemu-img",
                    "arg create\narg -q\narg --object\n"
                    "arg secret,id=sec0,format=raw,file=/dev/fd/3\narg -f\narg luks\n"
                    "arg -o\n"
                    "arg detached-header=true,key-secret=sec0,cipher-alg=serpent-256,"
                    "cipher-mode=c,,b,,iter-time=1,ivgen-alg=essiv,ivgen-hash-alg=sha256,"
                    "hash-alg=sha512,iter-time=10\n"
                    "arg --\narg /dev/fd/7\n");
    close(leak);
}

static void
testStorageDaemon(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *qmp = NULL;
    g_autofree char *qmpAgain = NULL;
    g_autofree char *dump = utilTestPath("qemu-img.dump");

    if (!testInPath() || !testSubprocess())
        return;
    testFake("old", "ok");
    testFormat(&error);
    g_assert_no_error(error);
    testAssertChild("qemu-storage-daemon",
                    "arg --object\narg secret,id=sec0,format=raw,file=/dev/fd/3\n"
                    "arg --chardev\narg stdio,id=qmp\n"
                    "arg --monitor\narg chardev=qmp,mode=control\n");
    qmp = testDump("qmp", "", NULL);
    g_assert_cmpstr(
        qmp, ==,
        "{\"execute\":\"qmp_capabilities\"}\n"
        "{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"file\",\"node-name\":\"header\","
        "\"filename\":\"/dev/fd/7\"}}\n"
        "{\"execute\":\"blockdev-create\",\"arguments\":{\"job-id\":\"format\",\"options\":{"
        "\"driver\":\"luks\",\"header\":\"header\",\"size\":0,\"key-secret\":\"sec0\","
        "\"cipher-alg\":\"serpent-256\",\"cipher-mode\":\"c,b,iter-time=1\",\"ivgen-alg\":\"essiv\","
        "\"ivgen-hash-alg\":\"sha256\",\"hash-alg\":\"sha512\",\"iter-time\":10}}}\n"
        "{\"execute\":\"query-jobs\"}\n"
        "{\"execute\":\"query-jobs\"}\n"
        "{\"execute\":\"job-dismiss\",\"arguments\":{\"id\":\"format\"}}\n"
        "{\"execute\":\"quit\"}\n");

    /* what qemu-img cannot do it is not asked again */
    g_assert_cmpint(g_unlink(dump), ==, 0);
    testFormat(&error);
    g_assert_no_error(error);
    qmpAgain = testDump("qmp", "", NULL);
    g_assert_cmpstr(qmp, ==, qmpAgain);
    g_assert_false(g_file_test(dump, G_FILE_TEST_EXISTS));
}

typedef struct {
    const char *name;
    const char *img;
    const char *daemon;
    const char *expected;
} testFailure;

static const testFailure testFailures[] = {
    { "img-missing", NULL, NULL, "SYSTEM_ERROR is QEMU's package of tools installed" },
    { "img-killed", "kill", NULL, "OPERATION_FAILED 'qemu-img' was killed by signal 9" },
    { "img-fails", "fail", NULL,
      "OPERATION_FAILED exit status 3: it did not like \xef\xbf\xbd that" },
    { "img-silent", "silent", NULL, "OPERATION_FAILED 'qemu-img' failed with exit status 1" },
    { "img-noisy", "noisy", NULL, "OPERATION_FAILED xxxxxxxxxxxxxxxxxx" },
    { "daemon-missing", "old", NULL, "SYSTEM_ERROR Unable to run 'qemu-storage-daemon'" },
    { "daemon-killed", "old", "kill",
      "OPERATION_FAILED 'qemu-storage-daemon' was killed by signal 9" },
    { "daemon-fails", "old", "fail", "OPERATION_FAILED exit status 3: it did not like" },
    { "daemon-deaf", "old", "deaf", "OPERATION_FAILED exit status 4: not today" },
    { "daemon-refuses", "old", "refuse", "OPERATION_FAILED 'blockdev-add': no such place" },
    { "daemon-job-fails", "old", "job-fails", "OPERATION_FAILED disk is full" },
    { "daemon-vanishes", "old", "vanish", "OPERATION_FAILED 'qemu-storage-daemon'" },
    { "daemon-bad-end", "old", "bad-end", "OPERATION_FAILED exit status 5" },
    { "garbage-greeting", "old", "say garbage", "OPERATION_FAILED something that is not QMP" },
    { "garbage-array", "old", "answer []", "OPERATION_FAILED something that is not QMP" },
    { "garbage-number", "old", "answer 7", "OPERATION_FAILED something that is not QMP" },
    { "garbage-text", "old", "answer {\"return", "OPERATION_FAILED something that is not QMP" },
    { "garbage-empty", "old", "answer ", "OPERATION_FAILED something that is not QMP" },
    { "garbage-bytes", "old", "answer {\"\xff\": 1}",
      "OPERATION_FAILED something that is not QMP" },
    { "garbage-error", "old", "answer {\"error\": 1}", "OPERATION_FAILED to run QMP command" },
    { "garbage-jobs", "old", "jobs [7]", "OPERATION_FAILED something that is not QMP" },
    { "garbage-status", "old", "jobs [{\"status\": 7}]", "OPERATION_FAILED that is not QMP" },
    { "garbage-desc", "old", "answer {\"error\": {\"desc\": []}}", "OPERATION_FAILED QMP" },
};

static void
testFails(gconstpointer opaque)
{
    const testFailure *failure = opaque;
    g_autoptr(GError) error = NULL;
    unsigned int fds;
    size_t i;

    if (!testInPath() || !testSubprocess())
        return;
    testFake(failure->img, failure->daemon);
    g_assert_false(testFormat(&error));
    utilTestError(error, failure->expected);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));

    /* the first child costs GLib some descriptors for good, the others nothing */
    g_clear_error(&error);
    g_usleep(50000);
    fds = utilTestOpenFDs();
    for (i = 0; i < 3; i++) {
        g_assert_false(testFormat(&error));
        g_clear_error(&error);
    }
    testAssertFDs(fds);
}

static void
testSecretTooLong(void)
{
    g_autofree guint8 *data = g_malloc0(65537);
    g_autoptr(lukshdrSecret) secret = lukshdrSecretNew(data, 65537);
    g_autoptr(lukshdrSecret) longest = lukshdrSecretNew(data, 65536);
    g_autoptr(lukshdrSecret) empty = lukshdrSecretNew(data, 0);
    g_autoptr(GError) error = NULL;
    unsigned int fds = utilTestOpenFDs();
    char byte;
    int fd;

    g_assert_cmpint(lukshdrSecretPipe(secret, &error), ==, -1);
    utilTestError(error, "INVALID_SECRET too long");
    g_clear_error(&error);
    fd = lukshdrSecretPipe(longest, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    close(fd);
    fd = lukshdrSecretPipe(empty, &error);
    g_assert_no_error(error);
    g_assert_cmpint(read(fd, &byte, 1), ==, 0);
    close(fd);
    lukshdrSecretFree(NULL);
    g_assert_cmpuint(utilTestOpenFDs(), ==, fds);
}

/* A child that does not end is ended, and so is what it has started */
static void
testDaemonHangs(void)
{
    static const char *const ways[] = { "hang", "mute" };
    g_autoptr(lukshdrSecret) secret = lukshdrSecretNew((const guint8 *)SECRET, SECRET_LEN);
    g_auto(lukshdrFormatParams) params = { 0 };
    size_t i;

    if (!testInPath() || !testSubprocess())
        return;
    testFake(NULL, "");
    for (i = 0; i < G_N_ELEMENTS(ways); i++) {
        g_autoptr(GError) error = NULL;
        int fd = testVolume();

        g_setenv("FAKE_DAEMON", ways[i], TRUE);
        g_assert_false(lukshdrFormatWithStorageDaemon(fd, &params, secret, NULL, 1, &error));
        utilTestError(error, "OPERATION_TIMEOUT 'qemu-storage-daemon' was killed: it had not "
                             "ended after 1 seconds");
        g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
        close(fd);
    }
}

/* Whether nothing but zeroes is in a file of that length */
static bool
testIsBlank(const char *path, gsize len)
{
    g_autofree char *data = NULL;
    gsize got;
    gsize i;

    g_assert_true(g_file_get_contents(path, &data, &got, NULL));
    g_assert_cmpuint(got, ==, len);
    for (i = 0; i < len && !data[i]; i++)
        ;
    return i == len;
}

/* The real tools, by whichever way they can; cryptsetup says what came of it.  What is opened is
 * formatted, while at its path there are first a symbolic link and then another file. */
static void
testReal(gconstpointer opaque)
{
    bool viaDaemon = GPOINTER_TO_INT(opaque);
    g_autofree char *img = g_find_program_in_path(LUKSHDR_QEMU_IMG);
    g_autofree char *daemon = g_find_program_in_path(LUKSHDR_QEMU_STORAGE_DAEMON);
    g_autofree char *cryptsetup = g_find_program_in_path("cryptsetup");
    g_autofree char *path = utilTestPath("header.luks");
    g_autofree char *moved = utilTestPath("header.moved");
    g_autofree char *victim = utilTestPath("victim");
    g_autofree char *key = utilTestPath("key");
    g_autofree char *zeroes = g_malloc0(5000);
    g_autoptr(lukshdrSecret)
        secret = lukshdrSecretNew((const guint8 *)REAL_SECRET, REAL_SECRET_LEN);
    g_auto(lukshdrFormatParams) params = { .cipherAlg = g_strdup("aes-256"), .iterTime = 10 };
    const char *argv[] = { "cryptsetup", "luksOpen", "--test-passphrase", "--type", "luks1",
                           "--key-file", key,        "--header",          moved,    moved,
                           NULL };
    const lukshdrCommand command = { .argv = argv, .deadline = LUKSHDR_COMMAND_DEADLINE };
    g_autoptr(GError) error = NULL;
    guint round;
    int fd;

    if (!img || !daemon) {
        g_test_skip("no QEMU tools");
        return;
    }
    if (!testSubprocess())
        return;

    signal(SIGPIPE, SIG_IGN);
    for (round = 0; round < 2; round++) {
        g_autofree char *uuid = NULL;
        guint64 end;

        utilTestWrite(path, "", 0);
        utilTestWrite(victim, zeroes, 5000);
        fd = open(path, O_RDWR | O_CLOEXEC);
        g_assert_cmpint(g_rename(path, moved), ==, 0);
        if (round == 0)
            g_assert_cmpint(symlink(victim, path), ==, 0);
        else
            utilTestWrite(path, zeroes, 5000);

        if (viaDaemon)
            lukshdrFormatWithStorageDaemon(fd, &params, secret, NULL, LUKSHDR_COMMAND_DEADLINE,
                                           &error);
        else
            lukshdrFormatHeader(fd, &params, secret, NULL, &error);
        g_assert_no_error(error);

        g_assert_true(testIsBlank(victim, 5000));
        g_assert_true(testIsBlank(path, 5000));
        g_assert_true(lukshdrLuksReadUUID(fd, &uuid, &error));
        g_assert_no_error(error);
        g_assert_true(lukshdrLuksKeyMaterialEnd(fd, &end, &error));
        g_assert_cmpuint(end, ==, 2066432);
        close(fd);

        if (cryptsetup) {
            utilTestWrite(key, REAL_SECRET, REAL_SECRET_LEN);
            lukshdrCommandRun(&command, &error);
            g_assert_no_error(error);
            utilTestWrite(key, "wrong", -1);
            g_assert_false(lukshdrCommandRun(&command, &error));
            g_clear_error(&error);
        }
        g_assert_cmpint(g_unlink(path), ==, 0);
    }

    /* what QEMU itself refuses comes through with its words */
    g_free(params.cipherMode);
    params.cipherMode = g_strdup("rot13");
    fd = open(moved, O_RDWR | O_CLOEXEC);
    if (viaDaemon)
        g_assert_false(lukshdrFormatWithStorageDaemon(fd, &params, secret, NULL,
                                                      LUKSHDR_COMMAND_DEADLINE, &error));
    else
        g_assert_false(lukshdrFormatHeader(fd, &params, secret, NULL, &error));
    utilTestError(error, "OPERATION_FAILED rot13");
    close(fd);
}

int
main(int argc, char **argv)
{
    g_autofree char *name = g_path_get_basename(argv[0]);
    size_t i;

    if (g_getenv("FAKE_DIR") && g_str_has_prefix(name, "qemu-"))
        return fakeMain(name, argc, argv);

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/format/secret-too-long", testSecretTooLong);
    g_test_add_func("/format/qemu-img", testQemuImg);
    g_test_add_func("/format/storage-daemon", testStorageDaemon);
    for (i = 0; i < G_N_ELEMENTS(testFailures); i++) {
        g_autofree char *path = g_strconcat("/format/", testFailures[i].name, NULL);

        g_test_add_data_func(path, &testFailures[i], testFails);
    }
    g_test_add_func("/format/daemon-hangs", testDaemonHangs);
    g_test_add_data_func("/format/real", GINT_TO_POINTER(false), testReal);
    g_test_add_data_func("/format/real-daemon", GINT_TO_POINTER(true), testReal);
    return g_test_run();
}
