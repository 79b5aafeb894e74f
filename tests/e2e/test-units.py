#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of the service: started by what comes, stopped, upgraded, rotated, refused, purged"""

import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import *  # noqa: E402,F403
from machine import Machine, Network  # noqa: E402

TREE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
NAME, PATH = "org.example.P2PChat", "/org/example/P2PChat"

SOCKETS = ("p2pchatd.socket", "p2pchatd-announce.socket", "p2pchatd-announce6.socket",
           "p2pchatd-second.socket")

network = None
ece = bob = None


def boot_all():
    global network, ece, bob
    network = Network()
    ece, bob = Machine(network, "ece", 1), Machine(network, "bob", 2)
    for m in (ece, bob):
        m.boot()
        m.install()
        m.wait_active()
    ece.wait_user("bob")
    bob.wait_user("ece")


def say(text):
    """A stranger's plain message to ece; returns the open connection."""
    s = network.connect(ece.address)
    s.sendall(b'{"unencrypted_message": "%s"}' % text.encode())
    return s


def stop_with_quiet_neighbours():
    """The service stopped, and nobody near who would start it again by announcing."""
    bob.run("systemctl", "stop", *SOCKETS, "p2pchatd.service")
    defer(lambda: bob.run("systemctl", "start", *SOCKETS, "p2pchatd.service"))
    defer(lambda: ece.run("systemctl", "start", *SOCKETS, "p2pchatd.service"))

    def is_down():
        # What was under way when it stopped starts it again once.
        ece.run("systemctl", "stop", "p2pchatd.service")
        return ece.unit("p2pchatd.service", "ActiveState") == "inactive"

    wait_for(is_down, 30, "the service to be down", 1)


@test
def the_package_tests_itself():
    with open(os.path.join(TREE, "debian/tests/installed"), encoding="utf-8") as file:
        bob.write("/root/installed", file.read(), 0o755)
    bob.install("/root/p2pchat-web.deb")
    defer(lambda: bob.run("apt-get", "purge", "-qq", "--yes", "p2pchat-web"))
    defer(lambda: bob.run("p2pchat", "name", "bob"))
    bob.run("/root/installed")


@test
def an_announcement_starts_it():
    stop_with_quiet_neighbours()
    network.announce({"username": "Stranger"})
    ece.wait_active()
    ece.wait_user("Stranger")


@test
def the_second_dialect_starts_it():
    stop_with_quiet_neighbours()
    network.announce({"username": "Second", "ip": network.address, "port": 7001}, 6004)
    ece.wait_active()
    ece.wait_user("Second")


@test
def a_connection_starts_it():
    stop_with_quiet_neighbours()
    with say("by connection"):
        ece.wait_active()
        ece.wait_message("by connection")


@test
def a_call_starts_it():
    stop_with_quiet_neighbours()
    ece.call("ListUsers")
    ece.wait_active()


@test
def stopping_the_socket_stops_all():
    defer(lambda: ece.run("systemctl", "start", *SOCKETS, "p2pchatd.service"))
    ece.run("systemctl", "stop", "p2pchatd.socket")
    for unit in ("p2pchatd.service", *SOCKETS):
        wait_for(lambda: ece.unit(unit, "ActiveState") == "inactive", 30, f"{unit} to be down")
    with assert_raises(OSError):
        network.connect(ece.address, timeout=5)


@test
def disabled_means_disabled():
    def enable():
        ece.run("systemctl", "enable", "--now", "p2pchatd.service", *SOCKETS)
        ece.wait_active()

    defer(enable)
    ece.run("systemctl", "disable", "--now", "p2pchatd.socket", "p2pchatd.service")
    assert_true(ece.busctl("call", NAME, PATH, NAME, "ListUsers", check=False).returncode != 0,
                "a call that starts it")
    assert_equal(ece.unit("p2pchatd.service", "ActiveState"), "inactive")


