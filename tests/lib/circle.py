# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who follows whom on the ring, as its members tell it

    wait_circle([ece, bob, can])         # daemons or machines: these are the ring, and nobody else
    check_circle([ece], [Place(...)])    # the same now, where not all can be asked

An entry of a list names a member by its address, or by its position or the beginning of that.
"""

import collections

from harness import Failure, assert_equal, wait_for

SUCCESSORS = 8

Place = collections.namedtuple("Place", "name address position")


def named_by(entry, places):
    """The name of the place that an entry means, or the entry."""
    words = entry.split()
    for place in places:
        for word in words:
            if word == place.address or (len(word) >= 8 and place.position.startswith(word)):
                return place.name
    return entry


def check_circle(members, silent=()):
    """Each of the members has the right successors, in their order, and the right predecessor. So
    the first ones, followed, lead once around."""
    status = {m.address: m.ring_status() for m in members}
    for m in members:
        assert_equal(status[m.address]["state"], "member", f"state of {m.address}")
    places = [Place(m.address, m.address, status[m.address]["position"]) for m in members]
    order = sorted([*places, *silent], key=lambda p: p.position)
    for place in places:
        i = order.index(place)
        others = [p.name for p in order[i + 1:] + order[:i]]
        told = [named_by(e, order) for e in status[place.address]["successors"]]
        assert_equal(told, others[:SUCCESSORS], f"successors of {place.address}")
        told = named_by(status[place.address]["predecessor"], order)
        assert_equal(told, others[-1], f"predecessor of {place.address}")
    return status


def wait_circle(members, silent=(), seconds=240):
    """Until that is so; returns the status of each, by address."""
    if len(members) + len(silent) < 2:
        raise Failure("who is alone has nobody to follow")
    return wait_for(lambda: check_circle(members, silent), seconds,
                    f"one ring of {len(members) + len(silent)}", 0.5)
