#!/usr/bin/python3
"""Runs a command whose stderr is the journal, as systemd does, and writes what it gets to a file.

Usage: journal.py FILE COMMAND [ARGUMENT...]

To be run where /run/systemd/journal can be made: in the namespace of a daemon under test. A message that comes by
the journal's own protocol is a line "PRIORITY MESSAGE" in FILE; what is written to stderr itself goes to this script's own.
"""

import os
import socket
import sys

DIR = "/run/systemd/journal"


def fields(datagram):
    """The fields of a datagram: NAME=VALUE lines; or NAME, a length of 8 bytes and a value with line breaks."""
    found = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        found[name.decode()] = value.decode()
        datagram = rest
    return found


def main():
    path, command = sys.argv[1], sys.argv[2:]
    os.makedirs(DIR, exist_ok=True)
    for name in ("socket", "stdout"):
        if os.path.exists(f"{DIR}/{name}"):
            os.unlink(f"{DIR}/{name}")
    native = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    native.bind(f"{DIR}/socket")
    stdout = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stdout.bind(f"{DIR}/stdout")
    stdout.listen()
    stderr = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stderr.connect(f"{DIR}/stdout")
    stream, _ = stdout.accept()

    if os.fork() > 0:
        os.dup2(stderr.fileno(), 2)
        os.execvp(command[0], command)

    # The command's last copy of its stderr is what keeps the stream open.
    stderr.close()
    if os.fork() > 0:
        while said := stream.recv(65536):
            os.write(2, said)
        # in the queue behind everything else
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"END=\n", f"{DIR}/socket")
        os._exit(0)
    with open(path, "a", encoding="utf-8") as log:
        while "END" not in (message := fields(native.recv(65536))):
            print(message.get("PRIORITY"), message.get("MESSAGE"), file=log, flush=True)


main()
