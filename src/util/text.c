/*
 * text.c: text of others, before a person sees it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "text.h"

#include <string.h>

/* What would end a line or command a terminal */
static bool
lukshdrTextIsControl(gunichar c)
{
    GUnicodeType type = g_unichar_type(c);

    return type == G_UNICODE_CONTROL || type == G_UNICODE_LINE_SEPARATOR ||
           type == G_UNICODE_PARAGRAPH_SEPARATOR;
}

/* Sets @next to what is behind the first character of @p.  Returns -1 for a byte that is no UTF-8. */
static gint64
lukshdrTextNext(const char *p, const char **next)
{
    gunichar c = g_utf8_get_char_validated(p, -1);

    if (c == (gunichar)-1 || c == (gunichar)-2) {
        *next = p + 1;
        return -1;
    }
    *next = g_utf8_next_char(p);
    return c;
}

char *
lukshdrTextShown(const char *text)
{
    g_autoptr(GString) shown = g_string_new(NULL);
    const char *next;

    for (; *text; text = next) {
        gint64 c = lukshdrTextNext(text, &next);

        if (c >= 0 && !lukshdrTextIsControl(c) && g_unichar_type(c) != G_UNICODE_FORMAT)
            g_string_append_len(shown, text, next - text);
        else if (c < 0x100)
            g_string_append_printf(shown, "\\x%02x", c < 0 ? (guint8)*text : (unsigned int)c);
        else
            g_string_append_printf(shown, c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned int)c);
    }
    return g_string_free(g_steal_pointer(&shown), FALSE);
}

bool
lukshdrTextIsName(const char *text)
{
    while (*text) {
        gint64 c = lukshdrTextNext(text, &text);

        if (c < 0 || (lukshdrTextIsControl(c) && c != '\t' && c != '\n' && c != '\r'))
            return false;
    }
    return true;
}

bool
lukshdrTextIsToken(const char *text)
{
    const char *p = text;

    while (g_ascii_isalnum(*p) || *p == '-' || *p == '_')
        p++;
    return *p == '\0' && p != text;
}

bool
lukshdrTextSame(const char *one, const char *other)
{
    return one && other && g_str_equal(one, other);
}

bool
lukshdrTextSameUUID(const char *one, const char *other)
{
    return one && other && g_ascii_strcasecmp(one, other) == 0;
}

char *
lukshdrTextShellWord(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._-+:@%/";

    return text[strspn(text, plain)] || !*text ? g_shell_quote(text) : g_strdup(text);
}

char *
lukshdrTextShellName(const char *pool, const char *volume)
{
    g_autofree char *name = g_strdup_printf("%s/%s", pool, volume);

    return lukshdrTextShellWord(name);
}
