#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.example.P2PChat.Files of real services: real files, whatever breaks, whoever lies"""

import fcntl
import glob
import hashlib
import os
import random
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import ERROR, INTERFACE, NAME, NO_RING, PATH, BusError, bus_call  # noqa: E402
from gi.repository import Gio, GLib  # noqa: E402
from harness import *  # noqa: E402,F403

try:
    from native_peer import NativePeer
except ImportError:  # Debian's python3-dissononce is missing
    NativePeer = None

ECE, BOB, MALLORY = "127.67.0.1", "127.67.0.2", "127.67.0.9"
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
CHUNK = 15 * 1024
WINDOW = 60 * 1024
MIB = 1024 * 1024
SECONDS = 120
FRAME_FILE = 12
OFFER, WANT, PIECE, END, ENDED = 1, 2, 3, 4, 5
TOO_MANY, MALFORMED, WRONG_HASH, BROKEN = 9, 10, 4, 11


def start(name, address, config="", **kwargs):
    return Daemon(Bus(), address, name=name, config=NO_RING + config, **kwargs)


def two(ece_config="", bob_config="", **kwargs):
    """Each is the other's contact."""
    ece = start("Ece", ECE, ece_config, **kwargs)
    bob = start("Bob", BOB, bob_config, **kwargs)
    for one, other in ((ece, "Bob"), (bob, "Ece")):
        one.wait_user(other)
        one.call("SendMessageFull", "ssa{sv}", other, "hello", {"wait-usec": ("t", 30000000)})
    return ece, bob


def content(size, seed=1):
    return random.Random(seed).randbytes(size)


