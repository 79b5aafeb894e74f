#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The peer that was written from doc/protocol.md alone and a real daemon"""

import contextlib
import json
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import *  # noqa: E402,F403
from daemon import INTERFACE, NO_RING, AsyncCall  # noqa: E402
from harness import *  # noqa: E402,F403
from document_peer import (HELLO, REFUSED, RESUME, Broken, Ended, Identity,  # noqa: E402
                           Session, announce, check_key, listening)

DAEMON, PEER = "127.40.0.1", "127.40.0.2"
N_MESSAGES = 104  # 13 keys in each direction


def a_daemon():
    return Daemon(Bus(), DAEMON, name="Ece", config=NO_RING)


def dial(me, address=PEER):
    session = Session.dial(me, (DAEMON, 6001), (address, 0))
    defer(session.cut)
    session.begin()
    return session


def accepted(me, listener):
    session = Session.accept(me, listener)
    defer(session.cut)
    session.begin()
    return session


def say(ece, text):
    """The call returns when we have acknowledged, so nobody waits for it here."""
    AsyncCall(ece.connection, INTERFACE, "SendMessage", "ss", "Second", text)


def received(ece):
    return [m["text"] for m in reversed(ece.history()) if m["direction"] == "received"]


@test
def both_prove_who_they_are():
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    assert_equal(session.handshake.peer_id, ece.get("Id"), "the daemon's id")
    assert_equal(session.handshake.peer_name, "Ece", "its name")
    assert_equal(session.handshake.peer_port, 6001, "its port")
    assert_equal(ece.wait_user("Second")["id"], me.id, "our id, as the daemon has it")


@test
def announced_dialled_and_told():
    ece, me = a_daemon(), Identity("Second")
    with listening(PEER) as listener:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(udp.close)
        udp.bind((PEER, 6000))
        udp.settimeout(20)
        announce(me, PEER, (DAEMON, 6000))
        # Somebody who was not online before is answered by an announcement.
        heard = json.loads(udp.recv(256))
        assert_equal((heard["username"], heard["id"], heard["port"], heard["p2pchat"]),
                     ("Ece", ece.get("Id"), 6001, 1), "its announcement")
        ece.wait_user("Second")
        say(ece, "are you there?")
        session = accepted(me, listener)
        session.listen(lambda: me.heard)
        assert_equal([t for _, _, t in me.heard], ["are you there?"], "what we heard")
        wait_for(lambda: [m for m in ece.history() if m["state"] == "delivered"], 20, "delivered")


@test
def keys_change_in_both_directions():
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    for i in range(N_MESSAGES):
        session.say(f"to {i}")
        say(ece, f"from {i}")
    session.listen(lambda: len(me.heard) == N_MESSAGES)
    assert_equal([t for _, _, t in me.heard], [f"from {i}" for i in range(N_MESSAGES)], "heard")
    assert_equal(received(ece), [f"to {i}" for i in range(N_MESSAGES)], "received")
    assert_equal((session.ours.rekeys, session.theirs.rekeys), (13, 13), "keys")


@test
def a_cut_connection_loses_and_doubles_nothing():
    """The daemon's messages are not acknowledged, and half of ours get lost."""
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    session.say("first")
    session.acknowledge = lambda number: None
    for i in range(20):
        say(ece, f"from {i}")
        number = me.new_message(f"to {i}")
        if i < 10:  # what follows is lost with the cable
            session.send(me.waiting[number])
    session.listen(lambda: len(me.heard) == 20)
    # As if ten of them had not reached our disk.
    me.heard = me.heard[:10]
    me.highest[session.stream] = me.heard[-1][0]
    session.cut()

    session = dial(me)
    session.listen(lambda: len(me.heard) == 20 and not me.waiting)
    assert_equal([t for _, _, t in me.heard], [f"from {i}" for i in range(20)], "heard")
    wait_for(lambda: len(received(ece)) == 21, 20, "all that we said")
    assert_equal(received(ece), ["first"] + [f"to {i}" for i in range(20)], "received")
    wait_for(lambda: all(m["state"] == "delivered" for m in ece.history()
                         if m["direction"] == "sent"), 20, "all delivered")


