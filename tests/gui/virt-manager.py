import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from gui import *  # noqa: E402

DEFAULT = """  <encryption format='luks'>
      <header type='volume'>
        <source pool='headers'/>
      </header>
    </encryption>
  </target>"""


def linked(volume):
    return "<source pool='headers'" in virsh("vol-dumpxml", volume, "images").replace('"', "'")


def complaints():
    return "\n".join(words(dialog) for dialog in dialogs())


def pool(name):
    """Its page in the connection's details."""
    row(find(details, "table", "pool-list"), f"^{name}\n")
    until(lambda: text(find(details, "text", "pool-name")) == name, why=f"pool {name} is shown")


def pool_new(name):
    press(find(details, "button", "pool-add"))
    new = window("Add a New Storage Pool")
    write(find(new, "text", "^Name:"), name)
    write(until(lambda: next((node for node, _ in walk(new) if role(node) == "text" and text(node).startswith("/")), None),
                why="the pool's directory"), f"/srv/{name}")
    press(find(new, "button", "Finish"))
    gone("Add a New Storage Pool")


def volumes():
    return cells(find(details, "table", "vol-list"))


def volume_new(name, kind, gibibytes, shown=None):
    press(find(details, "button", "vol-new"))
    new = window("Add a Storage Volume")
    write(find(new, "text", "^Name:"), name)
    pick(find(new, "combo box", "^Format:"), f"^{kind}$")
    number(find(new, "spin button", "Capacity"), gibibytes)
    if shown:
        picture(shown, new)
    press(find(new, "button", "Finish"))
    until(lambda: complaints() or not any("Add a Storage Volume" in w.get_name() for w in windows()), why=f"{name} is made")


def volume_delete(name, shown=None):
    """What is said to it: the question, and the answer if it was refused."""
    row(find(details, "table", "vol-list"), f"^{name}$")
    click(find(details, "button", "vol-delete"))
    answer("^Yes$", shown)


manager = window("Virtual Machine Manager")
ok("QEMU/KVM" in cells(find(manager, "tree table", "vm-list")), "virt-manager shows the host", tree())

# Pools, and the default of one
menu(manager, "^Edit$", "Connection Details")
details = window("Connection Details")
tab(details, "Storage")
size("Connection Details", 860, 560)
for name in "headers", "images":
    pool_new(name)
ok({"headers", "images"} <= set(virsh("pool-list", "--name").split()), "two pools are made", complaints())
pool("images")
tab(details, "^XML")
editor = find(details, "text", "XML editor")
write(editor, text(editor).replace("</target>", DEFAULT))
picture("default", details)
press(find(details, "button", "^Apply$"))
ok(until(lambda: "<header" in virsh("pool-dumpxml", "images") or complaints()) is True,
   "its XML page takes an encryption default", complaints())
tab(details, "^Details")

# Volumes
volume_new("mail", "qcow2", 20, "new-volume")
ok(linked("mail.qcow2"), "a new volume is a linked one", complaints() or virsh("vol-dumpxml", "mail.qcow2", "images"))
volume_new("web", "raw", 0.1)
ok(linked("web.img"), "so is a raw one", complaints() or virsh("vol-dumpxml", "web.img", "images"))
until(lambda: {"mail.qcow2", "web.img"} <= set(volumes()))
picture("volumes", details)
pool("headers")
picture("headers", details)
press(find(details, "button", "vol-refresh"))
until(lambda: "mail.qcow2.luks" in volumes())
ok(True, "the header pool has their headers")
volume_delete("mail.qcow2.luks")
said = answer("^Close$")
ok("mail.qcow2" in said and os.path.exists("/srv/headers/mail.qcow2.luks"),
   "a header is not deleted by itself, and the dialog names its volume", said)
pool("images")
volume_delete("mail.qcow2")
until(lambda: complaints() or "mail.qcow2" not in volumes(), why="mail.qcow2 is deleted")
ok(sorted(os.listdir("/srv/images")) == ["web.img"] and sorted(os.listdir("/srv/headers")) == ["web.img.luks"] and
   len(virsh("secret-list").splitlines()) == 1, "with a volume its header and secret go",
   complaints() or virsh("secret-list"))
volume_delete("web.img")
until(lambda: complaints() or "web.img" not in volumes(), why="web.img is deleted")
ok(not os.listdir("/srv/images") and not os.listdir("/srv/headers") and not virsh("secret-list"), "nothing is left",
   complaints() or virsh("secret-list"))
finish()
