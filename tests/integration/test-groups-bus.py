#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Groups over D-Bus: three machines and more, each with a bus of its own"""

import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import BusError, ERROR  # noqa: E402
from harness import *  # noqa: E402,F403

ADDRESSES = {"Ece": "127.65.1.1", "Bob": "127.65.1.2", "Can": "127.65.1.3", "Dan": "127.65.1.4"}
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
SECONDS = 60
CATCH_UP = 120  # two members that have not met for a while look for each other now and then


def start(*names, config=""):
    """Those, who have proven their keys to each other."""
    daemons = [Daemon(Bus(), ADDRESSES[name], name=name, config=config) for name in names]
    for one in daemons:
        one.id, one.name = one.get("Id"), one.get("Username")
    for one in daemons:
        for other in daemons:
            if one is not other:
                one.wait_user(other.name)
                say(one, other.name, f"hello {other.name}")
    return daemons


def say(daemon, user, text, state="delivered"):
    """Sent, and in that state at last; its id."""
    id, _ = daemon.call("SendMessageFull", "ssa{sv}", user, text, {"wait-usec": ("t", 0)})
    wait_state(daemon, id, state)
    return id


def state_of(daemon, id):
    return [m["state"] for m in daemon.history() if m["id"] == id][0]


def wait_state(daemon, id, state, seconds=SECONDS):
    wait_for(lambda: state_of(daemon, id) == state, seconds, f"{id} to be {state}", 0.1)


def groups(daemon):
    return {row[0]: row[1:] for row in daemon.group("List")[0]}


def wait_invited(daemon, id, seconds=CATCH_UP):
    wait_for(lambda: groups(daemon).get(id, (0, 0))[1] == "invited", seconds, "the invitation", 0.1)


def accept(daemon, id):
    wait_invited(daemon, id)
    daemon.group("Accept", "s", id)
    assert_equal(groups(daemon)[id][1], "member", "state")


def team(*names, name="team"):
    """The first has created it, all others have accepted."""
    daemons = start(*names)
    id = daemons[0].group("Create", "sas", name, [d.name for d in daemons[1:]])[0]
    for d in daemons[1:]:
        accept(d, id)
    return [id, *daemons]


def texts(daemon, word="+team"):
    return [m["text"] for m in reversed(daemon.history(word))]


def wait_texts(daemon, wanted, word="+team", seconds=CATCH_UP):
    wait_for(lambda: texts(daemon, word) == wanted, seconds,
             f"{wanted} at {daemon.name}", 0.1)


def members(daemon, id):
    """Names of the members, sorted."""
    return sorted(re.sub("#.*", "", word) for word in groups(daemon)[id][2])


def wait_members(daemon, id, *names):
    wait_for(lambda: members(daemon, id) == sorted(names), CATCH_UP, f"members {names}", 0.1)


def assert_error(name, daemon, member, signature="", *args):
    try:
        result = daemon.group(member, signature, *args)
    except BusError as error:
        wanted = name if "." in name else ERROR + name
        assert_equal(error.name, wanted, f"error of {member} {args}: {error.sentence}")
        assert_true(len(error.sentence) > 10, "sentence")
        return error.sentence
    raise Failure(f"{member} {args}: {result!r} instead of an error")


@test
def created_invited_accepted():
    ece, bob, can = start("Ece", "Bob", "Can")
    signals = bob.signals()
    id = ece.group("Create", "sas", "team", ["bob", f"Can#{can.id}"])[0]
    assert_true(re.fullmatch("[0-9a-f]{32}", id), id)
    assert_equal(groups(ece), {id: ("+team", "member", groups(ece)[id][2])}, "list of the creator")
    assert_equal(members(ece, id), ["Bob", "Can", "Ece"], "members")
    assert_equal(signals.wait("Invited"), ("+team", id, "Ece"), "signal")
    assert_equal(groups(bob)[id][:2], ("+team", "invited"), "list of the invited")
    assert_equal(members(bob, id), ["Bob", "Can", "Ece"], "members, before they are accepted")
    status = bob.call("GetStatus")[0]
    assert_equal((status["groups"], status["invitations"]), (0, 1), "status")

    # Nothing is said to who has not accepted, and nothing taken from him.
    assert_error_of_send(bob, "+team")
    accept(can, id)
    say(ece, "+team", "one", "sent")
    wait_texts(can, ["one"])
    assert_equal(texts(bob), [], "nothing before")
    bob.group("Accept", "s", "+team")
    wait_texts(bob, ["one"])
    wait_for(lambda: [m["state"] for m in ece.history("+team")] == ["delivered"], CATCH_UP,
             "all to have it")
    status = bob.call("GetStatus")[0]
    assert_equal((status["groups"], status["invitations"]), (1, 0), "status")
    assert_in("groups", bob.get("Features"), "Features")


