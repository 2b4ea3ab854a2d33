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


def press_row(guest, button):
    row(find(manager, "tree table", "vm-list"), f"^{guest}\n")
    click(find(manager, "button", button))


def guest_delete(name):
    row(find(manager, "tree table", "vm-list"), f"^{name}\n")
    menu(manager, "^Edit$", "^Delete$")
    delete = window("Delete Virtual Machine")
    click(find(delete, "button", "^Delete$"))
    answer("^Yes$")
    until(lambda: complaints() or name not in virsh("list", "--all", "--name").split(), why=f"{name} is deleted")
    until(lambda: complaints() or not any("Delet" in w.get_name() for w in windows()), why="the deletion's end")


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
press(find(details, "button", "vol-refresh"))
until(lambda: {"mail.qcow2.luks", "web.img.luks"} <= set(volumes()))
ok(True, "the header pool has their headers")
picture("headers", details)
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
volume_new("system", "qcow2", 1)

# A guest that runs gets a disk, and loses it
run("virsh", "-q", "-c", "qemu:///system", "define", "/run/tests/gui/guest.xml")
press_row("desk", "^Run$")
until(lambda: complaints() or virsh("domstate", "desk") == "running", why="the guest runs")
ok(not complaints(), "a guest with an encrypted disk starts", complaints())
until(lambda: "init: ready" in open("/run/out/desk.console", errors="replace").read(), why="the guest is up")
press_row("desk", "^Open$")
desk = window("^desk on")
press(find(desk, "radio button", "^Details$"))
size("^desk on", 900, 620)
click(find(desk, "button", "^add-hardware$"))
add = window("Add New Virtual Hardware")
press(find(add, "radio button", "Select or create custom"))
click(find(add, "button", "^storage-browse$"))
browser = window("vmm-storage-browser")
# it chooses the first pool by itself, whenever it comes to it
until(lambda: row(find(browser, "table", "pool-list"), "^images\n") or
      "web.img" in cells(find(browser, "table", "vol-list")), why="the browser shows web.img")
row(find(browser, "table", "vol-list"), "^web.img$")
click(find(browser, "button", "^Choose Volume$"))
until(lambda: look(add, "text", "storage-entry") and text(look(add, "text", "storage-entry")), why="the path is there")
picture("add-hardware", add)
click(find(add, "button", "^Finish$"))
until(lambda: complaints() or "/srv/images/web.img" in virsh("domblklist", "desk"), why="web.img is plugged in")
ok("luks" in virsh("dumpxml", "desk", "--xpath", "//disk[source/@file='/srv/images/web.img']"),
   "an encrypted volume is plugged in", complaints() or virsh("dumpxml", "desk"))
row(find(desk, "table", "hw-list"), "^VirtIO Disk 2")
picture("disk", desk)
click(find(desk, "button", "^config-remove$"))
remove = window("Remove Disk Device")
tick(find(remove, "check box", "Delete associated"))
picture("unplug", remove)
click(find(remove, "button", "^Delete$"))
answer("^Yes$")
until(lambda: complaints() or not os.path.exists("/srv/images/web.img"), why="web.img is unplugged and deleted")
ok("web.img" not in virsh("domblklist", "desk") and not os.path.exists("/srv/headers/web.img.luks"),
   "it is unplugged and deleted, with its header", complaints() or virsh("domblklist", "desk"))

# It is cloned, and goes before its clone starts
virsh("destroy", "desk")
until(lambda: has(look(desk, "button", "^Run$"), "SENSITIVE"), why="the window knows that it is off")
menu(desk, "^Virtual Machine$", "^Clone")
cloning = window("Clone Virtual Machine")
write(find(cloning, "text", "^Name:"), "copy")
picture("clone", cloning)
click(find(cloning, "button", "^Clone$"))
until(lambda: complaints() or not any("Clon" in w.get_name() or "clone" in w.get_name() for w in windows()), why="it is cloned")
ok(virsh("domstate", "copy") == "shut off" and len(os.listdir("/srv/headers")) == 2,
   "a guest is cloned, and its disk has a header of its own", complaints() or os.listdir("/srv/headers"))
guest_delete("desk")
ok(len(os.listdir("/srv/images")) == 1 and len(os.listdir("/srv/headers")) == 1, "it is deleted with its disk",
   complaints() or os.listdir("/srv/headers"))
press_row("copy", "^Run$")
until(lambda: complaints() or virsh("domstate", "copy") == "running", why="the clone runs")
ok(not complaints(), "the clone starts without its original", complaints())
picture("manager", manager)
virsh("destroy", "copy")
guest_delete("copy")
ok(not os.listdir("/srv/images") and not os.listdir("/srv/headers") and not virsh("secret-list"), "nothing is left",
   complaints() or virsh("secret-list"))
finish()
