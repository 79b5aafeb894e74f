# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small runner for tests in Python

A test program is a file of functions, run from top to bottom:

    #!/usr/bin/python3
    import os, sys
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../lib"))
    from harness import *

    @test
    def two_and_two():
            assert_equal(2 + 2, 4)

    main()

It prints "ok NAME", "not ok NAME: why" or "skip NAME: why" for each and exits with 1 if one failed.
Arguments choose tests by a part of their name. What a test starts it hands to defer() at once;
what lives as long as the program goes to at_end(). Both are undone in reverse order, whatever
happens. Nothing waits by sleeping a while: wait_for() asks until its deadline.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

__all__ = [
    "test", "main", "skip", "fail", "defer", "at_end", "on_failure", "wait_for", "tempdir", "run",
    "assert_true", "assert_false", "assert_equal", "assert_in", "assert_not_in", "assert_between",
    "assert_raises", "child_dies_with_us", "environment", "Failure", "Skip",
]

TEST_SECONDS_MAX = 300

_tests = []
_case_stack = contextlib.ExitStack()
_end_stack = contextlib.ExitStack()
_case_hooks = []
_program_hooks = []


class Failure(AssertionError):
    """What was looked at is not as it should be."""


class Skip(Exception):
    """The test cannot be run here."""


class TooSlow(Exception):
    """The time of the test is over. No AssertionError, so that wait_for() lets it pass."""


def test(function=None, *, seconds=TEST_SECONDS_MAX):
    """Makes a function a test; it fails when it takes longer than so many seconds."""

    def mark(f):
        _tests.append((f, seconds))
        return f

    return mark(function) if function is not None else mark


def skip(why):
    raise Skip(why)


def fail(why):
    raise Failure(why)


def defer(function, *args, **kwargs):
    """Calls the function when the present test is over."""
    _case_stack.callback(function, *args, **kwargs)


def at_end(function, *args, **kwargs):
    """Calls the function when the whole program is over."""
    _end_stack.callback(function, *args, **kwargs)


def on_failure(function, for_all=False):
    """The text that this function returns is printed to standard error when the present test
    fails, or when any does."""
    (_program_hooks if for_all else _case_hooks).append(function)


def environment(name):
    """A variable that tests/run sets; without it the test is skipped."""
    value = os.environ.get(name)
    if not value:
        skip(f"${name} is not set")
    return value


def wait_for(condition, seconds, what, interval=0.05):
    """Asks until the condition gives something true, and returns that.

    The condition may raise Failure or AssertionError as long as it is not yet so.
    """
    deadline = time.monotonic() + seconds
    while True:
        last = None
        try:
            value = condition()
            if value:
                return value
        except AssertionError as error:
            last = error
        if time.monotonic() >= deadline:
            raise Failure(f"waited {seconds} s for {what}" + (f": {last}" if last else ""))
        time.sleep(interval)


def tempdir(prefix="p2pchat-test-"):
    """A directory that is gone after the present test."""
    path = tempfile.mkdtemp(prefix=prefix)
    os.chmod(path, 0o755)
    defer(shutil.rmtree, path, ignore_errors=True)
    return path


def child_dies_with_us():
    """For preexec_fn: the child is killed when this program ends in any way."""
    import ctypes

    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(command, *, check=True, timeout=120, input=None, env=None, cwd=None):
    """Runs a command and returns its CompletedProcess with text; check: it must succeed."""
    try:
        done = subprocess.run(
            command, input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            stdin=None if input is not None else subprocess.DEVNULL,
            text=True, errors="replace", timeout=timeout, env=env, cwd=cwd)
    except subprocess.TimeoutExpired:
        raise Failure(f"{_shown(command)}: not done after {timeout} s") from None
    if check and done.returncode != 0:
        raise Failure(f"{_shown(command)}: exit {done.returncode}: "
                      f"{(done.stderr.strip() or done.stdout.strip())[-2000:]}")
    return done


def _shown(command):
    return command if isinstance(command, str) else " ".join(map(str, command))


def assert_true(value, what="value"):
    if not value:
        raise Failure(f"{what}: {value!r} is not true")


def assert_false(value, what="value"):
    if value:
        raise Failure(f"{what}: {value!r} is not false")


def assert_equal(actual, expected, what="value"):
    if actual != expected:
        raise Failure(f"{what}: {actual!r} is not {expected!r}")


def assert_in(member, container, what="value"):
    if member not in container:
        raise Failure(f"{what}: {member!r} is not in {container!r}")


def assert_not_in(member, container, what="value"):
    if member in container:
        raise Failure(f"{what}: {member!r} is in {container!r}")


def assert_between(value, low, high, what="value"):
    if not low <= value <= high:
        raise Failure(f"{what}: {value!r} is not between {low!r} and {high!r}")


@contextlib.contextmanager
def assert_raises(kind, match=None):
    """The block must raise this kind of exception, its text with @match in it; yields a holder
    whose .error is the exception."""

    class Holder:
        error = None

    holder = Holder()
    try:
        yield holder
    except kind as error:
        holder.error = error
        if match is not None and match not in str(error):
            raise Failure(f"{match!r} is not in the error {error}") from error
        return
    raise Failure(f"no {kind.__name__} was raised")


def _on_alarm(signum, frame):
    raise TooSlow()


def _run_one(function, seconds):
    global _case_stack
    _case_stack = contextlib.ExitStack()
    outcome, why = "ok", ""

    _case_hooks.clear()
    signal.alarm(seconds)
    try:
        function()
    except Skip as error:
        outcome, why = "skip", str(error)
    except TooSlow:
        outcome, why = "not ok", f"took more than {seconds} s"
        traceback.print_exc()
    except Exception as error:
        outcome, why = "not ok", f"{error}" if isinstance(error, Failure) else repr(error)
        traceback.print_exc()
        for hook in _program_hooks + _case_hooks:
            with contextlib.suppress(Exception):
                text = hook()
                if text:
                    print(text, file=sys.stderr)
    finally:
        signal.alarm(0)

    try:
        signal.alarm(120)
        _case_stack.close()
    except Exception as error:
        traceback.print_exc()
        if outcome != "not ok":
            outcome, why = "not ok", f"at its end: {error}"
    finally:
        signal.alarm(0)
    return outcome, why


def main(setup=None):
    """Runs the tests and ends the program. @setup runs first; if it fails, all of them fail, and
    if it skips, all are skipped."""
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    chosen = [(f, s) for f, s in _tests if not wanted or any(w in f.__name__ for w in wanted)]
    failed = 0

    signal.signal(signal.SIGALRM, _on_alarm)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        before = ("ok", "")
        if setup is not None:
            before = _run_one(setup, 900)
        for function, seconds in chosen:
            outcome, why = before if before[0] != "ok" else _run_one(function, seconds)
            failed += outcome == "not ok"
            why = " ".join(why.split())[:600]
            print(f"{outcome} {function.__name__}" + (f": {why}" if why else ""), flush=True)
    finally:
        _end_stack.close()
    sys.exit(1 if failed else 0)
