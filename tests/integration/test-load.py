#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchatd under load: what the innocent notice of it

Counts, order and bounds decide; times are printed beside those of a quiet daemon.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import INTERFACE, NAME, PATH, AsyncCall, announce_users, history_rows  # noqa: E402
from harness import *  # noqa: E402,F403
from native_peer import GOODBYE, NativePeer  # noqa: E402
from raw_client import RawClient  # noqa: E402

ECE, BOB = "127.50.12.1", "127.50.12.2"
# Memory is measured in the plain build: a sanitizer keeps what was freed.
PLAIN = {"sanitized": False}

USERS, USERS_KIB_MAX = 10_000, 24 * 1024
CONNECTIONS_PER_SECOND, CONNECTION_SECONDS, SILENT_MAX = 1000, 10, 64
LINKS, LINKS_OF_STRANGERS, LINK_KIB_MAX = 512, 384, 40  # a fourth is left for contacts
ADDRESSES = 32  # 16 links each
CALLERS, CALLS = 64, 50
# Fewer at a time than the daemon keeps signals for a broker that is behind.
MESSAGES, MESSAGES_AT_ONCE, SLEEPER_KIB_MAX = 20_000, 100, 8 * 1024


def two(config=""):
    ece = Daemon(Bus(), ECE, name="Ece", config=config, **PLAIN)
    bob = Daemon(Bus(), BOB, name="Bob", **PLAIN)
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    send(bob, "ece", "first")  # makes contacts of them
    send(ece, "bob", "first")
    return ece, bob


def send(d, to, text):
    """Until it is on the other side's disk; how long that took."""
    started = time.monotonic()
    assert_equal(d.call("SendMessage", "ss", to, text)[1], "delivered", text)
    return time.monotonic() - started


def times(d, to, n, what):
    taken = [send(d, to, f"{what} {i}") for i in range(n)]
    return f"median {statistics.median(taken) * 1e3:.1f} ms, longest {max(taken) * 1e3:.1f} ms"


def all_texts(d):
    """The whole history, oldest first, a page at a time."""
    texts, sequence = [], 0
    while page := d.history_since(sequence):
        texts += [m["text"] for m in page]
        sequence = page[-1]["sequence"]
    return texts


@test
def ten_thousand_users():
    ece, bob = two(f"[Limits]\nUsers={USERS}\n")
    alone = times(bob, "ece", 30, "alone")
    known = len(ece.users())
    while known < USERS:
        # No more at a time than a socket holds.
        count = min(100, USERS - known)
        announce_users(known, count, ECE)
        known += count
        wait_for(lambda: ece.get("UsersOnline") >= known, 60, f"{known} users", 0.01)
    assert_between(ece.resident_kib(), 0, USERS_KIB_MAX, "KiB with all of them")
    among = times(bob, "ece", 30, "among many")
    print(f"# {USERS} users: {ece.resident_kib() / 1024:.1f} MiB; a message took {among}; "
          f"before them {alone}", flush=True)
    before = ece.cpu_seconds()
    names = {user["name"] for user in ece.users()}
    print(f"# ListUsers: {(ece.cpu_seconds() - before) * 1e3:.0f} ms of the daemon", flush=True)
    assert_true("Bob" in names and len(names) == USERS, f"{len(names)} names are listed")
    assert_equal(len(ece.cli("users").stdout.splitlines()), USERS, "lines of `users`")
    # One more has its place, for somebody who only announced himself.
    announce_users(USERS, 1, ECE)
    send(bob, "ece", "afterwards")
    assert_between(len(ece.users()), 1, USERS, "users")
    ece.restart()
    wait_for(lambda: bob.call("SendMessage", "ss", "ece", "started again")[1] == "delivered", 60,
             "it to serve again", 1)


def connect_silently(stop, done):
    """So many connections a second, which say nothing and are hung up on the next round."""
    links, n, started = [], 0, time.monotonic()
    while not stop.is_set() and (passed := time.monotonic() - started) < CONNECTION_SECONDS:
        while n < passed * CONNECTIONS_PER_SECOND:
            s = socket.socket()
            s.setblocking(False)
            s.bind((f"127.50.{13 + n // 250 % 200}.{n % 250 + 1}", 0))
            s.connect_ex((ECE, 6001))
            links.append(s)
            n += 1
        for s in links[:-500]:
            s.close()
        links = links[-500:]
        time.sleep(0.002)
    for s in links:
        s.close()
    done.append(n)


