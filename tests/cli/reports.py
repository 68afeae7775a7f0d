"""reports - what the report says of programs whose costs are known: names, processes, files, to the byte.

Part of tests/cli/run, which has the helpers and runs the tests.
"""
import json, os, re, subprocess, tempfile
import __main__ as t

PAGE = 4096


def run_json(program, *options, mem='256M', root=False):
    """-> (CompletedProcess, its JSON) of a Python program in the guest."""
    with tempfile.TemporaryDirectory() as d:
        r = t.quire('-m', mem, *(['--root'] if root else []), *options, '--json', d + '/r.json', '--', 'python3', '-c', program)
        t.check(os.path.exists(d + '/r.json'), r.stderr)
        return r, json.load(open(d + '/r.json'))


def process(j, name, nth=0):
    return sorted((p for p in j['memory']['processes'] if p['name'] == name), key=lambda p: p['pid'])[nth]


def mapping(p, name):
    return sum(m['bytes'] for m in p['mappings'] if m['name'] == name)


SHARES = '''
import mmap, os
shared = mmap.mmap(-1, 40 << 20)            # 40 MiB shared by parent and child
shared[::4096] = b'x' * len(shared[::4096])
if os.fork() == 0:
    mine = mmap.mmap(-1, 24 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    mine[::4096] = b'y' * len(mine[::4096])
    sum(shared[::4096])
    r = dict(l.split(':') for l in open('/proc/self/smaps_rollup') if ':' in l and 'kB' in l)
    print({k: int(v.split()[0]) * 1024 for k, v in r.items()}, flush=True)
    os._exit(0)
os.wait()
'''


def test_report_processes():
    """A child's resident, proportional and unique sizes are what its own smaps_rollup said; its mappings add up to the first."""
    r, j = run_json(SHARES)
    said = eval(r.stdout)
    child, parent = process(j, 'python3', 1), process(j, 'python3', 0)
    t.same(child['ppid'], parent['pid'], 'parent')
    t.same(sum(m['bytes'] for m in child['mappings']), child['rss_bytes'], 'sum of mappings')
    for key, ours in (('Rss', 'rss_bytes'), ('Pss', 'pss_bytes')):
        t.check(abs(said[key] - child[ours]) <= 512 << 10, key, said[key], child[ours])
    uss = said['Private_Clean'] + said['Private_Dirty']
    t.check(abs(uss - child['uss_bytes']) <= 512 << 10, uss, child)
    t.check(mapping(child, 'anon mmap') >= 24 << 20, child['mappings'])
    t.same(mapping(child, '/dev/zero (deleted)'), 40 << 20, 'the shared mapping')
    t.check(child['uss_bytes'] < 40 << 20 < child['rss_bytes'], child)
    t.check(parent['charged_bytes'] >= 40 << 20 and child['charged_bytes'] >= 24 << 20, parent, child)
    t.check(child['kernel_bytes'] > 1000 and child['page_table_bytes'] >= 20 * PAGE, child)
    t.check(parent['begin_ns'] < child['begin_ns'] < child['end_ns'] < parent['end_ns'], parent, child)
    t.check(b'EACH AT ITS OWN PEAK' in r.stderr, r.stderr)


def test_report_process_peak():
    """A spike long before the end: the mappings are those of the spike."""
    _, j = run_json('import mmap\nm = mmap.mmap(-1, 48 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n'
                    'm[::4096] = b"x" * len(m[::4096])\nm.close()\nx = bytearray(1 << 20)')
    p = process(j, 'python3')
    t.check(48 << 20 <= mapping(p, 'anon mmap') <= 52 << 20, p)


FILES = '''
import os
def fill(fd, pages):
    os.write(fd, b'z' * 4096 * pages)
memfd = os.memfd_create('hoard')
fill(memfd, 700)
gone = os.open('/dev/shm/gone', os.O_CREAT | os.O_RDWR)
fill(gone, 300)
os.unlink('/dev/shm/gone')
kept = os.open('/dev/shm/kept', os.O_CREAT | os.O_RDWR)
fill(kept, 200)
data = os.open('/usr/bin/xz', os.O_RDONLY)          # read, never mapped
while os.read(data, 1 << 20): pass
print(os.getpid(), os.fstat(data).st_size)
print(open('/proc/ledger/files').read())
'''


