/*
 * utiltest.h: what the tests of src/util have in common
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include "link/link.h"

/* UUIDs of utilTestLink's link */
#define UTIL_TEST_UUID "5a3d3a1c-6f0e-4b56-9d0c-3e3b7f5f2c11"
#define UTIL_TEST_LUKS_UUID "0d1c8a55-7d2c-4a10-8c1d-9a4f5b6f7a33"
#define UTIL_TEST_SECRET_UUID "c4f0d4de-92f5-4f0e-8f25-6d1d5a0f3e77"

/**
 * utilTestDir:
 *
 * Returns: path of a private directory, static, made at the first call and
 * removed with all in it when the process that made it ends.
 */
const char *
utilTestDir(void);

/**
 * utilTestPath:
 * @name: relative path
 *
 * Returns: @name in utilTestDir, freed with g_free.
 */
char *
utilTestPath(const char *name);

/**
 * utilTestWrite:
 * @path: file to make or replace
 * @data: its content
 * @len: bytes of it; -1 for a text
 */
void
utilTestWrite(const char *path, const char *data, gssize len);

/**
 * utilTestClear:
 * @path: directory that is removed with all in it; that it does not exist is no error
 */
void
utilTestClear(const char *path);

/**
 * utilTestLink:
 * @payload: path of the payload; examined if it exists, or NULL
 * @header: path of the header, as @payload
 *
 * Returns: a link in state ACTIVE with fixed UUIDs, its volumes named by the
 * base names of the paths.
 */
lukshdrLink *
utilTestLink(const char *payload, const char *header);

/**
 * utilTestLoad:
 * @dir: directory below tests, e.g. "xml/link"
 * @name: name of a case
 * @suffix: of one of its files, with the dot
 *
 * Returns: the file's text, freed with g_free, or NULL if there is no such file.
 */
char *
utilTestLoad(const char *dir, const char *name, const char *suffix);

/**
 * utilTestGolden:
 * @dir: as utilTestLoad
 * @name: as utilTestLoad
 * @suffix: as utilTestLoad
 * @text: what was made, to be equal to the file; with LUKSHDR_TEST_REGENERATE=1
 *        it is written there instead, to be read in the diff
 */
void
utilTestGolden(const char *dir, const char *name, const char *suffix, const char *text);

/**
 * utilTestCases:
 * @dir: as utilTestLoad
 * @suffixes: of the files that belong to a case, longest first, NULL-terminated;
 *            any other file fails the test
 * @prefix: of the tests' paths, with the last '/'
 * @func: test function, given the case's name
 *
 * Adds a test for each case.
 */
void
utilTestCases(const char *dir, const char *const *suffixes, const char *prefix, GTestDataFunc func);

/**
 * utilTestError:
 * @error: what was raised, or NULL, which fails the test
 * @expected: "CODE fragment of the message", CODE being a virErrorNumber without
 *            VIR_ERR_; white space at the end is dropped
 */
void
utilTestError(const GError *error, const char *expected);

/* a LUKS1 partition header, as tests/golden has them */
#define UTIL_TEST_PHDR_LEN 592

/**
 * utilTestPhdr:
 * @name: of tests/golden/NAME.phdr
 *
 * Returns: its bytes, freed with g_free.
 */
char *
utilTestPhdr(const char *name);

/**
 * utilTestKeySlots:
 * @phdr: a LUKS1 partition header
 * @keyBytes: length of the master key
 * @sector: where the key material of the first slot begins, sectors of 512 bytes
 * @sectors: from there to the next slot's
 * @stripes: of each slot
 *
 * Writes these numbers into @phdr.
 */
void
utilTestKeySlots(char *phdr, guint32 keyBytes, guint32 sector, guint32 sectors, guint32 stripes);

/**
 * utilTestHeader:
 * @path: header volume to make or replace
 * @phdr: its LUKS1 partition header
 * @end: end of the key material that @phdr describes, bytes
 * @seed: what the bytes of the key material depend on
 * @links: lukshdrLink *, for its label; their digest is set to GLib's of the header
 */
void
utilTestHeader(const char *path, const char *phdr, gsize end, int seed, GPtrArray *links);

/**
 * utilTestXor:
 * @fd: open for reading and writing
 * @at: offset of a byte
 * @bits: to flip in it
 */
void
utilTestXor(int fd, off_t at, guint8 bits);

/**
 * utilTestSkipLocks:
 *
 * For tests in which a thread waits for lukshdrLabelLock.
 *
 * Returns: true, the test being marked as skipped, if that cannot be run here.
 */
bool
utilTestSkipLocks(void);

/**
 * utilTestOpenFDs:
 *
 * Returns: how many descriptors the process has open.
 */
unsigned int
utilTestOpenFDs(void);

/**
 * utilTestValid:
 * @schema: as lukshdrSchemaValidate
 * @root: as lukshdrSchemaValidate
 * @text: XML that must be as the schema says
 */
void
utilTestValid(const char *schema, const char *root, const char *text);

/**
 * utilTestInvalid:
 * @schema: as lukshdrSchemaValidate
 * @root: as lukshdrSchemaValidate
 * @text: XML that must not be as the schema says, or no XML
 */
void
utilTestInvalid(const char *schema, const char *root, const char *text);

/**
 * utilTestLibvirtSchema:
 * @name: of one of libvirt's own schemas; that it is not installed ends the test
 *
 * Returns: its path, freed with g_free.
 */
char *
utilTestLibvirtSchema(const char *name);

/**
 * utilTestWatchOpens:
 * @dir: a directory
 *
 * Returns: a descriptor for utilTestOpened, to be closed: from now on opens of @dir and of the files in
 * it are told.
 */
int
utilTestWatchOpens(const char *dir);

/**
 * utilTestOpened:
 * @fd: from utilTestWatchOpens
 *
 * Returns: what was opened since the last call, freed with g_free: names of files with a space behind each,
 * "." for the directory itself.
 */
char *
utilTestOpened(int fd);

/**
 * utilTestAssertOpened:
 * @fd: from utilTestWatchOpens
 * @expected: what utilTestOpened must say
 */
void
utilTestAssertOpened(int fd, const char *expected);