def a_file(data, name="source"):
    path = os.path.join(tempdir(), name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def send(daemon, user, data, name="report.pdf"):
    with open(a_file(data), "rb") as file:
        return daemon.file_send(user, name, file)


def state_of(daemon, id):
    rows = [f for f in daemon.files() if f["id"] == id]
    return rows[0]["state"] if rows else None


def offered(daemon, seconds=SECONDS):
    """The one offer that waits here."""

    def look():
        rows = [f for f in daemon.files()
                if f["state"] == "offered" and f["direction"] == "received"]
        return rows[0] if rows else None

    return wait_for(look, seconds, "an offer", 0.02)


class Target:
    """An empty file that is given to Accept."""

    def __init__(self):
        self.path = os.path.join(tempdir(), "target")
        self.file = open(self.path, "w+b")

    def accept(self, daemon, id):
        daemon.file_accept(id, self.file)

    @property
    def data(self):
        with open(self.path, "rb") as file:
            return file.read()


def wait_finished(signals, id, state, reason=None, seconds=SECONDS):
    args = signals.wait("Finished", lambda a: a[0] == id, seconds)
    assert_equal(args[1], state, f"state of {args}")
    if reason is not None:
        assert_equal(args[2], reason, "reason")


def spool(daemon):
    return os.listdir(os.path.join(daemon.state, "spool"))


def wait_empty(*daemons):
    """Nothing is under way, and nothing is left on a disk."""
    for d in daemons:
        wait_for(lambda: d.files() == [] and spool(d) == [], SECONDS,
                 f"{d.address} to have nothing, has {d.files()} {spool(d)}", 0.1)


def refused(name, function, *args):
    try:
        result = function(*args)
    except BusError as error:
        assert_equal(error.name, name if "." in name else ERROR + name, f"error of {args}")
        assert_true(len(error.sentence) > 10, "sentence")
        return error.sentence
    raise Failure(f"{args}: {result!r} instead of error {name}")


def carry(data, name="report.pdf"):
    ece, bob = two()
    sent, received = ece.signals(), bob.signals()
    id = send(ece, "bob", data, name)
    args = received.wait("Offered")
    assert_equal((args[1], args[2], args[4]), ("Ece", name, len(data)), "offer")
    assert_equal(args[3], "encrypted", "security")
    target = Target()
    target.accept(bob, args[0])
    wait_finished(received, args[0], "done", "")
    wait_finished(sent, id, "done", "")
    assert_true(target.data == data, "the content")
    wait_empty(ece, bob)
    return ece, bob


@test
def a_small_file():
    ece, bob = carry(b"hello, file\n")
    status = ece.call("GetStatus")[0]
    assert_equal([status[k] for k in ("files", "files-size", "spool-size", "spool-max")],
                 [0, 0, 0, 16 << 30], "status")
    checks = {c[0]: c[1:] for c in ece.call("Diagnose")[0]}
    assert_equal(checks["spool"][0], "ok", "diagnosis")
    assert_in("files", ece.get("Features"))


@test
def an_empty_file():
    carry(b"")


@test
def sizes_on_and_beside_the_grid():
    ece, bob = two()
    for size in (1, CHUNK - 1, CHUNK, CHUNK + 1, WINDOW, WINDOW + 1, 5 * WINDOW + 77):
        sent = ece.signals()
        data = content(size, size)
        id = send(ece, "bob", data)
        target = Target()
        target.accept(bob, offered(bob)["id"])
        wait_finished(sent, id, "done")
        wait_for(lambda: target.data == data, SECONDS, f"{size} bytes")
    wait_empty(ece, bob)


@test
def several_at_a_time_in_both_directions():
    ece, bob = two()
    files = {}
    for i in range(6):
        one, other, name = (ece, bob, "bob") if i % 2 else (bob, ece, "ece")
        data = content(300000 + i, i)
        send(one, name, data, f"file-{i}")
        row = wait_for(lambda: [f for f in other.files() if f["name"] == f"file-{i}"], SECONDS,
                       "the offer")[0]
        files[i] = (Target(), data)
        files[i][0].accept(other, row["id"])
    for target, data in files.values():
        wait_for(lambda: target.data == data, SECONDS, "the content")
    wait_empty(ece, bob)


@test
def what_is_in_the_spool_is_sealed():
    ece, bob = two()
    bob.stop()
    secret = b"attack at dawn, and bring the ladders. " * 2000
    send(ece, "bob", secret, "plan.txt")
    files = spool(ece)
    assert_equal(len(files), 1, "files in the spool")
    path = os.path.join(ece.state, "spool", files[0])
    assert_equal(os.stat(path).st_mode & 0o7777, 0o600, "mode")
    assert_equal(os.stat(os.path.dirname(path)).st_mode & 0o7777, 0o700, "mode")
    with open(path, "rb") as file:
        sealed = file.read()
    assert_true(len(sealed) > len(secret), "size")
    assert_not_in(b"ladders", sealed)
    for database in glob.glob(os.path.join(ece.state, "p2pchat.db*")):
        with open(database, "rb") as file:
            assert_not_in(b"plan.txt", file.read())


@test
def offered_while_the_other_side_is_away():
    ece, bob = two()
    bob.stop()
    data = content(100000)
    id = send(ece, "bob", data)
    assert_equal(state_of(ece, id), "offered", "state")
    ece.kill()
    ece.start()
    assert_equal(state_of(ece, id), "offered", "state after a kill")
    bob.start()
    target, sent = Target(), ece.signals()
    target.accept(bob, offered(bob)["id"])
    wait_finished(sent, id, "done")
    wait_for(lambda: target.data == data, SECONDS, "the content")
    wait_empty(ece, bob)


@test
def rejected_and_cancelled():
    ece, bob = two()
    data = content(3 * MIB)
    # Before it is decided.
    sent, received = ece.signals(), bob.signals()
    id = send(ece, "bob", data)
    row = offered(bob)
    bob.file("Reject", "s", row["id"])
    wait_finished(sent, id, "failed", "rejected")
    wait_empty(ece, bob)
    # By the sender, of an offer.
    id = send(ece, "bob", data)
    row = offered(bob)
    ece.file("Cancel", "s", id)
    wait_finished(received, row["id"], "failed", "cancelled")
    wait_finished(sent, id, "failed", "cancelled")
    wait_empty(ece, bob)
    # Under way, by either side.
    for one in (ece, bob):
        sent, received = ece.signals(), bob.signals()
        big = content(40 * MIB, 5)
        id = send(ece, "bob", big)
        row = offered(bob)
        target = Target()
        target.accept(bob, row["id"])
        received.wait("Progress", lambda a: a[0] == row["id"] and a[1] > 0, SECONDS)
        one.file("Cancel", "s", id if one is ece else row["id"])
        wait_finished(sent, id, "failed", "cancelled")
        wait_finished(received, row["id"], "failed", "cancelled")
        assert_equal(target.data, b"", "what was written")
        wait_empty(ece, bob)
    for member in ("Reject", "Cancel"):
        refused("NoSuchTransfer", bob.file, member, "s", row["id"])
        for word in ("", "nonsense", "x" * 100000, row["id"].upper() + "0"):
            refused("NoSuchTransfer", bob.file, member, "s", word)


class Wire:
    """Counts the bytes of TCP that leave one address."""

    def __init__(self, address):
        self.address = socket.inet_aton(address)
        self.bytes = 0
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 * MIB)  # SO_RCVBUFFORCE
        self.socket.bind(("lo", 0x0800))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        defer(self.close)

    def _run(self):
        while True:
            try:
                data, where = self.socket.recvfrom(128)
            except OSError:
                return
            if where[2] != socket.PACKET_HOST:  # each packet is seen on its way out, too
                continue
            head = (data[0] & 15) * 4
            if data[9] == socket.IPPROTO_TCP and data[12:16] == self.address:
                self.bytes += struct.unpack(">H", data[2:4])[0] - head - (data[head + 12] >> 4) * 4

    def close(self):
        self.socket.close()


