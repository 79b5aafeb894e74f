#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""p2pchat-notify between a real service and a notification server that keeps what it is told"""

import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import BUS_CONFIG  # noqa: E402
from desktop import *  # noqa: E402,F403
from harness import *  # noqa: E402,F403

ECE, BOB, CAN = "127.50.21.1", "127.50.21.2", "127.50.21.3"
SERVICE = "org.example.P2PChat"
ALL = "body body-markup actions inline-reply persistence"


def pair(*more):
    """Ece, whose desktop it is, and others who have met her."""
    bus = Bus()
    ece = Daemon(bus, ECE, name="Ece", config=NO_RING)
    others = [Daemon(Bus(), BOB, name="Bob", config=NO_RING)]
    others += [Daemon(Bus(), a, name=n, config=NO_RING) for a, n in more]
    for other in others:
        wait_for(lambda o=other: any(u[0] == "Ece" for u in o.call("ListUsers")[0]), 60,
                 "hears Ece")
    return (ece, *others)


def say(daemon, text, to="Ece"):
    assert_equal(daemon.call("SendMessage", "ss", to, text)[1], "delivered")


def ready(notifier, server, daemon):
    """It follows the service from here on: a first message is shown."""
    def shown():
        say(daemon, "are you there?")
        return server.notifications()
    wait_for(shown, 60, "a first notification")


@test
def a_message_becomes_a_bubble():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    say(bob, "<b>dinner</b> & 'more' at 8?")
    shown = server.notify(lambda n: "dinner" in n.body)
    assert_true(shown.summary.startswith("Bob"), shown.summary)
    assert_in("&lt;b&gt;dinner&lt;/b&gt; &amp; 'more' at 8?", shown.body)
    assert_in("<i>encrypted</i>", shown.body)
    assert_equal(shown.hints["category"], "im.received")
    assert_equal(shown.hints["desktop-entry"], "p2pchat")
    assert_equal(shown.actions,
                 ["default", "Open", "inline-reply", "Reply", "mute", "Mute 1 h"])


@test
def one_bubble_per_conversation():
    ece, bob, can = pair((CAN, "Can"))
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    first = server.notifications()[0].id
    for i in range(6):
        say(bob, f"line {i}")
    last = server.notify(lambda n: "line 5" in n.body)
    assert_equal(last.id, first, "all messages of one are in one bubble")
    assert_in("line 2\nline 3\nline 4\nline 5", last.body)
    assert_not_in("line 1", last.body)
    say(can, "hello from me")
    other = server.notify(lambda n: "hello from me" in n.body)
    assert_true(other.id != first, "another has his own")
    assert_equal(other.summary, "Can")


@test
def what_is_read_or_dismissed_begins_anew():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    shown = server.notifications()[-1]
    ece.call("SendMessage", "ss", "Bob", "from the command line")
    wait_for(lambda: server.all("CloseNotification"), 60, "the bubble goes")
    assert_equal(server.all("CloseNotification")[0], [shown.id])
    say(bob, "after the answer")
    again = server.notify(lambda n: "after the answer" in n.body)
    assert_equal(again.replaces, 0)
    assert_equal(again.summary, "Bob")
    server.emit("NotificationClosed", "uu", again.id, 2)
    say(bob, "after the dismissal")
    third = server.notify(lambda n: "after the dismissal" in n.body)
    assert_equal((third.replaces, third.summary), (0, "Bob"))


@test
def a_reply_is_sent():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    signals = bob.signals()
    server.emit("NotificationReplied", "us", server.notifications()[-1].id, "I am ☕")
    got = signals.wait("MessageReceived")
    assert_equal((got[3], got[4]), ("Ece", "I am ☕"))
    wait_for(lambda: server.all("CloseNotification"), 60, "an answered bubble goes")


@test
def a_reply_that_cannot_be_sent_is_told():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    ece.call("Block", "s", "Bob")
    server.emit("NotificationReplied", "us", server.notifications()[-1].id, "lost?")
    told = server.notify(lambda n: n.summary.startswith("Not sent: Bob"))
    assert_in("block", told.body.lower())


@test
def without_a_field_for_replies_the_conversation_is_opened():
    ece, bob = pair()
    desktop = Desktop({"x-terminal-emulator": 'echo "$@" >"$HOME/opened.part"\n'
                                              'mv "$HOME/opened.part" "$HOME/opened"\n'})
    server = desktop.mock("body actions")
    ready(desktop.notifier(ece.bus), server, bob)
    say(bob, "a < b")
    shown = server.notify(lambda n: "a < b" in n.body)
    assert_in("(encrypted)", shown.body)
    assert_equal(shown.actions, ["default", "Open", "reply", "Reply", "mute", "Mute 1 h"])
    server.emit("ActionInvoked", "us", shown.id, "reply")
    path = os.path.join(desktop.home, "opened")
    wait_for(lambda: os.path.exists(path), 60, "the terminal")
    with open(path, encoding="utf-8") as file:
        assert_equal(file.read(), "-e p2pchat chat -- Bob\n")


