#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""core/noise talks with a foreign implementation, in both roles

    test-noise-foreign.py NOISE-DRIVER

Skipped when Debian's python3-dissononce is not installed.
"""
import pathlib
import random
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
try:
    import foreign_noise
except ImportError:
    print("1..0 # SKIP python3-dissononce is not installed")
    sys.exit(77)

MESSAGES = 1000
PROLOGUE = b"P2PC\x01"
R = random.Random("foreign")


class Ours:
    """The driver, in the words of foreign_noise.Peer."""

    def __init__(self, path, initiator, prologue):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, bufsize=1)
        role = "initiator" if initiator else "responder"
        self.public, = self.ask("begin", role, prologue)

    def ask(self, *words):
        line = " ".join((w.hex() or "-") if isinstance(w, bytes) else w for w in words)
        self.process.stdin.write(line + "\n")
        answer = self.process.stdout.readline().split()
        assert answer, "the driver is gone"
        return [w if w in ("ok", "refused") else bytes.fromhex(w.strip("-")) for w in answer]

    def write(self, payload):
        return self.ask("write", payload)[0]

    def read(self, message):
        return self.ask("read", message)[0]

    def end(self):
        return self.ask("end")

    def seal(self, plain):
        return self.ask("seal", plain)[0]

    def open(self, sealed):
        return self.ask("open", sealed)[0]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0


def talk(driver, we_initiate):
    ours = Ours(driver, we_initiate, PROLOGUE)
    theirs = foreign_noise.Peer(not we_initiate, PROLOGUE)
    sides = [ours, theirs] if we_initiate else [theirs, ours]

    for size in (0, 170, 170):
        payload = R.randbytes(size)
        message = sides[0].write(payload)
        assert sides[1].read(message) == payload
        sides.reverse()
    ours_hash, remote = ours.end()
    assert ours_hash == theirs.hash
    assert remote == theirs.static.public.data
    assert ours.public == theirs.handshake.rs.data

    sent = [0, 0]
    for _ in range(MESSAGES):
        forth = R.random() < 0.5
        plain = R.randbytes(R.choice((0, 1, 20, 256, 2000)))
        if forth:
            assert theirs.open(ours.seal(plain)) == plain
        else:
            assert ours.open(theirs.seal(plain)) == plain
        sent[forth] += 1
        if sent[forth] % 8 == 0:
            ours.ask("rekey", "send" if forth else "receive")
            (theirs.receive if forth else theirs.send).rekey()

    # Neither takes what was altered, or what it has had.
    sealed = bytearray(theirs.seal(b"last"))
    sealed[2] ^= 1
    assert ours.open(bytes(sealed)) == "refused"
    sealed[2] ^= 1
    assert ours.open(bytes(sealed)) == b"last"
    assert ours.open(bytes(sealed)) == "refused"
    ours.close()
    return sum(sent)


def wrong_prologue(driver):
    ours = Ours(driver, True, PROLOGUE)
    theirs = foreign_noise.Peer(False, b"P2PC\x02")
    theirs.read(ours.write(b""))
    assert ours.read(theirs.write(b"hello")) == "refused"
    ours.close()


print(f"ok 1 - we initiate: {talk(sys.argv[1], True)} messages", flush=True)
print(f"ok 2 - we respond: {talk(sys.argv[1], False)} messages", flush=True)
wrong_prologue(sys.argv[1])
print("ok 3 - another prologue is refused")
print("1..3")
