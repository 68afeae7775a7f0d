#!/usr/bin/env python3
"""syscalls.py - the system-call table, from the numbers that Linux exports.

Reads preprocessed macros (cc -E -dM on <asm/unistd_64.h>) on stdin and writes assembler: one entry per number; a name that
nobody defines resolves to sys_ni by a weak symbol.
"""
import re
import sys

numbers = {}
for line in sys.stdin:
    m = re.match(r"#define __NR_(\w+) (\d+)$", line.strip())
    if m:
        numbers[int(m.group(2))] = m.group(1)
end = max(numbers) + 1
print('\t.text\nsys_ni:\n\tjmp syscall_unknown')
for nr in sorted(numbers):
    print(f"\t.weak sys_{numbers[nr]}\n\tsys_{numbers[nr]} = sys_ni")
print('\t.section .rodata, "a"\n\t.balign 64\n\t.globl sys_call_table, nr_syscalls\nsys_call_table:')
for nr in range(end):
    print(f"\t.quad sys_{numbers[nr]}" if nr in numbers else "\t.quad sys_ni")
print(f'nr_syscalls:\n\t.quad {end}')
print('\t.globl sys_call_names\nsys_call_names:\t/* one string a number, in order */')
for nr in range(end):
    print(f'\t.asciz "{numbers.get(nr, "")}"')
print('\t.section .note.GNU-stack, "", @progbits')
