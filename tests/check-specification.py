#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every file, function and test that doc/specification.md names is there, and every test of the
attacks in doc/security.md.

usage: check-specification.py SOURCE-DIRECTORY
"""

import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
page = root / "doc/specification.md"
missing = []


def check(there, what):
    if not there:
        missing.append(what)


def source_of(tier, program):
    source = root / "tests" / tier / f"{program}.c"
    return source if source.exists() else source.with_suffix(".py")


def check_tests(cell):
    for entry in filter(None, (e.strip() for e in re.split("[;,]", cell))):
        match = re.fullmatch(r"(?:(\w+)/(test-[\w-]+))?(?:\.(\w+))?|fuzz-\w+", entry)
        check(match, f"test {entry!r} is not written as tier/program.name")
        if entry.startswith("fuzz-"):
            check((root / f"tests/fuzz/{entry}.c").exists(), entry)
            continue
        if match.group(2):
            check_tests.source = source_of(match.group(1), match.group(2))
            check(check_tests.source.exists(), entry)
        if match.group(3) and check_tests.source.exists():
            pattern = rf"\b(?:def {match.group(3)}\(|TEST\({match.group(3)}\))"
            check(re.search(pattern, check_tests.source.read_text()), entry)


rows = [line.split("|")[1:-1] for line in page.read_text().splitlines() if line.startswith("| 2.")]
check(len(rows) >= 19, "the table has lost rows")
for number, _, where, tests in ([cell.strip() for cell in row] for row in rows):
    for path in re.findall(r"`([\w./-]+/[\w.-]+)`", where):
        check((root / path).exists(), f"{number}: {path}")
    for path, function in re.findall(r"`([\w./-]+\.c)` `(\w+)\(\)`", where):
        check(re.search(rf"\b{function}\(", (root / path).read_text()), f"{number}: {function}")
    check(tests, f"{number} has no test")
    check_tests(tests)

attacks = (root / "doc/security.md").read_text().partition("\n| attack |")[2].partition("\n\n")[0]
rows = [line.split("|")[1:-1] for line in attacks.splitlines()[2:]]
check(len(rows) >= 25, "the table of attacks has lost rows")
for attack, tests in ([cell.strip() for cell in row] for row in rows):
    check(tests, f"{attack}: no test")
    check_tests(tests)

for what in missing:
    print(f"doc/specification.md or security.md names what is not there: {what}", file=sys.stderr)
sys.exit(1 if missing else 0)
