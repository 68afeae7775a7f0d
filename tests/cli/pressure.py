"""pressure - short memory on purpose: each option as a user types it, what the program sees of it, what the report says of it.

Part of tests/cli/run, which has the helpers and runs the tests.
"""
import json, os, re, tempfile
import __main__ as t

# As written in the issue that asked for it: 300 MiB of bytes in a machine of 64 MiB. Python asks for zeroed memory and never writes to it.
ASKED = 'x=[bytes(1<<20) for i in range(300)]; print(sum(b[0] for b in x))'
# The same, written to: each page differs from the others, and is read back from both ends.
FILLED = '''
import hashlib
x = [b'%%06d|' %% i * (146 << 10) for i in range(%d)]      # about a MiB each
h = hashlib.sha256()
for b in x + x[::-1]: h.update(b)
print(h.hexdigest())'''
SQL = ("create table t(a, b); with recursive c(x) as (select 1 union all select x+1 from c where x<40000) insert into t select x, "
       "hex(x*2654435761 % 4294967296)||printf('%0300d', x) from c; create index i on t(b); select count(*), sum(a), min(b) from t;")


def run(*args, **kw):
    """-> CompletedProcess, the JSON, the page's text of `quire run ARGS`; the text report fits its screen."""
    with tempfile.TemporaryDirectory() as d:
        r = t.quire('--json', d + '/r.json', '--report', d + '/r.html', *args, **kw)
        t.check(os.path.exists(d + '/r.json') and os.path.exists(d + '/r.html'), r.stderr)
        j, page = json.load(open(d + '/r.json')), open(d + '/r.html', encoding='utf-8').read()
    lines = r.stderr.decode().split('── quire ', 1)[1].rstrip('\n').split('\n')
    t.check(len(lines) <= 40 and max(map(len, lines)) <= 100, len(lines), max(lines, key=len))
    return r, j, page


def native(*args):
    import subprocess
    return subprocess.run(args, capture_output=True).stdout


def area(j, name):
    return [a for a in j['pressure']['swap_areas'] if a['name'] == name][0]


