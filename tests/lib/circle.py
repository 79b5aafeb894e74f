# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who follows whom on the ring, as its members tell it

    wait_circle([ece, bob, can])         # daemons or machines: these are the ring, and nobody else
    check_circle([ece], [Place(...)])    # the same now, where not all can be asked
"""

import base64
import collections

from harness import Failure, assert_equal, wait_for

SUCCESSORS = 8


class Place(collections.namedtuple("Place", "position address")):
    """@position in hexadecimal digits; its first half is the id."""

    def __str__(self):
        id = base64.b32encode(bytes.fromhex(self.position)[:16]).decode().lower().rstrip("=")
        return f"{id}@{self.address}"


def check_circle(members, silent=()):
    """Each of the members has the right successors, in their order, and the right predecessor. So
    the first ones, followed, lead once around."""
    status = {m.address: m.ring_status() for m in members}
    for address, s in status.items():
        assert_equal(s["state"], "member", f"state of {address}")
    places = [Place(s["position"], address) for address, s in status.items()]
    order = sorted([*places, *silent])
    for place in places:
        i, s = order.index(place), status[place.address]
        others = [str(p) for p in order[i + 1:] + order[:i]]
        assert_equal(s["successors"], others[:SUCCESSORS], f"successors of {place.address}")
        assert_equal(s["predecessor"], others[-1], f"predecessor of {place.address}")
    return status


def wait_circle(members, silent=(), seconds=240):
    """Until that is so; returns the status of each, by address."""
    if len(members) + len(silent) < 2:
        raise Failure("who is alone has nobody to follow")
    return wait_for(lambda: check_circle(members, silent), seconds,
                    f"one ring of {len(members) + len(silent)}", 0.5)
