# SPDX-License-Identifier: LGPL-2.1-or-later
"""Networks of our own, and cables between them

    ece, bob = Space("ece"), Space("bob")
    cable = Cable(ece, bob)                   # addresses of IPv6, link-local, by themselves
    Daemon(Bus(), None, inside=ece.inside())
    ece.run("ip", "address", "add", "10.0.0.1/24", "dev", cable.name(ece))
    cable.cut()

All of it ends with the present test. Where no networks can be made the test is skipped.
"""

import json
import os
import subprocess

from harness import child_dies_with_us, defer, run, skip, wait_for


class Space:
    """A network namespace, which lives in a process that does nothing."""

    def __init__(self, name):
        self.name = name
        self.process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep infinity"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            preexec_fn=child_dies_with_us)
        defer(self._end)
        if not self.process.stdout.readline():
            skip("no network namespaces here")

    def _end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def inside(self):
        """What to put before a command."""
        return ["nsenter", f"--net=/proc/{self.process.pid}/ns/net", "--"]

    def run(self, *command, check=True):
        return run([*self.inside(), *command], check=check)

    def index(self, name):
        """The number of an interface."""
        return json.loads(self.run("ip", "-json", "link", "show", name).stdout)[0]["ifindex"]

    def link_local(self, name):
        """The address of an interface with its number, as our programs write it; None as long as it
        has none that can be used."""
        shown = json.loads(self.run("ip", "-json", "-6", "address", "show", "dev", name, "scope",
                                    "link", "-tentative").stdout)
        found = [a["local"] for i in shown for a in i.get("addr_info", []) if "local" in a]
        return f"{found[0]}%{self.index(name)}" if found else None


class Cable:
    """Connects two networks; its two ends are called after the other side."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        a.run("ip", "link", "add", self.name(a), "type", "veth", "peer", "name", self.name(b),
              "netns", str(b.process.pid))
        for space in (a, b):
            space.run("ip", "link", "set", self.name(space), "up")

    def name(self, space):
        return f"to-{self.b.name if space is self.a else self.a.name}"

    def addresses(self):
        """The link-local ones of both ends, as soon as they can be used."""
        return [wait_for(lambda: s.link_local(self.name(s)), 60, f"an address of {s.name}")
                for s in (self.a, self.b)]

    def cut(self):
        self.a.run("ip", "link", "delete", self.name(self.a))


def exists():
    """Whether this machine has IPv6."""
    return os.path.exists("/proc/net/if_inet6")
