/*
 * test-text.c: what others wrote, in the log, in errors and on a terminal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "util/error.h"
#include "util/log.h"
#include "util/text.h"

static void
testShown(void)
{
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        { "", "" },
        { "disk 1.qcow2", "disk 1.qcow2" },
        { "kä€🔑 \\x0a %s", "kä€🔑 \\x0a %s" },
        { "a\nb\r\tc", "a\\x0ab\\x0d\\x09c" },
        { "\x01\x1b[31m\x7f", "\\x01\\x1b[31m\\x7f" },
        /* C1: a terminal may take U+009B for ESC [ */
        { "\xc2\x80\xc2\x85\xc2\x9b\xc2\x9f\xc2\xa0", "\\x80\\x85\\x9b\\x9f\xc2\xa0" },
        /* the same as bare bytes, and other things that are no UTF-8 */
        { "\x9b", "\\x9b" },
        { "a\xff\xc3", "a\\xff\\xc3" },
        { "\xe2\x82z", "\\xe2\\x82z" },
        { "\xc0\x8a\xed\xa0\x80", "\\xc0\\x8a\\xed\\xa0\\x80" },
        /* separators of lines and paragraphs, right-to-left override, isolates, zero width */
        { "\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029" },
        { "\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8b\xef\xbb\xbf", "\\u202e\\u2066\\u200b\\ufeff" },
        { "\xf3\xa0\x80\x81", "\\U000e0001" },
    };
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *shown = lukshdrTextShown(cases[i].text);
        g_autofree char *again = lukshdrTextShown(shown);

        g_assert_cmpstr(shown, ==, cases[i].shown);
        g_assert_cmpstr(again, ==, shown);
        g_assert_true(lukshdrTextIsName(shown));
    }
}

/* What is shown of each single byte, and of each character below U+3000, has no control character */
static void
testEach(void)
{
    gunichar c;

    for (c = 1; c < 0x3000; c++) {
        char text[8] = { 0 };
        g_autofree char *shown = NULL;
        const char *p;

        if (c < 0x100)
            text[0] = (char)c;
        else
            g_unichar_to_utf8(c, text);
        shown = lukshdrTextShown(text);
        g_assert_true(*shown != '\0' && g_utf8_validate(shown, -1, NULL));
        for (p = shown; *p; p = g_utf8_next_char(p))
            g_assert_false(g_unichar_iscntrl(g_utf8_get_char(p)));
    }
}

static void
testName(void)
{
    g_assert_true(lukshdrTextIsName(""));
    g_assert_true(lukshdrTextIsName(" a & b's \"kä€🔑\".qcow2"));
    g_assert_true(lukshdrTextIsName("two\nlines\tand\r"));
    /* of a text from right to left */
    g_assert_true(lukshdrTextIsName("\xd7\x90\xe2\x80\x8f"));
    g_assert_false(lukshdrTextIsName("a\x1b[0m"));
    g_assert_false(lukshdrTextIsName("\x01"));
    g_assert_false(lukshdrTextIsName("a\x7f"));
    g_assert_false(lukshdrTextIsName("\xc2\x9b"));
    g_assert_false(lukshdrTextIsName("\xe2\x80\xa8"));
    g_assert_false(lukshdrTextIsName("\xff"));
}

static void
testToken(void)
{
    g_assert_true(lukshdrTextIsToken("qcow2"));
    g_assert_true(lukshdrTextIsToken("aes-256_X"));
    g_assert_false(lukshdrTextIsToken(""));
    g_assert_false(lukshdrTextIsToken("qcow2\n"));
    g_assert_false(lukshdrTextIsToken("qcow 2"));
    g_assert_false(lukshdrTextIsToken("qcow2,file=x"));
    g_assert_false(lukshdrTextIsToken("ä"));
}

/* What is not known is equal to nothing */
static void
testSame(void)
{
    g_assert_true(lukshdrTextSame("a", "a"));
    g_assert_false(lukshdrTextSame("a", "A"));
    g_assert_false(lukshdrTextSame("a", NULL));
    g_assert_false(lukshdrTextSame(NULL, "a"));
    g_assert_false(lukshdrTextSame(NULL, NULL));
    g_assert_true(lukshdrTextSameUUID("0d1c8a55", "0D1C8a55"));
    g_assert_false(lukshdrTextSameUUID("0d1c8a55", "0d1c8a56"));
    g_assert_false(lukshdrTextSameUUID("0d1c8a55", NULL));
    g_assert_false(lukshdrTextSameUUID(NULL, "0d1c8a55"));
    g_assert_false(lukshdrTextSameUUID(NULL, NULL));
}

