#!/usr/bin/python3
"""keys - the names that /proc shows here, one a line: FILE:KEY. Run on Linux and on Quire, then compared by tests/debian/run."""
import os, re


def read(path):
    try:
        with open('/proc/' + path, errors='replace') as f:
            return f.read()
    except OSError:
        return ''


def say(path, keys):
    for k in keys:
        print('%s:%s' % (path, k))


for path in ('meminfo', 'vmstat', 'self/status', 'self/io', 'self/smaps_rollup'):
    say(path, re.findall(r'^(\S+?):?\s', read(path), re.M))
for path in ('zoneinfo', 'self/smaps'):
    say(path, sorted(set(re.findall(r'^\s*([A-Za-z_][A-Za-z_ -]*?):?\s+\(?\d', read(path), re.M))))
say('self/limits', re.findall(r'^(Max .*?)  ', read('self/limits'), re.M))
say('stat', sorted(set(re.sub(r'\d+', 'N', l.split()[0]) for l in read('stat').splitlines())))
for path in ('self/stat', 'self/statm', 'loadavg', 'uptime'):
    say(path, ['%d fields' % len(read(path).rsplit(')', 1)[-1].split())])
for path in ('buddyinfo', 'pagetypeinfo', 'slabinfo', 'swaps'):
    say(path, sorted(set(re.findall(r'[A-Za-z_]{4,}', ' '.join(read(path).splitlines()[:2]))) - {'zone', 'Node', 'kmalloc'}))
say('', [n for n in os.listdir('/proc') if not n.isdigit()])
for d in ('self', 'sys/vm', 'sys/kernel'):
    say(d, sorted(os.listdir('/proc/' + d)))
