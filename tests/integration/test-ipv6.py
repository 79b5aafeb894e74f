#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks with link-local addresses of IPv6 and nothing else"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from harness import *  # noqa: E402,F403
from link import Cable, Space, exists  # noqa: E402

GROUP = "ff12::7032:7063"
STRANGER_ID = "bcdefghijklmnopqrstuvwxyza"

# Sends a datagram to port 6000 of an address, by the interface of that name.
SEND = """
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.sendto(sys.argv[3].encode(), (sys.argv[1], 6000, 0, socket.if_nametoindex(sys.argv[2])))
"""

# Runs a command with a socket as systemd passes it.
PASS = """
import os, socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
s.bind(("::", 6000))
os.dup2(s.fileno(), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="announce6")
os.execv(sys.argv[1], sys.argv[1:])
"""

# Runs a command as on a kernel without IPv6: its sockets are of a family that is not known.
WITHOUT = """
import ctypes, errno, os, socket, struct, sys
number = {"x86_64": 41, "aarch64": 198, "riscv64": 198}.get(os.uname().machine)
code = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, socket.AF_INET6),
        (0x06, 0, 0, 0x50000 | errno.EAFNOSUPPORT), (0x06, 0, 0, 0x7fff0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
fprog = ctypes.create_string_buffer(struct.pack("HP", len(code), ctypes.addressof(program)))
libc = ctypes.CDLL(None)
if libc.prctl(38, 1, 0, 0, 0) < 0 or libc.prctl(22, 2, fprog, 0, 0) < 0:
    sys.exit(1)
os.execv(sys.argv[1], sys.argv[1:])
"""


def setup():
    if not exists():
        skip("no IPv6 here")


def script(text, *arguments):
    return ["/usr/bin/python3", "-c", text, *arguments]


def start(space, name, *before, **kwargs):
    return Daemon(Bus(), None, name=name, inside=[*space.inside(), *before], **kwargs)


def spaces():
    return Space("ece"), Space("bob")


@test
def they_see_each_other():
    a, b = spaces()
    cable = Cable(a, b)
    at_a, at_b = cable.addresses()
    ece, bob = start(a, "Ece"), start(b, "Bob")
    for one, other, name, address, space in ((ece, bob, "Bob", at_b, a), (bob, ece, "Ece", at_a, b)):
        user = one.wait_user(name)
        # The scope is the interface of the one who looks.
        index = space.index(cable.name(space))
        assert_equal((user["address"], user["id"]),
                     (f"{address.split('%')[0]}%{index}", other.get("Id")))
        assert_equal(len([u for u in one.users() if u["name"] == name]), 1, "rows")


@test
def messages_there_and_back():
    a, b = spaces()
    cable = Cable(a, b)
    at_a, at_b = cable.addresses()
    ece, bob = start(a, "Ece"), start(b, "Bob")
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    _, state = ece.call("SendMessage", "ss", "Bob", "over there")
    assert_equal(state, "delivered")
    there = bob.wait_message("over there")
    assert_equal((there["user"], there["user_id"], there["security"]),
                 ("Ece", ece.get("Id"), "encrypted"))
    assert_equal(there["address"], f"{at_a.split('%')[0]}%{b.index(cable.name(b))}")

    # By a word with the address, as it is shown.
    address = bob.user("Ece")["address"]
    _, state = bob.call("SendMessage", "ss", f"Ece@{address}", "and back")
    assert_equal(state, "delivered")
    ece.wait_message("and back")
    assert_equal(ece.user("Bob")["security"], "encrypted")


