"""Windows, as a person in front of them sees them: what is in them is found, clicked and read by AT-SPI, which is made
for those who cannot see them. What was done is followed by what it leads to, which find(), gone() and until() wait for.
"""

import os
import re

import gi

from front import *
from front import front

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

# What is in the windows

def children(node):
    try:
        return [child for child in map(node.get_child_at_index, range(node.get_child_count())) if child]
    except GLib.Error:  # it has gone meanwhile
        return []


def role(node):
    # GTK's word for it has changed
    return {"push button": "button"}.get(node.get_role_name(), node.get_role_name())


def has(node, *states):
    held = node.get_state_set()
    return all(held.contains(getattr(Atspi.StateType, state)) for state in states)


def label(node):
    for relation in node.get_relation_set():
        if relation.get_relation_type() == Atspi.RelationType.LABELLED_BY:
            return relation.get_target(0).get_name() or ""
    return ""


def text(node):
    if node.get_text_iface():
        return Atspi.Text.get_text(node, 0, Atspi.Text.get_character_count(node))
    return node.get_name() or ""


def names(node):
    """What it is called: by the program, by the label beside it, by what it shows."""
    return {node.get_name() or "", label(node), text(node) if "cell" in role(node) else ""} - {""}


def walk(node, depth=0):
    """It and what is in it; of what is hidden, menus alone."""
    try:
        if depth and not has(node, "SHOWING") and role(node) not in ("menu", "menu item", "check menu item"):
            return
        yield node, depth
    except GLib.Error:
        return
    for child in children(node):
        yield from walk(child, depth + 1)


def windows():
    return [window for program in children(Atspi.get_desktop(0)) for window in children(program) if is_shown(window)]


def tree():
    """All of it, for whoever looks why something was not found."""
    lines = []
    for window in windows():
        for node, depth in walk(window):
            try:
                called = names(node)
                if called or node.get_action_iface():
                    states = [state for state in ("SELECTED", "CHECKED", "FOCUSED") if has(node, state)]
                    lines.append(f"{'  ' * depth}{role(node)} {' / '.join(map(repr, sorted(called)))}"
                                 f"{'' if has(node, 'SENSITIVE') else ' (insensitive)'} {' '.join(states)}")
            except GLib.Error:
                pass
    return "\n".join(lines)


def look(where, kind, name=None):
    """The first of that kind in where whose name matches; None if there is none now."""
    for node, _ in walk(where):
        try:
            if role(node) == kind and (name is None or any(re.search(name, called) for called in names(node))):
                return node
        except GLib.Error:
            pass
    return None


def find(where, kind, name=None):
    return until(look, where, kind, name)


def window(name):
    """A window by its title, when it is there."""
    def look_for():
        return next((w for w in windows() if re.search(name, w.get_name() or "")), None)
    return until(look_for, why=f"window {name}")


def gone(name):
    until(lambda: not any(re.search(name, w.get_name() or "") for w in windows()), why=f"the end of window {name}")


def picture(name, of=None):
    """Of a window, or of the whole screen."""
    os.makedirs(PICTURES, exist_ok=True)
    crop = []
    if of:
        box = of.get_extents(Atspi.CoordType.SCREEN)
        crop = ["-crop", f"{box.width}x{box.height}+{box.x}+{box.y}", "+repage"]
    run("import", "-window", "root", *crop, "-colors", "64", "+dither", f"PNG8:{PICTURES}/{name}.png")


# What a person does

def activate(title):
    """Brings a window to the front, and returns its number in X; None where it has none of its own."""
    def found():
        shown = run("xdotool", "search", "--onlyvisible", "--name", f"^{re.escape(title)}$", check=False).split("\n")[:-1]
        # xdotool ends with an X error if any window goes while it looks
        if all(map(str.isdigit, shown)) and (not shown or not run("xdotool", "windowactivate", "--sync", shown[-1], check=False)):
            return shown or [None]
        return None
    return until(found, why=f"{title} is in front")[-1]


