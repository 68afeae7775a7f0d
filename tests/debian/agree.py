#!/usr/bin/python3
"""agree - do Debian's memory tools, /proc and the ledger say the same? Runs inside Quire; prints what differs, and a count.

What one text says of one moment is compared to the kilobyte: meminfo's lines with MemTotal and with the ledger, slabinfo with both. A process that
sleeps does not change: what ps, pmap, smem and top say of it must be what its files say. Between two readings of the whole
machine the tools themselves come and go, so those may differ by a little.
"""
import ctypes, glob, mmap, os, re, signal, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
checks = bad = 0
PAGE = 4096


def same(what, a, b, slack=0):
    global checks, bad
    checks += 1
    if abs(a - b) > slack if isinstance(a, (int, float)) and isinstance(b, (int, float)) else a != b:
        bad += 1
        print('DIFFER %s: %r, %r' % (what, a, b), flush=True)


def text(path):
    with open(path) as f:
        return f.read()


def run(*cmd):
    r = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ, LC_ALL='C', COLUMNS='200'))
    same('status of ' + ' '.join(cmd), r.returncode, 0)
    return r.stdout


def keyed(path):
    return {k: int(v) for k, v in re.findall(r'^(\S+?):?\s+(\d+)', text(path), re.M)}


def ledger():
    return {k: int(v) for k, v in re.findall(r'^account (\S+) \S+ (\d+)', text('/proc/ledger/summary'), re.M)}


def calm(f, *args):
    """The last of up to 20 tries at something that must hold at one moment."""
    for _ in range(20):
        if f(*args):
            return True
        time.sleep(0.02)
    return False


# ---- the machine ----

PLUS = ('MemFree Buffers Cached SwapCached AnonPages Zswap Slab PageTables SecPageTables VmallocUsed Percpu Modules DeviceBuffers Balloon '
        'KernelOther').split()


def identity():
    m = keyed('/proc/meminfo')
    return sum(m[k] for k in PLUS) - m['AnonSwapCached'] == m['MemTotal']


def books_agree():
    before, m, after = ledger(), keyed('/proc/meminfo'), ledger()
    if before != after:
        return False
    boot = before['page_tables'] * 4 - m['PageTables']       # of the kernel, made before there was an allocator
    return (m['MemFree'] == after['free'] * 4 and m['Slab'] == after['slab'] * 4 and boot in range(0, 200) and
            m['Buffers'] + m['Cached'] == (after['page_cache'] + after['shmem']) * 4 and m['DeviceBuffers'] == after['device'] * 4 and
            m['VmallocUsed'] == (after['vmalloc'] + after['kernel_stacks']) * 4 and m['KernelStack'] == after['kernel_stacks'] * 4 and
            m['AnonPages'] + m['SwapCached'] - m['AnonSwapCached'] == (after['anon'] + after['swap_cache']) * 4 and
            m['Zswap'] == after['zswap'] * 4 and m['Modules'] == after['modules'] * 4)


def slabs():
    return {l.split()[0]: [int(x) for x in re.findall(r'\d+', l.split(None, 1)[1])] for l in text('/proc/slabinfo').splitlines()[2:]}


def slabs_agree():
    books = {k: (int(n), int(p)) for k, n, p in re.findall(r'^slab (\S+) (\d+) \d+ (\d+)', text('/proc/ledger/summary'), re.M)}
    now = {k: (v[0], v[9] * v[4]) for k, v in slabs().items() if v[0]}
    # Printing the one makes and frees a few objects that the other sees.
    return all(abs(v[0] - books.get(k, (0, 0))[0]) <= 8 and v[1] - books.get(k, (0, v[1]))[1] in range(-8, 9) for k, v in now.items())


def machine():
    same('meminfo adds up to MemTotal', calm(identity), True)
    same('meminfo and the ledger', calm(books_agree), True)
    same('slabinfo and the ledger', calm(slabs_agree), True)
    m, v = keyed('/proc/meminfo'), keyed('/proc/vmstat')
    z = text('/proc/zoneinfo')
    same('managed pages', sum(int(x) for x in re.findall(r'managed\s+(\d+)', z)) * 4, m['MemTotal'])
    same('nr_file_pages', v['nr_file_pages'] * 4, m['Buffers'] + m['Cached'] + m['SwapCached'], 512)
    same('audit', text('/proc/ledger/audit').strip().splitlines()[-1], 'audit: ok')