@test
def a_server_that_can_do_nothing():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock("")
    ready(desktop.notifier(ece.bus), server, bob)
    say(bob, "all in the summary")
    shown = server.notify(lambda n: "all in the summary" in n.summary)
    assert_equal((shown.body, shown.actions), ("", []))


@test
def muting_for_an_hour():
    ece, bob, can = pair((CAN, "Can"))
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    server.emit("ActionInvoked", "us", server.notifications()[-1].id, "mute")
    wait_for(lambda: any(u[0] == "Bob" and "muted" in u[6].split()
                         for u in ece.call("ListUsers")[0]), 60, "Bob is muted")
    say(bob, "nobody hears this")
    say(can, "but this")
    server.notify(lambda n: "but this" in n.body)
    assert_false([n for n in server.notifications() if "nobody hears" in n.body])


@test
def in_private_nobody_reads_it_over_the_shoulder():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus, "--private"), server, bob)
    say(bob, "the secret")
    shown = server.notify(lambda n: "New message" in n.body)
    assert_true(shown.summary.startswith("Bob"))
    assert_false([n for n in server.notifications() if "secret" in n.summary + n.body])
    bare = Desktop()
    empty = bare.mock("actions")
    ready(bare.notifier(ece.bus, "--private"), empty, bob)
    assert_false([n for n in empty.notifications() if "there" in n.summary + n.body])


@test
def what_came_meanwhile_is_summed_up_once():
    ece, bob, can = pair((CAN, "Can"))
    desktop = Desktop()
    server = desktop.mock(ALL)
    notifier = desktop.notifier(ece.bus)
    ready(notifier, server, bob)
    assert_equal(notifier.stop(), 0)
    before = len(server.notifications())
    for i in range(3):
        say(bob, f"missed {i}")
    say(can, "missed, too")
    notifier.start()
    shown = server.notify(lambda n: "while you were away" in n.summary)
    assert_equal(shown.summary, "4 messages while you were away")
    assert_equal(shown.body, "Bob (3), Can (1)")
    say(bob, "and now")
    server.notify(lambda n: "and now" in n.body)
    assert_equal(len(server.notifications()), before + 2, "nothing else was shown")
    assert_equal(notifier.stop(), 0)
    notifier.start()
    say(bob, "once more")
    server.notify(lambda n: "once more" in n.body + n.summary or "1 message" in n.summary)
    assert_false([n for n in server.notifications()[before + 2:] if "4 messages" in n.summary])


@test
def another_server_shows_what_is_unread():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    say(bob, "before")
    server.notify(lambda n: "before" in n.body)
    server.stop()
    say(bob, "meanwhile")
    other = desktop.mock("body")
    shown = other.notify(lambda n: "meanwhile" in n.body)
    assert_in("before\nmeanwhile", shown.body)
    assert_equal((shown.replaces, shown.actions), (0, []), "what the new one can is asked anew")


@test
def the_service_and_its_bus_may_go_and_come():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    ece.kill()
    ece.start()
    wait_for(lambda: bob.call("SendMessage", "ss", "Ece", "after kill")[1] == "delivered", 60,
             "delivered")
    server.notify(lambda n: "after kill" in n.body)
    ece.bus.restart()
    wait_for(lambda: bob.call("SendMessage", "ss", "Ece", "after the bus")[1] == "delivered", 60,
             "delivered")
    server.notify(lambda n: "after the bus" in n.body)


@test
def a_service_that_is_not_there_is_waited_for():
    bus = Bus()
    desktop = Desktop()
    server = desktop.mock(ALL)
    notifier = desktop.notifier(bus)
    ece = Daemon(bus, ECE, name="Ece", config=NO_RING)
    bob = Daemon(Bus(), BOB, name="Bob", config=NO_RING)
    wait_for(lambda: any(u[0] == "Ece" for u in bob.call("ListUsers")[0]), 60, "hears Ece")
    ready(notifier, server, bob)
    assert_equal(notifier.process.poll(), None)


@test
def who_may_not_is_told_what_to_do():
    closed = BUS_CONFIG.replace(
        '<allow own="*"/>',
        f'<allow own="*"/>\n<deny send_destination="{SERVICE}"/>')
    ece = Daemon(Bus(closed), ECE, name="Ece", config=NO_RING)
    desktop = Desktop()
    server = desktop.mock(ALL)
    notifier = desktop.notifier(ece.bus)
    shown = server.notify(lambda n: "not for you" in n.summary)
    assert_in("p2pchat", shown.body)
    assert_in("adduser", shown.body)
    assert_equal(notifier.process.wait(60), 0)
    assert_equal(len(server.notifications()), 1)


@test
def there_is_one_for_each_user():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    assert_equal(desktop.notifier(ece.bus).process.wait(60), 0)
    say(bob, "only once")
    server.notify(lambda n: "only once" in n.body)
    assert_equal(len([n for n in server.notifications() if "only once" in n.body]), 1)


