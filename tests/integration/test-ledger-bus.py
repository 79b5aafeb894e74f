#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.example.P2PChat.Ledger of real services: names, networks, the chain on disk"""

import glob
import os
import signal
import sqlite3
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import BusError, ERROR, INTERFACE, NAME, PATH, bus_call  # noqa: E402
from gi.repository import Gio, GLib  # noqa: E402
from harness import *  # noqa: E402,F403

ADDRESSES = {"Ece": "127.66.0.1", "Bob": "127.66.0.2", "Can": "127.66.0.3"}
LEDGER = INTERFACE + ".Ledger"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"
NOBODYS = "acme#" + "a" * 26
SECONDS = 120  # a block takes about a second of one core, which others may want as well


def start(name, config="", **kwargs):
    d = Daemon(Bus(), ADDRESSES[name], name=name, config=config, **kwargs)
    d.id = d.get("Id")
    d.word = f"{name}#{d.id}"
    return d


def error_of(daemon, member, signature="", *args):
    try:
        result = daemon.ledger(member, signature, *args)
    except BusError as error:
        return error
    raise Failure(f"{member} {args}: {result!r} instead of an error")


def assert_error(name, daemon, member, signature="", *args):
    error = error_of(daemon, member, signature, *args)
    wanted = name if "." in name else ERROR + name
    assert_equal(error.name, wanted, f"error of {member} {args}: {error.sentence}")
    return error.sentence


def properties(daemon):
    return bus_call(daemon.connection, NAME, PATH, "org.freedesktop.DBus.Properties", "GetAll",
                    "s", LEDGER)[0]


def wait_status(daemon, what, **wanted):
    """Until GetStatus has these values; "_" stands for "-"."""
    keys = {key.replace("_", "-"): value for key, value in wanted.items()}

    def look():
        status = daemon.ledger_status()
        return status if all(status[k] == v for k, v in keys.items()) else None

    return wait_for(look, SECONDS, what, 0.1)


def wait_members(*daemons):
    for d in daemons:
        wait_for(lambda: d.ledger_status()["members"] >= len(daemons) - 1, SECONDS,
                 f"{d.address} to meet the others", 0.1)


def wait_same(*daemons):
    """All have the chain of the first."""
    tip = daemons[0].ledger_status()["tip"]
    for d in daemons[1:]:
        wait_status(d, f"the chain at {d.address}", tip=tip)


def wait_security(daemon, name, security):
    wait_for(lambda: (daemon.user(name) or {}).get("security") == security, SECONDS,
             f"{name} to be {security}", 0.1)


def office(*names):
    """A network whose registrar is the first, with all of them in it: blocks take no work."""
    daemons = [start(name) for name in names]
    word = daemons[0].ledger("Create", "sas", "office", [daemons[0].get("Username")])[0]
    for d in daemons[1:]:
        d.ledger("Join", "s", word)
    for d in daemons:
        wait_status(d, "the genesis", known=True, network=word)
    wait_members(*daemons)
    return daemons


def approve(registrar, daemon):
    name = daemon.get("Username")
    wait_for(lambda: name in [row[0] for row in registrar.ledger("Pending")[0]], SECONDS,
             f"the registration of {name}", 0.1)
    registrar.ledger("Approve", "s", name)
    wait_status(daemon, f"{name} to be registered", registration="registered")


def register(registrar, *daemons):
    for d in daemons:
        d.ledger("Register")
        approve(registrar, d)


@test
def status_and_properties_of_nobody_registered():
    ece = start("Ece")
    status = ece.ledger_status()
    assert_equal(set(status), {
        "network", "mode", "built-in", "known", "registrars", "height", "final-height", "tip",
        "work", "records", "names", "waiting", "unapproved", "members", "catching-up",
        "registration", "registered-name", "registered-until", "disputed"}, "status")
    assert_equal([status[k] for k in (
        "mode", "built-in", "known", "registrars", "height", "final-height", "work", "records",
        "names", "waiting", "unapproved", "members", "catching-up", "registration",
        "registered-name", "registered-until", "disputed")],
        ["open", True, True, [], 0, 0, 0, 0, 0, 0, 0, 0, False, "none", "", 0, ""], "status")
    assert_equal(len(status["tip"]), 64, "the genesis")
    assert_equal(properties(ece), {"Height": 0, "Tip": status["tip"]}, "properties")
    assert_equal(ece.ledger("Check"), [0, 0, ""], "check of nothing")
    assert_equal(ece.ledger("List", "su", "", 1000), [[]], "names")
    assert_equal(ece.ledger("Pending"), [[]], "registrations")
    assert_in("ledger", ece.get("Features"))
    main = ece.call("GetStatus")[0]
    assert_equal((main["ledger-network"], main["ledger-height"], main["ledger-registration"]),
                 (status["network"], 0, "none"), "status of the service")
    checks = {c[0]: c[1:] for c in ece.call("Diagnose")[0]}
    assert_equal(checks["ledger"][0], "ok", "diagnosis")
    assert_in(status["network"], checks["ledger"][1])