def interrupted(interruptions):
    """20 MiB, and at most one largest chunk is sent twice for each interruption."""
    size = 20 * MIB
    ece, bob = two()
    data = content(size, 3)
    wire = Wire(ECE)
    id = send(ece, "bob", data)
    row = offered(bob)
    target = Target()
    target.accept(bob, row["id"])
    n = len(interruptions)
    for i, interrupt in enumerate(interruptions):
        mark = size * (i + 1) // (n + 1)

        def is_there():
            rows = [f for f in bob.files() if f["id"] == row["id"]]
            if not rows or rows[0]["state"] != "accepted":
                raise TooFast(f"interruption {i} of {n} came too late: {rows}")
            return rows[0]["done"] >= mark

        wait_for(is_there, SECONDS, f"{mark} bytes", 0.005)
        interrupt(ece, bob)
    if any(f in (kill_receiver, stop_receiver) for f in interruptions):
        wait_for(lambda: state_of(bob, row["id"]) == "whole", SECONDS, "the whole file")
        assert_equal(target.data, b"", "what came without a descriptor")
        target.accept(bob, row["id"])  # answered when it is handed over
    else:
        wait_for(lambda: state_of(bob, row["id"]) is None, SECONDS, "the end")
    assert_true(hashlib.sha256(target.data).digest() == hashlib.sha256(data).digest(), "the hash")
    wait_empty(ece, bob)
    sent = wire.bytes - size
    overhead = size // CHUNK * 64 + 16384
    print(f"# {sent} bytes more than the file: {n} interruptions, overhead at most {overhead}")
    assert_true(wire.bytes >= size, "the wire was looked at")
    assert_true(sent <= overhead + n * (WINDOW + 8192), f"{sent} bytes sent twice")


class TooFast(Exception):
    """The machine is quicker than the test."""


def cut(ece, bob):
    ece.call("EndSession", "s", "bob")


def kill_sender(ece, bob):
    ece.kill()
    ece.start()


def kill_receiver(ece, bob):
    bob.kill()
    bob.start()


def stop_receiver(ece, bob):
    bob.stop()
    bob.start()


@test
def twenty_megabytes_without_interruption():
    interrupted([])


@test
def twenty_megabytes_and_three_cuts():
    interrupted([cut, cut, cut])


@test
def twenty_megabytes_and_a_sender_that_is_killed():
    interrupted([kill_sender] * 3)


@test
def twenty_megabytes_and_a_receiver_that_is_killed():
    interrupted([kill_receiver] * 3)


@test
def twenty_megabytes_and_all_of_it():
    interrupted([cut, kill_sender, stop_receiver])


@test
def chat_goes_on_meanwhile():
    ece, bob = two()
    data = content(30 * MIB)
    id = send(ece, "bob", data)
    row = offered(bob)
    target = Target()
    target.accept(bob, row["id"])
    texts = []
    while state_of(bob, row["id"]) == "accepted" and len(texts) < 100:
        texts.append(f"message {len(texts)}")
        assert_equal(ece.call("SendMessage", "ss", "bob", texts[-1])[1], "delivered", "state")
    assert_true(len(texts) > 5, f"{len(texts)} messages")
    heard = [m["text"] for m in reversed(bob.history()) if m["text"].startswith("message")]
    assert_equal(heard, texts, "what bob heard")
    wait_for(lambda: target.data == data, SECONDS, "the content")
    wait_for(lambda: state_of(ece, id) is None, SECONDS, "the end")


