/*
 * trace.h: which parts of a disk a kernel has discarded, by its trace of block requests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/* The kernel's SECTOR_SIZE, bytes */
#define LUKSHDR_TRACE_SECTOR 512

/* A part of a disk, bytes */
typedef struct _lukshdrToolRange lukshdrToolRange;
struct _lukshdrToolRange {
    guint64 offset;
    guint64 size;
};

/**
 * lukshdrToolTraceAdd:
 * @ranges: lukshdrToolRange, what has been discarded by the requests before
 * @request: one request, "RWBS SECTOR COUNT": the three fields of that meaning in the kernel's event block_rq_issue
 *           (include/trace/events/block.h), a sector having 512 bytes
 *
 * A discard adds its range, a read and a flush change nothing, and every other request takes its range out: what has been
 * written after it was discarded is used.
 *
 * Returns: true, or false if @request is not as expected.
 */
bool
lukshdrToolTraceAdd(GArray *ranges, const char *request);

/**
 * lukshdrToolTraceSort:
 * @ranges: lukshdrToolRange, in any order; they may overlap
 * @most: how many may be left
 *
 * Puts them in ascending order, joins those that touch, and leaves the largest.
 */
void
lukshdrToolTraceSort(GArray *ranges, guint most);
