#!/usr/bin/env python3
"""exports.py LIST - the table of symbols that modules may use, as assembler on stdout. Words after # are comments.
DEBUG builds export what their inline functions call besides: words behind `debug:`."""
import sys

names = []
for line in open(sys.argv[1]):
    names += [n for n in line.split("#")[0].split() if n not in names]
print('\t.section .ksymtab, "a"\n\t.balign 8')
for n in names:
    print(f"\t.quad {n}, kstr_{n}")
print('\t.section .rodata.kstrtab, "a"')
for n in names:
    print(f'kstr_{n}:\t.asciz "{n}"')
print('\t.section .note.GNU-stack, "", @progbits')
