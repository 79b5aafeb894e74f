#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files by the page's service, in both directions, and what becomes of them when somebody goes"""

import base64
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from daemon import *  # noqa: E402,F403
from daemon import NO_RING  # noqa: E402
from gi.repository import Gio, GLib  # noqa: E402
from harness import *  # noqa: E402,F403
from web import HttpError, Web  # noqa: E402

FILES = INTERFACE + ".Files"
PIECE = 200 * 1024
CONTENT = os.urandom(1_000_003)


def pair():
    """Two services that have proven their keys to each other, and the page of the first."""
    ece = Daemon(Bus(), "127.0.0.2", name="Ece", config=NO_RING)
    bob = Daemon(Bus(), "127.0.0.3", name="Bob", config=NO_RING)
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    ece.call("SendMessage", "ss", "Bob", "hello")
    bob.wait_message("hello")
    bob.call("SendMessage", "ss", "Ece", "hello to you")
    ece.wait_message("hello to you")
    return ece, bob, Web(ece.bus)


def file_call(daemon, member, *arguments):
    """A call of Files whose last argument is a file, if it is one."""
    descriptors = Gio.UnixFDList.new()
    values, signature = [], ""
    for a in arguments:
        is_text = isinstance(a, str)
        values.append(a if is_text else descriptors.append(a.fileno()))
        signature += "s" if is_text else "h"
    reply, _ = daemon.connection.call_with_unix_fd_list_sync(
        NAME, PATH, FILES, member, GLib.Variant(f"({signature})", tuple(values)), None,
        Gio.DBusCallFlags.NO_AUTO_START, 60000, descriptors, None)
    return list(reply.unpack())


def new_file(content=b""):
    path = os.path.join(tempdir(), "file")
    with open(path, "wb") as file:
        file.write(content)
    file = open(path, "r+b")
    defer(file.close)
    return file


def rows(daemon):
    return file_call(daemon, "List")[0]


def upload(page, user, name, content):
    id = page.post("/api/file-begin", user=user, name=name)["upload"]
    for at in range(0, len(content), PIECE):
        page.post("/api/file-piece", upload=id,
                  data=base64.b64encode(content[at:at + PIECE]).decode())
    return id


def wait_offered(page):
    return wait_for(lambda: [f for f in page.get("/api/files")["files"] if f["state"] == "offered"], 60,
                    "the offer", 0.2)[0]


def accept(page, f):
    page.post("/api/file-accept", **{k: f[k] for k in ("id", "user", "name", "size")})


def wait_arrived(page):
    return wait_for(lambda: page.get("/api/files")["arrived"], 60, "the file", 0.2)[0]


def refused(status, function, *args, **kwargs):
    with assert_raises(HttpError) as error:
        function(*args, **kwargs)
    assert_equal(error.error.status, status, str(error.error))


@test
def a_file_goes():
    ece, bob, web = pair()
    page = web.sign_in()
    events = page.events()
    id = page.post("/api/file-send", upload=upload(page, "Bob", "a <b> ş.bin", CONTENT))["id"]
    row = wait_for(lambda: rows(bob), 60, "the offer")[0]
    assert_equal((row[2], row[3], row[5]), ("a <b> ş.bin", len(CONTENT), "received"))
    target = new_file()
    file_call(bob, "Accept", row[0], target)
    events.wait(lambda e: e == {"type": "file", "id": id, "state": "done", "reason": ""})
    wait_for(lambda: not rows(bob), 60, "it to be over")
    with open(target.name, "rb") as file:
        assert_true(file.read() == CONTENT, "the same bytes")
    assert_equal(os.listdir(web.state), [], "what is left here")


@test
def a_file_comes():
    ece, bob, web = pair()
    page = web.sign_in()
    file_call(bob, "Send", "Ece", "../../etc/passwd", new_file(CONTENT))
    offer = wait_offered(page)
    assert_equal((offer["user"], offer["size"], offer["direction"]), ("Bob", len(CONTENT), "received"))
    refused(404, page.fetch, "/api/file", id=offer["id"])
    accept(page, offer)
    arrived = wait_arrived(page)
    assert_equal({k: arrived[k] for k in ("id", "user", "size")},
                 {k: offer[k] for k in ("id", "user", "size")})
    # As often as it is wanted, until it is said to be saved.
    for _ in range(2):
        assert_true(page.fetch("/api/file", id=offer["id"]) == CONTENT, "the same bytes")
    page.post("/api/file-done", id=offer["id"])
    assert_equal(page.get("/api/files"), {"files": [], "arrived": []})
    assert_equal(os.listdir(web.state), [])


