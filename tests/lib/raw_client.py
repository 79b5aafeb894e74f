# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of a bus that reads when it is told to, and not before

    client = RawClient(bus)
    client.call(NAME, PATH, INTERFACE, "GetHistory", "su", "", 10)   # its answer
    client.send(NAME, PATH, INTERFACE, "GetHistory", "su", "", 10)   # which nobody waits for
    client.signals                                                   # that came before answers
"""

import os
import socket

from gi.repository import Gio, GLib

from harness import assert_equal, defer

BROKER = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


class RawClient:
    def __init__(self, bus, seconds=60):
        self.serial, self.signals = 0, []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        defer(self.socket.close)
        self.socket.settimeout(seconds)
        self.socket.connect(bus.socket)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode()
                            + b"\r\n")
        self.socket.recv(1000)
        self.socket.sendall(b"BEGIN\r\n")
        self.file = self.socket.makefile("rb")
        self.call(*BROKER, "Hello")

    def match(self, rule):
        self.call(*BROKER, "AddMatch", "s", rule)

    def send(self, destination, path, interface, member, signature="", *args):
        self.serial += 1
        message = Gio.DBusMessage.new_method_call(destination, path, interface, member)
        message.set_serial(self.serial)
        if signature:
            message.set_body(GLib.Variant(f"({signature})", args))
        self.socket.sendall(message.to_blob(Gio.DBusCapabilityFlags.NONE))

    def call(self, destination, path, interface, member, signature="", *args):
        self.send(destination, path, interface, member, signature, *args)
        while (answer := self.read()).get_reply_serial() != self.serial:
            if answer.get_message_type() == Gio.DBusMessageType.SIGNAL:
                self.signals.append(answer)
        assert_equal(answer.get_message_type(), Gio.DBusMessageType.METHOD_RETURN, member)
        return answer.get_body().unpack() if answer.get_body() else ()

    def read(self):
        head = self.file.read(16)
        rest = self.file.read(Gio.DBusMessage.bytes_needed(head) - 16)
        return Gio.DBusMessage.new_from_blob(head + rest, Gio.DBusCapabilityFlags.NONE)
