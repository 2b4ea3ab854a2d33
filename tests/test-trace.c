/*
 * test-trace.c: which parts of a disk a kernel has discarded
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include <string.h>

#include "trace.h"

#define SECTOR 512

static GArray *
testRead(const char *requests, guint most)
{
    g_auto(GStrv) lines = g_strsplit(requests, "\n", -1);
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(lukshdrToolRange));
    guint i;

    for (i = 0; lines[i]; i++)
        g_assert_true(lukshdrToolTraceAdd(ranges, lines[i]));
    lukshdrToolTraceSort(ranges, most);
    return ranges;
}

static void
testRequests(void)
{
    static const struct {
        const char *requests;
        const char *left; /* sectors: "FIRST+COUNT ..." */
    } cases[] = {
        { "D 8 8", "8+8" },
        /* in any order, joined */
        { "D 16 8\nD 8 8\nD 100 1", "8+16 100+1" },
        { "D 8 100\nD 10 2\nD 9 99", "8+100" },
        /* reads and flushes change nothing */
        { "D 8 8\nR 8 8\nRA 8 8\nRM 8 8\nFF 0 0\nF 0 0\nFR 8 8", "8+8" },
        /* writes do, of any kind: before, at the beginning, within, at the end, all, beyond */
        { "W 8 8\nD 8 8", "8+8" },
        { "D 8 8\nWS 0 8\nWS 16 8", "8+8" },
        { "D 8 8\nWS 6 4", "10+6" },
        { "D 8 8\nFWFSM 10 2", "8+2 12+4" },
        { "D 8 8\nWM 15 1", "8+7" },
        { "D 8 8\nW 8 8", "" },
        { "D 8 8\nW 0 100\nD 9 1", "9+1" },
        { "D 8 8\nN 8 4", "12+4" },
        { "D 8 8\nX 8 4", "12+4" },
        { "D 8 8\nD 12 8\nW 14 1", "8+6 15+5" },
        { "D 8 8\nW 10 1\nW 12 1\nD 10 1", "8+4 13+3" },
        /* to be erased is more than to be freed */
        { "DE 8 8", "" },
        { "D 0 0", "" },
    };
    size_t i;
    guint j;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GArray) ranges = testRead(cases[i].requests, 100);
        g_autoptr(GString) left = g_string_new(NULL);

        for (j = 0; j < ranges->len; j++) {
            const lukshdrToolRange *range = &g_array_index(ranges, lukshdrToolRange, j);

            g_string_append_printf(left, "%s%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, j ? " " : "",
                                   range->offset / SECTOR, range->size / SECTOR);
            g_assert_cmpuint(range->offset % SECTOR + range->size % SECTOR, ==, 0);
        }
        g_test_message("%s", cases[i].requests);
        g_assert_cmpstr(left->str, ==, cases[i].left);
    }
}

static void
testRefused(void)
{
    static const char *const cases[] = {
        "",
        " 8 8",
        "D",
        "D 8",
        "D 8 8 8",
        "D 8 x",
        "D -8 8",
        "D 8 -8",
        "D 0x8 8",
        "D  8",
        "D 8 8\n",
        "D 99999999999999999999 8",
        "D 8 4294967296",
        "D 9223372036854775807 1",
    };
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(lukshdrToolRange));
    size_t i;

    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i]);
        g_assert_false(lukshdrToolTraceAdd(ranges, cases[i]));
    }
    g_assert_cmpuint(ranges->len, ==, 0);
}

/* Of too many, the largest are left, in order */
static void
testMost(void)
{
    g_autoptr(GArray) ranges = testRead("D 100 1\nD 10 5\nD 200 3\nD 300 2", 2);

    g_assert_cmpuint(ranges->len, ==, 2);
    g_assert_cmpuint(g_array_index(ranges, lukshdrToolRange, 0).offset, ==, 10 * SECTOR);
    g_assert_cmpuint(g_array_index(ranges, lukshdrToolRange, 1).offset, ==, 200 * SECTOR);
}

/* Whatever is requested, the result is what a map of single sectors says */
static void
testRandom(void)
{
    static const char *const kinds[] = { "D", "D", "DS", "W", "WS", "R" };
    enum { DISK = 200 };
    guint round;
    guint i;

    for (round = 0; round < 2000; round++) {
        g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(lukshdrToolRange));
        guint8 is[DISK] = { 0 };
        guint8 want[DISK] = { 0 };
        guint64 end = 0;

        for (i = 0; i < 30; i++) {
            const char *kind = kinds[g_test_rand_int_range(0, G_N_ELEMENTS(kinds))];
            guint first = g_test_rand_int_range(0, DISK);
            guint count = g_test_rand_int_range(0, DISK - first + 1);
            g_autofree char *request = g_strdup_printf("%s %u %u", kind, first, count);

            g_assert_true(lukshdrToolTraceAdd(ranges, request));
            if (*kind != 'R')
                memset(want + first, *kind == 'D', count);
        }
        lukshdrToolTraceSort(ranges, G_MAXUINT);
        for (i = 0; i < ranges->len; i++) {
            const lukshdrToolRange *range = &g_array_index(ranges, lukshdrToolRange, i);

            g_assert_cmpuint(range->size, >, 0);
            if (i > 0)
                g_assert_cmpuint(range->offset, >, end);
            end = range->offset + range->size;
            memset(is + range->offset / SECTOR, 1, range->size / SECTOR);
        }
        g_assert_cmpmem(is, sizeof(is), want, sizeof(want));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trace/requests", testRequests);
    g_test_add_func("/trace/refused", testRefused);
    g_test_add_func("/trace/most", testMost);
    g_test_add_func("/trace/random", testRandom);
    return g_test_run();
}