def assert_error_of_send(daemon, word):
    try:
        result = daemon.call("SendMessage", "ss", word, "no")
    except BusError as error:
        assert_true(error.name.startswith(ERROR) or error.name == INVALID_ARGS, error.name)
        return error.sentence
    raise Failure(f"{result} instead of an error")


@test
def a_message_reaches_all():
    id, ece, bob, can = team("Ece", "Bob", "Can")
    signals = can.signals()
    states = bob.signals()
    sent = say(bob, "+team", "to all")
    assert_equal([a for a in states.all("MessageStateChanged") if a[0] == sent][-1],
                 (sent, "delivered", ""), "signal")
    seen = signals.wait("MessageReceived", lambda a: a[4] == "to all")
    assert_equal(seen[2:5], ("+team", "Bob", "to all"), "conversation, user, text")
    assert_equal((seen[6]["user-id"], seen[6]["address"], seen[6]["security"]),
                 (bob.id, "", "encrypted"), "details")
    row = can.history("+team")[0]
    assert_equal((row["conversation"], row["user"], row["user_id"], row["direction"], row["state"],
                  row["address"], row["security"]),
                 ("+team", "Bob", bob.id, "received", "received", "", "encrypted"), "row")
    row = bob.history("+TEAM")[0]
    assert_equal((row["conversation"], row["user"], row["user_id"], row["direction"], row["state"]),
                 ("+team", "Bob", bob.id, "sent", "delivered"), "row of the author")
    for word in ("+team", f"+team#{id[:4]}", id, ""):
        assert_equal([m["text"] for m in can.history(word) if m["conversation"] == "+team"],
                     ["to all"], f"history of {word!r}")
    assert_equal([m["text"] for m in can.history("Bob") if m["conversation"] == "+team"], [],
                 "what is said between two is another conversation")
    assert_equal([m[10] for m in can.call("SearchHistory", "sstu", "+team", "ALL", 0, 9)[0]],
                 ["to all"], "search")
    last = can.get("LastSequence")
    assert_equal([m["text"] for m in can.history_since(last - 1, "+team")], ["to all"], "since")
    assert_equal(can.history_log()[-1][1:],
                 ["RECEIVED", "Bob", "+team", "encrypted", "to all"], "line of the log")
    assert_equal(bob.history_log()[-1][1:],
                 ["SENT", "Bob", "+team", "encrypted", "to all"], "line of the author's log")


@test
def a_file_goes_to_all():
    id, ece, bob, can = team("Ece", "Bob", "Can")
    signals = ece.signals()
    content = os.urandom(100_000)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        sent = ece.file_send("+team", "plan.txt", file)
    assert_equal(sorted((f["id"], f["user"], f["direction"]) for f in ece.files()),
                 [(sent, user, "sent") for user in ("Bob", "Can")], "one file, a row for each")
    for one in (bob, can):
        offer = wait_for(one.files, SECONDS, f"the offer at {one.name}")[0]
        assert_equal((offer["user"], offer["name"], offer["size"]), ("Ece", "plan.txt", len(content)))
        with tempfile.TemporaryFile() as file:
            one.file_accept(offer["id"], file)
            wait_for(lambda d=one: d.files() == [], SECONDS, f"it to be at {one.name}", 0.1)
            file.seek(0)
            assert_true(file.read() == content, "the same bytes")
    assert_equal(signals.wait("Finished")[:2], (sent, "done"))
    assert_equal(len(signals.all("Finished")), 1, "told once for all")
    assert_equal(ece.files(), [])
    assert_equal(os.listdir(os.path.join(ece.state, "spool")), [])


