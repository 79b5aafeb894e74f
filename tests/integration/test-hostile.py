#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchatd among those who mean no good: it stays, it stays small, and others are served"""

import ctypes
import json
import os
import random
import resource
import signal
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import INTERFACE, NAME, PATH  # noqa: E402
from harness import *  # noqa: E402,F403
from raw_client import RawClient  # noqa: E402

ECE, BOB, CAN = "127.50.2.1", "127.50.2.2", "127.50.2.3"

# Memory is measured in the plain build: a sanitizer keeps what was freed.
PLAIN = {"sanitized": False}
GROWTH_KIB_MAX = 8 * 1024


def ece_alone(config="", **kwargs):
    return Daemon(Bus(), ECE, name="Ece", config=config, **kwargs)


def two(**kwargs):
    ece, bob = ece_alone(**kwargs), Daemon(Bus(), BOB, name="Bob", **kwargs)
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    return ece, bob


def assert_served(ece, bob, text):
    """Messages still cross in both directions."""
    wait_for(lambda: bob.call("SendMessage", "ss", "ece", text)[1] == "delivered", 60,
             "a message delivered", 1)
    ece.wait_message(text)
    ece.call("SendMessage", "ss", "bob", text + " too")
    bob.wait_message(text + " too")


def sender_at(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, 0))
    return s


def say(text, address=CAN, port=6000, to=ECE):
    with sender_at(address) as s:
        s.sendto(text if isinstance(text, bytes) else text.encode(), (to, port))


def talk(data, address=CAN, to=ECE, wait=True, seconds=20):
    """What the other side answers to these bytes until it closes."""
    answer = b""
    try:
        with socket.create_connection((to, 6001), timeout=seconds,
                                      source_address=(address, 0)) as link:
            link.sendall(data)
            if wait:
                link.shutdown(socket.SHUT_WR)
                while True:
                    more = link.recv(65536)
                    if not more:
                        break
                    answer += more
    except OSError:  # turned away, perhaps before it could say anything
        pass
    return answer


def flood(addresses, seconds, per_second, names=None):
    """Announcements at that rate; returns how many went."""
    sockets = [sender_at(a) for a in addresses]
    packets = [json.dumps({"username": (names or (lambda i: f"flood{i}"))(i), "ip": "1.2.3.4",
                           "port": 6001}).encode() for i in range(len(sockets))]
    sent, started = 0, time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        due = int(passed * per_second)
        while sent < due:
            i = sent % len(sockets)
            try:
                sockets[i].sendto(packets[i], (ECE, 6000))
            except BlockingIOError:
                pass
            sent += 1
        time.sleep(0.002)
    for s in sockets:
        s.close()
    return sent


# Announcements

@test
def announcements_from_one_address():
    ece, bob = two(**PLAIN)
    before = ece.resident_kib()
    n = flood([CAN], 5, 10000)
    assert_true(n > 20000, f"{n} announcements went")
    assert_between(ece.resident_kib() - before, -10000, GROWTH_KIB_MAX, "growth in KiB")
    assert_served(ece, bob, "after the flood")


@test
def many_names_of_one_address():
    ece, bob = two(**PLAIN)
    before = ece.resident_kib()
    with sender_at(CAN) as s:
        for i in range(30000):
            s.sendto(b'{"username":"name%d"}' % i, (ECE, 6000))
    assert_between(ece.resident_kib() - before, -10000, GROWTH_KIB_MAX, "growth in KiB")
    assert_true(len(ece.users()) <= 64, f"{len(ece.users())} users")
    assert_served(ece, bob, "after the flood")


@test
def announcements_from_a_thousand_addresses():
    ece, bob = two(**PLAIN)
    before = ece.resident_kib()
    addresses = [f"127.51.{i // 250}.{i % 250 + 1}" for i in range(1000)]
    n = flood(addresses, 6, 10000)
    assert_true(n > 20000, f"{n} announcements went")
    growth = ece.resident_kib() - before
    assert_between(growth, -10000, GROWTH_KIB_MAX, "growth in KiB")
    wait_for(lambda: len(ece.users()) == 1001, 30, "all of them to be listed")
    assert_served(ece, bob, "after the flood")


