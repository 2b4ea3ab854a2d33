/*
 * fuzz.h: the entry point that libFuzzer and fuzz-main.c call
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * With clang: -fsanitize=fuzzer,address,undefined and without fuzz-main.c, run on
 * a copy of a directory of corpus/.  With any compiler: with fuzz-main.c, which
 * runs the files that it is given once each.
 */

#pragma once

#include <stddef.h>
#include <stdint.h>

/**
 * LLVMFuzzerTestOneInput:
 * @data: input, any bytes
 * @size: how many
 *
 * Returns: 0; what is wrong aborts.
 */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
