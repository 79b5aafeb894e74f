#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line about who is who, with a service that says what the test wants"""

import json
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from harness import *  # noqa: E402,F403
from stand_in import StandIn  # noqa: E402
from terminal import Terminal  # noqa: E402

BOB = "k3f7q2mxaaaaaaaaaaaaaaaaaa"
OTHER_BOB = "k3f7zzzzaaaaaaaaaaaaaaaaaa"
GROUPS = [f"{i:05}" for i in range(12345, 12357)]
DIGITS = " ".join(GROUPS)
ROWS = "\n".join(" ".join(GROUPS[i:i + 3]) for i in range(0, 12, 3))

ROW_ECE = ("Ece", "", "192.0.2.1", "online", 1700000000000000, "legacy", "")
ROW_BOB = ("bob", BOB, "192.0.2.2", "offline", 0, "verified", "contact")
ROW_OTHER_BOB = ("Bob", OTHER_BOB, "192.0.2.3", "away", 1700000000000000, "unproven", "namesake")


def service(*users):
    s = StandIn(Bus())
    s.users = list(users)
    s.results["GetFingerprint"] = (DIGITS,)
    s.properties.update(Id=BOB, Fingerprint=" ".join(GROUPS[:6]))
    return s


@test
def a_table_of_users():
    s = service(ROW_ECE, ROW_BOB, ROW_OTHER_BOB)
    assert_equal(s.cli("users", check=True).stdout, "Ece (Online)\nBob#k3f7z (Away)\n")
    lines = s.cli("users", "--long", check=True).stdout.splitlines()
    assert_equal([line.split()[:5] for line in lines],
                 [["Ece", "(Online)", "legacy", "192.0.2.1", lines[0].split()[4]],
                  ["Bob#k3f7z", "(Away)", "unproven", "192.0.2.3", "#k3f7zzzz"]])
    assert_equal({line.index("192.0.2.") for line in lines}, {lines[0].index("192.0.2.")})
    lines = s.cli("users", "--all", check=True).stdout.splitlines()
    assert_equal(lines[1].split(),
                 ["bob", "(Offline)", "verified", "192.0.2.2", "#k3f7q2mx", "never", "contact"])
    rows = [json.loads(line) for line in s.cli("--json", "users", "--all").stdout.splitlines()]
    assert_equal([r["id"] for r in rows], ["", BOB, OTHER_BOB])
    words = s.cli("--complete", "--", "verify", "b").stdout.split()
    assert_equal(sorted(words), ["Bob#k3f7z", "bob"], "completion")


@test
def fingerprints():
    s = service(ROW_BOB)
    assert_equal(s.cli("fingerprint", check=True).stdout, " ".join(GROUPS[:6]) + "\n")
    assert_equal(s.cli("fingerprint", "bob", check=True).stdout, DIGITS + "\n")
    assert_equal(json.loads(s.cli("--json", "fingerprint", "bob").stdout),
                 {"user": "bob", "digits": DIGITS})
    assert_equal(json.loads(s.cli("--json", "fingerprint").stdout),
                 {"fingerprint": " ".join(GROUPS[:6])})
    terminal = Terminal(s.bus, s.directory, "fingerprint", "bob")
    lines = terminal.wait(r"^status=0$")
    assert_in(ROWS, "\n".join(line.rstrip() for line in lines))
    assert_in("p2pchat verify bob", "\n".join(lines))


@test
def digits_as_they_come():
    s = service(ROW_BOB)
    done = s.cli("verify", "bob", *GROUPS, check=True)
    assert_equal(done.stdout, "bob is verified: the digits are right.\n")
    s.cli("verify", "bob", DIGITS, check=True)
    s.cli("verify", "bob", input=ROWS + "\n", check=True)
    s.cli("verify", "bob", "-", input=DIGITS, check=True)
    s.cli("--json", "verify", "bob", "".join(GROUPS), check=True)
    verified = [a for m, a in s.calls if m == "Verify"]
    assert_equal(verified, [("bob", "".join(GROUPS))] * 5)