@test
def descriptors_that_will_not_do():
    ece, bob = two()
    directory = tempdir()
    path = a_file(b"something")
    fifo = os.path.join(directory, "fifo")
    os.mkfifo(fifo)
    ends = socket.socketpair()
    bad = {
        "pipe": os.open(fifo, os.O_RDWR),
        "directory": os.open(directory, os.O_RDONLY),
        "socket": ends[0].fileno(),
        "device": os.open("/dev/zero", os.O_RDWR),
        "reading": os.open(path, os.O_WRONLY),
        "open": os.open(path, os.O_PATH),
    }
    for word, fd in bad.items():
        assert_in(word, refused(INVALID_ARGS, ece.file_send, "bob", "x", fd))
    assert_equal((ece.files(), spool(ece)), ([], []), "what is there")

    id = send(ece, "bob", b"something")
    there = offered(bob)["id"]
    del bad["reading"]
    bad["writing"] = os.open(path, os.O_RDONLY)
    bad["appending"] = os.open(path, os.O_WRONLY | os.O_APPEND)
    bad["sealed"] = os.memfd_create("sealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fcntl.fcntl(bad["sealed"], fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    for word, fd in bad.items():
        assert_in(word, refused(INVALID_ARGS, bob.file_accept, there, fd))
    assert_equal(state_of(bob, there), "offered", "state after all that")
    with open(path, "rb") as file:
        assert_equal(file.read(), b"something", "the file")
    refused("NoSuchTransfer", bob.file_accept, "0" * 32, os.open(path, os.O_WRONLY))
    refused("NoSuchTransfer", ece.file_accept, id, os.open(path, os.O_WRONLY))  # it is ours
    refused("UnknownUser", ece.file_send, "nobody", "x", os.open(path, os.O_RDONLY))
    for name in ("", "..", "/", "a/", "   "):
        refused("InvalidName", ece.file_send, "bob", name, os.open(path, os.O_RDONLY))


@test
def memory_files_will_do():
    ece, bob = two()
    data = content(100000)
    fd = os.memfd_create("x", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, data)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK)
    ece.file_send("bob", "dir/../x.bin", fd)
    row = offered(bob)
    assert_equal(row["name"], "x.bin", "name")
    target = os.memfd_create("y", os.MFD_CLOEXEC)
    os.write(target, b"z" * 200000)
    signals = bob.signals()
    bob.file_accept(row["id"], target)
    wait_finished(signals, row["id"], "done")
    assert_true(os.pread(target, 300000, 0) == data, "the content")


@test
def files_that_change_while_they_are_copied():
    ece, bob = two()
    for size in (40 * MIB, 200 * MIB):
        path = a_file(b"")
        with open(path, "r+b") as file:
            file.truncate(100 * MIB)
            signals = ece.signals()
            result = {}

            def call():
                try:
                    result["id"] = ece.file_send("bob", "x", file.fileno())
                except BusError as error:
                    result["error"] = error

            thread = threading.Thread(target=call)
            thread.start()
            other = ece.bus.connect()
            defer(other.close_sync, None)
            wait_for(lambda: bus_call(other, NAME, PATH, INTERFACE + ".Files", "List")[0],
                     SECONDS, "the copy", 0.001)
            rows = bus_call(other, NAME, PATH, INTERFACE + ".Files", "List")[0]
            assert_equal(rows[0][6], "preparing", "state")
            file.truncate(size)
            thread.join()
        if "error" in result:
            assert_equal(result["error"].name, INVALID_ARGS, "error")
            assert_in("changed while it was read", result["error"].sentence)
        else:
            wait_finished(signals, result["id"], "failed", "changed")
        assert_equal(ece.files(), [], "files")
        wait_for(lambda: spool(ece) == [], SECONDS, "the spool to be empty")
    assert_equal([f for f in bob.files()], [], "what was offered")


@test
def a_copy_that_takes_long_and_is_cancelled():
    ece, bob = two()
    path = a_file(b"")
    with open(path, "r+b") as file:
        file.truncate(4 << 30)
        started = time.monotonic()
        signals = ece.signals()
        id = ece.file_send("bob", "x", file)
        assert_between(time.monotonic() - started, 0, 20, "seconds until the answer")
        assert_equal(state_of(ece, id), "preparing", "state")
        # Everybody else is served meanwhile.
        assert_equal(ece.call("SendMessage", "ss", "bob", "hi")[1], "delivered", "state")
        ece.file("Cancel", "s", id)
        wait_finished(signals, id, "failed", "cancelled")
    wait_empty(ece)


