#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a C string of a text file: embed.py NAME FILE"""
import sys

name, path = sys.argv[1:]
print('/* SPDX-License-Identifier: LGPL-2.1-or-later */')
print(f'const char {name}[] =')
with open(path, encoding='utf-8') as f:
    for line in f:
        line = line.rstrip('\n').replace('\\', '\\\\').replace('"', '\\"')
        print(f'        "{line}\\n"')
print('        ;')
