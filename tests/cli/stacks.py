"""stacks - --stacks and --heap: programs whose costs are known, told to the byte and the line.

Part of tests/cli/run, which has the helpers and runs the tests.
"""
import json, os, re, shutil, signal, subprocess, tempfile, time
import __main__ as t

PAGES = r'''
#include <string.h>
#include <sys/mman.h>
#define N __attribute__((noinline))
N static char *fill(size_t n)
{
	char *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < n; i += 4096)
		p[i] = 1; /* TOUCH */
	return p;
}
N static char *keep(void) { return fill(10 << 20) + 1; } /* KEEP */
N static int spike(void) { char *p = fill(40 << 20); return munmap(p, 40 << 20); } /* SPIKE */
int main(void) { return keep()[-1] - 1 + spike(); } /* MAIN */
'''

WAYS = r'''
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>
#define N __attribute__((noinline))
static char *at;
N static void touch(char *p) { *p = 1; } /* TOUCH */
N static void two(int i)
{
	if (i & 1) {
		touch(at += 4096); /* ODD */
		__asm__ volatile("nop # odd");
	} else {
		touch(at += 4096); /* EVEN */
		__asm__ volatile("nop # even");
	}
}
N static void sized(int n) { volatile char room[n]; room[0] = 1; touch(at += 4096); room[n - 1] = 0; } /* SIZED */
N static void one(int i) { sized(i); __asm__ volatile("nop # one"); } /* ONE */
N static void other(int i) { volatile char more[128]; more[5] = 1; sized(i); __asm__ volatile("nop # other"); } /* OTHER */
N static void handler(int sig, siginfo_t *s, void *u) { touch(at += 4096); ((ucontext_t *)u)->uc_mcontext.gregs[REG_RIP] += 2; } /* HANDLER */
N static void trap(int i)
{
	if (i & 2) /* not as two() went: that leaves its mark in unused stack */
		__asm__ volatile("nop; ud2 # odd"); /* TRAP1 */
	else
		__asm__ volatile("nop; ud2 # even"); /* TRAP2 */
}
int main(void)
{
	struct sigaction a = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	at = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGILL, &a, 0);
	for (int i = 0; i < 200; i++) {
		two(i);
		one(256 + 16 * (i % 3));
		other(256 + 16 * (i % 3) - 128 - 16);
		trap(i);
	}
	return 0;
}
'''

HEAP = r'''
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#define N __attribute__((noinline))
static void *kept[1000];
N static char *make(size_t n) { char *p = malloc(n); memset(p, 1, n); return p; } /* MAKE */
N static void grow(void) { for (int i = 0; i < 1000; i++) kept[i] = make(1000); } /* GROW */
N static void spike(void) { char *p = make(3 << 20); p[5] = 2; free(p); } /* SPIKE */
N static void shrink(void) { for (int i = 0; i < 500; i++) { free(kept[i]); kept[i] = NULL; } }
N static void resize(void) { char *p = malloc(10); for (int i = 20; i < 20000; i += 100) { p = realloc(p, i); p[0] = 1; } kept[0] = p; } /* RESIZE */
N static void temporary(void) { for (int i = 0; i < 50; i++) { char *volatile p = malloc(77); free(p); } } /* TEMPORARY */
int main(int argc, char **argv)
{
	grow();
	spike();
	shrink();
	resize();
	temporary();
	kept[1] = calloc(7, 11);
	if (fork() == 0) {
		kept[2] = malloc(555); /* CHILD */
		kill(getpid(), 9);
	}
	wait(0);
	_exit(0);
}
'''


def compiled(d, source, *flags):
    with open(d + '/known.c', 'w') as f:
        f.write(source)
    subprocess.run(['gcc', '-O1', '-g', '-fno-optimize-sibling-calls', *flags, '-o', d + '/known', d + '/known.c'], check=True)
    return d + '/known'


def line_of(source, mark):
    return next(i for i, l in enumerate(source.split('\n'), 1) if '/* ' + mark + ' */' in l)


def tree_of(j, kind):
    return next(x for x in j['stacks']['trees'] if x['kind'] == kind)


def paths(j, tree):
    """-> [([frames, outermost first], {column: value})]"""
    names, nodes, out = j['stacks']['frames'], tree['nodes'], []
    for n in nodes:
        path = (out[n[0]][0] if n[0] >= 0 else []) + [names[n[1]]]
        out.append((path, dict(zip(tree['columns'][2:], n[2:]))))
    return out