@test
def what_it_has_is_acknowledged_and_dropped():
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    number = me.new_message("once")
    frame = me.waiting[number]
    session.send(frame)
    session.send(frame)
    session.say("after")
    assert_equal(received(ece), ["once", "after"], "received")


@test
def a_known_ulid_is_refused():
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    ulid = os.urandom(16)
    for text in ("one", "another"):
        session.send(me.waiting[me.new_message(text, b"\x01" + ulid[1:])])
    session.listen(lambda: not me.waiting)
    assert_equal(me.refusals, {2: 3}, "refusals")
    assert_equal(received(ece), ["one"], "received")


@test
def unknown_frames_are_skipped():
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    session.send(bytes([99]) + b"of a later version")
    # A message, though not one with a number that we know of: it counts towards the next key.
    session.send(bytes([200]) + b"of a later version")
    texts = [f"still here {i}" for i in range(20)]
    for text in texts:
        session.say(text)
    assert_equal(received(ece), texts, "received")


@test
def a_wrong_body_and_a_gap_end_the_session():
    ece, me = a_daemon(), Identity("Second")
    for frame, reason in ((bytes([3]) + b"short", None), (me_frame_beyond(me), 0)):
        session = dial(me)
        session.send(frame)
        with assert_raises(Ended) as ended:
            session.listen(lambda: False)
        assert_equal(ended.error.reason, reason, f"the goodbye after {frame!r}")
    assert_equal(received(ece), [], "received")


def me_frame_beyond(me):
    number = me.new_message("too far")
    frame = me.waiting.pop(number)
    return frame[:1] + (number + 5).to_bytes(8, "big") + frame[9:]


@test
def other_versions_are_hung_up_on():
    a_daemon()
    for prologue in (b"P2PC\x00", b"P2PC\x02"):
        with socket.create_connection((DAEMON, 6001), 20, (PEER, 0)) as connection:
            connection.sendall(prologue)
            assert_equal(connection.recv(100), b"", f"the answer to {prologue!r}")


@test
def texts_that_are_none_are_refused():
    a_daemon()
    me = Identity("Second")
    session = dial(me)
    for text in ("", "a\x01b", "x" * 61441):
        session.send(me.waiting[me.new_message(text)])
    session.listen(lambda: not me.waiting)
    assert_equal(me.refusals, {1: 1, 2: 1, 3: 2}, "refusals")


@test
def both_say_goodbye():
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    session.goodbye()
    with assert_raises((Ended, ConnectionError)):
        session.listen(lambda: False)
    session = dial(me)
    ece.stop()
    with assert_raises(Ended) as ended:
        session.listen(lambda: False)
    assert_equal(ended.error.reason, 1, "the daemon's goodbye")


def ending(session):
    """The goodbye with which the daemon ends it, or None if it says none."""
    with assert_raises(Ended) as ended:
        session.listen(lambda: False)
    return ended.error.reason


def frame(type, *parts):
    """Numbers have eight bytes."""
    return bytes([type]) + b"".join(p if isinstance(p, bytes) else p.to_bytes(8, "big") for p in parts)


def states(ece):
    return {m["text"]: m["state"] for m in ece.history()}


@test
def keys_change_with_64_mib_of_other_frames():
    """With small frames it matters what counts of each; with the largest there is something over."""
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    session.say("before")  # the count of messages goes on beside it
    for size, n in ((1 << 12, 1), (65519, 2)):
        before = session.ours.rekeys
        while session.ours.rekeys < before + n:
            session.send(bytes([99]) + bytes(size - 1))
        session.say(f"after frames of {size}")
    for i in range(16):
        session.say(f"{i}")
    assert_equal(session.ours.rekeys, 5, "keys")
    assert_equal(len(received(ece)), 19, "received")


@test
def one_refusal_settles_one_number():
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    session.acknowledge = lambda number: None
    for text in ("one", "two", "three"):
        say(ece, text)
    session.listen(lambda: len(me.heard) == 3)
    session.send(frame(REFUSED, 2, b"\1"))
    Session.acknowledge(session, 3)
    session.send(frame(REFUSED, 3, b"\1"))  # too late
    wanted = {"one": "delivered", "two": "failed", "three": "delivered"}
    wait_for(lambda: states(ece) == wanted, 20, f"{wanted}")
    session.say("and goes on")
    session.send(frame(REFUSED, 4, b"\1"))  # of nothing
    assert_equal(ending(session), 0, "the goodbye")