@test
def bad_announcements():
    ece, bob = two()
    known = len(ece.users())
    bad = (b"", b"{", b"nonsense", b"\0" * 100, b"\xff\xfe\xfd", b'{"username":',
           b'{"username":""}', b'{"username":null}', b"[" * 5000, b'{"a":' * 1000,
           b'{"username":"\xff\xff"}', b'{"username":"\\u0000"}', b'{"username":["a"]}',
           b'"username"', b"{}" * 1000, b'{"username":"x"' + b" " * 9000)
    for i, data in enumerate(bad):
        for port in (6000, 6004):
            say(data, port=port, address=f"127.50.12.{i + 1}")  # each has its own rate
    rng = random.Random(7)
    for i in range(500):
        say(rng.randbytes(rng.randrange(1, 400)), address=f"127.50.3.{i % 250 + 1}")

    def good_is_heard():
        say('{"username":"Good"}', address="127.50.4.1")
        return ece.user("Good")

    wait_for(good_is_heard, 30, "Good to be heard", 0.5)
    assert_equal(len(ece.users()), known + 1, "users")
    assert_served(ece, bob, "after nonsense")


@test
def names_that_deceive():
    ece = ece_alone()
    for i, name in enumerate(("a\x1b[31mred", "b\u202eabc", "  c  ", "+group", "x#y@z", "n" * 500,
                              "d\r\ne")):
        say(json.dumps({"username": name}), address=f"127.50.5.{i + 1}")
    users = wait_for(lambda: len(ece.users()) == 7 and ece.users(), 30, "seven users")
    for user in users:
        name = user["name"]
        assert_true(len(name.encode()) <= 64, f"length of {name!r}")
        for c in "\x1b\u202e\r\n#@":
            assert_not_in(c, name, "name")
        assert_not_in(name[0], " +", "first character")


@test
def noncharacters_do_not_spoil_a_page():
    """Some libraries on the bus refuse a message with U+FFFE or U+FDD0 in it."""
    ece = ece_alone()
    for i, c in enumerate(("\ufdd0", "\ufffe", "\U0001ffff")):
        say(json.dumps({"username": f"a{c}b{i}"}), address=f"127.50.6.{i + 1}")
    talk(json.dumps({"unencrypted_message": "x\ufffey \U0010ffff z \ufdef."},
                    ensure_ascii=False).encode())
    wait_for(lambda: ece.history(), 30, "the message")
    wait_for(lambda: len(ece.users()) == 4, 30, "the users")
    for member, signature, args in (("GetHistory", "su", ["", "10"]), ("ListUsers", "", [])):
        run(["busctl", f"--address={ece.bus.address}", "call", NAME, PATH, INTERFACE, member,
             *([signature] if signature else []), *args])


# Connections

@test
def silent_connections():
    ece, bob = two()
    signals = ece.signals()
    links, refused = [], 0
    for i in range(100):
        for address in (CAN, f"127.50.7.{i + 1}"):
            try:
                links.append(socket.create_connection((ECE, 6001), timeout=10,
                                                      source_address=(address, 0)))
            except OSError:
                refused += 1
    assert_true(ece.call("GetStatus")[0]["links"] <= 64, "links of strangers")
    assert_served(ece, bob, "among the silent")
    # With Bob there is a session.
    wait_for(lambda: ece.call("GetStatus")[0]["links"] <= 1, 60, "the silent to be turned away")
    for link in links:
        link.close()
    lines = [line for line in ece.errors().splitlines() if "turned away" in line]
    assert_between(len(lines), 1, 10, "lines about it")
    signals.wait("Warning", lambda a: a[0] == "Limit")


