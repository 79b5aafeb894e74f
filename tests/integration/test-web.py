#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page's service over HTTP: what it gives, and whom it refuses"""

import concurrent.futures
import json
import os
import resource
import selectors
import signal
import socket
import stat
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import NO_RING  # noqa: E402
from gi.repository import GLib  # noqa: E402
from harness import *  # noqa: E402,F403
from web import AUTHORITY, HOST, PORT, HttpError, Web, raw, request  # noqa: E402

JSON = {"Content-Type": "application/json"}
LOOKS = ("/log", "/api/events", "/api/status", "/api/users", "/api/history", "/api/history-since",
         "/api/search", "/api/fingerprint")
CHANGES = ("/signout", "/api/send", "/api/cancel", "/api/forget", "/api/block", "/api/unblock",
           "/api/mute", "/api/unmute", "/api/trust", "/api/verify", "/api/alias", "/api/name")
FILES = ("/", "/app.js", "/dialogs.js", "/files.js", "/link.js", "/view.js", "/style.css", "/icon.svg")
HOSTILE = "<script>alert('x')</script> \"quoted\" \\ & ' \u202e ş 🙂 \n\ttab"

N_STREAMS, RATE, SECONDS = 1000, 100, 10
IDLE_KIB_MAX = 6 * 1024


def alone(**kwargs):
    """A service without anybody near, and its page."""
    ece = Daemon(Bus(), "127.0.0.2", config=NO_RING)
    ece.set("Username", "s", "Ece")
    return ece, Web(ece.bus, **kwargs)


def pair(**kwargs):
    ece, web = alone(**kwargs)
    bob = Daemon(Bus(), "127.0.0.3", name="Bob", config=NO_RING)
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    return ece, bob, web


def refused(status, method, path, body=None, headers=None, **kwargs):
    """The answer's word, after a look at its form."""
    got, head, answer = request(method, path, body, headers, **kwargs)
    assert_equal(got, status, f"{method} {path}: {answer!r}")
    answer = json.loads(answer)
    assert_true(answer["sentence"], "a sentence")
    assert_in("script-src 'self'", head["Content-Security-Policy"])
    return answer["error"]


# Signing in


@test
def a_token_signs_in_once():
    _, web = alone()
    token = web.token()
    page = web.sign_in(token)
    assert_equal(page.get("/api/status")["status"]["username"], "Ece")
    with assert_raises(HttpError, "used already") as used:
        web.sign_in(token)
    assert_equal(used.error.status, 401)
    for bad in ("", "x", "a" * 52, token.upper(), token + "a", "0" * 4000):
        body = json.dumps({"token": bad}).encode()
        assert_in(request("POST", "/signin", body, JSON)[0], (401, 413), bad[:60])
    for bad in (b"", b"{}", b"[]", b"{\"token\":1}", b"{\"token\":\"\\u0000\"}", b"\xff", b"{" * 900):
        assert_equal(refused(400, "POST", "/signin", bad, JSON), "InvalidArgs")


@test
def a_token_and_a_session_end():
    _, web = alone(arguments=("--token-time=1s", "--session-time=2s", "--idle-time=1s"))
    token = web.token()
    time.sleep(1.1)
    with assert_raises(HttpError, "too old"):
        web.sign_in(token)
    page = web.sign_in()
    page.get("/api/status")
    # An open stream is a request that goes on.
    events = page.events()
    time.sleep(2.5)
    page.get("/api/status")
    events.close()
    assert_equal(web.wait_exit(), 0, "its end, after that of the session")


@test
def signing_out_ends_all():
    ece, web = alone()
    page, other = web.sign_in(), web.sign_in()
    events, others = page.events(), other.events()
    page.post("/signout")
    events.wait_end()
    assert_equal(refused(401, "GET", "/api/users", headers=page.headers), "NotSignedIn")
    ece.stop()
    others.wait(lambda e: e["type"] == "no-service")
    ece.start()