@test
def ulids_are_known_of_one_sender():
    ece, ulid = a_daemon(), os.urandom(16)
    for text in ("mine", "another's"):
        me = Identity("Second")
        session = dial(me)
        session.send(me.waiting[me.new_message(text, ulid)])
        session.listen(lambda: not me.waiting)
        assert_equal(me.refusals, {}, "refusals")
        session.cut()
    assert_equal(received(ece), ["mine", "another's"], "received")


@test
def a_replaced_session_loses_and_doubles_nothing():
    ece, me = a_daemon(), Identity("Second")
    old = dial(me)
    old.say("before")
    new = Session.dial(me, (DAEMON, 6001), (PEER, 0))
    defer(new.cut)
    assert_equal(ending(old), 3, "the goodbye")
    # It came too late there, and so it goes again.
    number = me.new_message("on its way")
    old.send(me.waiting[number])
    old.goodbye(3)
    assert_equal(ending(old), None, "what follows")
    new.begin()
    new.listen(lambda: not me.waiting)
    new.say("after")
    assert_equal(received(ece), ["before", "on its way", "after"], "received")


@test
def a_newer_run_ends_the_older():
    ece, me = a_daemon(), Identity("Second")
    old = dial(me)
    me.run = os.urandom(8)
    new = dial(me)
    assert_equal(ending(old), 3, "the goodbye")
    assert_equal(ending(old), None, "what follows, at once")
    new.say("in the newer")
    assert_equal(received(ece), ["in the newer"], "received")


@test
def a_second_hello_and_no_third():
    ece, me = a_daemon(), Identity("Second")
    session = dial(me)
    session.say("in the first stream")
    me.stream, me.next_number, session.resumed = os.urandom(8), 1, False
    session.begin()
    session.listen(lambda: session.resumed)
    session.say("in the second")
    assert_equal(received(ece), ["in the first stream", "in the second"], "received")
    me.stream = os.urandom(8)
    session.hello()
    assert_equal(ending(session), 0, "the goodbye")


@test
def what_ends_a_session():
    a_daemon()
    me = Identity("Second")
    for i, (what, make, reason) in enumerate((
            ("a stream of zeros", lambda s: frame(HELLO, bytes(8), 1), 0),
            ("number 0", lambda s: frame(HELLO, os.urandom(8), 0), None),
            ("too large a number", lambda s: frame(HELLO, os.urandom(8), 2**63), 0),
            ("a second resume", lambda s: frame(RESUME, s.stream, 0), 0),
            ("what was never sent", lambda s: frame(3, 1), 0),
            ("an empty frame", lambda s: b"", None))):
        session = dial(me, f"127.40.1.{i + 1}")  # for 5 handshakes a second are enough from one
        session.write(session.ours.seal(make(session)))
        assert_equal(ending(session), reason, f"the goodbye after {what}")


@test
def what_later_versions_add_is_skipped():
    ece = a_daemon()
    me = Identity("Second")
    room = 1024 - (32 + 2 + len("Second") + 2 + 8 + 8 + 64)
    me.features, me.later = 1 << 63 | 1 << 40, bytes(room)
    dial(me).say("from the future")
    assert_equal(received(ece), ["from the future"], "received")
    me.later += b"\0"
    session = Session.dial(me, (DAEMON, 6001), (PEER, 0))
    defer(session.cut)
    assert_equal(ending(session), None, "the goodbye")


@test
def who_only_looks_is_let_go():
    a_daemon()
    me = Identity("Second")
    me.features = 4
    session = Session.dial(me, (DAEMON, 6001), (PEER, 0))
    defer(session.cut)
    assert_equal(ending(session), 4, "the goodbye")


@test
def keys_that_no_honest_one_has():
    """Of the peer, so that what it says of the daemon's key means something."""
    check_key(Identity("Second").public)
    for y in (0, 1, 2, 2**255 - 20, 2**255 - 18):
        for sign in (0, 1 << 255):
            with assert_raises(Broken):
                check_key((y | sign).to_bytes(32, "little"))


main()
