/*
 * trace.c: which parts of a disk a kernel has discarded, by its trace of block requests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "trace.h"

/* Takes [@offset, @end) out of @ranges.  There are many discards and few writes, so no tree is needed. */
static void
lukshdrToolTraceTake(GArray *ranges, guint64 offset, guint64 end)
{
    guint i;

    for (i = ranges->len; i-- > 0;) {
        lukshdrToolRange *range = &g_array_index(ranges, lukshdrToolRange, i);
        lukshdrToolRange behind = { .offset = end };
        guint64 last = range->offset + range->size;

        if (range->offset >= end || last <= offset)
            continue;
        range->size = offset > range->offset ? offset - range->offset : 0;
        if (last > end) {
            behind.size = last - end;
            /* @range is not valid after this, and what is appended is not looked at again */
            g_array_append_val(ranges, behind);
        }
    }
}

bool
lukshdrToolTraceAdd(GArray *ranges, const char *request)
{
    g_auto(GStrv) fields = g_strsplit(request, " ", -1);
    lukshdrToolRange range;
    const char *what;
    guint64 count;

    if (g_strv_length(fields) != 3 || !*fields[0] ||
        !g_ascii_string_to_unsigned(fields[1], 10, 0, G_MAXINT64 / LUKSHDR_TRACE_SECTOR / 2,
                                    &range.offset, NULL) ||
        !g_ascii_string_to_unsigned(fields[2], 10, 0, G_MAXUINT32, &count, NULL))
        return false;
    range.offset *= LUKSHDR_TRACE_SECTOR;
    range.size = count * LUKSHDR_TRACE_SECTOR;

    /* The first letter is what is done, but for an F before it: flush first (blk_fill_rwbs) */
    what = fields[0];
    if (what[0] == 'F' && what[1])
        what++;
    switch (*what) {
    case 'R':
    case 'F':
        break;
    case 'D':
        /* what is erased securely shall be erased, which freeing does not do */
        if (what[1] != 'E' && range.size > 0)
            g_array_append_val(ranges, range);
        break;
    default:
        lukshdrToolTraceTake(ranges, range.offset, range.offset + range.size);
        break;
    }
    return true;
}

static int
lukshdrToolTraceByOffset(gconstpointer a, gconstpointer b)
{
    const lukshdrToolRange *one = a;
    const lukshdrToolRange *other = b;

    return (one->offset > other->offset) - (one->offset < other->offset);
}

static int
lukshdrToolTraceBySize(gconstpointer a, gconstpointer b)
{
    const lukshdrToolRange *one = a;
    const lukshdrToolRange *other = b;

    return (one->size < other->size) - (one->size > other->size);
}

void
lukshdrToolTraceSort(GArray *ranges, guint most)
{
    guint kept = 0;
    guint i;

    g_array_sort(ranges, lukshdrToolTraceByOffset);
    for (i = 0; i < ranges->len; i++) {
        lukshdrToolRange range = g_array_index(ranges, lukshdrToolRange, i);
        lukshdrToolRange *before = kept > 0 ? &g_array_index(ranges, lukshdrToolRange, kept - 1)
                                            : NULL;

        if (range.size == 0)
            continue;
        if (before && before->offset + before->size >= range.offset)
            before->size = MAX(before->size, range.offset + range.size - before->offset);
        else
            g_array_index(ranges, lukshdrToolRange, kept++) = range;
    }
    g_array_set_size(ranges, kept);

    if (ranges->len > most) {
        g_array_sort(ranges, lukshdrToolTraceBySize);
        g_array_set_size(ranges, most);
        g_array_sort(ranges, lukshdrToolTraceByOffset);
    }
}
