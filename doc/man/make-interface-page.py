#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man page of the D-Bus interface, out of its documented XML

usage: make-interface-page.py XML OUTPUT
"""

import os
import re
import sys
import textwrap

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../dbus"))
import interface  # noqa: E402

ERROR_PREFIX = "org.example.P2PChat.Error."
MACROS = re.compile(r"^[A-Z][a-z0-9]$")


def escape(text):
    """Running text for roff: no word of it is a macro, a request or an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def word(text):
    """An argument of a macro."""
    text = escape(text).replace('"', '\\(dq')
    return f'"{text}"' if " " in text or MACROS.match(text) or not text else text


def sentences(text):
    """One sentence a line, as mdoc wants it."""
    out = []
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z\"])", " ".join(text.split())):
        out += [escape(line) for line in textwrap.wrap(sentence, 70, break_on_hyphens=False)]
    return out


def paragraphs(documentation):
    out = []
    for i, paragraph in enumerate(documentation.paragraphs):
        if i > 0:
            out.append(".Pp")
        out += sentences(paragraph)
    return out


def described(label, type, text):
    head = f".It Fa {word(label)} Pq Li {word(type)}" if type else f".It Fa {word(label)}"
    return [head, *sentences(capital(text))]


def capital(text):
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", ";")) else text + "."


def argument_items(member, argument, shown_rows):
    documentation = member.documentation
    arrow = {"in": "", "out": " \\(->"}.get(argument.direction, "")
    out = [f".It Fa {word(argument.name)} Pq Li {word(argument.type)}{arrow and ' No' + arrow}"]
    out += sentences(capital(documentation.arguments[argument.name]))
    fields = documentation.fields.get(argument.name, [])
    entries = documentation.entries.get(argument.name, [])
    if fields and argument.type in shown_rows:
        if shown_rows[argument.type] != member.name:
            out.append("Fields as for")
            out.append(f".Fn {shown_rows[argument.type]} .")
            return out
    if fields:
        shown_rows[argument.type] = member.name
        types = interface.split_signature(argument.type.removeprefix("a")[1:-1])
        out.append(".Bl -tag -width sequence -compact")
        for (name, text), type in zip(fields, types):
            out += described(name, type, text)
        out.append(".El")
    if entries:
        out.append(".Bl -tag -width sequence -compact")
        for key, type, text in entries:
            out += described(key, type, text)
        out.append(".El")
    return out


def member_section(member, shown_rows):
    arguments = member.arguments
    if member.kind == "property":
        access = {"read": "read only", "readwrite": "read and write"}[member.access]
        out = [f".It Va {word(member.name)} Pq Li {word(arguments[0].type)} , No {access}"]
        return out + paragraphs(member.documentation)

    ins = [a for a in arguments if a.direction in ("in", "")]
    outs = [a for a in arguments if a.direction == "out"]
    synopsis = " ".join(word(f"{a.type} {a.name}") for a in ins)
    result = ", ".join(f"{a.type} {a.name}" for a in outs)
    out = [f".It Fn {member.name} {synopsis}".rstrip()
           + (f" No \\(-> Pq Li {word(result)}" if outs else "")]
    out += paragraphs(member.documentation)
    if arguments:
        out.append(".Bl -tag -width sequence -offset 2n")
        for argument in arguments:
            out += argument_items(member, argument, shown_rows)
        out.append(".El")
    if member.documentation.errors:
        out.append(".Pp")
        out.append("Errors:")
        names = member.documentation.errors
        out += [f".Er {name} " + ("," if i + 1 < len(names) else ".")
                for i, name in enumerate(names)]
    return out


def members(documented, kind, shown_rows):
    out = [".Bl -tag -width 4n"]
    for member in documented.members:
        if member.kind == kind:
            out += member_section(member, shown_rows)
    return [*out, ".El"]


def page(interfaces):
    documented, *others = interfaces
    name = documented.name
    shown_rows = {}
    out = [
        '.\\" Made from dbus/org.example.P2PChat.xml.',
        ".Dd $Mdocdate$", f".Dt {name.upper()} 5", ".Os",
        ".Sh NAME", f".Nm {word(name)}", ".Nd D\\-Bus interface of the LAN chat service",
        ".Sh SYNOPSIS",
        ".Bl -tag -width Interface -compact",
        f".It Bus name\n.Li {name}",
        ".It Object\n.Li /org/example/P2PChat",
        f".It Interface\n.Li {name}",
        *[f".It Interface\n.Li {other.name}" for other in others],
        ".El",
        ".Sh DESCRIPTION", *paragraphs(documented.documentation),
    ]
    for kind, title in (("method", "METHODS"), ("signal", "SIGNALS"), ("property", "PROPERTIES")):
        out += [f".Sh {title}", *members(documented, kind, shown_rows)]
    for other in others:
        out += [f".Sh INTERFACE {other.name.removeprefix(name + '.').upper()}",
                *paragraphs(other.documentation), *members(other, "method", shown_rows)]
    out += [
        ".Sh NAMES OF ERRORS",
        f"Names of errors begin with\n.Li {ERROR_PREFIX}\\& ;",
        "their text is a sentence for people that names the value and what to do next.",
        "Besides, the standard errors of D\\-Bus occur:",
        ".Li org.freedesktop.DBus.Error.InvalidArgs",
        "for an argument that nobody could take,",
        ".Li LimitsExceeded",
        "for more than 64 waiting calls or a second search of one user of the machine,",
        ".Li AccessDenied",
        "for who is neither root nor a member of the group p2pchat nor an administrator.",
        ".Sh EXAMPLES",
        ".Bd -literal -offset 2n",
        "busctl call org.example.P2PChat /org/example/P2PChat \\e",
        "    org.example.P2PChat SendMessage ss bob \"disk full\"",
        "",
        "busctl get\\-property org.example.P2PChat /org/example/P2PChat \\e",
        "    org.example.P2PChat UsersOnline",
        "",
        "gdbus monitor \\-\\-system \\-\\-dest org.example.P2PChat",
        ".Ed",
        ".Sh SEE ALSO",
        ".Xr busctl 1 ,\n.Xr p2pchat 1 ,\n.Xr p2pchatd 8",
    ]
    return "\n".join(out) + "\n"


def main():
    source, output = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        interfaces = interface.read(file.read())
    text = page(list(interfaces.values())).replace("$Mdocdate$", DATE)
    with open(output, "w", encoding="utf-8") as file:
        file.write(text)


DATE = "November 20, 2026"

if __name__ == "__main__":
    main()
