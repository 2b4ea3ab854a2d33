/*
 * fuzz-main.c: runs a target on its corpus, and on what it makes of that by chance
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Usage: fuzz-NAME [-runs=N] [-seconds=N] [-seed=N] [-crash=DIR] CORPUS...
 *
 *   CORPUS    files, and directories of them: each is run once
 *   -runs     so many more inputs, made of these by chance (none)
 *   -seconds  instead of -runs: go on for so long
 *   -seed     of chance (1); 0 for another one each time, which is printed
 *   -crash    where an input that ends the target is kept (the working directory)
 *
 * The target runs in a child, which leaves behind the input at hand, however it ended. No input may
 * take more than a minute of processor time.
 *
 * libFuzzer sees which code an input reaches, and searches better; this needs nothing but a
 * compiler. What is made keeps to the form of XML about half of the time.
 */

#include <glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fuzz.h"

#define FUZZ_MAX (64 * 1024)    /* bytes of an input */
#define FUZZ_CPU 60             /* seconds of processor time for one input */
#define FUZZ_CHANGES_MAX_LOG2 5 /* of one input, at most 2^(this - 1) */

/* What the child leaves behind */
typedef struct {
    size_t size;
    guint64 runs;
    uint8_t data[FUZZ_MAX];
} fuzzShared;

static fuzzShared *shared;
static GPtrArray *corpus; /* of GBytes */
static GPtrArray *words;  /* of char *: names, values and numbers of the corpus */
static GRand *chance;

/* Returns a number below @below, or 0 */
static size_t
fuzzChance(size_t below)
{
    return below < 2 ? 0 : (size_t)g_rand_int_range(chance, 0, (gint32)MIN(below, G_MAXINT32));
}

static void
fuzzRun(const uint8_t *data, size_t size)
{
    const struct itimerval limit = { .it_value = { .tv_sec = FUZZ_CPU } };
    /* of exactly that size, so that sanitizers see what reads on */
    uint8_t *copy = malloc(size);

    if (size) {
        memcpy(shared->data, data, size);
        memcpy(copy, data, size);
    }
    shared->size = size;
    setitimer(ITIMER_PROF, &limit, NULL);
    LLVMFuzzerTestOneInput(copy, size);
    shared->runs++;
    free(copy);
}

static void
fuzzLoad(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GError) error = NULL;
    const char *name;
    char *data;
    gsize size;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        fuzzLoad(child);
    }
    if (dir)
        return;

    if (!g_file_get_contents(path, &data, &size, &error))
        g_error("%s", error->message);
    g_ptr_array_add(corpus, g_bytes_new_take(data, MIN(size, FUZZ_MAX)));
}

/* In the order of a directory nothing can be repeated */
static int
fuzzCompare(gconstpointer a, gconstpointer b)
{
    return g_bytes_compare(*(GBytes *const *)a, *(GBytes *const *)b);
}

static bool
fuzzIsWord(uint8_t c)
{
    return g_ascii_isalnum(c) || strchr("_-./:", c);
}

static void
fuzzFindWords(GBytes *bytes)
{
    gsize size;
    const char *data = g_bytes_get_data(bytes, &size);
    gsize start = 0;
    gsize i;

    for (i = 0; i <= size; i++) {
        if (i < size && data[i] && fuzzIsWord(data[i]))
            continue;
        if (i > start && i - start < 64)
            g_ptr_array_add(words, g_strndup(data + start, i - start));
        start = i + 1;
    }
}

/* Where an input may be changed so that XML stays XML: an element, or the value of an attribute */

typedef struct {
    size_t start;
    size_t len;
} fuzzRange;

static const uint8_t *
fuzzFind(const uint8_t *data, size_t size, size_t from, const char *what)
{
    return from < size ? memmem(data + from, size - from, what, strlen(what)) : NULL;
}

static bool
fuzzElement(const uint8_t *data, size_t size, fuzzRange *range)
{
    const uint8_t *start = fuzzFind(data, size, fuzzChance(size), "<");
    const uint8_t *end;
    g_autofree char *close = NULL;
    size_t at;
    size_t len;

    if (!start)
        return false;
    at = start - data;
    for (len = 1; at + len < size && fuzzIsWord(data[at + len]); len++)
        ;
    if (len == 1 || !(end = fuzzFind(data, size, at, ">")))
        return false;
    if (end[-1] != '/') {
        close = g_strdup_printf("</%.*s", (int)len - 1, start + 1);
        if (!(end = fuzzFind(data, size, at, close)) ||
            !(end = fuzzFind(data, size, end - data, ">")))
            return false;
    }
    *range = (fuzzRange){ at, end + 1 - start };
    return true;
}

