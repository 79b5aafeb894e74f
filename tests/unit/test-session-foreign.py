#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""core/session talks with a peer made of foreign cryptography, in both roles

    test-session-foreign.py SESSION-DRIVER

Skipped when Debian's python3-dissononce is not installed.
"""
import pathlib
import random
import socket
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
try:
    import native_peer
    from native_peer import ACKNOWLEDGE, GOODBYE, MESSAGE, NativePeer, parse
except ImportError:
    print("1..0 # SKIP python3-dissononce is not installed")
    sys.exit(77)

MESSAGES = 1000
R = random.Random("session")


def begin(driver, we_dial, **more):
    ours, theirs = socket.socketpair()
    theirs.settimeout(60)
    process = subprocess.Popen([driver, "dialler" if we_dial else "responder"], stdin=ours,
                               stdout=ours, stderr=subprocess.PIPE, text=True)
    ours.close()
    return process, NativePeer(theirs, not we_dial, **more)


def said(process, peer):
    peer.sock.shutdown(socket.SHUT_WR)
    lines = process.stderr.read().splitlines()
    assert process.wait(60) == 0, lines
    peer.sock.close()
    return lines


def talk(driver, we_dial):
    process, peer = begin(driver, we_dial, name="Böb", port=6007, features=3, run=2**64 - 1)
    peer.shake_hands()
    assert peer.peer[1:] == ("Ece", 6001, 5, 99), peer.peer

    number = 0
    while number < MESSAGES:
        texts = [R.randbytes(R.choice((0, 1, 100, 5000, 65486))) for _ in range(R.randrange(1, 9))]
        for text in texts:
            number += 1
            peer.send_text(number, text, time_usec=number)
            peer.send_frame(0x70, b"a type of the future")
            first, second = peer.read_frame(), peer.read_frame()
            assert first == (ACKNOWLEDGE, struct.pack(">Q", number)), first
            assert second[0] == MESSAGE
            assert parse(*second)[0] == number and parse(*second)[2:] == (number, text)
    assert peer.sent.rotations == peer.received.rotations == number // 8
    peer.send_goodbye(1)

    lines = said(process, peer)
    assert lines[0] == f"proven {peer.id} Böb 6007 3 {2**64 - 1}", lines
    assert lines[-1] == f"ended 1 1 rotations {number // 8} {number // 8}", lines
    # 2 000 messages in both directions: only the dialler is told to renew.
    assert (lines.count("renew") >= 1) == we_dial, lines
    return number


class Liar(NativePeer):
    def introduction(self, hash_before):
        return super().introduction(bytes(32))


def refused(driver):
    process, peer = begin(driver, we_dial=False)
    peer.__class__ = Liar
    peer.shake_hands()
    try:
        while True:
            peer.read_frame()
    except EOFError:
        pass
    lines = said(process, peer)
    assert lines == ["ended 5 0 rotations 0 0"], lines


print(f"ok 1 - we dial: {talk(sys.argv[1], True)} messages", flush=True)
print(f"ok 2 - we respond: {talk(sys.argv[1], False)} messages", flush=True)
refused(sys.argv[1])
print("ok 3 - a signature for something else is refused")
print("1..3")