@test
def a_thousand_connections_a_second_that_say_nothing():
    ece, bob = two()
    before, descriptors = ece.resident_kib(), len(os.listdir(f"/proc/{ece.pid}/fd"))
    alone = times(bob, "ece", 100, "alone")
    stop, done = threading.Event(), []
    thread = threading.Thread(target=connect_silently, args=(stop, done))
    thread.start()
    defer(lambda: (stop.set(), thread.join()))
    taken, most = [], 0
    while thread.is_alive():
        taken.append(send(bob, "ece", f"among them {len(taken)}"))
        most = max(most, len(os.listdir(f"/proc/{ece.pid}/fd")))
    thread.join()
    assert_between(most - descriptors, 0, SILENT_MAX + 4, "more descriptors meanwhile")
    print(f"# {done[0]} connections: a message took median {statistics.median(taken) * 1e3:.1f} ms, "
          f"longest {max(taken) * 1e3:.1f} ms, {len(taken)} of them; before {alone}", flush=True)
    wait_for(lambda: len(os.listdir(f"/proc/{ece.pid}/fd")) <= descriptors + 2, 60,
             "their descriptors to be closed")
    assert_between(ece.resident_kib() - before, -10_000, 4 * 1024, "growth in KiB")
    assert_equal([text for text in all_texts(ece) if text.startswith("among")],
                 [f"among them {i}" for i in range(len(taken))], "all, once, in order")


@test(seconds=300)
def all_links_taken():
    ece, bob = two()
    peers = []
    defer(lambda: [p.sock.close() for p in peers])
    before = ece.resident_kib()

    def is_let_in(place):
        """Another stranger at that address, who proves a key of his own."""
        s = socket.socket()
        s.bind((f"127.51.0.{1 + place}", 0))
        s.settimeout(60)
        time.sleep(1 / 45)  # 50 handshakes a second are let in
        peer = NativePeer(s, True, name=f"stranger-{len(peers)}", run=len(peers) + 1)
        try:
            s.connect((ECE, 6001))
            peer.shake_hands()
            peer.send_hello(7, 1)
            if peer.read_frame()[0] == GOODBYE:
                raise EOFError
        except (EOFError, OSError):
            s.close()
            return False
        peers.append(peer)
        return True

    def fill_up(most):
        while len(peers) < most and is_let_in(len(peers) % ADDRESSES):
            pass

    def links():
        return ece.call("GetStatus")[0]["links"]

    fill_up(LINKS)
    each = (ece.resident_kib() - before) / len(peers)
    print(f"# {len(peers)} sessions of strangers: {each:.1f} KiB each", flush=True)
    assert_between(len(peers), LINKS_OF_STRANGERS - 8, LINKS_OF_STRANGERS, "sessions of strangers")
    assert_between(links(), len(peers), len(peers) + 4, "links")
    assert_between(each, 0, LINK_KIB_MAX, "KiB each")
    # A contact has its place, also when it comes anew.
    bob.restart()
    wait_for(lambda: bob.call("SendMessage", "ss", "ece", "still served")[1] == "delivered", 60,
             "the contact to be served", 1)
    ece.wait_message("still served")

    # Contacts are no strangers, so that others get what these had.
    for peer in peers[:LINKS - LINKS_OF_STRANGERS]:
        ece.call("Trust", "s", peer.id)
    fill_up(LINKS)
    assert_between(links(), LINKS - 2, LINKS, "links when one more was turned away")
    assert_between(len(peers), LINKS - 4, LINKS - 1, "sessions beside that with Bob")
    send(bob, "ece", "served when all are taken")
    # There is room again, but not for one more of an address that has its share.
    for peer in peers[-8:]:
        peer.sock.close()
    del peers[-8:]
    wait_for(lambda: links() <= LINKS - 8, 60, "some links to end")
    assert_false(is_let_in(0), "one more of a full address is let in")
    assert_true(is_let_in(ADDRESSES), "one of another address is let in")


