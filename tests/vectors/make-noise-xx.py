#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes noise-xx.txt by a foreign implementation (Debian's python3-dissononce)

    make-noise-xx.py > noise-xx.txt

A conversation begins with the line "conversation"; "-" stands for no bytes. Lines:

    conversation PROLOGUE INITIATOR-STATIC INITIATOR-EPHEMERAL RESPONDER-STATIC RESPONDER-EPHEMERAL
    handshake PAYLOAD MESSAGE               three of them
    hash H
    forth PLAIN SEALED                      initiator to responder
    back PLAIN SEALED
    rekey forth|back
"""
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from foreign_noise import Peer  # noqa: E402

R = random.Random("p2pchat noise")


def text(data):
    return data.hex() or "-"


def conversation(prologue, sizes):
    keys = [R.randbytes(32) for _ in range(4)]
    a, b = Peer(True, prologue, *keys[:2]), Peer(False, prologue, *keys[2:])
    print("conversation", text(prologue), *map(text, keys))
    for size, (writer, reader) in zip(sizes, ((a, b), (b, a), (a, b))):
        payload = R.randbytes(size)
        message = writer.write(payload)
        assert reader.read(message) == payload
        print("handshake", text(payload), text(message))
    assert a.hash == b.hash
    print("hash", text(a.hash))
    for i in range(24):
        name, writer, reader = R.choice((("forth", a, b), ("back", b, a)))
        plain = R.randbytes(R.choice((0, 1, 15, 16, 17, 64, 300)))
        sealed = writer.seal(plain)
        assert reader.open(sealed) == plain
        print(name, text(plain), text(sealed))
        if i % 5 == 4:
            name, writer, reader = R.choice((("forth", a, b), ("back", b, a)))
            writer.send.rekey()
            reader.receive.rekey()
            print("rekey", name)


print("# Made by make-noise-xx.py with python3-dissononce 0.34.3")
conversation(b"", (0, 0, 0))
conversation(b"P2PC\x01", (0, 170, 170))
conversation(R.randbytes(100), (40, 1, 1000))
conversation(b"P2PC\x01", (0, 64, 65))
