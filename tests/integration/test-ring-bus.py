#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.example.P2PChat.Ring of a real p2pchatd: what needs no other machine"""

import base64
import os
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import BusError, INTERFACE, NAME, PATH, bus_call  # noqa: E402
from gi.repository import Gio, GLib  # noqa: E402
from harness import *  # noqa: E402,F403

ECE, MUTE = "127.50.9.1", "127.50.9.3"
RING = INTERFACE + ".Ring"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"


def ece_alone(config=""):
    return Daemon(Bus(), ECE, config=config, name="Ece")


def ring(daemon, member, signature="", *args, connection=None):
    return bus_call(connection or daemon.connection, NAME, PATH, RING, member, signature, *args)


def assert_error(name, daemon, member, signature="", *args):
    try:
        result = ring(daemon, member, signature, *args)
    except BusError as error:
        wanted = name if "." in name else ERROR + name
        assert_equal(error.name, wanted, f"error of {member} {args}: {error.sentence}")
        return error.sentence
    raise Failure(f"{member} {args}: {result!r} instead of error {name}")


def somebody_mute():
    """Takes connections and never says a word."""
    server = socket.create_server((MUTE, 6001), backlog=128)
    defer(server.close)


def may_wait(daemon):
    """A call that has to wait is not turned away for those that wait already."""
    try:
        ring(daemon, "Join", "s", "nobody.invalid")
    except BusError as error:
        return error.name == ERROR + "NotReachable"
    raise Failure("nobody.invalid was joined")


@test
def status_and_properties():
    ece = ece_alone()
    status = ring(ece, "GetStatus")[0]
    assert_equal(set(status), {
        "state", "joined", "position", "endpoint", "successors", "predecessor", "fingers",
        "members", "last-repair", "round-usec", "records", "published", "sessions", "found",
        "missed"}, "status")
    assert_equal((status["joined"], status["successors"], status["predecessor"], status["fingers"],
                  status["last-repair"], status["found"], status["missed"]),
                 (False, [], "", [], 0, 0, 0), "of somebody alone")
    every = bus_call(ece.connection, NAME, PATH, "org.freedesktop.DBus.Properties", "GetAll", "s",
                     RING)[0]
    assert_equal(set(every), {"Members", "Successors", "Predecessor", "Position"}, "properties")
    assert_equal((every["Successors"], every["Predecessor"], every["Position"]),
                 ([], "", status["position"]), "properties")
    assert_equal(len(status["position"]), 64, "position")
    # Its first half is the id.
    id = base64.b32encode(bytes.fromhex(status["position"])[:16]).decode().lower().rstrip("=")
    assert_equal(ece.get("Id"), id, "id")
    assert_in("ring", ece.get("Features"))
    main = ece.call("GetStatus")[0]
    assert_equal((main["ring-state"], main["ring-members"], main["ring-joined"]),
                 (status["state"], status["members"], False), "status of the service")


@test
def switched_off():
    ece = ece_alone(config="[Ring]\nEnabled=no\nBootstrap=127.50.9.3\n")
    for member, signature, *args in (("Join", "s", "127.50.9.3"), ("Leave", ""),
                                     ("Find", "s", "bob#aaaaaaaa")):
        assert_in("Enabled=yes", assert_error("NotReachable", ece, member, signature, *args))
    assert_not_in("ring", ece.get("Features"))
    assert_equal(ring(ece, "GetStatus")[0]["state"], "off", "state")
    checks = {c[0]: c[1:] for c in ece.call("Diagnose")[0]}
    assert_equal(checks["ring"][0], "ok", "diagnosis")
    assert_in("Enabled=no", checks["ring"][1])
    assert_in("Ring off", " ".join(ece.cli("status", check=True).stdout.split()))


@test
def hosts_that_are_none():
    ece = ece_alone()
    for host in ("", "a b", "-a", "a:0", "192.168.1", "224.0.0.1", "x" * 64, "\u00e7.example"):
        assert_in(f'"{host}"', assert_error(INVALID_ARGS, ece, "Join", "s", host))


