# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reads an interface with its documentation

The form of the comments is told at the top of org.example.P2PChat.xml. Used by the man page and by
the test that holds the file and the service equal.
"""

import re
import xml.etree.ElementTree as ElementTree

KINDS = ("method", "signal", "property")


class Argument:
    """An argument, or the value of a property."""

    def __init__(self, name, type, direction):
        self.name = name
        self.type = type
        self.direction = direction


class Documentation:
    """What a comment says."""

    def __init__(self):
        self.arguments = {}  # name -> text
        self.fields = {}  # argument -> [(field, text)]
        self.entries = {}  # argument -> [(key, signature, text)]
        self.errors = []
        self.paragraphs = []


class Member:
    def __init__(self, element, documentation):
        self.kind = element.tag
        self.name = element.get("name")
        self.documentation = documentation
        self.annotations = {a.get("name"): a.get("value") for a in element.findall("annotation")}
        self.access = element.get("access")
        if self.kind == "property":
            self.arguments = [Argument("", element.get("type"), "")]
        else:
            default = "in" if self.kind == "method" else ""
            self.arguments = [
                Argument(a.get("name"), a.get("type"),
                         a.get("direction", default) if self.kind == "method" else "")
                for a in element.findall("arg")]

    @property
    def contract(self):
        """What must be equal everywhere, as a value to compare."""
        emits = self.annotations.get("org.freedesktop.DBus.Property.EmitsChangedSignal", "true")
        arguments = [(a.direction, a.type, a.name) for a in self.arguments]
        # The order between inputs and outputs means nothing.
        arguments.sort(key=lambda a: a[0])
        return (self.kind, self.name, tuple(arguments), self.access,
                emits if self.kind == "property" else None)


class Interface:
    def __init__(self, name, documentation, members):
        self.name = name
        self.documentation = documentation
        self.members = members


def parse_documentation(text):
    documentation = Documentation()
    if text is None:
        return documentation

    blocks, open_block = [], None
    for line in (line.strip() for line in text.split("\n")):
        if not line:
            open_block = None
        elif line.startswith(("@", "Errors:")) or open_block is None:
            open_block = [line]
            blocks.append(open_block)
        else:
            open_block.append(line)

    for block in (" ".join(block) for block in blocks):
        entry = re.match(r"@(\w+)(?:\.(\w+)|\[([\w-]+)\] (\S+))?: (.*)$", block)
        if entry:
            argument, field, key, signature, rest = entry.groups()
            if field:
                documentation.fields.setdefault(argument, []).append((field, rest))
            elif key:
                documentation.entries.setdefault(argument, []).append((key, signature, rest))
            else:
                documentation.arguments[argument] = rest
        elif block.startswith("Errors:"):
            documentation.errors += block.removeprefix("Errors:").split()
        elif block.startswith("@"):
            raise ValueError(f"not understood: {block}")
        else:
            documentation.paragraphs.append(block)
    return documentation


def read(source):
    """All interfaces of an introspection document, given as text, by name."""
    builder = ElementTree.TreeBuilder(insert_comments=True)
    root = ElementTree.fromstring(source, ElementTree.XMLParser(target=builder))
    interfaces = {}

    def children(element):
        comment = None
        for child in element:
            if child.tag is ElementTree.Comment:
                comment = child.text
            else:
                yield child, comment
                comment = None

    for element, comment in children(root):
        if element.tag != "interface":
            continue
        members = [Member(child, parse_documentation(text))
                   for child, text in children(element) if child.tag in KINDS]
        name = element.get("name")
        interfaces[name] = Interface(name, parse_documentation(comment), members)
    return interfaces


def split_signature(signature):
    """The complete types that a signature is made of."""
    types, depth, start = [], 0, 0
    for i, c in enumerate(signature):
        if c in "({":
            depth += 1
        elif c in ")}":
            depth -= 1
        if depth == 0 and c != "a":
            types.append(signature[start:i + 1])
            start = i + 1
    return types