def tools():
    m = keyed('/proc/meminfo')
    f = [int(x) for x in re.search(r'Mem:(.*)', run('free', '-k')).group(1).split()]
    same('free: total', f[0], m['MemTotal'])
    same('free: free', f[2], m['MemFree'], 4096)
    same('free: adds up', f[0] - f[1] - f[5], 0, 16384)
    s = run('vmstat', '-s')
    same('vmstat -s: total', int(re.search(r'(\d+) K total memory', s).group(1)), m['MemTotal'])
    same('vmstat -s: swapped out', int(re.search(r'(\d+) pages swapped out', s).group(1)), keyed('/proc/vmstat')['pswpout'])
    same('vmstat: free', int(run('vmstat').splitlines()[2].split()[3]), m['MemFree'], 4096)
    same('vmstat -a: columns', len(run('vmstat', '-a').splitlines()[2].split()), 17)
    run('vmstat', '-d')
    of = slabs()
    for l in run('vmstat', '-m').splitlines():
        w = l.rsplit(None, 4)
        if w[0] != 'Cache':
            same('vmstat -m: object size of ' + w[0], int(w[3]), of[w[0]][2])
            same('vmstat -m: objects a slab of ' + w[0], int(w[4]), of[w[0]][3])
    t = run('slabtop', '-o')
    same('slabtop: caches', int(re.search(r'Total Caches \(% used\)\s*: \d+ / (\d+)', t).group(1)), len(of))
    for objs, size, per, name in re.findall(r'^ *(\d+) +\d+ +\d+% +([\d.]+)K +\d+ +(\d+) +\d+K (\S+)', t, re.M):
        same('slabtop: size of ' + name, float(size), round(of[name][2] / 1024, 2), 0.0101)
        same('slabtop: objects a slab of ' + name, int(per), of[name][3])
    top = run('top', '-b', '-n1')
    same('top: total', float(re.search(r'MiB Mem : *([\d.]+) total', top).group(1)), m['MemTotal'] / 1024, 0.06)
    run('lsmod')
    area = run('smem', '-w').splitlines()
    same('smem -w: free', int(area[5].split()[2]), m['MemFree'], 24576)
    time_v = run('/usr/bin/time', '-v', 'python3', '-c', 'b = bytearray(30 << 20)')
    same('time -v: maximum', int(re.search(r'Maximum resident.*: (\d+)', time_v).group(1)), 30 * 1024 + 11000, 6000)
    for l in run('sysctl', '-a').splitlines():
        k, _, val = l.partition(' = ')
        if k.startswith('vm.') and '\n' not in val:
            same('sysctl ' + k, val.split(), text('/proc/sys/' + k.replace('.', '/', 1)).split())


# ---- a process ----

def asleep():
    """A child that has 3 MiB of its own, read a file, and waits."""
    p = subprocess.Popen([sys.executable, '-c', 'import time; b = bytearray(3 << 20); print("x", flush=True); time.sleep(1000)'],
                         stdout=subprocess.PIPE)
    p.stdout.readline()
    return p