@test
def a_host_that_nobody_knows():
    ece = ece_alone()
    call = AsyncCall(ece.connection, RING, "Join", "s", "nobody.invalid")
    ece.call("ListUsers")  # nobody waits for it
    wait_for(lambda: call.is_done, 60, "the answer")
    assert_equal(call.error, ERROR + "NotReachable", "error")
    assert_in("nobody.invalid", assert_error("NotReachable", ece, "Join", "s", "nobody.invalid"))


@test
def whoever_waits_hears_of_the_end():
    ece = ece_alone()
    somebody_mute()
    calls = [AsyncCall(ece.bus.connect(), RING, "Join", "s", MUTE) for _ in range(3)]
    ece.call("ListUsers")
    assert_false(any(c.is_done for c in calls), "answers before anybody could answer")
    ece.stop()
    wait_for(lambda: all(c.is_done for c in calls), 60, "all answers")
    for c in calls:
        assert_true(c.error and c.error != "org.freedesktop.DBus.Error.NoReply", f"{c.error}")


@test
def all_that_wait_are_counted_together():
    """Sixty-four of one uid: messages, joins and searches alike."""
    ece = ece_alone()
    somebody_mute()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(udp.close)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    udp.bind((MUTE, 0))
    udp.sendto(b'{"username":"Can","id":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}', ("127.255.255.255", 6000))
    ece.wait_user("Can")
    waiting = ece.bus.connect()
    for i in range(64):
        AsyncCall(waiting, INTERFACE, "SendMessageFull", "ssa{sv}", "can", f"{i}",
                  {"wait-usec": GLib.Variant("t", 60000000)})
    wait_for(lambda: ece.get("MessagesQueued") == 64, 60, "all to be queued")
    assert_error(LIMITS_EXCEEDED, ece, "Join", "s", "nobody.invalid")
    assert_error(LIMITS_EXCEEDED, ece, "Find", "s", "bob#aaaaaaaa")
    waiting.close_sync(None)
    wait_for(lambda: may_wait(ece), 60, "the places of who left")


@test
def whoever_leaves_is_forgotten():
    ece = ece_alone()
    somebody_mute()
    for _ in range(3):
        connection = ece.bus.connect()
        for host in (MUTE, "nobody.invalid"):
            for _ in range(30):
                AsyncCall(connection, RING, "Join", "s", host)
        bus_call(connection, NAME, PATH, INTERFACE, "ListUsers")  # they have arrived
        connection.close_sync(None)
    wait_for(lambda: may_wait(ece), 60, "the places of who left")


@test
def bootstrap_without_an_address_is_told():
    ece = ece_alone(config="[Ring]\nBootstrap=nobody.invalid, 127.50.9.3:1\n")
    wait_for(lambda: "nobody.invalid has no address" in ece.errors(), 60, "the warning")
    ece.process.send_signal(signal.SIGHUP)
    wait_for(lambda: ece.errors().count("nobody.invalid has no address") >= 2, 60,
             "the warning after a reload")


@test
def whom_the_configuration_joins_does_not_leave():
    ece = ece_alone(config="[Ring]\nBootstrap=nobody.invalid\n")
    assert_in("Bootstrap=", assert_error(INVALID_ARGS, ece, "Leave"))
    ece.configure("")
    ece.process.send_signal(signal.SIGHUP)

    def leaves():
        try:
            return ring(ece, "Leave") == []
        except BusError:
            return False

    wait_for(leaves, 60, "the reload")


@test
def a_mistake_in_bootstrap_is_told():
    ece = ece_alone(config="[Ring]\nBootstrap=chat..example\n")
    assert_in("mistake", " ".join(ece.call("GetStatus")[0]["warnings"]))
    assert_in("chat..example", ece.errors())


main()