@test
def nothing_without_a_session():
    _, web = alone()
    web.sign_in()
    wrong = ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer " + "a" * 52},
             {"Authorization": "Basic YTpi"}, {"Cookie": "session=" + "a" * 52})
    for headers in wrong:
        for path in (*LOOKS, "/api/nothing", "/etc/passwd"):
            assert_equal(refused(401, "GET", path, headers=headers), "NotSignedIn", path)
        for path in CHANGES:
            assert_equal(refused(401, "POST", path, b"{}", {**JSON, **headers}), "NotSignedIn", path)
    for path in FILES:
        assert_equal(request("GET", path)[0], 200, path)
        status, head, body = request("HEAD", path)
        assert_equal((status, body), (200, b""), path)
        assert_in("default-src 'none'", head["Content-Security-Policy"])
        assert_equal(head["X-Content-Type-Options"], "nosniff")
        assert_not_in("unsafe", head["Content-Security-Policy"])
        assert_equal(head["Set-Cookie"], None)


# Where a request comes from


@test
def foreign_hosts_and_origins():
    _, web = alone()
    page = web.sign_in()
    for host in ("evil.example", "evil.example:6002", "127.0.0.1", "localhost", "127.0.0.1:80",
                 "localhost:6002.evil.example", "", None, [AUTHORITY, "evil.example"],
                 ["evil.example", AUTHORITY]):
        for path in ("/", "/app.js", "/api/users", "/log"):
            status = request("GET", path, headers=page.headers, host=host)[0]
            # Without any host a request of HTTP/1.1 is none.
            assert_in(status, (403,) if host is not None else (400, 403), f"host {host}")
    assert_equal(request("GET", "/api/users", headers=page.headers, host="localhost:6002")[0], 200)
    for origin in ("null", "http://evil.example", "https://127.0.0.1:6002", "http://127.0.0.1:6003",
                   "http://127.0.0.1:6002.evil.example", ""):
        headers = {**page.headers, **JSON, "Origin": origin}
        assert_equal(refused(403, "POST", "/api/block", b'{"user":"Bob"}', headers), "ForeignOrigin")
        assert_equal(refused(403, "POST", "/signin", b'{"token":"x"}', headers), "ForeignOrigin")
        assert_equal(refused(403, "GET", "/api/users", headers=headers), "ForeignOrigin")
    assert_equal(refused(403, "GET", "/", headers={"Origin": "null"}), "ForeignOrigin")


@test
def changes_are_json_by_post():
    ece, web = alone()
    page = web.sign_in()
    body = b'{"username":"Other"}'
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None):
        headers = {**page.headers, **({"Content-Type": kind} if kind else {})}
        assert_equal(refused(415, "POST", "/api/name", body, headers), "WrongType")
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"):
        status, head, _ = request(method, "/api/name", headers=page.headers)
        assert_equal((status, head["Allow"]), (405, "POST"), method)
    for path in LOOKS:
        status, head, _ = request("POST", path, b"{}", {**page.headers, **JSON})
        assert_equal((status, head["Allow"]), (405, "GET"), path)
    assert_equal(ece.get("Username"), "Ece")
    # No answer lets another page in.
    _, head, _ = request("OPTIONS", "/api/name", headers={**page.headers})
    assert_equal(head["Access-Control-Allow-Origin"], None)