def one_process():
    p = asleep()
    d = '/proc/%d/' % p.pid
    status, roll, stat = keyed(d + 'status'), keyed(d + 'smaps_rollup'), text(d + 'stat').rsplit(')', 1)[1].split()
    statm = [int(x) for x in text(d + 'statm').split()]
    smaps = text(d + 'smaps')
    total = lambda k: sum(int(x) for x in re.findall(r'^%s: +(\d+) kB' % k, smaps, re.M))
    same('smaps: Rss', total('Rss'), roll['Rss'])
    for k in ('Shared_Clean', 'Shared_Dirty', 'Private_Clean', 'Private_Dirty', 'Referenced', 'Anonymous', 'Swap', 'Locked'):
        same('smaps: ' + k, total(k), roll[k])
    same('smaps: Pss', total('Pss'), roll['Pss'], smaps.count('\nRss'))        # each area's is rounded down
    same('smaps: clean and dirty', sum(roll[k] for k in ('Shared_Clean', 'Shared_Dirty', 'Private_Clean', 'Private_Dirty')), roll['Rss'])
    same('status: VmRSS', status['VmRSS'], statm[1] * 4)
    same('status: VmRSS in parts', status['RssAnon'] + status['RssFile'] + status['RssShmem'], status['VmRSS'])
    same('smaps and status', roll['Rss'], status['VmRSS'])
    same('smaps and status: anonymous', roll['Anonymous'], status['RssAnon'])
    same('status: VmSize', status['VmSize'], statm[0] * 4)
    same('stat: vsize', int(stat[20]), status['VmSize'] * 1024)
    same('stat: rss', int(stat[21]) * 4, status['VmRSS'])
    cols = 'rss,vsz,sz,size,drs,trs,min_flt,maj_flt,pss,uss'
    ps = dict(zip(cols.split(','), [int(x) for x in run('ps', '-o', ','.join(c + '=' for c in cols.split(',')), '-p', str(p.pid)).split()]))
    same('ps: rss', ps['rss'], status['VmRSS'])
    same('ps: vsz', ps['vsz'], status['VmSize'])
    same('ps: sz', ps['sz'], statm[0])
    same('ps: size', ps['size'], status['VmData'] + status['VmStk'])
    same('ps: trs', ps['trs'], (int(stat[24]) - int(stat[23])) // 1024, 1)
    same('ps: drs', ps['drs'] + ps['trs'], status['VmSize'], 1)
    same('ps: min_flt', ps['min_flt'], int(stat[7]))
    same('ps: maj_flt', ps['maj_flt'], int(stat[9]))
    roll = keyed(d + 'smaps_rollup')
    same('ps: pss', ps['pss'], roll['Pss'], 2048)              # while it looked, it shared its libraries
    same('ps: uss', ps['uss'], roll['Private_Clean'] + roll['Private_Dirty'], 2048)
    x = run('pmap', '-X', str(p.pid)).splitlines()
    head, last = x[1].split(), x[-1].split()
    of = dict(zip(head[5:], last))          # the totals have no address, permission, offset, device, inode
    same('pmap -X: Size', int(of['Size']), status['VmSize'])
    same('pmap -X: Rss', int(of['Rss']), status['VmRSS'])
    same('pmap -X: Anonymous', int(of['Anonymous']), status['RssAnon'])
    same('pmap -XX: Rss', int(run('pmap', '-XX', str(p.pid)).splitlines()[-1].split()[3]), status['VmRSS'])
    same('pmap -x: Rss', int(run('pmap', '-x', str(p.pid)).splitlines()[-1].split()[3]), status['VmRSS'])
    row = [l for l in run('smem', '-H', '-c', 'pid uss pss rss').splitlines() if l.split()[0] == str(p.pid)][0].split()
    same('smem: rss', int(row[3]), status['VmRSS'])
    same('smem: pss', int(row[2]), keyed(d + 'smaps_rollup')['Pss'], 2048)      # smem is a python like it, and shares its pages
    top = [l for l in run('top', '-b', '-n1', '-p', str(p.pid)).splitlines() if l.split()[:1] == [str(p.pid)]][0].split()
    same('top: VIRT', int(top[4]), status['VmSize'])
    same('top: RES', int(top[5]), status['VmRSS'])
    same('top: SHR', int(top[6]), status['RssFile'] + status['RssShmem'])
    p.kill()
    p.wait()


# ---- what is shared ----

def shared(k, j):
    """k pages with j processes: each pays k / j of them, the machine k."""
    before = ledger()['anon']
    m = mmap.mmap(-1, (k + 2) * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    addr = ctypes.addressof(ctypes.c_char.from_buffer(m)) + PAGE
    for fence in (addr - PAGE, addr + k * PAGE):            # without them the area may be one with its neighbour
        same('mprotect', libc.mprotect(ctypes.c_void_p(fence), ctypes.c_size_t(PAGE), 0), 0)
    ctypes.memset(addr, 1, k * PAGE)
    pids, pipes = [], []
    for _ in range(j - 1):
        up, down = os.pipe(), os.pipe()
        pid = os.fork()
        if not pid:
            os.write(up[1], b'x')
            os.read(down[0], 1)
            os._exit(0)
        os.read(up[0], 1)
        pids.append(pid)
        pipes.append(down[1])
    for pid in pids + [os.getpid()]:
        for block in re.split(r'\n(?=[0-9a-f]+-[0-9a-f]+ )', text('/proc/%d/smaps' % pid)):
            lo, hi = (int(x, 16) for x in re.match(r'([0-9a-f]+)-([0-9a-f]+)', block).groups())
            if lo <= addr < hi and hi - lo == k * PAGE:
                of = {a: int(b) for a, b in re.findall(r'^(\w+): +(\d+) kB', block, re.M)}
                same('%d pages, %d processes: Rss' % (k, j), of['Rss'], k * 4)
                same('%d pages, %d processes: Pss' % (k, j), of['Pss'], k * 4 // j, 1)
                same('%d pages, %d processes: shared' % (k, j), of['Shared_Dirty'] + of['Private_Dirty'], k * 4)
                same('%d pages, %d processes: private' % (k, j), of['Private_Dirty'], k * 4 if j == 1 else 0)
                break
        else:
            same('the area of %d' % pid, 'missing', 'there')
    with open('/proc/self/pagemap', 'rb') as f:
        f.seek(addr // PAGE * 8)
        pfns = [int.from_bytes(f.read(8), 'little') & (1 << 55) - 1 for _ in range(k)]
    with open('/proc/kpagecount', 'rb') as f:
        counts = []
        for pfn in pfns:
            f.seek(pfn * 8)
            counts.append(int.from_bytes(f.read(8), 'little'))
    same('%d pages, %d processes: kpagecount' % (k, j), set(counts), {j})
    for p in pipes:
        os.write(p, b'x')
    for p in pids:
        os.waitpid(p, 0)
    return ledger()['anon'] - before


# ---- trace events ----

def traced(n):
    """n pages touched are n faults, n allocations at the place in the source where anonymous pages come from."""
    t = '/sys/kernel/tracing/'
    def put(f, s):
        with open(t + f, 'w') as o:
            o.write(s)
    m = mmap.mmap(-1, n * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    put('trace', '')
    put('events/exceptions/page_fault_user/filter', 'common_pid == %d' % os.getpid())
    put('events/exceptions/page_fault_user/enable', '1')
    addr = ctypes.addressof(ctypes.c_char.from_buffer(m))
    ctypes.memset(addr, 1, n * PAGE)
    put('events/exceptions/page_fault_user/enable', '0')
    seen = {int(a, 16) // PAGE for a in re.findall(r'page_fault_user: address=0x([0-9a-f]+)', text(t + 'trace'))}
    same('faults traced', len([a for a in seen if addr // PAGE <= a < addr // PAGE + n]), n)
    put('events/exceptions/page_fault_user/filter', '0')
    put('events/kmem/kmalloc/trigger', 'stacktrace:100000')
    same('a trigger', re.sub(r'\d+', 'N', text(t + 'events/kmem/kmalloc/trigger')), 'stacktrace:count=N\n')
    os.pipe()
    same('a stack', '<stack trace>' in text(t + 'trace'), True)
    put('events/kmem/kmalloc/trigger', '!stacktrace')


# ---- swap ----

def swapped(n):
    m = mmap.mmap(-1, n * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    addr = ctypes.addressof(ctypes.c_char.from_buffer(m))
    ctypes.memset(addr, 7, n * PAGE)
    before = keyed('/proc/vmstat')['pswpout']
    same('madvise', libc.madvise(ctypes.c_void_p(addr), ctypes.c_size_t(n * PAGE), 21), 0)
    info, of = keyed('/proc/meminfo'), keyed('/proc/self/smaps_rollup')
    out = keyed('/proc/vmstat')['pswpout'] - before
    if 'zswap' in sys.argv:
        same('Zswapped', info['Zswapped'] >= (n - 64) * 4 and info['Zswap'] < info['Zswapped'], True)      # all the same: no pool at all
    else:
        same('swapped out', out >= n - 64, True)
    same('smaps: Swap', of['Swap'], keyed('/proc/self/status')['VmSwap'])
    same('SwapFree', info['SwapTotal'] - info['SwapFree'] >= of['Swap'], True)
    same('meminfo with swap', calm(identity), True)
    for i in range(0, n // 2):
        m[i * PAGE + 1] = 1
    same('meminfo with half of it back', calm(identity), True)
    same('the ledger with half of it back', calm(books_agree), True)
    same('swapon --show', len(run('swapon', '--show', '--noheadings').splitlines()), 1)
    same('free: swap', int(re.search(r'Swap: +(\d+)', run('free', '-k')).group(1)), info['SwapTotal'])
    same('contents', bytes(m[PAGE * i] for i in range(n)), b'\7' * n)


def main():
    machine()
    if 'swap' in sys.argv:
        swapped(2000)
    else:
        tools()
        one_process()
        for k, j in ((100, 1), (100, 2), (96, 3), (1000, 8)):
            same('%d pages, %d processes: the ledger' % (k, j), shared(k, j), k, 24)
        traced(200)
        machine()
    print('agree: %d checks, %d differ' % (checks, bad))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
