#!/usr/bin/env python3
"""exports.py SYMVERS - the table of symbols that modules may use, sorted by name, as assembler on stdout; SYMVERS is tools/symvers.py's
output for kernel/module/exports.list (DEBUG builds: and exports-debug.list, what their inline functions call besides)."""
import sys

with open(sys.argv[1]) as f:
    symbols = sorted((line.split()[1], line.split()[0]) for line in f)
print('\t.section .ksymtab, "a"\n\t.balign 8')
for name, crc in symbols:
    print(f"\t.quad {name}, kstr_{name}, {crc}")
print('\t.section .rodata.kstrtab, "a"')
for name, crc in symbols:
    print(f'kstr_{name}:\t.asciz "{name}"')
print('\t.section .note.GNU-stack, "", @progbits')
