#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchatd on the ring: who is found, and what becomes of those who leave, stop and die

All are on loopback, but where the test is not about that they announce nothing: so nobody hears
anybody, as if they were in different networks, and whoever is reached is so by the ring.
"""

import os
import re
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from circle import wait_circle  # noqa: E402
from daemon import *  # noqa: E402,F403
from daemon import BusError, ERROR  # noqa: E402
from harness import *  # noqa: E402,F403

UNHEARD = "[Lan]\nAnnounce=no\n"
NAMES = ("Ece", "Bob", "Can", "Dilek", "Efe", "Fatma", "Gul", "Hasan")
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
SECONDS = 240


def address(number):
    return f"127.64.0.{number}"


def start(number, config="", bus=True, before=UNHEARD, **kwargs):
    d = Daemon(Bus() if bus else None, address(number), name=NAMES[number - 1],
               config=before + config, **kwargs)
    if bus:
        d.word = f"{NAMES[number - 1]}#{d.get('Id')[:8]}"
    return d


def bootstrap(number):
    """All begin at the first, and that one at the second."""
    return f"[Ring]\nBootstrap={address(2 if number == 1 else 1)}\n"


def ring_of(count):
    """A ring of so many, all of which are published."""
    daemons = [start(number, bootstrap(number)) for number in range(1, count + 1)]
    wait_circle(daemons, seconds=SECONDS)
    for d in daemons:
        wait_found(daemons[0] if d is not daemons[0] else daemons[1], d)
    return daemons


def found(daemon, word):
    """What Find answers; nothing for nobody."""
    try:
        return daemon.ring("Find", "s", word)[0]
    except BusError as error:
        assert_equal(error.name, ERROR + "UnknownUser", f"error of {word}: {error.sentence}")
        return []


def is_found(daemon, other):
    return other.address in [e.split(":")[0] for row in found(daemon, other.word) for e in row[2]]


def wait_found(daemon, other):
    wait_for(lambda: is_found(daemon, other), SECONDS, f"{daemon.address} to find {other.word}",
             0.2)


def say(daemon, word, text):
    """Delivered before this returns."""
    state = daemon.call("SendMessageFull", "ssa{sv}", word, text, {"wait-usec": ("t", 60000000)},
                        timeout=90)[1]
    assert_equal(state, "delivered", f"state of {text!r}")


def refused(names, function, *args):
    """By one of the errors with these names."""
    try:
        result = function(*args)
    except BusError as error:
        assert_in(error.name, [n if "." in n else ERROR + n for n in names.split()],
                  f"error of {args}")
        assert_true(re.fullmatch(r"(?s).{15,}\.", error.sentence), f"sentence {error.sentence!r}")
        return error.sentence
    raise Failure(f"{args}: {result!r} instead of error {names}")


# Coming together

@test
def places_of_the_configuration_lead_to_one_ring():
    daemons = ring_of(8)
    for d in daemons:
        status = d.ring_status()
        assert_equal((status["state"], status["joined"], status["members"]), ("member", True, 8),
                     "status")
        assert_equal(status["endpoint"].split(":")[0], d.address, "where others reach it")
        assert_true(re.fullmatch("[0-9a-f]{64}", status["position"]), "position")
        for name, key in (("Members", "members"), ("Successors", "successors"),
                          ("Predecessor", "predecessor"), ("Position", "position")):
            assert_equal(d.ring_get(name), status[key], name)
        assert_true(status["published"] > 0, "nodes that keep its record")
    # Each name lies at two points, with the four behind each; who kept it while the ring was smaller
    # does so until it is too old.
    kept = sum(d.ring_status()["records"] for d in daemons)
    assert_between(kept, 8 * 4, 8 * 8 * 2, "records that are kept")


@test
def everybody_finds_everybody():
    daemons = ring_of(6)
    for d in daemons:
        before = d.ring_status()
        for other in daemons:
            (name, id, endpoints), = found(d, other.word)
            assert_equal((name, id), (other.get("Username"), other.get("Id")), "who is found")
            assert_equal([e.split(":")[0] for e in endpoints], [other.address], "where")
        after = d.ring_status()
        assert_equal(after["found"] - before["found"], 6, "found")
        assert_equal(after["missed"] - before["missed"], 0, "missed")
    ece, bob = daemons[:2]
    id = bob.get("Id")
    for word in (f"BOB#{id[:8]}", f"bob#{id}"):
        assert_equal([row[1] for row in found(ece, word)], [bob.get("Id")], word)


@test
def neighbours_on_the_ring_are_no_acquaintances():
    daemons = ring_of(4)
    for d in daemons:
        assert_equal((d.users(), d.get("UsersOnline")), ([], 0), "users")
    say(daemons[0], daemons[1].word, "hello")
    for d, names in zip(daemons, (["Bob"], ["Ece"], [], [])):
        assert_equal([u["name"] for u in d.users()], names, f"users of {d.address}")


@test
def those_who_hear_each_other_need_no_place():
    daemons = [start(number, before="") for number in (1, 2, 3)]
    for status in wait_circle(daemons, seconds=SECONDS).values():
        assert_false(status["joined"], "joined")
        assert_equal(status["members"], 3, "members")
    ece, bob, can = daemons
    assert_equal(found(ece, bob.word), [], "found without having joined")
    # Who is heard is reached without the ring.
    ece.wait_user("Bob")
    say(ece, bob.word, "hello")
    bob.ring("Join", "s", ece.address)
    wait_found(can, bob)


@test
def a_daemon_without_a_bus_takes_part():
    ece = start(1, bootstrap(1))
    start(2, bootstrap(2), bus=False)
    can = start(3, bootstrap(3))
    wait_for(lambda: ece.ring_status()["members"] == 3, SECONDS, "a ring of three", 0.3)
    wait_found(ece, can)
    wait_found(can, ece)


@test
def two_rings_become_one():
    first = [start(number, bootstrap(number)) for number in (1, 2, 3)]
    second = [start(number, f"[Ring]\nBootstrap={address(4 if number > 4 else 5)}\n")
              for number in (4, 5, 6)]
    for members in (first, second):
        wait_circle(members, seconds=SECONDS)
    assert_equal(found(first[0], second[2].word), [], "found before")
    second[0].ring("Join", "s", first[0].address)
    wait_circle([*first, *second], seconds=SECONDS)
    wait_found(first[0], second[2])
    wait_found(second[2], first[0])


# Messages

@test
def a_message_to_one_who_is_not_heard():
    daemons = ring_of(6)
    ece, efe = daemons[0], daemons[4]
    say(ece, efe.word, "by the ring")
    received = efe.wait_message("by the ring")
    assert_equal((received["security"], received["user"], received["user_id"]),
                 ("encrypted", "Ece", ece.get("Id")), "what came")
    say(efe, received["conversation"], "and back")
    theirs = {"received": "sent", "sent": "received"}
    assert_equal([(m["direction"], m["text"], m["security"]) for m in ece.history()],
                 [(theirs[m["direction"]], m["text"], m["security"]) for m in efe.history()],
                 "histories")
    assert_equal(len(ece.history()), 2, "messages")
    # It is a contact now: the bare name is enough, also when the session is over.
    ece.call("EndSession", "s", "Efe")
    say(ece, "efe", "by the bare name")


@test
def nothing_is_queued_for_nobody():
    ece, bob, _ = ring_of(3)
    # The name is part of it, and so is each character of the id.
    for word in ("Zeynep#aaaaaaaa", bob.word.replace("Bob", "Zeynep"), bob.word + "zzzz"):
        refused("UnknownUser", ece.call, "SendMessage", "ss", word, "x")
        refused("UnknownUser", ece.ring, "Find", "s", word)
    assert_equal(ece.history(), [], "history")
    assert_equal(ece.get("MessagesQueued"), 0, "queued")


@test(seconds=600)
def what_is_sent_to_a_dead_one_waits():
    daemons = ring_of(5)
    ece, dilek = daemons[0], daemons[3]
    say(ece, dilek.word, "before")
    dilek.kill()
    assert_equal(ece.call("SendMessage", "ss", "Dilek", "meanwhile")[1], "queued", "state")
    dilek.start()
    dilek.wait_message("meanwhile", seconds=400)
    assert_equal([m["text"] for m in reversed(dilek.history())], ["before", "meanwhile"], "history")


@test(seconds=600)
def one_who_moved_is_found_where_he_is():
    daemons = ring_of(5)
    ece, bob, can, dilek, efe = daemons
    say(ece, efe.word, "at the old place")
    efe.stop()
    efe.address = address(77)
    efe.start()
    wait_circle(daemons, seconds=SECONDS)
    wait_found(bob, efe)
    say(ece, "efe", "at the new place")
    assert_equal([m["text"] for m in reversed(efe.history())],
                 ["at the old place", "at the new place"], "history")


# Dying, stopping, leaving

@test(seconds=900)
def the_ring_repairs():
    daemons = ring_of(8)
    dead, alive = daemons[2:5], daemons[:2] + daemons[5:]
    for d in dead:
        d.kill()
    states = wait_circle(alive, seconds=SECONDS).values()
    for status in states:
        assert_equal(status["members"], 5, "members")
    assert_true(any(status["last-repair"] > 0 for status in states), "time of the last repair")
    for d in alive:
        for other in alive:
            assert_true(is_found(d, other), f"{d.address} finds {other.word}")
    # They come back by themselves.
    for d in dead:
        d.start()
    wait_circle(daemons, seconds=SECONDS)
    for d in daemons:
        for other in dead:
            wait_found(d, other)


@test(seconds=600)
def all_but_one_die_at_once():
    daemons = ring_of(4)
    for d in daemons[:3]:
        d.kill()
    last = daemons[3]
    wait_for(lambda: last.ring_status()["successors"] == [], SECONDS, "to be alone", 0.3)
    for d in daemons[:3]:
        d.start()
    wait_circle(daemons, seconds=SECONDS)
    wait_found(daemons[0], last)
    wait_found(last, daemons[0])


@test
def a_stopped_user_is_not_found():
    daemons = ring_of(5)
    efe, others = daemons[4], daemons[:4]
    efe.stop()
    stopped = time.monotonic()
    # Nobody forgets so soon whom he does not hear: it is because Efe said so.
    for d in others:
        wait_for(lambda: not found(d, efe.word), 60, "Efe to be found no more")
    print(f"# not found by four {time.monotonic() - stopped:.2f} s after the stop")
    wait_circle(others, seconds=SECONDS)
    efe.start()
    wait_circle(daemons, seconds=SECONDS)
    wait_found(others[0], efe)


@test(seconds=600)
def joining_is_remembered_and_leaving_too():
    ece, bob, can = daemons = [start(number) for number in (1, 2, 3)]
    for d in daemons:
        assert_false(d.ring_status()["joined"], "joined at first")
    bob.ring("Join", "s", ece.address)
    assert_true(bob.ring_status()["joined"], "joined")
    can.ring("Join", "s", f"{ece.address}:6001")
    ece.ring("Join", "s", can.address)
    wait_circle(daemons, seconds=SECONDS)

    # However it ended, and without the one it came by.
    bob.stop()
    can.kill()
    ece.stop()
    bob.start()
    can.start()
    wait_circle([bob, can], seconds=SECONDS)
    for d in (bob, can):
        assert_true(d.ring_status()["joined"], "joined after the restart")
    wait_found(bob, can)
    ece.start()
    wait_circle(daemons, seconds=SECONDS)
    wait_found(bob, ece)

    can.ring("Leave")
    assert_false(can.ring_status()["joined"], "joined after leaving")
    wait_for(lambda: not found(bob, can.word), 60, "Can to be found no more")
    wait_circle([ece, bob], seconds=SECONDS)
    can.restart()
    assert_false(can.ring_status()["joined"], "joined after leaving and a restart")
    assert_equal(can.ring_status()["successors"], [], "successors")
    can.ring("Join", "s", bob.address)
    wait_circle(daemons, seconds=SECONDS)
    wait_found(ece, can)


@test
def another_identity_is_another_place():
    daemons = ring_of(3)
    ece, bob = daemons[:2]
    old, position = bob.word, bob.ring_get("Position")
    bob.word = f"Bob#{bob.new_identity()[:8]}"
    assert_true(bob.ring_get("Position") != position, "another position")
    wait_circle(daemons, seconds=SECONDS)
    wait_found(ece, bob)
    wait_for(lambda: not found(ece, old), 60, "the old one to be found no more")


@test
def a_new_name_is_found_and_the_old_one_is_not():
    ece, bob = [start(number, bootstrap(number)) for number in (1, 2)]
    can = Daemon(Bus(), address(3), config=UNHEARD + bootstrap(3))
    can.set("Username", "s", "Canan")
    can.word = f"Canan#{can.get('Id')[:8]}"
    wait_circle([ece, bob, can], seconds=SECONDS)
    wait_found(ece, can)
    old = can.word
    can.set("Username", "s", "Cansu")
    can.word = old.replace("Canan", "Cansu")
    wait_found(ece, can)
    wait_for(lambda: not found(ece, old), 60, "the old name to be found no more")


# Errors

@test
def join_where_nobody_is():
    ece = start(1)
    assert_in(address(9), refused("NotReachable", ece.ring, "Join", "s", address(9)))
    assert_in(address(9), refused("NotReachable", ece.ring, "Join", "s", f"{address(9)}:7001"))
    assert_in("nowhere.invalid", refused("NotReachable", ece.ring, "Join", "s", "nowhere.invalid"))
    # Somebody is there, but it is none of us.
    for manner in ("closes", "says nothing"):
        server = socket.create_server((address(9), 7001))
        defer(server.close)
        taken = []

        def accept():
            while True:
                try:
                    link = server.accept()[0]
                except OSError:
                    return
                if manner == "closes":
                    link.close()
                else:
                    taken.append(link)

        threading.Thread(target=accept, daemon=True).start()
        refused("NotReachable", ece.ring, "Join", "s", f"{address(9)}:7001")
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for link in taken:
            link.close()
    assert_false(ece.ring_status()["joined"], "joined")


@test
def join_where_no_place_is_meant():
    ece = start(1)
    for word in ("", " ", f"{address(9)}:", f"{address(9)}:0", f"{address(9)}:99999",
                 f"{address(9)}:x", "a b", "ece#abcdefgh", "[::1", "host\nname"):
        refused(INVALID_ARGS, ece.ring, "Join", "s", word)


@test
def find_what_is_no_user_of_the_ring():
    ece, bob = [start(number, bootstrap(number)) for number in (1, 2)]
    wait_circle([ece, bob], seconds=SECONDS)
    id = bob.get("Id")
    for word in ("", "Bob", "Bob#", f"Bob#{id[:7]}", f"#{id[:8]}", f"Bob@{bob.address}", "+team"):
        refused(f"{INVALID_ARGS} UnknownUser", ece.ring, "Find", "s", word)
    # Such an id cannot be.
    for word in (f"Bob#{id[:7]}1", f"Bob#{id}a", f"Bob#{id[:8]}#{id[:8]}"):
        refused(f"{INVALID_ARGS} UnknownUser", ece.ring, "Find", "s", word)
    wait_found(ece, bob)


@test
def who_does_not_want_the_ring():
    ece = start(1, "[Ring]\nEnabled=no\n", before="")
    bob = start(2, before="")
    for one, other in ((ece, "Bob"), (bob, "Ece")):
        one.wait_user(other)
    say(ece, "Bob", "without the ring")
    assert_equal(ece.ring_status()["state"], "off", "state")
    assert_equal(bob.ring_status()["successors"], [], "successors of the other")
    for member, word in (("Join", bob.address), ("Find", bob.word)):
        with assert_raises(BusError) as raised:
            ece.ring(member, "s", word)
        assert_in("Enabled", raised.error.sentence, "what to do about it")


main()