@test
def one_family_after_the_other():
    """Who has addresses of both is one user, and is reached by the one that is left."""
    a, b = spaces()
    cable = Cable(a, b)
    cable.addresses()
    for space, address in ((a, "10.62.0.1/24"), (b, "10.62.0.2/24")):
        space.run("ip", "address", "add", address, "broadcast", "+", "dev", cable.name(space))
    ece, bob = start(a, "Ece"), start(b, "Bob")
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    assert_equal(ece.call("SendMessage", "ss", "Bob", "by either")[1], "delivered")
    assert_equal(len([u for u in ece.users() if u["name"] == "Bob"]), 1, "rows")

    for space in (a, b):
        space.run("ip", "-4", "address", "flush", "dev", cable.name(space))
    ece.call("EndSession", "s", "Bob")
    # It may have to be found out first that nobody is there any more by IPv4.
    ece.call("SendMessageFull", "ssa{sv}", "Bob", "by IPv6", {"wait-usec": ("t", 0)})
    assert_in("fe80:", bob.wait_message("by IPv6")["address"])
    wait_for(lambda: ece.history("Bob")[0]["state"] == "delivered", 60, "the acknowledgement")


@test
def a_cable_that_comes_later():
    a, b = spaces()
    ece, bob = start(a, None), start(b, None)
    ece.set("Username", "s", "Ece")
    bob.set("Username", "s", "Bob")
    cable = Cable(a, b)
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    # Nothing is sent from an address as long as it may be another machine's.
    assert_not_in("Failed to announce", ece.errors() + bob.errors())

    # Another interface, on which they must begin to listen anew.
    before = a.index(cable.name(a))
    cable.cut()
    cable = Cable(a, b)
    assert_true(a.index(cable.name(a)) != before, "another number")
    ece.set("Username", "s", "Ecem")
    bob.set("Username", "s", "Bobby")
    index = a.index(cable.name(a))
    wait_for(lambda: ece.wait_user("Bobby")["address"].endswith(f"%{index}"), 60, "the new number")
    bob.wait_user("Ecem")


@test
def a_socket_that_is_passed():
    a, b = spaces()
    Cable(a, b)
    ece = start(a, "Ece", *script(PASS))
    bob = start(b, "Bob")
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    assert_not_in("UDP port 6000", ece.errors())
    ece.restart()
    ece.wait_user("Bob")


@test
def classic_peers_are_not_heard():
    a, b = spaces()
    cable = Cable(a, b)
    at_a, at_b = cable.addresses()
    ece = start(a, "Ece")

    def say(address, text):
        b.run(*script(SEND, address.split("%")[0], cable.name(b), text))

    for address in (at_a, GROUP):
        say(address, '{"username": "Classic"}')
        say(address, '{"username": "Second", "ip": "10.0.0.1", "port": 6001}')
    say(GROUP, f'{{"username": "Native", "id": "{STRANGER_ID}", "port": 6001}}')
    user = ece.wait_user("Native")
    assert_equal([u["name"] for u in ece.users()], ["Native"])
    assert_equal(user["address"].split("%")[0], at_b.split("%")[0])


@test
def chosen_interfaces():
    a, b, c = Space("ece"), Space("bob"), Space("can")
    wanted, other = Cable(a, b), Cable(a, c)
    wanted.addresses()
    other.addresses()
    ece = start(a, "Ece", config=f"[Lan]\nInterfaces={wanted.name(a)}\n")
    can = start(c, "Can")
    bob = start(b, "Bob")
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    assert_equal((can.users(), ece.user("Can")), ([], None))


def goes_without(*before, ipv6=True):
    a, b = spaces()
    cable = Cable(a, b)
    for space, address in ((a, "10.62.0.1/24"), (b, "10.62.0.2/24")):
        if not ipv6:
            space.run("sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1")
        space.run("ip", "address", "add", address, "broadcast", "+", "dev", cable.name(space))
    ece, bob = start(a, "Ece", *before), start(b, "Bob", *before)
    for one, name in ((ece, "Bob"), (bob, "Ece")):
        assert_true(one.wait_user(name)["address"].startswith("10.62.0."), "IPv4")
        assert_not_in("IPv6", one.errors())
    assert_equal(ece.call("SendMessage", "ss", "Bob", "by IPv4")[1], "delivered")
    bob.wait_message("by IPv4")


@test
def a_kernel_without_ipv6():
    goes_without(*script(WITHOUT))


@test
def interfaces_without_ipv6():
    goes_without(ipv6=False)


main(setup)
