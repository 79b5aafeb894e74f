# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page beside a service, as a client of HTTP sees it

    web = Web(ece.bus)                      # p2pchat-web on that bus; ends with the present test
    page = web.sign_in()
    page.get("/api/users")                  # -> {"users": [...]}, or raises HttpError
    page.post("/api/send", user="bob", text="hi")
    events = page.events()
    events.wait(lambda e: e["type"] == "message")

The port is 6002 and no other, so a program with these needs a network namespace of its own.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import urllib.parse

from daemon import SANITIZER_ENVIRONMENT, build_directory, bus_call
from harness import Failure, child_dies_with_us, defer, on_failure, tempdir, wait_for

NAME, PATH = "org.example.P2PChat.Web", "/org/example/P2PChat"
HOST, PORT = "127.0.0.1", 6002
AUTHORITY = f"{HOST}:{PORT}"


class HttpError(Exception):
    """An answer that is no 200: .status, .word, .sentence"""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        try:
            answer = json.loads(body)
            self.word, self.sentence = answer["error"], answer["sentence"]
        except (ValueError, KeyError, TypeError):
            self.word = self.sentence = ""


def request(method, path, body=None, headers=None, host=AUTHORITY, timeout=60):
    """One request on a connection of its own; (status, headers, body)."""
    connection = http.client.HTTPConnection(HOST, PORT, timeout=timeout)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for one in host if isinstance(host, list) else [host]:
            if one is not None:
                connection.putheader("Host", one)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def raw(data, timeout=30):
    """Bytes as they are; what comes back until the other side closes."""
    with socket.create_connection((HOST, PORT), timeout=timeout) as s:
        s.sendall(data)
        got = b""
        try:
            while part := s.recv(65536):
                got += part
        except ConnectionResetError:
            pass
        return got


class Page:
    """Somebody who is signed in."""

    def __init__(self, session):
        self.session = session

    @property
    def headers(self):
        return {"Authorization": f"Bearer {self.session}"}

    def fetch(self, path, **arguments):
        """Bytes of an answer with 200."""
        query = urllib.parse.urlencode(arguments)
        status, _, body = request("GET", path + ("?" + query if query else ""),
                                  headers=self.headers)
        if status != 200:
            raise HttpError(status, body.decode())
        return body

    def get(self, path, **arguments):
        return json.loads(self.fetch(path, **arguments))

    def post(self, path, **arguments):
        status, _, body = request(
            "POST", path, json.dumps(arguments).encode(),
            {**self.headers, "Content-Type": "application/json", "Origin": f"http://{AUTHORITY}"})
        if status != 200:
            raise HttpError(status, body.decode())
        return json.loads(body)

    def events(self):
        return Events(self)


class Events:
    """An open stream; its lines are collected by a thread."""

    def __init__(self, page):
        self.items = []
        self.ended = False
        self.connection = http.client.HTTPConnection(HOST, PORT, timeout=120)
        self.connection.request("GET", "/api/events", headers=page.headers)
        self.answer = self.connection.getresponse()
        if self.answer.status != 200:
            raise HttpError(self.answer.status, self.answer.read().decode())
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        self.wait(lambda e: e["type"] == "hello")
        defer(self.close)

    def _read(self):
        try:
            for line in self.answer:
                if line.strip():
                    self.items.append(json.loads(line))
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        self.ended = True

    def wait(self, condition, seconds=60):
        return wait_for(lambda: [e for e in list(self.items) if condition(e)], seconds,
                        "an event")[0]

    def wait_text(self, text):
        return self.wait(lambda e: e["type"] == "message" and e["message"]["text"] == text)

    def wait_end(self, seconds=60):
        wait_for(lambda: self.ended, seconds, "the stream to end")

    def close(self):
        if self.connection.sock is not None:
            self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Web:
    """A p2pchat-web on @bus."""

    def __init__(self, bus, arguments=("--idle-time=1h",), sanitized=None, start=True):
        self.bus = bus
        self.arguments = list(arguments)
        self.sanitized = sanitized
        self.directory = tempdir("p2pchat-web-")
        self.stderr_path = os.path.join(self.directory, "stderr")
        self.process = None
        self.state = os.path.join(self.directory, "state")
        os.mkdir(self.state, 0o700)
        on_failure(self._tail)
        defer(self._end)
        if start:
            self.start()

    def start(self):
        notify = os.path.join(self.directory, "notify")
        if os.path.exists(notify):
            os.unlink(notify)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, \
                open(self.stderr_path, "ab") as stderr:
            listener.bind(notify)
            listener.settimeout(30)
            environment = dict(os.environ, NOTIFY_SOCKET=notify, **SANITIZER_ENVIRONMENT)
            for name in ("JOURNAL_STREAM", "LISTEN_FDS", "LISTEN_PID"):
                environment.pop(name, None)
            self.process = subprocess.Popen(
                [os.path.join(build_directory(self.sanitized), "src/web/p2pchat-web"),
                 f"--bus={self.bus.address}", f"--state={self.state}", *self.arguments],
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=environment,
                preexec_fn=child_dies_with_us)
            try:
                while b"READY=1" not in listener.recv(4096):
                    pass
            except TimeoutError:
                raise Failure(f"p2pchat-web was not ready: {self.errors()[-1500:]}") from None

    @property
    def pid(self):
        return self.process.pid

    def token(self):
        return bus_call(self.bus.connect(), NAME, PATH, NAME, "GetToken")[0]

    def sign_in(self, token=None):
        body = json.dumps({"token": token or self.token()}).encode()
        status, _, answer = request("POST", "/signin", body, {"Content-Type": "application/json"})
        if status != 200:
            raise HttpError(status, answer.decode())
        return Page(json.loads(answer)["session"])

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise Failure("no VmRSS")

    def wait_exit(self, seconds=60):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"p2pchat-web still runs after {seconds} s") from None
        self.process = None
        return status

    def kill(self):
        """kill -9"""
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.wait_exit()
        if status != 0:
            raise Failure(f"p2pchat-web ended with {status}: {self.errors()[-1500:]}")

    def _end(self):
        if self.process is not None:
            self.stop()
        for mark in ("AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion "):
            if mark in self.errors():
                raise Failure(f"p2pchat-web: {self.errors()[-3000:]}")

    def errors(self):
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _tail(self):
        text = self.errors()
        return f"--- p2pchat-web:\n{text[-3000:]}" if text else ""