def test_pressure_swap():
    """Two areas: the one of higher priority first; what each wrote, read and held is in the report, and adds up to the machine's counts."""
    areas = ['-m', '64M', '--swap', '256M,pri=10', '--swap', '1G,pri=5']
    r = t.quire('-q', *areas, '--', 'python3', '-c', ASKED)
    t.same((r.stdout, r.returncode), (b'0\n', 0))
    areas = ['-m', '64M', '--swap', '64M,pri=10', '--swap', '256M,pri=5']
    r, j, page = run('--audit', *areas, '--', 'python3', '-c', FILLED % 150)
    t.same((r.stdout, r.returncode), (native('python3', '-c', FILLED % 150), 0))
    a, b, c = area(j, '/dev/vda'), area(j, '/dev/vdb'), j['pressure']['counts']
    t.check(a['priority'] == 10 and b['priority'] == 5 and a['on'] and a['size_bytes'] == (64 << 20) - 4096, a, b)
    t.check(a['peak_used_bytes'] > 60 << 20 and 20 << 20 < b['peak_used_bytes'] < 150 << 20, a, b)
    t.same(a['out_bytes'] + b['out_bytes'], c['pswpout'] * 4096, 'written')
    t.same(a['in_bytes'] + b['in_bytes'], c['pswpin'] * 4096, 'read')
    t.check(c['pswpin'] > 20000 and c['workingset_refault_anon'] >= c['pswpin'] // 2, c)
    t.check(c['pgscan_kswapd'] + c['pgscan_direct'] >= c['pgsteal_kswapd'] + c['pgsteal_direct'] > 30000, c)
    p = j['pressure']
    t.check(0 < p['stall_full_ns'] <= p['stall_some_ns'] <= j['times']['program_ns'] + 10**9, p)
    for word in ('Reclaimed ', ' refaults ', ' stalls ', 'Swap /dev/vda (priority 10, 64 MiB): out ', 'Swap /dev/vdb (priority 5, 256 MiB)'):
        t.check(word in r.stderr.decode(), word, r.stderr)
    t.check('workingset_refault_anon' in page and '"/dev/vdb"' in page, 'the page has no areas')
    t.check(j['audit'].startswith('audit: ok'), j['audit'])


def test_pressure_swap_off_and_on():
    """An area that was taken away is still in the report, one that came back has its numbers together."""
    script = 'python3 -c "$1"; swapoff /dev/vda; swapoff /dev/vdb && swapon -p 3 /dev/vdb && echo both; python3 -c "$1"'
    r, j, _ = run('--root', '-m', '64M', '--swap', '32M,pri=9', '--swap', '128M,pri=4', '--', 'sh', '-c', script, 'sh', FILLED % 100)
    want = native('python3', '-c', FILLED % 100)
    t.same((r.stdout, r.returncode), (want + b'both\n' + want, 0))
    a, b = area(j, '/dev/vda'), area(j, '/dev/vdb')
    t.check(not a['on'] and b['on'] and b['priority'] == 3 and a['out_bytes'] > 30 << 20, a, b)
    t.same(a['out_bytes'] + b['out_bytes'], j['pressure']['counts']['pswpout'] * 4096, 'written')
    t.check(b'Swap /dev/vda (32 MiB, off): out ' in r.stderr, r.stderr)


def test_pressure_zswap():
    """Compressed in memory first; sqlite3 with more than RAM."""
    r, j, _ = run('-m', '48M', '--zswap', '25%', '--swap', '1G', '--', 'sqlite3', ':memory:', SQL)
    t.same((r.stdout, r.returncode), (native('sqlite3', ':memory:', SQL), 0))
    c = j['pressure']['counts']
    t.check(c['zswpout'] > 500 and area(j, '/dev/vda')['out_bytes'] == c['pswpout'] * 4096, c)
    t.check(b'Compressed pool (zswap): ' in r.stderr, r.stderr)


def test_pressure_cgroup():
    """memory.high slows down, memory.max is never passed, and the report has the cgroup's own numbers."""
    job = 'x = bytearray(44 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nprint(open("/proc/self/cgroup").read(), sum(x))'
    r, j, page = run('-m', '256M', '--swap', '128M', '--cgroup', 'memory.max=50M,memory.high=40M', '--', 'python3', '-c', job)
    t.same((r.returncode, r.stdout.split()[-1]), (0, b'%d' % (44 << 8)))
    g = j['pressure']['cgroup']
    t.check(g['memory.max'] == 50 << 20 and g['memory.high'] == 40 << 20, g)
    t.check(38 << 20 < g['memory.peak'] <= 50 << 20 and g['memory.events']['high'] > 0 and g['memory.events']['oom_kill'] == 0, g)
    t.check('anon' in g['memory.stat'] and ('memory.pressure' not in g or g['memory.pressure']['some'] >= g['memory.pressure']['full']), g)
    t.check(re.search(rb'Cgroup: peak [34]\d\.\d MiB of max 50\.0 ', r.stderr), r.stderr)
    t.check('"memory.peak"' in page, 'the page has no cgroup')


def test_pressure_overcommit():
    """malloc fails, nobody is killed."""
    job = 'import sys\ntry:\n x = bytearray(400 << 20)\n print("got it")\nexcept MemoryError: print("MemoryError")'
    r, j, _ = run('-m', '256M', '--overcommit', '2,ratio=50', '--', 'python3', '-c', job)
    t.same((r.stdout, r.returncode), (b'MemoryError\n', 0))
    t.same(j['trouble']['oom_kills'], [], 'kills')
    t.same(t.quire('-q', '-m', '256M', '--overcommit', '1', '--', 'python3', '-c', 'import mmap; mmap.mmap(-1, 4 << 30, 34); print("got it")').stdout, b'got it\n')


def failures(*spec, program=('/usr/bin/python3', '-c', 'import json, mmap\nx = [mmap.mmap(-1, 4096) for i in range(50)]')):
    r, j, page = run('-m', '128M', '--fail-alloc', *spec, '--', *program)
    y = j['trouble']
    t.check(y['injected_total'] == len(y['injected']) or len(y['injected']) >= 16, y)
    return r, y, page


def test_fail_alloc_nth():
    """The 37th request fails, that one only, and again the same the next time."""
    r, y, page = failures('37')
    t.check(y['fail_alloc'] == '37' and y['injected_total'] == 1 and y['requests_seen'] >= 37, y)
    one = y['injected'][0]
    t.check(one['number'] == 37 and one['name'] == 'python3' and one['kind'] == 'fail_user' and one['bytes'] > 0, one)
    t.check(b'Injected (37): 1 of ' in r.stderr and b'#37 ' in r.stderr and one['what'] in page, r.stderr)
    again = failures('37')[1]['injected'][0]
    t.same([again[k] for k in ('number', 'what', 'bytes', 'name')], [one[k] for k in ('number', 'what', 'bytes', 'name')], 'the second time')


def test_fail_alloc_every():
    """Every thousandth: a program that asks often meets some, and sees ENOMEM."""
    job = ('import mmap\nbad = 0\nfor i in range(3000):\n try: mmap.mmap(-1, 4096).close()\n'
           ' except OSError as e: bad += 1; assert e.errno == 12\nprint(bad)')
    r, y, _ = failures('every=1000', program=('/usr/bin/python3', '-S', '-c', job))
    t.same(r.returncode, 0, 'status')
    t.check(3 <= y['injected_total'] <= 8 and int(r.stdout) in (y['injected_total'], y['injected_total'] - 1), r.stdout, y)
    t.check(all(i['number'] % 1000 == 0 for i in y['injected']), y)


def test_fail_alloc_chance():
    """One in a hundred, the same ones for the same seed, others for another."""
    job = ('import mmap\nbad = []\nfor i in range(2000):\n try: mmap.mmap(-1, 4096).close()\n except OSError as e: bad.append(i)\nprint(bad)')
    runs = [failures('p=0.01,seed=%d' % s, program=('/usr/bin/python3', '-S', '-E', '-c', job)) for s in (7, 7, 8)]
    numbers = [[i['number'] for i in y['injected']] for _, y, _ in runs]
    t.check(8 <= runs[0][1]['injected_total'] <= 60 and numbers[0] == numbers[1] != numbers[2], numbers)


def test_fail_alloc_kernel():
    """The kernel's own allocations: system calls fail with ENOMEM, nothing else breaks."""
    for spec in ('kernel', 'kernel,every=50', 'p=0.01,seed=7,kernel'):
        r, y, _ = failures(spec, program=('sh', '-c', 'i=0; while [ $i -lt 20 ]; do ls / >/dev/null 2>&1; i=$((i+1)); done; exit 0'))
        t.check(y['injected_total'] > 0 and all(i['kind'] != 'fail_user' and ':' in i['place'] for i in y['injected']), spec, y)
        t.check('panic' not in r.stderr.decode(), r.stderr)


def test_pressure_window():
    """--pressure takes memory away for that while: free memory falls to the part named, and comes back. Once a while, so that even a
    slow start of the program leaves one to be seen."""
    job = '''
import time
def free(): return int(open('/proc/meminfo').read().split('MemFree:')[1].split()[0])
end, low, high = time.monotonic() + 75, False, False
while time.monotonic() < end and not (low and high):
    f = free()
    low |= f < 20000
    high |= low and f > 60000
    time.sleep(0.05)
print(low, high)'''
    windows = ';'.join('at=%ds,free=5%%,for=3s' % (2 + 10 * i) for i in range(8))
    r, j, page = run('-m', '128M', '--pressure', windows, '--', 'python3', '-S', '-c', job)
    t.same((r.stdout, r.returncode), (b'True True\n', 0))
    w = j['trouble']['pressure_windows'][0]
    t.check(2.9e9 < w['end_ns'] - w['begin_ns'] < 3.5e9 and w['taken_bytes'] > 50 << 20 and w['least_free_bytes'] < 20 << 20, w)
    t.check(b'Pressure from ' in r.stderr and '"pressure_windows"' in page, r.stderr)


OOM = 'x = []\nwhile True: x.append(b"%06d" % len(x) * 40000)'


def kill_of(j):
    k = j['trouble']['oom_kills'][0]
    return k['name'], k['pid'], k['chosen_ns'], k['freed_ns'], k['freed_bytes'], [(s['name'], s['points']) for s in k['scores']]


def test_pressure_oom_report():
    """The victim, what it held, the score table and what came back: in the text, in JSON and on the page."""
    r, j, page = run('-m', '64M', '--swap', '32M', '--', 'sh', '-c', 'sleep 100 & python3 -c "$1"; s=$?; kill $!; exit $s', 'sh', OOM)
    t.same(r.returncode, 137, 'status')
    k = j['trouble']['oom_kills'][0]
    t.check(k['name'] == 'python3' and k['scope'] == 'machine' and k['freed_bytes'] > 20 << 20 and k['swap_bytes'] > 10 << 20, k)
    t.check(k['first_failed_ns'] <= k['chosen_ns'] <= k['freed_ns'], k)
    names = [s['name'] for s in k['scores']]
    t.check(names[0] == 'python3' and 'sleep' in names and k['scores'][0]['points'] > 10 * k['scores'][1]['points'], k['scores'])
    text = r.stderr.decode()
    t.check(re.search(r'OOM \(machine\) at .* killed python3\[\d+\], freed \d+\.\d MiB', text) and '  scores: python3[' in text, text)
    t.check('"oom_kills"' in page and 'Out of memory' in page, 'the page')


def test_pressure_replay():
    """The same OOM again, instruction for instruction."""
    with tempfile.TemporaryDirectory() as d:
        files = [d + '/%d.json' % i for i in range(3)]
        args = ['-q', '--deterministic', '--seed', '7', '-m', '64M', '--swap', '32M', '--', 'python3', '-S', '-E', '-c', OOM]
        t.same(t.quire('--json', files[0], *args, cwd=d).returncode, 137, 'status')
        for f in files[1:]:
            t.same(t.quire(files[0], '-q', '--json', f, word='replay', cwd='/').returncode, 137, 'status of the replay')
        runs = [json.load(open(f)) for f in files]
    for again in runs[1:]:
        t.same(kill_of(again), kill_of(runs[0]), 'the kill')
        t.same(again['times'], runs[0]['times'], 'times')
        t.same(again['pressure'], runs[0]['pressure'], 'reclaim and swap')


def test_reclaim_policies():
    """Each policy: the same result, and it says which one it is."""
    for policy in ('lists', 'generations', 'second-chance'):
        r, j, _ = run('--audit', '-m', '64M', '--swap', '128M', '--reclaim', policy, '--', 'sh', '-c',
                      'cat /sys/kernel/mm/reclaim_policy; python3 -c "$1"', 'sh', FILLED % 80)
        first, _, rest = r.stdout.partition(b'\n')
        t.check(b'[' + policy.encode() + b']' in first, first)
        t.same(rest, native('python3', '-c', FILLED % 80), 'output')
        t.check(j['pressure']['counts']['pgsteal_kswapd'] > 0 and j['audit'].startswith('audit: ok'), j['pressure'], j['audit'])


def test_pressure_misuse():
    """Wrong options are refused with words, before a machine starts or before the program does."""
    for option, value, words in (
            ('--fail-alloc', '0', 'no count'), ('--fail-alloc', 'every', "what is 'every'"), ('--fail-alloc', 'p=2', 'a chance'),
            ('--fail-alloc', '3,every=2', 'one of'), ('--fail-alloc', 'seed=7', 'one of'), ('--pressure', 'at=2s', 'give free= and for='),
            ('--pressure', 'at=x,free=5%,for=3s', 'no time'), ('--pressure', 'free=500%,for=1s', 'no part of RAM'),
            ('--overcommit', '3', 'give 0, 1 or 2'), ('--overcommit', '2,ratio', 'ratio=PERCENT'), ('--zswap', '101%', '1% to 100%'),
            ('--swap', '1G,prio=3', 'SIZE,pri=N'), ('--swap', '64M,pri=-4', '0 to 32767'), ('--cgroup', 'memory.max', 'FILE=VALUE'),
            ('--seed', 'x', 'give 0 to'), ('--reclaim', 'lru', 'second-chance'), ('--cgroup', 'memory.maxx=5M', 'No such file'),
            ('--cgroup', 'memory.max=x', 'Invalid argument'), ('--sysctl', 'vm.swapiness=4', 'No such file')):
        r = t.quire('-q', option, value, '--', 'echo', 'ran')
        t.same((r.returncode, r.stdout), (125, b''), '%s %s' % (option, value))
        t.check(words in r.stderr.decode() and len(r.stderr.splitlines()) == 1, option, value, r.stderr)


def test_pressure_swapoff_does_not_fit():
    """swapoff of more than memory can take: the one who asks is killed, the program whose pages they are goes on, and the area too."""
    script = '''
python3 -S -c "
import sys
x = [b'%06d|' % i * (146 << 10) for i in range(90)]
print('filled', flush=True); sys.stdin.readline()
print(all(b == b'%06d|' % i * (146 << 10) for i, b in enumerate(x)))" < fifo > out &
exec 3> fifo
until grep -q filled out; do sleep 0.2; done
swapoff /dev/vda; echo $?; grep -c vda /proc/swaps; echo >&3; wait; tail -1 out'''
    r, j, _ = run('--audit', '--root', '-m', '64M', '--swap', '128M', '--', 'sh', '-c', 'cd /tmp; mkfifo fifo; ' + script)
    t.same(r.stdout, b'137\n1\nTrue\n')
    t.same([(k['name'], k['scope']) for k in j['trouble']['oom_kills']], [('swapoff', 'machine')], 'killed')
    t.check(j['audit'].startswith('audit: ok'), j['audit'])


def test_pressure_many_areas():
    """Seven disks on q35: SeaBIOS's map of RAM ends inside the initramfs then."""
    r = t.quire('-q', '--audit', '--machine', 'q35', '--root', '-m', '64M', *['--swap', '32M'] * 7, '--', 'sh', '-c', 'wc -l < /proc/swaps')
    t.same((r.stdout, r.returncode), (b'8\n', 0))


def test_kernel_threads_run():
    """Each kernel thread has begun: it sleeps and has been switched to."""
    script = 'for p in /proc/[0-9]*; do read a b c d < $p/stat; case $b in "(kworker"*|"(kswapd"*|"(oom_re"*) echo $b $c $(grep -c "^voluntary_ctxt_switches:.[1-9]" $p/status);; esac; done'
    got = t.quire('-q', '--root', '-m', '64M', '--', 'sh', '-c', script).stdout.decode().split('\n')
    t.check(any(l.startswith('(kworker/0)') for l in got) and all(l.split()[1] in 'SID' and l.split()[2] == '1' for l in got if l), got)
