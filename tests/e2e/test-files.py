#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two machines: a large file over a cable that is cut, and services that are killed

Besides: both services stay small, and the chat goes on; how fast is printed. $P2PCHAT_FILE_MIB:
another size than 256.
"""

import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import *  # noqa: E402,F403
from machine import Machine, Network  # noqa: E402

SIZE = int(os.environ.get("P2PCHAT_FILE_MIB", "256")) * 1024 * 1024
RESIDENT_KIB_MAX = 32 * 1024
SECONDS = 600 * max(1, SIZE >> 28)

ece = bob = None


def boot_both():
    global ece, bob
    network = Network()
    ece, bob = Machine(network, "ece", 1), Machine(network, "bob", 2)
    for machine in (ece, bob):
        machine.boot()
        machine.install()
        machine.wait_active()
    ece.wait_user("bob")
    bob.wait_user("ece")
    for machine, user in ((ece, "bob"), (bob, "ece")):
        machine.run("p2pchat", "send", user, "hello", "--wait", "60")
        machine.add_user("carl", "p2pchat")


def files(machine):
    done = machine.run("p2pchat", "--json", "file", "list", check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def received():
    rows = [f for f in files(bob) if f["direction"] == "received"]
    return rows[0] if rows else None


def resident_kib(machine):
    pid = machine.pid_of()
    text = machine.run("cat", f"/proc/{pid}/status", check=False).stdout
    lines = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(lines[0].split()[1]) if lines else 0


def hash_of(machine, path):
    return machine.out("sha256sum", path, timeout=300).split()[0]


def latency():
    """Seconds from the call until the other disk has it, with the start of a program in it."""
    started = time.monotonic()
    ece.run("p2pchat", "send", "bob", "how are you?", "--wait", "60")
    return time.monotonic() - started


def median(values):
    return sorted(values)[len(values) // 2]


def cut():
    bob.cable(False)
    # Longer than a session lives without an answer, now and then.
    time.sleep(3)
    bob.cable(True)


def kill(machine):
    machine.run("kill", "-KILL", str(machine.pid_of()), check=False)
    machine.wait_active()


def offer(size, name, user="carl"):
    path = f"/home/{user}/{name}"
    ece.run("sh", "-c", f"head -c {size} /dev/urandom > {path}", user=user, timeout=300)
    sending = ece.start("p2pchat", "file", "send", "bob", path, user=user)
    row = wait_for(received, SECONDS, "the offer", 0.2)
    assert_equal((row["name"], row["size"], row["state"]), (name, size, "offered"), "offer")
    return path, sending, row["id"]


@test(seconds=SECONDS + 300)
def a_large_file_and_whatever_breaks():
    idle = median([latency() for _ in range(20)])
    path, sending, id = offer(SIZE, "large")
    taking = bob.start("p2pchat", "file", "accept", id, "/home/carl/large", user="carl")
    peak = {ece: 0, bob: 0}
    busy = []

    def is_at(mark):
        row = received()
        for machine in peak:
            peak[machine] = max(peak[machine], resident_kib(machine))
        if len(busy) < 20:
            busy.append(latency())
        return row is None or row["done"] >= mark

    for i, interrupt in enumerate((cut, lambda: kill(ece), lambda: kill(bob))):
        wait_for(lambda: is_at(SIZE * (i + 1) // 4), SECONDS, f"part {i + 1} of 4", 0.1)
        assert_true(received() is not None, "interrupted before it was there")
        interrupt()
        while len(busy) < 20 and not is_at(SIZE):
            pass
    assert_equal(taking.wait_exit(SECONDS), 0, f"file accept: {taking.text()}")
    assert_equal(sending.wait_exit(SECONDS), 0, f"file send: {sending.text()}")
    assert_equal(hash_of(bob, "/home/carl/large"), hash_of(ece, path), "the hash")
    for machine in (ece, bob):
        wait_for(lambda m=machine: files(m) == [], 60, f"nothing at {machine.name}", 0.5)
        assert_equal(machine.out("ls", "/var/lib/p2pchat/spool"), "", f"spool of {machine.name}")
    print(f"# message with a program's start: idle {1000 * idle:.1f} ms, with a file "
          f"{1000 * median(busy):.1f} ms; resident {peak[ece]} and {peak[bob]} KiB")
    assert_true(max(peak.values()) <= RESIDENT_KIB_MAX, f"resident: {peak}")


@test
def a_power_cut_at_the_receiver():
    path, sending, id = offer(SIZE // 4, "power")
    taking = bob.start("p2pchat", "file", "accept", id, "/home/carl/power", user="carl")
    wait_for(lambda: received()["done"] >= SIZE // 16, SECONDS, "a part", 0.1)
    bob.power_cut()
    taking.end()
    bob.boot()
    bob.wait_active()
    bob.run("p2pchat", "file", "accept", id[:8], "/home/carl/power2", user="carl", timeout=SECONDS)
    assert_equal(sending.wait_exit(SECONDS), 0, f"file send: {sending.text()}")
    assert_equal(hash_of(bob, "/home/carl/power2"), hash_of(ece, path), "the hash")


@test
def accepted_by_the_configuration_in_the_sandbox():
    bob.write("/etc/p2pchat/p2pchat.conf.d/files.conf", "[Files]\nAcceptFrom=contacts\n")
    bob.run("systemctl", "restart", "p2pchatd.service")
    bob.wait_active()
    ece.run("sh", "-c", "echo notes > /home/carl/notes", user="carl")
    ece.run("p2pchat", "file", "send", "bob", "/home/carl/notes", user="carl")
    there = "/var/lib/p2pchat/received/notes"
    wait_for(lambda: bob.run("cat", there, check=False).stdout == "notes\n", 60, there, 0.2)
    assert_equal(bob.out("stat", "-c", "%U %a", there).split(), ["p2pchat", "600"], "owner, mode")
    bob.run("rm", "/etc/p2pchat/p2pchat.conf.d/files.conf")
    bob.run("systemctl", "restart", "p2pchatd.service")
    bob.wait_active()


@test
def nobody_else_may():
    bob.add_user("mallory")
    for words in (("list",), ("accept", "0" * 32), ("reject", "0" * 32)):
        done = bob.run("p2pchat", "file", *words, user="mallory", check=False)
        assert_equal(done.returncode, 1, f"exit status of {words}")
        assert_in("may not use", done.stderr)


@test
def a_script_with_busctl():
    """Descriptors are nothing for it; the rest is."""
    interface = ("org.example.P2PChat", "/org/example/P2PChat", "org.example.P2PChat.Files")
    ece.run("sh", "-c", "echo scripted | p2pchat file send bob - --name script --detach",
            user="carl")
    row = wait_for(received, 60, "the offer", 0.2)
    listed = json.loads(bob.busctl("call", *interface, "List", user="carl").stdout)["data"][0]
    assert_equal([(f[0], f[2]) for f in listed], [(row["id"], "script")], "List")
    bob.busctl("call", *interface, "Reject", "s", row["id"], user="carl")
    wait_for(lambda: files(ece) == files(bob) == [], 60, "nothing to be there", 0.2)


main(boot_both)
