# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes over a cable, byte by byte

    with Capture(namespace, "port-ece") as capture: ...talk...
    capture.payloads()       # of TCP, and of UDP but to the ports of announcements
    capture.announced("Ece")   # as which addresses she has announced herself

Instead of the name of a namespace the path of one will do: /proc/PID/ns/net.
"""

import ctypes
import json
import os
import socket
import struct
import threading

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
PORTS_OF_ANNOUNCEMENTS = (6000, 6004)


def socket_in(namespace, family, kind, protocol=0):
    """A socket of this program in a named network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", encoding="ascii") as ours, \
            open(os.path.join("/run/netns", namespace), encoding="ascii") as theirs:
        if libc.setns(theirs.fileno(), CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(family, kind, protocol)
        finally:
            if libc.setns(ours.fileno(), CLONE_NEWNET) < 0:
                os.abort()


class Capture:
    """All frames of one interface, while the block lasts."""

    def __init__(self, namespace, interface):
        self.frames = []
        self._socket = socket_in(namespace, socket.AF_PACKET, socket.SOCK_RAW,
                                 socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * 1024 * 1024)
        self._socket.bind((interface, 0))
        self._socket.settimeout(0.2)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._ends = False

    def _read(self):
        while not self._ends:
            try:
                self.frames.append(self._socket.recv(65536))
            except TimeoutError:
                continue
        self._socket.close()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ends = True
        self._thread.join()

    def _packets(self):
        """(protocol, destination port, bytes) of each."""
        for frame in list(self.frames):
            protocol, data = _ip(frame)
            if protocol not in (socket.IPPROTO_TCP, socket.IPPROTO_UDP) or len(data) < 8:
                continue
            port = struct.unpack(">H", data[2:4])[0]
            if protocol == socket.IPPROTO_UDP:
                yield "udp", port, data[8:]
            else:
                yield "tcp", port, data[(data[12] >> 4) * 4:]

    def payloads(self):
        """The same of each packet that is no announcement."""
        return [p for p in self._packets() if p[0] != "udp" or p[1] not in PORTS_OF_ANNOUNCEMENTS]

    def announced(self, name):
        words = [json.loads(data) for kind, port, data in self._packets()
                 if kind == "udp" and port == PORTS_OF_ANNOUNCEMENTS[0]]
        return {w["ip"] for w in words if w["username"] == name}

    def stream(self):
        """All that went in TCP, in the order of the frames."""
        return b"".join(data for kind, _, data in self.payloads() if kind == "tcp")


def _ip(frame):
    """Protocol and payload of an Ethernet frame with IPv4 or IPv6, or (None, b"")."""
    kind = struct.unpack(">H", frame[12:14])[0] if len(frame) > 54 else 0
    packet = frame[14:]
    if kind == 0x0800:
        size = struct.unpack(">H", packet[2:4])[0]
        return packet[9], packet[(packet[0] & 15) * 4:size]
    if kind == 0x86dd:
        return packet[6], packet[40:40 + struct.unpack(">H", packet[4:6])[0]]
    return None, b""