@test
def connections_in_and_out():
    ece, bob = two(**PLAIN)
    before = ece.resident_kib()
    for i in range(2000):
        with socket.create_connection((ECE, 6001), timeout=20,
                                      source_address=(f"127.50.8.{i % 200 + 1}", 0)) as link:
            if i % 2:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    # The two may have a session, and a second one that is about to end.
    wait_for(lambda: ece.call("GetStatus")[0]["links"] <= 2, 60, "no links of others")
    assert_between(ece.resident_kib() - before, -10000, GROWTH_KIB_MAX, "growth in KiB")
    fds = wait_for(lambda: len(os.listdir(f"/proc/{ece.pid}/fd")) < 40, 30, "few descriptors")
    assert_true(fds, "descriptors")
    assert_served(ece, bob, "after in and out")


@test
def bad_objects():
    ece, bob = two()
    for data in (b"", b"{", b"}", b"{}", b"nonsense", b"\0", b"\xff" * 2000, b"[" * 20000,
                 b'{"a":' * 20000, b'{"key":"' + b"9" * 100 + b'"}', b'{"key":"' + b"9" * 5000,
                 b'{"key":"-1"}', b'{"key":1e999}', b'{"key":{}}', b'{"key":"0"}',
                 b'{"key":"5","p":"0"}', b'{"key":"5","p":"1","g":"1"}', b'{"key":"5","p":"4"}',
                 b'{"encrypted_message":"AAAA"}', b'{"encrypted_message":[1,2,3]}',
                 b'{"encrypted_message":"' + b"A" * 100000, b'{"unencrypted_message":"\xff"}',
                 b'{"unencrypted_message":"\\u0000"}', b'{"unencrypted_message":"\\u001b[2J"}',
                 b'{"key":"5"}{"key":"6"}{"key":"7"}', b" " * 100000, b"y" * 1000, b"P2PC" * 100):
        talk(data)
    rng = random.Random(11)
    for i in range(200):
        talk(rng.randbytes(rng.randrange(1, 3000)), address=f"127.50.9.{i % 200 + 1}")
    assert_served(ece, bob, "after nonsense")
    for row in ece.history():
        for c in "\0\x1b":
            assert_not_in(c, row["text"], "text")


@test
def message_in_single_bytes():
    ece = ece_alone()
    data = json.dumps({"unencrypted_message": "letter by letter", "username": "Can"}).encode()
    with socket.create_connection((ECE, 6001), source_address=(CAN, 0)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            link.sendall(data[i:i + 1])
        ece.wait_message("letter by letter")


@test
def who_never_reads():
    """A connection that asks for answers and takes none."""
    ece, bob = two(**PLAIN)
    before = ece.resident_kib()
    links = []
    for i in range(10):
        link = socket.socket()
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        link.bind((CAN, 0))
        link.connect((ECE, 6001))
        link.settimeout(0.2)
        try:
            for k in range(2000):
                link.sendall(b'{"key":"5"}' * 100)
        except OSError:
            pass
        links.append(link)
    assert_between(ece.resident_kib() - before, -10000, GROWTH_KIB_MAX, "growth in KiB")
    assert_served(ece, bob, "beside them")
    for link in links:
        link.close()


@test
def out_of_descriptors():
    """With the table full it pauses, and goes on when there is room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    try:
        ece = ece_alone()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    bob = Daemon(Bus(), BOB, name="Bob")
    links = []
    for i in range(40):
        links.append(socket.create_connection((ECE, 6001), timeout=10,
                                              source_address=(f"127.50.10.{i + 1}", 0)))
    wait_for(lambda: "pausing" in ece.errors(), 30, "it to say so")
    for link in links:
        link.close()
    bob.wait_user("Ece")
    ece.wait_user("Bob")
    assert_served(ece, bob, "after that")


def small_disk(path, size):
    """A file system of its own, seen by us and by those whom we start."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or libc.unshare(0x00020000) != 0:  # CLONE_NEWNS
        skip("no mount namespace can be made")
    for command in (["mount", "--make-rprivate", "/"],
                    ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path]):
        if run(command, check=False).returncode != 0:
            skip("nothing can be mounted")
    defer(lambda: run(["umount", "--lazy", path]))