/* What stands for libvirt keeps what it was given last */
static char *testMessage;

static void G_GNUC_PRINTF(7, 8) testLogMessage(lukshdrVirLogSource *source,
                                               int priority,
                                               const char *filename,
                                               int linenr,
                                               const char *funcname,
                                               void *metadata,
                                               const char *fmt,
                                               ...)
{
    va_list args;

    va_start(args, fmt);
    g_free(testMessage);
    testMessage = g_strdup_vprintf(fmt, args);
    va_end(args);
}

static void G_GNUC_PRINTF(6, 7) testReportError(int domcode,
                                                int errorcode,
                                                const char *filename,
                                                const char *funcname,
                                                size_t linenr,
                                                const char *fmt,
                                                ...)
{
    va_list args;

    va_start(args, fmt);
    g_free(testMessage);
    testMessage = g_strdup_vprintf(fmt, args);
    va_end(args);
}

static void G_GNUC_PRINTF(12, 13) testRaiseError(const char *filename,
                                                 const char *funcname,
                                                 size_t linenr,
                                                 int domain,
                                                 int code,
                                                 virErrorLevel level,
                                                 const char *str1,
                                                 const char *str2,
                                                 const char *str3,
                                                 int int1,
                                                 int int2,
                                                 const char *fmt,
                                                 ...)
{
    va_list args;

    va_start(args, fmt);
    g_free(testMessage);
    testMessage = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_assert_cmpstr(str2, ==, testMessage);
}

/* A line that looks as one of the log's own does */
#define FORGED "x\n2026-01-01 00:00:00.000+0000: 1: error : forged:1 : \x1b[31m%s"
#define FORGED_SHOWN "x\\x0a2026-01-01 00:00:00.000+0000: 1: error : forged:1 : \\x1b[31m%s"

static void
testLog(void)
{
    static const lukshdrABICommon abi = {
        .virLogMessage = testLogMessage,
        .virReportErrorHelper = testReportError,
        .virRaiseErrorFull = testRaiseError,
    };
    g_autoptr(GError) own = g_error_new_literal(LUKSHDR_ERROR, VIR_ERR_XML_ERROR, FORGED);
    g_autoptr(GError) stock = g_error_new_literal(LUKSHDR_STOCK_ERROR, VIR_ERR_XML_ERROR, FORGED);

    lukshdrLogInit(&abi, "test", VIR_FROM_STORAGE);
    LUKSHDR_LOG_WARN("volume '%s'", FORGED);
    g_assert_cmpstr(testMessage, ==, "volume '" FORGED_SHOWN "'");
    lukshdrReportError(own);
    g_assert_cmpstr(testMessage, ==, FORGED_SHOWN);
    lukshdrReportError(stock);
    g_assert_cmpstr(testMessage, ==, FORGED_SHOWN);
    g_clear_pointer(&testMessage, g_free);
}

/* Without libvirt's log: stderr */
static void
testStderr(void)
{
    static const lukshdrABICommon abi = { 0 };

    if (g_test_subprocess()) {
        lukshdrLogInit(&abi, "test", VIR_FROM_STORAGE);
        LUKSHDR_LOG_WARN("volume '%s'", FORGED);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr("*test: volume 'x\\x0a2026*\\x1b?31m%s'\n");
}

/* What a message shows to be typed is one word for a shell, whatever a label's author called it */
static void
testShellName(void)
{
    static const char *const names[] = { "disk.raw", "a b",  "$(id)", "`id`",
                                         "a;b",      "it's", "\"",    "a\nb" };
    g_autofree char *plain = lukshdrTextShellName("pool", "disk-1.qcow2");
    size_t i;

    g_assert_cmpstr(plain, ==, "pool/disk-1.qcow2");
    for (i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *word = lukshdrTextShellName("pool", names[i]);
        g_autofree char *expected = g_strdup_printf("pool/%s", names[i]);
        g_auto(GStrv) argv = NULL;
        int argc;

        g_assert_true(g_shell_parse_argv(word, &argc, &argv, NULL));
        g_assert_cmpint(argc, ==, 1);
        g_assert_cmpstr(argv[0], ==, expected);
        g_assert_false(strpbrk(word, " $`;\"\n") && word[0] != '\'');
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/shown", testShown);
    g_test_add_func("/text/each", testEach);
    g_test_add_func("/text/name", testName);
    g_test_add_func("/text/token", testToken);
    g_test_add_func("/text/same", testSame);
    g_test_add_func("/text/log", testLog);
    g_test_add_func("/text/stderr", testStderr);
    g_test_add_func("/text/shell-name", testShellName);
    return g_test_run();
}
