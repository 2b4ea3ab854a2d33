#!/usr/bin/env python3
"""Runs "meson test" and prints a line for each thing that is found out, as it is found out.

usage: results.py [--release NAME COMMAND] LOGS WHAT BUILD [ARGUMENT OF "meson test"]...

The lines, "ok", "FAIL" or "skip" and what it is about, are those of ./check. A shell test has many, which
tap.sh writes to the file TAP_LINES as they come; any other test has one, named WHAT: TEST. The first word of
each line is added to LOGS/results, where ./check counts. A shell test that ended otherwise than by its last
line, and a meson that did not run, are failures as well. On SIGTERM meson ends, and its tests with it.
With --release each line begins with that name, and meson runs by way of COMMAND, which is split into words.
"""

import glob
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time

arguments = sys.argv[1:]
release, inside = "", ""
if arguments[0] == "--release":
    _, release, inside, *arguments = arguments
logs, what, build, *arguments = arguments
failed = {}  # shell test: whether a line said that something failed


def report(result, text):
    print(f"{result:4} {release and release + ': '}{text}", flush=True)
    with open(f"{logs}/results", "a") as results:
        print(result, file=results)


def tap(line):
    """A line of a shell test: its name, then TAP."""
    name, line = line.split(" ", 1)
    bad, text, skip = re.fullmatch(r"(not )?ok \d+ - (.*?)(?: # SKIP (.*))?", line).groups()
    failed[name] = failed.get(name, False) or bool(bad)
    report("FAIL" if bad else "skip" if skip else "ok", f"{name}: {text}{': ' + skip if skip else ''}")


def ended(test):
    """A test of any kind has ended: meson's words on it."""
    # "PROJECT:SUITE / NAME", or, from meson 1.9 or so on, "SUITE - PROJECT:NAME"
    name = re.sub(r"^.*? / |^.*? - [^:]*:", "", test["name"], count=1)
    result = test["result"]
    script = "/" in name
    good = result in ("OK", "EXPECTEDFAIL")
    if not script:
        report("ok" if good else "skip" if result == "SKIP" else "FAIL",
               f"{what}: {name}{'' if good else f' ({result})'}")
    elif name not in failed or not (failed[name] or good or result == "SKIP"):
        report("FAIL", f"{name}: runs to its end ({result}, status {test['returncode']})")
        failed[name] = True
    if name.startswith("lab/"):
        print(f"     {name}: {test['duration']:.0f} s", flush=True)
    if failed.get(name) if script else not (good or result == "SKIP"):
        for stream in "stdout", "stderr":
            for line in (test.get(stream) or "").splitlines()[-30:]:
                print("     |", line)
        print(f"     after {test['duration']:.0f} s; the whole log: {build}/meson-logs/{what}.txt", end="")
        print(f" (daemon and guest: {test['env']['LUKSHDR_LOGS']})" if script else "", flush=True)


class Follow:
    """The lines of a file that is being written, each to be handed on once."""

    def __init__(self, pattern, hand_on):
        self.pattern, self.hand_on, self.file, self.rest = pattern, hand_on, None, ""

    def look(self):
        # meson adds the name of a wrapper to its log's
        if not self.file and (found := glob.glob(self.pattern)):
            self.file = open(found[0], errors="replace")
        if self.file:
            *lines, self.rest = (self.rest + self.file.read()).split("\n")
            for line in lines:
                self.hand_on(line)


for old in glob.glob(f"{build}/meson-logs/{what}*"):
    os.remove(old)
taps = Follow(f"{logs}/{what}.tap", tap)
open(taps.pattern, "w").close()
tests = Follow(f"{build}/meson-logs/{what}*.json", lambda line: ended(json.loads(line)))
with open(f"{logs}/{what}.log", "wb") as log:
    # a session of its own: a terminal's ^C would make meson give up one test and go on
    meson = subprocess.Popen(
        [*shlex.split(inside), "meson", "test", "-C", build, "--no-rebuild", "--logbase", what, *arguments],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        env={**os.environ, "TAP_LINES": os.path.abspath(taps.pattern)})
for number in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
    signal.signal(number, lambda *_: meson.terminate())
while True:
    running = meson.poll() is None
    taps.look()
    tests.look()
    if not running:
        break
    time.sleep(0.2)
log = open(f"{logs}/{what}.log", errors="replace").read()
if "Full log written to" not in log:
    report("FAIL", f"{what}: meson test runs to its end")
    print(log, end="")