@test
def full_disk():
    """Strangers take what room there is, but not the last of it."""
    ece = ece_alone(start=False)
    small_disk(ece.state, "32m")
    ece.start()
    text = json.dumps({"unencrypted_message": "x" * 16000}).encode()
    for i in range(100):
        talk(text * 20)
        if "nearly full" in ece.errors():
            break
    assert_in("nearly full", ece.errors(), "errors")
    for i in range(20):
        talk(text * 20)
    assert_true(ece.get("LastSequence") > 100, "messages were taken before")
    assert_equal(ece.process.poll(), None, "exit status")
    assert_equal(ece.errors().count("nearly full"), 1, "times that it said so")
    ece.call("Block", "s", CAN)  # its users have the rest


# The bus

def pour(to, n, size):
    """Plain messages over TCP, 200 on each connection, as fast as they go."""
    def some(k, first):
        with socket.create_connection((to, 6001), timeout=60,
                                      source_address=(f"127.50.11.{k + 1}", 0)) as link:
            for i in range(first, first + 200):
                link.sendall(json.dumps({"unencrypted_message": f"{k} {i} ".ljust(size, "x"),
                                         "username": f"Pour{k}"}).encode())
            link.shutdown(socket.SHUT_WR)
            try:
                while link.recv(4096):
                    pass
            except OSError:
                pass

    def one(k):
        for first in range(0, n // 4, 200):
            some(k, first)

    threads = [threading.Thread(target=one, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


@test
def long_words():
    """A refusal quotes the beginning of a word, which may end inside a character."""
    ece, bob = two()
    for n in range(90, 154):
        word = "x" * n + "\U0001f600" * 40
        for call in (lambda: ece.call("Block", "s", word),
                     lambda: ece.call("Block", "s", word + "@here"),
                     lambda: ece.call("CancelMessage", "s", word),
                     lambda: ece.call("SendMessageFull", "ssa{sv}", "bob", "no",
                                      {"security": ("s", word)}),
                     lambda: ece.call("SendMessageFull", "ssa{sv}", "bob", "no",
                                      {word: ("s", "no")}),
                     lambda: ece.set("Username", "s", word)):
            try:
                call()
            except BusError as error:
                assert_true(error.sentence.count("x") > 0, f"{error} quotes the word")
            else:
                raise Failure(f"{word} was taken")
    assert_served(ece, bob, "after all the words")


@test
def client_that_never_reads():
    ece, bob = two(**PLAIN)
    client = RawClient(ece.bus, 10)
    client.match(f"type='signal',sender='{NAME}'")
    before = ece.resident_kib()
    pour(ECE, 4000, 900)
    wait_for(lambda: ece.get("LastSequence") >= 4000, 120, "all to be stored", 0.5)
    try:
        for i in range(500):
            client.send(NAME, PATH, INTERFACE, "GetHistory", "su", "", 1000)
    except OSError:
        pass  # the broker has had enough of it
    ece.call("GetStatus")
    assert_between(ece.resident_kib() - before, -10000, 2 * GROWTH_KIB_MAX, "growth in KiB")
    assert_served(ece, bob, "beside the sleeper")


@test
def broker_that_sleeps():
    """Signals that nobody can take are not kept; afterwards LastSequence tells what was missed."""
    ece, bob = two(**PLAIN)
    signals = ece.signals()
    before = ece.resident_kib()
    ece.bus.process.send_signal(signal.SIGSTOP)
    try:
        pour(ECE, 8000, 900)
        # The log file is written in the same turns.
        wait_for(lambda: len(ece.history_log()) >= 8000, 120, "all to be stored", 1)
        growth = ece.resident_kib() - before
    finally:
        ece.bus.process.send_signal(signal.SIGCONT)
    assert_between(growth, -10000, 2 * GROWTH_KIB_MAX, "growth in KiB")
    last = ece.get("LastSequence")
    assert_true(last >= 8000, f"LastSequence {last}")
    signals.wait("PropertiesChanged", lambda a: a[1].get("LastSequence") == last)
    got = signals.all("MessageReceived")
    assert_true(len(got) < 8000, f"{len(got)} signals")
    assert_served(ece, bob, "after its sleep")
    signals.wait("MessageReceived", lambda a: a[4] == "after its sleep")


main()
