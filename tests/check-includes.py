#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Dependencies point one way: who may include what.

    base <- core <- store <- daemon;  base <- os <- programs;  base <- bus <- programs

RULES is the whole truth. An exception is a line in EXCEPTIONS, so that it is seen and discussed.
"""
import os
import re
import sys

FREESTANDING = {"assert.h", "errno.h", "inttypes.h", "limits.h", "stdarg.h", "stdbool.h",
                "stddef.h", "stdint.h", "stdlib.h", "string.h"}
PURE = FREESTANDING | {"stdio.h"}  # snprintf(); check-purity.py sees that nothing else is used
ANY = None

# Folder: (our folders besides itself, system headers or ANY, headers of libraries)
RULES = {
    "src/base": ([], PURE | {"arpa/inet.h", "netinet/in.h"}, []),
    "src/core/crypto": (["base"], PURE, ["gcrypt.h"]),
    "src/core/noise": (["base", "core/crypto"], PURE, []),
    "src/core/session": (["base", "core/crypto", "core/noise"], PURE, []),
    "src/core/discovery": (["base", "core/crypto"], PURE, []),
    # Streams read and make frames; of the session that carries them they know nothing.
    "src/core/delivery": (["base", "core/crypto", "core/discovery", "core/session/message.h"], PURE,
                          []),
    "src/core/legacy": (["base", "core/crypto", "core/discovery"], PURE, ["json-c/json.h", "zlib.h"]),
    "src/core/chord": (["base", "core/crypto"], PURE, []),
    "src/core/ledger": (["base", "core/crypto"], PURE, []),
    "src/core/group": (["base", "core/crypto"], PURE, []),
    "src/core/transfer": (["base", "core/crypto"], PURE, []),
    "src/core/node": (["base", "core"], PURE, []),
    "src/os": (["base"], ANY, ["systemd/sd-daemon.h", "systemd/sd-event.h"]),
    "src/store": (["base", "core/crypto", "core/delivery/stream.h", "core/node/record.h"], ANY, ["sqlite3.h"]),
    "src/bus": (["base"], ANY, ["systemd/sd-bus.h", "systemd/sd-event.h"]),
    "src/daemon": (["base", "core", "os", "store", "bus"], ANY,
                   ["systemd/sd-bus.h", "systemd/sd-daemon.h", "systemd/sd-event.h",
                    "systemd/sd-id128.h"]),
    "src/cli": (["base", "os", "bus"], ANY,
                ["systemd/sd-bus.h", "systemd/sd-event.h", "json-c/json.h"]),
    "src/notify": (["base", "os", "bus"], ANY, ["systemd/sd-bus.h", "systemd/sd-event.h"]),
    "src/web": (["base", "os", "bus"], ANY,
                ["systemd/sd-bus.h", "systemd/sd-daemon.h", "systemd/sd-event.h", "json-c/json.h"]),
}

# Headers of libraries: only where they are named.
LIBRARIES = ("gcrypt.h", "json-c/", "sqlite3.h", "ini.h", "histedit.h", "editline/", "systemd/", "zlib.h",
             "microhttpd.h")

EXCEPTIONS = {
    # The length of an id belongs to what is announced; the id follows from the key.
    ("src/core/crypto/identity.h", "core/discovery/announce.h"),
    ("src/os/config.c", "ini.h"),
    ("src/cli/shell.c", "histedit.h"),
    ("src/web/server.c", "microhttpd.h"),
}


def folder_of(path):
    found = [f for f in RULES if path.startswith(f + "/")]
    return max(found, key=len) if found else None


def problem(path, kind, header):
    if (path, header) in EXCEPTIONS:
        return None
    folder = folder_of(path)
    if folder is None:
        return "lies in a folder without a rule"
    ours, system, libraries = RULES[folder]

    if kind == '"':
        inside = folder.removeprefix("src/")
        allowed = [inside] + ours
        if any(header == a or header.startswith(a + "/") for a in allowed):
            return None
        return f'may not include "{header}"'
    if header in libraries:
        return None
    if any(header == lib or (lib.endswith("/") and header.startswith(lib)) for lib in LIBRARIES):
        return f"may not include <{header}>"
    if system is not ANY and header not in system:
        return f"may not include <{header}>"
    return None


def check(root):
    problems = []
    for directory, _, names in os.walk(os.path.join(root, "src")):
        for name in sorted(names):
            if not name.endswith((".c", ".h")):
                continue
            full = os.path.join(directory, name)
            path = os.path.relpath(full, root)
            with open(full, encoding="utf-8") as file:
                lines = file.read().splitlines()
            if not lines or "SPDX-License-Identifier: LGPL-2.1-or-later" not in lines[0]:
                problems.append(f"{path}:1: does not begin with its license")
            if len(lines) >= 600:
                problems.append(f"{path}: has {len(lines)} lines")
            for number, line in enumerate(lines, 1):
                m = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
                why = m and problem(path, m[1], m[2])
                if why:
                    problems.append(f"{path}:{number}: {why}")
    return problems


def self_test():
    """The rules bite."""
    assert problem("src/base/text.c", '"', "core/node/node.h")
    assert problem("src/core/node/node.c", "<", "gcrypt.h")
    assert problem("src/core/node/node.c", "<", "sys/socket.h")
    assert problem("src/core/legacy/legacy.c", '"', "core/node/node.h")
    assert problem("src/core/node/node.c", "<", "systemd/sd-event.h")
    assert problem("src/cli/main.c", '"', "store/store.h")
    assert problem("src/store/store.c", '"', "core/node/node.h")
    assert problem("src/daemon/main.c", "<", "sqlite3.h")
    assert not problem("src/core/legacy/object.c", "<", "json-c/json.h")


if __name__ == "__main__":
    self_test()
    found = check(sys.argv[1] if len(sys.argv) > 1
                  else os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    print("\n".join(found) if found else "ok")
    sys.exit(1 if found else 0)