def at(all_paths, *ends):
    """The numbers of the one path whose last frames contain these words."""
    found = [v for p, v in all_paths if len(p) >= len(ends) and all(e in f for e, f in zip(reversed(ends), reversed(p)))]
    t.same(len(found), 1, 'paths that end in ' + ' '.join(ends))
    return found[0]


def test_stacks_pages():
    """Each page at the line that touched it: 10 MiB kept, 40 MiB for a moment; the replay's peak is the ledger's own."""
    with tempfile.TemporaryDirectory() as d:
        program = compiled(d, PAGES)
        r = t.quire('-m', '256M', '--stacks', '--json', d + '/r.json', '--folded', d + '/f', '--', program)
        t.same(r.returncode, 0, r.stderr)
        j = json.load(open(d + '/r.json'))
        folded = open(d + '/f').read()
    tree = tree_of(j, 'pages')
    p = paths(j, tree)
    touch, main = 'fill (%s/known.c:%d)' % (os.path.basename(d), line_of(PAGES, 'TOUCH')), line_of(PAGES, 'MAIN')
    user = [x for x in p if x[0][0] == '[user memory]']
    kept = at(user, 'main (', 'keep (%s/known.c:%d)' % (os.path.basename(d), line_of(PAGES, 'KEEP')), touch)
    spike = at(user, 'main (%s/known.c:%d)' % (os.path.basename(d), main),
               'spike (%s/known.c:%d)' % (os.path.basename(d), line_of(PAGES, 'SPIKE')), touch)
    t.same([kept[k] for k in ('at_peak_bytes', 'end_bytes', 'total_bytes', 'peak_bytes')], [10 << 20, 0, 10 << 20, 10 << 20], 'kept')
    t.same([spike[k] for k in ('at_peak_bytes', 'end_bytes', 'total_bytes', 'allocs')], [40 << 20, 0, 40 << 20, 10240], 'spike')
    t.same(tree['total']['machine_peak_bytes'], j['memory']['used_peak_bytes'], 'peak by replay')
    kernel = [x for x, v in p if x[0] == '[kernel memory]' and any('sys_' in f and '[kernel]' in f for f in x)]
    t.check(kernel, 'no kernel stacks', [x[-1] for x, v in p][:40])
    t.check(re.search(r';spike \(.*;fill \(\S+:\d+\) 41943040\n', folded), folded[-2000:])


def test_stacks_ways():
    """Many ways in turn to one instruction, at one depth: return addresses, frames of changing size, and signals tell them apart."""
    with tempfile.TemporaryDirectory() as d:
        program, base = compiled(d, WAYS), os.path.basename(d)
        r = t.quire('-q', '-m', '256M', '--stacks', '--json', d + '/r.json', '--', program)
        t.same((r.returncode, r.stderr), (0, b''), 'end')
        j = json.load(open(d + '/r.json'))
    p = [x for x in paths(j, tree_of(j, 'pages')) if x[0][0] == '[user memory]' and x[0][-1].startswith('touch (')]
    for f, mark, pages in (('two', 'ODD', 100), ('two', 'EVEN', 100), ('one', 'ONE', 200), ('other', 'OTHER', 200), ('trap', 'TRAP1', 100), ('trap', 'TRAP2', 100)):
        where = '%s (%s/known.c:%d)' % (f, base, line_of(WAYS, mark))
        t.same(sum(v['allocs'] for x, v in p if where in x), pages, where + ' of\n' + '\n'.join('%d %s' % (v['allocs'], ' > '.join(x[3:])) for x, v in p))


def test_stacks_stripped():
    """Debian's own program: no frame pointers, no symbols, a fork and an exec; the libraries' functions have names."""
    with tempfile.TemporaryDirectory() as d:
        r = t.quire('-q', '-m', '256M', '--stacks', '--json', d + '/r.json', '--', 'sh', '-c', 'ls -l /usr/bin > /dev/null; true')
        t.same(r.returncode, 0, r.stderr)
        j = json.load(open(d + '/r.json'))
    p = paths(j, tree_of(j, 'pages'))
    deep = [x for x, v in p if x[:2] == ['[user memory]', 'ls'] and any('__libc_start_main' in f for f in x)]
    t.check(any('malloc' in x[-1] or 'sysmalloc' in x[-1] for x in deep), [x[-3:] for x in deep][:20])