@test
def an_empty_file():
    ece, bob, web = pair()
    page = web.sign_in()
    page.post("/api/file-send", upload=upload(page, "Bob", "nothing", b""))
    wait_for(lambda: rows(bob), 60, "the offer")
    file_call(bob, "Send", "Ece", "nothing", new_file())
    offer = [f for f in wait_for(lambda: [f for f in page.get("/api/files")["files"]
                                          if f["direction"] == "received"], 60, "the offer")][0]
    accept(page, offer)
    wait_arrived(page)
    assert_equal(page.fetch("/api/file", id=offer["id"]), b"")


@test
def it_comes_although_the_page_is_gone():
    ece, bob, web = pair()
    page = web.sign_in()
    file_call(bob, "Send", "Ece", "report.pdf", new_file(CONTENT))
    offer = wait_offered(page)
    bob.kill()
    accept(page, offer)
    web.kill()
    bob.start()
    wait_for(lambda: not rows(ece), 120, "it to be over")
    web.start()
    page = web.sign_in()
    assert_equal(wait_arrived(page)["name"], "report.pdf")
    assert_true(page.fetch("/api/file", id=offer["id"]) == CONTENT, "the same bytes")


@test
def it_comes_although_the_service_is_killed():
    ece, bob, web = pair()
    page = web.sign_in()
    file_call(bob, "Send", "Ece", "report.pdf", new_file(CONTENT))
    offer = wait_offered(page)
    bob.kill()
    accept(page, offer)
    ece.kill()
    ece.start()
    bob.start()

    # It has no descriptor any more, so it waits to be asked once more.
    def is_whole():
        return [f for f in page.get("/api/files")["files"] if f["state"] == "whole"]

    wait_for(is_whole, 120, "it to be whole", 0.3)
    assert_equal(page.get("/api/files")["arrived"], [])
    accept(page, offer)
    wait_arrived(page)
    assert_true(page.fetch("/api/file", id=offer["id"]) == CONTENT, "the same bytes")


@test
def what_is_cancelled_leaves_nothing():
    ece, bob, web = pair()
    page = web.sign_in()
    file_call(bob, "Send", "Ece", "one", new_file(CONTENT))
    offer = wait_offered(page)
    page.post("/api/file-reject", id=offer["id"])
    wait_for(lambda: not rows(bob), 60, "the other side to hear it")
    file_call(bob, "Send", "Ece", "two", new_file(CONTENT))
    offer = wait_offered(page)
    bob.kill()
    accept(page, offer)
    page.post("/api/file-cancel", id=offer["id"])
    wait_for(lambda: page.get("/api/files") == {"files": [], "arrived": []}, 60, "nothing")
    assert_equal(os.listdir(web.state), [])
    bob.start()


@test
def nonsense_is_refused():
    ece, bob, web = pair()
    page, other = web.sign_in(), web.sign_in()
    mine = upload(page, "Bob", "x", b"abc")
    refused(404, other.post, "/api/file-piece", upload=mine, data="YWJj")
    refused(404, other.post, "/api/file-send", upload=mine)
    refused(404, page.post, "/api/file-send", upload="a" * 26)
    for data in ("YWJ", "*", 7, None):
        refused(400, page.post, "/api/file-piece", upload=mine, data=data)
    refused(400, page.post, "/api/file-begin", user="Bob")
    uploads = [page.post("/api/file-begin", user="Bob", name="x")["upload"] for _ in range(3)]
    refused(429, page.post, "/api/file-begin", user="Bob", name="x")
    page.post("/api/file-stop", upload=uploads[0])
    refused(404, page.post, "/api/file-piece", upload=uploads[0], data="YWJj")
    page.post("/api/file-begin", user="Bob", name="x")
    refused(429, page.post, "/api/file-begin", user="Bob", name="x")
    # Those of a session end with it.
    page.post("/signout")
    page = web.sign_in()
    for _ in range(4):
        page.post("/api/file-begin", user="nobody", name="x")
    refused(404, other.post, "/api/file-send", upload=upload(other, "nobody", "x", b"abc"))
    for id in ("../secret", "", "/etc/passwd", "a/b", ".", "..", "a" * 65, "a.about"):
        refused(404, page.fetch, "/api/file", id=id)
        refused(400, page.post, "/api/file-done", id=id)
        refused(400, page.post, "/api/file-accept", id=id, user="Bob", name="x", size=3)
    refused(404, page.post, "/api/file-accept", id="01ARZ3NDEKTSV4RRFFQ69G5FAV", user="Bob", name="x",
            size=3)
    assert_equal(page.get("/api/files"), {"files": [], "arrived": []})
    assert_equal(os.listdir(web.state), [])


def setup():
    if not os.path.exists(os.path.join(build_directory(), "src/web/p2pchat-web")):
        skip("built without libmicrohttpd")


main(setup)
