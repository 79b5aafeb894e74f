# SPDX-License-Identifier: LGPL-2.1-or-later
"""A service that answers what a test wants

    service = StandIn(Bus())
    service.users = [("Ece", "", "192.0.2.1", "online", 1, "legacy", "")]
    service.errors["Trust"] = (ERROR + "UnknownUser", "There is no bob.")
    service.cli("trust", "bob")
    service.calls                               # [("Trust", ("bob",))]
    service.warn("KeyChanged", "bob", "Look at this.")

For what real services cannot be brought to say at will. It runs in a thread of its own; of the
interface it has what the tests of the command line need.
"""

import os
import threading

import gi

gi.require_version("Gio", "2.0")
from gi.repository import Gio, GLib  # noqa: E402

from daemon import INTERFACE, NAME, PATH, SANITIZER_ENVIRONMENT, build_directory  # noqa: E402
from harness import defer, run, tempdir  # noqa: E402

IDENTITY = INTERFACE + ".Identity"
RING = INTERFACE + ".Ring"
LEDGER = INTERFACE + ".Ledger"
GROUPS = INTERFACE + ".Groups"

# Methods: arguments and results. What is not in .results answers with an empty tuple.
MEMBERS = {
    INTERFACE: {
        "ListUsers": ([], ["a(sssstss)"]), "SendMessage": (["s", "s"], ["s", "s"]),
        "SendMessageFull": (["s", "s", "a{sv}"], ["s", "s"]),
        "GetHistory": (["s", "u"], ["a(tsssstsssss)"]),
        "GetHistoryBefore": (["s", "t", "u"], ["a(tsssstsssss)"]),
        "GetHistorySince": (["s", "t", "u"], ["a(tsssstsssss)"]),
        "GetStatus": ([], ["a{sv}"]), "EndSession": (["s"], []), "Trust": (["s"], []),
        "Verify": (["s", "s"], []), "Alias": (["s", "s"], []), "GetFingerprint": (["s"], ["s"]),
    },
    GROUPS: {
        "Create": (["s", "as"], ["s"]), "Invite": (["s", "s"], []), "Accept": (["s"], []),
        "Remove": (["s", "s"], []), "Leave": (["s"], []), "List": ([], ["a(sssas)"]),
    },
    RING: {"Join": (["s"], []), "Leave": ([], []), "Find": (["s"], ["a(ssas)"]),
           "GetStatus": ([], ["a{sv}"])},
    LEDGER: {
        "Create": (["s", "as"], ["s"]), "Join": (["s"], []), "Register": ([], ["s"]),
        "Revoke": ([], []), "RevokeFor": (["s"], []), "Pending": ([], ["a(sst)"]),
        "Approve": (["s"], []), "Get": (["s"], ["(sstss)"]),
        "List": (["s", "u"], ["a(sstss)"]), "Check": ([], ["t", "t", "s"]),
        "GetStatus": ([], ["a{sv}"]),
    },
    IDENTITY: {"New": ([], ["s"]), "Export": (["h"], []), "Import": (["h"], [])},
}
PROPERTIES = {"Username": "s", "Id": "s", "Fingerprint": "s", "LastSequence": "t"}


def _xml():
    def arguments(types, direction):
        return "".join(f"<arg type='{t}' direction='{direction}'/>" for t in types)

    text = "<node>"
    for interface, members in MEMBERS.items():
        text += f"<interface name='{interface}'>"
        for member, (taken, given) in members.items():
            text += (f"<method name='{member}'>{arguments(taken, 'in')}{arguments(given, 'out')}"
                     "</method>")
        if interface == INTERFACE:
            text += "".join(f"<property name='{name}' type='{kind}' access='read'/>"
                            for name, kind in PROPERTIES.items())
        text += "</interface>"
    return text + "</node>"


class StandIn:
    """Owns the name of the service on @bus; its attributes are what it answers."""

    def __init__(self, bus):
        self.bus = bus
        self.directory = tempdir()
        self.calls = []
        self.errors = {}  # member: (name of the error, sentence)
        self.users = []
        self.results = {"SendMessage": ("01J", "delivered"), "SendMessageFull": ("01J", "delivered"),
                        "GetHistory": ([],), "GetHistoryBefore": ([],), "GetHistorySince": ([],)}
        self.properties = {"Username": "Ece", "Id": "", "Fingerprint": "", "LastSequence": 0}
        self.written = b""  # what Export writes
        self.read = None    # what Import read
        self.ring = {}      # GetStatus of the ring
        self.ledger = {}    # and of the ledger, or a function that makes it
        self.groups = []    # List of the groups
        self._context = GLib.MainContext()
        self._loop = GLib.MainLoop(self._context)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        defer(self._end)
        assert self._ready.wait(60)

    def _run(self):
        self._context.push_thread_default()
        self.connection = self.bus.connect()
        node = Gio.DBusNodeInfo.new_for_xml(_xml())
        for interface in node.interfaces:
            self.connection.register_object(PATH, interface, self._on_call, self._on_get, None)
        self.connection.call_sync("org.freedesktop.DBus", "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus", "RequestName",
                                  GLib.Variant("(su)", (NAME, 0)), None, 0, -1, None)
        self._ready.set()
        self._loop.run()
        self.connection.close_sync(None)

    def _end(self):
        self._loop.quit()
        self._thread.join(60)

    def _answer(self, interface, member, arguments, invocation):
        if member == "ListUsers":
            return ([*self.users],)
        if interface == IDENTITY and member in ("Export", "Import"):
            descriptors = invocation.get_message().get_unix_fd_list()
            with os.fdopen(descriptors.steal_fds()[0], "wb" if member == "Export" else "rb") as file:
                if member == "Export":
                    file.write(self.written)
                else:
                    self.read = file.read()
        if interface == RING and member == "GetStatus":
            return (self.ring,)
        if interface == GROUPS and member == "List":
            return ([*self.groups],)
        if interface == LEDGER and member == "GetStatus":
            return (self.ledger() if callable(self.ledger) else self.ledger,)
        if interface == LEDGER and member == "List" and callable(self.results.get("List")):
            return (self.results["List"](*arguments),)
        return self.results.get(member, ())

    def _on_call(self, connection, sender, path, interface, member, arguments, invocation):
        self.calls.append((member, arguments.unpack()))
        if member in self.errors:
            invocation.return_dbus_error(*self.errors[member])
            return
        answer = self._answer(interface, member, arguments.unpack(), invocation)
        signature = "".join(MEMBERS[interface][member][1])
        invocation.return_value(GLib.Variant(f"({signature})", answer))

    def _on_get(self, connection, sender, path, interface, name):
        return GLib.Variant(PROPERTIES[name], self.properties[name])

    def emit(self, member, signature, *arguments, interface=INTERFACE):
        self.connection.emit_signal(None, PATH, interface, member,
                                    GLib.Variant(f"({signature})", arguments))
        self.connection.flush_sync(None)

    def warn(self, kind, user, sentence):
        self.emit("Warning", "sss", kind, user, sentence)

    def invite(self, group, id, inviter):
        self.emit("Invited", "sss", group, id, inviter, interface=GROUPS)

    def cli(self, *arguments, input=None, check=False):
        """Runs p2pchat; returns its CompletedProcess."""
        program = os.path.join(build_directory(), "src/cli/p2pchat")
        env = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=self.bus.address,
                   XDG_STATE_HOME=os.path.join(self.directory, "xdg-state"),
                   **SANITIZER_ENVIRONMENT)
        return run([program, *arguments], input=input, check=check, env=env)
