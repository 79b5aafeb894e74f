#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The man pages are clean

usage: check-man-pages.py SOURCE-ROOT PAGE...

Looks at them with mandoc, where there is one, and whether the pages know every option of
the configuration file and every command and option of the command line.
"""

import os
import re
import shutil
import subprocess
import sys

ROOT = sys.argv[1]
PAGES = sys.argv[2:]
# A page that is not installed yet is not found, and the index of the others may be old.
HARMLESS = ("referenced manual not found", "outdated mandoc.db")

complaints = []


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def lint(page):
    done = subprocess.run(["mandoc", "-Tlint", page], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    for line in done.stdout.splitlines():
        if not any(text in line for text in HARMLESS):
            complaints.append(line)


def check_configuration():
    page = read("doc/man/p2pchat.conf.5")
    options = re.findall(r'\{ "(\w+)", "(\w+)", parse_', read("src/os/config.c"))
    documented = re.findall(r"^\.It Va (\w+)=$", page, re.M)
    if not options:
        complaints.append("src/os/config.c: no options found")
    for _, name in options:
        if name not in documented:
            complaints.append(f"p2pchat.conf.5: option {name}= is missing")
    for name in documented:
        if name not in [n for _, n in options]:
            complaints.append(f"p2pchat.conf.5: option {name}= does not exist")


def check_commands():
    page = read("doc/man/p2pchat.1").replace("\\-", "-")
    table, _, rest = read("src/cli/command.c").partition("n_commands")
    commands = re.findall(r'^        \{ "(\w+)", "', table, re.M)
    options = re.findall(r'^        \{ "(\w+)", (?:NULL|"[A-Z]+"), "', rest, re.M)
    if len(commands) < 10 or len(options) < 10:
        complaints.append("src/cli/command.c: no table found")
    for name in commands:
        if not re.search(rf"^\.(It )?Cm {name}\b", page, re.M):
            complaints.append(f"p2pchat.1: command {name} is missing")
    for name in options:
        if name != "lines" and f"-{name}" not in page:
            complaints.append(f"p2pchat.1: option --{name} is missing")


check_configuration()
check_commands()
if shutil.which("mandoc"):
    for path in PAGES:
        lint(path)
elif not complaints:
    print("mandoc is missing: the form of the pages was not looked at")
for text in complaints:
    print(text, file=sys.stderr)
sys.exit(1 if complaints else 0)