@test
def a_caller_who_leaves_does_not_end_the_copy():
    ece, bob = two()
    path = a_file(b"")
    with open(path, "r+b") as file:
        file.truncate(150 * MIB)
        connection = ece.bus.connect()
        descriptors = Gio.UnixFDList.new()
        argument = GLib.Variant("(ssh)", ("bob", "x", descriptors.append(file.fileno())))
        connection.call_with_unix_fd_list(NAME, PATH, INTERFACE + ".Files", "Send", argument, None,
                                          Gio.DBusCallFlags.NO_AUTO_START, -1, descriptors, None,
                                          None)
        wait_for(ece.files, SECONDS, "the copy", 0.001)
        connection.close_sync(None)
    wait_for(lambda: [f["state"] for f in ece.files()] == ["offered"], SECONDS, "the offer")
    assert_equal(offered(bob)["size"], 150 * MIB, "size")


@test
def a_spool_that_is_full():
    ece, bob = two("[Limits]\nSpoolPerUser=1M\n", "[Limits]\nSpoolTotal=300K\n")
    with open(a_file(content(2 * MIB)), "rb") as file:
        assert_in("SpoolPerUser", refused("StorageFull", ece.file_send, "bob", "x", file))
    assert_equal((ece.files(), spool(ece)), ([], []), "what is there")
    first = send(ece, "bob", content(200000), "a")
    second = send(ece, "bob", content(200000), "b")
    with open(a_file(content(700000)), "rb") as file:
        refused("StorageFull", ece.file_send, "bob", "x", file)
    rows = wait_for(lambda: len(bob.files()) == 2 and bob.files(), SECONDS, "two offers")
    # Offers take no room; what is accepted does.
    ece.stop()
    one, two_ = Target(), Target()
    one.accept(bob, rows[0]["id"])
    assert_in("SpoolTotal", refused("StorageFull", two_.accept, bob, rows[1]["id"]))
    assert_equal(state_of(bob, rows[1]["id"]), "offered", "state")
    checks = {c[0]: c[1:] for c in bob.call("Diagnose")[0]}
    assert_equal(checks["spool"][0], "ok", "diagnosis")
    bob.file("Cancel", "s", rows[0]["id"])
    two_.accept(bob, rows[1]["id"])
    ece.start()
    wait_for(lambda: two_.data == content(200000), SECONDS, "the content")
    wait_for(lambda: {state_of(ece, first), state_of(ece, second)} == {None}, SECONDS, "the ends")


@test
def a_spool_nearly_full_is_told():
    ece, bob = two("[Limits]\nSpoolTotal=1M\n")
    send(ece, "bob", content(1000000))
    checks = {c[0]: c[1:] for c in ece.call("Diagnose")[0]}
    assert_equal(checks["spool"][0], "warning", "diagnosis")
    assert_in("SpoolTotal", checks["spool"][1])
    status = ece.call("GetStatus")[0]
    assert_equal((status["files"], status["spool-size"]), (1, 1000000), "status")
    assert_in("Spool", ece.cli("status", check=True).stdout)


@test
def accepted_again_for_another_descriptor():
    ece, bob = two()
    data = content(200000)
    send(ece, "bob", data)
    row = offered(bob)
    ece.stop()
    first, second = Target(), Target()
    first.accept(bob, row["id"])
    second.accept(bob, row["id"])
    ece.start()
    wait_for(lambda: second.data == data, SECONDS, "the content")
    assert_equal(first.data, b"", "the first descriptor")
    wait_empty(ece, bob)


@test
def a_descriptor_that_takes_nothing():
    ece, bob = two()
    data = content(300000)
    send(ece, "bob", data)
    row = offered(bob)
    signals = bob.signals()
    # A file that may not grow as far: the limit belongs to the process, so a small disk does it.
    small = os.path.join(tempdir(), "small")
    os.mkdir(small)
    if os.system(f"mount -t tmpfs -o size=64k none {small} 2>/dev/null") != 0:
        skip("no file systems can be mounted here")
    defer(os.system, f"umount {small}")
    with open(os.path.join(small, "x"), "wb") as file:
        bob.file_accept(row["id"], file)
        wait_finished(signals, row["id"], "whole", "no-space")
        assert_equal(state_of(bob, row["id"]), "whole", "state")
        assert_in("whole", refused("StorageFull", bob.file_accept, row["id"], file))
    target = Target()
    target.accept(bob, row["id"])
    assert_true(target.data == data, "the content")
    wait_empty(ece, bob)


