#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A hundred daemons are one ring in which everybody is found, also when a fifth of them is killed

Most have no bus; the observers have, and are asked. Nobody hears anybody. Prints what lookups take
beside the goals of the design, a bare call and a round trip of TCP; time never fails anything here.
$P2PCHAT_RING_DAEMONS: another number than 100. Needs some GiB of memory and minutes of time.
"""

import collections
import hashlib
import os
import random
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from circle import Place, wait_circle  # noqa: E402
from daemon import *  # noqa: E402,F403
from daemon import BusError, ERROR, NAME, PATH, bus_call  # noqa: E402
from harness import *  # noqa: E402,F403

try:
    from native_peer import NativePeer
except ImportError:  # Debian's python3-dissononce is missing
    NativePeer = None

COUNT = int(os.environ.get("P2PCHAT_RING_DAEMONS", "100"))
OBSERVERS = 3
FIRST = 4           # by which all others come
PER_SECOND = 20     # that are started: each takes 5 handshakes a second from one address, 50 in all
SECONDS = 400
STRANGER = "127.65.255.1"

Ring = collections.namedtuple("Ring", "daemons observers")


def address(number):
    return f"127.65.{number // 200}.{1 + number % 200}"


def config(number):
    places = " ".join(address(n) for n in range(FIRST) if n != number)
    return f"[Lan]\nAnnounce=no\n[Ring]\nBootstrap={places}\n"


def learn(daemon):
    """Who it is: what it proves to whoever dials it."""
    with socket.create_connection((daemon.address, 6001), timeout=60,
                                  source_address=(STRANGER, 0)) as link:
        peer = NativePeer(link, dialler=True, name="Stranger")
        peer.shake_hands()
    daemon.id, daemon.username = peer.peer[:2]
    daemon.word = f"{daemon.username}#{daemon.id[:8]}"
    daemon.place = Place(hashlib.sha256(peer.peer_public).hexdigest(), daemon.address)


def end_all(daemons):
    """All at once, for each takes its leave."""
    running = [d for d in daemons if d.process is not None and d.process.poll() is None]
    for d in running:
        d.process.terminate()
    for d in running:
        status = d.wait_exit()
        assert_equal(status, 0, f"exit status of {d.address}")


def make_ring():
    if NativePeer is None:
        skip("python3-dissononce is missing")
    began, daemons = time.monotonic(), []
    for number in range(COUNT):
        bus = Bus() if number >= COUNT - OBSERVERS else None
        daemons.append(Daemon(bus, address(number), name=f"user-{number}", config=config(number),
                              sanitized=False, start=False))
    defer(end_all, daemons)
    for d in daemons:
        d.start(wait=False)
        time.sleep(1 / PER_SECOND)
    for d in daemons:
        d.wait_ready()
    for d in daemons:
        learn(d)
    ring = Ring(daemons, daemons[-OBSERVERS:])
    wait_ring(ring, daemons)
    print(f"# one ring of {COUNT}, everybody found, {time.monotonic() - began:.0f} s after all began")
    return ring


def wait_ring(ring, alive):
    """Until the lists of the observers are right and each of them finds all who are @alive."""
    silent = [d.place for d in alive if d not in ring.observers]
    wait_circle(ring.observers, silent, SECONDS)
    for observer in ring.observers:
        missing = list(alive)

        def find_the_missing():
            missing[:] = [d for d in missing if find(observer, d)[1] is False]
            assert_equal([d.word for d in missing], [], f"whom {observer.word} does not find")
            return True

        wait_for(find_the_missing, SECONDS, "everybody to be found", 1)


def find(observer, daemon):
    """How long it took, and whether it was found, where it is."""
    start = time.monotonic()
    try:
        rows = observer.ring("Find", "s", daemon.word)[0]
    except BusError as error:
        assert_equal(error.name, ERROR + "UnknownUser", f"error of {daemon.word}")
        rows = []
    took = time.monotonic() - start
    return took, any((row[0], row[1]) == (daemon.username, daemon.id)
                     and daemon.address in [e.split(":")[0] for e in row[2]] for row in rows)


def find_all(observers, daemons, times=1):
    """What each lookup took, and the words that were not found."""
    spans, misses = [], []
    for observer in observers:
        for d in daemons:
            for _ in range(times):
                took, is_found = find(observer, d)
                spans.append(took)
                if not is_found:
                    misses.append(d.word)
    return spans, misses


def milliseconds(spans):
    spans = sorted(spans)
    return (f"median {statistics.median(spans) * 1e3:.2f} ms, 9 of 10 within "
            f"{spans[len(spans) * 9 // 10] * 1e3:.2f} ms, longest {spans[-1] * 1e3:.1f} ms")


def bare_calls(observer, count=500):
    """What a call takes that asks for nothing."""
    spans = []
    for _ in range(count):
        start = time.monotonic()
        bus_call(observer.connection, NAME, PATH, "org.freedesktop.DBus.Peer", "Ping")
        spans.append(time.monotonic() - start)
    return spans


def tcp_round_trip():
    program = os.path.join(environment("P2PCHAT_BUILD"), "tests/bench/bench-tcp")
    return float(run([program, "256"]).stdout.split()[1])


def show_lookups(what, spans, bare, goal):
    without = (statistics.median(spans) - statistics.median(bare)) * 1e3
    print(f"# {what}: {milliseconds(spans)}; less a bare call {without:.2f} ms, goal {goal} ms: "
          f"{'met' if without <= goal else 'NOT MET'}")


@test(seconds=1500)
def a_hundred_are_one_ring():
    ring = make_ring()
    for observer in ring.observers:
        status = observer.ring_status()
        # It counts by how near its neighbours are, which says no more than about how many.
        assert_between(status["members"], COUNT / 4, COUNT * 4, "members")
        print(f"# {observer.word} takes them for {status['members']}, has "
              f"{len(status['fingers'])} fingers, {status['sessions']} sessions, keeps "
              f"{status['records']} records")
    memory = [d.resident_kib() / 1024 for d in ring.daemons]
    print(f"# resident memory of one: median {statistics.median(memory):.1f} MiB, most "
          f"{max(memory):.1f} MiB; of all {sum(memory):.0f} MiB")

    # Who has just started has links to its neighbours only.
    fresh = ring.observers[0]
    fresh.restart()
    wait_circle(ring.observers, [d.place for d in ring.daemons if d not in ring.observers], SECONDS)
    with_dials, misses = find_all([fresh], ring.daemons)
    assert_equal(misses, [], "not found with dials")
    # The second time and on, whoever is asked has just been spoken to.
    live = []
    for d in ring.daemons:
        find(fresh, d)
        spans, misses = find_all([fresh], [d], 4)
        assert_equal(misses, [], "not found over live links")
        live += spans
    bare = bare_calls(fresh)
    print(f"# a bare call: {milliseconds(bare)}; "
          f"a round trip of TCP: {tcp_round_trip() * 1e3:.3f} ms")
    show_lookups("lookups over live links", live, bare, 0.8)
    show_lookups("lookups with dials", with_dials, bare, 15)


@test(seconds=1500)
def a_fifth_is_killed():
    ring = make_ring()
    others = [d for d in ring.daemons if d not in ring.observers]
    dead = random.Random(20).sample(others, COUNT // 5)
    alive = [d for d in ring.daemons if d not in dead]
    for d in dead:
        d.process.kill()
    killed = time.monotonic()
    for d in dead:
        d.kill()
    # Before anybody has noticed.
    spans, misses = find_all(ring.observers[:1], alive[::4])
    print(f"# at once: {len(misses)} of {len(spans)} not found; {milliseconds(spans)}")
    wait_ring(ring, alive)
    print(f"# one ring again, everybody found, {time.monotonic() - killed:.0f} s after the deaths")
    spans, misses = find_all(ring.observers, alive, 2)
    assert_equal(misses, [], "not found after the repair")
    print(f"# after repair: 0 of {len(spans)} not found; {milliseconds(spans)}")


main()
