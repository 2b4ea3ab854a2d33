/*
 * context.c: what this thread is doing, and for which domain
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "context.h"

static __thread lukshdrQemuContext *lukshdrQemuContextInnermost;

void
lukshdrQemuContextBegin(lukshdrQemuContext *context)
{
    context->outer = lukshdrQemuContextInnermost;
    lukshdrQemuContextInnermost = context;
    context->operation = lukshdrRBDOperationBegin();
}

void
lukshdrQemuContextEnd(lukshdrQemuContext *context)
{
    lukshdrRBDOperationEnd(&context->operation);
    lukshdrQemuContextInnermost = context->outer;
}

const lukshdrQemuContext *
lukshdrQemuContextFind(lukshdrQemuContextKind kind, virDomainObj *vm)
{
    const lukshdrQemuContext *context = lukshdrQemuContextInnermost;

    while (context && (context->kind != kind || (vm && context->vm != vm)))
        context = context->outer;
    return context;
}
