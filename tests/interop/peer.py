# SPDX-License-Identifier: LGPL-2.1-or-later
"""Foreign peers: small programs of the classic protocol, each with the habits of its kind

A peer has an address of its own, announces itself by UDP, listens on TCP 6001 and can call. It is
as naive as such programs are: one read of 1024 bytes is one object, and what it does not expect
ends the connection. What it got is in .messages as (text, secure), what went wrong in .errors.
"""
import base64
import json
import random
import socket
import struct
import threading
import time

from forms import FORMS
from harness import Failure, defer, wait_for

READ = 1024
PAUSE = 0.3  # between two writes, so that the other side does not read them as one
GROUPS = {19: 2, 23: 5}


class Unexpected(Exception):
    """Such a program would die here, or at least hang up."""


def listen(address, port, kind=socket.SOCK_STREAM):
    s = socket.socket(socket.AF_INET, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((address, port))
    if kind == socket.SOCK_STREAM:
        s.listen(8)
    return s


class Peer:
    """
    form, p, g      how it encrypts
    key             "string", "number" or "bare": how it writes a public value
    strict_number   it takes a key only as a number
    public_key      its member is "public_key"
    gives_group     it writes p and g beside its key
    spelling        "_", " " or "": encrypted_message, encrypted message, encryptedmessage
    plain_member    another member for plain text
    choice          None, "json", "bare", "byte" or "digit": what comes before everything
    connections     1, or 2: key and message on two
    reply           it answers each text with this one, as unencrypted_message
    wraps           its plain text is in base64, and it dies of other plain text
    lingers         as initiator it keeps the connection until it hears something or a close
    no_key          it knows nothing of keys
    resets          it hangs up with a reset, not with the end of the file, when it errs
    announces       further members of its announcement
    """

    def __init__(self, daemon, address, name, form="sp24", p=19, key="string",
                 strict_number=False, public_key=False, gives_group=False, spelling="_",
                 plain_member=None, choice=None, connections=1, reply=None, wraps=False,
                 lingers=False, no_key=False, resets=False, announces=None, port=6001, period=1.0):
        self.daemon, self.address, self.name = daemon, address, name
        self.form, self.p, self.g = FORMS[form], p, GROUPS.get(p, 3)
        self.key, self.strict_number, self.public_key = key, strict_number, public_key
        self.gives_group, self.spelling, self.plain_member = gives_group, spelling, plain_member
        self.choice, self.connections, self.reply = choice, connections, reply
        self.wraps, self.lingers, self.announces = wraps, lingers, announces or {}
        self.no_key, self.port, self.period = no_key, port, period
        self.resets = resets
        self.messages, self.errors, self.n_connections = [], [], 0
        self.secrets = {}
        self.stopping = threading.Event()
        self.server = listen(address, port)
        self.udp = listen(address, 0, socket.SOCK_DGRAM)
        self.udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.threads = [threading.Thread(target=f, daemon=True)
                        for f in (self.announce_for_ever, self.serve_for_ever)]
        for t in self.threads:
            t.start()
        defer(self.stop)

    def stop(self):
        self.stopping.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for t in self.threads:
            t.join()
        self.udp.close()

    # Announcing

    announce_port = 6000

    def announcement(self):
        return {"username": self.name, **self.announces}

    def announce_for_ever(self):
        while not self.stopping.is_set():
            self.udp.sendto(json.dumps(self.announcement()).encode(),
                            (self.daemon, self.announce_port))
            self.stopping.wait(self.period)

    # Small things that both roles do

    def member(self, secure):
        if not secure and self.plain_member:
            return self.plain_member
        return ("" if secure else "un") + "encrypted" + self.spelling + "message"

    def write_key(self, value):
        if self.key == "bare":
            return str(value).encode()
        obj = {"public_key" if self.public_key else "key":
               value if self.key == "number" else str(value)}
        if self.gives_group:
            obj.update(p=self.p, g=self.g)
        return json.dumps(obj).encode()

    def read_key(self, data):
        if self.key == "bare":
            return int(data)
        value = json.loads(data)["public_key" if self.public_key else "key"]
        if self.strict_number and not isinstance(value, int):
            raise Unexpected(f"a key that is no number: {data!r}")
        return int(value)

    def secret(self, theirs, own):
        return pow(theirs, own, self.p)

    def exponent(self):
        return random.randrange(1, min(self.p - 1, 2**64))

    def read(self, connection):
        data = connection.recv(READ)
        if len(data) >= 1000:
            raise Unexpected(f"an object of {len(data)} bytes")
        return data

    def take(self, text, secure):
        self.messages.append((text, secure))

    # Being called

    def serve_for_ever(self):
        while not self.stopping.is_set():
            try:
                connection, (address, _) = self.server.accept()
            except OSError:
                return
            self.n_connections += 1
            threading.Thread(target=self.serve, args=(connection, address), daemon=True).start()

    def serve(self, connection, address):
        with connection:
            connection.settimeout(60)
            try:
                self.answer(connection, address)
            except Exception as error:  # such a program hangs up, whatever it was
                self.errors.append(repr(error))
                if self.resets:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                          struct.pack("ii", 1, 0))

    def read_choice(self, connection):
        data = self.read(connection)
        if self.choice == "json":
            return json.loads(data)["choice"] == "y"
        words = {"bare": (b"y", b"n"), "byte": (b"\1", b"\0"), "digit": (b"1", b"0")}[self.choice]
        return (True, False)[words.index(data)]

    def answer(self, connection, address):
        secure = self.read_choice(connection) if self.choice else None
        data = self.read(connection)
        if not data:
            return
        obj = None if self.key == "bare" and data.isdigit() else json.loads(data)
        is_key = obj is None or "key" in obj or "public_key" in obj
        if secure is not None and secure != (is_key or "encrypted" + self.spelling + "message"
                                             in obj):
            raise Unexpected(f"said secure={secure}, sent {data!r}")
        if is_key and self.no_key:
            raise Unexpected(f"a key: {data!r}")
        if is_key:
            theirs, own = self.read_key(data), self.exponent()
            self.secrets[address] = self.secret(theirs, own)
            connection.sendall(self.write_key(pow(self.g, own, self.p)))
            if self.connections == 2:
                return
            data = self.read(connection)
            if not data:
                return
            obj = json.loads(data)
        self.answer_text(connection, address, obj)

    def answer_text(self, connection, address, obj):
        if self.member(True) in obj:
            self.take(self.form.decrypt(self.secrets[address], obj[self.member(True)]), True)
        elif self.member(False) in obj:
            text = obj[self.member(False)]
            self.take(base64.b64decode(text, validate=True).decode() if self.wraps else text,
                      False)
        else:
            raise Unexpected(f"no text in {obj!r}")
        if self.reply:
            connection.sendall(json.dumps({"unencrypted_message": self.reply}).encode())

    # Calling

    def connect(self):
        return socket.create_connection((self.daemon, 6001), timeout=60,
                                        source_address=(self.address, 0))

    def say_choice(self, connection, secure):
        if not self.choice:
            return
        connection.sendall({
            "json": json.dumps({"choice": "y" if secure else "n"}).encode(),
            "bare": b"y" if secure else b"n", "byte": b"\1" if secure else b"\0",
            "digit": b"1" if secure else b"0"}[self.choice])
        time.sleep(PAUSE)

    def call_secure(self, text):
        own = self.exponent()
        connection = self.connect()
        try:
            self.say_choice(connection, True)
            connection.sendall(self.write_key(pow(self.g, own, self.p)))
            s = self.secret(self.read_key(self.read(connection)), own)
            if self.connections == 2:
                connection.close()
                connection = self.connect()
                self.say_choice(connection, True)
            connection.sendall(json.dumps(
                {self.member(True): self.form.encrypt(s, text)}).encode())
            self.leave(connection)
        finally:
            connection.close()

    def call_plain(self, text):
        with self.connect() as connection:
            self.say_choice(connection, False)
            value = base64.b64encode(text.encode()).decode() if self.wraps else text
            connection.sendall(json.dumps({self.member(False): value}).encode())
            self.leave(connection)

    def leave(self, connection):
        if self.lingers and connection.recv(READ):
            raise Unexpected("an answer")

    # What a test asks

    def wait_text(self, text, secure, seconds=90):
        try:
            wait_for(lambda: (text, secure) in self.messages, seconds,
                     f"{self.name} to get {text!r}")
        except Failure as error:
            raise Failure(f"{error}; it got {self.messages}, failed with {self.errors}") from None


def check_both_roles(daemon, peer, secure=True, first=True):
    """The peer calls (unless it is to be called first), then it is called; texts and security are
    right at both ends."""
    word = "legacy" if secure else "plain"

    def theirs(text):
        (peer.call_secure if secure else peer.call_plain)(text)
        row = daemon.wait_message(text)
        for key, value in (("user", peer.name), ("security", word)):
            if row[key] != value:
                raise Failure(f"{peer.name}: {key} is {row[key]!r}, not {value!r}")

    def ours(text):
        daemon.call("SendMessageFull", "ssa{sv}", f"{peer.name}@{peer.address}", text,
                    {"security": ("s", word)})
        peer.wait_text(text, secure)
        wait_for(lambda: [m for m in daemon.history() if m["text"] == text
                          and m["direction"] == "sent" and m["state"] == "sent"
                          and m["security"] == word],
                 90, f"the text to {peer.name} to be sent")

    text = f"from {peer.name}: a text longer than two blocks, ığüşöç €"
    if first:
        theirs(text)
    ours(f"to {peer.name}: a text longer than two blocks, ığüşöç €")
    if not first:
        theirs(text)