def test_heap_known():
    """What is kept, what leaks, what is temporary, by line; a child of fork has its own books, though it is killed."""
    with tempfile.TemporaryDirectory() as d:
        program, base = compiled(d, HEAP), os.path.basename(d)
        r = t.quire('-q', '-m', '256M', '--heap', '--json', d + '/r.json', '--', program)
        t.same((r.returncode, r.stderr), (0, b''), 'end')
        j = json.load(open(d + '/r.json'))
    where = lambda f, mark: '%s (%s/known.c:%d)' % (f, base, line_of(HEAP, mark))
    tree = tree_of(j, 'heap')
    p = paths(j, tree)
    columns = ('at_peak_bytes', 'leaked_bytes', 'leaked_blocks', 'total_bytes', 'total_blocks', 'temporary_blocks')
    want = {
        (where('grow', 'GROW'), where('make', 'MAKE')): [1000000, 500000, 500, 1000000, 1000, 0],
        (where('spike', 'SPIKE'), where('make', 'MAKE')): [3 << 20, 0, 0, 3 << 20, 1, 1],
        (where('temporary', 'TEMPORARY'),): [0, 0, 0, 77 * 50, 50, 50],
        (where('main', 'CHILD'),): [555, 555, 1, 555, 1, 0],
    }
    for path, numbers in want.items():
        v = at(p, *path)
        t.same([v[c] for c in columns], numbers, ' '.join(path))
    resized = [v for x, v in p if x[-1].startswith('resize (')]
    t.same(sum(v['leaked_bytes'] for v in resized), 19920, 'resized')
    parent, child = sorted(tree['processes'], key=lambda x: x['forked'])
    t.same((parent['peak_bytes'], parent['leaked_bytes'], parent['leaked_blocks']), (1000000 + (3 << 20), 500000 + 19920 + 77, 502), 'parent')
    t.same((child['peak_bytes'], child['leaked_blocks'], child['parent']), (555, 1, parent['pid']), 'child')


def test_heap_environment():
    """But for LD_PRELOAD the program's environment is ours, and its output and status too."""
    r = t.quire('-q', '--heap', '--', 'sh', '-c', 'env; exit 5', env={'QUIRE_WORD': 'a b'})
    words = set(r.stdout.decode(errors='surrogateescape').split('\n'))
    t.same(r.returncode, 5, 'status')
    t.check('LD_PRELOAD=/dev/quire/heap.so' in words and 'QUIRE_WORD=a b' in words, words)


def test_heap_not_seen():
    """A static program: the command says that there is nothing to tell, and not that nothing was allocated."""
    r = t.quire('--heap', '--', 'busybox', 'echo', 'x')
    t.same((r.stdout, r.returncode), (b'x\n', 0))
    t.check(b'--heap saw no malloc' in r.stderr, r.stderr)


MANY = '''
import mmap
for i in range(3):
    m = mmap.mmap(-1, 90 << 20)
    m[::4096] = b'x' * len(m[::4096])
    m.close()
'''


def test_stacks_slow_reader():
    """A host that stands still stops the guest, and nothing is lost: END counts the records, the replayed peak is the ledger's."""
    with tempfile.TemporaryDirectory() as d:
        p = t.start('-q', '-m', '256M', '--stacks', '--json', d + '/r.json', '--', 'python3', '-c', 'print(1, flush=True)' + MANY)
        t.wait_line(p, b'1\n')
        os.kill(p.pid, signal.SIGSTOP)      # QEMU has a session of its own and goes on
        time.sleep(3)
        os.kill(p.pid, signal.SIGCONT)
        out, err = p.communicate(timeout=t.LIMIT)
        t.same((p.returncode, err), (0, b''), 'end')
        j = json.load(open(d + '/r.json'))
    total = tree_of(j, 'pages')['total']
    t.check(total['total_bytes'] > 270 << 20, total)
    t.same(total['machine_peak_bytes'], j['memory']['used_peak_bytes'], 'peak by replay')