@test
def a_key_that_changed_is_shown():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    ece.call("SendMessage", "ss", "Bob", "hi")
    bob.stop()
    Daemon(Bus(), CAN, name="Bob", config=NO_RING)
    shown = server.notify(lambda n: n.hints["category"] == "im.error")
    assert_equal(shown.hints["urgency"], 2)
    assert_in("Bob", shown.summary)


def offer(daemon, name, data):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return daemon.file_send("Ece", name, file)


@test
def a_file_is_accepted_in_its_bubble():
    ece, bob = pair()
    desktop = Desktop({"xdg-user-dir": 'echo "$HOME/down"\n'})
    desktop.give_cli(ece.bus)
    os.mkdir(os.path.join(desktop.home, "down"))
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    offer(bob, "holiday <1>.jpg", b"x" * 70000)
    shown = server.notify(lambda n: n.hints["category"] == "transfer")
    assert_equal(shown.summary, "Bob offers a file")
    assert_equal(shown.body, "holiday &lt;1&gt;.jpg, 68 KiB\n<i>encrypted</i>")
    assert_equal(shown.actions, ["accept", "Accept", "reject", "Reject"])
    server.emit("ActionInvoked", "us", shown.id, "accept")
    server.notify(lambda n: "It is here" in n.body)
    with open(os.path.join(desktop.home, "down", "holiday <1>.jpg"), "rb") as file:
        assert_equal(file.read(), b"x" * 70000)


@test
def a_file_is_rejected_or_taken_back():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    signals = bob.signals()
    first = offer(bob, "first", b"1")
    shown = server.notify(lambda n: n.body.startswith("first"))
    server.emit("ActionInvoked", "us", shown.id, "reject")
    assert_equal(signals.wait("Finished", lambda a: a[0] == first)[2], "rejected")
    second = offer(bob, "second", b"2")
    shown = server.notify(lambda n: n.body.startswith("second"))
    bob.file("Cancel", "s", second)
    wait_for(lambda: [shown.id] in [list(a) for a in server.all("CloseNotification")], 60,
             "the bubble goes with the offer")


@test
def an_invitation_is_accepted_or_declined_in_its_bubble():
    ece, bob = pair()
    ece.call("SendMessage", "ss", "Bob", "hi")
    desktop = Desktop()
    server = desktop.mock(ALL)
    ready(desktop.notifier(ece.bus), server, bob)
    bob.group("Create", "sas", "team", ["Ece"])
    shown = server.notify(lambda n: n.summary == "Invitation to +team")
    assert_equal(shown.body, "Bob invites you.")
    assert_equal(shown.actions, ["accept", "Accept", "reject", "Decline"])
    server.emit("ActionInvoked", "us", shown.id, "accept")
    wait_for(lambda: [g[2] for g in ece.group("List")[0]] == ["member"], 60, "a member")
    bob.call("SendMessage", "ss", "+team", "welcome all")
    shown = server.notify(lambda n: "welcome all" in n.body)
    assert_equal((shown.summary, shown.body.split("\n")[0]), ("+team", "Bob: welcome all"))
    bob.group("Create", "sas", "others", ["Ece"])
    shown = server.notify(lambda n: n.summary == "Invitation to +others")
    server.emit("ActionInvoked", "us", shown.id, "reject")
    wait_for(lambda: [g[1] for g in ece.group("List")[0]] == ["+team"], 60, "declined")


@test
def what_waited_before_the_login_is_shown():
    ece, bob = pair()
    ece.call("SendMessage", "ss", "Bob", "hi")
    offer(bob, "early", b"1")
    bob.group("Create", "sas", "team", ["Ece"])
    wait_for(lambda: ece.files() and ece.group("List")[0], 60, "both are there")
    desktop = Desktop()
    server = desktop.mock(ALL)
    desktop.notifier(ece.bus)
    server.notify(lambda n: n.body.startswith("early, 1 byte"))
    server.notify(lambda n: n.summary == "Invitation to +team")


@test
def it_costs_little():
    ece, bob = pair()
    desktop = Desktop()
    server = desktop.mock(ALL)
    if os.environ.get("P2PCHAT_BUILD_SAN"):
        os.environ["P2PCHAT_BUILD_SAN"], kept = "", os.environ["P2PCHAT_BUILD_SAN"]
        defer(lambda: os.environ.__setitem__("P2PCHAT_BUILD_SAN", kept))
    notifier = desktop.notifier(ece.bus)
    ready(notifier, server, bob)
    with open(f"/proc/{notifier.process.pid}/smaps_rollup", encoding="ascii") as file:
        sizes = dict(line.split(":") for line in file if ":" in line and "-" not in line)
    resident = int(sizes["Rss"].split()[0]) / 1024
    print(f"# resident memory of p2pchat-notify: {resident:.1f} MiB, goal 5", flush=True)


main()
