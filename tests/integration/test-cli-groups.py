#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line about groups, with a service that says what the test wants"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import ERROR, build_directory  # noqa: E402
from gi.repository import GLib  # noqa: E402
from harness import *  # noqa: E402,F403
from stand_in import StandIn  # noqa: E402
from terminal import Terminal  # noqa: E402

TEAM, OTHER, CLUB = "1a2b" + "0" * 28, "9f00" + "0" * 28, "77" * 16
OWN = "Ece#k3f7q2mx"
COUNT = 0


def service(*groups):
    os.environ["TZ"] = "UTC"
    s = StandIn(Bus())
    s.groups = list(groups or ((TEAM, "+team", "member", [OWN, "Bob", "Can"]),
                               (CLUB, "+Schach Club", "invited", ["Bob", OWN])))
    s.users = [("Bob", "7xq2c5vnbbbbbbbbbbbbbbbbbb", "192.0.2.2", "online", 1, "encrypted", "")]
    s.results["Create"] = (TEAM,)
    return s


def two_of_one_name():
    return service((TEAM, "+team#1a2b", "member", [OWN]), (OTHER, "+Team#9f00", "member", ["Bob"]))


def rows(text):
    return [" ".join(line.split()) for line in text.splitlines()]


def lines_of(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def row(sequence, conversation, user, text, direction="received", state="received"):
    return (sequence, f"01J{sequence:023}", direction, conversation, user, 1767225600000000, "",
            "7xq2c5vnbbbbbbbbbbbbbbbbbb", state, "encrypted", text)


def say(s, conversation, user, text):
    """A message comes."""
    s.properties["LastSequence"] += 1
    s.emit("MessageReceived", "tssssta{sv}", s.properties["LastSequence"], "01J", conversation, user,
           text, 1767225600000000,
           {"user-id": GLib.Variant("s", "7xq2c5vnbbbbbbbbbbbbbbbbbb"),
            "address": GLib.Variant("s", ""), "security": GLib.Variant("s", "encrypted")})


@test
def what_there_is():
    s = service()
    for command in (("group",), ("group", "list")):
        assert_equal(rows(s.cli(*command, check=True).stdout),
                     [f"+team member {OWN}, Bob, Can", f"+Schach Club invited Bob, {OWN}"])
    assert_equal(lines_of(s.cli("--json", "group", "list", check=True)), [
        {"id": TEAM, "word": "+team", "state": "member", "members": [OWN, "Bob", "Can"]},
        {"id": CLUB, "word": "+Schach Club", "state": "invited", "members": ["Bob", OWN]}])
    s.groups = []
    done = s.cli("group", check=True)
    assert_equal(done.stdout, "")
    assert_in("group create", done.stderr)
    assert_equal(s.cli("--json", "group", check=True).stdout, "")


@test
def members():
    s = service()
    for word in ("+team", "team", "+TEAM", TEAM, "+team#1a2b00"):
        assert_equal(s.cli("group", "members", word, check=True).stdout, f"{OWN}\nBob\nCan\n")
    assert_equal(lines_of(s.cli("--json", "group", "members", "team")),
                 [{"user": OWN}, {"user": "Bob"}, {"user": "Can"}])
    for word in ("+nobody", "+tea", "+team#1a2", "+team#9f00", OTHER):
        done = s.cli("group", "members", word)
        assert_equal((done.returncode, done.stdout), (1, ""))
        assert_in(word, done.stderr)
        assert_in("group list", done.stderr)


@test
def which_of_two_is_meant():
    s = two_of_one_name()
    done = s.cli("group", "members", "team")
    assert_equal((done.returncode, done.stderr),
                 (1, "p2pchat: +team is ambiguous: +team#1a2b, +Team#9f00\n"))
    assert_equal(s.cli("group", "members", "team#9f00").stdout, "Bob\n")
    s.errors["Leave"] = (ERROR + "AmbiguousUser", "+team is ambiguous: +team#1a2b, +Team#9f00")
    done = s.cli("group", "leave", "team")
    assert_equal((done.returncode, done.stderr),
                 (1, "p2pchat: +team is ambiguous: +team#1a2b, +Team#9f00\n"))


@test
def what_is_asked_of_the_service():
    s = service()
    done = s.cli("group", "create", "team", "bob", "can", check=True)
    assert_equal(done.stdout, "+team is made, and 2 users are invited.\n")
    assert_equal(s.calls[0], ("Create", ("team", ["bob", "can"])))
    assert_equal(lines_of(s.cli("--json", "group", "create", "+team", check=True)), [{"id": TEAM}])
    assert_equal(s.calls[-1], ("Create", ("team", [])))
    assert_in("group invite +team USER", s.cli("group", "create", "team", check=True).stdout)

    del s.calls[:]
    s.cli("group", "invite", "team", "dan", "efe", check=True)
    s.cli("group", "accept", "Schach Club", check=True)
    s.cli("group", "remove", "+team", "bob", check=True)
    s.cli("group", "leave", TEAM, check=True)
    assert_equal(s.calls, [("Invite", ("+team", "dan")), ("Invite", ("+team", "efe")),
                           ("Accept", ("+Schach Club",)), ("Remove", ("+team", "bob")),
                           ("Leave", (TEAM,))])
    s.errors["Invite"] = (ERROR + "UnknownUser", "There is no dan.")
    done = s.cli("group", "invite", "team", "dan", "efe")
    assert_equal((done.returncode, done.stderr), (1, "p2pchat: There is no dan.\n"))
    assert_equal(len(s.calls), 6, "after a mistake nobody else is asked for")


@test
def mistakes():
    s = service()
    for words in (["create"], ["invite", "+team"], ["invite"], ["accept"], ["accept", "a", "b"],
                  ["remove", "+team"], ["remove", "+team", "a", "b"], ["leave"], ["members"],
                  ["list", "x"], ["frobnicate"], ["list", "--all"]):
        done = s.cli("group", *words)
        assert_equal((words, done.returncode, done.stdout), (words, 2, ""))
        assert_in("p2pchat", done.stderr)
    assert_equal(s.calls, [], "calls")


@test
def sending_and_waiting():
    s = service()
    s.results["SendMessage"] = ("01J", "queued")
    done = s.cli("send", "+team", "hello")
    assert_equal((done.returncode, done.stdout), (3, "01J queued\n"))
    assert_equal(done.stderr, "no other member of +team has it yet: queued, will be sent when one "
                              "is there\n")
    assert_equal(s.calls, [("SendMessage", ("+team", "hello"))])


@test
def history_shows_group_and_author():
    s = service()
    s.results["GetHistory"] = ([row(2, "+team", "Ece", "two", "sent", "queued"),
                                row(1, "+team", "Bob", "one")],)
    assert_equal(rows(s.cli("history", "+team", check=True).stdout),
                 ["2026-01-01 00:00:00 RECEIVED +team Bob encrypted one",
                  "2026-01-01 00:00:00 SENT +team Ece encrypted (queued) two"])
    assert_equal([(m["conversation"], m["user"]) for m in
                  lines_of(s.cli("--json", "history", "+team"))],
                 [("+team", "Bob"), ("+team", "Ece")])


@test
def completion():
    s = service()

    def complete(*words):
        return s.cli("--complete", "--", *words, check=True).stdout.splitlines()

    assert_equal(complete("gro"), ["group"])
    assert_equal(complete("group", ""),
                 ["list", "create", "invite", "accept", "members", "remove", "leave"])
    for part in ("invite", "accept", "members", "remove", "leave"):
        assert_equal(complete("group", part, "+t"), ["+team"])
    assert_equal(complete("group", "invite", "+team", ""), ["Bob"])
    assert_equal(complete("group", "invite", "+team", "Bob", "b"), ["Bob"])
    assert_equal(complete("group", "create", ""), [])
    assert_equal(complete("group", "create", "team", ""), ["Bob"])
    assert_equal(complete("group", "accept", "+team", ""), [])
    assert_equal(complete("send", ""), ["Bob", "+team", "+Schach Club"])
    assert_equal(complete("history", "+S"), ["+Schach Club"])
    assert_equal(complete("send", "+team", ""), [])
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "../../src/cli/p2pchat.bash")
    words = [f"--bus={s.bus.address}", "group", "accept", "+S"]
    done = run(["bash", "-c", f"""
        PATH={build_directory()}/src/cli:$PATH
        . {script}
        COMP_WORDS=(p2pchat "$@") COMP_CWORD={len(words)}
        _p2pchat p2pchat
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """, "bash", *words], check=True)
    assert_equal(done.stdout, "+Schach\\ Club\n")


