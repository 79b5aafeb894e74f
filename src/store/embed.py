#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes C strings of text files: embed.py NAME FILE [NAME FILE ...]"""
import sys

print('/* SPDX-License-Identifier: LGPL-2.1-or-later */')
for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
    print(f'const char {name}[] =')
    with open(path, encoding='utf-8') as f:
        for line in f:
            line = line.rstrip('\n').replace('\\', '\\\\').replace('"', '\\"').replace('??', '?\\?')
            print(f'        "{line}\\n"')
    print('        ;')
