#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""usage: bench-where.py FOLDER VMLINUX KERNEL INSTRUCTION

Waits until the machine whose results are in FOLDER hits a probe again and again,
has it write down what it executes, ends it, and prints how the instructions of
one hit divide: by part and by function. Of the hits seen, the most frequent
sequence counts, which leaves out those that a timer has interrupted.
"""
import bisect
import collections
import os
import re
import socket
import subprocess
import sys
import time

KERNEL_BASE = 1 << 63
MODULES_BASE = 0xffffffffa0000000   # an image of 512 MiB, as without KASLR
ENOUGH = 60 << 20   # bytes of trace

# Where the work on the trap begins: what is before it is the exception's entry.
BEGIN = {'ours': 'uprobe_int3', 'stock': 'uprobe_notify_resume'}


def monitor(path, commands, pause):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        for command in commands:
            s.sendall(command.encode() + b'\n')
            time.sleep(0.3)
            if command.startswith('log exec'):
                pause()


def record(folder):
    trace = os.path.join(folder, 'trace')
    port = os.path.join(folder, 'monitor')
    tests = os.path.join(folder, 'tests.log')
    until = time.time() + 300
    while not (os.path.exists(tests) and 'hitting it' in open(tests).read()):
        if time.time() > until:
            sys.exit('the program does not hit')
        time.sleep(0.5)

    def enough():
        return os.path.exists(trace) and os.path.getsize(trace) >= ENOUGH

    def pause():
        while time.time() < until and not enough():
            time.sleep(0.05)

    monitor(port, ['singlestep on', 'log exec,nochain', 'log none', 'quit'], pause)
    pattern = re.compile(r'^Trace .*\[[0-9a-f]+/([0-9a-f]+)/')
    with open(trace, errors='replace') as f:
        for line in f:
            m = pattern.match(line)
            if m:
                yield int(m.group(1), 16)


def symbols(vmlinux):
    out = subprocess.run(['nm', vmlinux], capture_output=True, text=True, check=True).stdout
    at = {}
    for line in out.splitlines():
        address, kind, name = line.split()
        # A name of a function goes before a label that is not.
        if kind in 'tT' and (int(address, 16) not in at or kind == 'T'):
            at[int(address, 16)] = name
    addresses = sorted(at)
    return addresses, [at[a] for a in addresses]


def split_hits(pcs):
    """Sequences from one execution of the most frequent user address to the next."""
    pcs = list(pcs)
    # Traps are what user addresses are followed by kernel ones at.
    traps = collections.Counter(a for a, b in zip(pcs, pcs[1:])
                                if a < KERNEL_BASE <= b)
    if not traps:
        sys.exit('no trap in the trace')
    # The slot of a stepped copy traps as often: the program lies below.
    best = max(traps.values())
    probed = min(a for a, n in traps.items() if n > best * 0.9)
    hit = []
    for pc in pcs:
        if pc == probed and hit:
            yield tuple(hit)
            hit = []
        hit.append(pc)


def main():
    folder, vmlinux, kernel, row = sys.argv[1:]
    hits = collections.Counter(split_hits(record(folder)))
    hit, seen = hits.most_common(1)[0]
    print(f'{kernel} {row}: {sum(hits.values())} hits, {seen} of them alike', file=sys.stderr)

    addresses, names = symbols(vmlinux)

    def name_of(pc):
        if pc < KERNEL_BASE:
            return 'user'
        if pc >= MODULES_BASE:
            return 'handler'
        return names[bisect.bisect(addresses, pc) - 1]

    where = [name_of(pc) for pc in hit]
    begin = where.index(BEGIN[kernel])
    handler = where.index('handler')
    behind = max(i for i, name in enumerate(where) if name == 'handler') + 1
    # The first return to user mode ends the first exception.
    first_end = next(i for i in range(begin, len(where)) if where[i] == 'user')
    last = first_end
    while where[last - 1] != BEGIN[kernel]:
        last -= 1
    parts = [('entry', where[1:begin]), ('look-up', where[begin:handler]),
             ('handlers', where[handler:behind]), ('get past', where[behind:last]),
             ('exit', where[last:first_end]), ('after', where[first_end:])]
    for part, names_in in parts:
        count = sum(1 for name in names_in if name != 'user')
        if part != 'after' or count:
            title = 'second exception' if part == 'after' else part
            print(kernel, row, 'part', title, count, sep='\t')
    order = collections.OrderedDict()
    for name in where:
        order[name] = order.get(name, 0) + 1
    for name, count in order.items():
        print(kernel, row, 'function', name, count, sep='\t')


main()