@test
def text_of_others_is_harmless():
    evil = "\033[31m+red\u202e"
    s = service((TEAM, f"+{evil}", "member", [evil, "Bob"]))
    s.results["GetHistory"] = ([row(1, f"+{evil}", evil, "x\033[2J")],)
    for words in (("group", "list"), ("group", "members", TEAM), ("history", TEAM)):
        shown = s.cli(*words, check=True).stdout
        assert_in("red", shown)
        assert_equal([c for c in shown if c != "\n" and not c.isprintable()], [], "characters")
    assert_equal(s.cli("--complete", "--", "send", "+", check=True).stdout, "")


@test
def invitations_above_the_prompt():
    s = service()
    terminal = Terminal(s.bus, s.directory)
    terminal.wait(r"^Your username \[Ece\]:$")
    terminal.enter()
    terminal.wait(r"^p2pchat>$")
    terminal.type("half a li")
    s.invite("+Schach Club", CLUB, "Bob")
    lines = terminal.wait(r"^p2pchat> half a li$")
    terminal.wait(r'^Bob invites you to \+Schach Club: "group accept \'\+Schach Club\'"')
    lines = terminal.wait(r"^p2pchat> half a li$")
    assert_true(lines[-1].startswith("p2pchat> half a li"), lines)
    say(s, "+team", "Bob", "hello all")
    terminal.wait(r"^00:00 \+team Bob \(encrypted\): hello all$")
    terminal.leave()