@test
def states_of_a_message():
    """Queued while nobody has it, sent when one has, delivered when all have."""
    id, ece, bob, can = team("Ece", "Bob", "Can")
    bob.stop()
    can.stop()
    sent = say(ece, "+team", "one", "queued")
    assert_equal(ece.get("MessagesQueued"), 1, "MessagesQueued")
    try:
        ece.call("CancelMessage", "s", sent)
        raise Failure("it is signed, and cannot be taken back")
    except BusError as error:
        assert_equal(error.name, ERROR + "NoSuchMessage", "cancelling")
    bob.start()
    wait_state(ece, sent, "sent", CATCH_UP)
    ece.restart()
    assert_equal(state_of(ece, sent), "sent", "after a restart")
    can.start()
    wait_state(ece, sent, "delivered", CATCH_UP)
    assert_equal(ece.get("MessagesQueued"), 0, "MessagesQueued")
    for d in (bob, can):
        wait_texts(d, ["one"])


@test(seconds=400)
def the_absent_get_it_through_a_third():
    id, ece, bob, can = team("Ece", "Bob", "Can")
    can.stop()
    say(ece, "+team", "while Can was away", "sent")
    wait_texts(bob, ["while Can was away"])
    ece.stop()
    can.start()
    wait_texts(can, ["while Can was away"])
    row = can.history("+team")[0]
    assert_equal((row["user"], row["user_id"], row["security"]), ("Ece", ece.id, "encrypted"),
                 "the author, not who brought it")
    ece.start()
    wait_for(lambda: ece.history("+team")[0]["state"] == "delivered", CATCH_UP, "Ece to know it")


@test(seconds=400)
def who_is_removed_gets_nothing_more():
    id, ece, bob, can = team("Ece", "Bob", "Can")
    say(ece, "+team", "before")
    assert_error(INVALID_ARGS, bob, "Remove", "ss", "+team", "can")
    assert_error("UnknownUser", ece, "Remove", "ss", "+team", "dan")
    ece.group("Remove", "ss", "+team", "can")
    wait_members(bob, id, "Bob", "Ece")
    say(ece, "+team", "after")
    say(bob, "+team", "after, too")
    wait_for(lambda: id not in groups(can), CATCH_UP, "Can to know it", 0.1)
    assert_equal(texts(can), ["before"], "what he keeps")
    assert_error_of_send(can, "+team")
    # Invited again he has a right to what is said from then on, and to nothing in between.
    ece.group("Invite", "ss", "+team", "can")
    accept(can, id)
    wait_members(bob, id, "Bob", "Can", "Ece")
    say(ece, "+team", "again")
    wait_texts(can, ["before", "again"])


@test(seconds=400)
def who_leaves_is_gone():
    id, ece, bob, can = team("Ece", "Bob", "Can")
    say(can, "+team", "goodbye")
    can.group("Leave", "s", "+team")
    assert_equal(groups(can), {}, "his list")
    wait_members(ece, id, "Bob", "Ece")
    wait_members(bob, id, "Bob", "Ece")
    say(ece, "+team", "he is gone")
    wait_texts(bob, ["goodbye", "he is gone"])
    assert_equal(texts(can, id), ["goodbye"], "what he keeps")
    can.restart()
    assert_equal(groups(can), {}, "his list after a restart")
    # The creator, too: the group goes on.
    ece.group("Leave", "s", id)
    wait_members(bob, id, "Bob")
    assert_error(INVALID_ARGS, bob, "Invite", "ss", "+team", "can")
    say(bob, "+team", "alone", "delivered")


@test
def an_invitation_is_declined():
    ece, bob = start("Ece", "Bob")
    id = ece.group("Create", "sas", "team", ["bob"])[0]
    wait_invited(bob, id)
    bob.restart()
    assert_equal(groups(bob)[id][1], "invited", "after a restart")
    bob.group("Leave", "s", "+team")
    assert_equal(groups(bob), {}, "list")
    wait_members(ece, id, "Ece")
    assert_in("creator", assert_error("CannotChat", bob, "Accept", "s", "+team"))