@test
def digits_that_are_none_never_reach_the_service():
    s = service(ROW_BOB)
    for digits, text in (([*GROUPS[:11]], None), ([*GROUPS, "1"], None), (["yes"], None),
                         ([DIGITS.replace(" ", "-")], None), ([], ""), ([], "12345\n\n" + DIGITS),
                         ([], "no\n")):
        done = s.cli("verify", "bob", *digits, input=text)
        assert_equal((done.returncode, done.stdout), (2, ""), f"{digits} {text!r}")
        assert_true(done.stderr.startswith("p2pchat: verify: "), done.stderr)
    assert_equal([m for m, _ in s.calls if m == "Verify"], [])


@test
def digits_that_differ():
    s = service(ROW_BOB)
    s.errors["Verify"] = (ERROR + "FingerprintMismatch", "The digits are not those of bob.")
    done = s.cli("verify", "bob", DIGITS)
    assert_equal((done.returncode, done.stdout, done.stderr),
                 (1, "", "p2pchat: The digits are not those of bob.\n"))
    # Nobody is asked for sixty digits of a user whom nobody knows.
    s.errors["GetFingerprint"] = (ERROR + "UnknownUser", "There is no bob.")
    done = s.cli("verify", "bob", input="")
    assert_equal((done.returncode, done.stderr), (1, "p2pchat: There is no bob.\n"))


@test
def digits_typed_row_by_row():
    s = service(ROW_BOB)
    terminal = Terminal(s.bus, s.directory, "verify", "bob")
    terminal.wait(r"^Digits that the other machine shows:$")
    rows = ROWS.split("\n")
    terminal.enter(rows[0])
    terminal.wait(r"^15 of 60; go on:$")
    for row in rows[1:]:
        terminal.enter(row)
    terminal.wait(r"bob is verified[\s\S]*^status=0$")
    assert_equal(s.calls[-1], ("Verify", ("bob", "".join(GROUPS))))


@test
def words_that_are_only_passed_on():
    s = service(ROW_BOB)
    for arguments, call in ((["trust", "bob#k3f7z"], ("Trust", ("bob#k3f7z",))),
                            (["disconnect", "bob"], ("EndSession", ("bob",))),
                            (["alias", "bob", "Robert"], ("Alias", ("bob", "Robert")))):
        done = s.cli(*arguments, check=True)
        assert_equal((done.stdout, done.stderr), ("", ""))
        assert_equal(s.calls[-1], call)
    s.errors["Alias"] = (ERROR + "NameTaken", "Robert is somebody else.")
    assert_equal(s.cli("alias", "bob", "Robert").returncode, 1)
    assert_equal(s.cli("alias", "bob").returncode, 2)


@test
def states_of_a_message_have_their_exit_status():
    s = service(ROW_BOB)
    for state, status, sentence in (
            ("delivered", 0, ""), ("sent", 0, ""),
            ("queued", 3, "connection with bob cannot be established: queued, will be sent when bob "
                          "is back\n"),
            ("failed", 1, "p2pchat: the message to bob will not be sent: failed\n"),
            ("cancelled", 1, "p2pchat: the message to bob will not be sent: cancelled\n")):
        s.results["SendMessage"] = ("01J", state)
        done = s.cli("send", "bob", "hi")
        assert_equal((done.returncode, done.stdout, done.stderr),
                     (status, f"01J {state}\n", sentence))
    s.errors["SendMessageFull"] = (ERROR + "NotSecure", "bob cannot do that.")
    done = s.cli("send", "bob", "hi", "--wait", "1")
    assert_equal((done.returncode, done.stdout, done.stderr),
                 (1, "", "p2pchat: bob cannot do that.\n"))


