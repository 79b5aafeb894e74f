#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line with real daemons: Ece and Bob, each with a bus of its own"""

import json
import os
import signal
import socket
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../interop"))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import build_directory, bus_call  # noqa: E402
from harness import *  # noqa: E402,F403
from peer import Peer  # noqa: E402

MESSAGE_KEYS = ["sequence", "id", "direction", "conversation", "user", "time", "address",
                "user_id", "state", "security", "text"]
QUEUED = ("connection with bob cannot be established: queued, will be sent when bob is back\n")


def ece_alone():
    return Daemon(Bus(), "127.20.1.1", name="Ece")


def ece_and_bob():
    ece = ece_alone()
    bob = Daemon(Bus(), "127.20.1.2", name="Bob")
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    return ece, bob


def ece_and_old_bob():
    """Bob has a program of the classic protocol, and had his first message."""
    ece = ece_alone()
    bob = Peer(ece.address, "127.20.1.3", "Bob")
    ece.wait_user("Bob")
    ece.cli("send", "bob", "first")
    bob.wait_text("first", True)
    return ece, bob


def objects(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


class Program:
    """p2pchat running beside the test; .lines() is what it wrote up to now."""

    def __init__(self, daemon, *arguments, environment=None):
        self.output = os.path.join(tempdir(), "output")
        self.errors = self.output + ".errors"
        env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=daemon.bus.address,
                   XDG_STATE_HOME=os.path.join(daemon.directory, "xdg-state"))
        env.pop("STATE_DIRECTORY", None)
        env.update(environment or {})
        with open(self.output, "wb") as out, open(self.errors, "wb") as err:
            self.process = subprocess.Popen(
                [os.path.join(build_directory(), "src/cli/p2pchat"), *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env,
                preexec_fn=child_dies_with_us)
        defer(self.end)

    def lines(self):
        with open(self.output, encoding="utf-8") as file:
            return file.read().splitlines()

    def complaints(self):
        with open(self.errors, encoding="utf-8") as file:
            return file.read()

    def wait_lines(self, n):
        wait_for(lambda: len(self.lines()) >= n, 60, f"{n} lines")
        return self.lines()

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(60)
        for mark in ("AddressSanitizer", "LeakSanitizer", "runtime error:"):
            if mark in self.complaints():
                raise Failure(self.complaints()[-3000:])
        return status


def say(sender, receiver, texts):
    """Sends messages and waits until the other side has them."""
    for text in texts:
        sender.call("SendMessage", "ss", receiver, text)


def has_texts(daemon, texts):
    known = {m["text"] for m in daemon.history()}
    return all(t in known for t in texts)


def deliver(sender, name, receiver, texts):
    say(sender, name, texts)
    wait_for(lambda: has_texts(receiver, texts), 120, f"{len(texts)} messages")


@test
def users_are_shown_with_their_state():
    ece, bob = ece_and_bob()
    done = ece.cli("users", check=True)
    assert_equal(done.stdout, "Bob (Online)\n", "users")
    done = ece.cli("--json", "users", check=True)
    rows = objects(done)
    assert_equal(list(rows[0]),
                 ["name", "id", "address", "state", "last_heard", "security", "flags"], "keys")
    assert_equal(rows[0]["name"], "Bob")
    assert_equal(rows[0]["address"], "127.20.1.2")
    # Neighbours on the ring soon prove who they are.
    wait_for(lambda: ece.user("Bob")["security"] == "encrypted", 60, "a session with Bob")
    for arguments in (["--all"], ["--long"]):
        words = ece.cli("users", *arguments, check=True).stdout.split()
        assert_equal(words[:5],
                     ["Bob", "(Online)", "encrypted", "127.20.1.2", "#" + rows[0]["id"][:8]])


@test
def namesakes_are_shown_by_the_word_that_reaches_them():
    ece, bob = ece_and_bob()
    Peer(ece.address, "127.20.1.3", "bob")
    Daemon(Bus(), "127.20.1.4", name="Cem")  # by bytes it would stand between the two
    wait_for(lambda: len([u for u in ece.users() if u["state"] == "online"]) == 3, 60, "three")
    word = f"Bob#{bob.get('Id')[:4]}"
    done = ece.cli("users", check=True)
    assert_equal(sorted(done.stdout.splitlines()),
                 sorted([f"{word} (Online)", "bob@127.20.1.3 (Online)", "Cem (Online)"]))
    assert_equal(done.stdout.splitlines()[2], "Cem (Online)")
    rows = objects(ece.cli("--json", "users", check=True))
    assert_equal([u["flags"] for u in rows], ["namesake", "namesake", ""], "flags")
    done = ece.cli("send", "BOB", "which?")
    assert_equal(done.returncode, 1, "status")
    for candidate in (word, "bob@127.20.1.3"):
        assert_in(candidate, done.stderr)
    done = ece.cli("--complete", "--", "send", "b", check=True)
    assert_equal(sorted(done.stdout.split()), [word, "bob@127.20.1.3"], "completion")

    # Who was sent to by that word is the contact, whom the bare name means.
    ece.cli("send", word, "you", "--wait", "30", check=True)
    bob.wait_message("you")
    assert_in("Bob (Online)\n", ece.cli("users", check=True).stdout)
    ece.cli("send", "bob", "you again", "--wait", "30", check=True)
    bob.wait_message("you again")


@test
def nobody_is_there():
    ece = ece_alone()
    done = ece.cli("users", check=True)
    assert_equal(done.stdout, "")
    assert_in("nobody is there", done.stderr)


@test
def a_message_crosses_and_is_in_both_histories():
    ece, bob = ece_and_bob()
    done = ece.cli("send", "bob", "lunch", "at", "noon?", "--wait", "30", check=True)
    ident, state = done.stdout.split()
    assert_equal(state, "delivered", "state")
    bob.wait_message("lunch at noon?")
    assert_equal([(m["id"], m["text"]) for m in objects(ece.cli("--json", "history", "bob"))],
                 [(ident, "lunch at noon?")])
    line = ece.cli("history", check=True).stdout
    for word in ("SENT", "Bob", "127.20.1.2", "encrypted", "lunch at noon?"):
        assert_in(word, line)
    line = bob.cli("history", "Ece", check=True).stdout
    for word in ("RECEIVED", "Ece", "127.20.1.1", "encrypted", "lunch at noon?"):
        assert_in(word, line)
    assert_equal(list(objects(bob.cli("history", "--json"))[0]), MESSAGE_KEYS, "keys")


@test
def plain_text_only_when_asked_for():
    ece, bob = ece_and_old_bob()
    done = ece.cli("send", "bob", "--plain", "--wait", "30", "open", check=True)
    assert_equal(done.stdout.split()[1], "sent")
    bob.wait_text("open", False)
    ece.cli("send", "bob", "--number", "7", "--wait", "30", "closed", check=True)
    bob.wait_text("closed", True)
    assert_equal(ece.cli("send", "bob", "--number", "x", "hi").returncode, 2)


@test
def plain_text_never_to_who_has_a_key():
    ece, bob = ece_and_bob()
    ece.cli("send", "bob", "--plain", "--wait", "30", "not so", check=True)
    assert_equal(bob.wait_message("not so")["security"], "encrypted")


@test
def text_from_standard_input():
    ece, bob = ece_and_bob()
    ece.cli("send", "bob", "--wait", "30", "-", input="two\nlines\n", check=True)
    bob.wait_message("two\nlines")
    assert_in("two\n    lines\n", bob.cli("history", check=True).stdout)
    done = ece.cli("send", "bob", "-", input="x" * 200000)
    assert_equal(done.returncode, 1)
    done = ece.cli("send", "bob", "-", input="x" * 61441)
    assert_equal(done.returncode, 1)
    assert_true(done.stderr.startswith("p2pchat: "), done.stderr)


@test
def who_is_away_gets_it_later_or_never():
    ece, bob = ece_and_bob()
    bob.kill()
    done = ece.cli("send", "bob", "are you there?")
    assert_equal((done.returncode, done.stderr), (3, QUEUED))
    ident, state = done.stdout.split()
    assert_equal(state, "queued")
    assert_in("encrypted (queued)", ece.cli("history").stdout)
    kept = objects(ece.cli("--json", "send", "bob", "keep this"))[0]
    assert_equal(kept["state"], "queued")

    ece.cli("cancel", ident, check=True)
    done = ece.cli("cancel", ident)
    assert_equal(done.returncode, 1)
    assert_equal(ece.cli("cancel", "01ARZ3NDEKTSV4RRFFQ69G5FAV").returncode, 1)
    bob.start()
    bob.wait_message("keep this")
    assert_not_in("are you there?", [m["text"] for m in bob.history()])


@test
def mistakes_have_their_exit_status_and_a_sentence():
    ece = ece_alone()
    for arguments, status in ((["send", "nobody", "hi"], 1), (["history", "nobody"], 1),
                              (["block", "nobody"], 1), (["frobnicate"], 2), (["send", "x"], 2),
                              (["users", "--grep", "x"], 2), (["mute", "x", "soon"], 2),
                              (["listen", "--since", "1", "--cursor", "x"], 2),
                              (["listen", "--cursor", "../x"], 2), (["history", "-n", "-1"], 2),
                              (["--colour", "users"], 2), (["history", "--forget"], 2)):
        done = ece.cli(*arguments)
        assert_equal(done.returncode, status, " ".join(arguments))
        assert_true(done.stderr.startswith("p2pchat: "), done.stderr)
        assert_equal(done.stdout, "")
    done = ece.cli("send", "nobody", "hi")
    assert_in("nobody", done.stderr)


@test
def without_a_service_or_a_bus():
    ece = ece_alone()
    ece.stop()
    for arguments in (["users"], ["send", "bob", "hi"], ["listen"], ["chat", "bob"], []):
        done = ece.cli(*arguments)
        assert_equal(done.returncode, 4, " ".join(arguments))
        assert_in("systemctl start", done.stderr)
    ece.bus.stop()
    done = ece.cli("users")
    assert_equal(done.returncode, 4)
    assert_in("message bus", done.stderr)
    assert_equal(ece.cli("--bus=unix:path=/nonexistent", "users").returncode, 4)


@test
def an_outsider_is_told_how_to_join():
    bus = Bus()
    with open(bus.config, encoding="utf-8") as file:
        config = file.read()
    with open(bus.config, "w", encoding="utf-8") as file:
        file.write(config.replace("</policy>", f'<deny send_destination="{NAME}"/></policy>'))
    bus.restart()
    ece = Daemon(bus, "127.20.1.1", name="Ece")
    done = ece.cli("users")
    assert_equal(done.returncode, 1)
    assert_in("adduser", done.stderr)
    assert_in("next login", done.stderr)


@test
def history_in_pages_searched_and_forgotten():
    ece, bob = ece_and_bob()
    texts = [f"number {i}" for i in range(30)] + ["a needle"]
    deliver(ece, "bob", bob, texts)
    shown = [m["text"] for m in objects(bob.cli("--json", "history", "-n", "1000"))]
    assert_equal(shown, texts, "everything")
    shown = [m["text"] for m in objects(bob.cli("--json", "history", "ece", "-n", "5"))]
    assert_equal(shown, texts[-5:], "the newest at the bottom")
    shown = [m["text"] for m in objects(bob.cli("--json", "history", "--grep", "NEEDLE"))]
    assert_equal(shown, ["a needle"])
    done = bob.cli("history", "ece", "--forget", check=True)
    assert_in("history.log", done.stderr)
    assert_in("journal", done.stderr)
    assert_equal(bob.cli("history", check=True).stdout, "")


@test
def a_whole_conversation_is_exported():
    """In order, through all pages, and in little memory whatever its length."""
    ece, bob = ece_and_bob()
    bob.stop()
    filler = " and so on" * 200
    texts = [f"number {i}{filler}" for i in range(5000)]
    for i in range(0, len(texts), 100):  # so many calls of one caller a bus takes
        calls = [AsyncCall(ece.connection, INTERFACE, "SendMessage", "ss", "bob", t)
                 for t in texts[i:i + 100]]
        wait_for(lambda: all(c.is_done for c in calls), 120, "the messages to be kept")
        assert_equal([c.error for c in calls if c.error], [], "errors")
    program = [os.path.join(build_directory(ece.sanitized), "src/cli/p2pchat"),
               f"--bus={ece.bus.address}", "--json", "history", "bob", "--all"]
    limit = [] if os.environ.get("P2PCHAT_BUILD_SAN") else ["prlimit", f"--data={4 << 20}"]
    done = run([*limit, *program], check=True, timeout=120)
    assert_true(len(done.stdout) > 10 << 20, "more than fits into that memory")
    shown = objects(done)
    assert_equal([m["text"] for m in shown], texts, "texts")
    assert_equal([m["sequence"] for m in shown], sorted(m["sequence"] for m in shown), "sequences")
    done = run([*limit, *program, "--grep", "NUMBER 1234 "], check=True)
    assert_equal([m["text"] for m in objects(done)], [texts[1234]], "what was looked for")
    lines = run([*limit, *[p for p in program if p != "--json"]], check=True).stdout.splitlines()
    assert_equal(len(lines), 5000, "lines for people")
    assert_in("number 0 and", lines[0])
    assert_equal(ece.cli("history", "bob", "--all", "-n", "3").returncode, 2)


@test
def text_of_others_is_harmless():
    ece, bob = ece_and_bob()
    text = "see\u202eevil\u2066\u009b31m"
    ece.cli("send", "bob", "--wait", "30", text, check=False)
    # Control characters may be refused by the sender; what can come must be shown escaped.
    text = "see\u202eevil\u2066"
    ece.cli("send", "bob", "--wait", "30", text, check=True)
    bob.wait_message(text)
    output = bob.cli("history", check=True).stdout
    assert_in("see\\u202Eevil\\u2066", output)
    assert_not_in("\u202e", output)
    output = bob.cli("--json", "history", check=True).stdout
    assert_not_in("\u202e", output)
    assert_in(text, [m["text"] for m in map(json.loads, output.splitlines())])


@test
def name_status_doctor():
    ece = Daemon(Bus(), "127.20.1.1")
    ece.cli("name", "Ece-2", check=True)
    assert_equal(ece.cli("name", check=True).stdout, "Ece-2\n")
    assert_equal(objects(ece.cli("--json", "name"))[0], {"username": "Ece-2"})
    done = ece.cli("name", "x y")
    assert_equal(done.returncode, 1)
    status = objects(ece.cli("--json", "status", check=True))[0]
    assert_equal(status["username"], "Ece-2")
    assert_equal(len(status["id"]), 26)
    assert_in("Ece-2", ece.cli("status", check=True).stdout)
    checks = objects(ece.cli("--json", "doctor"))
    assert_true(checks, "checks")
    assert_equal(list(checks[0]), ["stage", "result", "sentence"])
    ece.configure(name="Fixed")
    ece.restart()
    done = ece.cli("name", "Other")
    assert_equal(done.returncode, 1)


@test
def block_and_mute():
    ece, bob = ece_and_bob()
    bob.cli("block", "ece", check=True)
    assert_in("blocked", objects(bob.cli("--json", "users", "--all"))[0]["flags"])
    bob.cli("unblock", "ece", check=True)
    bob.cli("mute", "ece", "2h", check=True)
    listener = Program(bob, "listen", "--json", "--since", "0")
    ece.cli("send", "bob", "--wait", "30", "muted", check=True)
    bob.wait_message("muted")
    bob.cli("unmute", "ece", check=True)
    ece.cli("send", "bob", "--wait", "30", "heard", check=True)
    assert_equal(json.loads(listener.wait_lines(1)[0])["text"], "heard")
    assert_equal({m["text"]: m["state"] for m in bob.history()},
                 {"muted": "muted", "heard": "received"})


@test
def follow_shows_both_directions():
    ece, bob = ece_and_bob()
    deliver(ece, "bob", bob, ["before"])
    follower = Program(ece, "--json", "history", "bob", "--follow")
    follower.wait_lines(1)
    deliver(ece, "bob", bob, ["sent"])
    follower.wait_lines(2)
    deliver(bob, "ece", ece, ["received"])
    lines = follower.wait_lines(3)
    assert_equal([json.loads(l)["text"] for l in lines], ["before", "sent", "received"])


@test
def listen_hands_messages_to_a_handler():
    ece, bob = ece_and_bob()
    output = os.path.join(tempdir(), "handled")
    touched = os.path.join(tempdir(), "touched")
    evil = f"$(touch {touched}); `touch {touched}` \"'"
    deliver(ece, "bob", bob, ["one", evil])
    Program(bob, "listen", "--since", "0", "--exec", f"cat >> {output}")

    def handled():
        if not os.path.exists(output):
            return []
        with open(output, encoding="utf-8") as file:
            return [json.loads(line)["text"] for line in file]

    wait_for(lambda: handled() == ["one", evil], 60, "two messages")
    deliver(ece, "bob", bob, ["two"])
    wait_for(lambda: handled() == ["one", evil, "two"], 60, "the third")
    assert_false(os.path.exists(touched), "the text was run")


@test
def a_cursor_stays_where_a_handler_failed():
    ece, bob = ece_and_bob()
    output = os.path.join(tempdir(), "handled")
    fails = f"grep -q bad && exit 3; exit 0"

    # A new cursor begins with the next message; it is there when its file is.
    listener = Program(bob, "listen", "--cursor", "backup", "--exec", "true")
    cursor = os.path.join(bob.directory, "xdg-state/p2pchat/cursors/backup")
    wait_for(lambda: os.path.exists(cursor), 60, "the cursor")
    assert_equal(listener.end(), 0)

    deliver(ece, "bob", bob, ["good", "bad", "after"])
    done = bob.cli("listen", "--cursor", "backup", "--exec", fails)
    assert_equal(done.returncode, 1)
    assert_in("exit status 3", done.stderr)
    with open(cursor, encoding="ascii") as file:
        assert_equal(int(file.read()), bob.wait_message("good")["sequence"], "cursor")
    Program(bob, "listen", "--cursor", "backup", "--exec", f"cat >> {output}")
    wait_for(lambda: os.path.exists(output) and open(output).read().count("\n") == 2, 60, "two")
    with open(output, encoding="utf-8") as file:
        assert_equal([json.loads(line)["text"] for line in file], ["bad", "after"])


@test
def one_listener_a_cursor():
    ece = ece_alone()
    first = Program(ece, "listen", "--cursor", "x")
    cursor = os.path.join(ece.directory, "xdg-state/p2pchat/cursors/x")
    wait_for(lambda: os.path.exists(cursor), 60, "the cursor")
    done = ece.cli("listen", "--cursor", "x")
    assert_equal(done.returncode, 1)
    assert_in("another listener", done.stderr)
    assert_equal(first.end(), 0)


@test
def a_cursor_from_the_future():
    ece, bob = ece_and_bob()
    directory = tempdir()
    with open(os.path.join(directory, "x"), "w", encoding="ascii") as file:
        file.write("1000000\n")
    listener = Program(bob, "listen", "--json", "--cursor", "x",
                       environment={"STATE_DIRECTORY": directory})
    wait_for(lambda: "restored" in listener.complaints(), 60, "the warning")
    deliver(ece, "bob", bob, ["next"])
    assert_equal(json.loads(listener.wait_lines(1)[0])["text"], "next")


@test
def a_listener_that_was_away_finds_everything_once():
    ece, bob = ece_and_bob()
    listener = Program(bob, "listen", "--json", "--cursor", "backup")
    cursor = os.path.join(bob.directory, "xdg-state/p2pchat/cursors/backup")
    wait_for(lambda: os.path.exists(cursor), 60, "the cursor")
    deliver(ece, "bob", bob, ["first"])
    assert_equal(json.loads(listener.wait_lines(1)[0])["text"], "first")
    listener.process.kill()
    listener.process.wait()

    texts = [f"missed {i}" for i in range(100)]
    deliver(ece, "bob", bob, texts)
    deliver(bob, "ece", ece, ["and one of our own"])
    listener = Program(bob, "listen", "--json", "--cursor", "backup")
    listener.wait_lines(100)
    deliver(ece, "bob", bob, ["last"])
    lines = listener.wait_lines(101)
    assert_equal([json.loads(l)["text"] for l in lines], texts + ["last"])


@test
def a_listener_outlives_service_and_bus():
    ece, bob = ece_and_bob()
    listener = Program(bob, "listen", "--json", "--since", "0")
    deliver(ece, "bob", bob, ["one"])
    listener.wait_lines(1)

    bob.kill()
    wait_for(lambda: "is away" in listener.complaints(), 60, "the notice")
    bob.start()
    bob.wait_user("Ece")
    ece.wait_user("Bob")
    deliver(ece, "bob", bob, ["two"])
    listener.wait_lines(2)

    # What comes while there is no bus has no signal, now or later.
    bob.bus.stop()
    say(ece, "bob", ["three"])
    wait_for(lambda: any("three" in line for line in bob.history_log()), 60, "the third message")
    bob.bus.start()
    listener.wait_lines(3)
    wait_for(lambda: _answers(bob), 60, "the service on the new bus")
    deliver(ece, "bob", bob, ["four"])
    lines = listener.wait_lines(4)
    assert_equal([json.loads(l)["text"] for l in lines], ["one", "two", "three", "four"])
    assert_equal(listener.end(), 0)


def _answers(daemon):
    try:
        return daemon.get("Version")
    except Exception:
        return None


@test
def a_bus_that_stood_still():
    ece, bob = ece_and_bob()
    listener = Program(bob, "listen", "--json", "--since", "0")
    deliver(ece, "bob", bob, ["first"])
    listener.wait_lines(1)

    texts = [f"number {i}" for i in range(200)]
    bob.bus.process.send_signal(signal.SIGSTOP)
    try:
        for text in texts:
            ece.call("SendMessageFull", "ssa{sv}", "bob", text, {"wait-usec": ("t", 0)})
        wait_for(lambda: len(bob.history_log()) > 200, 200, "all messages in the log")
    finally:
        bob.bus.process.send_signal(signal.SIGCONT)
    lines = listener.wait_lines(201)
    assert_equal([json.loads(l)["text"] for l in lines], ["first"] + texts)


@test
def a_slow_handler_gets_each_message_once():
    ece, bob = ece_and_bob()
    output = os.path.join(tempdir(), "handled")
    Program(bob, "listen", "--since", "0", "--exec", f"cat >> {output}; sleep 0.1")
    texts = [f"number {i}" for i in range(25)]
    deliver(ece, "bob", bob, texts)
    wait_for(lambda: os.path.exists(output) and len(open(output).readlines()) >= 25, 60, "all")
    deliver(ece, "bob", bob, ["last"])
    wait_for(lambda: "last" in open(output).read(), 60, "the last")
    with open(output, encoding="utf-8") as file:
        assert_equal([json.loads(line)["text"] for line in file], texts + ["last"])


@test
def forged_signals_fool_no_listener():
    ece, bob = ece_and_bob()
    listener = Program(bob, "listen", "--json", "--since", "0")
    deliver(ece, "bob", bob, ["true"])
    listener.wait_lines(1)

    forger = bob.bus.connect()
    defer(forger.close_sync, None)
    names = bus_call(forger, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                     "org.freedesktop.DBus", "ListNames")[0]
    sequence = bob.get("LastSequence") + 1
    body = GLib.Variant("(tssssta{sv})", (sequence, "01J", "Ece", "Ece", "forged", 1, {}))
    mine = forger.get_unique_name()
    for target in [None] + [n for n in names if n.startswith(":") and n != mine]:
        forger.emit_signal(target, PATH, INTERFACE, "MessageReceived", body)
        # To be taken for the service, then say it again.
        forger.emit_signal(target, "/org/freedesktop/DBus", "org.freedesktop.DBus",
                           "NameOwnerChanged", GLib.Variant("(sss)", (NAME, "", mine)))
        forger.emit_signal(target, PATH, INTERFACE, "MessageReceived", body)
    forger.flush_sync(None)
    deliver(ece, "bob", bob, ["true again"])
    lines = listener.wait_lines(2)
    assert_equal([json.loads(l)["text"] for l in lines], ["true", "true again"])


@test
def a_shell_on_a_pipe():
    ece, bob = ece_and_bob()
    done = ece.cli(input="Users\nSEND bob hello from a pipe\nHistory bob\nnonsense\nquit\nUsers\n",
                   check=True)
    assert_equal(done.stdout.count("Bob (Online)"), 1)
    assert_in("hello from a pipe", done.stdout)
    assert_in("no command 'nonsense'", done.stderr)
    bob.wait_message("hello from a pipe")

    done = ece.cli(input="Chat\nbob\nyes\nsecret one\nsecret two\n/end\nUsers\n", check=True)
    assert_in("Bob (Online)", done.stdout)
    assert_equal(bob.wait_message("secret two")["security"], "encrypted")
    done = ece.cli("chat", "bob", input="line one\n\nline two\n/end\nnot sent\n", check=True)
    bob.wait_message("line two")
    assert_in("secret two", done.stdout)
    assert_not_in("not sent", [m["text"] for m in bob.history()])

    # Its help tells what can be said here, and no more than fits a small terminal.
    done = ece.cli(input="help\n", check=True)
    assert_in("  quit ", done.stdout)
    for word in ("listen", "--bus", "Exit status"):
        assert_not_in(word, done.stdout)
    assert_true(len(done.stdout.splitlines()) <= 23, "lines of help")


@test
def a_shell_asks_about_classic_programs():
    ece, bob = ece_and_old_bob()
    ece.cli(input="Chat\nbob\nyes\n13\nsecret one\n/end\n", check=True)
    bob.wait_text("secret one", True)
    ece.cli(input="Chat\nbob\nno\nopen one", check=True)
    bob.wait_text("open one", False)


def announce(address, name):
    """Somebody else on the network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.bind((address, 0))
        s.sendto(json.dumps({"username": name}).encode(), ("127.255.255.255", 6000))


@test
def names_of_others_are_only_words():
    ece = ece_alone()
    touched = os.path.join(tempdir(), "touched")
    names = [f"$(touch {touched})", "Bob\u202e Smith", "\033[31mred; ls"]
    for i, name in enumerate(names):
        announce(f"127.20.1.{20 + i}", name)
        announce(f"127.20.1.{20 + i}", name)
    wait_for(lambda: len(ece.users()) == 3, 60, "three users")
    output = ece.cli("users", "--all", check=True).stdout
    assert_equal([c for c in output if c != "\n" and not c.isprintable()], [], "characters")
    assert_in("Bob Smith (", output)
    candidates = bash_completion(ece, ["send", ""])
    assert_in("Bob\\ Smith", candidates)
    # What bash put on the line is evaluated as a person would who presses Enter.
    run(["bash", "-c", "for word in " + " ".join(candidates) + "; do :; done"], check=True)
    assert_false(os.path.exists(touched), "the name was run")


def bash_completion(ece, words):
    """What bash offers for the last word, as it would stand on the line."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "../../src/cli/p2pchat.bash")
    line = " ".join(["p2pchat", f"--bus={ece.bus.address}", *words])
    done = run(["bash", "-c", f"""
        PATH={build_directory()}/src/cli:$PATH
        f=/usr/share/bash-completion/bash_completion
        [ -r $f ] && . $f
        . {script}
        COMP_LINE='{line}' COMP_POINT={len(line)} COMP_CWORD={len(words) + 1}
        COMP_WORDS=(p2pchat --bus={ece.bus.address} "$@")
        _p2pchat p2pchat
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """, "bash", *words], check=True)
    return done.stdout.splitlines()


@test
def completion_knows_commands_options_and_names():
    ece, bob = ece_and_bob()

    def complete(*words):
        return ece.cli("--complete", "--", *words, check=True).stdout.split()

    assert_equal(complete("un"), ["unblock", "unmute"])
    assert_equal(complete("send", "b"), ["Bob"])
    assert_equal(complete("history", "--gr"), ["--grep"])
    assert_equal(complete("history", "--grep", ""), [])
    assert_equal(complete("send", "bob", ""), [])
    assert_equal(complete("help", "sen"), ["send"])
    ece.stop()
    assert_equal(complete("send", ""), [])

    ece.start()
    ece.wait_user("Bob")
    assert_equal(bash_completion(ece, ["send", "B"]), ["Bob"])
    assert_equal(bash_completion(ece, ["st"]), ["status"])
    assert_equal(bash_completion(ece, ["identity", "imp"]), ["import"])
    directory = tempdir()
    path = os.path.join(directory, "archive")
    open(path, "w").close()
    assert_equal(bash_completion(ece, ["identity", "import", directory + "/a"]), [path])


main()