@test
def chat_in_a_group():
    s = service()
    s.results["GetHistory"] = ([row(1, "+team", "Can", "before")],)
    s.properties["LastSequence"] = 1
    terminal = Terminal(s.bus, s.directory, "chat", "+Team")
    terminal.wait(r"^.*RECEIVED +\+team Can .* before$")
    terminal.wait(r"^\+Team: 3 members, encrypted\. Each line is sent; /end leaves\.$")
    say(s, "+team", "Bob", "hello")
    terminal.wait(r"^00:00 Bob \(encrypted\): hello$")
    say(s, "Bob", "Bob", "you alone")
    say(s, "+Schach Club", "Bob", "elsewhere")
    terminal.wait(r"^00:00 Bob \(encrypted\): you alone$")
    terminal.wait(r"^00:00 \+Schach Club Bob \(encrypted\): elsewhere$")
    # Another group has come by that name: the word is another now, the group is not.
    say(s, "+team#1a2b", "Can", "still here")
    terminal.wait(r"^00:00 Can \(encrypted\): still here$")
    say(s, "+team#9f00", "Can", "not here")
    terminal.wait(r"^00:00 \+team#9f00 Can \(encrypted\): not here$")
    s.results["SendMessageFull"] = ("01J5", "queued")
    terminal.enter("to all")
    terminal.wait(r"no other member of \+Team has it yet")
    s.emit("MessageStateChanged", "sss", "01J5", "sent", "")
    terminal.wait(r"^the message to \+Team that was queued: sent$")
    assert_equal([c[1][:2] for c in s.calls if c[0] == "SendMessageFull"], [("+Team", "to all")])
    terminal.enter("/end")
    terminal.wait(r"^status=3$")


@test
def chat_with_one_who_is_in_a_group_too():
    """What he says in the group is no answer to what was said to him."""
    s = service()
    terminal = Terminal(s.bus, s.directory, "chat", "bob")
    terminal.wait(r"^bob> *$")
    say(s, "+team", "Bob", "to all")
    terminal.wait(r"^00:00 \+team Bob \(encrypted\): to all$")
    say(s, "Bob", "Bob", "to you")
    terminal.wait(r"^00:00 Bob \(encrypted\): to you$")
    terminal.enter("/end")
    terminal.wait(r"^status=0$")


@test
def listeners_hear_of_it():
    s = service()
    terminal = Terminal(s.bus, s.directory, "listen")
    wait_for(lambda: any(c[0] == "GetHistorySince" for c in s.calls) or
             terminal.screen() is not None, 60, "the listener")
    for _ in range(200):
        say(s, "+team", "Bob", "hello")
        if "hello" in "\n".join(terminal.screen()):
            break
    terminal.wait(r"RECEIVED +\+team Bob +encrypted +hello")
    s.invite("+Schach Club", CLUB, "Bob")
    terminal.wait(r"^p2pchat: Bob invites this machine to \+Schach Club: .* '\+Schach Club'\"$")
    s.invite("+$(reboot)", CLUB, "Bob")
    terminal.wait(r"to \+\$\(reboot\): .* leave '\+\$\(reboot\)'\"$")
    s.invite("+'; reboot", CLUB, "Bob")
    terminal.wait(rf"to \+'; reboot: .* leave {CLUB}\"$")
    terminal.key("C-c")
    terminal.wait(r"status=0$")


main()