@test
def own_identity():
    s = service()
    lines = s.cli("identity", check=True).stdout.splitlines()
    assert_equal([line.split(None, 3)[-1] for line in lines[:1]], ["Ece#k3f7q2mx"])
    assert_in(BOB, lines[1])
    assert_in(" ".join(GROUPS[:6]), lines[2])
    assert_equal(json.loads(s.cli("--json", "identity").stdout),
                 {"username": "Ece", "id": BOB, "fingerprint": " ".join(GROUPS[:6])})
    for arguments in (["old"], ["new", "x"], ["export"], ["import"], ["export", "a", "b"],
                      ["--yes"], ["export", "a", "--yes"]):
        assert_equal(s.cli("identity", *arguments).returncode, 2, " ".join(arguments))
    assert_equal(s.cli("--complete", "--", "identity", "").stdout.split(),
                 ["new", "export", "import"])


@test
def a_new_identity_is_made_only_when_meant():
    s = service()
    s.results["New"] = (OTHER_BOB,)
    done = s.cli("identity", "new", input="yes\n")
    assert_equal((done.returncode, done.stdout), (2, ""))
    terminal = Terminal(s.bus, s.directory, "identity", "new")
    terminal.wait(r"^Make a new identity\? \[yes/no\]$")
    terminal.enter("no")
    terminal.wait(r"nothing was changed$[\s\S]*^status=1$")
    assert_equal([m for m, _ in s.calls if m == "New"], [])
    terminal = Terminal(s.bus, s.directory, "identity", "new")
    terminal.wait(r"^Make a new identity\? \[yes/no\]$")
    terminal.enter("yes")
    terminal.wait(rf"^{OTHER_BOB}$[\s\S]*^status=0$")
    assert_equal(s.cli("identity", "new", "--yes", check=True).stdout, OTHER_BOB + "\n")
    assert_equal(json.loads(s.cli("--json", "identity", "new", "--yes").stdout),
                 {"id": OTHER_BOB})


@test
def an_archive_is_written_once_and_for_its_owner():
    s = service()
    s.written = b"archive\0"
    path = os.path.join(tempdir(), "archive")
    before = os.umask(0)
    try:
        done = s.cli("identity", "export", path, check=True)
    finally:
        os.umask(before)
    assert_in("guard it like a key", done.stderr)
    assert_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "mode")
    with open(path, "rb") as file:
        assert_equal(file.read(), s.written)
    s.written = b"another"
    done = s.cli("identity", "export", path)
    assert_equal(done.returncode, 1)
    assert_in("not overwritten", done.stderr)
    with open(path, "rb") as file:
        assert_equal(file.read(), b"archive\0")
    assert_equal(s.cli("identity", "export", "-", check=True).stdout, "another")
    s.cli("identity", "import", path, check=True)
    assert_equal(s.read, b"archive\0")
    assert_equal(s.cli("identity", "import", path + "2").returncode, 1)

    # What failed leaves nothing behind.
    s.errors["Export"] = (ERROR + "StorageFull", "No space.")
    done = s.cli("identity", "export", path + "2")
    assert_equal((done.returncode, done.stderr), (1, "p2pchat: No space.\n"))
    assert_false(os.path.exists(path + "2"), "a broken archive")


@test
def keys_are_for_the_administrator():
    s = service()
    denied = ("org.freedesktop.DBus.Error.AccessDenied", "Denied.")
    s.errors = {"New": denied, "Export": denied, "Import": denied}
    path = os.path.join(tempdir(), "archive")
    for arguments in (["new", "--yes"], ["export", path], ["import", "/dev/null"]):
        done = s.cli("identity", *arguments)
        assert_equal(done.returncode, 1)
        assert_in(f"sudo p2pchat identity {arguments[0]}", done.stderr)
        assert_not_in("adduser", done.stderr)


