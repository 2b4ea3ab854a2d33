#!/bin/bash
# cockpit-machines, as Debian has it, with the plugin's package: what a person does in its pages, and what is true afterwards.
. "$(dirname "$0")/../lib/gui.sh"

need_gui
gui_run gui/cockpit.py
finish
