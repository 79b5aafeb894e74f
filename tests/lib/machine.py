# SPDX-License-Identifier: LGPL-2.1-or-later
"""Machines: Debian booted in systemd-nspawn, on a bridge of their own

    +-------------------- namespace of the bridge ----------------------+
    |  br0 192.168.77.254 -- port of ece -- port of bob -- port of can  |
    +--------------------------|--------------|-------------|-----------+
                        host0 .1       host0 .2      host0 .3
                        systemd        systemd       systemd

    network = Network()
    ece = Machine(network, "ece", 1)     # an own layer above $P2PCHAT_ROOTFS
    ece.boot(); ece.install()
    ece.run("busctl", "list")
    ece.cable(False)                     # pulled out
    ece.power_cut(); ece.boot()
    with network.socket(socket.SOCK_DGRAM) as s: ...   # a stranger on the same bridge

Networks that a router joins; what is broadcast in one does not reach the others:

    +- 192.168.77.0/24 -+                                 +- 192.168.78.0/24 -+
    |  ece .1   bob .2  |-- .253 -- a namespace -- .253 --|  can .1   efe .2  |
    +-------------------+          that forwards          +-------------------+

    near, far = Network(), Network("192.168.78")
    Router(near, far)                    # before the machines, which get their routes when plugged in
    can = Machine(far, "can", 1)

Everything lives in namespaces and in a temporary directory, and is gone at the end of the program.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from harness import (Failure, at_end, child_dies_with_us, defer, environment, on_failure, run,
                     wait_for)

CLONE_NEWNET = 0x40000000

BOOT_SECONDS = 120

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8",
               "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive"}


def _prefix():
    return f"{os.environ.get('P2PCHAT_RUN', 'p2pchat')}-{os.getpid()}"


class Network:
    """A bridge in a namespace of its own."""

    def __init__(self, subnet="192.168.77"):
        self.subnet = subnet
        self.namespace = f"{_prefix()}-bridge-{subnet}"
        self.address = f"{subnet}.254"
        self.routes = []
        run(["ip", "netns", "add", self.namespace])
        at_end(run, ["ip", "netns", "delete", self.namespace], check=False)
        self._ip("link", "set", "lo", "up")
        self._ip("link", "add", "br0", "type", "bridge")
        self._ip("addr", "add", f"{self.address}/24", "brd", "+", "dev", "br0")
        self._ip("link", "set", "br0", "up")

    def _ip(self, *arguments):
        run(["ip", "-n", self.namespace, *arguments])

    def plug(self, namespace, port, number, interface="host0"):
        """A cable from a new interface in @namespace to our new @port."""
        self._ip("link", "add", port, "type", "veth", "peer", "name", interface, "netns", namespace)
        self._ip("link", "set", port, "master", "br0")
        self._ip("link", "set", port, "up")
        for command in (["link", "set", "lo", "up"],
                        ["addr", "add", f"{self.subnet}.{number}/24", "brd", "+", "dev", interface],
                        ["link", "set", interface, "up"],
                        *[["route", "add", to, "via", by] for to, by in self.routes]):
            run(["ip", "-n", namespace, *command])

    def set_port(self, port, up):
        self._ip("link", "set", port, "up" if up else "down")

    def socket(self, kind):
        """A socket of this program in the namespace of the bridge, with the address .254."""
        return _socket_in(self.namespace, kind)

    def announce(self, announcement, port=6000):
        """Broadcasts one announcement (a dictionary or bytes) as a stranger."""
        data = announcement if isinstance(announcement, bytes) else json.dumps(announcement).encode()
        with self.socket(socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            s.bind((self.address, 0))
            s.sendto(data, (f"{self.subnet}.255", port))

    def connect(self, address, port=6001, timeout=30):
        s = self.socket(socket.SOCK_STREAM)
        s.settimeout(timeout)
        try:
            s.connect((address, port))
        except BaseException:
            s.close()
            raise
        return s


class Router:
    """Forwards between networks as any router does: nothing that is broadcast or link-local. It has
    the address .253 in each; machines that are plugged in later find the other networks by it."""

    def __init__(self, *networks):
        self.namespace = f"{_prefix()}-router"
        run(["ip", "netns", "add", self.namespace])
        at_end(run, ["ip", "netns", "delete", self.namespace], check=False)
        for i, network in enumerate(networks):
            network.plug(self.namespace, "port-router", 253, f"lan{i}")
            network.routes += [(f"{other.subnet}.0/24", f"{network.subnet}.253")
                               for other in networks if other is not network]
        run(["ip", "netns", "exec", self.namespace, "sh", "-c",
             "echo 1 >/proc/sys/net/ipv4/ip_forward"])


class Machine:
    """One host."""

    def __init__(self, network, name, number, broker="dbus-daemon"):
        self.network = network
        self.name = name
        self.address = f"{network.subnet}.{number}"
        self.namespace = f"{_prefix()}-{name}"
        self.port = f"port-{name}"
        self.directory = tempfile.mkdtemp(prefix=f"{_prefix()}-{name}-",
                                          dir=os.environ.get("P2PCHAT_RUN_DIRECTORY"))
        self.root = os.path.join(self.directory, "root")
        self.nspawn = None
        self.leader = None
        self._cgroups = []
        at_end(self._remove)
        on_failure(self._tail, for_all=True)
        self._make_root(environment("P2PCHAT_ROOTFS"), broker)
        run(["ip", "netns", "add", self.namespace])
        network.plug(self.namespace, self.port, number)

    def _make_root(self, lower, broker):
        upper, work = (os.path.join(self.directory, d) for d in ("upper", "work"))
        for path in (self.root, upper, work):
            os.mkdir(path)
        mount = run(["mount", "-t", "overlay", "overlay", "-o",
                     f"lowerdir={lower},upperdir={upper},workdir={work}", self.root], check=False)
        if mount.returncode != 0:
            run(["cp", "-a", "--reflink=auto", f"{lower}/.", self.root], timeout=600)
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        self.write("/etc/machine-id", "")
        if broker == "dbus-broker":
            self.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
            run(["chroot", self.root, "apt-get", "install", "-qq", "--yes",
                 "--no-install-recommends", "dbus-broker"], env=ENVIRONMENT)
            os.unlink(self.root + "/usr/sbin/policy-rc.d")

    # Power and cable

    def boot(self):
        console = open(os.path.join(self.directory, "console"), "ab")
        self._cgroups = _make_cgroups(self.namespace)

        def before_exec():
            child_dies_with_us()
            for path in self._cgroups:
                with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as file:
                    file.write(str(os.getpid()))

        with console:
            self.nspawn = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", self.root, "--boot", "--register=no", "--keep-unit",
                 f"--machine={self.namespace}", f"--hostname={self.name}",
                 f"--network-namespace-path=/run/netns/{self.namespace}",
                 "--capability=CAP_NET_ADMIN",  # systemd of Debian 13 wants it for PrivateNetwork=
                 "--link-journal=no", "--console=pipe", "--resolv-conf=off", "--kill-signal=SIGKILL"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=before_exec,
                start_new_session=True, env=ENVIRONMENT)

        def first_process():
            if self.nspawn.poll() is not None:
                raise RuntimeError(f"{self.name} does not boot: {self.console()[-1500:]}")
            path = f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children"
            with open(path, encoding="ascii") as file:
                for pid in file.read().split():
                    with contextlib.suppress(OSError):
                        if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "systemd":
                            return int(pid)
            return None

        self.leader = wait_for(first_process, BOOT_SECONDS, f"{self.name} to have a first process")
        wait_for(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                 in ("running", "degraded"), BOOT_SECONDS, f"{self.name} to be up", 0.2)

    def power_cut(self):
        """No time for good-byes."""
        if self.nspawn is None:
            return
        if self.leader is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.leader, signal.SIGKILL)
        try:
            self.nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self.nspawn.kill()
            self.nspawn.wait()
        self.nspawn = self.leader = None
        _remove_cgroups(self._cgroups)

    def cable(self, plugged):
        self.network.set_port(self.port, plugged)

    def socket(self, kind):
        """A socket of this program in the machine's network."""
        return _socket_in(self.namespace, kind)

    def console(self):
        with open(os.path.join(self.directory, "console"), encoding="utf-8",
                  errors="replace") as file:
            return file.read()

    def _tail(self):
        if self.leader is None:
            return ""
        journal = self.run("journalctl", "--no-pager", "-n", "25", "-u", "p2pchatd.service",
                           check=False, timeout=20).stdout
        return f"--- journal of {self.name}:\n{journal}"

    def _remove(self):
        self.power_cut()
        run(["umount", "-l", self.root], check=False)
        run(["ip", "netns", "delete", self.namespace], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    # Inside

    def _command(self, command, user):
        inside = list(command) if user is None else ["runuser", "-u", user, "--", *command]
        return ["nsenter", "-t", str(self.leader), "-a", "--", *inside]

    def run(self, *command, user=None, check=True, timeout=120, input=None):
        """Runs a command on the machine, as root or as that user with its groups."""
        return run(self._command(command, user), check=check, timeout=timeout, input=input,
                   env=ENVIRONMENT)

    def out(self, *command, **kwargs):
        """The same; returns what it printed."""
        return self.run(*command, **kwargs).stdout

    def start(self, *command, user=None):
        """Starts a command that goes on; see Running."""
        return Running(self._command(command, user))

    def write(self, path, text, mode=0o644):
        full = self.root + path
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(full, mode)

    def read(self, path):
        """A file of the machine, or an empty text."""
        try:
            with open(self.root + path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def add_user(self, name, *groups):
        self.run("useradd", "--create-home", name)
        for group in groups:
            self.run("usermod", "--append", "--groups", group, name)

    def install(self, package="/root/p2pchat.deb"):
        """What it depends on is in apt's cache, so nothing is fetched."""
        return self.run("apt-get", "install", "-qq", "--yes", "--no-install-recommends", package,
                        timeout=300)

    def unit(self, unit, name):
        """A property of a unit."""
        return self.out("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def wait_active(self, unit="p2pchatd.service", seconds=60):
        wait_for(lambda: self.unit(unit, "ActiveState") == "active", seconds,
                 f"{unit} on {self.name} to be active", 0.2)

    def pid_of(self, unit="p2pchatd.service"):
        """The main process as the machine counts, or 0."""
        return int(self.unit(unit, "MainPID") or 0)

    def journal(self, *arguments):
        """Entries of the journal, as dictionaries."""
        lines = self.out("journalctl", "--no-pager", "--output=json", *arguments).splitlines()
        return [json.loads(line) for line in lines if line.strip()]

    # The chat service, by busctl as any script would

    def busctl(self, *arguments, user=None, check=True, timeout=60):
        return self.run("busctl", "--json=short", *arguments, user=user, check=check,
                        timeout=timeout)

    def call(self, member, signature="", *arguments, user=None):
        """Calls a member of the main interface; returns the list of its results."""
        done = self.busctl("call", "org.example.P2PChat", "/org/example/P2PChat",
                           "org.example.P2PChat", member,
                           *([signature] if signature else []), *map(str, arguments), user=user)
        return json.loads(done.stdout)["data"] if done.stdout.strip() else []

    def own_id(self):
        done = self.busctl("get-property", "org.example.P2PChat", "/org/example/P2PChat",
                           "org.example.P2PChat", "Id")
        return json.loads(done.stdout)["data"]

    def ring_status(self):
        done = self.busctl("call", "org.example.P2PChat", "/org/example/P2PChat",
                           "org.example.P2PChat.Ring", "GetStatus")
        return {key: value["data"] for key, value in json.loads(done.stdout)["data"][0].items()}

    def users(self):
        keys = ("name", "id", "address", "state", "last_heard", "security", "flags")
        return [dict(zip(keys, row)) for row in self.call("ListUsers")[0]]

    def wait_user(self, name, state="online", seconds=60):
        def look():
            rows = [u for u in self.users() if u["name"] == name and u["state"] == state]
            return rows[0] if rows else None

        return wait_for(look, seconds, f"{self.name} to see {name} {state}", 0.3)

    def history(self, user="", limit=1000):
        return [_message(row) for row in self.call("GetHistory", "su", user, limit)[0]]

    def wait_message(self, text, direction="received", seconds=60):
        def look():
            rows = [m for m in self.history()
                    if m["text"] == text and m["direction"] == direction]
            return rows[0] if rows else None

        return wait_for(look, seconds, f"{self.name} to have {direction} {text!r}", 0.3)

    def history_log(self):
        """The lines of history.log, split at their tabs."""
        return [line.split("\t")
                for line in self.read("/var/log/p2pchat/history.log").splitlines()]

    def listener_inode(self, port=6001):
        """The inode of the listening TCP socket."""
        for line in self.out("ss", "-Hltne").splitlines():
            if re.search(rf":{port}\s", line):
                return re.search(r"ino:(\d+)", line).group(1)
        raise Failure(f"nobody listens at port {port}")


class Running:
    """A command that runs beside the test; what it prints is collected."""

    def __init__(self, command):
        self.file = tempfile.TemporaryFile()
        self.last = ""
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.file,
                                        stderr=subprocess.STDOUT, env=ENVIRONMENT,
                                        preexec_fn=child_dies_with_us, start_new_session=True)
        defer(self.end)

    def text(self):
        if self.file.closed:
            return self.last
        size = os.fstat(self.file.fileno()).st_size
        return os.pread(self.file.fileno(), size, 0).decode("utf-8", "replace")

    def wait_text(self, text, seconds=60):
        return wait_for(lambda: text in self.text(), seconds, f"{text!r} in {self.text()!r}")

    def wait_exit(self, seconds=60):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.process.args}: still runs after {seconds} s") from None

    def end(self):
        """Ends it, and what it started, if it still runs."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.last = self.text()
        self.file.close()


def _message(row):
    keys = ("sequence", "id", "direction", "conversation", "user", "time", "address", "user_id",
            "state", "security", "text")
    return dict(zip(keys, row))


def _socket_in(namespace, kind):
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", encoding="ascii") as ours, \
            open(f"/run/netns/{namespace}", encoding="ascii") as theirs:
        if libc.setns(theirs.fileno(), CLONE_NEWNET) < 0:
            raise OSError(ctypes.get_errno(), "setns")
        try:
            return socket.socket(socket.AF_INET, kind)
        finally:
            if libc.setns(ours.fileno(), CLONE_NEWNET) < 0:
                os.abort()


def _make_cgroups(name):
    """A control group of its own for a machine, in the hierarchies that systemd uses: below a
    shared one, machines would end each other's services."""
    ours = {}
    with open("/proc/self/cgroup", encoding="ascii") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            ours[controllers] = path
    made = []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        for line in file:
            left, right = line.split(" - ")
            mount_root, mount_point = left.split()[3:5]
            kind, _, options = right.split()[:3]
            if kind == "cgroup2":
                path = ours.get("")
            elif kind == "cgroup" and "name=systemd" in options.split(","):
                path = ours.get("name=systemd")
            else:
                continue
            if path is None or not path.startswith(mount_root):
                continue
            inside = path[len(mount_root):] if mount_root != "/" else path
            group = os.path.join(mount_point + inside.rstrip("/"), name)
            with contextlib.suppress(FileExistsError):
                os.mkdir(group)
            made.append(group)
    return made


def _remove_cgroups(groups):
    for group in groups:
        for path, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(path)
