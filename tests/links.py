#!/usr/bin/env python3
# Every link between the pages leads somewhere: the file exists and has the heading. Every page that the sources, the
# tests or other pages mention by name exists, and README.md leads to each page of docs/. No merge has left lines of
# its own.
# Usage: links.py SOURCE-DIRECTORY
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1]).resolve()
places = ["docs", "src", "tests", "tools", "schemas", "data", "debian"]
pages = sorted(source.glob("*.md")) + sorted(p for place in places for p in (source / place).rglob("*.md"))
texts = pages + [source / "NEWS", source / "bench"] + sorted(
    p for place in places for p in (source / place).rglob("*") if p.suffix in (".c", ".h", ".sh", ".py", ".rst"))


def prose(page):
    """A page's lines, without blocks of code."""
    fence = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            fence = not fence
        elif not fence:
            yield number, line


def anchors(page):
    """The anchors of a page's headings, by GitHub's rule."""
    found = set()
    for _, line in prose(page):
        heading = re.match(r"#+ +(.*?) *#*$", line)
        if not heading:
            continue
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.group(1))
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        count = 0
        while (slug if not count else "%s-%d" % (slug, count)) in found:
            count += 1
        found.add(slug if not count else "%s-%d" % (slug, count))
    return found


def links():
    for page in pages:
        text = "\n".join(re.sub(r"`[^`]*`", "", line) for _, line in prose(page))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            if not there.exists():
                yield page, target, "no such file"
            elif anchor and anchor not in anchors(there):
                yield page, target, "no such heading"
            else:
                yield page, target, None


def names():
    for text in texts:
        for name in re.findall(r"\bdocs/[\w-]+\.md\b", text.read_text()):
            yield text, name, None if (source / name).exists() else "no such page"


def listed():
    readme = (source / "README.md").read_text()
    for page in sorted((source / "docs").glob("*.md")):
        name = "docs/" + page.name
        yield source / "README.md", name, None if "](%s)" % name in readme else "not linked"


def merged():
    """No page or source has lines that a merge left."""
    for text in texts:
        for number, line in enumerate(text.read_text().splitlines(), 1):
            if re.match(r"(<{7}|>{7}|\|{7}) ", line):
                yield text, "line %d" % number, "left by a merge"
        yield text, "", None


cases = [("links lead somewhere", links, 100), ("pages that are named exist", names, 30),
         ("README.md leads to each page", listed, 15), ("merges left nothing", merged, 300)]
failed = False
print("1..%d" % len(cases))
for number, (title, check, least) in enumerate(cases, 1):
    seen = list(check())
    wrong = [entry for entry in seen if entry[2]]
    for where, what, why in wrong:
        print("# %s: %s: %s" % (where.relative_to(source), what, why))
    # fewer than there must be: the check looks at nothing
    ok = not wrong and len(seen) >= least
    failed |= not ok
    print("%s %d - %s (%d)" % ("ok" if ok else "not ok", number, title, len(seen)))
sys.exit(1 if failed else 0)
