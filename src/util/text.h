/*
 * text.h: text of others, before a person sees it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Names, paths, XML and messages that others wrote reach the daemon's log, clients' errors and
 * terminals through lukshdrTextShown alone.
 */

#pragma once

#include <glib.h>
#include <stdbool.h>

/**
 * lukshdrTextShown:
 * @text: names and texts from a volume, a label, a daemon; any bytes
 *
 * Returns: @text for a person, on one line, to be freed with g_free.  Made visible are control
 * characters (C0, DEL, C1), which could begin a line of the log or move a terminal's cursor;
 * separators of lines; characters that are invisible or change the direction of text; and bytes
 * that are no UTF-8.
 */
char *
lukshdrTextShown(const char *text);

/**
 * lukshdrTextIsName:
 * @text: any bytes
 *
 * Returns: true if @text is UTF-8 and has no control characters and separators of lines but tab, line
 * feed and carriage return.  libvirt takes these three in names of volumes and pools (they are what XML
 * can hold of those below the space), so a linked volume may be called like that; lukshdrTextShown
 * makes them visible.
 */
bool
lukshdrTextIsName(const char *text);

/**
 * lukshdrTextIsToken:
 * @text: any bytes
 *
 * Returns: true if @text has only ASCII letters, digits, '-' and '_', and at least one of them: the
 * name of a format, a cipher, a hash.
 */
bool
lukshdrTextIsToken(const char *text);

/**
 * lukshdrTextSame:
 * @one: a name, a path or the like, or NULL if it is not known
 * @other: as @one
 *
 * For what decides whether two things are one and the same.  g_strcmp0 says that two unknown ones are
 * equal.
 *
 * Returns: true if both are known and equal.
 */
bool
lukshdrTextSame(const char *one, const char *other);

/**
 * lukshdrTextSameUUID:
 * @one: a UUID as text, or NULL if it is not known
 * @other: as @one
 *
 * Returns: true if both are known and equal, in whatever case they are written; g_ascii_strcasecmp
 * says that NULL equals anything.
 */
bool
lukshdrTextSameUUID(const char *one, const char *other);

/**
 * lukshdrTextShellWord:
 * @text: a name or a path
 *
 * Returns: @text as one word for a shell, in quotes where it needs them, to be freed with g_free.
 */
char *
lukshdrTextShellWord(const char *text);

/**
 * lukshdrTextShellName:
 * @pool: name of a pool
 * @volume: name of a volume
 *
 * Names come from labels that anybody may have written, and commands that messages show are pasted into a
 * root's shell.
 *
 * Returns: POOL/VOLUME as one word for a shell, in quotes where it needs them, to be freed with g_free.
 */
char *
lukshdrTextShellName(const char *pool, const char *volume);
