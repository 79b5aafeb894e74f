#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tiers of tests/run; see there for its options

Two kinds of tests. Those of meson belong to the tier that their suite names and run twice, in a
plain and in a sanitized build. Programs tests/TIER/test-*.py, and with --long also long-*.py, print
a line for each case (harness.py), and figures in lines that begin with "# "; all but those of e2e
get a network namespace of their own, so that they neither hear each other nor anybody else.
"""

import argparse
import concurrent.futures
import filecmp
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TREE = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))

TIERS = ("check", "unit", "sim", "fuzz", "integration", "interop", "desktop", "web", "lintian", "e2e")
MESON_TIERS = ("check", "unit", "sim", "fuzz", "integration")
PROGRAM_TIERS = ("integration", "interop", "desktop", "web", "e2e")

PROGRAM_SECONDS_MAX = 3600
FUZZ_SECONDS = 60

SANITIZERS = {
    "ASAN_OPTIONS": "halt_on_error=1:detect_leaks=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


class Results:
    """What came out, counted per test."""

    def __init__(self, strict):
        self.strict = strict
        self.counts = {}
        self.failures = []
        self.left_out = []

    def add(self, tier, outcome, name, why=""):
        self.counts.setdefault(tier, {"ok": 0, "not ok": 0, "skip": 0})[outcome] += 1
        if outcome == "not ok":
            self.failures.append(f"{tier}: {name}" + (f": {why}" if why else ""))
        line = f"  {outcome:6} {name}" + (f": {why}" if why else "")
        print(line, flush=True)

    def leave_out(self, tier, why):
        """A tier, or a part of it, that cannot be run here."""
        self.left_out.append(f"{tier}: {why}")
        self.add(tier, "not ok" if self.strict else "skip", "(left out)", why)

    def total(self, outcome):
        return sum(c[outcome] for c in self.counts.values())

    def print(self):
        print()
        for tier, c in self.counts.items():
            print(f"{tier:14} {c['ok']:5} passed {c['not ok']:5} failed {c['skip']:5} skipped")
        if self.failures:
            print("\nFAILED:")
            for failure in self.failures:
                print(f"  {failure}")
        if self.left_out:
            print("\n*** LEFT OUT:")
            for reason in self.left_out:
                print(f"***   {reason}")
        print(f"{self.total('ok')} passed, {self.total('not ok')} failed, "
              f"{self.total('skip')} skipped", flush=True)


class Run:
    def __init__(self, options):
        self.options = options
        self.results = Results(os.environ.get("CI") == "true")
        self.is_root = os.geteuid() == 0
        self.work = options.work or tempfile.mkdtemp(prefix="p2pchat-run-", dir="/var/tmp")
        self.work = os.path.realpath(self.work)
        os.makedirs(self.work, exist_ok=True)
        os.chmod(self.work, 0o755)
        self.name = f"p2p{os.getpid()}"
        self.packages = {}

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    def wanted(self, tier):
        return not self.options.tier or tier in self.options.tier

    def title(self, text):
        print(f"\n== {text}", flush=True)

    def command(self, log, arguments, **kwargs):
        """Runs a step of the preparation; its output goes to a log. True if it succeeded."""
        path = self.path("logs", f"{log}.log")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab") as file:
            status = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                    cwd=TREE, check=False, **kwargs).returncode
        if status != 0:
            with open(path, encoding="utf-8", errors="replace") as file:
                print("".join(file.readlines()[-40:]))
        return status == 0

    # Preparation

    def build(self, name, *options):
        """A build directory with everything in it, or None."""
        directory = self.path(name)
        self.title(f"build {name}")
        started = time.monotonic()
        if not os.path.exists(os.path.join(directory, "build.ninja")):
            if not self.command(name, ["meson", "setup", directory, TREE, *options]):
                return None
        if not self.command(name, ["ninja", "-C", directory]):
            return None
        print(f"  {time.monotonic() - started:.0f} s")
        return directory

    def builds(self):
        werror = [f"-Dwerror={'true' if self.results.strict else 'false'}"]
        plain = self.build("plain", *werror)
        sanitized = self.build("sanitized", "-Db_sanitize=address,undefined", "-Db_lundef=false",
                               *werror)
        for tier, directory in (("build", plain), ("build-sanitized", sanitized)):
            self.results.add(tier, "ok" if directory else "not ok", "compiles")
        return plain, sanitized

    def package(self):
        """The .deb of this run, or None."""
        if "deb" not in self.packages:
            self.title("package")
            os.makedirs(self.path("deb"), exist_ok=True)
            for name in os.listdir(self.path("deb")):
                os.unlink(self.path("deb", name))
            ok = self.command("deb", ["tests/lib/make-deb", self.path("deb")],
                              env=dict(os.environ, TMPDIR=self.work))
            found = [f for f in os.listdir(self.path("deb"))
                     if f.startswith("p2pchat_") and f.endswith(".deb")]
            self.packages["deb"] = self.path("deb", found[0]) if ok and found else None
            self.results.add("lintian", "ok" if ok else "not ok", "the package builds")
        return self.packages["deb"]

    # Tests of meson

    def meson_tests(self, directory, tier):
        listed = json.loads(subprocess.run(
            ["meson", "introspect", "--tests", directory], stdout=subprocess.PIPE, check=True).stdout)
        names = []
        for entry in listed:
            suites = {s.rsplit(":", 1)[-1] for s in entry["suite"]} & set(MESON_TIERS)
            if tier in (suites or {"unit"}):
                if not self.options.only or self.options.only in entry["name"]:
                    names.append(entry["name"])
        return names

    def run_meson(self, tier, directory, kind):
        names = self.meson_tests(directory, tier)
        if not names:
            return 0
        self.title(f"{tier} ({kind})")
        log = os.path.join(directory, "meson-logs", "testlog.json")
        if os.path.exists(log):
            os.unlink(log)
        environment = dict(os.environ, **SANITIZERS) if kind == "sanitized" else dict(os.environ)
        environment["P2PCHAT_BUILD"] = directory
        subprocess.run(
            ["meson", "test", "-C", directory, "--no-rebuild", "--quiet", "--timeout-multiplier=5",
             f"--num-processes={os.cpu_count() or 1}", *names],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=environment, check=False)
        seen = 0
        if os.path.exists(log):
            with open(log, encoding="utf-8") as file:
                for line in file:
                    entry = json.loads(line)
                    outcome = {"OK": "ok", "EXPECTEDFAIL": "ok", "SKIP": "skip"}.get(
                        entry["result"], "not ok")
                    name = re.sub(r"^.* / ", "", entry["name"])
                    why = "" if outcome == "ok" else entry["result"].lower()
                    self.results.add(tier, outcome, f"{name} ({kind})", why)
                    seen += 1
                    if outcome == "not ok":
                        text = (entry.get("stdout") or "") + (entry.get("stderr") or "")
                        print("\n".join(f"    | {t}" for t in text.splitlines()[-60:]))
        if seen < len(names):
            self.results.add(tier, "not ok", f"meson test ({kind})",
                             f"only {seen} of {len(names)} tests were run")
        return seen

    # Programs

    def programs(self, tier, kind="test"):
        folder = os.path.join(TREE, "tests", tier)
        found = sorted(f for f in os.listdir(folder) if re.fullmatch(kind + r"-.*\.py", f)) \
            if os.path.isdir(folder) else []
        found = [os.path.join(folder, f) for f in found
                 if not self.options.only or self.options.only in f]
        # The longest first, so that none of them goes on alone in the end.
        return sorted(found, key=os.path.getsize, reverse=True)

    def isolated(self, command):
        """The command in a network namespace with loopback only, if we may make one."""
        inside = ["sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        wrapper = ["unshare", "--net"] if self.is_root else ["unshare", "--user", "--map-root-user",
                                                               "--net"]
        probe = subprocess.run([*wrapper, "ip", "link", "set", "lo", "up"], check=False,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if probe.returncode == 0:
            return [*wrapper, *inside]
        print("  CAUTION: no network namespace can be made here; what else talks on this machine's "
              "loopback may disturb this program", flush=True)
        return command

    def run_program(self, tier, program, environment):
        """Runs one; returns (outcomes, figures, what it printed to standard error)."""
        command = ["/usr/bin/python3", program]
        if tier != "e2e":
            command = self.isolated(command)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, errors="replace",
                                   env=environment, start_new_session=True)
        late = ""
        try:
            out, err = process.communicate(timeout=PROGRAM_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            late = f"not done after {PROGRAM_SECONDS_MAX} s"
            os.killpg(process.pid, signal.SIGTERM)
            try:
                out, err = process.communicate(timeout=120)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
        outcomes = []
        for line in out.splitlines():
            match = re.match(r"(ok|not ok|skip) ([^:]+)(?:: (.*))?$", line)
            if match:
                outcomes.append((match[1], match[2], match[3] or ""))
        failed = any(o[0] == "not ok" for o in outcomes)
        if late or (process.returncode != 0 and not failed):
            outcomes.append(("not ok", "(program)", late or f"ended with {process.returncode}"))
        elif not outcomes:
            outcomes.append(("not ok", "(program)", "ran no test"))
        figures = [line for line in out.splitlines() if line.startswith("# ")]
        return outcomes, figures, err

    def run_programs(self, tier, environment, label=None, at_a_time=2, kind="test"):
        programs = self.programs(tier, kind)
        if not programs:
            return
        label = label or tier
        self.title(label)
        environment = dict(os.environ, P2PCHAT_RUN=self.name, P2PCHAT_RUN_DIRECTORY=self.work,
                           PYTHONDONTWRITEBYTECODE="1",
                           **{k: v for k, v in environment.items() if v})
        with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
            under_way = {pool.submit(self.run_program, tier, p, environment): p for p in programs}
            for done in concurrent.futures.as_completed(under_way):
                name = os.path.basename(under_way[done]).removeprefix("test-").removesuffix(".py")
                outcomes, figures, err = done.result()
                for outcome, case, why in outcomes:
                    self.results.add(label, outcome, f"{name}: {case}", why)
                for line in figures:
                    print(f"    {line}")
                if any(o[0] == "not ok" for o in outcomes):
                    print("\n".join(f"    | {line}" for line in err.splitlines()[-150:]))

    # Tiers that are neither

    def files(self, *endings):
        for folder, folders, names in os.walk(TREE):
            folders[:] = [f for f in folders if f not in (".git", "__pycache__", "artefacts")
                          and not (folder == TREE and f.startswith("build"))]
            for name in names:
                if name.endswith(endings):
                    yield os.path.join(folder, name)

    def check_tool(self, name, tool, command, files):
        """One check over many files."""
        if shutil.which(tool) is None:
            self.results.add("check", "skip", name, f"{tool} is not installed")
            return
        done = subprocess.run([*command, *files], stdin=subprocess.DEVNULL, cwd=TREE, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.results.add("check", "ok" if done.returncode == 0 else "not ok", name)
        if done.returncode != 0:
            print("\n".join(f"    | {line}" for line in done.stdout.splitlines()[:40]))

    def run_checks(self):
        self.title("check (tools)")
        c_files = sorted(self.files(".c", ".h"))
        version = subprocess.run(["clang-format", "--version"], stdout=subprocess.PIPE, text=True,
                                 check=False).stdout if shutil.which("clang-format") else ""
        if " 14." in version:
            self.check_tool("format", "clang-format", ["clang-format", "--dry-run", "-Werror"],
                            c_files)
        else:
            self.results.add("check", "skip", "format", "needs clang-format 14")
        shell = sorted(path for path in self.files("") if is_shell(path))
        self.check_tool("shellcheck", "shellcheck", ["shellcheck", "-x", "--source-path=" + TREE],
                        shell)
        script = ("import sys; [compile(open(f, encoding='utf-8').read(), f, 'exec') "
                  "for f in sys.argv[1:]]")
        self.check_tool("python", "python3", ["/usr/bin/python3", "-c", script],
                        sorted(self.files(".py")))
        self.check_tool("appstream", "appstreamcli", ["appstreamcli", "validate", "--no-net"],
                        sorted(self.files(".metainfo.xml")))
        self.check_spdx(c_files + shell + sorted(self.files(".py")))

    def check_spdx(self, paths):
        missing = []
        for path in paths:
            with open(path, encoding="utf-8", errors="replace") as file:
                if "SPDX-License-Identifier: LGPL-2.1-or-later" not in file.read(400):
                    missing.append(os.path.relpath(path, TREE))
        self.results.add("check", "not ok" if missing else "ok", "spdx", " ".join(missing))

    def run_web(self, build):
        """The page in a browser."""
        if build is None:
            self.results.leave_out("web", "the build failed")
        elif not os.path.exists(os.path.join(build, "src/web/p2pchat-web")):
            self.results.leave_out("web", "libmicrohttpd is not installed")
        else:
            self.run_programs("web", {"P2PCHAT_BUILD": build, "P2PCHAT_AXE": self.fetch_axe()},
                              at_a_time=1)

    def fetch_axe(self):
        """axe.min.js of axe-core, or None; programs in a namespace of their own cannot fetch it."""
        directory = self.path("axe")
        script = os.path.join(directory, "node_modules", "axe-core", "axe.min.js")
        if os.path.exists(script):
            return script
        os.makedirs(directory, exist_ok=True)
        if shutil.which("npm") is None or not self.command(
                "axe", ["npm", "install", "--prefix", directory, "--ignore-scripts", "--no-audit",
                        "--no-fund", "axe-core@4"], env=dict(os.environ, HOME=directory)):
            self.results.leave_out("web", "axe-core cannot be fetched by npm")
            return None
        return script

    def run_lintian(self):
        package = self.package()
        if package is None:
            return
        self.title("lintian")
        if shutil.which("lintian") is None:
            self.results.leave_out("lintian", "lintian is not installed")
            return
        changes = glob.glob(os.path.join(os.path.dirname(package), "*.changes"))
        done = subprocess.run(
            ["lintian", "--pedantic", "--display-info", "--display-experimental", "--allow-root",
             "--fail-on=error,warning,info,pedantic,experimental", *changes],
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print("\n".join(f"    | {line}" for line in done.stdout.splitlines()[:40]))
        self.results.add("lintian", "ok" if done.returncode == 0 else "not ok", "lintian")

    def cannot_boot(self):
        """Why machines cannot be booted here, or None."""
        if not self.is_root:
            return "needs root"
        for tool in ("systemd-nspawn", "mmdebstrap", "ip", "nsenter"):
            if shutil.which(tool) is None:
                return f"{tool} is not installed"
        return None

    def run_e2e(self, suite="bookworm", label="e2e", package=None):
        why = self.cannot_boot()
        if why is not None:
            self.results.leave_out(label, why)
            return
        package = package or self.package()
        if package is None:
            self.results.leave_out(label, "there is no package")
            return
        self.title(f"root file system ({suite})")
        started = time.monotonic()
        root = self.path(f"root-{suite}")
        shutil.rmtree(root, ignore_errors=True)
        if not self.command(f"root-{suite}", ["tests/lib/make-rootfs", suite, root, package]):
            self.results.leave_out(label, f"no root file system of {suite} could be made")
            return
        print(f"  {time.monotonic() - started:.0f} s")
        if not self.can_boot(root):
            self.results.leave_out(label, "a container with systemd does not boot here")
            return
        self.run_programs("e2e", {"P2PCHAT_DEB": package, "P2PCHAT_ROOTFS": root,
                                  "P2PCHAT_FILE_MIB": "2048" if self.options.long else "256"}, label)

    def can_boot(self, root):
        """Boots one empty host."""
        script = ("import sys; sys.path.insert(0, sys.argv[1]); from harness import *; "
                  "from machine import *\n"
                  "@test\ndef boots():\n    Machine(Network('192.168.70'), 'probe', 1).boot()\n"
                  "sys.argv[1:] = []; main()")
        return self.command("probe", ["/usr/bin/python3", "-c", script, TREE + "/tests/lib"],
                            env=dict(os.environ, P2PCHAT_ROOTFS=root, P2PCHAT_RUN=self.name,
                                     P2PCHAT_RUN_DIRECTORY=self.work, PYTHONDONTWRITEBYTECODE="1"))

    # The long ones

    def run_reproducible(self):
        """A second build, elsewhere and at another hour, makes the same packages bit by bit."""
        first = self.package()
        if first is None:
            return
        self.title("reproducible build")
        again = self.path("deb-again")
        elsewhere = self.path("another", "place")
        for directory in (again, elsewhere):
            os.makedirs(directory, exist_ok=True)
        if not self.command("deb-again", ["sh", "-c", 'umask 0077 && tests/lib/make-deb "$1"', "sh",
                                          again],
                            env=dict(os.environ, TMPDIR=elsewhere, TZ="Asia/Tokyo",
                                     LC_ALL="C.UTF-8", USER="somebody", HOME=elsewhere)):
            self.results.add("lintian", "not ok", "reproducible", "the second build failed")
            return
        names = sorted(os.path.basename(p)
                       for p in glob.glob(os.path.join(os.path.dirname(first), "*.deb")))
        different = [n for n in names if not filecmp.cmp(
            os.path.join(os.path.dirname(first), n), os.path.join(again, n), shallow=False)]
        self.results.add("lintian", "not ok" if different else "ok", "reproducible",
                         " ".join(different))

    def run_long(self, plain):
        if self.wanted("sim"):
            self.run_long_worlds(plain)
            self.run_long_rings(plain)
            self.run_long_engines(plain)
        if self.wanted("integration"):
            if plain:
                self.run_programs("integration", {"P2PCHAT_BUILD": plain}, "integration-long", 1,
                                  "long")
            else:
                self.results.leave_out("integration-long", "the build failed")
        if self.wanted("fuzz"):
            self.run_long_fuzz()
        if self.wanted("lintian"):
            self.run_reproducible()
        if self.wanted("e2e"):
            if not self.is_root:
                self.results.leave_out("e2e-debian13", "needs root")
                return
            self.title("package (Debian 13)")
            os.makedirs(self.path("deb13"), exist_ok=True)
            if not self.command("deb13", ["tests/lib/make-deb-in", "trixie", self.path("deb13")],
                                env=dict(os.environ, TMPDIR=self.work)):
                self.results.leave_out("e2e-debian13", "the package does not build on Debian 13")
                return
            package = [f for f in os.listdir(self.path("deb13"))
                       if f.startswith("p2pchat_") and f.endswith(".deb")][0]
            self.run_e2e("trixie", "e2e-debian13", self.path("deb13", package))

    def run_long_worlds(self, directory):
        self.title("worlds")
        for seeds, hours, *more in ((2000, 2), (50, 24), (200, 2, "--ledger"), (500, 2, "--groups"),
                                    (200, 2, "--files")):
            ok = self.command(f"worlds-{hours}h{''.join(more)}", [
                os.path.join(directory, "tests", "sim", "sim"), "--nodes", "5", "--faults", "all",
                "--seed", "100000", "--seeds", str(seeds), "--hours", str(hours), *more])
            self.results.add("sim-long", "ok" if ok else "not ok",
                             " ".join([f"worlds of {hours} hours", *more]))

    def run_long_rings(self, directory):
        self.title("rings")
        programs = [(name, ["ring", "--long", name]) for name in
                    ("paths", "failures", "churn", "merge", "hostile")]
        programs.append(("histories", ["test-ring-histories", "--long"]))
        for name, (program, *arguments) in programs:
            ok = self.command(f"ring-{name}", [
                os.path.join(directory, "tests", "sim", program), *arguments])
            self.results.add("sim-long", "ok" if ok else "not ok", f"ring-{name}")

    def run_long_engines(self, directory):
        self.title("engines")
        programs = [("ledger", name, "1" if name == "bench" else "5") for name in
                    ("agree", "conflict", "hostile", "power", "halves", "registrars", "promises",
                     "bench")]
        programs += [("group", name, "10") for name in
                     ("agree", "people", "gone", "backup", "fork", "hostile", "flood",
                      "catch-up")]
        for program, name, seeds in programs:
            ok = self.command(f"{program}-{name}", [
                os.path.join(directory, "tests", "sim", program), "--long", "--seeds", seeds,
                name])
            self.results.add("sim-long", "ok" if ok else "not ok", f"{program}-{name}")

    def run_long_fuzz(self):
        if shutil.which("clang") is None:
            self.results.leave_out("fuzz-long", "clang is not installed")
            return
        directory = self.path("fuzz")
        self.title("build fuzz")
        if not os.path.exists(os.path.join(directory, "build.ninja")) and not self.command(
                "fuzz", ["meson", "setup", directory, TREE, "-Dfuzz=true",
                         "-Db_sanitize=address,undefined", "-Db_lundef=false"],
                env=dict(os.environ, CC="clang")):
            self.results.add("fuzz-long", "not ok", "configures with clang")
            return
        if not self.command("fuzz", ["ninja", "-C", directory]):
            self.results.add("fuzz-long", "not ok", "compiles with clang")
            return
        folder = os.path.join(directory, "tests", "fuzz")
        targets = sorted(f for f in os.listdir(folder) if f.startswith("fuzz-")
                         and os.access(os.path.join(folder, f), os.X_OK)
                         and os.path.isfile(os.path.join(folder, f)))
        for target in targets:
            kept = os.path.join(TREE, "tests", "fuzz", "corpus",
                                target.removeprefix("fuzz-"))
            found = self.path("found", target)
            os.makedirs(found, exist_ok=True)
            ok = self.command(f"run-{target}", [
                os.path.join(folder, target), f"-max_total_time={FUZZ_SECONDS}",
                f"-artifact_prefix={found}/", found, *([kept] if os.path.isdir(kept) else [])],
                env=dict(os.environ, **SANITIZERS))
            self.results.add("fuzz-long", "ok" if ok else "not ok", target)

    # All together

    def run(self):
        directories = {"plain": None, "sanitized": None}
        if any(self.wanted(t) for t in MESON_TIERS + ("interop", "desktop", "web")):
            directories["plain"], directories["sanitized"] = self.builds()
        for tier in ("check", "unit", "sim", "fuzz"):
            if not self.wanted(tier):
                continue
            if tier == "check":
                self.run_checks()
            for kind, directory in directories.items():
                if directory is not None and not (tier == "check" and kind == "sanitized"):
                    self.run_meson(tier, directory, kind)
        for tier in ("integration", "interop", "desktop"):
            if not self.wanted(tier):
                continue
            for kind, directory in directories.items():
                if directory is not None and tier in MESON_TIERS:
                    self.run_meson(tier, directory, kind)
            if all(directories.values()):
                self.run_programs(tier, {"P2PCHAT_BUILD": directories["plain"],
                                         "P2PCHAT_BUILD_SAN": directories["sanitized"]})
            else:
                self.results.leave_out(tier, "the build failed")
        for tier in MESON_TIERS + ("interop", "desktop"):
            if self.wanted(tier) and tier not in self.results.counts and not self.options.only:
                self.results.leave_out(tier, "there are no tests")
        if self.wanted("web"):
            self.run_web(directories["plain"])
        if self.wanted("lintian"):
            self.run_lintian()
        if self.wanted("e2e"):
            self.run_e2e()
        if self.options.long:
            self.run_long(directories["plain"])

    def clean(self):
        """Undoes what a test program that was killed may have left, then the directory."""
        with open("/proc/self/mounts", encoding="utf-8") as file:
            points = [line.split()[1] for line in file]
        for point in reversed(points):
            if point.startswith(self.work + "/"):
                subprocess.run(["umount", "-l", point], check=False)
        if self.is_root and os.path.isdir("/run/netns"):
            for name in os.listdir("/run/netns"):
                if name.startswith(self.name + "-"):
                    subprocess.run(["ip", "netns", "delete", name], check=False)
        if self.options.work or self.options.keep:
            print(f"\nkept: {self.work}")
        else:
            shutil.rmtree(self.work, ignore_errors=True)


def is_shell(path):
    if path.endswith((".sh", ".bash")):
        return True
    try:
        with open(path, "rb") as file:
            first = file.read(64).split(b"\n")[0]
    except OSError:
        return False
    return re.match(rb"#!\s*/bin/(ba)?sh", first) is not None


def main():
    parser = argparse.ArgumentParser(prog="tests/run")
    parser.add_argument("tier", nargs="*", metavar="TIER", help=" ".join(TIERS))
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--work")
    parser.add_argument("--only")
    parser.add_argument("--no-install", action="store_true")
    options = parser.parse_args()
    for tier in options.tier:
        if tier not in TIERS:
            parser.error(f"there is no tier {tier!r}, there are: {' '.join(TIERS)}")

    run = Run(options)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run.run()
    finally:
        run.clean()
    run.results.print()
    sys.exit(1 if run.results.total("not ok") else 0)


if __name__ == "__main__":
    main()