@test
def a_missing_secondary_socket_does_not_matter():
    def start():
        # A socket does not start while its service runs without it.
        ece.run("systemctl", "stop", "p2pchatd.socket", "p2pchatd.service")
        ece.run("systemctl", "start", *SOCKETS, "p2pchatd.service")
        ece.wait_active()

    defer(start)
    # All of them: a neighbour that calls meanwhile would have them started again.
    ece.run("systemctl", "stop", "p2pchatd.socket", "p2pchatd.service")
    with ece.socket(socket.SOCK_DGRAM) as thief:
        thief.bind(("0.0.0.0", 6004))
        ece.run("systemctl", "start", "p2pchatd.service")
        ece.wait_active()
        assert_true(ece.unit("p2pchatd-second.socket", "ActiveState") != "active", "the port")
    with say("without the second"):
        ece.wait_message("without the second")


@test
def a_restart_keeps_the_sockets():
    before = ece.listener_inode()
    ece.run("systemctl", "restart", "p2pchatd.service")
    ece.wait_active()
    assert_equal(ece.listener_inode(), before, "inode of the listener")


@test
def a_hook_answers():
    drop_in = "/etc/systemd/system/p2pchat-hook@.service.d"
    defer(lambda: ece.run("rm", "-r", "/etc/p2pchat/hooks.d/echo", drop_in))
    defer(lambda: ece.run("systemctl", "disable", "--now", "p2pchat-hook@echo.service"))
    ece.write("/etc/p2pchat/hooks.d/echo", """#!/bin/sh
# The first attempt fails: the same message comes again.
[ -e "$STATE_DIRECTORY/failed" ] || { touch failed; exit 1; }
grep -o '"text":"[^"]*"' >>"$STATE_DIRECTORY/texts"
touch /etc/p2pchat/hooks.d/mine 2>/dev/null && exit 2
exec p2pchat send bob "got it" >/dev/null
""", 0o755)
    # A hook that is not there is refused before anything runs.
    assert_true(ece.run("systemctl", "start", "p2pchat-hook@other.service",
                        check=False).returncode != 0, "a hook without a program")
    ece.run("mkdir", "-p", drop_in)
    ece.write(f"{drop_in}/soon.conf", "[Service]\nRestartSec=200ms\n")
    ece.run("systemctl", "daemon-reload")
    ece.run("systemctl", "enable", "--now", "p2pchat-hook@echo.service")
    wait_for(lambda: ece.run("test", "-e", "/var/lib/p2pchat-hook/echo/echo",
                             check=False).returncode == 0, 60, "the hook's cursor")
    bob.call("SendMessage", "ss", "ece", "for the hook")
    bob.wait_message("got it")
    assert_equal(ece.read("/var/lib/p2pchat-hook/echo/texts").split("\n")[0],
                 '"text":"for the hook"')
    ece.run("systemctl", "stop", "p2pchat-hook@echo.service")
    bob.call("SendMessage", "ss", "ece", "missed at first")
    ece.run("systemctl", "start", "p2pchat-hook@echo.service")
    wait_for(lambda: "missed at first" in ece.read("/var/lib/p2pchat-hook/echo/texts"), 60,
             "what it missed")
    assert_equal(len(ece.read("/var/lib/p2pchat-hook/echo/texts").splitlines()), 2)


@test
def the_notifier_comes_with_graphical_sessions():
    bob.install("/root/p2pchat-desktop.deb")
    state = bob.out("systemctl", "--global", "is-enabled", "p2pchat-notify.service")
    assert_equal(state.strip(), "enabled")
    bob.run("env", "XDG_RUNTIME_DIR=/run", "systemd-analyze", "--user", "--man=no", "verify",
            "/usr/lib/systemd/user/p2pchat-notify.service")
    # Where the unit does it, the session does not start it once more.
    assert_in("X-systemd-skip=true", bob.read("/etc/xdg/autostart/p2pchat-notify.desktop"))
    assert_in("p2pchat-notify", bob.out("p2pchat-notify", "--version"))
    bob.run("apt-get", "purge", "-qq", "--yes", "p2pchat-desktop")