@test
def switched_off():
    ece = start("Ece", config="[Ledger]\nEnabled=no\n")
    for member, signature, *args in (
            ("Create", "sas", "acme", []), ("Join", "s", ""), ("Register", ""), ("Revoke", ""),
            ("RevokeFor", "s", "Bob"), ("Pending", ""), ("Approve", "s", "Bob"),
            ("Get", "s", "Ece"), ("List", "su", "", 10), ("Check", "")):
        assert_in("Enabled=yes", assert_error("NotReachable", ece, member, signature, *args))
    assert_not_in("ledger", ece.get("Features"))
    status = ece.ledger_status()
    assert_equal((status["network"], status["mode"], status["known"], status["tip"],
                  status["registration"]), ("", "", False, "", "none"), "status")
    assert_equal(properties(ece), {"Height": 0, "Tip": ""}, "properties")
    checks = {c[0]: c[1:] for c in ece.call("Diagnose")[0]}
    assert_equal(checks["ledger"][0], "ok", "diagnosis")
    assert_in("Enabled=no", checks["ledger"][1])
    assert_in("Ledger off", " ".join(ece.cli("status", check=True).stdout.split()))


@test
def what_cannot_be_done():
    ece = start("Ece")
    own = ece.ledger_status()["network"]
    for name in ("", "ab", "a b", "x" * 21, "\u00e7elik"):
        assert_error("InvalidName", ece, "Create", "sas", name, [])
    assert_error("UnknownUser", ece, "Create", "sas", "acme", ["Nobody"])
    assert_error(INVALID_ARGS, ece, "Create", "sas", "acme", ["00" * 32])
    assert_error(INVALID_ARGS, ece, "Create", "sas", "acme", ["Ece", ece.id])
    assert_in("17", assert_error(INVALID_ARGS, ece, "Create", "sas", "acme", ["Ece"] * 17))
    for word in ("acme", "#" + "a" * 26, "acme#" + "a" * 25, "acme#" + "A" * 26, "a" * 100):
        assert_in(word[:20], assert_error(INVALID_ARGS, ece, "Join", "s", word))
    assert_equal(ece.ledger_status()["network"], own, "the network after all that")

    assert_error(INVALID_ARGS, ece, "Revoke")
    assert_error(INVALID_ARGS, ece, "RevokeFor", "s", "")
    assert_error(INVALID_ARGS, ece, "RevokeFor", "s", "Bob")  # nothing is registered
    assert_in("Bob", assert_error("UnknownUser", ece, "Approve", "s", "Bob"))
    for name in ("Nobody", "", "a b", "x" * 1000, "Ece#" + ece.id):
        assert_error("UnknownUser", ece, "Get", "s", name)
    assert_error(INVALID_ARGS, ece, "List", "su", "", 0)
    assert_error(INVALID_ARGS, ece, "List", "su", "", 1001)
    assert_error(INVALID_ARGS, ece, "List", "su", "x" * 21, 10)


@test
def far_too_much():
    ece = start("Ece")
    own = ece.ledger_status()
    huge = "#" + "x" * 1000000
    for registrars in (["Ece"] * 1000, [str(i) for i in range(100000)]):
        assert_in(str(len(registrars)),
                  assert_error(INVALID_ARGS, ece, "Create", "sas", "acme", registrars))
    assert_error("UnknownUser", ece, "Create", "sas", "acme", [huge])
    assert_error("UnknownUser", ece, "Create", "sas", "acme", ["f" * 63])
    assert_error("InvalidName", ece, "Create", "sas", huge, [])
    for member, name in (("Join", INVALID_ARGS), ("RevokeFor", INVALID_ARGS),
                         ("Approve", "UnknownUser"), ("Get", "UnknownUser")):
        sentence = assert_error(name, ece, member, "s", huge)
        assert_true(len(sentence) < 1000, f"{member}: a sentence of {len(sentence)} characters")
    assert_error(INVALID_ARGS, ece, "List", "su", huge, 10)
    for word in ("#", "##", "a#", "ece#", "@", "+", "\n", "\u202e", "%s%n"):
        for member in ("Approve", "Get"):
            assert_error("UnknownUser", ece, member, "s", word)
        assert_error(INVALID_ARGS, ece, "Join", "s", word)
        assert_equal(ece.ledger("List", "su", word, 1000), [[]], "names")
    for _ in range(1000):
        assert_error("UnknownUser", ece, "Approve", "s", "Bob")
    assert_equal(ece.ledger_status(), own, "the ledger after all that")