@test
def status_has_a_line_for_each_warning():
    s = service()
    s.results["GetStatus"] = ({"word": GLib.Variant("s", "Ece#k3f7q2mx"),
                               "sessions": GLib.Variant("u", 2),
                               "warnings": GLib.Variant("as", ["One\n.", "Two."])},)
    lines = s.cli("status", check=True).stdout.splitlines()
    assert_equal([" ".join(line.split()) for line in lines],
                 ["Name with id Ece#k3f7q2mx", "Encrypted sessions 2", "Warnings One\\n.", "Two."])
    assert_equal(json.loads(s.cli("--json", "status").stdout)["warnings"], ["One\n.", "Two."])


@test
def a_chat_begins_with_its_security():
    s = service(ROW_ECE, ROW_BOB, ROW_OTHER_BOB)
    for user, options, phrase in (("bob", [], "verified, "), ("bob", ["--plain"], "verified, "),
                                  ("bob#k3f7z", [], "unproven, "), ("ece", [], "legacy, "),
                                  ("ece", ["--plain"], "WITHOUT encryption, ")):
        terminal = Terminal(s.bus, s.directory, "chat", *options, user)
        terminal.wait(rf"^{user}: {phrase}[\s\S]*^{user}>$")
        terminal.enter("/end")
        terminal.wait(r"status=0$")


@test
def the_first_line_proves_the_key():
    s = service(ROW_OTHER_BOB)
    terminal = Terminal(s.bus, s.directory, "chat", "bob")
    terminal.wait(r"^bob: unproven")
    s.users = [(*ROW_OTHER_BOB[:5], "encrypted", "contact")]
    terminal.enter("hi")
    terminal.wait(r"^the key of bob is proven: encrypted, [\s\S]*^bob>$")
    terminal.enter("again")
    terminal.wait(r"again\nbob>$")
    assert_equal("\n".join(terminal.screen()).count("key of bob is proven"), 1)


@test
def whoever_is_meant_by_the_word_is_the_partner():
    s = service(ROW_BOB, ROW_OTHER_BOB)
    terminal = Terminal(s.bus, s.directory, "chat", "Bob#k3f7z")
    terminal.wait(r"^Bob#k3f7z>$")
    s.emit("UserChanged", "sss", "bob", BOB, "offline")
    s.emit("UserChanged", "sss", "Bob", OTHER_BOB, "away")
    terminal.wait(r"Bob is away\nBob#k3f7z>$")
    assert_not_in("offline", "\n".join(terminal.screen()))


@test
def secure_or_not_counts_only_where_it_can_be_chosen():
    s = service(ROW_ECE, ROW_BOB)
    for answer in ("yes", "no"):
        s.calls.clear()
        s.cli(input=f"Chat\nbob\n{answer}\nhello\n/end\nquit\n", check=True)
        assert_equal([a for m, a in s.calls if m.startswith("SendMessage")],
                     [("bob", "hello", {})])
    s.calls.clear()
    s.cli(input="Chat\nEce\nyes\n13\nhello\n/end\nquit\n", check=True)
    assert_equal([a for m, a in s.calls if m.startswith("SendMessage")],
                 [("Ece", "hello", {"security": "legacy", "number": "13"})])


@test
def warnings_are_shown_where_somebody_looks():
    s = service(ROW_BOB)
    terminal = Terminal(s.bus, s.directory, "chat", "bob")
    terminal.wait(r"^bob>$")
    terminal.type("half a li")
    terminal.wait(r"^bob> half a li$")
    s.warn("KeyChanged", "bob", "bob has another key.\033[2J")
    terminal.wait(r"^Warning: bob has another key\.\\x1B\[2J\nbob> half a li$")

    terminal = Terminal(s.bus, s.directory, "listen")

    def told():
        # It may not listen yet.
        s.warn("Namesake", "Bob#k3f7z", "There is another Bob.\n")
        return "p2pchat: warning: There is another Bob.\\n" in "\n".join(terminal.screen())

    wait_for(told, 60, "the warning")


main()