@test
def broken_requests():
    _, web = alone()
    page = web.sign_in()
    head = f"Host: {AUTHORITY}\r\nAuthorization: Bearer {page.session}\r\n".encode()
    post = b"POST /api/send HTTP/1.1\r\n" + head + b"Content-Type: application/json\r\n"
    for data in (b"\0" * 5000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n" + head + b"\r\n",
                 b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n" + head + b"\r\n",
                 b"GET / HTTP/1.1\r\n" + head + b"X: " + b"y" * 100000 + b"\r\n\r\n",
                 post + b"Content-Length: -5\r\n\r\n{}", post + b"Content-Length: x\r\n\r\n{}",
                 post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
        got = raw(data)
        assert_false(got.startswith(b"HTTP/1.1 200"), f"{data[:40]!r}: {got[:80]!r}")
    big = b"{" + b" " * (600 * 1024)
    status = request("POST", "/api/send", b"{}", {**page.headers, **JSON, "X": "1"})[0]
    assert_equal(status, 400)
    got = raw(post + b"Content-Length: %d\r\n\r\n" % len(big))
    assert_true(got.startswith(b"HTTP/1.1 413"), f"{got[:80]!r}")
    # Without a length it is cut off where it gets too long.
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(big) + big + b"\r\n0\r\n\r\n"
    try:
        assert_false(b"200 OK" in raw(chunked), "a body without end")
    except OSError:
        pass
    for body in (b"", b"[]", b"{", b'{"user":"Bob"}', b'{"user":1,"text":"x"}',
                 b'{"user":"Bob","text":"a\\u0000b"}', b'{"user":"Bob","text":"\xff"}',
                 b'{"user":"Bob","text":"x","security":7}'):
        assert_equal(refused(400, "POST", "/api/send", body, {**page.headers, **JSON}), "InvalidArgs",
                     repr(body))
    for query in ("?user=%00", "?user=", "", "?user=&before=x", "?user=&before=-1",
                  "?user=&before=99999999999999999999999", "?user=&limit=5000000000", "?user=%ff"):
        path = "/api/history" + query
        if query == "?user=":
            page.get("/api/history", user="")
        else:
            assert_equal(refused(400, "GET", path, headers=page.headers), "InvalidArgs", query)
    page.get("/api/status")


# What it gives


@test
def what_is_said_is_told_at_once():
    ece, bob, web = pair()
    page = web.sign_in()
    events = page.events()
    assert_equal([u["name"] for u in page.get("/api/users")["users"]], ["Bob"])
    sent = page.post("/api/send", user="Bob", text=HOSTILE)
    assert_equal(sent["state"], "delivered")
    assert_equal(bob.wait_message(HOSTILE)["user"], "Ece")
    ours = events.wait_text(HOSTILE)["message"]
    assert_equal((ours["direction"], ours["conversation"], ours["security"], ours["id"]),
                 ("sent", "Bob", "encrypted", sent["id"]))
    events.wait(lambda e: e == {"type": "state", "id": sent["id"], "state": "delivered", "reason": ""})
    bob.call("SendMessage", "ss", "Ece", HOSTILE[::-1])
    theirs = events.wait_text(HOSTILE[::-1])["message"]
    assert_equal((theirs["direction"], theirs["user"]), ("received", "Bob"))
    ece.cli("send", "Bob", "by command line", check=True)
    events.wait_text("by command line")
    # Each once, in order, and as the history has it.
    told = [e["message"] for e in events.items if e["type"] == "message"]
    rows = page.get("/api/history-since", user="", since=0)["messages"]
    assert_equal([(m["sequence"], m["text"]) for m in told], [(m["sequence"], m["text"]) for m in rows])


@test
def a_burst_is_told_once_and_in_order():
    _, bob, web = pair()
    streams = [web.sign_in().events() for _ in range(3)]
    texts = [f"burst {i}" for i in range(1500)]
    calls = [AsyncCall(bob.connection, INTERFACE, "SendMessage", "ss", "Ece", t) for t in texts[:60]]
    wait_for(lambda: all(c.is_done for c in calls), 60, "the calls")
    for text in texts[60:]:
        bob.call("SendMessage", "ss", "Ece", text)
    for events in streams:
        events.wait_text(texts[-1])
        told = [e["message"]["text"] for e in events.items if e["type"] == "message"]
        assert_equal(sorted(told), sorted(texts), "each once")
        numbers = [e["message"]["sequence"] for e in events.items if e["type"] == "message"]
        assert_equal(numbers, sorted(numbers), "the order")


@test
def history_search_and_log():
    ece, bob, web = pair()
    for i in range(2300):
        ece.call("SendMessageFull", "ssa{sv}", "Bob", f"line {i}\twith\\marks", {"wait-usec": ("t", 0)})
    ece.wait_message("line 2299\twith\\marks", "sent")
    page = web.sign_in()
    seen, before = [], 0
    while rows := page.get("/api/history", user="Bob", before=before, limit=500)["messages"]:
        seen += rows
        before = rows[-1]["sequence"]
    assert_equal([m["text"] for m in seen], [f"line {i}\twith\\marks" for i in reversed(range(2300))])
    assert_equal(set(seen[0]), {"sequence", "id", "direction", "conversation", "user", "time", "address",
                                "user_id", "state", "security", "text"})
    found = page.get("/api/search", user="", text="LINE 1234", limit=10)["messages"]
    assert_equal([m["text"] for m in found], ["line 1234\twith\\marks"])
    assert_equal(page.get("/api/search", user="", text="nothing like it")["messages"], [])
    # The log is that of the file, line by line.
    lines = page.fetch("/log").decode().splitlines()
    assert_equal(len(lines), 2300)
    wait_for(lambda: len(ece.history_log()) == 2300, 60, "the file")
    assert_equal([line.split("\t") for line in lines], ece.history_log())
    rows = page.get("/log", format="json")
    assert_equal([m["text"] for m in rows], [m["text"] for m in reversed(seen)])
    assert_equal(len(page.get("/log", format="json", user="Bob")), 2300)
    with assert_raises(HttpError) as error:
        page.fetch("/log", user="nobody")
    assert_equal((error.error.status, error.error.word), (404, "UnknownUser"))
    assert_equal(refused(400, "GET", "/log?format=html", headers=page.headers), "InvalidArgs")


@test
def logs_that_nobody_reads_are_bounded():
    ece, web = alone()
    page = web.sign_in()
    head = f"Host: {AUTHORITY}\r\nAuthorization: Bearer {page.session}\r\n\r\n"
    os.kill(ece.pid, signal.SIGSTOP)
    defer(os.kill, ece.pid, signal.SIGCONT)
    waiting = []
    for _ in range(16):
        s = socket.create_connection((HOST, PORT), timeout=60)
        defer(s.close)
        s.sendall(f"GET /log HTTP/1.1\r\n{head}".encode())
        waiting.append(s)

    def is_full():
        try:
            return request("GET", "/log", headers=page.headers, timeout=1)[0] == 503
        except TimeoutError:
            return False

    wait_for(is_full, 60, "the limit")
    os.kill(ece.pid, signal.SIGCONT)
    for s in waiting:
        assert_true(s.recv(65536).startswith(b"HTTP/1.1 200"), "an answer")
    wait_for(lambda: request("GET", "/log", headers=page.headers)[0] == 200, 60, "room again")


@test
def an_empty_log():
    _, web = alone()
    page = web.sign_in()
    assert_equal(page.fetch("/log"), b"")
    assert_equal(page.get("/log", format="json"), [])


@test
def people():
    ece, bob, web = pair()
    page = web.sign_in()
    page.post("/api/send", user="Bob", text="hello")
    for path, flag in (("block", "blocked"), ("mute", "muted")):
        page.post(f"/api/{path}", user="Bob", **({"seconds": 3600} if path == "mute" else {}))
        assert_in(flag, ece.user("Bob")["flags"])
        if path == "block":
            with assert_raises(HttpError) as error:
                page.post("/api/send", user="Bob", text="x")
            assert_equal((error.error.status, error.error.word), (409, "Blocked"))
        page.post(f"/api/un{path}", user="Bob")
        assert_not_in(flag, ece.user("Bob")["flags"])
    digits = page.get("/api/fingerprint", user="Bob")["fingerprint"]
    with assert_raises(HttpError) as error:
        page.post("/api/verify", user="Bob", digits="1" * 60)
    assert_equal(error.error.word, "FingerprintMismatch")
    page.post("/api/verify", user="Bob", digits=digits)
    assert_equal(ece.user("Bob")["security"], "verified")
    page.post("/api/alias", user="Bob", name="Robert")
    assert_true(ece.user("Robert"), "the alias")
    page.post("/api/name", username="Ece-2")
    assert_equal(ece.get("Username"), "Ece-2")
    for arguments, word in (({"username": "x"}, "InvalidName"), ({"username": "a b c"}, "InvalidName")):
        with assert_raises(HttpError) as error:
            page.post("/api/name", **arguments)
        assert_equal((error.error.status, error.error.word), (400, word))
    with assert_raises(HttpError) as error:
        page.post("/api/send", user="Robert", text="x" * (60 * 1024 + 1))
    assert_equal((error.error.status, error.error.word), (413, "TooLarge"))
    text = "ş" * (30 * 1024)
    page.post("/api/send", user="Robert", text=text)
    bob.wait_message(text)
    bob.stop()
    queued = page.post("/api/send", user="Robert", text="later")
    assert_equal(queued["state"], "queued")
    page.post("/api/cancel", id=queued["id"])
    with assert_raises(HttpError) as error:
        page.post("/api/cancel", id=queued["id"])
    assert_equal((error.error.status, error.error.word), (404, "NoSuchMessage"))
    page.post("/api/forget", user="Robert")
    assert_equal(page.get("/api/history", user="")["messages"], [])
    bob.start()


# The service and the bus


@test
def without_the_service():
    ece, web = alone()
    page = web.sign_in()
    events = page.events()
    ece.stop()
    events.wait(lambda e: e["type"] == "no-service")
    for attempt in (lambda: page.get("/api/users"), lambda: page.fetch("/log"),
                    lambda: page.post("/api/send", user="Bob", text="x")):
        with assert_raises(HttpError) as error:
            attempt()
        assert_equal((error.error.status, error.error.word), (503, "NoService"))
        assert_in("systemctl start", error.error.sentence)
    ece.start()
    events.wait(lambda e: e["type"] == "service")
    assert_equal(page.get("/api/status")["status"]["username"], "Ece")


@test
def what_came_meanwhile_is_told():
    ece, bob, web = pair()
    events = web.sign_in().events()
    bob.call("SendMessage", "ss", "Ece", "before")
    events.wait_text("before")
    ece.kill()
    bob.call("SendMessage", "ss", "Ece", "between")
    ece.start()
    events.wait_text("between")
    bob.call("SendMessage", "ss", "Ece", "after")
    events.wait_text("after")
    told = [e["message"]["text"] for e in events.items if e["type"] == "message"]
    assert_equal(told, ["before", "between", "after"])


@test
def the_bus_goes_and_comes():
    ece, bob, web = pair()
    page = web.sign_in()
    events = page.events()
    ece.bus.restart()
    events.wait(lambda e: e["type"] == "service")

    def works():
        try:
            return page.get("/api/users")["users"]
        except HttpError:
            return False

    wait_for(works, 60, "the page to work again")
    bob.call("SendMessage", "ss", "Ece", "again")
    events.wait_text("again")
    web.sign_in()


@test
def a_forged_signal_is_no_message():
    ece, bob, web = pair()
    events = web.sign_in().events()
    row = (7, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "Bob", "Bob", "forged", 1, {})
    ece.bus.connect().emit_signal(None, PATH, INTERFACE, "MessageReceived",
                                  GLib.Variant("(tssssta{sv})", row))
    bob.call("SendMessage", "ss", "Ece", "true")
    events.wait_text("true")
    assert_not_in("forged", json.dumps(events.items))


@test
def a_slow_service_delays_nobody_else():
    ece, web = alone()
    page, other = web.sign_in(), web.sign_in()
    os.kill(ece.pid, signal.SIGSTOP)
    defer(os.kill, ece.pid, signal.SIGCONT)
    with concurrent.futures.ThreadPoolExecutor(70) as pool:
        waiting = [pool.submit(page.get, "/api/users") for _ in range(32)]
        waiting += [pool.submit(other.get, "/api/users") for _ in range(32)]

        def is_full():
            # The next one is refused as long as they wait.
            try:
                status, head, _ = request("GET", "/api/status", headers=page.headers, timeout=1)
            except TimeoutError:
                return False
            assert_equal((status, head["Retry-After"]), (429, "2"))
            return True

        wait_for(is_full, 60, "the limit")
        # Pages, tokens and signing in need no service.
        assert_equal(request("GET", "/app.js")[0], 200)
        third = web.sign_in()
        late = pool.submit(third.get, "/api/users")
        os.kill(ece.pid, signal.SIGCONT)
        for one in (*waiting, late):
            assert_equal(one.result(60), {"users": []})


@test
def who_leaves_while_waiting_does_no_harm():
    ece, web = alone()
    page = web.sign_in()
    os.kill(ece.pid, signal.SIGSTOP)
    for _ in range(20):
        with socket.create_connection((HOST, PORT)) as s:
            s.sendall(f"GET /api/users HTTP/1.1\r\nHost: {AUTHORITY}\r\n"
                      f"Authorization: Bearer {page.session}\r\n\r\n".encode())
    os.kill(ece.pid, signal.SIGCONT)
    wait_for(lambda: page.get("/api/users") == {"users": []}, 60, "an answer")


# Many, and slow ones


class Stream:
    """A stream that is read without a thread."""

    def __init__(self, page, receive_buffer=None):
        self.socket = socket.socket()
        defer(self.socket.close)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((HOST, PORT))
        self.socket.sendall(f"GET /api/events HTTP/1.1\r\nHost: {AUTHORITY}\r\n"
                            f"Authorization: Bearer {page.session}\r\n\r\n".encode())
        self.data = b""
        self.n = 0

    def wait_hello(self):
        while b'"hello"' not in self.data:
            part = self.socket.recv(65536)
            if not part:
                raise Failure(f"no stream: {self.data[:300]!r}")
            self.data += part
        return self


def many_descriptors():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[1], 8192), limits[1]))
    if min(limits[1], 8192) < 2500:
        skip("too few descriptors are allowed here")