@test(seconds=400)
def a_restart_and_a_kill_keep_all():
    id, ece, bob, can = team("Ece", "Bob", "Can")
    wanted = []
    for i in range(5):
        for d in (ece, bob, can):
            wanted.append(f"{i} of {d.name}")
            say(d, "+team", wanted[-1], "delivered")
    for d in (ece, bob, can):
        assert_equal(sorted(texts(d)), sorted(wanted), f"texts of {d.name}")
    before = {d.name: (groups(d)[id][:2], members(d, id), texts(d)) for d in (ece, bob, can)}
    ece.restart()
    bob.kill()
    bob.start()
    for d in (ece, bob, can):
        assert_equal((groups(d)[id][:2], members(d, id), texts(d)), before[d.name], d.name)
    # In the middle of it.
    sent = [ece.call("SendMessageFull", "ssa{sv}", "+team", f"late {i}",
                     {"wait-usec": ("t", 0)})[0] for i in range(20)]
    ece.kill()
    ece.start()
    for d in (bob, can):
        wait_for(lambda: [t for t in texts(d) if t.startswith("late")] ==
                 [f"late {i}" for i in range(20)], CATCH_UP, f"all of it at {d.name}, in order", 0.2)
    wait_state(ece, sent[-1], "delivered", CATCH_UP)


@test(seconds=400)
def of_a_blocked_author_nothing_is_shown():
    id, ece, bob, can = team("Ece", "Bob", "Can")
    can.call("Block", "s", "bob")
    signals = can.signals()
    say(bob, "+team", "unheard", "sent")
    wait_texts(ece, ["unheard"])
    say(ece, "+team", "heard")
    signals.wait("MessageReceived", lambda a: a[4] == "heard")
    assert_equal(texts(can), ["heard"], "texts")
    assert_equal([a[4] for a in signals.all("MessageReceived")], ["heard"], "signals")
    assert_equal([line[-1] for line in can.history_log() if "+team" in line], ["heard"], "log")


@test
def a_group_is_muted_and_forgotten():
    id, ece, bob = team("Ece", "Bob")
    signals = bob.signals()
    bob.call("Mute", "st", "+team", 0)
    say(ece, "+team", "quiet")
    assert_equal(bob.history("+team")[0]["state"], "muted", "state")
    bob.restart()
    signals = bob.signals()
    say(ece, "+team", "quiet, too")
    assert_equal(bob.history("+team")[0]["state"], "muted", "state after a restart")
    bob.call("Unmute", "s", "+team")
    say(ece, "+team", "loud")
    signals.wait("MessageReceived", lambda a: a[4] == "loud")
    assert_equal([a[4] for a in signals.all("MessageReceived")], ["loud"], "signals")

    bob.call("Forget", "s", "+team")
    assert_equal(texts(bob), [], "texts")
    assert_equal(groups(bob)[id][:2], ("+team", "member"), "the group stays")
    say(ece, "+team", "new")
    wait_texts(bob, ["new"])
    bob.restart()
    assert_equal(texts(bob), ["new"], "texts after a restart")
    assert_equal([m["text"] for m in bob.history("Ece") if m["text"] == "hello Bob"],
                 ["hello Bob"], "what is said between two stays")


