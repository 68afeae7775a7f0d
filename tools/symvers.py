#!/usr/bin/env python3
"""symvers.py [-k LIST] PREPROCESSED - the version of each exported symbol: "0xCRC NAME" lines on stdout.

The version is the CRC of the symbol's declaration with every struct, union, enum and typedef it mentions written out, and what those
mention: it changes when the symbol, or the layout of anything reachable from it, does. PREPROCESSED is C after `cc -E`; with -k, LIST
names the symbols (kernel/module/exports.list), else they are those that EXPORT_SYMBOL() stands for in it.
"""
import re, sys, zlib

TOKEN = re.compile(r'[A-Za-z_]\w*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|\d[\w.]*|\S')
OPEN, CLOSE = {'(': 1, '[': 1, '{': 1}, {')': 1, ']': 1, '}': 1}


def tokens_of(text):
    return TOKEN.findall(re.sub(r'^\s*#.*$', '', text, flags=re.M))


def matching(t, i):
    """Where the bracket that opens at i closes."""
    depth = 0
    while i < len(t):
        depth += (t[i] in OPEN) - (t[i] in CLOSE)
        if not depth:
            return i
        i += 1
    return i


def opening(t, i):
    """Where the bracket that closes at i opens."""
    depth = 0
    while i >= 0:
        depth += (t[i] in CLOSE) - (t[i] in OPEN)
        if not depth:
            return i
        i -= 1
    return i


def is_function(t):
    """Does this come before a function's body, not a struct's or an initializer?"""
    while len(t) > 3 and t[-1] == ')' and t[opening(t, len(t) - 1) - 1] == '__attribute__':
        t = t[:opening(t, len(t) - 1) - 1]
    return bool(t) and t[-1] == ')' and '=' not in t


def declarations(t):
    """The token lists of a file's declarations, bodies of functions cut off."""
    out, i, start = [], 0, 0
    while i < len(t):
        if t[i] == ';':
            out.append(t[start:i])
            start = i + 1
        elif t[i] == '{' and is_function(t[start:i]):
            out.append(t[start:i])
            i = matching(t, i)
            start = i + 1
        elif t[i] in OPEN:
            i = matching(t, i)
        i += 1
    return [d for d in out if d]


def name_of(d):
    """What a declaration declares: the identifier before the parameters, or the last one outside of brackets."""
    last, i = None, 0
    while i < len(d):
        if d[i] == '__attribute__' or d[i] == '__asm__':
            i = matching(d, i + 1)
        elif d[i] == '(':
            if d[i + 1] == '*' and i + 2 < len(d):          # a pointer to a function
                return d[i + 2]
            if last and last not in ('typeof', '__typeof__'):
                return last
            i = matching(d, i)
        elif d[i] == '=':
            break
        elif d[i] in OPEN:
            i = matching(d, i)
        elif re.match(r'[A-Za-z_]', d[i]):
            last = d[i]
        i += 1
    return last


class File:
    def __init__(self, text):
        self.tags, self.types, self.names = {}, {}, {}
        t = tokens_of(text)
        for i, word in enumerate(t):
            if word in ('struct', 'union', 'enum'):
                j = i + 1
                while j < len(t) and t[j] == '__attribute__':
                    j = matching(t, j + 1) + 1
                if j + 1 < len(t) and t[j + 1] == '{':
                    self.tags[t[j]] = t[j + 1:matching(t, j + 1) + 1]
        for d in declarations(t):
            name = name_of(d)
            if name and d[0] == 'typedef':
                self.types[name] = d[1:]
            elif name:
                for n in {name, *(d[i - 1] for i in range(1, len(d)) if d[i] == ',')}:     # extern int a, b;
                    self.names.setdefault(n, d)

    def expand(self, t, seen, out):
        for i, word in enumerate(t):
            out.append(word)
            body = self.tags.get(word) if i and t[i - 1] in ('struct', 'union', 'enum') else self.types.get(word)
            if body and word not in seen and word not in ('va_list', '__gnuc_va_list'):      # compilers differ
                seen.add(word)
                self.expand(body, seen, out)
        return out

    def crc(self, name):
        if name not in self.names:                          # called from inline assembler only
            return zlib.crc32(name.encode())
        d = [w for w in self.names[name] if w not in ('extern', 'static')]
        return zlib.crc32(' '.join(self.expand(d, set(), [])).encode())


def main():
    sys.setrecursionlimit(10000)
    args = sys.argv[1:]
    listed = args[1] if args[0] == '-k' else None
    with open(args[-1]) as f:
        text = f.read()
    if listed:
        names = [n for line in open(listed) for n in line.split('#')[0].split()]
    else:
        names = re.findall(r'\bksymtab_(\w+)\b[^;=]*=', text)
    f = File(text)
    for n in sorted(set(names)):
        print('0x%08x %s' % (f.crc(n), n))


if __name__ == '__main__':
    main()
