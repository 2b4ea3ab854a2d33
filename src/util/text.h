/*
 * text.h: text of others on a terminal
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <glib.h>

/**
 * lukshdrTextShown:
 * @text: names and texts from a volume, a label, a daemon
 *
 * Returns: @text for a person: control characters, which could move a terminal's
 * cursor, those that change the direction of text, and what is no UTF-8 are
 * escaped.  Freed with g_free.
 */
char *
lukshdrTextShown(const char *text);