def test_report_files():
    """Page cache by file, mapped or not; tmpfs, memfd and deleted files with who filled them: to the page."""
    r, j = run_json(FILES, root=True)
    lines = r.stdout.decode().split('\n')
    pid, size = lines[0].split()
    files = {}
    for line in lines[1:]:
        w = line.split(None, 7)
        if w and w[0] == 'file':
            files[w[7]] = (w[1], w[2], int(w[3]), w[6])
    me = 'python3[%s]' % pid
    t.same(next(v for k, v in files.items() if 'hoard' in k), ('memfd', 'deleted', 700, me), 'memfd')
    t.same(files['/dev/shm/gone (deleted)'], ('tmpfs', 'deleted', 300, me), 'deleted file')
    t.same(files['/dev/shm/kept'], ('tmpfs', 'linked', 200, me), 'tmpfs file')
    kind, state, pages, _ = files['/usr/bin/xz']
    t.same((kind, state, pages), ('cache', 'linked', (int(size) + PAGE - 1) // PAGE), 'a file that nobody maps')
    cache = sum(v[2] for v in files.values() if v[0] == 'cache') * PAGE
    j_files = {f['path']: f for f in j['memory']['files']}
    t.same(j_files['/dev/shm/kept']['bytes'], 200 * PAGE, 'in the JSON')
    t.check('/dev/shm/gone (deleted)' not in j_files, 'a file that is gone')
    end = next(a['end_bytes'] for a in j['memory']['accounts'] if a['name'] == 'page_cache')
    t.same(sum(f['bytes'] for f in j['memory']['files'] if f['kind'] == 'cache'), end, 'all files together')
    t.check(0 < cache <= end, cache, end)


def test_report_activity():
    """Faults and slab caches over time: 2000 files opened make inode_cache grow, 20 MiB touched are 5120 faults."""
    _, j = run_json('x = bytearray(20 << 20)\nimport os\nfor i in range(2000): open("/tmp/f%d" % i, "w").close()\nx[0] = 1')
    tl = j['memory']['timeline']
    faults = [row[tl['events']['columns'].index('pgfault')] for row in tl['events']['rows']]
    t.same(faults, sorted(faults), 'counts never fall')
    t.check(faults[-1] - faults[0] >= 5120, faults[0], faults[-1])
    at = tl['slabs']['columns'].index('inode_cache')
    inodes = [row[at] for row in tl['slabs']['rows']]
    end = next(s for s in j['memory']['slabs'] if s['name'] == 'inode_cache')
    t.same(inodes[-1], end['pages'] * PAGE, 'the last snapshot and the end')
    t.check(inodes[-1] - inodes[0] > 2000 * 300, inodes[0], inodes[-1])
    slab = tl['accounts'].index('slab') + 2
    for row, caches in zip(tl['rows'], tl['slabs']['rows']):
        t.check(sum(caches) <= row[slab] + 64 * PAGE, 'caches are part of the slab account', sum(caches), row[slab])


# ---- quire mem: this machine, or the guest from inside ----

def mem(*args, **kw):
    return subprocess.run([t.opts.quire, 'mem', *args], capture_output=True, timeout=t.LIMIT, **kw)


def mem_sum(j):
    return (j['user']['all_bytes'] + j['file_cache_bytes'] + j['kernel']['all_bytes'] + j['free']['all_bytes'] +
            j['unaccounted_bytes'])


def test_mem_host():
    """All lines add up to MemTotal, the figures are meminfo's, and little is unaccounted."""
    j = json.loads(mem('--json').stdout)
    info = {l.split(':')[0]: int(l.split()[1]) << 10 for l in open('/proc/meminfo')}
    t.same(j['total_bytes'], info['MemTotal'], 'total')
    t.same(mem_sum(j), j['total_bytes'], 'sum')
    t.check(abs(j['unaccounted_bytes']) < j['total_bytes'] // 20, j['unaccounted_bytes'])
    t.check(j['physical_bytes'] >= j['total_bytes'] and j['boot_reserved']['all_bytes'] >= j['boot_reserved']['page_array_bytes'], j)
    me = next(p for p in j['processes'] if p['pid'] == os.getpid())
    t.check(me['rss_bytes'] > 4 << 20 and 0 < me['uss_bytes'] <= me['pss_bytes'] <= me['rss_bytes'], me)
    text = mem().stdout.decode()
    for word in ('Physical RAM', 'USER', 'FILE CACHE', 'KERNEL', 'FREE', 'UNACCOUNTED', 'Cross-check'):
        t.check(word in text, 'no', word, text)
    t.check(max(map(len, text.split('\n'))) <= 100 and text.count('\n') <= 45, text)


def test_report_slack():
    """Room in slabs that no object uses stands with the call sites that keep the slabs: together it is what the caches waste."""
    _, j = run_json('import os\nfor i in range(3000): open("/tmp/f%d" % i, "w").close()\nfor i in range(0, 3000, 2): os.unlink("/tmp/f%d" % i)')
    m = j['memory']
    inode = next(s for s in m['sites'] if s['function'] == 'inode_alloc')
    cache = next(s for s in m['slabs'] if s['name'] == 'inode_cache')
    waste = cache['pages'] * PAGE - cache['bytes']
    t.check(waste > 1500 * 300 and 0.8 * waste <= inode['slack_bytes'] <= waste, inode, waste)


def test_mem_options():
    j = json.loads(mem('--json', '--no-pss', '--sort', 'pid').stdout)
    pids = [p['pid'] for p in j['processes']]
    t.same(pids, sorted(pids), 'order')
    t.check(not any('pss_bytes' in p for p in j['processes']), 'PSS unasked')
    one = mem('-p', str(os.getpid())).stdout.decode()
    t.check(one.startswith('python3[%d]' % os.getpid()) or '[%d]' % os.getpid() in one.split('\n')[0], one)
    t.check('[heap]' in one and 'libc' in one and 'page tables' in one, one)
    for bad in (['--sort', 'colour'], ['-p', '0'], ['-p', '999999999'], ['-n', 'x'], ['--watch=0'], ['huh']):
        r = mem(*bad)
        t.check(r.returncode == 125 and r.stderr.startswith(b'quire: ') and not r.stdout, bad, r)
    p = subprocess.Popen([t.opts.quire, 'mem', '--watch=0.1', '-n', '1'], stdout=subprocess.PIPE)
    for _ in range(2):
        while b'UNACCOUNTED' not in p.stdout.readline():
            pass
    p.terminate()
    p.stdout.read()
    t.same(p.wait(20), 0, 'status of --watch')


def test_mem_without_root():
    """Less detail, and it says what it could not read."""
    if os.getuid():
        raise t.Skip('not root: cannot become somebody else')
    with tempfile.TemporaryDirectory() as d:
        os.chmod(d, 0o755)
        subprocess.run(['cp', t.opts.quire, d + '/quire'], check=True)
        r = subprocess.run([d + '/quire', 'mem', '--json'], capture_output=True, user=65534, group=65534, extra_groups=[])
        j = json.loads(r.stdout)
        t.same(mem_sum(j), j['total_bytes'], 'sum')
        words = ' '.join(n['name'] for n in j['not_read'])
        t.check('slabinfo (needs root)' in words and 'smaps_rollup' in words, words)
        text = subprocess.run([d + '/quire', 'mem'], capture_output=True, user=65534, group=65534, extra_groups=[]).stdout
        t.check(b'Not read: ' in text and b'needs root' in text, text)


INSIDE = '''
import json, mmap, subprocess, sys
m = mmap.mmap(-1, 32 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
m[::4096] = b"x" * len(m[::4096])
s = mmap.mmap(-1, 16 << 20)
s[::4096] = b"x" * len(s[::4096])
summary = lambda: {l.split()[1]: int(l.split()[3]) * 4096 for l in open("/proc/ledger/summary") if l.startswith("account ")}
before = summary()
j = json.loads(subprocess.run([sys.argv[1], "mem", "--json"], capture_output=True).stdout)
json.dump([before, j, summary()], sys.stdout)
'''


def test_mem_in_guest():
    """In Quire the same figures are known exactly: each stands between the ledger's before and after, give or take the reader."""
    r = t.quire('-q', '-m', '256M', '--root', '--', 'python3', '-c', INSIDE, t.opts.quire)
    t.check(r.returncode == 0, r.stderr)
    before, j, after = json.loads(r.stdout)
    t.same(mem_sum(j), j['total_bytes'], 'sum')
    slack = 2 << 20             # the command itself comes and goes between the two readings
    for name, value in (('anon', j['user']['anon_bytes']), ('shmem', j['user']['shmem_bytes']), ('page_cache', j['file_cache_bytes']),
                        ('slab', j['kernel']['slab_bytes']), ('page_tables', j['kernel']['page_table_bytes']),
                        ('free', j['free']['all_bytes'])):
        low, high = sorted((before[name], after[name]))
        t.check(low - slack <= value <= high + slack, name, low, value, high)
    t.same(j['kernel']['device_bytes'], after['device'], 'device buffers')
    kernel = sum(after[k] for k in ('slab', 'vmalloc', 'kernel_stacks', 'page_tables', 'percpu', 'modules', 'device'))
    t.check(abs(j['kernel']['all_bytes'] - kernel) < slack, j['kernel'], kernel)
    t.check(abs(j['unaccounted_bytes']) < 512 << 10, 'unaccounted', j['unaccounted_bytes'])
    me = next(p for p in j['processes'] if p['name'] == 'python3')
    t.check(me['anon_bytes'] >= 32 << 20 and me['shmem_bytes'] >= 16 << 20 and me['uss_bytes'] >= 48 << 20, me)


# ---- quire top ----

def on_terminal(args, keys, rows=24, columns=100):
    """`quire top ARGS` on a terminal of its own; each key after a whole screen. -> (status, everything it drew)."""
    import fcntl, pty, select, struct, termios, time
    pid, fd = pty.fork()
    if not pid:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
        os.environ['TERM'] = 'xterm'
        os.execv(t.opts.quire, ['quire', 'top', *args])
    out, screens, end = b'', 0, time.time() + 90
    while time.time() < end:
        if select.select([fd], [], [], 1)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
        if out.count(b'\x1b[J') > screens and keys:
            screens = out.count(b'\x1b[J')
            os.write(fd, keys[0])
            keys = keys[1:]
    _, status = os.waitpid(pid, 0)
    os.close(fd)
    return status, out


def test_top():
    """On a plain terminal: sorts, shows kernel memory and help, leaves the screen as it was; never more than the screen."""
    status, out = on_terminal(['-d', '0.3'], [b'r', b'h', b'h', b'k', b'k', b'n', b'\x1b[B', b'q'])
    t.same(status, 0, 'status')
    t.check(out.startswith(b'\x1b[?1049h') and out.rstrip().endswith(b'\x1b[?1049l'), out[:40], out[-40:])
    text = out.decode('utf-8', 'replace')
    for words in ('sorted by pss', 'sorted by rss', 'sorted by name', 'slab', 'unaccounted', 'q   quit', 'SLAB CACHE' if not os.getuid() else 'user'):
        t.check(words in text, 'no', words)
    for screen in re.split(r'\x1b\[H', text)[1:]:
        lines = re.sub(r'\x1b\[[?0-9]*[a-zA-Z]', '', screen).split('\n')
        t.check(len(lines) <= 24 and max(len(l.rstrip('\r ')) for l in lines) <= 100, len(lines), max(lines, key=len))
    r = subprocess.run([t.opts.quire, 'top', '-n', '1'], capture_output=True, stdin=subprocess.DEVNULL, timeout=t.LIMIT)
    t.check(r.returncode == 0 and b'quire top' in r.stdout and b'\x1b' not in r.stdout, r)


def test_top_guest():
    """Attached to a running guest: the program's growth is seen; the run goes on unharmed; no guest is an error."""
    p = t.start('-q', '-m', '256M', '--', 'python3', '-uc',
                'x = bytearray(70 << 20); print("ready"); import sys, time\nwhile not __import__("os").path.exists("/tmp/never"): time.sleep(0.1)')
    try:
        t.wait_line(p, b'ready')
        r = subprocess.run([t.opts.quire, 'top', '--guest=%d' % p.pid, '-n', '2', '-d', '0.2', '-b'], capture_output=True, timeout=100)
        text = r.stdout.decode()
        t.check(r.returncode == 0 and text.count('guest of quire[%d]' % p.pid) == 2, r)
        kib = int(re.search(r'(\d+) +\d+  python3\[', text).group(1))
        t.check(70 << 10 <= kib <= 120 << 10, kib)
        t.check(re.search(r'unaccounted +0 frames', text), text)
        t.check(p.poll() is None, 'the run ended')
    finally:
        p.terminate()
        p.communicate(timeout=t.LIMIT)
    r = subprocess.run([t.opts.quire, 'top', '--guest=%d' % p.pid], capture_output=True, timeout=t.LIMIT)
    t.check(r.returncode == 125 and b'no guest' in r.stderr, r)


# ---- massif.out, by its own readers ----

def test_massif_odd_names():
    """Trees of many depths, with names that trip readers: ms_print takes every one and keeps the peak."""
    import random, shutil
    if not shutil.which('ms_print'):
        raise t.Skip('no ms_print')
    names = ['main (a.c:1)', 'f#1 (b.c:2)', '???', 'operator<<(std::ostream&, char) (x y.cc:3)', 'n12: 5 tricky', '(in /usr/lib/libc.so.6)', 'é世界',
             'a' * 300, 'line\nbreak', '"quoted"', ' leading', 'in 3 places, all below massif\'s threshold', '', '\t', 'snapshot=7', '100%']
    with tempfile.TemporaryDirectory() as d:
        t.quire('-q', '-m', '64M', '--json', d + '/r.json', '--', 'true')
        base = json.load(open(d + '/r.json'))
        base['command'] = ['a#b', 'c\nd']
        for seed in range(12):
            r = random.Random(seed)
            peak = max(row[1] for row in base['memory']['timeline']['rows'])
            nodes, room = [], []
            for i in range(r.choice([1, 5, 60, 300])):
                parent = -1 if not nodes or r.random() < 0.1 else r.choice([len(nodes) - 1, r.randrange(len(nodes))])
                most = room[parent] if parent >= 0 else peak // 2
                size = r.randint(0, max(0, most // r.choice([1, 2, 5])))
                if parent >= 0:
                    room[parent] -= size
                nodes.append([parent, r.randrange(len(names)), size, size])
                room.append(size)
            base['stacks'] = {'frames': names, 'trees': [{'kind': r.choice(['heap', 'pages']),
                                                         'columns': ['parent', 'frame', 'at_peak_bytes', 'end_bytes'], 'nodes': nodes}]}
            json.dump(base, open(d + '/s.json', 'w'))
            unit = ('ms', 'i', 'B')[seed % 3]
            out = subprocess.run([t.opts.quire, 'report', '--massif', '--time-unit', unit, d + '/s.json', '-o', d + '/m'], capture_output=True)
            t.same((out.returncode, out.stderr), (0, b''), 'quire report')
            t.check('\ntime_unit: %s\n' % unit in open(d + '/m').read(), 'time axis', unit)
            p = subprocess.run(['ms_print', d + '/m'], capture_output=True)
            t.check(p.returncode == 0 and not p.stderr and b'(peak)' in p.stdout, seed, p.stderr, p.stdout[-300:])


def test_parsers_fuzzed():
    """Damaged texts and reports under sanitizers: words, never a crash (make fuzz-cli for more)."""
    r = subprocess.run(['make', '-s', 'fuzz-cli', 'ROUNDS=300'], cwd=t.TOP, capture_output=True, timeout=t.LIMIT)
    t.check(r.returncode == 0 and b'ok 1' in r.stdout, r.stdout[-500:], r.stderr[-2000:])