@test
def a_thousand_streams_keep_up():
    many_descriptors()
    ece = Daemon(Bus(), "127.0.0.2", name="Ece", config=NO_RING, sanitized=False)
    bob = Daemon(Bus(), "127.0.0.3", name="Bob", config=NO_RING, sanitized=False)
    web = Web(ece.bus, sanitized=False)
    bob.wait_user("Ece")
    page = web.sign_in()
    streams = [Stream(page).wait_hello() for _ in range(N_STREAMS)]
    bob.call("SendMessage", "ss", "Ece", "begin")
    selector = selectors.DefaultSelector()
    for stream in streams:
        stream.socket.setblocking(False)
        selector.register(stream.socket, selectors.EVENT_READ, stream)

    def read(seconds):
        for key, _ in selector.select(seconds):
            part = key.data.socket.recv(1 << 20)
            if not part:
                raise Failure(f"a stream ended: {key.data.data[-200:]!r}")
            key.data.n += part.count(b'"number ')

    total, started = RATE * SECONDS, time.monotonic()
    calls = []
    while len(calls) < total:
        due = int((time.monotonic() - started) * RATE) + 1
        while len(calls) < min(due, total):
            calls.append(AsyncCall(bob.connection, INTERFACE, "SendMessage", "ss", "Ece",
                                   f"number {len(calls)}"))
        calls[-1].is_done
        read(0.002)
    sent = time.monotonic() - started
    wait_for(lambda: read(0.1) or all(s.n >= total for s in streams), 60, "all streams to have all",
             0.001)
    all_read = time.monotonic() - started
    assert_true(all(s.n == total for s in streams), "each message once in each stream")
    print(f"# {N_STREAMS} streams, {total} messages in {sent:.1f} s, all read {all_read - sent:.2f} s "
          f"later; p2pchat-web {web.resident_kib()} KiB", flush=True)
    assert_between(all_read - sent, -1, 5, "seconds behind")


