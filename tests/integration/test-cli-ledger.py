#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line about the ledger, with a service that says what the test wants"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from gi.repository import GLib  # noqa: E402
from harness import *  # noqa: E402,F403
from stand_in import StandIn  # noqa: E402

ECE = "k3f7q2mxaaaaaaaaaaaaaaaaaa"
BOB = "7xq2c5vnbbbbbbbbbbbbbbbbbb"
NETWORK = "acme#k3f7q2mxabcdefghijklmnopqm"
BLOCK = "56cbf3c2" + "0" * 56
TIME = 1767225600000000  # 2026-01-01 00:00 UTC
VERIFIED = "2 records verified, and nothing is wrong.\n"


def status(**changes):
    values = {
        "network": ("s", NETWORK), "mode": ("s", "open"), "built-in": ("b", False),
        "known": ("b", True), "registrars": ("as", []), "height": ("t", 12),
        "final-height": ("t", 2), "tip": ("s", BLOCK), "work": ("t", 12582912),
        "records": ("t", 14), "names": ("t", 13), "waiting": ("t", 1), "unapproved": ("t", 0),
        "members": ("t", 3), "catching-up": ("b", False), "registration": ("s", "none"),
        "registered-name": ("s", ""), "registered-until": ("t", 0), "disputed": ("s", "")}
    for key, value in changes.items():
        key = key.replace("_", "-")
        values[key] = (values[key][0], value)
    return {key: GLib.Variant(*value) for key, value in values.items()}


def service(**changes):
    os.environ["TZ"] = "UTC"
    s = StandIn(Bus())
    s.ledger = status(**changes)
    s.results["Register"] = (f"Ece#{ECE}",)
    return s


