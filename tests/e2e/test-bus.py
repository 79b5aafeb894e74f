#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes on while something else is down: a broker, a listener, the journal"""

import base64
import json
import os
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import *  # noqa: E402,F403
from machine import Machine, Network  # noqa: E402

P, G = 19, 2

N_MISSED = 100

machines = {}
network = None


def boot_all():
    global network
    network = Network()
    for number, (name, broker) in enumerate((("ece", "dbus-daemon"), ("can", "dbus-broker")), 1):
        machines[name] = Machine(network, name, number, broker)
        machines[name].boot()
        machines[name].install()
        machines[name].wait_active()
    machines["ece"].wait_user("can")
    machines["can"].wait_user("ece")


def begin_talk(m):
    """A classic chat on one connection up to the key exchange; returns it and the shared number."""
    s = network.connect(m.address)
    s.sendall(json.dumps({"key": str(pow(G, 5, P))}).encode())
    answer = b""
    while not answer.endswith(b"}"):
        data = s.recv(1024)
        if not data:
            fail(f"{m.name} answers no key, only {answer!r}")
        answer += data
    return s, pow(int(json.loads(answer)["key"]), 5, P)


def say_secretly(s, number, text):
    key = str(number).encode().ljust(24)
    data = text.encode()
    data += bytes([8 - len(data) % 8]) * (8 - len(data) % 8)
    cipher = Cipher(algorithms.TripleDES(key), modes.ECB()).encryptor()
    sealed = base64.b64encode(cipher.update(data) + cipher.finalize()).decode()
    s.sendall(json.dumps({"encrypted_message": sealed}).encode())


def check_broker_restart(m, how):
    network.announce({"username": "Stranger"})
    m.wait_user("Stranger")
    pid, broker = m.pid_of(), m.pid_of("dbus.service")
    talk, number = begin_talk(m)
    with talk:
        how(m)
        wait_for(lambda: m.pid_of("dbus.service") not in (0, broker), 60, "a new broker")
        wait_for(lambda: m.busctl("call", "org.example.P2PChat", "/org/example/P2PChat",
                                  "org.example.P2PChat", "ListUsers", check=False).returncode == 0,
                 60, "calls to work again", 0.5)
        text = f"over a link older than the broker of {m.name}"
        say_secretly(talk, number, text)
        assert_equal(m.wait_message(text)["security"], "legacy")
    assert_equal(m.pid_of(), pid, "the same process")

    other = next(o for o in machines.values() if o is not m)
    monitor = m.start("gdbus", "monitor", "--system", "--dest", "org.example.P2PChat")
    monitor.wait_text("is owned by")
    other.call("SendMessage", "ss", m.name, f"signal after the restart of {m.name}")
    monitor.wait_text(f"signal after the restart of {m.name}")


@test
def dbus_daemon_restarted():
    assert_equal(machines["ece"].unit("dbus.service", "Id"), "dbus.service")
    check_broker_restart(machines["ece"], lambda m: m.run("systemctl", "restart", "dbus.service"))


@test
def dbus_daemon_killed():
    check_broker_restart(machines["ece"], lambda m: (
        m.run("systemctl", "kill", "--signal=KILL", "dbus.service"),
        m.run("systemctl", "start", "dbus.service", check=False)))


@test
def dbus_broker_restarted():
    assert_equal(machines["can"].unit("dbus.service", "Id"), "dbus-broker.service")
    check_broker_restart(machines["can"], lambda m: m.run("systemctl", "restart", "dbus.service"))


def cursor_number(m, name):
    text = m.read(f"/root/.local/state/p2pchat/cursors/{name}")
    return int(text) if text.strip().isdigit() else None


def texts_of(running):
    """The texts of the JSON lines that it printed."""
    return [json.loads(line)["text"] for line in running.text().splitlines()
            if line.startswith("{")]


@test
def a_listener_with_a_cursor_gets_all_that_it_missed():
    ece, can = machines["ece"], machines["can"]
    command = ["p2pchat", "listen", "--json", "--cursor", "backup"]

    first = ece.start(*command)
    wait_for(lambda: cursor_number(ece, "backup") is not None, 30, "the cursor to be there")
    can.call("SendMessage", "ss", "ece", "seen while listening")
    first.wait_text("seen while listening")
    first.end()

    texts = [f"missed {i}" for i in range(N_MISSED)]
    for text in texts:
        can.run("busctl", "call", "org.example.P2PChat", "/org/example/P2PChat",
                "org.example.P2PChat", "SendMessageFull", "ssa{sv}", "ece", text, "1", "wait-usec",
                "t", "0")
    ece.wait_message(texts[-1], seconds=120)

    second = ece.start(*command)
    second.wait_text(texts[-1] + '"', 60)
    can.call("SendMessage", "ss", "ece", "and on it goes")
    second.wait_text("and on it goes")
    second.end()
    assert_equal(texts_of(second), texts + ["and on it goes"])

    third = ece.start(*command)
    can.call("SendMessage", "ss", "ece", "nothing twice")
    third.wait_text("nothing twice")
    third.end()
    assert_equal(texts_of(third), ["nothing twice"])


@test
def a_handler_gets_each_message_on_its_standard_input():
    ece, can = machines["ece"], machines["can"]
    ece.write("/root/handler", "#!/bin/sh\ncat >>/root/handled\necho >>/root/handled\n", 0o755)
    ece.start("p2pchat", "listen", "--exec", "/root/handler", "--cursor", "handler")
    wait_for(lambda: cursor_number(ece, "handler") is not None, 30, "the cursor to be there")
    can.call("SendMessage", "ss", "ece", 'for "the handler" $(id)')
    wait_for(lambda: "the handler" in ece.read("/root/handled"), 60, "the handler to be called")
    handled = [json.loads(line) for line in ece.read("/root/handled").splitlines() if line.strip()]
    assert_equal([m["text"] for m in handled], ['for "the handler" $(id)'])
    assert_equal(handled[0]["user"], "can")


@test
def a_stopped_journal_stops_nobody():
    ece, can = machines["ece"], machines["can"]
    journald = ece.pid_of("systemd-journald.service")
    ece.run("sh", "-c", f"kill -STOP {journald}")
    defer(lambda: ece.run("sh", "-c", f"kill -CONT {journald}"))
    for i in range(40):
        can.call("SendMessage", "ss", "ece", f"without a journal {i}")
    ece.wait_message("without a journal 39")
    assert_equal(ece.call("SendMessage", "ss", "can", "answer without a journal")[1], "delivered")
    can.wait_message("answer without a journal")
    got = [m["text"] for m in ece.history() if m["text"].startswith("without a journal")]
    assert_equal(len(got), 40)
    ece.run("sh", "-c", f"kill -CONT {journald}")
    can.call("SendMessage", "ss", "ece", "the journal is back")
    wait_for(lambda: any(e.get("P2PCHAT_MESSAGE") == "the journal is back" for e in
                         ece.journal("MESSAGE_ID=6f4f6c2d4d0e4b3f9a6f0e1c2b7d5a11")),
             60, "the journal to take entries again")


main(boot_all)
