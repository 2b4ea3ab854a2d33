import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + "/lib")
from gui import *  # noqa: E402

manager = window("Virtual Machine Manager")
ok("QEMU/KVM" in cells(find(manager, "tree table", "vm-list")), "virt-manager shows the host", tree())
finish()
