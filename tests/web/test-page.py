#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The page in a real browser: Chromium without a screen

Screenshots go to $P2PCHAT_ARTEFACTS, by default tests/artefacts. $P2PCHAT_AXE is axe.min.js of
axe-core, which has to be fetched from outside.
"""

import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
from harness import *  # noqa: E402,F403
from daemon import INTERFACE, NAME, NO_RING, PATH, Bus, Daemon, bus_call  # noqa: E402
from web import AUTHORITY, Web  # noqa: E402

try:
    from selenium import webdriver
    from selenium.common.exceptions import ElementNotInteractableException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.chrome.service import Service
except ImportError:
    webdriver = None

TREE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
ARTEFACTS = os.environ.get("P2PCHAT_ARTEFACTS", os.path.join(TREE, "tests/artefacts"))
DESKTOP, PHONE = (1280, 800), (390, 844)
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
MANY = 10000

bus = ece = bob = web = None


def needs_browser():
    if webdriver is None:
        skip("python3-selenium is not installed")
    for tool in ("chromium", "chromedriver"):
        if shutil.which(tool) is None:
            skip(f"{tool} is not installed")


class Browser:
    def __init__(self, size=DESKTOP, dark=False, directory=None):
        home = directory or tempdir("p2pchat-browser-")
        self.directory = home
        options = webdriver.ChromeOptions()
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         "--hide-scrollbars", f"--user-data-dir={home}/profile",
                         f"--window-size={size[0]},{size[1]}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        service = Service("/usr/bin/chromedriver", env=dict(os.environ, HOME=home, LANG="en_GB.UTF-8"))
        self.driver = webdriver.Chrome(options=options, service=service)
        defer(self.driver.quit)
        self.driver.execute_cdp_cmd("Browser.setDownloadBehavior",
                                    {"behavior": "allow", "downloadPath": home})
        # A window is never that narrow; what the page sees is.
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})

    def open(self, token=None):
        self.driver.get(f"http://{AUTHORITY}/#{token or web.token()}")
        wait_for(lambda: self.one("#own-name").text, 30, "the page to be signed in")
        return self

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        found = self.all(selector)
        if not found:
            raise Failure(f"there is no {selector}")
        return found[0]

    def click(self, selector):
        self.one(selector).click()

    def choose(self, name):
        # In one go: the list is in motion while others come and go.
        script = ("const row = [...document.querySelectorAll('#people .person')].find((r) =>"
                  " r.querySelector('.person-name').textContent === arguments[0]);"
                  "row?.click(); return Boolean(row)")
        wait_for(lambda: self.driver.execute_script(script, name), 60, f"{name} in the list")
        wait_for(lambda: self.one("#talk-name").text == name, 10, "the conversation")

    def texts(self):
        """Of the bubbles, in one go."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll('#messages .text')].map((e) => e.textContent)")

    def wait_text(self, text, seconds=30):
        wait_for(lambda: text in self.texts(), seconds, f"{text!r} to be shown")

    def write(self, text):
        area = self.one("#text")

        def typed():
            try:
                area.send_keys(text)
            except ElementNotInteractableException:  # a panel is just being closed
                return False
            return True
        wait_for(typed, 30, "the field to write")
        area.send_keys(Keys.ENTER)

    def shot(self, name):
        os.makedirs(ARTEFACTS, exist_ok=True)
        self.driver.save_screenshot(os.path.join(ARTEFACTS, f"page-{name}.png"))

    def complaints(self):
        """What the browser complained of: broken scripts, and what the policy of contents kept off."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE"]


def start(config=NO_RING):
    """Ece with the page, and Bob, who can be heard."""
    global bus, ece, bob, web
    bus = Bus()
    ece = Daemon(bus, "127.0.0.2", config=config)
    ece.set("Username", "s", "Ece")
    bob = Daemon(Bus(), "127.0.0.3", name="Bob", config=config)
    ece.wait_user("Bob")
    bob.wait_user("Ece")
    web = Web(bus)


@test
def a_conversation():
    start()
    bob.call("SendMessage", "ss", "Ece", "Good morning! Is the projector in room 12 free after lunch?")
    ece.wait_message("Good morning! Is the projector in room 12 free after lunch?")
    browser = Browser().open()
    assert_equal(browser.driver.current_url, f"http://{AUTHORITY}/", "the address without a token")
    browser.choose("Bob")
    browser.wait_text("Good morning! Is the projector in room 12 free after lunch?")
    browser.write("It is, from two o’clock. Shall I reserve it?")
    bob.wait_message("It is, from two o’clock. Shall I reserve it?")
    wait_for(lambda: "✓✓" in browser.one("#messages .sent .state").text, 30, "it to be delivered")
    # Without anything being loaded again.
    browser.driver.execute_script("window.mark = 1")
    bob.call("SendMessage", "ss", "Ece", "Yes please 🙂\nAnd thank you.")
    browser.wait_text("Yes please 🙂\nAnd thank you.")
    assert_equal(browser.driver.execute_script("return window.mark"), 1, "the same page")
    assert_equal(browser.one("#talk-security").text, "encrypted")
    browser.shot("conversation-light")
    # Once and in order.
    assert_equal(len(browser.texts()), 3)
    assert_equal(browser.complaints(), [], "complaints")


@test
def sent_elsewhere():
    """What the command line sends is there, too."""
    start()
    browser = Browser().open()
    browser.choose("Bob")
    ece.cli("send", "Bob", "from a terminal", check=True)
    browser.wait_text("from a terminal")


def fill(n):
    """That many messages, sent by Bob."""
    for i in range(0, n, 50):
        calls = [bob.call("SendMessage", "ss", "Ece", f"line {k} of many") for k in range(i, i + 50)]
        assert_equal(len(calls), 50)
    ece.wait_message(f"line {n - 1} of many", seconds=120)


@test(seconds=900)
def back_through_ten_thousand():
    start(NO_RING + "[History]\nKeep=sealed\n")
    fill(MANY)
    browser = Browser().open()
    browser.choose("Bob")
    browser.wait_text(f"line {MANY - 1} of many")
    seen = 0
    while not browser.texts()[0] == "line 0 of many":
        before = len(browser.texts())
        assert_true(before > seen, "more than before")
        seen = before
        browser.driver.execute_script("document.getElementById('scroll').scrollTop = 0")
        wait_for(lambda: len(browser.texts()) > before or browser.texts()[0] == "line 0 of many",
                 60, "the page before", 0.02)
    assert_equal(browser.texts(), [f"line {k} of many" for k in range(MANY)], "all in order")
    browser.driver.execute_script("document.getElementById('search-text').focus()")
    browser.one("#search-text").send_keys("LINE 4711 of")
    wait_for(lambda: len(browser.all("#found .person")) == 1, 60, "the result")
    browser.click("#found .person")
    wait_for(lambda: browser.all(".pointed"), 30, "the message to be shown")
    assert_equal(browser.one(".pointed .text").text, "line 4711 of many")
    browser.shot("search")


@test
def a_phone():
    start()
    bob.call("SendMessage", "ss", "Ece", "Are you there?")
    ece.wait_message("Are you there?")
    browser = Browser(PHONE).open()
    wait_for(lambda: browser.all("#people .person"), 30, "the list")
    browser.shot("phone-list")
    browser.choose("Bob")
    assert_false(browser.one("#people").is_displayed(), "the list beside the conversation")
    browser.write("On my way.")
    bob.wait_message("On my way.")
    browser.wait_text("On my way.")
    browser.shot("phone-conversation")
    width = browser.driver.execute_script("return document.documentElement.scrollWidth")
    assert_true(width <= PHONE[0], f"nothing is wider than the screen: {width}")
    browser.driver.back()
    wait_for(lambda: browser.one("#people").is_displayed(), 10, "the list again")


@test
def keyboard_alone():
    start()
    browser = Browser().open()
    wait_for(lambda: browser.all("#people .person"), 30, "the list")
    seen = []
    for _ in range(12):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        seen.append(browser.driver.execute_script(
            "return document.activeElement.id || document.activeElement.className"))
        if seen[-1] == "person":
            break
    assert_equal(seen[-1], "person", f"the list by Tab, came by {seen}")
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    wait_for(lambda: browser.one("#talk-name").text == "Bob", 10, "the conversation")
    wait_for(lambda: browser.driver.execute_script("return document.activeElement.id") == "text", 10,
             "the field to write")
    browser.driver.switch_to.active_element.send_keys("by keyboard" + Keys.ENTER)
    bob.wait_message("by keyboard")


@test
def what_others_write_stays_text():
    start()
    bob.call("SendMessage", "ss", "Ece", HOSTILE)
    ece.wait_message(HOSTILE)
    browser = Browser().open()
    browser.choose("Bob")
    browser.wait_text(HOSTILE)
    assert_not_in("owned", browser.driver.title)
    assert_equal(browser.all("#messages img, #messages script"), [], "markup of others")
    # The policy stands even where the page would err.
    answer = browser.driver.execute_script(
        "try { document.body.innerHTML = '<b>x</b>'; return 'done' } catch (e) { return e.name }")
    assert_equal(answer, "TypeError", "markup made of text")
    answer = browser.driver.execute_script(
        "const a = document.createElement('a');"
        "try { a.setAttribute('onclick', '1'); return 'done' } catch (e) { return e.name }")
    assert_equal(answer, "TypeError", "script made of text")


@test
def one_use_and_then_the_door():
    start()
    token = web.token()
    Browser().open(token)
    other = Browser()
    other.driver.get(f"http://{AUTHORITY}/#{token}")
    wait_for(lambda: "used already" in other.one("#door").text, 30, "the reason")
    assert_in("p2pchat web", other.one("#door").text)
    other.shot("door")


@test
def a_reload_stays_signed_in_and_another_tab_does_not():
    start()
    browser = Browser().open()
    browser.driver.refresh()
    wait_for(lambda: browser.one("#own-name").text == "Ece", 30, "the page again")
    browser.driver.switch_to.new_window("tab")
    browser.driver.get(f"http://{AUTHORITY}/")
    wait_for(lambda: browser.one("#door").is_displayed(), 30, "the door")


@test
def name_mute_block_and_download():
    start()
    bob.call("SendMessage", "ss", "Ece", "keep this")
    ece.wait_message("keep this")
    browser = Browser().open()
    browser.click("#own")
    browser.shot("own")
    browser.one("#name-text").clear()
    browser.one("#name-text").send_keys("Ece2")
    browser.click("#name-form button")
    wait_for(lambda: ece.get("Username") == "Ece2" and browser.one("#own-name").text == "Ece2", 30,
             "the new name")
    browser.choose("Bob")
    browser.click("#about")
    wait_for(lambda: len(browser.one("#digits").text.split()) == 12, 30, "the digits")
    browser.shot("about")
    browser.click("#mute")
    wait_for(lambda: "muted" in ece.user("Bob")["flags"], 30, "the mute")
    wait_for(lambda: browser.one("#unmute").is_displayed(), 30, "the way back")
    browser.click("#unmute")
    browser.click("#block")
    wait_for(lambda: "blocked" in ece.user("Bob")["flags"], 30, "the block")
    wait_for(lambda: browser.one("#unblock").is_displayed(), 30, "the way back")
    browser.click("#unblock")
    digits = "".join(bob.call("GetFingerprint", "s", ece.user("Bob") and "Ece2")[0].split())
    browser.one("#verify-text").send_keys(digits)
    browser.click("#verify-form button")
    wait_for(lambda: ece.user("Bob")["security"] == "verified", 30, "the proof")
    browser.click('#about-dialog [data-log="json"]')
    path = os.path.join(browser.directory, "p2pchat-log.json")
    wait_for(lambda: os.path.exists(path), 30, "the download")
    with open(path, encoding="utf-8") as file:
        assert_equal([m["text"] for m in json.load(file)], ["keep this"])


@test
def the_service_goes_and_comes():
    start()
    browser = Browser().open()
    browser.choose("Bob")
    ece.stop()
    wait_for(lambda: "systemctl start" in browser.one("#notice").text, 30, "the remedy")
    browser.shot("no-service")
    ece.start()
    bob.call("SendMessage", "ss", "Ece", "while you were away")
    browser.wait_text("while you were away")
    wait_for(lambda: not browser.one("#notice").is_displayed(), 30, "the notice to go")


def group_call(daemon, member, signature="", *arguments):
    return bus_call(daemon.connection, NAME, PATH, INTERFACE + ".Groups", member, signature, *arguments)


@test
def a_group():
    start()
    # Each proves a key to the other.
    bob.call("SendMessage", "ss", "Ece", "hello")
    ece.wait_message("hello")
    ece.call("SendMessage", "ss", "Bob", "hello to you")
    bob.wait_message("hello to you")
    browser = Browser().open()
    wait_for(lambda: browser.all("#people .person"), 30, "the list")
    browser.click("#new-chat")
    browser.one("#group-text").send_keys("team")
    browser.click("#group-members input")
    browser.shot("new-group")
    browser.click("#group-form button[type=submit]")
    wait_for(lambda: browser.one("#talk-name").text == "+team", 30, "the group")
    wait_for(lambda: [g for g in group_call(bob, "List")[0] if g[1] == "+team"], 60, "the invitation")
    if [g for g in group_call(bob, "List")[0] if g[2] == "invited"]:
        group_call(bob, "Accept", "s", "+team")
    wait_for(lambda: "2 members" in browser.one("#talk-state").text, 60, "the member")
    browser.write("to the group")
    wait_for(lambda: [m for m in bob.history("+team") if m["text"] == "to the group"], 60, "the message")
    bob.call("SendMessage", "ss", "+team", "from the group")
    browser.wait_text("from the group")
    assert_equal(browser.one("#messages .received .author").text, "Bob")
    browser.shot("group")
    browser.click("#about")
    wait_for(lambda: len(browser.all("#members li")) == 2, 30, "the members")
    browser.shot("group-about")
    browser.click("#leave")
    wait_for(lambda: not group_call(ece, "List")[0], 30, "leaving")


@test
def an_invitation():
    start()
    # From who is no contact here it waits for somebody to accept.
    bob.call("SendMessage", "ss", "Ece", "hello")
    ece.wait_message("hello")
    browser = Browser().open()
    wait_for(lambda: browser.all("#people .person"), 30, "the list")
    group_call(bob, "Create", "sas", "chess", ["Ece"])
    browser.choose("+chess")
    wait_for(lambda: browser.one("#invitation").is_displayed(), 30, "the question")
    browser.shot("invitation")
    browser.click("#accept")
    wait_for(lambda: [g for g in group_call(ece, "List")[0] if g[1:3] == ("+chess", "member")], 60,
             "the group")
    wait_for(lambda: browser.one("#compose").is_displayed(), 30, "the field to write")


def files_of(daemon):
    return bus_call(daemon.connection, NAME, PATH, INTERFACE + ".Files", "List")[0]


@test
def files():
    start()
    bob.call("SendMessage", "ss", "Ece", "hello")
    ece.call("SendMessage", "ss", "Bob", "hello to you")
    ece.wait_message("hello")
    bob.wait_message("hello to you")
    browser = Browser().open()
    browser.choose("Bob")
    wait_for(lambda: browser.one("#attach").is_displayed(), 30, "the button")
    path = os.path.join(tempdir(), "holiday.jpg")
    with open(path, "wb") as file:
        file.write(os.urandom(700_000))
    browser.one("#file").send_keys(path)
    wait_for(lambda: "waits for an answer" in browser.one("#files").text, 60, "the offer")
    wait_for(lambda: [f[2] for f in files_of(bob)] == ["holiday.jpg"], 60, "the other side to have it")
    # The other way round.
    received = os.path.join(browser.directory, "report.pdf")
    source = os.path.join(tempdir(), "report.pdf")
    with open(source, "wb") as file:
        file.write(os.urandom(500_000))
    sender = subprocess.Popen(
        [os.path.join(os.path.dirname(bob.program), "../cli/p2pchat"), "file", "send", "Ece", source],
        env=dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=bob.bus.address), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, preexec_fn=child_dies_with_us)
    defer(sender.wait)
    defer(sender.kill)
    wait_for(lambda: "is offered to you" in browser.one("#files").text, 60, "the offer")
    browser.shot("files")
    browser.click("#files button[aria-label='Receive report.pdf']")
    wait_for(lambda: browser.all("#files button[aria-label='Save report.pdf']"), 60, "the file")
    browser.click("#files button[aria-label='Save report.pdf']")
    wait_for(lambda: os.path.exists(received), 60, "the download")
    with open(received, "rb") as one, open(source, "rb") as other:
        assert_true(one.read() == other.read(), "the same bytes")
    wait_for(lambda: not browser.all("#files button[aria-label='Save report.pdf']"), 30, "it to be gone")
    browser.click("#files button[aria-label='Cancel holiday.jpg']")
    wait_for(lambda: not files_of(ece), 60, "nothing under way")
    assert_equal(browser.complaints(), [], "complaints")


@test
def everybody_can_use_it():
    """No serious finding of axe-core, in light and dark, wide and narrow, and in the dialogs."""
    with open(environment("P2PCHAT_AXE"), encoding="utf-8") as file:
        source = file.read()
    start()
    bob.call("SendMessage", "ss", "Ece", "hello")
    ece.call("SendMessage", "ss", "Bob", "hello to you")
    ece.wait_message("hello")
    for size in (DESKTOP, PHONE):
        for dark in (False, True):
            browser = Browser(size, dark).open()
            wait_for(lambda: browser.all("#people .person"), 30, "the list")
            check_with_axe(browser, source, "list")
            browser.choose("Bob")
            browser.wait_text("hello to you")
            check_with_axe(browser, source, "conversation")
            browser.shot(f"conversation-{'dark' if dark else 'light'}-{size[0]}")
            browser.click("#about")
            wait_for(lambda: browser.one("#digits").text, 30, "the digits")
            check_with_axe(browser, source, "about")
            browser.driver.quit()


def check_with_axe(browser, source, where):
    # The page's policy lets no foreign script in, so it comes in by the debugger.
    browser.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": source})
    found = browser.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations), e => done(String(e)))")
    assert_true(isinstance(found, list), found)
    serious = [(v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found
               if v["impact"] in ("serious", "critical")]
    others = ", ".join(v["id"] for v in found) or "no findings"
    print(f"# axe-core, {where}: {others}")
    assert_equal(serious, [], where)


main(needs_browser)
