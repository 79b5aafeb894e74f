# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two machines, one with each broker of the bus, with users who may more or less

    @each_broker
    def nobody_may(m, other): ...

    main(boot_brokers)
"""

from harness import test
from machine import Machine, Network

machines = {}


def boot_brokers(*packages):
    """@packages: that are installed beside our own."""
    network = Network()
    for number, (name, broker) in enumerate((("ece", "dbus-daemon"), ("can", "dbus-broker")), 1):
        m = machines[name] = Machine(network, name, number, broker)
        m.boot()
        m.install()
        for package in packages:
            m.install(package)
        m.wait_active()
        m.add_user("outsider")
        m.add_user("member", "p2pchat")
        m.add_user("administrator", "sudo")
    machines["ece"].wait_user("can")
    machines["can"].wait_user("ece")


def each_broker(function):
    """The test, once for each."""
    for name, broker in (("ece", "dbus_daemon"), ("can", "dbus_broker")):
        def case(m=name):
            other = next(o for o in machines if o != m)
            function(machines[m], machines[other])

        case.__name__ = f"{function.__name__}_on_{broker}"
        test(case)
    return function