@test
def an_upgrade_serves_who_waits():
    version = ece.out("dpkg-query", "-W", "-f", "${Version}", "p2pchat")
    ece.run("sh", "-c", "rm -rf /root/next && dpkg-deb -R /root/p2pchat.deb /root/next && "
            f"sed -i 's/^Version: .*/Version: {version}+next/' /root/next/DEBIAN/control && "
            "dpkg-deb -b /root/next /root/next.deb")
    hold = "/etc/systemd/system/p2pchatd.service.d/hold.conf"
    ece.write(hold, "[Service]\nExecStartPre=/bin/sh -c "
              "'while [ -e /run/hold ]; do sleep 0.1; done'\n")
    defer(lambda: (os.unlink(ece.root + hold), ece.run("systemctl", "daemon-reload")))
    ece.run("systemctl", "daemon-reload")
    before = ece.listener_inode()
    ece.run("touch", "/run/hold")

    apt = ece.start("apt-get", "install", "-qq", "--yes", "/root/next.deb")
    wait_for(lambda: ece.unit("p2pchatd.service", "ActiveState") == "activating", 120,
             "the new version to be about to start")
    with say("waited through the upgrade") as client:
        assert_equal(ece.listener_inode(), before, "inode of the listener meanwhile")
        ece.run("rm", "/run/hold")
        assert_equal(apt.wait_exit(300), 0, "apt")
        ece.wait_active()
        ece.wait_message("waited through the upgrade")
        client.settimeout(30)
        while client.recv(4096):
            pass
    assert_equal([m["text"] for m in ece.history()].count("waited through the upgrade"), 1)
    assert_equal(ece.listener_inode(), before, "inode of the listener")
    assert_equal(ece.out("dpkg-query", "-W", "-f", "${Version}", "p2pchat"), version + "+next")
    ece.wait_user("bob")


@test
def a_reload_opens_the_log_again():
    log = "/var/log/p2pchat/history.log"
    with say("before the reload"):
        ece.wait_message("before the reload")
    wait_for(lambda: "before the reload" in ece.read(log), 20, "the line")
    pid = ece.pid_of()
    ece.run("mv", log, log + ".old")
    ece.run("systemctl", "reload", "p2pchatd.service")
    wait_for(lambda: os.path.exists(ece.root + log), 30, "a new log file")
    with say("after the reload"):
        ece.wait_message("after the reload")
    wait_for(lambda: "after the reload" in ece.read(log), 20, "the line in the new file")
    assert_not_in("before the reload", ece.read(log))
    assert_equal(ece.pid_of(), pid, "main process")
    assert_equal(ece.unit("p2pchatd.service", "ActiveState"), "active")


@test
def the_log_level_is_changed_while_it_runs():
    def level(*words):
        return ece.out("systemctl", "service-log-level", "p2pchatd.service", *words).strip()

    assert_equal(level(), "info", "log level")
    level("debug")
    assert_equal(level(), "debug", "log level")
    level("info")


@test
def logrotate_rotates():
    log = "/var/log/p2pchat/history.log"
    with say("before rotation"):
        ece.wait_message("before rotation")
    wait_for(lambda: "before rotation" in ece.read(log), 20, "the line")
    ece.run("logrotate", "--force", "/etc/logrotate.d/p2pchat")
    wait_for(lambda: "before rotation" in ece.read(log + ".1"), 30, "the old file")
    with say("after rotation"):
        ece.wait_message("after rotation")
    wait_for(lambda: "after rotation" in ece.read(log), 20, "the line in the new file")
    assert_not_in("before rotation", ece.read(log))
    assert_equal(ece.out("stat", "-c", "%a %U:%G", log).strip(), "640 p2pchat:p2pchat")


@test
def the_watchdog_ends_a_hanging_service():
    override = "/etc/systemd/system/p2pchatd.service.d/watchdog.conf"
    ece.write(override, "[Service]\nWatchdogSec=3s\n")

    def undo():
        os.unlink(ece.root + override)
        ece.run("systemctl", "daemon-reload")
        ece.run("systemctl", "restart", "p2pchatd.service")

    defer(undo)
    ece.run("systemctl", "daemon-reload")
    ece.run("systemctl", "restart", "p2pchatd.service")
    pid = ece.pid_of()
    ece.run("sh", "-c", f"kill -STOP {pid}")
    wait_for(lambda: ece.pid_of() not in (0, pid), 120, "a new process")
    ece.wait_active()


