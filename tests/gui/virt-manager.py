import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from gui import *  # noqa: E402

DEFAULT = """  <encryption format='luks'>
      <header type='volume'>
        <source pool='headers'/>
      </header>
    </encryption>
  </target>"""

# What the test's guest is asked by (gui.py), in place of a terminal
PORTS = """<serial type="file"><source path="/run/out/desk.console"/></serial>
<serial type="unix"><source mode="bind" path="/run/out/desk.serial"/></serial>"""

WORDS = "for the guest alone"
LATER = "since the snapshot"
READ, READ_LATER = (f"dd if=/dev/vda bs=4096 skip={at} count=1 2>/dev/null | head -n 1" for at in (16, 32))


def linked(volume):
    return "<source pool='headers'" in virsh("vol-dumpxml", volume, "images").replace('"', "'")


def content(path):
    with open(path, "rb") as file:
        return file.read()


def one_line(said):
    """A dialog breaks its lines where they fit."""
    return " ".join(said.split())


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


def volume_new(name, kind, gibibytes, shown=None, where=None):
    """In the connection's details, or in where, which shows the pool as well."""
    press(find(where or details, "button", "vol-new"))
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


def browse(where, pool_name, volume, make=None):
    """Chooses a volume by the browser that a window has for it, and comes back there. make: makes it first, in that."""
    press(find(where, "radio button", "Select or create custom"))
    click(find(where, "button", "^storage-browse$"))
    browser = window("vmm-storage-browser")
    # it chooses the first pool by itself, whenever it comes to it
    until(lambda: row(find(browser, "table", "pool-list"), f"^{pool_name}\n") or
          text(find(browser, "label", "^pool-location$")) == f"/srv/{pool_name}", why=f"it shows {pool_name}")
    if make:
        make(browser)
    row(find(browser, "table", "vol-list"), f"^{volume}$")
    click(find(browser, "button", "^Choose Volume$"))
    until(lambda: look(where, "text", "storage-entry") and text(look(where, "text", "storage-entry")), why="the path is there")


def disk_add(guest_name, pool_name, volume, shown=None):
    click(find(window(f"^{guest_name} on"), "button", "^add-hardware$"))
    add = window("Add New Virtual Hardware")
    browse(add, pool_name, volume)
    if shown:
        picture(shown, add)
    click(find(add, "button", "^Finish$"))
    return add


def snapshot_new(guest_window, kind):
    press(find(guest_window, "button", "^snapshot-add$"))
    new = window("Create snapshot")
    press(find(new, "radio button", f"^{kind}$"))
    click(find(new, "button", "^Finish$"))
    return new


def snapshot_made(name):
    until(lambda: complaints() or look(desk, "table cell", f"^{name}"), why=f"{name} is there")
    gone("Create snapshot")


def snapshot_delete(name):
    row(find(desk, "table", "snapshot-list"), f"^{name}")
    click(find(desk, "button", "^snapshot-delete$"))
    answer("^Yes$")
    until(lambda: complaints() or not look(desk, "table cell", f"^{name}"), why=f"{name} is deleted")


def press_row(guest_name, button):
    row(find(manager, "tree table", "vm-list"), f"^{guest_name}\n")
    click(find(manager, "button", button))


def guest_disks(name, *flags):
    return virsh("dumpxml", name, "--xpath", "//disk", *flags).replace('"', "'")


def guest_starts(name):
    """Whether it runs, and takes commands."""
    until(lambda: complaints() or virsh("domstate", name) == "running", why=f"{name} runs")
    return not complaints() and guest(name, "echo up") == "up\n"


def guest_clone(where, name, path=None, shown=None):
    """path: where the clone's disk is to be, if not beside the first."""
    menu(where, "^Virtual Machine$", "^Clone")
    cloning = window("Clone Virtual Machine")
    write(find(cloning, "text", "^Name:"), name)
    if path:
        row(find(cloning, "table", "storage-list"), "^/srv/images/")
        click(find(cloning, "button", "^Details"))
        change = window("Change storage path")
        write(find(change, "text", "new-path"), path)
        click(find(change, "button", "^OK$"))
        gone("Change storage path")
    if shown:
        picture(shown, cloning)
    click(find(cloning, "button", "^Clone$"))
    until(lambda: complaints() or not any("Clon" in w.get_name() or "clone" in w.get_name() for w in windows()),
          why=f"{name} is cloned")


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
ok(eventually(lambda: {"mail.qcow2.luks", "web.img.luks"} <= set(volumes())),
   "the header pool shows their headers, though nobody refreshed it", volumes())
