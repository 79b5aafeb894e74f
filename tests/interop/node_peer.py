# SPDX-License-Identifier: LGPL-2.1-or-later
"""Foreign peers of the third dialect: nodes as the node library for Python makes them

Same bytes and same carelessness: an id is what one read gives, everything behind it belongs to packets that end
in 0x04, an empty packet stops the reader for ever, and an end of file is not noticed. What came is
in .packets, as (id of the other node, str, dict or bytes).
"""
import base64
import bz2
import hashlib
import json
import lzma
import socket
import threading
import time
import zlib

from harness import Failure, defer, wait_for

READ = 4096
END, COMPRESSED = b"\x04", b"\x02"
COMPRESSORS = {"zlib": zlib.compress, "bzip2": bz2.compress, "lzma": lzma.compress}


def make_id(word):
    """As the library makes them: 128 hexadecimal digits."""
    return hashlib.sha512(word.encode()).hexdigest()


class Connection:
    def __init__(self, node, sock, id_, port=None):
        self.node, self.sock, self.id, self.port = node, sock, id_, port
        self.is_over = False
        sock.settimeout(None)
        threading.Thread(target=self.run, daemon=True).start()

    def parse(self, packet):
        if packet.find(COMPRESSED) == len(packet) - 1:
            data = base64.b64decode(packet[:-1])
            if data.endswith(b"zlib"):
                packet = zlib.decompress(data[:-4])
        try:
            text = packet.decode()
        except UnicodeDecodeError:
            return packet
        try:
            return json.loads(text)
        except json.decoder.JSONDecodeError:
            return text

    def run(self):
        buffer = b""
        while not self.is_over:
            try:
                chunk = self.sock.recv(READ)
            except OSError:
                break
            buffer += chunk
            position = buffer.find(END)
            while position > 0:
                packet, buffer = buffer[:position], buffer[position + 1:]
                self.node.packets.append((self.id, self.parse(packet)))
                position = buffer.find(END)
            time.sleep(0.01)
        self.sock.close()
        if self in self.node.connections:
            self.node.connections.remove(self)

    def send(self, data, compression=None):
        data = json.dumps(data) if isinstance(data, dict) else data
        data = data.encode() if isinstance(data, str) else data
        if compression:
            data = base64.b64encode(COMPRESSORS[compression](data) + compression.encode())
            data += COMPRESSED
        self.send_raw(data + END)

    def send_raw(self, data):
        self.sock.sendall(data)

    def close(self):
        self.is_over = True
        self.sock.shutdown(socket.SHUT_RDWR)


class Node:
    """
    id          ours; None: one that the library would make
    is_old      it says a bare id where others say id:port
    greets      what it sends as soon as somebody has called, too early for some
    connections_max  who calls when there are so many is hung up on
    """

    def __init__(self, address, port, id_=None, is_old=False, greets=None, connections_max=8):
        self.address, self.port, self.is_old, self.greets = address, port, is_old, greets
        self.id = id_ if id_ is not None else make_id(f"{address}:{port}")
        self.connections_max = connections_max
        self.packets, self.greetings, self.connections = [], [], []
        self.server = None
        self.listen()
        defer(self.stop)

    def listen(self):
        self.server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.server.bind((self.address, self.port))
        self.server.listen(1)
        threading.Thread(target=self.serve, args=(self.server,), daemon=True).start()

    def serve(self, server):
        while True:
            try:
                sock, address = server.accept()
            except OSError:
                return
            if len(self.connections) >= self.connections_max:
                sock.close()
                continue
            greeting = sock.recv(READ).decode()
            self.greetings.append(greeting)
            id_, port = greeting, address[1]
            if ":" in greeting:
                id_, port = greeting.split(":")
            sock.send(self.id.encode())
            connection = Connection(self, sock, id_, port)
            self.connections.append(connection)
            if self.greets:
                connection.send(self.greets)

    def connect(self, address, port, pause=0):
        """Returns the connection; @pause: seconds until it reads the other id. Failure: the other node hung
        up instead of telling it."""
        try:
            sock = socket.create_connection((address, port), timeout=60,
                                            source_address=(self.address, 0))
            sock.send((self.id if self.is_old else f"{self.id}:{self.port}").encode())
            time.sleep(pause)
            id_ = sock.recv(READ).decode()
        except (ConnectionResetError, BrokenPipeError):
            id_ = ""
        if not id_:
            raise Failure("it hung up instead of telling its id")
        connection = Connection(self, sock, id_, port)
        self.connections.append(connection)
        return connection

    def stop_listening(self):
        if self.server is not None:
            self.server.shutdown(socket.SHUT_RDWR)
            self.server.close()
            self.server = None

    def stop(self):
        self.stop_listening()
        for c in list(self.connections):
            try:
                c.close()
            except OSError:
                pass

    def wait_packet(self, packet, seconds=60):
        try:
            wait_for(lambda: packet in [p for _, p in self.packets], seconds, f"packet {packet!r}")
        except Failure as error:
            raise Failure(f"{error}; it got {self.packets}") from None