static bool
fuzzValue(const uint8_t *data, size_t size, fuzzRange *range)
{
    size_t at = fuzzChance(size);
    const uint8_t *start;
    const uint8_t *end;
    char quote[2] = { 0 };

    while ((start = fuzzFind(data, size, at, "="))) {
        at = start + 1 - data;
        if (at < size && (data[at] == '"' || data[at] == '\'')) {
            quote[0] = (char)data[at++];
            if (!(end = fuzzFind(data, size, at, quote)))
                return false;
            *range = (fuzzRange){ at, end - data - at };
            return true;
        }
    }
    return false;
}

static void
fuzzReplace(GByteArray *input, fuzzRange range, const void *data, size_t size)
{
    g_autofree uint8_t *rest = NULL;
    size_t behind = range.start + range.len;
    size_t len = input->len - behind;

    if (range.start + size + len > FUZZ_MAX)
        return;
    rest = g_memdup2(input->data + behind, len);
    g_byte_array_set_size(input, range.start);
    if (size)
        g_byte_array_append(input, data, size);
    if (len)
        g_byte_array_append(input, rest, len);
}

/* Changes one thing */
static void
fuzzChange(GByteArray *input)
{
    static const char *const nasty[] = {
        "",
        "0",
        "-1",
        "4294967295",
        "18446744073709551616",
        "&#10;",
        "&#27;[2J",
        "&#x9b;",
        "&#x202e;",
        "..",
        "/",
        "//",
        "../x",
        "<!--",
        "<![CDATA[",
        "]]>",
        "&x;",
        "<!DOCTYPE x [<!ENTITY x 'y'>]>",
        "\xff",
        "\xc0\x80",
        "\xed\xa0\x80",
        " ",
        "%s%n",
        "xmlns='urn:x'",
        "<?xml version='1.0'?>",
    };
    GBytes *other = g_ptr_array_index(corpus, fuzzChance(corpus->len));
    gsize otherSize;
    const uint8_t *otherData = g_bytes_get_data(other, &otherSize);
    size_t at = fuzzChance(input->len + 1);
    size_t most = (size_t)1 << fuzzChance(8);
    size_t len = fuzzChance(MIN(input->len - at, most) + 1);
    const char *word = words->len && fuzzChance(4)
                           ? g_ptr_array_index(words, fuzzChance(words->len))
                           : nasty[fuzzChance(G_N_ELEMENTS(nasty))];
    fuzzRange range = { at, len };
    fuzzRange from;
    uint8_t byte = (uint8_t)fuzzChance(256);

    switch (fuzzChance(14)) {
    case 0: /* a bit */
        if (at < input->len)
            input->data[at] ^= 1 << fuzzChance(8);
        break;
    case 1: /* a byte */
        if (at < input->len)
            input->data[at] = byte;
        break;
    case 2:
        fuzzReplace(input, (fuzzRange){ at, 0 }, &byte, 1);
        break;
    case 3: /* some bytes less */
        fuzzReplace(input, range, NULL, 0);
        break;
    case 4: { /* some bytes twice */
        g_autofree uint8_t *copy = g_memdup2(input->data + at, len);

        fuzzReplace(input, (fuzzRange){ fuzzChance(input->len + 1), 0 }, copy, len);
        break;
    }
    case 5: /* begins as this and ends as another */
        range = (fuzzRange){ at, input->len - at };
        from.start = fuzzChance(otherSize + 1);
        fuzzReplace(input, range, otherData + from.start, otherSize - from.start);
        break;
    case 6: /* a word anywhere */
        fuzzReplace(input, fuzzChance(2) ? range : (fuzzRange){ at, 0 }, word, strlen(word));
        break;
    case 7: /* the first byte, which is a choice in many a target */
        if (input->len)
            input->data[0] = byte;
        break;
    case 8:
    case 9: /* an attribute has another value */
        if (fuzzValue(input->data, input->len, &range))
            fuzzReplace(input, range, word, strlen(word));
        break;
    case 10: /* an element less */
        if (fuzzElement(input->data, input->len, &range))
            fuzzReplace(input, range, NULL, 0);
        break;
    case 11:
    case 12: /* an element of this one or another more, in front of one or in its place */
        if (fuzzElement(input->data, input->len, &range)) {
            g_autofree uint8_t *copy = g_memdup2(input->data, input->len);
            size_t copySize = input->len;
            bool own = fuzzChance(2);

            if (fuzzChance(2))
                range.len = 0;
            if (fuzzElement(own ? copy : otherData, own ? copySize : otherSize, &from))
                fuzzReplace(input, range, (own ? copy : otherData) + from.start, from.len);
        }
        break;
    case 13: /* elements out of one another */
        if (fuzzElement(input->data, input->len, &range)) {
            const uint8_t *end = fuzzFind(input->data, input->len, range.start, ">");

            range.len = end + 1 - (input->data + range.start);
            fuzzReplace(input, range, NULL, 0);
        }
        break;
    }
}

