#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Three machines on one bridge: the main job, a cut cable, crashes

Two machines have dbus-daemon, one dbus-broker. The tests build on each other's machines, but each
sends texts of its own.
"""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import *  # noqa: E402,F403
from machine import Machine, Network  # noqa: E402

MESSAGE_ID = "6f4f6c2d4d0e4b3f9a6f0e1c2b7d5a11"
PRESENCE_ID = "0b6f2a9be1c944d6a3c8f27f5d1e6c22"

ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")

machines = {}


def boot_all():
    network = Network()
    for number, (name, broker) in enumerate(
            (("ece", "dbus-daemon"), ("bob", "dbus-daemon"), ("can", "dbus-broker")), 1):
        machines[name] = Machine(network, name, number, broker)
        machines[name].boot()


@test
def installs_where_the_user_never_existed():
    for m in machines.values():
        assert_true(m.run("getent", "passwd", "p2pchat", check=False).returncode != 0, "no user")
        assert_true(m.run("getent", "group", "p2pchat", check=False).returncode != 0, "no group")
        m.install()
        # At the first attempt: the name is ours as soon as apt is done.
        assert_equal(m.unit("p2pchatd.service", "ActiveState"), "active", m.name)
        assert_equal(m.unit("p2pchatd.service", "NRestarts"), "0", "restarts")
        assert_in("p2pchat", m.out("getent", "passwd", "p2pchat"))
        owner = m.out("busctl", "--no-pager", "list", "--acquired")
        assert_in("org.example.P2PChat", owner)
        for unit in ("p2pchatd.service", "p2pchatd.socket", "p2pchatd-announce.socket",
                     "p2pchatd-announce6.socket", "p2pchatd-second.socket"):
            assert_equal(m.out("systemctl", "is-enabled", unit).strip(), "enabled", unit)


@test
def enables_with_systemctl():
    m = machines["ece"]
    m.run("systemctl", "disable", "--now", "p2pchatd.socket", "p2pchatd.service")
    assert_equal(m.unit("p2pchatd.service", "ActiveState"), "inactive")
    assert_equal(m.unit("p2pchatd-announce.socket", "ActiveState"), "inactive")
    m.run("systemctl", "enable", "--now", "p2pchatd.service")
    m.wait_active()
    assert_equal(m.unit("p2pchatd.socket", "ActiveState"), "active")


@test
def is_sandboxed():
    m = machines["bob"]
    line = m.out("systemd-analyze", "security", "p2pchatd.service").strip().splitlines()[-1]
    exposure = float(re.search(r": ([0-9.]+) ", line).group(1))
    assert_between(exposure, 0, 1.1, "exposure")
    for unit in ("p2pchatd.service", "p2pchatd.socket", "p2pchatd-announce.socket",
                 "p2pchatd-announce6.socket", "p2pchatd-second.socket"):
        verify = m.run("systemd-analyze", "verify", "--man=no", unit, check=False)
        assert_not_in("p2pchat", verify.stderr, "complaints")
    status = m.read(f"/proc/{m.pid_of()}/status") or m.out("cat", f"/proc/{m.pid_of()}/status")
    assert_equal(re.search(r"CapEff:\s*(\w+)", status).group(1).strip("0"), "", "capabilities")


@test
def keeps_its_files_to_itself():
    m = machines["bob"]

    def mode(path):
        return m.out("stat", "-c", "%a %U:%G", path).strip()

    assert_equal(mode("/var/lib/p2pchat"), "700 p2pchat:p2pchat")
    assert_equal(mode("/var/lib/p2pchat/p2pchat.db"), "600 p2pchat:p2pchat")
    assert_equal(mode("/var/lib/p2pchat/secret"), "600 p2pchat:p2pchat")
    assert_equal(mode("/var/log/p2pchat"), "750 p2pchat:p2pchat")


@test
def all_see_each_other():
    for m in machines.values():
        for other in machines.values():
            if other is not m:
                user = m.wait_user(other.name, "online", 60)
                assert_equal(user["address"], other.address)
                assert_in(user["security"], ("unproven", "encrypted"))
                assert_equal(len(user["id"]), 26, "length of the id")
    assert_equal(sorted(u["name"] for u in machines["ece"].users()), ["bob", "can"])


@test
def presence_is_in_the_journal():
    m = machines["ece"]
    wait_for(lambda: any(e.get("P2PCHAT_USER") == "bob"
                         for e in m.journal(f"MESSAGE_ID={PRESENCE_ID}")),
             30, "an entry about bob")


@test
def busctl_answers_as_in_the_contract():
    m = machines["ece"]
    plain = ["busctl", "call", "org.example.P2PChat", "/org/example/P2PChat",
             "org.example.P2PChat"]
    assert_true(m.out(*plain, "ListUsers").startswith("a(sssstss) 2 "), "ListUsers")
    sent = m.out(*plain, "SendMessage", "ss", "bob", "contract one").split()
    assert_equal(sent[0], "ss")
    assert_true(ULID.fullmatch(sent[1].strip('"')), "message id")
    assert_equal(sent[2], '"delivered"')
    assert_true(m.out(*plain, "GetHistory", "su", "bob", "1").startswith("a(tsssstsssss) 1 "),
                "GetHistory")
    assert_true(m.out(*plain, "GetHistorySince", "stu", "", "0", "1000")
                .startswith("a(tsssstsssss) "), "GetHistorySince")


@test
def a_message_crosses_and_all_memories_hold_it():
    ece, bob = machines["ece"], machines["bob"]
    text = "Merhaba dünya\tand a tab"
    monitor = bob.start("gdbus", "monitor", "--system", "--dest", "org.example.P2PChat")
    monitor.wait_text("is owned by")

    identity, state = ece.call("SendMessage", "ss", "bob", text)
    assert_equal(state, "delivered")

    received = bob.wait_message(text)
    assert_equal(received["user"], "ece")
    assert_equal(received["conversation"], "ece")
    assert_equal(received["direction"], "received")
    assert_equal(received["state"], "received")
    assert_equal(received["security"], "encrypted")
    assert_equal(received["address"], ece.address)
    sent = ece.wait_message(text, "sent")
    assert_equal(sent["id"], identity)
    assert_equal(sent["state"], "delivered")

    since = bob.call("GetHistorySince", "stu", "", received["sequence"] - 1, 10)[0]
    assert_in(text, [row[-1] for row in since])
    assert_equal(bob.call("GetHistorySince", "stu", "", received["sequence"], 10)[0], [])

    monitor.wait_text("org.example.P2PChat.MessageReceived")
    assert_in("Merhaba", monitor.text())

    for m, word, direction in ((ece, "SENT", "sent"), (bob, "RECEIVED", "received")):
        def line():
            return [f for f in m.history_log() if len(f) == 6 and f[1] == word
                    and f[5] == "Merhaba dünya\\tand a tab"]

        fields = wait_for(line, 20, f"a line {word} in history.log of {m.name}")[0]
        assert_true(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", fields[0]), "time")
        assert_equal(fields[2], "bob" if word == "SENT" else "ece")
        assert_equal(fields[4], "encrypted")

        def entry():
            return [e for e in m.journal(f"MESSAGE_ID={MESSAGE_ID}")
                    if e.get("P2PCHAT_MESSAGE") == text]

        found = wait_for(entry, 20, f"an entry in the journal of {m.name}")[0]
        assert_equal(found["P2PCHAT_DIRECTION"].lower(), direction)
        assert_equal(found["P2PCHAT_SECURITY"], "encrypted")
        assert_true(ULID.fullmatch(found["P2PCHAT_MESSAGE_ID"]), "id in the journal")
    assert_equal(bob.out("stat", "-c", "%a %U:%G", "/var/log/p2pchat/history.log").strip(),
                 "640 p2pchat:p2pchat")
    explained = ece.out("journalctl", "--no-pager", "--catalog", "-n", "1",
                        f"MESSAGE_ID={MESSAGE_ID}")
    assert_in("A chat message: Message to", explained)
    assert_true("@" not in explained, "nothing that the journal could not fill in")


@test
def commands_do_the_same():
    can, bob = machines["can"], machines["bob"]
    wait_for(lambda: "bob (Online)" in can.out("p2pchat", "users"), 30, "bob in p2pchat users")
    can.run("p2pchat", "send", "bob", "by command")
    bob.wait_message("by command")
    assert_in("by command", bob.out("p2pchat", "history", "can"))
    unknown = can.run("p2pchat", "send", "nobody-of-this-name", "x", check=False)
    assert_equal(unknown.returncode, 1)
    assert_in("nobody-of-this-name", unknown.stderr)


@test
def a_cut_cable_loses_nothing():
    ece, bob = machines["ece"], machines["bob"]
    bob.wait_user("ece")
    monitor = ece.start("gdbus", "monitor", "--system", "--dest", "org.example.P2PChat")
    bob.cable(False)
    defer(bob.cable, True)
    ece.wait_user("bob", "away", 60)
    monitor.wait_text("UserChanged")

    _, state = ece.call("SendMessage", "ss", "bob", "while you were away")
    assert_equal(state, "queued")
    command = ece.run("p2pchat", "send", "bob", "away, by command", check=False)
    assert_equal(command.returncode, 3)
    assert_in("queued", command.stderr)

    bob.cable(True)
    ece.wait_user("bob", "online", 60)
    bob.wait_message("while you were away", seconds=90)
    bob.wait_message("away, by command", seconds=90)
    ece.call("SendMessage", "ss", "bob", "after the cable")
    bob.wait_message("after the cable")
    texts = [m["text"] for m in bob.history() if m["direction"] == "received"]
    for text in ("while you were away", "away, by command", "after the cable"):
        assert_equal(texts.count(text), 1, f"how often {text!r} came")
    assert_equal(texts.index("away, by command") - texts.index("while you were away"), -1,
                 "order of the two, newest first")
    wait_for(lambda: ece.wait_message("while you were away", "sent")["state"] == "delivered", 30,
             "the state to be delivered")


@test
def a_kill_while_queued_loses_nothing():
    ece, bob = machines["ece"], machines["bob"]
    ece.wait_user("bob", "online", 60)
    bob.cable(False)
    defer(bob.cable, True)
    ece.wait_user("bob", "away", 60)
    assert_equal(ece.call("SendMessage", "ss", "bob", "through a kill")[1], "queued")

    pid = ece.pid_of()
    ece.run("systemctl", "kill", "--signal=KILL", "p2pchatd.service")
    wait_for(lambda: ece.pid_of() not in (0, pid), 60, "a new process")
    ece.wait_active()
    assert_equal([m["state"] for m in ece.history() if m["text"] == "through a kill"], ["queued"])

    bob.cable(True)
    bob.wait_message("through a kill", seconds=90)
    ece.call("SendMessage", "ss", "bob", "after the kill")
    bob.wait_message("after the kill")
    texts = [m["text"] for m in bob.history()]
    assert_equal(texts.count("through a kill"), 1, "how often it came")


@test
def a_power_cut_while_queued_loses_nothing():
    can, bob = machines["can"], machines["bob"]
    can.wait_user("bob", "online", 60)
    bob.cable(False)
    defer(bob.cable, True)
    can.wait_user("bob", "away", 60)
    assert_equal(can.call("SendMessage", "ss", "bob", "through a power cut")[1], "queued")
    can.power_cut()
    bob.cable(True)
    can.boot()
    can.wait_active()
    bob.wait_message("through a power cut", seconds=120)
    can.call("SendMessage", "ss", "bob", "after the power cut")
    bob.wait_message("after the power cut")
    assert_equal([m["text"] for m in bob.history()].count("through a power cut"), 1,
                 "how often it came")


@test
def the_log_file_names_each_message_once():
    for m in machines.values():
        texts = [f[5] for f in m.history_log() if len(f) == 6]
        history = [r for r in m.history() if r["direction"] == "received" or r["state"] == "delivered"]
        for row in history:
            text = row["text"].replace("\t", "\\t")
            assert_equal(texts.count(text), 1, f"lines with {text!r} in history.log of {m.name}")


main(boot_all)
