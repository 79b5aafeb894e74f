#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page where it is installed, on either broker: started by whoever comes, for members alone"""

import http.client
import json
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from brokers import boot_brokers, each_broker, machines  # noqa: E402
from harness import *  # noqa: E402,F403

NAME, PATH = "org.example.P2PChat.Web", "/org/example/P2PChat"
SERVICE, SOCKET = "p2pchat-web.service", "p2pchat-web.socket"
PORT, AUTHORITY = 6002, "127.0.0.1:6002"
PACKAGE = "/root/p2pchat-web.deb"
EXPOSURE_MAX = 0.6
IDLE_KIB_MAX = 6 * 1024


def boot_all():
    boot_brokers(PACKAGE)
    for m in machines.values():
        m.wait_active(SOCKET)


def ask(m, method, path, body=None, session=None):
    """A request on the machine itself: status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    connection.sock = m.socket(socket.SOCK_STREAM)
    connection.sock.settimeout(60)
    try:
        connection.sock.connect(("127.0.0.1", PORT))
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if session:
            headers["Authorization"] = f"Bearer {session}"
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def sign_in(m, user):
    token = m.out("p2pchat", "web", "--token", user=user).strip()
    status, answer = ask(m, "POST", "/signin", {"token": token})
    assert_equal(status, 200, f"signing in: {answer}")
    return json.loads(answer)["session"]


def wait_gone(m):
    wait_for(lambda: m.unit(SERVICE, "ActiveState") == "inactive", 150, "the service to end", 0.5)


@each_broker
def a_visitor_starts_it_and_it_ends(m, other):
    wait_gone(m)
    before = m.listener_inode(PORT)
    status, page = ask(m, "GET", "/")
    assert_equal(status, 200)
    assert_in(b"<title>p2pchat</title>", page)
    assert_equal(m.unit(SERVICE, "ActiveState"), "active")
    with open(f"/proc/{host_pid(m)}/status", encoding="ascii") as file:
        kib = int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])
    print(f"# p2pchat-web on {m.name}: {kib} KiB", flush=True)
    assert_between(kib, 1, IDLE_KIB_MAX, "KiB")
    wait_gone(m)
    assert_equal(m.unit(SERVICE, "Result"), "success")
    assert_equal(m.listener_inode(PORT), before, "inode of the listener")
    assert_equal(ask(m, "GET", "/app.js")[0], 200)


def host_pid(m):
    """The service's process as this machine counts."""
    inside = m.pid_of(SERVICE)
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/status", encoding="ascii", errors="replace") as file:
                text = file.read()
        except OSError:
            continue
        if re.search(rf"^Name:\tp2pchat-web\n(.*\n)*NSpid:.*\t{inside}$", text, re.M) and \
                os.readlink(f"/proc/{m.leader}/ns/pid") == os.readlink(f"/proc/{name}/ns/pid"):
            return int(name)
    raise Failure("no process of the service")


@each_broker
def members_sign_in(m, other):
    for user in ("member", "administrator", None):
        session = sign_in(m, user)
        status, users = ask(m, "GET", "/api/users", session=session)
        assert_equal(status, 200)
        assert_in(other.name, [u["name"] for u in json.loads(users)["users"]])
        text = f"by the page of {user} of {m.name}"
        status, answer = ask(m, "POST", "/api/send", {"user": other.name, "text": text}, session)
        assert_equal(status, 200, str(answer))
        other.wait_message(text)
        status, log = ask(m, "GET", "/log", session=session)
        assert_in(text, log.decode())
        assert_equal(ask(m, "POST", "/signout", {}, session)[0], 200)
        assert_equal(ask(m, "GET", "/api/users", session=session)[0], 401)