static void
fuzzMake(void)
{
    g_autoptr(GByteArray) input = g_byte_array_new();
    GBytes *first = g_ptr_array_index(corpus, fuzzChance(corpus->len));
    gsize size;
    const uint8_t *data = g_bytes_get_data(first, &size);
    size_t changes = 1 + fuzzChance((size_t)1 << fuzzChance(FUZZ_CHANGES_MAX_LOG2));

    if (size)
        g_byte_array_append(input, data, size);
    while (changes-- > 0)
        fuzzChange(input);
    fuzzRun(input->data, input->len);
}

/* What the child does */
static int
fuzzChild(guint64 runs, gint64 seconds)
{
    gint64 end = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    guint i;

    for (i = 0; i < corpus->len; i++) {
        gsize size;
        const uint8_t *data = g_bytes_get_data(g_ptr_array_index(corpus, i), &size);

        fuzzRun(data, size);
    }
    while (seconds > 0 ? g_get_monotonic_time() < end : runs-- > 0)
        fuzzMake();
    return 0;
}

static void
fuzzKeep(const char *target, const char *dir, int status)
{
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA1, shared->data, shared->size);
    g_autofree char *name = g_strdup_printf("crash-%s-%.12s", target, sum);
    g_autofree char *path = g_build_filename(dir, name, NULL);

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF)
        fprintf(stderr, "an input took more than %d s of processor time\n", FUZZ_CPU);
    else if (WIFSIGNALED(status))
        fprintf(stderr, "the target was ended by signal %d\n", WTERMSIG(status));
    else
        fprintf(stderr, "the target ended with status %d\n", WEXITSTATUS(status));
    if (g_file_set_contents(path, (const char *)shared->data, (gssize)shared->size, NULL))
        fprintf(stderr, "after %" G_GUINT64_FORMAT " runs, on the input that is now in %s\n",
                shared->runs, path);
}

int
main(int argc, char **argv)
{
    g_autofree char *target = g_path_get_basename(argv[0]);
    const char *dir = ".";
    gint64 started = g_get_monotonic_time();
    guint64 runs = 0;
    gint64 seconds = 0;
    guint32 seed = 1;
    double took;
    int status = 1;
    pid_t child;
    int i;

    corpus = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    words = g_ptr_array_new_with_free_func(g_free);
    for (i = 1; i < argc; i++) {
        if (g_str_has_prefix(argv[i], "-runs="))
            runs = g_ascii_strtoull(argv[i] + strlen("-runs="), NULL, 10);
        else if (g_str_has_prefix(argv[i], "-seconds="))
            seconds = g_ascii_strtoll(argv[i] + strlen("-seconds="), NULL, 10);
        else if (g_str_has_prefix(argv[i], "-seed="))
            seed = (guint32)g_ascii_strtoull(argv[i] + strlen("-seed="), NULL, 10);
        else if (g_str_has_prefix(argv[i], "-crash="))
            dir = argv[i] + strlen("-crash=");
        else
            fuzzLoad(argv[i]);
    }
    if (corpus->len == 0) {
        fprintf(stderr, "%s: no inputs\n", target);
        return 1;
    }
    g_ptr_array_sort(corpus, fuzzCompare);
    for (i = 0; i < (int)corpus->len; i++)
        fuzzFindWords(g_ptr_array_index(corpus, i));

    seed = seed ? seed : g_random_int();
    chance = g_rand_new_with_seed(seed);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || (child = fork()) < 0) {
        perror(target);
        return 1;
    }
    if (child == 0) {
        status = fuzzChild(runs, seconds);
    } else {
        while (waitpid(child, &status, 0) < 0)
            ;
        took = (double)(g_get_monotonic_time() - started) / G_USEC_PER_SEC;
        if (status)
            fuzzKeep(target, dir, status);
        printf("%s: %u inputs, %" G_GUINT64_FORMAT " runs with seed %u in %.1f s\n", target,
               corpus->len, shared->runs, seed, took);
        status = status ? 1 : 0;
    }

    g_ptr_array_unref(corpus);
    g_ptr_array_unref(words);
    g_rand_free(chance);
    return status;
}