@test
def streams_are_bounded():
    many_descriptors()
    _, web = alone(sanitized=False)
    page = web.sign_in()
    streams = [Stream(page).wait_hello() for _ in range(1024)]
    assert_equal(refused(503, "GET", "/api/events", headers=page.headers), "LimitsExceeded")
    # Somebody else has his place, and the one with the most gives it up.
    other = Stream(web.sign_in()).wait_hello()
    streams[0].socket.settimeout(60)
    rest = b""
    while part := streams[0].socket.recv(65536):
        rest += part
    assert_in(b'"replaced"', rest)
    assert_true(other, "a stream")
    assert_equal(page.get("/api/users"), {"users": []})


@test
def a_stream_that_is_not_read_falls_behind_alone():
    _, bob, web = pair()
    page = web.sign_in()
    slow = Stream(page, 4096).wait_hello()
    events = page.events()
    text = "x" * (60 * 1024 - 10)
    for i in range(300):
        bob.call("SendMessage", "ss", "Ece", f"{i} {text}"[:60 * 1024])
    events.wait(lambda e: e["type"] == "message" and e["message"]["text"].startswith("299 "), 120)
    told = [e for e in events.items if e["type"] == "message"]
    assert_equal(len(told), 300, "what the other stream was told")
    slow.socket.settimeout(60)
    rest = b""
    try:
        while part := slow.socket.recv(1 << 20):
            rest += part
    except ConnectionResetError:
        pass
    assert_true(rest.count(b'"type":"message"') < 300, "the slow one was not given all")
    # And can have it all the same.
    rows = page.get("/api/history-since", user="", since=0)["messages"]
    assert_true(rows, "the history")