@test(seconds=300)
def sixty_four_callers():
    ece, bob = two()
    connections = [ece.bus.connect() for _ in range(CALLERS)]
    calls = [AsyncCall(c, INTERFACE, "SendMessage", "ss", "bob", f"{caller} {i}")
             for i in range(CALLS) for caller, c in enumerate(connections)]
    wait_for(lambda: all([call.is_done for call in calls]), 200, "all calls to be answered", 0.05)
    assert_equal([call.error for call in calls if call.error], [], "errors")
    send(ece, "bob", "last")  # behind all of them
    by_caller = {}
    for text in all_texts(bob):
        if " " in text:
            caller, number = text.split()
            by_caller.setdefault(caller, []).append(number)
    assert_equal(len(by_caller), CALLERS, "callers")
    for caller, numbers in by_caller.items():
        assert_equal(numbers, [str(i) for i in range(CALLS)], f"messages of caller {caller}")


def assert_same(actual, expected, what):
    """Of long lists only the first difference is worth showing."""
    for i, (a, e) in enumerate(zip(actual, expected)):
        assert_equal(a[:20], e[:20], f"{what}, number {i}")
    assert_equal(len(actual), len(expected), f"{what}, how many")
    assert_true(actual == expected, f"{what}, the same to the end")


def take_texts(signals, texts):
    """Moves what came up to now; how many there are then."""
    texts += [args[4] for args in signals.all("MessageReceived")]
    signals.items.clear()
    return len(texts)


def texts_since(client, sequence):
    texts = []
    while page := history_rows(client.call(NAME, PATH, INTERFACE, "GetHistorySince", "stu", "",
                                           sequence, 1000)[0]):
        texts += [row["text"] for row in page]
        sequence = page[-1]["sequence"]
    return texts


def start_listener(d):
    """`p2pchat listen`, and the file with what it prints."""
    path = os.path.join(d.directory, "listened")
    with open(path, "wb") as file:
        process = subprocess.Popen(
            [os.path.join(environment("P2PCHAT_BUILD"), "src/cli/p2pchat"), "--json",
             f"--bus={d.bus.address}", "listen", "--since", str(d.get("LastSequence"))],
            stdin=subprocess.DEVNULL, stdout=file, preexec_fn=child_dies_with_us)
    defer(process.wait)
    defer(process.kill)
    return path


def say_all(texts):
    """One after the other on one connection, as a classic peer does."""
    with socket.create_connection((ECE, 6001), timeout=60,
                                  source_address=("127.52.0.1", 0)) as link:
        for text in texts:
            link.sendall(json.dumps({"unencrypted_message": text, "username": "Can"}).encode())
        link.shutdown(socket.SHUT_WR)
        while link.recv(4096):
            pass


@test(seconds=300)
def a_subscriber_that_sleeps():
    ece = Daemon(Bus(), ECE, name="Ece", **PLAIN)
    sleeper, signals, listened = RawClient(ece.bus), ece.signals(), start_listener(ece)
    sleeper.match(f"type='signal',sender='{NAME}',member='MessageReceived'")
    before, started, most, heard = ece.resident_kib(), time.monotonic(), 0, []
    texts = [f"{i} ".ljust(200, "x") for i in range(MESSAGES)]
    for n in range(0, MESSAGES, MESSAGES_AT_ONCE):
        say_all(texts[n:n + MESSAGES_AT_ONCE])
        wait_for(lambda: take_texts(signals, heard) >= n + MESSAGES_AT_ONCE, 60,
                 f"{n + MESSAGES_AT_ONCE} signals", 0.002)
        most = max(most, ece.resident_kib())
    taken = time.monotonic() - started
    assert_between(most - before, -10_000, SLEEPER_KIB_MAX, "growth in KiB")
    assert_same(heard, texts, "signals")

    def listener_has_all():
        with open(listened, encoding="utf-8") as file:
            return file.read().count("\n") >= MESSAGES

    wait_for(listener_has_all, 60, "the listener to have all")
    with open(listened, encoding="utf-8") as file:
        assert_same([json.loads(line)["text"] for line in file], texts, "what `listen` printed")
    assert_same(texts_since(sleeper, 0), texts, "what the sleeper missed")
    waited = sum(signal.get_member() == "MessageReceived" for signal in sleeper.signals)
    print(f"# {MESSAGES} messages beside a sleeper, for whom {waited} signals waited: "
          f"{MESSAGES / taken:,.0f} a second, at most {(most - before) / 1024:.1f} MiB more",
          flush=True)


main()
