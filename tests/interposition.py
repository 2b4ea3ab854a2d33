#!/usr/bin/env python3
# Holds the tables of docs/interposition.md against the code: every function that the plugin stands in front of
# is in its section, and nothing else is; the files that they name exist.
# Usage: interposition.py SOURCE-DIRECTORY
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])


def macro(path, name):
    """The names that an X-macro lists: X(TYPE, NAME, ...)."""
    text = (source / path).read_text()
    body = re.search(r"#define %s\(X\)(.*?[^\\])\n" % name, text, re.S).group(1)
    return set(re.findall(r"X\([^,()]*,\s*(?:\\\n\s*)?(\w+)", re.sub(r"/\*.*?\*/", "", body, flags=re.S)))


def section(title):
    """The first cells of a section's table, and its last ones."""
    text = (source / "docs/interposition.md").read_text()
    body = re.search(r"^## %s\n(.*?)(?=^## |\Z)" % re.escape(title), text, re.S | re.M).group(1)
    rows = [row.strip("|").split("|") for row in body.splitlines() if row.startswith("| `")]
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    files = {name for row in rows for name in re.findall(r"`([\w-]+\.c)`", row[-1])}
    return names, files


def entries():
    text = (source / "src/storage_backend_lukshdr/module.c").read_text()
    body = re.search(r"lukshdrStorageMap = \{(.*?)\n\};", text, re.S).group(1)
    return set(re.findall(r"\.(\w+) =", body))



abi = "src/util/abi.h"
wrapped = set()
for name in ("WRAPPED", "FORMAT_PROPS", "SCOPE", "REMOTE", "BITMAPS"):
    wrapped |= macro(abi, "LUKSHDR_ABI_QEMU_" + name)
tables = "src/util/abi-tables.h"

cases = [
    ("The storage driver's table", entries(), "src/storage_backend_lukshdr"),
    ("Functions of the QEMU driver", wrapped, "src/qemu_lukshdr"),
    ("The QEMU driver's table", macro(tables, "LUKSHDR_QEMU_TABLE_ENTRIES"), "src/qemu_lukshdr"),
]
bad = 0
print("1..%d" % (2 * len(cases)))
for i, (title, code, folder) in enumerate(cases):
    names, files = section(title)
    missing, unknown = code - set(names), set(names) - code
    twice = {name for name in names if names.count(name) > 1}
    gone = {name for name in files if not (source / folder / name).exists()}
    for number, what, wrong in (
        (2 * i + 1, "names what the code has", missing | unknown | twice),
        (2 * i + 2, "names files that exist", gone),
    ):
        ok = not wrong and len(code) > 10
        bad += not ok
        print("%s %d - %s %s%s" % ("ok" if ok else "not ok", number, title, what,
                                   "" if ok else ": " + ", ".join(sorted(wrong))))
sys.exit(1 if bad else 0)