@test
def registered_here_and_certified_there():
    ece, bob = start("Ece"), start("Bob")
    wait_members(ece, bob)
    signals, heard = bob.signals(), ece.signals()
    assert_equal(ece.ledger("Register"), [ece.word], "word")
    status = ece.ledger_status()
    assert_in(status["registration"], ("waiting", "registered"))
    assert_equal(status["registered-name"], "Ece", "name")
    signals.wait("NameCertified", lambda args: args == ("Ece", ece.id), SECONDS)
    heard.wait("NameCertified", lambda args: args == ("Ece", ece.id), SECONDS)
    wait_security(bob, "Ece", "certified")

    status = wait_status(ece, "the registration", registration="registered")
    assert_equal((status["height"], status["records"], status["names"], status["waiting"]),
                 (1, 1, 1, 0), "status")
    assert_true(status["work"] > 0, "work")
    assert_true(status["registered-until"] > 0, "the end")
    wait_same(ece, bob)
    signals.wait("PropertiesChanged", lambda args: args[0] == LEDGER
                 and args[1] == {"Height": 1, "Tip": status["tip"]}, SECONDS)
    assert_equal(properties(bob), {"Height": 1, "Tip": status["tip"]}, "properties")
    row = bob.ledger("Get", "s", "ECE")[0]
    assert_equal((row[0], row[1], row[3], row[4]),
                 ("Ece", ece.id, "registered", status["tip"]), "entry")
    assert_true(row[2] > 0, "time")
    assert_equal(bob.ledger("List", "su", "", 10), [[row]], "names")
    assert_equal(bob.ledger("List", "su", "ece", 10), [[]], "names behind the last one")
    assert_equal((ece.ledger("Check"), bob.ledger("Check")), ([1, 0, ""], [1, 0, ""]), "checks")

    # Once more by its owner.
    assert_equal(ece.ledger("Register"), [ece.word], "word")
    assert_equal(ece.ledger_status()["waiting"], 0, "records that wait")


@test
def a_name_that_is_taken():
    ece, bob, can = office("Ece", "Bob", "Can")
    register(ece, bob)
    wait_same(ece, bob, can)
    can.configure(name="bob")
    can.restart()
    wait_members(ece, bob, can)
    wait_same(ece, can)
    assert_in("bob", assert_error("NameTaken", can, "Register").lower())


@test
def names_of_a_network_with_a_registrar():
    ece, bob = office("Ece", "Bob")
    status = bob.ledger_status()
    assert_equal((status["mode"], status["built-in"], status["registrars"], status["work"]),
                 ("registrars", False, [ece.id], 0), "status")
    assert_equal(bob.ledger("Register"), [bob.word], "word")
    wait_for(lambda: ece.ledger("Pending")[0], SECONDS, "the registration", 0.1)
    row = ece.ledger("Pending")[0][0]
    assert_equal(row[:2], ("Bob", bob.id), "registration")
    assert_true(row[2] > 0, "time")
    assert_equal(ece.ledger_status()["unapproved"], 1, "to be approved")
    for d in (ece, bob):
        assert_equal(d.ledger("Get", "s", "bob")[0], ("Bob", bob.id, 0, "waiting", ""), "entry")
    assert_in("registrar", assert_error(INVALID_ARGS, bob, "Approve", "s", "Bob"))
    assert_error("UnknownUser", ece, "Approve", "s", "Can")
    assert_error("UnknownUser", ece, "Approve", "s", "Bob#aaaaaaaa")
    signals = bob.signals()
    ece.ledger("Approve", "s", f"Bob#{bob.id[:8]}")
    signals.wait("NameCertified", lambda args: args == ("Bob", bob.id), SECONDS)
    wait_status(bob, "the registration", registration="registered")
    wait_security(ece, "Bob", "certified")
    assert_equal(ece.ledger("Pending"), [[]], "registrations")
    assert_error("UnknownUser", ece, "Approve", "s", "Bob")

    register(ece, ece)
    wait_same(ece, bob)
    names = [row[0] for row in bob.ledger("List", "su", "", 1000)[0]]
    assert_equal(names, ["Bob", "Ece"], "names")
    assert_equal([row[0] for row in bob.ledger("List", "su", "", 1)[0]], ["Bob"], "first page")
    assert_equal([row[0] for row in bob.ledger("List", "su", "bOB", 1)[0]], ["Ece"], "second page")
    assert_equal(bob.ledger("Check"), [2, 0, ""], "check")


