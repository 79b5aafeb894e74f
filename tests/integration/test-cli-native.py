#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line between native peers: contacts, fingerprints, keys that change"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import build_directory  # noqa: E402
from harness import *  # noqa: E402,F403
from terminal import Terminal  # noqa: E402


def start(address, name):
    return Daemon(Bus(), address, name=name, config=NO_RING)


def ece_and_bob():
    ece, bob = start("127.61.1.1", "Ece"), start("127.61.1.2", "Bob")
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    return ece, bob


def met():
    """Both have proven their keys, and Bob is a contact of Ece."""
    ece, bob = ece_and_bob()
    ece.cli("send", "bob", "--wait", "30", "hello", check=True)
    return ece, bob


def security(daemon, name):
    return daemon.user(name)["security"]


def digits(daemon, user):
    return daemon.cli("fingerprint", user, check=True).stdout


@test
def the_first_message_proves_the_key_and_makes_the_contact():
    ece, bob = ece_and_bob()
    done = ece.cli("fingerprint", "bob")
    assert_equal((done.returncode, done.stdout), (1, ""))
    assert_in("has not proven its key", done.stderr)
    assert_equal(security(ece, "Bob"), "unproven")
    done = ece.cli("send", "bob", "--wait", "30", "hello", check=True)
    assert_equal((done.stdout.split()[1], done.stderr), ("delivered", ""))
    words = ece.cli("users", "--long", check=True).stdout.split()
    assert_equal([words[2], words[3], words[4], words[-1]],
                 ["encrypted", "127.61.1.2", "#" + bob.get("Id")[:8], "contact"])
    # The receiver knows the key, but who writes to somebody does not become his contact.
    words = bob.cli("users", "--long", check=True).stdout.split()
    assert_equal(words[2], "encrypted")
    assert_not_in("contact", words)


@test
def two_people_compare_and_are_verified():
    ece, bob = met()
    shown = digits(ece, "bob")
    assert_equal(digits(bob, "ece"), shown)
    assert_equal(len(shown.split()), 12)
    assert_in(ece.cli("fingerprint", check=True).stdout.strip(), shown)
    assert_in(bob.cli("fingerprint", check=True).stdout.strip(), shown)

    wrong = shown.strip()[:-1] + str((int(shown.strip()[-1]) + 1) % 10)
    done = ece.cli("verify", "bob", wrong)
    assert_equal((done.returncode, done.stdout), (1, ""))
    assert_true(done.stderr.startswith("p2pchat: "), done.stderr)
    assert_equal(security(ece, "Bob"), "encrypted")

    done = ece.cli("verify", "bob", input=shown, check=True)
    assert_in("bob is verified", done.stdout)
    assert_equal(security(ece, "Bob"), "verified")
    ece.cli("send", "bob", "--wait", "30", "for you alone", check=True)
    assert_equal(ece.wait_message("for you alone", "sent")["security"], "verified")
    assert_equal(bob.wait_message("for you alone")["security"], "encrypted")
    terminal = Terminal(ece.bus, ece.directory, "chat", "bob")
    terminal.wait(r"^bob: verified, ")


@test
def a_name_of_ones_own():
    ece, bob = met()
    ece.cli("alias", "bob", "Robert", check=True)
    assert_equal(ece.cli("users", check=True).stdout, "Robert (Online)\n")
    ece.cli("send", "robert", "--wait", "30", "by another name", check=True)
    bob.wait_message("by another name")
    for name in ("a#b", "", "x@y"):
        done = ece.cli("alias", "robert", name)
        assert_equal(done.returncode, 1, name)
    start("127.61.1.3", "Cem")
    ece.wait_user("Cem")
    ece.cli("send", "cem", "--wait", "30", "hello", check=True)
    done = ece.cli("alias", "cem", "ROBERT")
    assert_equal(done.returncode, 1)
    assert_in("another contact", done.stderr)


@test
def a_session_ends_when_told():
    ece, bob = met()
    status = json.loads(ece.cli("--json", "status", check=True).stdout)
    assert_equal(status["sessions"], 1)
    assert_equal(status["word"], f"Ece#{ece.get('Id')[:8]}")
    assert_in("Encrypted sessions", ece.cli("status", check=True).stdout)
    ece.cli("disconnect", "bob", check=True)
    wait_for(lambda: json.loads(ece.cli("--json", "status").stdout)["sessions"] == 0, 60, "its end")
    done = ece.cli("disconnect", "bob")
    assert_equal((done.returncode, done.stdout), (1, ""))
    ece.cli("send", "bob", "--wait", "30", "in another session", check=True)
    bob.wait_message("in another session")


def somebody_else(bob):
    """Bob's machine is gone, and another one has its name and its address."""
    bob.stop()
    other = start(bob.address, "Bob")
    other.wait_user("Ece")
    return other


