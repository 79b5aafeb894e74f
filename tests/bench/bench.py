#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Figures beside the limits that set them, measured in the same run

    meson test -C BUILD --benchmark
    P2PCHAT_BUILD=BUILD tests/bench/bench.py [PART OF A NAME]...

The goals are those of the design; time never fails anything here, only what does not work does.
Everything is on loopback, and where that can be had in a network of its own. Daemons are of the
given build: a sanitized one says nothing about speed.
"""

import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from harness import *  # noqa: E402,F403

ECE, BOB = "127.62.0.1", "127.62.0.2"
SEALED = "[History]\nKeep=sealed\n"
SIZE = 256
ROUNDS = 3

rows = []


def program(name):
    return os.path.join(environment("P2PCHAT_BUILD"), "tests", "bench", name)


def figures(name, *arguments, timeout=600):
    """What a measuring program says: {key: value}."""
    out = run([program(name), *map(str, arguments)], timeout=timeout).stdout
    return {key: float(value) for key, value in (line.split() for line in out.splitlines())}


def daemon(bus, address, name, config="", **kwargs):
    return Daemon(bus, address, name=name, config=config, sanitized=False, **kwargs)


def per_second(value):
    return f"{value:,.0f}/s"


def duration(seconds):
    return f"{seconds * 1e6:,.0f} us" if seconds < 1e-3 else f"{seconds * 1e3:,.2f} ms"


def mib(kib):
    return f"{kib / 1024:.1f} MiB"


def beside(what, value, limit, limit_is, goal, show, most=False):
    """A figure as a share of its limit, of which it should be at least (@most: at most) @goal."""
    ratio = value / limit
    add(what, show(value), f"{show(limit)}, {limit_is}", f"{ratio:.2f}",
        f"{'<=' if most else '>='} {goal:g}", ratio <= goal if most else ratio >= goal)


def against(what, value, goal, show, most=True):
    """A figure with a goal of its own."""
    add(what, show(value), "", "", f"{'<=' if most else '>='} {show(goal)}",
        value <= goal if most else value >= goal)


def add(what, value, limit="", ratio="", goal="", reached=None):
    rows.append((what, value, limit, ratio, goal, {None: "", True: "yes", False: "NO"}[reached]))
    print(f"# {what}: {value}" + (f" ({limit}: {ratio})" if limit else ""), flush=True)


def print_table():
    head = ("what", "measured", "its limit in this run", "ratio", "goal", "met")
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    print()
    for r in [head, tuple("-" * w for w in widths), *rows]:
        print(" | ".join(c.ljust(w) for c, w in zip(r, widths)).rstrip())
    print(f"\n{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the end", flush=True)
    path = os.path.join(os.environ.get("P2PCHAT_BUILD", "."), "bench.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump([dict(zip(head, r)) for r in rows], file, indent=1)


def serve(a, b):
    """Two services that do nothing but their part of a message; call the result to end them."""
    process = subprocess.Popen([program("bench-bus"), "serve", a.address, b.address],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               preexec_fn=child_dies_with_us)

    def end():
        process.stdin.close()
        process.wait()
        process.stdout.close()

    defer(end)
    if not process.stdout.readline():
        fail("the bare services did not start")


def two(config=""):
    """Two daemons that know and have proven each other."""
    a, b = Bus(), Bus()
    ece = daemon(a, ECE, "Ece", config)
    bob = daemon(b, BOB, "Bob", config)
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    ece.call("SendMessage", "ss", "Bob", "so that we know each other")
    bob.wait_message("so that we know each other")
    return ece, bob


def warm_up(ece, bob):
    """What is done once is not what is asked for: the first session, files that grow, caches."""
    figures("bench-bus", "flow", ece.bus.address, bob.bus.address, "Bob", 10000, SIZE)


def at_rest(d):
    """Waits until its ring is looked after so seldom that this no longer disturbs."""
    wait_for(lambda: d.ring_status()["round-usec"] >= 160e6, 600, "the ring to be at rest", 5)


def security(ece, name="Bob"):
    return ece.user(name)["security"]


# Without daemons


@test
def session_bulk():
    f = figures("bench-session")
    for what, key in (("session bulk, sealing", "seal"), ("session bulk, opening", "open")):
        beside(f"{what} frames of {f['frame']:.0f} bytes", f[f"session-{key}"], f[f"cipher-{key}"],
               "libgcrypt's ChaCha20-Poly1305 alone", 0.8, lambda v: f"{v / 1e6:,.0f} MB/s")


@test
def announcements_in_the_node():
    for users in (1000, 10000):
        against(f"announcements, the node alone, {users} users, per core",
                figures("bench-announce", "node", users)["announcements"], 100000, per_second, False)


@test
def store_alone():
    f = figures("bench-turns", "rate", tempdir())
    add("store: a turn with one message, its commit", duration(f["commit"]))
    for group in (64, 256):
        for side in ("receive", "send"):
            add(f"store: {side}, turns of {group}", f"{per_second(f[f'{side}-{group}'])}, "
                f"{duration(f[f'{side}-{group}-cpu'])} of CPU each")


def ring_engine(*scenarios):
    """What it prints about engines on a virtual network."""
    return run([os.path.join(environment("P2PCHAT_BUILD"), "tests", "sim", "ring"), *scenarios],
               timeout=600).stdout


@test
def ring_lookups_in_the_engine():
    out = ring_engine("bench")
    add("ring: memory of the engine, 1 000 nodes, each",
        f"{int(re.search(r'memory: ([0-9]+)', out)[1]) / 1024:.1f} KiB")
    found = re.search(r"lookups: ([0-9]+) a second, of ([0-9.]+) messages", out)
    add("ring: lookups in the engines of 1 000 nodes, per core", per_second(int(found[1])))
    add("ring: messages for each of these lookups, with answers", found[2])


@test
def quiet_rings_of_engines():
    for line in ring_engine("quiet").splitlines()[2:]:
        nodes, messages, size, wakes = map(int, line.split())
        add(f"ring: quiet, {nodes} nodes, messages a node and hour",
            f"{messages}, {size} bytes each")
        against(f"ring: quiet, {nodes} nodes, wake-ups of an engine, a second", wakes / 3600, 0.5,
                lambda v: f"{v:.3f}")


# Messages between daemons


@test
def calls_in_flight():
    bare, ours, calls = [], [], 10000
    a, b = Bus(), Bus()
    serve(a, b)
    ece, bob = two()
    warm_up(ece, bob)
    word = security(ece)
    for _ in range(ROUNDS):
        bare.append(figures("bench-bus", "flow", a.address, b.address, "Bob", calls, SIZE)["flow"])
        f = figures("bench-bus", "flow", ece.bus.address, bob.bus.address, "Bob", calls, SIZE)
        ours.append(f["flow"])
    beside(f"SendMessage, 64 in flight, to the far signal ({word})", statistics.median(ours),
           statistics.median(bare), "services that do nothing, their buses", 0.5, per_second)


@test
def one_message():
    a, b = Bus(), Bus()
    serve(a, b)
    ece, bob = two()
    warm_up(ece, bob)
    commit = figures("bench-turns", "rate", tempdir())["commit"]
    ping = figures("bench-bus", "ping", a.address, 3000)["ping"]
    tcp = figures("bench-tcp", SIZE)["tcp"]
    bare = figures("bench-bus", "one", a.address, b.address, "Bob", 1000, SIZE)["one"]
    ours = figures("bench-bus", "one", ece.bus.address, bob.bus.address, "Bob", 500, SIZE)["one"]
    add("a commit, a bus call and back, a TCP round trip",
        ", ".join(map(duration, (commit, ping, tcp))))
    beside("one message, from call to far signal, median", ours, 2 * commit + ping + tcp,
           "2 commits + 2 bus hops + 1 TCP round trip", 1.5, duration, True)
    add("the same through services that do nothing", duration(bare))


@test
def daemon_to_daemon():
    messages, rates = 30000, []
    ece, bob = two(SEALED + "[Limits]\nQueueMessages=100000\n")
    for _ in range(ROUNDS):
        bob.stop()
        figures("bench-bus", "queue", ece.bus.address, "Bob", messages, SIZE)
        assert_equal(ece.get("MessagesQueued"), messages, "waiting")
        bob.start()
        # Both sides work as fast as they can; who only looks does so rarely.
        wait_for(lambda: ece.get("MessagesQueued") < messages, 60, "the first to go", 0.01)
        left, start = ece.get("MessagesQueued"), time.monotonic()
        wait_for(lambda: ece.get("MessagesQueued") == 0, 300, "the last to go", 0.02)
        rates.append(left / (time.monotonic() - start))
    f = figures("bench-turns", "rate", tempdir())
    slower = min(("receive-256", "send-256"), key=f.get)
    rate = statistics.median(rates)
    beside(f"daemon to daemon, {SIZE} bytes ({security(ece)})", rate, f[slower],
           f"the store alone, {slower}", 0.5, per_second)
    against("the same on 2 processors", rate, 15000, per_second, False)


# Memory


@test(seconds=600)
def memory_of_users():
    ece = daemon(Bus(), ECE, "Ece", "[Limits]\nUsers=20000\n")
    done, goals = 0, {1: 6, 100: 7, 1000: 12, 10000: 24}
    for users, goal in goals.items():
        while done < users:
            # No more at a time than a socket holds.
            count = min(100, users - done)
            announce_users(done, count, ECE)
            done += count
            wait_for(lambda: ece.get("UsersOnline") >= done, 30, f"{done} users", 0.01)
        against(f"resident memory, {users} user{'s' * (users > 1)}", ece.resident_kib(), goal * 1024,
                mib)
    cpu = ece.cpu_seconds()
    rounds = 5
    for _ in range(rounds):
        for first in range(0, users, 100):
            announce_users(first, 100, ECE)
    received = rounds * users
    ece.get("UsersOnline")
    spent = ece.cpu_seconds() - cpu
    against(f"announcements, the daemon with {users} users, per core", received / spent, 100000,
            per_second, False)


@test(seconds=600)
def memory_of_sessions():
    from native_peer import NativePeer

    sessions, peers = 100, []
    ece = daemon(Bus(), ECE, "Ece", "[Link]\nMaxLinks=1000\n")
    defer(lambda: [p.sock.close() for p in peers])
    for i in range(sessions + 1):
        if i == 1:
            before = ece.resident_kib()
        s = socket.socket()
        s.bind((f"127.62.{1 + i // 250}.{1 + i % 250}", 0))
        s.settimeout(60)
        s.connect((ECE, 6001))
        peers.append(NativePeer(s, True, name=f"peer-{i}", run=i))
        peers[-1].shake_hands()
        peers[-1].send_hello(7, 1)
        peers[-1].read_frame()
        time.sleep(1 / 40)  # 50 handshakes a second are let in
    against(f"resident memory of a live session, of {sessions}",
            (ece.resident_kib() - before) / sessions, 40, lambda v: f"{v:.1f} KiB")


# History, starting, waiting


def fill(d, messages, size=100):
    """Puts messages into the store of a daemon that does not run."""
    figures("bench-turns", "fill", os.path.join(d.state, "p2pchat.db"),
            os.path.join(d.state, "secret"), messages, size)


def start_seconds(d, times=5):
    spans = []
    for _ in range(times):
        start = time.monotonic()
        d.start()
        spans.append(time.monotonic() - start)
        d.stop()
    return statistics.median(spans)


def pages(d, what, *call):
    """What a page costs the daemon, and how long its caller waits for it."""
    spans, used = [], d.cpu_seconds()
    for _ in range(400):
        start = time.monotonic()
        rows, = d.call(*call)
        spans.append(time.monotonic() - start)
        assert_equal(len(rows), 50, "rows of a page")
    against(f"{what}: daemon time", (d.cpu_seconds() - used) / len(spans), 0.005, duration)
    add(f"{what}: with the bus", duration(statistics.median(spans)))


@test(seconds=1200)
def long_history():
    ece = daemon(Bus(), ECE, "Ece", SEALED)
    ece.stop()
    add("start to READY, nothing stored", duration(start_seconds(ece)))
    fill(ece, 100000)
    against("start to READY, 100 000 messages", start_seconds(ece), 0.05, duration)
    fill(ece, 900000)
    add("start to READY, 1 000 000 messages", duration(start_seconds(ece)))
    f = figures("bench-turns", "pages", os.path.join(ece.state, "p2pchat.db"),
                os.path.join(ece.state, "secret"))
    for where in ("newest", "middle", "oldest", "newest-of-one", "oldest-of-one"):
        against(f"a page of 50 of {f['messages']:.0f} messages, {where.replace('-', ' ')}",
                f[where], 0.005, duration)
    ece.start()
    newest = ece.get("LastSequence")
    user = ece.history(limit=1)[0]["conversation"]
    for what, member, signature, args in (
            ("GetHistory, the first page of 1 000 000", "GetHistory", "su", ("", 50)),
            ("GetHistoryBefore, at depth 900 000", "GetHistoryBefore", "stu",
             ("", newest - 900000, 50)),
            ("GetHistory, the first page of one user", "GetHistory", "su", (user, 50)),
            ("GetHistoryBefore, one user at depth 900 000", "GetHistoryBefore", "stu",
             (user, newest - 900000, 50))):
        pages(ece, what, member, signature, *args)


@test
def a_warm_command():
    ece = daemon(Bus(), ECE, "Ece")
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = ece.bus.address
    cli = os.path.join(environment("P2PCHAT_BUILD"), "src/cli/p2pchat")
    value = figures("bench-bus", "spawn", 300, cli, "users")["spawn"]
    against("p2pchat users", value, 0.003, duration)
    add("the program /bin/true", duration(figures("bench-bus", "spawn", 300, "/bin/true")["spawn"]))


@test
def seen_after_the_start():
    ece = daemon(Bus(), ECE, "Ece")
    signals, there, back = ece.signals(), [], []
    for i in range(5):
        name = f"Other-{i}"
        other = daemon(Bus(), f"127.62.0.{10 + i}", name, start=False)
        other.start()
        start = time.monotonic()
        signals.wait("UserChanged", lambda args: args[0] == name, 60)
        there.append(time.monotonic() - start)
        wait_for(lambda: other.user("Ece"), 60, "to see", 0.001)
        back.append(time.monotonic() - start)
        other.stop()
    against("seen by others, after READY", statistics.median(there), 0.1, duration)
    add("others are seen, after READY", duration(statistics.median(back)))


def wake_ups(d):
    with open(f"/proc/{d.pid}/status", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))


@test
def quiet():
    seconds = 40  # five announcements
    ece = daemon(Bus(), ECE, "Ece")
    daemon(None, BOB, "Bob")
    ece.wait_user("Bob")
    # What begins ends within half a minute, and the two are a ring.
    at_rest(ece)
    before, cpu = wake_ups(ece), ece.cpu_seconds()
    time.sleep(seconds)
    against("idle wake-ups, one peer, a second", (wake_ups(ece) - before) / seconds, 0.5,
            lambda v: f"{v:.2f}")
    add("idle, of one processor", f"{(ece.cpu_seconds() - cpu) / seconds * 100:.3f} %")


@test(seconds=1200)
def quiet_rings():
    seconds = 120
    rings = {}
    for count in (2, 8):
        places = [f"127.63.{count}.{i + 1}" for i in range(count)]
        # Nobody hears anybody: this is what the ring alone does.
        rings[count] = [
            daemon(Bus() if i == 0 else None, place, f"user-{i}",
                   f"[Lan]\nAnnounce=no\n[Ring]\nBootstrap={places[1 if i == 0 else 0]}\n")
            for i, place in enumerate(places)]
    for count, daemons in rings.items():
        wait_for(lambda: daemons[0].ring_status()["members"] == count, 240, f"a ring of {count}", 1)
    for daemons in rings.values():
        at_rest(daemons[0])
    before = {count: sum(map(wake_ups, daemons)) for count, daemons in rings.items()}
    cpu = {count: sum(d.cpu_seconds() for d in daemons) for count, daemons in rings.items()}
    time.sleep(seconds)
    for count, daemons in rings.items():
        woken = sum(map(wake_ups, daemons)) - before[count]
        spent = sum(d.cpu_seconds() for d in daemons) - cpu[count]
        against(f"ring: quiet, {count} daemons that announce nothing, wake-ups of one, a second",
                woken / count / seconds, 0.5, lambda v: f"{v:.2f}")
        add(f"ring: quiet, {count} daemons, of one processor by one",
            f"{spent / count / seconds * 100:.3f} %")
        memory = statistics.median(d.resident_kib() for d in daemons)
        against(f"ring: resident memory of one of {count} daemons", memory, 6 * 1024, mib)


def in_a_network_of_our_own():
    """Starts this program again in one, if we may make one."""
    if os.environ.get("P2PCHAT_BENCH_INSIDE"):
        return
    os.environ["P2PCHAT_BENCH_INSIDE"] = "yes"
    wrapper = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user",
                                                                "--net"]
    inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if subprocess.run([*wrapper, *inside, "true"], stderr=subprocess.DEVNULL,
                      check=False).returncode == 0:
        os.execvp(wrapper[0], [*wrapper, *inside, "/usr/bin/python3", *sys.argv])
    print("# no network of our own: others on this machine's loopback disturb", flush=True)


in_a_network_of_our_own()
at_end(print_table)
main()