@test
def it_stops_under_load():
    _, web = alone()
    page = web.sign_in()
    streams = [Stream(page).wait_hello() for _ in range(50)]
    web.stop()
    for stream in streams:
        stream.socket.settimeout(30)
        try:
            while stream.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass


# Its life


@test
def it_ends_when_nobody_is_there():
    ece, web = alone(arguments=("--idle-time=1s",))
    assert_equal(web.wait_exit(), 0)
    web.start()
    page = web.sign_in()
    time.sleep(2)
    page.get("/api/users")
    page.post("/signout")
    assert_equal(web.wait_exit(), 0)


@test
def it_is_small():
    _, web = alone(sanitized=False)
    assert_between(web.resident_kib(), 1, IDLE_KIB_MAX, "KiB at its start")
    page = web.sign_in()
    events = page.events()
    page.get("/api/users")
    page.fetch("/log")
    print(f"# p2pchat-web with one page open: {web.resident_kib()} KiB", flush=True)
    assert_between(web.resident_kib(), 1, IDLE_KIB_MAX, "KiB with a page")
    events.close()
    page.post("/signout")
    wait_for(lambda: web.resident_kib() <= IDLE_KIB_MAX, 30, "it to be small again")
    print(f"# p2pchat-web idle: {web.resident_kib()} KiB", flush=True)


