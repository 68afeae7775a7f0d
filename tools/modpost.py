#!/usr/bin/env python3
"""modpost.py NAME OBJECT KERNEL_SYMVERS FOLDER SOURCE... -- CPP... - what a module's file needs besides its code.

Writes FOLDER/NAME.parts/mod.S: the versions that it expects of the symbols it uses (section __versions), srcversion and depends; and
FOLDER/NAME.symvers: the versions of those it exports, for others. Prints the linker's options that put the latter into it. CPP is the
command that preprocesses a source.
"""
import glob, hashlib, os, re, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))


def lines_of(path):
    with open(path) as f:
        return [(name, crc) for crc, name in (line.split() for line in f)]


def exports(sources, cpp):
    """The versions of what EXPORT_SYMBOL() names, one "0xCRC NAME" a line."""
    out = ''
    for s in sources:
        with open(s) as f:
            if 'EXPORT_SYMBOL' not in f.read():
                continue
        text = subprocess.run([*cpp, '-E', '-P', s], stdout=subprocess.PIPE, check=True, text=True).stdout
        out += subprocess.run([sys.executable, HERE + '/symvers.py', '/dev/stdin'], input=text, stdout=subprocess.PIPE, check=True, text=True).stdout
    return out


def undefined(obj):
    """Names that the object uses and does not define; False: weak."""
    out = {}
    for line in subprocess.run(['nm', '-u', obj], stdout=subprocess.PIPE, check=True, text=True).stdout.splitlines():
        kind, name = line.split()
        if name != '__this_module' and not name.startswith('__crc_'):
            out[name] = kind == 'U'
    return out


def main():
    cut = sys.argv.index('--')
    (name, obj, kernel, folder), sources, cpp = sys.argv[1:5], sys.argv[5:cut], sys.argv[cut + 1:]
    own = exports(sources, cpp)
    with open('%s/%s.symvers' % (folder, name), 'w') as f:
        f.write(own)
    crcs = dict(lines_of(kernel))
    whose = {}
    for other in sorted(glob.glob(folder + '/*.symvers')):
        owner = os.path.basename(other)[:-8]
        if owner != name:
            for symbol, crc in lines_of(other):
                crcs.setdefault(symbol, crc)
                whose.setdefault(symbol, owner)
    depends, versions = [], [('module_layout', crcs['module_layout'])]
    for symbol, needed in sorted(undefined(obj).items()):
        if symbol in crcs:
            versions.append((symbol, crcs[symbol]))
            if symbol in whose and whose[symbol] not in depends:
                depends.append(whose[symbol])
        elif needed:
            print('modpost: %s: "%s" is exported by nobody' % (name, symbol), file=sys.stderr)
    digest = hashlib.md5()
    for s in sorted(sources):
        with open(s, 'rb') as f:
            digest.update(f.read())
    with open('%s/%s.parts/mod.S' % (folder, name), 'w') as f:
        f.write('\t.section .modinfo, "a"\n\t.asciz "srcversion=%s"\n\t.asciz "depends=%s"\n'
                % (digest.hexdigest()[:23].upper(), ','.join(depends)))
        f.write('\t.section __versions, "a"\n\t.balign 8\n')
        for symbol, crc in versions:
            f.write('\t.quad %s\n\t.ascii "%s"\n\t.skip %d\n' % (crc, symbol, 56 - len(symbol)))
        f.write('\t.section .note.GNU-stack, "", @progbits\n')
    print(' '.join('--defsym=__crc_%s=%s' % (line.split()[1], line.split()[0]) for line in own.splitlines()))


if __name__ == '__main__':
    main()