@test
def accepted_by_the_configuration():
    into = tempdir()
    ece, bob = two("", f"[Files]\nAcceptFrom=contacts\nAcceptInto={into}\nAcceptMax=1M\n")
    data = content(200000)
    for name, wanted in (("a.txt", "a.txt"), ("a.txt", "a.txt (2)"), (".profile", "_profile"),
                         ("-rf", "_rf")):
        send(ece, "bob", data, name)
        path = os.path.join(into, wanted)
        wait_for(lambda: os.path.exists(path), SECONDS, path)
        with open(path, "rb") as file:
            assert_true(file.read() == data, "the content")
    send(ece, "bob", content(MIB + 1), "large")
    assert_equal(offered(bob)["name"], "large", "what is too large waits")
    assert_equal(sorted(os.listdir(into)), ["_profile", "_rf", "a.txt", "a.txt (2)"], "files")
    # Nobody who was not compared.
    bob.stop()
    bob.configure(f"{NO_RING}[Files]\nAcceptFrom=verified\nAcceptInto={into}\n", name="Bob")
    bob.start()
    send(ece, "bob", data, "unverified")
    wait_for(lambda: len(bob.files()) == 2, SECONDS, "the offer")
    assert_equal({f["state"] for f in bob.files()}, {"offered"}, "states")
    bob.call("Verify", "ss", "ece", ece.call("GetFingerprint", "s", "bob")[0])
    bob.stop()
    bob.start()  # looks at what waits
    wait_for(lambda: os.path.exists(os.path.join(into, "unverified")), SECONDS, "the file")


@test
def put_away_after_a_restart():
    into = os.path.join(tempdir(), "not-there")
    config = f"[Files]\nAcceptFrom=contacts\nAcceptInto={into}\n"
    ece, bob = two("", config)
    data = content(100000)
    send(ece, "bob", data, "x")
    wait_for(lambda: [f["state"] for f in bob.files()] == ["whole"], SECONDS, "the file")
    os.mkdir(into)
    bob.restart()
    path = os.path.join(into, "x")
    wait_for(lambda: os.path.exists(path), SECONDS, path)
    with open(path, "rb") as file:
        assert_true(file.read() == data, "the content")
    wait_empty(bob)


@test
def a_spool_is_tidied_at_the_start():
    ece, bob = two()
    bob.stop()
    id = send(ece, "bob", content(100))
    ece.stop()
    known = spool(ece)
    for name in ("0" * 32, "nonsense"):
        with open(os.path.join(ece.state, "spool", name), "wb") as file:
            file.write(b"x")
    ece.start()
    assert_equal((spool(ece), state_of(ece, id)), (known, "offered"), "spool")


@test
def a_spool_that_was_altered():
    ece, bob = two()
    bob.stop()
    id = send(ece, "bob", content(200000))
    path = os.path.join(ece.state, "spool", spool(ece)[0])
    with open(path, "r+b") as file:
        file.seek(100000)
        byte = file.read(1)
        file.seek(100000)
        file.write(bytes([byte[0] ^ 1]))
    bob.start()
    sent, target = ece.signals(), Target()
    target.accept(bob, offered(bob)["id"])
    wait_finished(sent, id, "failed", "unreadable")
    assert_equal(target.data, b"", "what came")
    wait_empty(ece, bob)


@test
def a_blocked_user_offers_nothing():
    ece, bob = two()
    bob.call("Block", "s", "ece")
    id = send(ece, "bob", b"x")
    ece.call("SendMessage", "ss", "bob", "are you there?")
    assert_equal((bob.files(), state_of(ece, id)), ([], "offered"), "files")
    refused("Blocked", send, bob, "ece", b"x")