ok([cell for cell in volumes() if cell in ("luks", "raw")] == ["luks", "luks"], "as volumes of format luks", volumes())
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
pool("headers")
ok(eventually(lambda: "mail.qcow2.luks" not in volumes()), "and the header pool shows that", volumes())

# A new guest, whose disk is made on the way. Its kernel is given to it: nothing has to be installed
press(find(manager, "button", "^New$"))
new = window("^New VM$")
press(find(new, "radio button", "^Manual install$"))
press(find(new, "button", "^Forward$"))
write(find(new, "text", "^oslist-entry$"), "linux2022")
click(find(new, "table cell", "^Generic Linux 2022"))
until(lambda: text(find(new, "text", "^oslist-entry$")).startswith("Generic Linux 2022"), why="the system is chosen")
press(find(new, "button", "^Forward$"))
find(new, "spin button", "^cpus$")
number(next(node for node, _ in walk(new) if role(node) == "spin button" and not names(node)), 256)
press(find(new, "button", "^Forward$"))
find(new, "radio button", "Select or create custom")
browse(new, "images", "system.qcow2", lambda browser: volume_new("system", "qcow2", 0.1, where=browser))
picture("new-guest", new)
press(find(new, "button", "^Forward$"))
write(find(new, "text", "^Name:"), "desk")
tick(find(new, "check box", "^Customize"))
click(find(new, "button", "^Finish$"))
answer("^No$")  # it is to start a network, which it does not need
desk = window("^desk on")
row(find(desk, "table", "hw-list"), "^Boot Options")
press(find(desk, "toggle button", "^Direct kernel boot"))
tick(find(desk, "check box", "direct kernel boot"))
write(find(desk, "text", "^Kernel path"), "/run/guest/vmlinuz")
write(find(desk, "text", "^Initrd path"), "/run/guest/initramfs")
write(find(desk, "text", "^Kernel args"), "console=ttyS0 quiet loglevel=4 mitigations=off")
press(find(desk, "button", "^config-apply$"))
row(find(desk, "table", "hw-list"), "^Overview")
tab(desk, "^XML")
editor = find(desk, "text", "XML editor")
until(lambda: "initramfs" in text(editor), why="the kernel is in its XML")
write(editor, re.sub("<interface.*</interface>", "", text(editor), flags=re.DOTALL).replace('<console type="pty"/>', PORTS))
press(find(desk, "button", "^config-apply$"))
until(lambda: not has(find(desk, "button", "^config-apply$"), "SENSITIVE"), why="it is taken")
press(find(desk, "button", "^Begin Installation$"))
ok(guest_starts("desk"), "a new guest starts from a volume that was made on the way", complaints())
ok(linked("system.qcow2") and "<encryption format='luks'" in guest_disks("desk"), "its disk is encrypted",
   virsh("vol-dumpxml", "system.qcow2", "images"))

# What it writes
guest("desk", f"echo '{WORDS}' | dd of=/dev/vda bs=4096 seek=16 conv=sync,fsync && echo 3 >/proc/sys/vm/drop_caches")
ok(guest("desk", READ) == f"{WORDS}\n", "it reads what it wrote", guest("desk", READ))
ok(WORDS.encode() not in content("/srv/images/system.qcow2"), "and its volume does not show it")

# A header is no disk
press(until(lambda: look(window("^desk on"), "radio button", "^Details$"), why="the guest's own window"))
desk = window("^desk on")
size("^desk on", 900, 620)
add = disk_add("desk", "headers", "web.img.luks")
refused = [answer("^Yes$"), answer("^Close$")]  # it asks whether the disk is to be there after the next start, then
press(find(add, "button", "^Cancel$"))
ok(all("'web.img.luks' of pool 'headers'" in said and "use its linked volume 'web.img' of pool 'images'" in said
       for said in map(one_line, refused)) and "web.img" not in virsh("domblklist", "desk", "--inactive"),
   "a header is refused as a disk, now and for later, and both dialogs name what to choose", "\n".join(refused))

# The guest gets a disk while it runs, and loses it
disk_add("desk", "images", "web.img", "add-hardware")
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

# Snapshots while it runs, which are external: what it writes from then on is not in the volume, and encrypted as well
press(find(desk, "radio button", "^Snapshots$"))
new = snapshot_new(desk, "internal")
said = one_line(answer("^Close$"))
press(find(new, "button", "^Cancel$"))
ok("the domain runs" in said and "an internal snapshot, while the domain is shut off, keeps the disk encrypted" in said and
   "an external one does, too, if its overlay lies in a pool with an encryption default" in said,
   "an internal snapshot of a guest that runs is refused, and the dialog says what works", said)