@test
def the_secret_may_come_as_an_encrypted_credential():
    secret = "/var/lib/p2pchat/secret"
    encrypted = "/etc/credstore.encrypted/p2pchat.secret"
    with say("sealed by the file"):
        ece.wait_message("sealed by the file")
    ece.run("systemctl", "stop", "p2pchatd.socket", "p2pchatd.service")
    ece.run("install", "-d", "-m", "0700", "/etc/credstore.encrypted")
    ece.run("systemd-creds", "encrypt", "--name=p2pchat.secret", secret, encrypted)
    ece.run("mv", secret, "/root/secret-kept")

    def undo():
        ece.run("systemctl", "stop", "p2pchatd.socket", "p2pchatd.service")
        ece.run("rm", "-f", encrypted)
        ece.run("mv", "/root/secret-kept", secret)
        ece.run("systemctl", "start", *SOCKETS, "p2pchatd.service")
        ece.wait_active()

    defer(undo)
    ece.run("systemctl", "start", *SOCKETS, "p2pchatd.service")
    ece.wait_active()
    assert_in("sealed by the file", [m["text"] for m in ece.history()])
    assert_true(not os.path.exists(ece.root + secret), "no secret is on the disk")


@test
def a_lost_secret_is_refused_with_the_remedy():
    secret = "/var/lib/p2pchat/secret"
    size = os.path.getsize(ece.root + "/var/lib/p2pchat/p2pchat.db")
    ece.run("systemctl", "stop", "p2pchatd.socket", "p2pchatd.service")
    ece.run("mv", secret, "/root/secret")

    def restore():
        ece.run("mv", "/root/secret", secret)
        ece.run("sh", "-c", "systemctl reset-failed 'p2pchatd*' || true")
        ece.run("systemctl", "start", *SOCKETS, "p2pchatd.service")
        ece.wait_active()

    ece.run("systemctl", "start", "p2pchatd.service", check=False)
    wait_for(lambda: ece.unit("p2pchatd.service", "ExecMainStatus") == "78", 30, "status 78")
    assert_true(not os.path.exists(ece.root + secret), "no new secret was made")
    assert_between(os.path.getsize(ece.root + "/var/lib/p2pchat/p2pchat.db"), size, 1 << 30)
    said = ece.out("journalctl", "--no-pager", "-u", "p2pchatd.service", "-n", "30")
    assert_in("secret", said)
    assert_in("backup", said.lower(), "the remedy")
    restore()
    assert_in("before rotation", [m["text"] for m in ece.history()], "the history is whole")


@test
def removal_keeps_and_purge_forgets():
    ece.run("apt-get", "remove", "-qq", "--yes", "p2pchat")
    assert_true(os.path.exists(ece.root + "/var/lib/p2pchat/p2pchat.db"), "kept by removal")
    assert_equal(ece.unit("p2pchatd.service", "ActiveState"), "inactive")
    with assert_raises(OSError):
        network.connect(ece.address, timeout=5)
    ece.run("apt-get", "purge", "-qq", "--yes", "p2pchat")
    for path in ("/var/lib/p2pchat", "/var/log/p2pchat", "/etc/p2pchat"):
        assert_true(not os.path.exists(ece.root + path), f"{path} is gone")
    left = ece.out("find", "/etc/systemd", "/usr/share/dbus-1", "/lib/systemd", "-name", "*p2pchat*",
                   "-not", "-path", "*/p2pchatd.service.d*")
    assert_equal(left.strip(), "", "what is left")


@test
def installs_again_after_purge():
    ece.run("rm", "-rf", "/etc/systemd/system/p2pchatd.service.d")
    ece.install()
    ece.wait_active()
    ece.wait_user("bob")
    assert_equal(ece.history(), [])


main(boot_all)