@each_broker
def an_outsider_stays_outside(m, other):
    done = m.run("p2pchat", "web", "--token", user="outsider", check=False)
    assert_equal((done.returncode, done.stdout), (1, ""))
    assert_in("p2pchat", done.stderr)
    for command in (["call", NAME, PATH, NAME, "GetToken"],
                    ["call", NAME, PATH, "org.freedesktop.DBus.Peer", "Ping"]):
        done = m.busctl(*command, user="outsider", check=False)
        assert_true(done.returncode != 0, f"{command} by an outsider")
        assert_in("ccess denied", done.stderr)
    for path in ("/log", "/api/users", "/api/events"):
        assert_equal(ask(m, "GET", path)[0], 401)
    done = m.busctl("call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                    "RequestName", "su", NAME, "4", user="member", check=False)
    assert_true(done.returncode != 0, "a member took the name")


@each_broker
def the_sandbox_is_tight(m, other):
    ask(m, "GET", "/")
    lines = m.out("systemd-analyze", "security", "--no-pager", SERVICE, check=False).splitlines()
    exposure = float(re.search(r"level for \S+: ([\d.]+)", lines[-1])[1])
    print(f"# exposure of {SERVICE} on {m.name}: {exposure}", flush=True)
    assert_between(exposure, 0.0, EXPOSURE_MAX, "exposure")
    links = m.out("nsenter", "-t", str(m.pid_of(SERVICE)), "--net", "ip", "-br", "link").splitlines()
    assert_equal([line.split()[0] for line in links], ["lo"])
    assert_equal(m.unit(SERVICE, "User"), "p2pchat-web")
    # What it needs it has: a place for files.
    session = sign_in(m, "member")
    status, answer = ask(m, "POST", "/api/file-begin", {"user": other.name, "name": "x"}, session)
    assert_equal(status, 200, str(answer))
    piece = {"upload": json.loads(answer)["upload"], "data": "YWJj"}
    assert_equal(ask(m, "POST", "/api/file-piece", piece, session)[0], 200)


@each_broker
def without_the_service_it_says_so(m, other):
    session = sign_in(m, "member")
    sockets = ("p2pchatd.socket", "p2pchatd-announce.socket", "p2pchatd-announce6.socket",
               "p2pchatd-second.socket")
    defer(lambda: (m.run("systemctl", "start", *sockets, "p2pchatd.service"), m.wait_active(),
                   m.wait_user(other.name)))
    m.run("systemctl", "stop", "p2pchatd.socket")
    wait_for(lambda: m.unit("p2pchatd.service", "ActiveState") == "inactive", 60, "it to be down")
    status, answer = ask(m, "GET", "/api/users", session=session)
    assert_equal(status, 503)
    assert_in("systemctl start", json.loads(answer)["sentence"])
    assert_equal(m.unit("p2pchatd.service", "ActiveState"), "inactive", "an open page starts nothing")
    # Whoever opens the page wants to chat.
    m.out("p2pchat", "web", "--token", user="member")
    m.wait_active()


@each_broker
def an_upgrade_keeps_the_port(m, other):
    version = m.out("dpkg-query", "-W", "-f", "${Version}", "p2pchat-web")
    before = m.listener_inode(PORT)
    m.run("sh", "-c", f"rm -rf /root/next && dpkg-deb -R {PACKAGE} /root/next && "
          f"sed -i 's/^Version: .*/Version: {version}+next/' /root/next/DEBIAN/control && "
          "dpkg-deb -b /root/next /root/next.deb")
    ask(m, "GET", "/")
    m.install("/root/next.deb")
    assert_equal(m.listener_inode(PORT), before, "inode of the listener")
    assert_equal(ask(m, "GET", "/")[0], 200)
    sign_in(m, "member")


@each_broker
def disabled_means_disabled(m, other):
    defer(lambda: m.run("systemctl", "enable", "--now", SERVICE, SOCKET))
    m.run("systemctl", "disable", "--now", SOCKET, SERVICE)
    with assert_raises(OSError):
        ask(m, "GET", "/")
    assert_true(m.busctl("call", NAME, PATH, NAME, "GetToken", check=False).returncode != 0, "a call")
    assert_equal(m.unit(SERVICE, "ActiveState"), "inactive")


@each_broker
def purged_it_is_gone(m, other):
    m.run("apt-get", "purge", "-qq", "--yes", "p2pchat-web")
    with assert_raises(OSError):
        ask(m, "GET", "/")
    done = m.run("p2pchat", "web", "--token", user="member", check=False)
    assert_equal(done.returncode, 4)
    assert_in("apt install p2pchat-web", done.stderr)
    assert_equal(m.unit("p2pchatd.service", "ActiveState"), "active")


main(boot_all)