snapshot_new(desk, "external")
snapshot_made("snapshot1")
ok(virsh("snapshot-list", "desk", "--name") == "snapshot1" and "/srv/images/system.snapshot1" in virsh("domblklist", "desk"),
   "an external one is made", complaints())
picture("snapshots", desk)
guest("desk", f"echo '{LATER}' | dd of=/dev/vda bs=4096 seek=32 conv=sync,fsync && echo 3 >/proc/sys/vm/drop_caches")
ok(guest("desk", f"{READ} && {READ_LATER}") == f"{WORDS}\n{LATER}\n", "the guest reads what it wrote before and after",
   virsh("domblklist", "desk"))
ok(not any(LATER.encode() in content(f"/srv/images/{name}") for name in ("system.qcow2", "system.snapshot1")),
   "and neither file shows it")
click(find(desk, "button", "^snapshot-start$"))
answer("^Yes$")
until(lambda: complaints() or virsh("domstate", "desk") == "running" and "system.snapshot1" not in virsh("domblklist", "desk"),
      why="the guest has gone back")
ok(guest("desk", READ) == f"{WORDS}\n" and guest("desk", READ_LATER) != f"{LATER}\n" and
   all("encryption" in virsh("dumpxml", "desk", *flags, "--xpath", "//disk[1]/source") for flags in ([], ["--inactive"])),
   "the guest goes back to it, and goes on with an encrypted file", complaints() or guest_disks("desk"))
guest("desk", f"echo '{LATER}' | dd of=/dev/vda bs=4096 seek=32 conv=sync,fsync && echo 3 >/proc/sys/vm/drop_caches")
snapshot_delete("snapshot1")
ok(os.listdir("/srv/images") == ["system.qcow2"] and "/srv/images/system.qcow2" in virsh("domblklist", "desk") and
   guest("desk", READ_LATER) == f"{LATER}\n", "it is deleted, with its files, and the guest has what it wrote",
   complaints() or os.listdir("/srv/images"))

# And of a guest that is off
virsh("destroy", "desk")
until(lambda: has(look(desk, "button", "^Run$"), "SENSITIVE"), why="the window knows that it is off")
for kind in "internal", "external":
    snapshot_new(desk, kind)
    snapshot_made("snapshot1")
    ok(virsh("snapshot-list", "desk", "--name") == "snapshot1" and
       os.path.exists("/srv/images/system.snapshot1") == (kind == "external"),
       f"an {kind} one of a guest that is off is made", complaints() or os.listdir("/srv/images"))
    snapshot_delete("snapshot1")
    ok(not virsh("snapshot-list", "desk", "--name") and os.listdir("/srv/images") == ["system.qcow2"], "and deleted",
       complaints() or os.listdir("/srv/images"))

# It is cloned, into a pool of plain volumes first
guest_clone(desk, "plain", "/var/lib/libvirt/images/plain.qcow2")
press_row("plain", "^Run$")
ok(guest_starts("plain") and guest("plain", READ) == f"{WORDS}\n", "a clone in a pool without a default starts, and reads its disk",
   complaints())
ok(WORDS.encode() in content("/var/lib/libvirt/images/plain.qcow2"), "which is plain")
ok(b"of pool 'images' was decrypted into volume 'plain.qcow2' of pool 'default'" in content("/run/out/libvirtd.log"),
   "as libvirt's log says")
disks = [guest_disks("plain"), guest_disks("plain", "--inactive")]
ok(all("plain.qcow2" in disk and "encryption" not in disk for disk in disks), "so says its configuration", "\n".join(disks))
virsh("destroy", "plain")
guest_delete("plain")
guest_clone(desk, "copy", shown="clone")
ok(virsh("domstate", "copy") == "shut off" and len(os.listdir("/srv/headers")) == 2,
   "a guest is cloned, and its disk has a header of its own", complaints() or os.listdir("/srv/headers"))

# It goes before its clone starts
guest_delete("desk")
ok(len(os.listdir("/srv/images")) == 1 and len(os.listdir("/srv/headers")) == 1, "it is deleted with its disk",
   complaints() or os.listdir("/srv/headers"))
press_row("copy", "^Run$")
ok(guest_starts("copy") and guest("copy", READ) == f"{WORDS}\n", "the clone starts without its original, and has what that wrote",
   complaints())
picture("manager", manager)
virsh("destroy", "copy")
guest_delete("copy")
ok(not os.listdir("/srv/images") and not os.listdir("/srv/headers") and not virsh("secret-list"), "nothing is left",
   complaints() or virsh("secret-list"))
finish()
