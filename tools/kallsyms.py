#!/usr/bin/env python3
"""kallsyms.py - turn `nm -n` into the symbol table that the kernel prints backtraces with.

    nm -n kernel | kallsyms.py OUT.S        kallsyms.py --empty OUT.S

Table: u32 count; count x u32 offset from the kernel's base, ascending; u32 name position every 16 symbols;
names as length byte + characters. Text symbols, and data symbols for /proc/kallsyms.
"""
import sys

BASE = 0xffffffff80000000


def read_symbols(lines):
    for line in lines:
        parts = line.split()
        if len(parts) != 3:
            continue
        addr, kind, name = int(parts[0], 16), parts[1], parts[2]
        if addr < BASE or kind not in "tTdDbBrRwW" or name.startswith((".L", "$", "__compound", "kallsyms")):
            continue
        yield addr - BASE, kind, name


def main():
    empty = sys.argv[1] == "--empty"
    out = open(sys.argv[-1], "w")
    syms, last = [], -1
    if not empty:
        for off, kind, name in read_symbols(sys.stdin):
            if kind not in "tTwW":
                continue
            if off != last:
                syms.append((off, kind, name))
            last = off
    p = lambda s: out.write(s + "\n")
    p('\t.section .kallsyms, "a"\n\t.balign 4\n\t.long %d' % len(syms))
    for off, _, _ in syms:
        p("\t.long 0x%x" % off)
    pos, marks = 0, []
    for i, (_, _, name) in enumerate(syms):
        if i % 16 == 0:
            marks.append(pos)
        pos += 2 + min(len(name), 250)
    for m in marks:
        p("\t.long %d" % m)
    for _, kind, name in syms:
        name = name[:250]
        p("\t.byte %d, '%s'\n\t.ascii \"%s\"" % (len(name) + 1, kind, name))
    p('\t.section .note.GNU-stack, "", @progbits')


main()
