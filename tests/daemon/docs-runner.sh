#!/bin/bash
# What runs the documentation notices when a page is wrong.
set -u
. "$(dirname "$0")/../lib/docs.sh"

need_root
need_command cryptsetup

A=11111111-1111-1111-1111-111111111111
B=22222222-2222-2222-2222-222222222222
C=33333333-3333-3333-3333-333333333333

# agree WHAT GOT WANTED, differ WHAT GOT WANTED
agree() {
    if _docs_matches "$2" "$3"; then ok "$1"; else fail "$1" "$2 / $3"; fi
}
differ() {
    if _docs_matches "$2" "$3"; then fail "$1" "$2 / $3"; else ok "$1"; fi
}

note "Comparing output"
agree "nothing with nothing" "" ""
differ "something with nothing" "x" ""
differ "nothing with something" "" "x"
agree "the same" $'a\nb' $'a\nb'
differ "a line more" $'a\nb' "a"
differ "a line less" "a" $'a\nb'
differ "a point is a point" "axb" "a.b"
# shellcheck disable=SC1003 # no quote is meant
agree "parentheses, brackets, stars" '([*{|$^+?\' '([*{|$^+?\'
agree "... in a line" "from 1 to 2" "from ... to 2"
differ "... ends with its line" $'from 1\nto 2' "from ... to 2"
agree "... for lines" $'a\nb\nc\nd' $'a\n...\nd'
agree "... for no line" $'a\nd' $'a\n  ...\nd'
differ "... for lines, and another end" $'a\nb\nc' $'a\n...\nd'
agree "a UUID stands for that which is found" "x $B" "x $A"
agree "also later" "$B" "$A"
differ "for no other" "$C" "$A"
differ "and in one output for one" "$B $C" "$C $C"

note "Running a page"
docs_host host || exit 1
# page WHAT NOT_RUN RESULTS <PAGE: what running it says, with as little patience as there can be. Its results
# are not this test's: no TAP_LINES.
page() {
    cat >"$DAEMON_DIR/page.md"
    (unset TAP_LINES && DOCS_PATIENCE=0 && docs_page "$DAEMON_DIR/page.md" "$2") >"$DAEMON_DIR/results"
    same "$1" "$(grep -oE '^(not )?ok' "$DAEMON_DIR/results" | xargs)" "$3"
}
page "what is right" 0 "ok ok ok ok ok ok" <<'MD'
`file.xml`:

```xml
<x/>
```

```console
# cat file.xml
<x/>
# echo a; \
> echo b
a
b

# ls nothing
ls: cannot access 'nothing': No such file or directory
# ls /srv
```
MD
page "what is wrong" 0 "not ok not ok not ok not ok ok ok" <<'MD'
```console
# echo a
b
# echo a
# ls nothing
# echo ls: never
error: never
```
MD
page "more is left out than was allowed" 0 "ok not ok" <<'MD'
<!-- not run: a reason -->
```console
# false
```
MD
page "a block that is for nothing" 0 "ok not ok" <<'MD'
Something.

```sh
true
```
MD
page "as many as were allowed" 1 "ok ok" <<'MD'
<!-- not run: a reason -->
```console
# false
```
MD
page "a block without an end" 0 "not ok ok" <<'MD'
```console
# true
MD

daemon_stop
finish
