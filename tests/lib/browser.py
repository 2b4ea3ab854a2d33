"""A web page, as a person in front of it sees it: Chromium without a window, told by its DevTools protocol, over two
pipes, what to do. What was done is followed by what it leads to, which press(), write() and until() wait for.
"""

import base64
import json
import os
import select
import subprocess

from front import *
from front import front

# The element that a selector and a text or name (a regular expression) stand for: the first that is shown and can be used
LOOK = """((selector, name) => [...document.querySelectorAll(selector)].find(node =>
    node.checkVisibility() && !node.disabled && node.getAttribute("aria-disabled") != "true" &&
    [node.innerText || "", node.getAttribute("aria-label") || ""].some(said => new RegExp(name).test(said.trim()))))"""
# The page's program hears of a change only if it does not know the value yet. Gives the value that is there then
WRITE = """((node, value) => {
    if (node.tagName == "SELECT" && ![...node.options].some(option => option.value == value))
        return null;
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(node), "value").set.call(node, value);
    node.dispatchEvent(new Event(node.tagName == "SELECT" ? "change" : "input", {bubbles: true}));
    return node.value;
})"""


class Browser:
    """With one page."""

    def __init__(self, address):
        reads, self.out = os.pipe()
        self.into, writes = os.pipe()
        self.got, self.number, self.session = b"", 0, None
        with open("/run/out/chromium.log", "w") as log:
            # it reads from 3 and writes to 4
            subprocess.Popen(["bash", "-c", f'exec "$@" 3<&{reads} 4>&{writes}', "-",
                              "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                              "--force-prefers-reduced-motion", "--window-size=1280,900", "--remote-debugging-pipe"],
                             pass_fds=(reads, writes), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        os.close(reads)
        os.close(writes)
        target = self.ask("Target.createTarget", url=address)["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" in self.got:
                said, self.got = self.got.split(b"\0", 1)
                said = json.loads(said)
                if said.get("id") == self.number:
                    if "error" in said:
                        raise LookupError(f"{method}: {said['error']}")
                    return said["result"]
            if not select.select([self.into], [], [], PATIENCE)[0]:
                raise TimeoutError(f"{method}: no answer")
            more = os.read(self.into, 1 << 20)
            if not more:
                raise EOFError("Chromium has ended")
            self.got += more

    def value(self, script):
        """What the JavaScript gives in the page."""
        said = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in said:
            raise LookupError(f"{script}: {said['exceptionDetails']}")
        return said["result"].get("value")


browser = None


def open_page(address):
    global browser
    browser = Browser(address)


def element(selector, name=""):
    return f"{LOOK}({json.dumps(selector)}, {json.dumps(name)})"


def look(selector, name=""):
    """What that element says; None if there is none now."""
    return browser.value(f"(node => node ? node.innerText || ' ' : null)({element(selector, name)})")


def find(selector, name=""):
    return until(look, selector, name)


def press(selector, name=""):
    find(selector, name)
    browser.value(f"{element(selector, name)}.click()")


def write(selector, words):
    """Into a field, or an entry of a list that drops down."""
    find(selector)
    until(lambda: browser.value(f"{WRITE}({element(selector)}, {json.dumps(words)})") == words, why=f"{words} in {selector}")


def picture(name):
    os.makedirs(PICTURES, exist_ok=True)
    path = f"{PICTURES}/{name}.png"
    with open(path, "wb") as file:
        file.write(base64.b64decode(browser.ask("Page.captureScreenshot")["data"]))
    run("mogrify", "-colors", "64", "+dither", "-define", "png:color-type=3", path)


def tree():
    return browser.value("document.body.innerText")


front.passing, front.picture, front.tree, front.between = LookupError, picture, tree, lambda: None
