import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from browser import *  # noqa: E402

POOL = """<pool type='dir'><name>{name}</name><target><path>/srv/{name}</path>{default}</target></pool>"""
DEFAULT = "<encryption format='luks'><header type='volume'><source pool='headers'/></header></encryption>"
GUEST = """<domain type='qemu'>
  <name>desk</name>
  <memory unit='MiB'>256</memory>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>/run/guest/vmlinuz</kernel>
    <initrd>/run/guest/initramfs</initrd>
    <cmdline>console=ttyS0 quiet loglevel=4 mitigations=off</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='/srv/images/system.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <controller type='pci' index='0' model='pcie-root'/>
    <controller type='pci' index='1' model='pcie-root-port'/>
    <controller type='pci' index='2' model='pcie-root-port'/>
    <controller type='pci' index='3' model='pcie-root-port'/>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'><source path='/run/out/desk.console'/></serial>
    <serial type='unix'><source mode='bind' path='/run/out/desk.serial'/></serial>
  </devices>
</domain>"""

WORDS = "for the guest alone"

# In cockpit's page
DIALOG = ".pf-v6-c-modal-box"
COMPLAINT = f"{DIALOG} .pf-v6-c-alert.pf-m-danger"
ADD = "#vm-desk-disks-adddisk"


def define(what, xml):
    with open(f"/tmp/{what}.xml", "w") as file:
        file.write(xml)
    run("virsh", "-q", "-c", "qemu:///system", what, f"/tmp/{what}.xml")


def pool_make(name, default=""):
    os.mkdir(f"/srv/{name}")
    define("pool-define", POOL.format(name=name, default=default))
    run("virsh", "-q", "-c", "qemu:///system", "pool-start", name)


def done(what):
    """Waits until that is true, or the dialog complains; whether it does not."""
    until(lambda: look(COMPLAINT) or what())
    return not look(COMPLAINT)


def volume_new(name):
    press("#images-system-create-volume-button")
    write("#create-volume-dialog-name", name)
    write("#create-volume-dialog-size", "100")
    write("#create-volume-dialog-unit", "MiB")
    press(f"{DIALOG} button", "^Create$")
    return done(lambda: not look(DIALOG))


def disk_add(pool, volume):
    press(ADD)
    press(f"{ADD}-useexisting")
    write(f"{ADD}-existing-select-pool", pool)
    write(f"{ADD}-existing-select-volume", volume)
    press(f"{ADD}-dialog-add")


pool_make("headers")
pool_make("images", DEFAULT)
open_page("http://127.0.0.1:9090/cockpit/@localhost/machines/index.html")
# It regrets that there is no KVM
press("button", "^Ignore$")

# Volumes
press("#card-pf-storage-pools button", "Storage pools$")
press("tr:has(#pool-images-system-action-kebab) button", "^Details$")
press("button", "^Storage volumes$")
ok(volume_new("system.qcow2") and volume_new("data.qcow2"), "two volumes are made", tree())
ok(eventually(lambda: "system.qcow2" in tree() and "data.qcow2" in tree()), "the pool shows them", tree())
ok(sorted(os.listdir("/srv/headers")) == ["data.qcow2.luks", "system.qcow2.luks"], "both have headers", os.listdir("/srv/headers"))

# A guest starts, and gets another disk
define("define", GUEST)
press("a", "^Virtual machines$")
press("#vm-desk-system-run")
until(lambda: virsh("domstate", "desk") == "running", why="the guest runs")
ok(guest("desk", "cat /sys/block/vda/size") == "204800\n", "a guest with an encrypted disk starts")
press("#vm-desk-system-name")
disk_add("headers", "data.qcow2.luks")
said = find(COMPLAINT)
ok("use its linked volume 'data.qcow2' of pool 'images'" in said, "a header is refused as its disk, and the dialog names what to choose",
   said)
press(f"{ADD}-dialog-cancel")
disk_add("images", "data.qcow2")
ok(done(lambda: "data.qcow2" in virsh("domblklist", "desk")), "an encrypted volume is plugged in", tree())
guest("desk", f"until [ -b /dev/vdb ]; do usleep 100000; done; echo '{WORDS}' | dd of=/dev/vdb bs=4096 conv=sync,fsync")
with open("/srv/images/data.qcow2", "rb") as file:
    ok(WORDS.encode() not in file.read(), "the guest writes to it, and the volume does not show what")
ok(eventually(look, "#vm-desk-disks-vdb-action-kebab"), "the guest's page has the disk", tree())

# It loses that, and goes
press("#vm-desk-disks-vdb-action-kebab")
press("#delete-vm-desk-disks-vdb")
press(f"{DIALOG} button", "^Remove and delete file$")
done(lambda: not os.path.exists("/srv/images/data.qcow2"))
ok("data.qcow2" not in virsh("domblklist", "desk") and os.listdir("/srv/headers") == ["system.qcow2.luks"],
   "it is unplugged and deleted, with its header", tree())
press("#vm-desk-system-action-kebab")
press("#vm-desk-system-delete")
press(f"{DIALOG} button", "^Delete$")
done(lambda: not virsh("list", "--all", "--name") and not os.listdir("/srv/images"))
ok(not os.listdir("/srv/headers") and not virsh("secret-list"), "with the guest its disk, header and secret go",
   tree())
finish()
