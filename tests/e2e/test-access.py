#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may use the service, on either broker: outsiders, members, administrators, forgers"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from brokers import boot_brokers, each_broker  # noqa: E402
from harness import *  # noqa: E402,F403

NAME, PATH = "org.example.P2PChat", "/org/example/P2PChat"


@each_broker
def an_outsider_cannot_call(m, other):
    unique = m.out("busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                   "org.freedesktop.DBus", "GetNameOwner", "s", NAME).split('"')[1]
    for command in (
            ["call", NAME, PATH, NAME, "ListUsers"],
            ["call", unique, PATH, NAME, "ListUsers"],
            ["call", NAME, PATH, NAME, "SendMessage", "ss", other.name, "by an outsider"],
            ["call", NAME, PATH, NAME, "GetHistory", "su", "", "10"],
            ["get-property", NAME, PATH, NAME, "Username"],
            ["set-property", NAME, PATH, NAME, "Username", "s", "Mallory"],
            ["call", NAME, PATH, "org.freedesktop.DBus.Peer", "Ping"],
            ["call", NAME, PATH, "org.freedesktop.DBus.Introspectable", "Introspect"],
            ["get-property", NAME, "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1",
             "LogLevel"]):
        done = m.busctl(*command, user="outsider", check=False)
        assert_true(done.returncode != 0, " ".join(command))
        assert_true("denied" in done.stderr.lower() or "rejected" in done.stderr.lower()
                    or "sender is not authorized" in done.stderr.lower(), done.stderr)
    assert_true(m.run("p2pchat", "users", user="outsider", check=False).returncode != 0,
                "the command")
    done = m.run("p2pchat", "doctor", user="outsider", check=False)
    assert_equal(done.returncode, 1, "exit status of doctor")
    assert_in("membership", done.stdout)
    assert_in("adduser outsider p2pchat", done.stdout)
    assert_not_in("by an outsider", [r["text"] for r in m.history()])


@each_broker
def a_member_and_an_administrator_can_call(m, other):
    for user in ("member", "administrator"):
        assert_in(other.name, [row[0] for row in m.call("ListUsers", user=user)[0]])
        m.busctl("get-property", NAME, PATH, NAME, "Username", user=user)
        text = f"by {user} of {m.name}"
        m.call("SendMessage", "ss", other.name, text, user=user)
        other.wait_message(text)
        assert_in(other.name, m.out("p2pchat", "users", user=user))


@each_broker
def signals_reach_members_only(m, other):
    monitors = {user: m.start("gdbus", "monitor", "--system", "--dest", NAME, user=user)
                for user in ("outsider", "member")}
    raw = m.start("busctl", "monitor", NAME, user="outsider")
    monitors["member"].wait_text("is owned by")
    wait_for(lambda: monitors["outsider"].text(), 30, "the outsider's monitor to run")
    text = f"signal for members of {m.name}"
    other.call("SendMessage", "ss", m.name, text)
    m.wait_message(text)
    monitors["member"].wait_text(text)
    assert_in("MessageReceived", monitors["member"].text())
    for what in (monitors["outsider"].text(), raw.text()):
        for word in ("MessageReceived", "PropertiesChanged", text):
            assert_not_in(word, what, "what the outsider saw")


@each_broker
def a_forged_signal_fools_no_client(m, other):
    listen = m.start("p2pchat", "listen", "--json", user="member")
    probe = f"first of {m.name}"
    # A listener is there once it prints what comes.
    count = [0]

    def shows():
        count[0] += 1
        other.call("SendMessage", "ss", m.name, f"{probe} {count[0]}")
        return probe in listen.text()

    wait_for(shows, 60, "the listener to show a message", 1)
    for user in ("outsider", "member", None):
        m.run("gdbus", "emit", "--system", "--object-path", PATH, "--signal",
              f"{NAME}.MessageReceived", "uint64 999999", "01ARZ3NDEKTSV4RRFFQ69G5FAV", other.name,
              other.name, f"forged by {user}", "uint64 1", "@a{sv} {}", user=user)
    other.call("SendMessage", "ss", m.name, f"last of {m.name}")
    listen.wait_text(f"last of {m.name}")
    assert_not_in("forged", listen.text())


@each_broker
def nobody_else_can_own_the_name(m, other):
    for user in ("outsider", "member"):
        done = m.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                        "org.freedesktop.DBus", "RequestName", "su", NAME, "4", user=user,
                        check=False)
        assert_true(done.returncode != 0, f"{user} took the name")


main(boot_brokers)
