#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchat file: sending and taking, on a terminal and without, over restarts"""

import json
import os
import random
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import NO_RING, SANITIZER_ENVIRONMENT, build_directory  # noqa: E402
from harness import *  # noqa: E402,F403
from terminal import COLUMNS, Terminal  # noqa: E402

ECE, BOB = "127.68.0.1", "127.68.0.2"
MIB = 1024 * 1024
SECONDS = 120


def two():
    ece = Daemon(Bus(), ECE, name="Ece", config=NO_RING)
    bob = Daemon(Bus(), BOB, name="Bob", config=NO_RING)
    for one, other in ((ece, "Bob"), (bob, "Ece")):
        one.wait_user(other)
        one.call("SendMessageFull", "ssa{sv}", other, "hello", {"wait-usec": ("t", 30000000)})
    return ece, bob


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def a_file(data, name="report.pdf"):
    path = os.path.join(tempdir(), name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def read(path):
    with open(path, "rb") as file:
        return file.read()


class Running:
    """p2pchat in the background."""

    def __init__(self, daemon, *arguments, cwd=None):
        self.output = os.path.join(tempdir(), "output")
        env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=daemon.bus.address, LC_ALL="C.UTF-8",
                   **SANITIZER_ENVIRONMENT)
        with open(self.output, "wb") as out:
            self.process = subprocess.Popen(
                [os.path.join(build_directory(), "src/cli/p2pchat"), *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=env,
                preexec_fn=child_dies_with_us)
        defer(self._end)

    def _end(self):
        self.process.kill()
        self.process.wait()

    @property
    def text(self):
        return read(self.output).decode()

    def wait(self, status=0):
        try:
            got = self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            raise Failure(f"still runs: {self.text}") from None
        assert_equal(got, status, f"exit status, with {self.text}")
        return self.text

    def wait_text(self, text):
        wait_for(lambda: text in self.text or fail(self.text), SECONDS, repr(text))


def rows(daemon):
    done = daemon.cli("--json", "file", "list", check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def offer(daemon):
    return wait_for(lambda: [r for r in rows(daemon) if r["direction"] == "received"], SECONDS,
                    "an offer", 0.1)[0]


def state_of(daemon, id):
    found = [r["state"] for r in rows(daemon) if r["id"] == id]
    return found[0] if found else None


@test
def sent_and_accepted():
    ece, bob = two()
    data = content(300000)
    sending = Running(ece, "file", "send", "bob", a_file(data))
    row = offer(bob)
    assert_equal({k: row[k] for k in ("user", "name", "size", "done", "direction", "state")},
                 {"user": "Ece", "name": "report.pdf", "size": 300000, "done": 0,
                  "direction": "received", "state": "offered"}, "row")
    shown = bob.cli("file", check=True).stdout.split()
    assert_equal(shown[:4], [row["id"][:8], "from", "Ece", "offered"], "table")
    sending.wait_text("waits for the other side")
    here = tempdir()
    for wanted in ("report.pdf", "report.pdf (2)"):
        taking = Running(bob, "file", "accept", row["id"][:8], cwd=here)
        assert_in(f"{wanted} is here", taking.wait())
        assert_true(read(os.path.join(here, wanted)) == data, "the content")
        text = sending.wait()
        assert_in("report.pdf has arrived", text)
        assert_not_in("\033", text)
        if wanted == "report.pdf":
            sending = Running(ece, "file", "send", "bob", a_file(data))
            row = offer(bob)
    assert_equal(sorted(os.listdir(here)), ["report.pdf", "report.pdf (2)"], "what is there")
    assert_equal(rows(bob), [], "rows")


@test
def places_and_names():
    ece, bob = two()
    there = tempdir()
    exact = os.path.join(there, "mine")
    for name, path, wanted in ((".profile", there, "_profile"), ("-rf", there, "_rf"),
                               ("a", exact, "mine"), ("b", there + "/", "b")):
        ece.cli("file", "send", "bob", a_file(b"data", "x"), "--detach", "--name", name, check=True)
        done = bob.cli("--json", "file", "accept", offer(bob)["id"], path, check=True)
        last = json.loads(done.stdout.splitlines()[-1])
        assert_equal((last["state"], os.path.basename(last["path"])), ("done", wanted), "end")
        assert_equal(read(os.path.join(there, wanted)), b"data", "the content")
        wait_for(lambda: rows(ece) == [], SECONDS, "the end")
    # Nothing is overwritten, and nothing made where it cannot be.
    ece.cli("file", "send", "bob", a_file(b"other"), "--detach", check=True)
    id = offer(bob)["id"]
    for path, why in ((exact, "not overwritten"), ("/nowhere/x", "No such file"),
                      (there + "/nowhere/", "no such directory")):
        done = bob.cli("file", "accept", id, path)
        assert_equal(done.returncode, 1, "exit status")
        assert_in(why, done.stderr)
    assert_equal(read(exact), b"data", "the file that was there")
    assert_equal(state_of(bob, id), "offered", "state")
    assert_equal(sorted(os.listdir(there)), ["_profile", "_rf", "b", "mine"], "what is there")


@test
def standard_input():
    ece, bob = two()
    done = ece.cli("--json", "file", "send", "bob", "-", "--name", "notes.txt", "--detach",
                   input="some notes\n", check=True)
    sent = json.loads(done.stdout)
    assert_equal(sent["state"], "offered", "state")
    row = offer(bob)
    assert_equal((row["name"], row["size"]), ("notes.txt", 11), "row")
    path = os.path.join(tempdir(), "x")
    bob.cli("file", "accept", row["id"], path, check=True)
    assert_equal(read(path), b"some notes\n", "the content")


@test
def turned_away():
    ece, bob = two()
    sending = Running(ece, "--json", "file", "send", "bob", a_file(b"x"))
    bob.cli("file", "reject", offer(bob)["id"][:8], check=True)
    lines = sending.wait(1).splitlines()
    ended = [json.loads(line) for line in lines if line.startswith("{")][-1]
    assert_equal((ended["state"], ended["reason"]), ("failed", "rejected"), "end")
    assert_in("does not want it", lines[-1])
    # By the sender.
    done = ece.cli("--json", "file", "send", "bob", a_file(b"y"), "--detach", check=True)
    id = json.loads(done.stdout)["id"]
    offer(bob)
    ece.cli("file", "cancel", id[:8], check=True)
    wait_for(lambda: rows(bob) == rows(ece) == [], SECONDS, "nothing to be there")


@test
def what_cannot_be_done():
    ece, bob = two()
    directory = tempdir()
    fifo = os.path.join(directory, "fifo")
    os.mkfifo(fifo)
    for path, why in ((directory, "is a directory"), (fifo, "no regular file"),
                      ("/dev/zero", "no regular file"), ("/nowhere", "No such file")):
        done = ece.cli("file", "send", "bob", path)
        assert_equal(done.returncode, 1, f"exit status of {path}")
        assert_in(why, done.stderr)
    for words in (("send", "bob"), ("accept",), ("reject",), ("cancel", "a", "b"), ("nonsense",),
                  ("list", "--detach"), ("accept", "abc"), ("cancel", "xyzxyzxyz")):
        assert_equal(ece.cli("file", *words).returncode, 2, f"exit status of {words}")
    for word in ("accept", "reject", "cancel"):
        done = ece.cli("file", word, "0123abcd")
        assert_equal((done.returncode, "there is no file" in done.stderr), (1, True), word)
    done = ece.cli("file", "send", "nobody", a_file(b"x"))
    assert_equal(done.returncode, 1, "exit status")
    assert_in("nobody", done.stderr)
    assert_in("--name", ece.cli("help", "file", check=True).stdout)
    # What is sent from here is nothing to accept.
    done = ece.cli("--json", "file", "send", "bob", a_file(b"x"), "--detach", check=True)
    done = ece.cli("file", "accept", json.loads(done.stdout)["id"])
    assert_equal((done.returncode, "sent from here" in done.stderr), (1, True), "accept")
    bob.stop()
    assert_equal(bob.cli("file", "list").returncode, 4, "exit status without a service")


@test
def names_of_others_do_no_harm():
    ece, bob = two()
    # A daemon cleans what it offers; of the rest the terminal is protected here.
    ece.cli("file", "send", "bob", a_file(b"x"), "--detach", "--name", "a\u00a0b\u2003c", check=True)
    id = offer(bob)["id"]
    shown = bob.cli("file", "list", check=True).stdout
    assert_not_in("\033", shown)
    path = tempdir()
    bob.cli("file", "accept", id, path, check=True)
    assert_equal(len(os.listdir(path)), 1, "files")


@test
def accepting_goes_on_after_a_restart():
    ece, bob = two()
    data = content(20 * MIB)
    ece.cli("file", "send", "bob", a_file(data), "--detach", check=True)
    id = offer(bob)["id"]
    here = tempdir()
    ece.stop()
    taking = Running(bob, "file", "accept", id, cwd=here)
    wait_for(lambda: state_of(bob, id) == "accepted", SECONDS, "it to be accepted")
    parts = os.listdir(here)
    assert_true(len(parts) == 1 and parts[0].endswith(".part"), f"what is there: {parts}")
    bob.kill()
    bob.start()
    ece.start()
    assert_in("report.pdf is here", taking.wait())
    assert_equal(os.listdir(here), ["report.pdf"], "what is there")
    assert_true(read(os.path.join(here, "report.pdf")) == data, "the content")
    # The same while it is under way.
    sending = Running(ece, "file", "send", "bob", a_file(data))
    id = offer(bob)["id"]
    taking = Running(bob, "file", "accept", id, "again", cwd=here)
    wait_for(lambda: [r for r in rows(bob) if r["done"] > 0], SECONDS, "progress", 0.01)
    bob.kill()
    bob.start()
    taking.wait()
    sending.wait()
    assert_true(read(os.path.join(here, "again")) == data, "the content")


@test
def interrupted_by_its_user():
    ece, bob = two()
    data = content(3 * MIB)
    sending = Running(ece, "file", "send", "bob", a_file(data))
    id = offer(bob)["id"]
    sending.wait_text("waits for the other side")
    sending.process.send_signal(signal.SIGINT)
    text = sending.wait(3)
    assert_in(f"p2pchat file cancel {rows(ece)[0]['id'][:8]}", text)
    ece.stop()
    here = tempdir()
    taking = Running(bob, "file", "accept", id, cwd=here)
    taking.wait_text("is on its way")
    taking.process.send_signal(signal.SIGINT)
    assert_in("report.pdf is filled", taking.wait(3))
    path = os.path.join(here, "report.pdf")
    assert_equal(os.listdir(here), ["report.pdf"], "what is there")
    assert_equal(read(path), b"", "the content so far")
    ece.start()
    wait_for(lambda: read(path) == data, SECONDS, "the content")


@test
def accepted_by_two():
    ece, bob = two()
    data = content(300000)
    ece.cli("file", "send", "bob", a_file(data), "--detach", check=True)
    id = offer(bob)["id"]
    ece.stop()
    here = tempdir()
    first = Running(bob, "file", "accept", id, "first", cwd=here)
    first.wait_text("is on its way")
    second = Running(bob, "file", "accept", id, "second", cwd=here)
    second.wait_text("is on its way")
    ece.start()
    second.wait()
    assert_in("somebody else", first.wait(1))
    assert_equal(os.listdir(here), ["second"], "what is there")
    assert_true(read(os.path.join(here, "second")) == data, "the content")


@test
def on_a_terminal():
    ece, bob = two()
    data = content(200 * MIB)
    path = a_file(data, "holiday.mkv")
    terminal = Terminal(ece.bus, tempdir(), "file", "send", "bob", path)
    id = offer(bob)["id"]
    terminal.wait(r"holiday.mkv is offered, and waits for the other side")
    there = os.path.join(tempdir(), "x")
    taking = Running(bob, "file", "accept", id, there)
    lines = terminal.wait(r"^holiday.mkv +(\[#* *\] +)?\d+%  .* of 200 MiB")
    bars = [line for line in lines if "%" in line]
    assert_equal(len(bars), 1, f"lines of progress in {lines}")
    assert_true(len(bars[0]) <= COLUMNS, f"too long: {bars}")
    terminal.wait(r"^holiday.mkv has arrived$")
    terminal.wait(r"^status=0$")
    assert_true(not [line for line in terminal.screen() if "%" in line], "the line is gone")
    text = taking.wait()
    assert_in("x is here", text)
    assert_in("holiday.mkv: 50%, ", text)
    assert_not_in("\r", text)


@test
def completed():
    ece, bob = two()
    ece.cli("file", "send", "bob", a_file(b"x"), "--detach", check=True)
    id = offer(bob)["id"][:8]

    def complete(*words):
        return bob.cli("--complete", "--", *words, check=True).stdout.split()

    assert_equal(complete("file", ""), ["list", "send", "accept", "reject", "cancel"], "words")
    assert_equal(complete("file", "accept", ""), [id], "ids")
    assert_equal(complete("file", "send", "e"), ["Ece"], "users")
    assert_in("--detach", complete("file", "--"))
    for word in ("accept", "reject"):
        assert_equal(ece.cli("--complete", "--", "file", word, "").stdout, "", "ids of what is sent")
    assert_equal(ece.cli("--complete", "--", "file", "cancel", "").stdout.split(),
                 [rows(ece)[0]["id"][:8]], "ids")


main()
