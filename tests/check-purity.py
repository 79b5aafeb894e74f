#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The core is a pure state machine: no clock, no file, no socket, and no state of its own.

check-purity.py LIBCORE LIBBASE [NM [READELF]]: what the core library needs from outside is on the
list below, and its objects have nothing in .data and .bss, so two nodes in one process share
nothing. Base, which the core stands on, is held to the same.
"""
import fnmatch
import subprocess
import sys

SKIP = 77

ALLOWED = [
    # memory and strings
    "calloc", "malloc", "realloc", "free", "mem*", "explicit_bzero", "str*", "bcmp",
    "__mem*_chk", "__str*_chk", "__explicit_bzero_chk", "atoi", "qsort",
    # text
    "snprintf", "vsnprintf", "__snprintf_chk", "__vsnprintf_chk", "inet_pton", "inet_ntop",
    # our own mistakes
    "abort", "__assert_fail", "__stack_chk_fail",
    # the compiler's
    "_GLOBAL_OFFSET_TABLE_", "__errno_location", "__ctype_b_loc",
    # libraries that compute
    "gcry_*", "gpg_*", "json_*", "array_list_*", "lh_*", "inflate*",
]
NOT_ALLOWED = ["strerror*", "strftime", "json_object_to_file*", "json_object_from_file*",
               "json_object_from_fd*", "json_c_set_*"]
SANITIZERS = ["__asan*", "__ubsan*", "__tsan*", "__msan*", "__sanitizer*", "__gcov*", "__llvm_*"]


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def symbols(nm, library):
    defined, undefined, origin = set(), set(), {}
    member = library
    for line in output(nm, "-g", library).splitlines():
        if line.endswith(":"):
            member = line[:-1]
        parts = line.split()
        if len(parts) == 2 and parts[0] in "Uwv":
            undefined.add(parts[1])
            origin.setdefault(parts[1], member)
        elif len(parts) == 3:
            defined.add(parts[2])
    return defined, undefined, origin


def writable(readelf, library):
    """(object, section, size) of everything that could hold state."""
    found, member = [], library
    for line in output(readelf, "-SW", library).splitlines():
        if line.startswith("File: "):
            member = line[6:]
        if "]" not in line:
            continue
        fields = line.split("]", 1)[1].split()
        if len(fields) < 6 or not fields[0].startswith((".data", ".bss", ".tdata", ".tbss")):
            continue
        if fields[0].startswith(".data.rel.ro") or fields[1] not in ("PROGBITS", "NOBITS"):
            continue
        if int(fields[4], 16) > 0:
            found.append((member, fields[0], int(fields[4], 16)))
    return found


def main(core, base, nm="nm", readelf="readelf"):
    problems = []
    base_defined, _, _ = symbols(nm, base)
    for library in (core, base):
        defined, undefined, origin = symbols(nm, library)
        if any(matches(s, SANITIZERS) for s in undefined):
            print("skip: a build with sanitizers")
            return SKIP
        for s in sorted(undefined - defined - base_defined):
            if not matches(s, ALLOWED) or matches(s, NOT_ALLOWED):
                problems.append(f"{origin[s]} uses {s}")
        for member, section, size in writable(readelf, library):
            problems.append(f"{member} has {size} bytes in {section}")
    print("\n".join(problems) if problems else "ok")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