@test
def another_key_gets_nothing_until_a_person_says_so():
    ece, bob = met()
    terminal = Terminal(ece.bus, ece.directory, "listen")
    other = somebody_else(bob)
    ece.cli("send", "bob", "for the old key")
    other.cli("send", "ece", "--wait", "60", "it is me", check=True)
    warning = ece.wait_message("it is me")
    word = warning["conversation"]
    assert_equal(word, f"Bob#{other.get('Id')[:4]}")
    assert_equal([line.split()[3] for line in ece.cli("history").stdout.splitlines()],
                 ["Bob", "Bob", word])
    terminal.wait(r"p2pchat: warning: .*another key")
    assert_equal([m["text"] for m in other.history() if m["direction"] == "received"], [])
    assert_equal(ece.cli("send", "bob", "again").returncode, 3)

    ece.cli("trust", word, check=True)
    ece.cli("send", "bob", "--wait", "60", "so it is you", check=True)
    other.wait_message("so it is you")
    # What waited for the old key still does.
    assert_equal([m["text"] for m in other.history() if m["direction"] == "received"],
                 ["so it is you"])
    rows = json.loads("[" + ",".join(
        ece.cli("--json", "users", "--all").stdout.splitlines()) + "]")
    flags = {u["id"]: u["flags"] for u in rows}
    assert_equal(flags[other.get("Id")], "contact")


@test
def own_identity():
    ece = start("127.61.1.1", "Ece")
    shown = json.loads(ece.cli("--json", "identity", check=True).stdout)
    assert_equal(shown, {"username": "Ece", "id": ece.get("Id"),
                         "fingerprint": ece.cli("fingerprint", check=True).stdout.strip()})
    assert_in(f"Ece#{ece.get('Id')[:8]}", ece.cli("identity", check=True).stdout)


def comes_back(daemon):
    """By hand nobody starts the service again but us."""
    assert_equal(daemon.wait_exit(), 75, "exit status")
    daemon.start()


@test
def a_new_identity_must_be_trusted_again():
    ece, bob = met()
    before = bob.get("Id")
    done = bob.cli("identity", "new")
    assert_equal((done.returncode, done.stdout), (2, ""))
    after = bob.cli("identity", "new", "--yes", check=True).stdout.strip()
    comes_back(bob)
    assert_equal(bob.get("Id"), after)
    assert_true(after != before, "another id")
    assert_equal(bob.wait_message("hello")["user_id"], ece.get("Id"))

    bob.wait_user("Ece")
    bob.cli("send", "ece", "--wait", "60", "me again", check=True)
    word = ece.wait_message("me again")["conversation"]
    assert_equal(word, f"Bob#{after[:4]}")
    assert_equal(ece.cli("send", "bob", "is it you?").returncode, 3)
    ece.cli("trust", word, check=True)
    ece.cli("send", "bob", "--wait", "60", "so it is", check=True)
    bob.wait_message("so it is")
    assert_not_in("is it you?", [m["text"] for m in bob.history()])


@test
def moving_house():
    ece, bob = met()
    bob.cli("send", "ece", "--wait", "30", "from the old house", check=True)
    can, dan = start("127.61.1.3", "Can"), start("127.61.1.4", "Dan")
    for one in (can, dan):
        bob.wait_user(one.get("Username"))
        one.wait_user("Bob")
    bob.cli("block", "can", check=True)
    bob.cli("mute", "dan", "8h30m", check=True)
    archive = os.path.join(tempdir(), "archive")
    bob.cli("identity", "export", archive, check=True)
    assert_equal(os.stat(archive).st_mode & 0o777, 0o600)
    ident = bob.get("Id")
    bob.stop()

    new = start("127.61.1.9", "Other")
    done = new.cli("identity", "import", "/dev/null")
    assert_equal((done.returncode, done.stdout), (1, ""))
    new.cli("identity", "import", archive, check=True)
    comes_back(new)
    assert_equal(new.get("Id"), ident)
    assert_equal([m["text"] for m in new.history()], ["from the old house", "hello"])
    assert_equal({u["name"]: u["flags"] for u in new.users()},
                 {"Ece": "contact", "Can": "blocked", "Dan": "muted"})
    assert_equal(new.user("Can")["id"], can.get("Id"))
    done = can.cli("send", ident, "am I welcome?")
    assert_equal(done.returncode, 3, done.stderr)
    dan.cli("send", ident, "--wait", "60", "hush", check=True)
    assert_equal(new.wait_message("hush")["state"], "muted")
    ece.cli("send", "bob", "at the new house", "--wait", "60")
    new.wait_message("at the new house")
    assert_equal(ece.wait_message("at the new house", "sent")["security"], "encrypted")

    # From house to house through a pipe.
    third = start("127.61.1.10", "Third")
    program = os.path.join(build_directory(), "src/cli/p2pchat")
    run(["sh", "-c", f"{program} --bus={new.bus.address} identity export - | "
                     f"{program} --bus={third.bus.address} identity import -"])
    new.stop()
    comes_back(third)
    assert_equal(third.get("Id"), ident)
    third.wait_message("at the new house")


main()
