#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Counts the results of runs under out/results.

usage: results.py KERNEL_TREE RUN...      RUN is a folder that boot() filled

Cases come from two places: the KUnit cases from the console log, by the
kernel's own kunit.py; the cases of the test programs from tests.log, which is
also cut into one file per program. A program that ends otherwise than its
cases say, or that announces more cases than it reports, is a failure of its
own. So is a run that the machine did not survive, and a pattern of TESTS that no
program had a name for. Prints what failed, with what
the program said about it, a line a run, and last "N passed, N failed, N skipped". Exit status 0 only without
failures and with at least one case passed.
"""
import os
import re
import subprocess
import sys

SKIP_EXIT = "exit 4"
REASONS = 8     # lines of a program that are shown for a failure


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return "%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped)


def fail(count, run, what):
    count.failed += 1
    print("FAIL %s: %s" % (os.path.basename(run), what))


def kunit(tree, run, count):
    """The KUnit cases in the console log."""
    log = os.path.join(run, "console.log")
    text = open(log, errors="replace").read().replace("\r", "")
    if "kunit.enable=1" not in text:
        return 0
    clean = os.path.join(run, "kunit.log")
    with open(clean, "w") as f:
        f.write(text)
    got = subprocess.run([sys.executable, os.path.join(tree, "tools/testing/kunit/kunit.py"), "parse", os.path.abspath(clean)],
                         capture_output=True, text=True)
    with open(os.path.join(run, "kunit.result"), "w") as f:
        f.write(got.stdout + got.stderr)
    last = re.search(r"Ran (\d+) tests?:(.*)", got.stdout)
    number = {k: int(v) for k, v in re.findall(r"(\w+): (\d+)", last.group(2))} if last else {}
    count.passed += number.get("passed", 0)
    count.skipped += number.get("skipped", 0)
    bad = number.get("failed", 0) + number.get("crashed", 0) + number.get("errors", 0)
    for line in re.findall(r"\[(?:FAILED|CRASHED|ERROR)\][^=\n]*$", got.stdout, re.M):
        print("FAIL %s: KUnit %s" % (os.path.basename(run), line.strip()))
    count.failed += bad
    if not last or (got.returncode and not bad):
        fail(count, run, "kunit.py could not read the log, see kunit.result")
    return int(last.group(1)) if last else 0


def program(run, name, lines, end, count):
    mine = Count()
    plan = None
    for i, line in enumerate(lines):
        m = re.match(r"1\.\.(\d+)", line)
        if m:
            plan = int(m.group(1))
        m = re.match(r"(not ok|ok)\b(.*)", line)
        if not m:
            continue
        if re.search(r"#\s*SKIP", m.group(2), re.I):
            mine.skipped += 1
        elif m.group(1) == "ok":
            mine.passed += 1
        else:
            fail(mine, run, "%s:%s" % (name, m.group(2)))
            for reason in [r for r in lines[max(0, i - REASONS):i] if not r.startswith("ok")]:
                print("     | " + reason)
    seen = mine.passed + mine.failed + mine.skipped
    if end is None:
        fail(mine, run, "%s: did not end" % name)
        for reason in lines[-REASONS:]:
            print("     | " + reason)
    elif end == "exit 0":
        if not seen and plan is None:
            mine.passed += 1
        elif plan is not None and plan != seen:
            fail(mine, run, "%s: %d cases announced, %d seen" % (name, plan, seen))
    elif end == SKIP_EXIT:
        if not seen:
            mine.skipped += 1
    elif not mine.failed:
        fail(mine, run, "%s: %s" % (name, end))
    elif not end.startswith("exit"):
        print("     %s: %s" % (name, end))
    count.add(mine)


def programs(run, count):
    path = os.path.join(run, "tests.log")
    text = open(path, errors="replace").read().replace("\r", "") if os.path.exists(path) else ""
    for pattern in re.findall(r"^### unmatched (.*)", text, re.M):
        fail(count, run, "no program matches " + pattern)
    folder = os.path.join(run, "tests")
    os.makedirs(folder, exist_ok=True)
    number = 0
    for part in text.split("\n### begin ")[1:]:
        name, _, rest = part.partition("\n")
        body, _, tail = rest.partition("\n### end ")
        end = re.match(r".* s: (.*)", tail)
        with open(os.path.join(folder, name.replace("/", "-") + ".log"), "w") as f:
            f.write(body)
        program(run, name, body.split("\n"), end.group(1) if end else None, count)
        number += 1
    return number


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    tree, total = sys.argv[1], Count()
    for run in sys.argv[2:]:
        count = Count()
        cases = kunit(tree, run, count)
        number = programs(run, count)
        if not cases and not number:
            fail(count, run, "nothing was run")
        fault = os.path.join(run, "fault")
        if os.path.exists(fault):
            fail(count, run, open(fault).read().strip())
        print("%-14s %3d programs, %3d KUnit cases: %s" % (os.path.basename(run), number, cases, count))
        total.add(count)
    print(total)
    return 1 if total.failed or not total.passed else 0


sys.exit(main())