def test_stream_fuzz():
    """The decoder, under the sanitizers: streams made, cut and bent."""
    with tempfile.TemporaryDirectory() as d:
        subprocess.run(['gcc', '-std=gnu11', '-D_GNU_SOURCE', '-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-iquote', t.TOP,
                        '-o', d + '/fuzz', t.TOP + '/tests/fuzz/stream.c', t.TOP + '/cli/stream.c'], check=True)
        r = subprocess.run([d + '/fuzz', '500', str(os.getpid())], capture_output=True, timeout=t.LIMIT)
        t.same(r.returncode, 0, r.stderr)


def test_heap_many_processes():
    """Forty processes, forty books."""
    with tempfile.TemporaryDirectory() as d:
        r = t.quire('-q', '-m', '256M', '--heap', '--json', d + '/r.json', '--', 'sh', '-c', 'for i in $(seq 40); do /bin/echo $i > /dev/null; done')
        t.same((r.returncode, r.stderr), (0, b''), 'end')
        j = json.load(open(d + '/r.json'))
    names = [p['name'] for p in tree_of(j, 'heap')['processes']]
    t.same((names.count('echo'), names.count('seq')), (40, 1), 'processes')


THREADS = r'''
#include <pthread.h>
#include <stdlib.h>
static void *work(void *a)
{
	for (int i = 0; i < 20000; i++) {
		char *p = malloc(16 + i % 100);
		p = realloc(p, 200 + i % 7);
		free(p);
	}
	return malloc(1234);
}
int main(void)
{
	pthread_t t[4];
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], 0, work, 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], 0);
	return 0;
}
'''


def test_heap_threads():
    """Four threads on two processors: nothing is counted twice or not at all."""
    with tempfile.TemporaryDirectory() as d:
        program = compiled(d, THREADS, '-pthread')
        r = t.quire('-q', '-p', '2', '-m', '256M', '--heap', '--json', d + '/r.json', '--', program)
        t.same((r.returncode, r.stderr), (0, b''), 'end')
        j = json.load(open(d + '/r.json'))
    work = [v for x, v in paths(j, tree_of(j, 'heap')) if x[-1].startswith('work (')]
    t.same(sum(v['total_blocks'] for v in work), 4 * 40001, 'blocks')
    t.same(sum(v['leaked_bytes'] for v in work), 4 * 1234, 'leaked')


SMALL = r'''
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#define N __attribute__((noinline))
static unsigned char *at[4000];
static unsigned len[4000];
N static void *fresh(unsigned n) { return malloc(n); } /* FRESH */
static void round_of(unsigned seed, int times)
{
	for (int i = 0; i < times; i++) {
		unsigned k = (seed = seed * 1103515245 + 12345) / 65536 % 4000, n = 1 + seed / 8192 % 1200;
		for (unsigned b = 0; at[k] && b < len[k]; b++)
			if (at[k][b] != (unsigned char)(k + len[k]))
				abort();
		free(at[k]);
		at[k] = fresh(n);
		len[k] = n;
		if ((uintptr_t)at[k] % 16 || malloc_usable_size(at[k]) < n)
			abort();
		memset(at[k], (int)(k + n), n);
	}
}
static void *thread(void *seed) { round_of((unsigned)(uintptr_t)seed, 20000); return NULL; }
int main(int argc, char **argv)
{
	pthread_t t;
	if (argc > 1) {
		char *volatile p = malloc(100);
		free(p);
		free(p);
		return 0;
	}
	round_of(1, 40000);
	if (!fork()) {
		round_of(2, 20000);
		_exit(0);
	}
	wait(NULL);
	pthread_create(&t, NULL, thread, (void *)3);
	pthread_join(t, NULL);
	round_of(4, 20000);
	for (int k = 0; k < 4000; k++)
		free(at[k]);
	return 0;
}
'''