@test
def names_that_are_given_up():
    ece, bob, can = office("Ece", "Bob", "Can")
    register(ece, bob, can)
    wait_same(ece, bob, can)
    bob.ledger("Revoke")
    wait_status(bob, "the end of the registration", registration="none", waiting=0)
    wait_same(bob, ece)
    row = ece.ledger("Get", "s", "Bob")[0]
    assert_equal(row[:2] + row[3:4], ("Bob", bob.id, "revoked"), "entry")
    wait_for(lambda: ece.user("Bob")["security"] != "certified", SECONDS, "Bob to be less", 0.1)
    assert_in("rest", assert_error("NameTaken", bob, "Register"))

    # For somebody who alone may have it.
    assert_error(INVALID_ARGS, can, "RevokeFor", "s", "Can")
    assert_error("UnknownUser", can, "RevokeFor", "s", "Nobody")
    can.ledger("RevokeFor", "s", bob.id)
    wait_status(can, "the end of the registration", registration="none", waiting=0)
    can.stop()
    wait_status(bob, "the block", height=4)
    bob.configure(name="Can")
    bob.restart()
    wait_members(ece, bob)
    register(ece, bob)
    assert_equal(bob.ledger("Get", "s", "Can")[0][1:4:2], (bob.id, "registered"), "entry")


@test
def networks_are_kept_for_the_time_when_they_are_joined_again():
    ece, bob = office("Ece", "Bob")
    register(ece, bob)
    wait_same(ece, bob)
    status = bob.ledger_status()
    bob.ledger("Join", "s", "")
    other = wait_status(bob, "the other network", known=True, built_in=True)
    assert_equal((other["height"], other["registration"]), (0, "none"), "the built-in network")
    ece.stop()
    bob.ledger("Join", "s", status["network"])
    again = wait_status(bob, "the chain", tip=status["tip"])
    assert_equal((again["registration"], again["names"]), ("registered", 1), "status")
    assert_equal(bob.ledger("Check"), [1, 0, ""], "check")
    bob.restart()
    again = bob.ledger_status()
    assert_equal((again["network"], again["tip"]), (status["network"], status["tip"]), "network")


@test
def a_network_of_which_nothing_is_known():
    ece = start("Ece")
    ece.ledger("Join", "s", NOBODYS)
    status = wait_status(ece, "the network", network=NOBODYS)
    assert_equal((status["known"], status["mode"], status["tip"]), (False, "", ""), "status")
    for member, signature, *args in (
            ("Register", ""), ("Revoke", ""), ("RevokeFor", "s", "Bob"), ("Pending", ""),
            ("Approve", "s", "Bob"), ("Get", "s", "Ece"), ("List", "su", "", 10), ("Check", "")):
        assert_in(NOBODYS, assert_error("NotReachable", ece, member, signature, *args))
    checks = {c[0]: c[1:] for c in ece.call("Diagnose")[0]}
    assert_equal(checks["ledger"][0], "warning", "diagnosis")
    ece.restart()
    assert_equal(ece.ledger_status()["network"], NOBODYS, "network")
    ece.ledger("Join", "s", "")
    wait_status(ece, "the network that is built in", known=True, built_in=True)


@test
def a_network_that_the_configuration_fixes():
    ece = start("Ece", config=f"[Ledger]\nNetwork={NOBODYS}\n")
    assert_equal(ece.ledger_status()["network"], NOBODYS, "network")
    for member, signature, *args in (("Create", "sas", "acme", []), ("Join", "s", "")):
        assert_in("Network=", assert_error(INVALID_ARGS, ece, member, signature, *args))
    ece.stop()
    ece.configure("[Ledger]\nNetwork=acme\n", name="Ece")
    ece.start()
    assert_in("mistake", " ".join(ece.call("GetStatus")[0]["warnings"]))
    assert_in("NAME#HASH", ece.errors())
    assert_true(ece.ledger_status()["built-in"], "the network in its stead")


@test
def the_chain_survives():
    ece, bob = office("Ece", "Bob")
    register(ece, bob, ece)
    wait_same(ece, bob)
    before = bob.ledger_status()
    names = bob.ledger("List", "su", "", 1000)
    ece.stop()
    for end in (bob.stop, bob.kill):
        end()
        bob.start()
        status = bob.ledger_status()
        assert_equal([status[k] for k in ("network", "height", "tip", "registration", "names")],
                     [before[k] for k in ("network", "height", "tip", "registration", "names")],
                     "status")
        assert_equal(bob.ledger("List", "su", "", 1000), names, "names")
        assert_equal(bob.ledger("Check"), [2, 0, ""], "check")