def rows(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


@test
def how_it_is():
    s = service()
    assert_equal(rows(s.cli("ledger", check=True).stdout), [
        f"Network {NETWORK}", "Who may register everybody", "Own name not registered", "Names 13",
        "Records 14", "Last block 12", f"Its hash {BLOCK}", "Final up to block 2",
        "Work, in hashes 12582912", "Records that wait 1", "To be approved 0", "Members met 3",
        "Catching up no"])
    assert_equal(lines_of(s.cli("--json", "ledger", check=True)), [{
        "network": NETWORK, "mode": "open", "built_in": False, "known": True, "registrars": [],
        "height": 12, "final_height": 2, "tip": BLOCK, "work": 12582912, "records": 14,
        "names": 13, "waiting": 1, "unapproved": 0, "members": 3, "catching_up": False,
        "registration": "none", "registered_name": "", "registered_until": 0, "disputed": ""}])


@test
def how_else_it_can_be():
    s = service(mode="registrars", registrars=[ECE, BOB], registration="registered",
                registered_name="Ece", registered_until=TIME, built_in=True,
                disputed="There is a heavier chain.")
    lines = rows(s.cli("ledger", check=True).stdout)
    for line in (f"Network {NETWORK}, built in", "Who may register whom a registrar approves",
                 f"Registrars {ECE}", BOB, "Own name Ece, until 2026-01-01 00:00:00",
                 "Disputed There is a heavier chain."):
        assert_in(line, lines)
    s.ledger = status(mode="", known=False, registration="waiting", registered_name="Ece")
    lines = rows(s.cli("ledger", check=True).stdout)
    assert_in("Who may register not known yet", lines)
    assert_in("Own name Ece, waits for a block", lines)
    s.ledger = status(network="", mode="", known=False)
    assert_equal(rows(s.cli("ledger", check=True).stdout),
                 ["Network none: [Ledger] Enabled=no"])


@test
def registering():
    s = service(registration="waiting", registered_name="Ece")
    done = s.cli("register", check=True)
    assert_equal(s.calls[0], ("Register", ()))
    assert_equal(done.stdout, "Ece#k3f7q2mx is registered once it is in a block, in about a "
                              "second; then \"p2pchat ledger\" tells.\n")
    assert_equal(lines_of(s.cli("--json", "register", check=True)),
                 [{"word": f"Ece#{ECE}", "registration": "waiting"}])
    s.ledger = status(mode="registrars", registration="waiting", registered_name="Ece")
    done = s.cli("register", check=True)
    assert_equal(done.stdout, "Ece#k3f7q2mx waits for a registrar of the network, who says:\n"
                              "p2pchat ledger approve Ece#k3f7q2mx\n")
    s.ledger = status(registration="registered", registered_name="Ece", registered_until=TIME)
    done = s.cli("register", check=True)
    assert_equal(done.stdout, "Ece#k3f7q2mx is registered until 2026-01-01 00:00:00, and is "
                              "renewed by itself.\n")
    assert_equal(lines_of(s.cli("--json", "register", check=True)),
                 [{"word": f"Ece#{ECE}", "registration": "registered"}])


@test
def waiting_for_a_block():
    s = service(registration="waiting")
    done = s.cli("register", "--wait", "0.3")
    assert_equal(done.returncode, 3, "exit status")
    assert_in("once it is in a block", done.stdout)
    done = s.cli("--json", "register", "--wait", "0")
    assert_equal((done.returncode, lines_of(done)),
                 (3, [{"word": f"Ece#{ECE}", "registration": "waiting"}]), "with --json")
    looks = []

    def after_three_looks():
        looks.append(None)
        return status(registration="registered" if len(looks) > 3 else "waiting",
                      registered_until=TIME)

    s.ledger = after_three_looks
    done = s.cli("register", "--wait", "60", check=True)
    assert_in("is registered until", done.stdout)
    assert_equal(len(looks), 4, "looks")


@test
def what_the_service_refuses():
    s = service()
    for command, member in ((["register"], "Register"), (["register", "--wait", "60"], "Register"),
                            (["revoke"], "Revoke"), (["revoke", "--for", "Bob"], "RevokeFor"),
                            (["ledger", "show", "Ece"], "Get"), (["ledger", "list"], "List"),
                            (["ledger", "verify"], "Check"), (["ledger", "pending"], "Pending"),
                            (["ledger", "approve", "Bob"], "Approve"),
                            (["ledger", "join", NETWORK], "Join"),
                            (["ledger", "create", "acme", "--open"], "Create")):
        s.errors = {member: (ERROR + "NameTaken", "That cannot be.\x1b[2J")}
        for options in ([], ["--json"]):
            done = s.cli(*options, *command)
            assert_equal((done.returncode, done.stdout, done.stderr),
                         (1, "", "p2pchat: That cannot be.\\x1B[2J\n"), " ".join(command))


@test
def giving_up():
    s = service()
    done = s.cli("revoke", check=True)
    assert_equal(s.calls, [("Revoke", ())])
    assert_equal(done.stdout, "The name is given up once that is in a block, in about a second. "
                              "For 30 days nobody may register it.\n")
    done = s.cli("revoke", "--for", "Bob#7xq2", check=True)
    assert_equal(s.calls[1:], [("RevokeFor", ("Bob#7xq2",))])
    assert_in("For 30 days Bob#7xq2 may register it.", done.stdout)
    assert_equal(s.cli("--json", "revoke", check=True).stdout, "")


@test
def names():
    s = service()
    s.results["Get"] = (("Ece", ECE, TIME, "registered", BLOCK),)
    done = s.cli("ledger", "show", "ece", check=True)
    assert_equal(s.calls, [("Get", ("ece",))])
    assert_equal(rows(done.stdout), ["Name Ece", f"Identity {ECE}", "State registered",
                                     "Registered since 2026-01-01 00:00:00", f"In block {BLOCK}"])
    assert_equal(lines_of(s.cli("--json", "ledger", "show", "ece", check=True)), [
        {"name": "Ece", "id": ECE, "time": TIME, "state": "registered", "block": BLOCK}])
    s.results["Get"] = (("Bob", BOB, 0, "waiting", ""),)
    assert_equal(rows(s.cli("ledger", "show", "bob", check=True).stdout),
                 ["Name Bob", f"Identity {BOB}", "State waiting"])


@test
def all_names_page_by_page():
    s = service()
    everybody = [(f"user{i:04}", ECE, TIME, "registered", BLOCK) for i in range(2000)]
    everybody.append(("Zeynep", BOB, TIME, "revoked", BLOCK))

    def page(after, limit):
        return [row for row in everybody if row[0].lower() > after.lower()][:limit]

    s.results["List"] = page
    shown = rows(s.cli("ledger", "list", check=True).stdout)
    assert_equal(s.calls, [("List", ("", 1000)), ("List", ("user0999", 1000)),
                           ("List", ("user1999", 1000))])
    assert_equal(len(shown), 2001, "names")
    assert_equal(shown[0], "user0000#k3f7q2mx registered 2026-01-01 00:00:00")
    assert_equal(shown[-1], "Zeynep#7xq2c5vn revoked 2026-01-01 00:00:00")
    lines = lines_of(s.cli("--json", "ledger", "list", check=True))
    assert_equal(len(lines), 2001, "names as JSON")
    assert_equal(lines[-1], {"name": "Zeynep", "id": BOB, "time": TIME, "state": "revoked",
                             "block": BLOCK})
    everybody.clear()
    assert_equal(s.cli("ledger", "list", check=True).stdout, "")


@test
def verifying():
    s = service()
    s.results["Check"] = (2, 0, "")
    assert_equal(s.cli("ledger", "verify", check=True).stdout, VERIFIED)
    assert_equal(lines_of(s.cli("--json", "ledger", "verify", check=True)),
                 [{"records": 2, "bad": 0, "first": ""}])
    s.results["Check"] = (1, 0, "")
    assert_equal(s.cli("ledger", "verify", check=True).stdout,
                 "1 record verified, and nothing is wrong.\n")
    s.results["Check"] = (14, 2, "Block 7 is missing.\n")
    done = s.cli("ledger", "verify")
    assert_equal((done.returncode, done.stdout, done.stderr),
                 (1, "", "p2pchat: 2 of 14 records are bad. Block 7 is missing.\\n\n"))
    done = s.cli("--json", "ledger", "verify")
    assert_equal((done.returncode, lines_of(done), done.stderr),
                 (1, [{"records": 14, "bad": 2, "first": "Block 7 is missing.\n"}], ""))


@test
def networks():
    s = service()
    s.results["Create"] = (NETWORK,)
    done = s.cli("ledger", "create", "acme", "--registrar", "Ece", "--registrar", "Bob#7xq2",
                 check=True)
    assert_equal(s.calls[-1], ("Create", ("acme", ["Ece", "Bob#7xq2"])))
    assert_equal(done.stdout, f"This machine is in {NETWORK} now. Others come to it by:\n"
                              f"p2pchat ledger join {NETWORK}\n")
    done = s.cli("--json", "ledger", "create", "acme", "--open", check=True)
    assert_equal(s.calls[-1], ("Create", ("acme", [])))
    assert_equal(lines_of(done), [{"network": NETWORK}])

    done = s.cli("ledger", "join", NETWORK, check=True)
    assert_equal(s.calls[-1], ("Join", (NETWORK,)))
    assert_in(f"This machine is in {NETWORK} now", done.stdout)
    done = s.cli("ledger", "join", "--built-in", check=True)
    assert_equal(s.calls[-1], ("Join", ("",)))
    assert_in("This machine is in the network that is built in now", done.stdout)
    assert_equal(s.cli("--json", "ledger", "join", NETWORK, check=True).stdout, "")


@test
def approving():
    s = service()
    s.results["Pending"] = ([("Bob", BOB, TIME), ("e\x1b[2J", ECE, TIME)],)
    assert_equal(rows(s.cli("ledger", "pending", check=True).stdout),
                 ["Bob#7xq2c5vn 2026-01-01 00:00:00", "e\\x1B[2J#k3f7q2mx 2026-01-01 00:00:00"])
    assert_equal(lines_of(s.cli("--json", "ledger", "pending", check=True)), [
        {"name": "Bob", "id": BOB, "time": TIME}, {"name": "e\x1b[2J", "id": ECE, "time": TIME}])
    done = s.cli("ledger", "approve", "Bob#7xq2", check=True)
    assert_equal((s.calls[-1], done.stdout, done.stderr), (("Approve", ("Bob#7xq2",)), "", ""))
    s.results["Pending"] = ([],)
    assert_equal(s.cli("ledger", "pending", check=True).stdout, "")


@test
def wrong_usage():
    s = service()
    for arguments in (["register", "a"], ["register", "--wait", "x"], ["register", "--open"],
                      ["revoke", "Bob"], ["revoke", "--for"], ["ledger", "nonsense"],
                      ["ledger", "--open"], ["ledger", "show"], ["ledger", "show", "a", "b"],
                      ["ledger", "list", "a"], ["ledger", "list", "--open"],
                      ["ledger", "verify", "a"], ["ledger", "create"],
                      ["ledger", "create", "acme"],
                      ["ledger", "create", "acme", "--open", "--registrar", "Ece"],
                      ["ledger", "create", "acme", "--built-in"], ["ledger", "join"],
                      ["ledger", "join", NETWORK, "--built-in"], ["ledger", "join", "--open"],
                      ["ledger", "pending", "a"], ["ledger", "approve"],
                      ["ledger", "create", "acme"] + ["--registrar", "Ece"] * 17):
        done = s.cli(*arguments)
        assert_equal((done.returncode, done.stdout), (2, ""), " ".join(arguments))
        assert_true(done.stderr.startswith("p2pchat: "), done.stderr)
    assert_equal(s.calls, [], "calls")


@test
def completion():
    s = service()
    assert_equal(s.cli("--complete", "--", "ledger", "").stdout.split(),
                 ["show", "list", "verify", "create", "join", "pending", "approve"])
    assert_equal(s.cli("--complete", "--", "ledger", "V").stdout.split(), ["verify"])
    assert_equal(s.cli("--complete", "--", "ledger", "create", "acme", "--").stdout.split(),
                 ["--registrar", "--open", "--built-in", "--json"])
    assert_equal(s.cli("--complete", "--", "reg").stdout.split(), ["register"])


@test
def status_has_a_line_about_the_ledger():
    s = service()
    for network, height, registration, line in (
            (NETWORK, 12, "registered", f"Ledger {NETWORK}, block 12, own name registered"),
            (NETWORK, 0, "none", f"Ledger {NETWORK}, block 0, own name not registered"),
            (NETWORK, 1, "waiting", f"Ledger {NETWORK}, block 1, own name waiting"),
            ("", 0, "none", "Ledger off")):
        s.results["GetStatus"] = ({"ledger-network": GLib.Variant("s", network),
                                   "ledger-height": GLib.Variant("t", height),
                                   "ledger-registration": GLib.Variant("s", registration)},)
        assert_equal(rows(s.cli("status", check=True).stdout), [line])
        assert_equal(json.loads(s.cli("--json", "status", check=True).stdout),
                     {"ledger_network": network, "ledger_height": height,
                      "ledger_registration": registration})


main()