def press(node):
    """Clicks a button, a menu's item or a box that can be ticked, as soon as it lets itself be clicked."""
    until(has, node, "SENSITIVE", why=f"{role(node)} {names(node)} can be clicked")
    Atspi.Action.do_action(node.get_action_iface(), 0)


def click(node):
    """The same with the mouse. A program whose dialog waits within the call of AT-SPI that led to it answers no other."""
    until(has, node, "SENSITIVE", why=f"{role(node)} {names(node)} can be clicked")
    top = node
    while top.get_parent() and role(top.get_parent()) != "application":
        top = top.get_parent()
    activate(top.get_name())
    box = node.get_extents(Atspi.CoordType.SCREEN)
    run("xdotool", "mousemove", str(box.x + box.width // 2), str(box.y + box.height // 2), "click", "1")


def tick(node, wanted=True):
    if has(node, "CHECKED") != wanted:
        press(node)
        until(lambda: has(node, "CHECKED") == wanted, why=f"{names(node)} is ticked")


def row(table, name):
    """Chooses the row of a list that shows that name."""
    def chosen():
        cell = look(table, "table cell", name)
        if not cell:
            return None
        while role(cell.get_parent()) == "table cell":  # of one with several parts
            cell = cell.get_parent()
        index = Atspi.Table.get_row_at_index(table.get_table_iface(), cell.get_index_in_parent())
        Atspi.Table.add_row_selection(table.get_table_iface(), index)
        return Atspi.Table.is_row_selected(table.get_table_iface(), index)
    until(chosen, why=f"row {name}")


def cells(table):
    """What a list shows."""
    return [text(node) for node, _ in walk(table) if role(node) == "table cell" and text(node)]


def tab(where, name):
    """Turns to that page."""
    page = find(where, "page tab", name)
    Atspi.Selection.select_child(page.get_parent().get_selection_iface(), page.get_index_in_parent())


def write(node, words):
    Atspi.EditableText.set_text_contents(node.get_editable_text_iface(), words)
    until(lambda: text(node) == words, why=f"{words} is written")


def number(node, value):
    Atspi.Value.set_current_value(node.get_value_iface(), value)


def pick(node, item):
    """An entry of a list that drops down."""
    press(node)
    press(find(node, "menu item", item))


def menu(where, *path):
    """The last of path in the menus before it."""
    for name in path[:-1]:
        where = find(where, "menu", name)
    press(find(where, "menu item", path[-1]))


def dialogs():
    """Those that ask or complain."""
    return [w for w in windows() if role(w) in ("alert", "dialog")]


def words(where):
    """All that a dialog says, also what it shows only when it is asked for details."""
    more = look(where, "toggle button", "Details")
    if more:
        tick(more)
        find(where, "text")
    return "\n".join(text(node) for node, _ in walk(where) if role(node) in ("label", "text") and text(node))


def answer(button, shown=None):
    """Waits for a dialog, presses that button, and returns what it said. shown: the name of its picture."""
    dialog = until(lambda: next((d for d in dialogs() if look(d, "button", button)), None), why=f"a dialog with {button}")
    said = words(dialog)
    if shown:
        picture(shown, dialog)
    press(find(dialog, "button", button))
    until(lambda: not is_shown(dialog), why="the dialog's end")
    return said


def is_shown(node):
    try:
        return has(node, "SHOWING") and not has(node, "DEFUNCT")
    except GLib.Error:
        return False


def size(title, width, height, x=40, y=30):
    """Moves and sizes a window, for a picture."""
    shown = activate(window(title).get_name())
    run("xdotool", "windowmove", shown, str(x), str(y), "windowsize", shown, str(width), str(height))


def between():
    """What programs tell by themselves is taken in between questions only."""
    while GLib.MainContext.default().iteration(False):
        pass


front.passing, front.picture, front.tree, front.between = GLib.Error, picture, tree, between