def flip(daemon, height):
    """One bit of a stored block."""
    path, = glob.glob(os.path.join(daemon.state, "*.db"))
    db = sqlite3.connect(path)
    sealed, = db.execute("SELECT sealed FROM block WHERE height = ? AND network = "
                         "(SELECT network FROM block WHERE height = 1)", (height,)).fetchone()
    sealed = bytearray(sealed)
    sealed[len(sealed) // 2] ^= 4
    db.execute("UPDATE block SET sealed = ? WHERE height = ?", (bytes(sealed), height))
    db.commit()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


@test
def a_bit_of_a_block_was_flipped():
    ece, bob = office("Ece", "Bob")
    register(ece, bob, ece)
    wait_same(ece, bob)
    tip = ece.ledger_status()["tip"]
    ece.stop()
    bob.stop()
    flip(bob, 1)
    bob.start()
    assert_in("Block 1", bob.errors())
    assert_equal(bob.ledger_status()["height"], 0, "height")
    records, bad, first = bob.ledger("Check")
    assert_equal((records, bad), (2, 1), first)
    assert_in("Block 1 is damaged", first)
    done = bob.cli("ledger", "verify")
    assert_equal((done.returncode, done.stdout), (1, ""), "ledger verify")
    assert_in("1 of 2 records is bad. Block 1 is damaged", done.stderr)
    # Others have it.
    ece.start()
    wait_status(bob, "the chain", tip=tip)
    wait_status(bob, "the registration", registration="registered")
    assert_equal(bob.ledger("Check"), [2, 0, ""], "check")


@test
def one_check_at_a_time():
    ece = start("Ece")
    connection = ece.bus.connect()
    # Both are there when the daemon looks.
    ece.process.send_signal(signal.SIGSTOP)
    calls = [AsyncCall(connection, LEDGER, "Check") for _ in range(2)]
    connection.flush_sync(None)
    bus_call(connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
             "GetId")
    ece.process.send_signal(signal.SIGCONT)
    wait_for(lambda: all(c.is_done for c in calls), 60, "the answers")
    assert_equal(sorted((c.result, c.error) for c in calls if c.error), [(None, LIMITS_EXCEEDED)],
                 "errors")
    assert_equal([c.result for c in calls if c.result], [[0, 0, ""]], "results")
    # Whoever leaves is forgotten.
    for _ in range(100):
        connection = ece.bus.connect()
        AsyncCall(connection, LEDGER, "Check")
        connection.flush_sync(None)
        connection.close_sync(None)

    def may_check():
        try:
            return ece.ledger("Check") == [0, 0, ""]
        except BusError as error:
            assert_equal(error.name, LIMITS_EXCEEDED, "error")
            return False

    wait_for(may_check, 60, "a check")


@test
def by_the_command_line():
    ece = start("Ece")
    done = ece.cli("register", "--wait", str(SECONDS), check=True)
    assert_in(f"Ece#{ece.id[:8]} is registered until", done.stdout)
    assert_in("registered", ece.cli("ledger", "show", "ece", check=True).stdout)
    assert_in(f"Ece#{ece.id[:8]}", ece.cli("ledger", "list", check=True).stdout)
    assert_equal(ece.cli("ledger", "verify", check=True).stdout,
                 "1 record verified, and nothing is wrong.\n")
    ece.cli("revoke", check=True)
    done = ece.cli("ledger", "create", "acme", "--registrar", "Ece", check=True)
    word = ece.ledger_status()["network"]
    assert_in(f"p2pchat ledger join {word}\n", done.stdout)
    ece.cli("register", check=True)
    assert_in(f"Ece#{ece.id[:8]}", ece.cli("ledger", "pending", check=True).stdout)
    done = ece.cli("register", "--wait", "0.5")
    assert_equal(done.returncode, 3, "exit status")
    ece.cli("ledger", "approve", "Ece", check=True)
    ece.cli("register", "--wait", str(SECONDS), check=True)
    ece.cli("ledger", "join", "--built-in", check=True)
    assert_true(ece.ledger_status()["built-in"], "network")


@test
def others_are_served_while_hashes_are_tried():
    ece = start("Ece")
    ece.ledger("Register")
    n = 0
    while ece.ledger_status()["registration"] == "waiting":
        ece.call("ListUsers")
        n += 1
    print(f"# {n} calls were answered until the block was found", flush=True)
    assert_equal(ece.ledger_status()["registration"], "registered", "registration")


main()