#
# A peer that lies
#
class Liar(NativePeer or object):
    """Frames of files, whatever is in them."""

    def say_file(self, kind, id, body=b""):
        self.send_frame(FRAME_FILE, bytes([kind]) + id + body)

    def offer(self, id, name, size, digest=bytes(32)):
        name = name if isinstance(name, bytes) else name.encode()
        self.say_file(OFFER, id, struct.pack(">Q", size) + digest + bytes([len(name)]) + name)

    def next_file(self, *kinds):
        """The next frame of files, of one of those kinds."""
        while True:
            kind, body = self.read_frame()
            if kind == FRAME_FILE and (not kinds or body[0] in kinds):
                return body[0], body[1:17], body[17:]


def mallory(bob, name="Mallory"):
    if NativePeer is None:
        skip("python3-dissononce is missing")
    s = socket.socket()
    s.settimeout(SECONDS)
    s.bind((MALLORY, 0))
    s.connect((bob.address, 6001))
    defer(s.close)
    peer = Liar(s, True, name=name)
    peer.shake_hands()
    return peer


def id_of(n):
    return struct.pack(">QQ", 7, n)


@test
def a_thousand_offers():
    bob = start("Bob", BOB)
    peer = mallory(bob)
    for i in range(1000):
        peer.offer(id_of(i), f"file {i}", 1000)
    reasons = [peer.next_file(END)[2][0] for _ in range(900)]
    assert_equal(set(reasons), {TOO_MANY}, "reasons")
    assert_equal(len(bob.files()), 100, "files")
    assert_equal(spool(bob), [], "spool")
    for f in bob.files():
        bob.file("Reject", "s", f["id"])
    assert_equal(bob.files(), [], "files")


@test
def bad_names_and_sizes():
    bob = start("Bob", BOB)
    peer = mallory(bob)
    names = [b"../etc/passwd", b"a/b", b"..", b".", b"", b" ", b"a\nb", b"\x1b[2J", b"\xff",
             "a\u202eb".encode(), b"\0", "\ufffe".encode()]
    for i, name in enumerate(names):
        peer.offer(id_of(i), name, 10)
        kind, id, body = peer.next_file(END)
        assert_equal((id, body[0]), (id_of(i), MALFORMED), f"answer to {name}")
    peer.offer(id_of(100), "x", (1 << 32) + 1)
    assert_equal(peer.next_file(END)[2][0], MALFORMED, "answer to a size")
    assert_equal(bob.files(), [], "files")
    peer.offer(id_of(101), "-rf", 10)
    peer.offer(id_of(102), "x" * 255, 1 << 32)
    wait_for(lambda: len(bob.files()) == 2, SECONDS, "two offers")


@test
def another_content_than_promised():
    bob = start("Bob", BOB)
    peer = mallory(bob)
    data = content(1000)
    for i, (sent, digest, reason) in enumerate((
            (data, bytes(32), "wrong-hash"),  # not what was offered
            (data + b"x", hashlib.sha256(data).digest(), "broken"))):  # more than was
        signals = bob.signals()
        peer.offer(id_of(i), "x", len(data), digest)
        row = offered(bob)
        target = Target()
        target.accept(bob, row["id"])
        peer.next_file(WANT)
        peer.say_file(PIECE, id_of(i), struct.pack(">Q", 0) + sent)
        kind, id, body = peer.next_file(END)
        assert_equal(body[0], {"wrong-hash": WRONG_HASH, "broken": BROKEN}[reason], "answer")
        wait_finished(signals, row["id"], "failed", reason)
        assert_equal(target.data, b"", "what was written")
        peer.say_file(ENDED, id_of(i))
    wait_empty(bob)


@test
def pieces_that_nobody_wanted():
    bob = start("Bob", BOB)
    peer = mallory(bob)
    peer.offer(id_of(1), "x", 100000)
    offered(bob)
    peer.say_file(PIECE, id_of(1), struct.pack(">Q", 0) + bytes(CHUNK))
    assert_equal(peer.next_file(END)[2][0], BROKEN, "answer")
    peer.say_file(PIECE, id_of(2), struct.pack(">Q", 0) + bytes(CHUNK))
    for kind in range(256):
        peer.say_file(kind, id_of(kind), os.urandom(20))
    for size in (0, 1, 16):
        peer.send_frame(FRAME_FILE, bytes(size) or b"\0")
    peer.offer(id_of(3), "still here", 5)
    wait_for(lambda: [f["name"] for f in bob.files()] == ["still here"], SECONDS, "the last offer")
    assert_equal(spool(bob), [], "spool")


main()
