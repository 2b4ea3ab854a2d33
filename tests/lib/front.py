"""What scripts of tests/gui/ have in common, whatever they look at: what was found out, libvirt, the guest.

Nothing waits for a time: what was done is followed by what it leads to, which until() waits for. The limit, TAP_PATIENCE
seconds, is there for what never happens.
"""

import base64
import hashlib
import os
import re
import socket
import subprocess
import sys
import time

PATIENCE = int(os.environ.get("TAP_PATIENCE", "300"))
PICTURES = "/run/out/pictures"


class Front:
    """What a person sees. gui.py and browser.py each set all of it."""
    passing = ()     # what is raised where something goes while it is looked at
    picture = None   # makes one, of that name
    tree = None      # describes all of it
    between = None   # what is to be done between two looks


front = Front()


def run(*command, check=True):
    """What the command prints; both kinds."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def virsh(*arguments):
    return run("virsh", "-q", "-c", "qemu:///system", *arguments, check=False).strip()


# What was found out

failures = 0


def ok(good, what, said=""):
    """One thing; said is what was there instead."""
    global failures
    print("ok" if good else "not ok", what)
    if not good:
        failures += 1
        front.picture(f"failed-{failures}")
        for line in str(said).splitlines():
            print("#", line)
    return good


def until(what, *arguments, why=None):
    """Waits until what(*arguments) is true, and returns it."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            result = what(*arguments)
        except front.passing:
            result = None
        if result:
            return result
        if time.monotonic() > end:
            raise TimeoutError(f"{why or getattr(what, '__name__', what)} {arguments or ''}: never; there are:\n{front.tree()}")
        front.between()
        time.sleep(0.1)


def eventually(what, *arguments):
    """Whether that becomes true."""
    try:
        until(what, *arguments)
    except TimeoutError:
        return False
    return True


def guest(name, command):
    """What the shell command prints in the guest, which guest.sh's first program runs there; see there. The guest's second
    serial port is a socket. What gets lost on the way is said again until the guest has answered."""
    path = re.search(r"<serial type='unix'>\s*<source mode='bind' path='([^']*)'", virsh("dumpxml", name)).group(1)
    token = str(time.time_ns())
    encoded = base64.b64encode(command.encode()).decode()
    digest = hashlib.md5(f"{encoded}\n".encode()).hexdigest()
    request = f"\n{token} {PATIENCE} {digest} {encoded}\n".encode()
    end = time.monotonic() + PATIENCE
    taken, printed, got = False, "", b""
    with socket.socket(socket.AF_UNIX) as port:
        port.settimeout(3)
        port.connect(path)
        port.sendall(request)
        while time.monotonic() < end:
            try:
                got += port.recv(4096)
            except TimeoutError:
                port.sendall(b"\n" if taken else request)
                continue
            *lines, got = got.split(b"\n")
            for line in (line.decode(errors="replace").strip() for line in lines):
                if line == f"{token} +":
                    taken = True
                elif line.startswith(f"{token}|"):
                    printed += line.split("|", 1)[1]
                elif re.fullmatch(f"{token} [0-9]+", line):  # and not the request, which comes back before the guest is up
                    said = base64.b64decode(printed).decode(errors="replace")
                    if line != f"{token} 0":
                        raise RuntimeError(f"{name}: {command}: {said}")
                    return said
    raise TimeoutError(f"{name} never answered: {command}")


def finish():
    """The script's last line."""
    sys.exit(failures > 0)