@test
def words():
    ece, bob = start("Ece", "Bob")
    one = ece.group("Create", "sas", "team", [])[0]
    say(ece, "+team", "to the first", "delivered")
    two = ece.group("Create", "sas", "Team", ["bob"])[0]
    accept(bob, two)
    assert_equal({i: g[0] for i, g in groups(ece).items()},
                 {one: f"+team#{prefix(one, two)}", two: f"+Team#{prefix(two, one)}"}, "words")
    sentence = assert_error("AmbiguousUser", ece, "Leave", "s", "+team")
    for word, _, _ in groups(ece).values():
        assert_in(word, sentence)
    for call in (("SendMessage", "ss", "+team", "x"), ("GetHistory", "su", "+team", 1),
                 ("Mute", "st", "+team", 0)):
        try:
            ece.call(*call)
            raise Failure(f"{call}: no error")
        except BusError as error:
            assert_equal(error.name, ERROR + "AmbiguousUser", f"{call}")
    say(ece, f"+TEAM#{prefix(two, one)}", "to the second")
    wait_texts(bob, ["to the second"])
    assert_equal(ece.history(one)[0]["conversation"], f"+team#{prefix(one, two)}", "conversation")
    assert_equal(bob.history("+team")[0]["conversation"], "+Team", "its word where it is the only one")
    for word in ("+nobody", "+", "+team#1", f"+team#{'f' if one[0] != 'f' else 'e'}000", "team",
                 "0" * 32):
        assert_error("UnknownUser", ece, "Leave", "s", word)


def prefix(id, other):
    n = 4
    while id[:n] == other[:n]:
        n += 1
    return id[:n]


@test
def mistakes():
    ece, bob = start("Ece", "Bob")
    for name in ("", "+", "a#b", "a@b", "++a", " a", "a ", "a\nb", "x" * 65, "a\u202eb"):
        assert_error("InvalidName", ece, "Create", "sas", name, [])
    assert_error("UnknownUser", ece, "Create", "sas", "team", ["bob", "nobody"])
    assert_equal(groups(ece), {}, "nothing is made after a mistake")
    id = ece.group("Create", "sas", "+team", ["bob", "BOB"])[0]
    assert_equal(groups(ece)[id][0], "+team", "the + is that of the word")
    assert_equal(members(ece, id), ["Bob", "Ece"], "who is named twice is there once")
    for member, args in (("Invite", ("+team", "nobody")), ("Invite", ("+nobody", "bob")),
                         ("Remove", ("+team", "nobody")), ("Remove", ("+nobody", "bob"))):
        assert_error("UnknownUser", ece, member, "ss", *args)
    wait_invited(bob, id)
    sentence = assert_error("CannotChat", bob, "Remove", "ss", "+team", "ece")
    assert_in("+team", sentence)
    assert_in("group accept", assert_error_of_send(bob, "+team"))
    bob.group("Accept", "s", id)
    assert_in("+team", assert_error(INVALID_ARGS, bob, "Accept", "s", id))
    assert_error(INVALID_ARGS, ece, "Invite", "ss", "+team", "bob")
    assert_error(INVALID_ARGS, ece, "Remove", "ss", "+team", "ece")
    try:
        ece.call("SendMessageFull", "ssa{sv}", "+team", "x", {"security": ("s", "verified")})
        raise Failure("nobody is verified")
    except BusError as error:
        assert_equal(error.name, ERROR + "NotSecure", "more than there is")
    ece.call("Block", "s", "bob")
    can = Daemon(Bus(), ADDRESSES["Can"], name="Can")
    can.wait_user("Ece")
    ece.wait_user("Can")
    assert_error("Blocked", ece, "Create", "sas", "club", ["bob"])


@test
def the_command_line():
    id, ece, bob = team("Ece", "Bob")
    done = ece.cli("send", "+team", "--wait", "30", "hello all", check=True)
    assert_true(done.stdout.split()[1] in ("sent", "delivered"), done.stdout)
    wait_texts(bob, ["hello all"])
    assert_equal(bob.cli("group", check=True).stdout.split()[:2], ["+team", "member"])
    assert_in("+team Ece", bob.cli("history", "+team", check=True).stdout)
    assert_equal(sorted(re.sub("#.*", "", line) for line in
                        bob.cli("group", "members", "team", check=True).stdout.splitlines()),
                 ["Bob", "Ece"])
    assert_in("Groups", bob.cli("status", check=True).stdout)
    done = bob.cli("group", "remove", "team", "ece")
    assert_equal((done.returncode, done.stdout), (1, ""))
    bob.cli("group", "leave", "team", check=True)
    assert_in("no group", bob.cli("group", check=True).stderr)


main()
