#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The documented interface is the one that the service has

usage: check-introspection.py SOURCE-ROOT NAME [PROGRAM]

Compares dbus/NAME.xml with what the program of that bus name prints with --bus-introspect, from its vtables:
members, signatures, names of arguments, access and change signals of properties. Without the
service only the documentation is looked at: a member without a description, an argument that is not
described, a structure with other fields than its signature, an error that does not exist.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.abspath(sys.argv[1])
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "dbus"))
import interface  # noqa: E402

NAME = sys.argv[2]
PRIVILEGED = "org.freedesktop.systemd1.Privileged"

complaints = []


def complain(text):
    complaints.append(text)


def known_errors():
    with open(os.path.join(ROOT, "src/bus/errors.c"), encoding="utf-8") as file:
        return set(re.findall(r'ERROR\("(\w+)"\)', file.read()))


def check_argument(member, argument):
    documentation = member.documentation
    where = f"{member.name}, argument {argument.name}"
    fields = documentation.fields.get(argument.name, [])

    if argument.name not in documentation.arguments:
        complain(f"{where}: not described")
    if argument.type.startswith(("a(", "(")):
        wanted = len(interface.split_signature(argument.type.removeprefix("a")[1:-1]))
        if len(fields) != wanted:
            complain(f"{where}: {len(fields)} fields described, the signature has {wanted}")
    elif fields:
        complain(f"{where}: fields are described, but it is no structure")
    if (argument.type == "a{sv}") != (argument.name in documentation.entries):
        complain(f"{where}: entries are described exactly where there is a dictionary")


def check_documentation(member, errors):
    documentation = member.documentation
    names = [a.name for a in member.arguments]

    if not documentation.paragraphs:
        complain(f"{member.kind} {member.name}: no description")
    if member.kind != "property":
        for argument in member.arguments:
            check_argument(member, argument)
    for name in [*documentation.arguments, *documentation.fields, *documentation.entries]:
        if name not in names:
            complain(f"{member.name}: there is no argument {name}")
    for error in documentation.errors:
        if error not in errors:
            complain(f"{member.name}: there is no error {error}")


def compare(documented, served):
    ours = {m.name: m for m in documented.members}
    theirs = {m.name: m for m in served.members}
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in theirs:
            complain(f"{name}: documented, but the service does not have it")
        elif name not in ours:
            complain(f"{name}: the service has it, but it is not documented")
        elif ours[name].contract != theirs[name].contract:
            complain(f"{name}: documented {ours[name].contract},\n"
                     f"    the service has {theirs[name].contract}")
        if name in theirs and PRIVILEGED in theirs[name].annotations:
            complain(f"{name}: lacks SD_BUS_VTABLE_UNPRIVILEGED, only root may use it")


def check_service(documented, program):
    printed = subprocess.run([program, "--bus-introspect"], stdout=subprocess.PIPE, check=True,
                             timeout=60).stdout.decode()
    served = {name: i for name, i in interface.read(printed).items() if name.startswith(NAME)}
    for name in sorted(documented.keys() | served.keys()):
        if name not in served:
            complain(f"the service has no interface {name}")
        elif name not in documented:
            complain(f"interface {name} is not documented")
        else:
            compare(documented[name], served[name])


def main():
    with open(os.path.join(ROOT, "dbus", f"{NAME}.xml"), encoding="utf-8") as file:
        documented = interface.read(file.read())
    errors = known_errors()
    for one in documented.values():
        if not one.documentation.paragraphs:
            complain(f"interface {one.name} has no description")
        for member in one.members:
            check_documentation(member, errors)
    if len(sys.argv) > 3:
        check_service(documented, sys.argv[3])
    for text in complaints:
        print(text, file=sys.stderr)
    sys.exit(1 if complaints else 0)


main()