# The command


def command(ece, *arguments, environment=None):
    return ece.cli("web", *arguments, environment={"DISPLAY": "", "WAYLAND_DISPLAY": "",
                                                   **(environment or {})})


@test
def the_command_prints_a_link_or_a_token():
    ece, web = alone()
    token = command(ece, "--token").stdout.strip()
    assert_equal(web.sign_in(token).get("/api/status")["status"]["username"], "Ece")
    done = command(ece)
    link = done.stdout.strip()
    assert_true(link.startswith(f"http://{AUTHORITY}/#"), link)
    assert_in("Open this link", done.stderr)
    web.sign_in(link.split("#")[1])
    token = json.loads(ece.cli("--json", "web", "--token").stdout)["token"]
    web.sign_in(token)


@test
def the_command_opens_a_browser():
    ece, web = alone()
    directory = tempdir()
    runtime = os.path.join(directory, "runtime")
    os.mkdir(runtime, 0o700)
    with open(os.path.join(directory, "xdg-open"), "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho \"$@\" >{directory}/arguments\ncp \"$1\" {directory}/page\n")
    os.chmod(os.path.join(directory, "xdg-open"), 0o755)
    path = f"{directory}:{os.environ['PATH']}"
    done = command(ece, environment={"DISPLAY": ":99", "XDG_RUNTIME_DIR": runtime, "PATH": path})
    assert_equal((done.returncode, done.stderr), (0, ""))
    with open(os.path.join(directory, "arguments"), encoding="utf-8") as file:
        page = file.read().strip()
    assert_equal(page, os.path.join(runtime, "p2pchat-web.html"))
    assert_equal(stat.S_IMODE(os.stat(page).st_mode), 0o600)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    token = text.split(f"url=http://{AUTHORITY}/#")[1].split('"')[0]
    assert_not_in(token, done.stdout, "what is printed")
    assert_not_in("script", text)
    web.sign_in(token)
    # A browser that does not start: the link, and no file that is left.
    with open(os.path.join(directory, "xdg-open"), "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 3\n")
    with open(os.path.join(directory, "gio"), "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexit 3\n")
    os.chmod(os.path.join(directory, "gio"), 0o755)
    done = command(ece, environment={"DISPLAY": ":99", "XDG_RUNTIME_DIR": runtime, "PATH": path})
    web.sign_in(done.stdout.strip().split("#")[1])
    assert_equal(os.listdir(runtime), [])


@test
def the_command_without_the_page():
    ece = Daemon(Bus(), "127.0.0.2", name="Ece", config=NO_RING)
    done = command(ece)
    assert_equal(done.returncode, 4)
    assert_in("apt install p2pchat-web", done.stderr)


def setup():
    if not os.path.exists(os.path.join(build_directory(), "src/web/p2pchat-web")):
        skip("built without libmicrohttpd")


main(setup)