def test_heap_small_blocks():
    """Small blocks go round without the C library: they hold what was written, across fork and threads; freed twice is noticed."""
    with tempfile.TemporaryDirectory() as d:
        program = compiled(d, SMALL, '-pthread')
        r = t.quire('-q', '-m', '256M', '--heap', '--json', d + '/r.json', '--', program)
        t.same((r.returncode, r.stderr), (0, b''), 'end')
        j = json.load(open(d + '/r.json'))
        r = t.quire('-q', '-m', '256M', '--heap', '--', program, 'twice')
        t.same((r.returncode, b'double free' in r.stderr), (134, True), 'freed twice')
    parent, child = sorted(tree_of(j, 'heap')['processes'], key=lambda x: x['forked'])
    blocks = [v for x, v in paths(j, tree_of(j, 'heap')) if x[-1].startswith('fresh (')]
    t.same(sum(v['total_blocks'] for v in blocks), 40000 + 20000 + 20000 + 20000, 'blocks')
    t.same(sum(v['leaked_blocks'] for v in blocks), child['leaked_blocks'], 'the child alone leaves some')
    t.check(parent['leaked_blocks'] <= 2 and 0 < child['leaked_blocks'] <= 4000, parent, child)


def test_stacks_and_heap():
    """Both together, and audited: 40 lines of 100 columns; pages that malloc's own work touched are told through --heap's library."""
    with tempfile.TemporaryDirectory() as d:
        program = compiled(d, HEAP)
        r = t.quire('-m', '256M', '--stacks', '--heap', '--audit', '--json', d + '/r.json', '--', program)
        t.same(r.returncode, 0, r.stderr)
        j = json.load(open(d + '/r.json'))
    lines = r.stderr.decode().split('── quire ', 1)[1].rstrip('\n').split('\n')
    t.check(len(lines) <= 40 and max(map(len, lines)) <= 100, len(lines), max(lines, key=len))
    t.check(all(any(l.startswith(w) for l in lines) for w in ('USER PAGES', 'KERNEL PAGES', 'HEAP, bytes')), lines)
    through = [x for x, v in paths(j, tree_of(j, 'pages')) if any('heap.so' in f for f in x) and any(f.startswith('main (') for f in x)]
    t.check(through, 'no stack leads through the library')


def massif_peak(text):
    """The largest mem_heap_B, and the first line of the peak's tree that tells of malloc."""
    tree = text[text.index('heap_tree=peak'):]
    return int(re.search(r'n\d+: (\d+) \(heap allocation functions\)', tree).group(1))


def test_heap_as_massif():
    """massif on Linux and quire on the same program: the same heap at the peak, and ms_print takes both."""
    if not shutil.which('ms_print') or not shutil.which('valgrind'):
        raise t.Skip('no valgrind')
    with tempfile.TemporaryDirectory() as d:
        program = compiled(d, HEAP)
        subprocess.run(['valgrind', '--tool=massif', '--peak-inaccuracy=0.0', '--massif-out-file=' + d + '/m', program], capture_output=True, check=True)
        r = t.quire('-q', '-m', '256M', '--heap', '--massif', d + '/q', '--time-unit', 'B', '--', program)
        t.same((r.returncode, r.stderr), (0, b''), 'end')
        q, m = open(d + '/q').read(), open(d + '/m').read()
        t.same(massif_peak(q), max(map(int, re.findall(r'mem_heap_B=(\d+)', m))), 'peak')
        printed = subprocess.run(['ms_print', d + '/q'], capture_output=True, text=True)
        t.same(printed.stderr, '', 'ms_print')
        t.check('(peak)' in printed.stdout and 'time(B)' in printed.stdout and 'make (' in printed.stdout, printed.stdout[:3000])
        times = list(map(int, re.findall(r'^time=(\d+)', q, re.M)))
        t.same(times, sorted(times), 'times')


def test_heap_of_debian():
    """Python and its modules, loaded at run time: nearly every stack reaches main()."""
    with tempfile.TemporaryDirectory() as d:
        r = t.quire('-q', '-m', '256M', '--heap', '--json', d + '/r.json', '--', '/usr/bin/python3', '-c', 'import json; print(len(json.dumps(list(range(9999)))))')
        t.same((r.stdout, r.stderr), (b'58884\n', b''), 'output')
        j = json.load(open(d + '/r.json'))
        t.check(os.path.getsize(d + '/r.json') < 1 << 20, 'size', os.path.getsize(d + '/r.json'))
    tree = tree_of(j, 'heap')
    total = sum(n[2 + tree['columns'][2:].index('total_blocks')] for n in tree['nodes'] if n[0] < 0)
    rooted = sum(v['total_blocks'] for x, v in paths(j, tree) if len(x) == 3 and '__libc_start' in x[2])
    t.check(total > 1000 and rooted > total * 0.95, rooted, 'of', total)
