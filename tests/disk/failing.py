"""failing.py - disks that fail, by QEMU's blkdebug: swap areas, files and metadata of ext2. errors.c is what runs in the guest."""
import os, re, shlex, subprocess

from disk import QUIRE, TOP, clean, content, guest, image, sh


def rules(tmp, *rules_):
    """[(iotype, sector or None, once)] -> the environment that makes disk 0 fail so."""
    path = os.path.join(tmp, 'rules')
    with open(path, 'w') as f:
        for iotype, sector, once in rules_:
            f.write('[inject-error]\nevent = "none"\niotype = "%s"\nerrno = "5"\nonce = "%s"\n' % (iotype, 'on' if once else 'off'))
            f.write('' if sector is None else 'sector = "%d"\n' % sector)
    return dict(os.environ, QUIRE_QEMU=os.path.join(TOP, 'tests/disk/qemu_blkdebug'), BLKDEBUG_DISK='0', BLKDEBUG_RULES=path)


def failing_guest(tmp, img, script, env, *opts):
    exe = os.path.join(tmp, 'errors')
    if not os.path.exists(exe):
        subprocess.run(['cc', '-O1', '-static', '-w', '-o', exe, os.path.join(TOP, 'tests/disk/errors.c')], check=True)
    log = os.path.join(tmp, 'log')
    script = 'cd %s; ' % shlex.quote(tmp) + script
    rc, out = guest(img, script + '\ncat /proc/ledger/audit; echo done', '--log', log, '--rodir', tmp, *opts, env=env)
    with open(log, errors='replace') as f:
        said = f.read()
    if rc or 'done' not in out or 'audit: ok' not in out or 'panicked' in said:
        print('# ' + out[-1500:].replace('\n', '\n# ') + '\n# ' + '\n# '.join(said.splitlines()[-8:]))
        return None, said
    return out, said


def swap_image(tmp):
    img = os.path.join(tmp, 'disk.img')
    with open(img, 'wb') as f:
        f.truncate(16 << 20)
    r = sh('mkswap', img)
    assert r.returncode == 0, r.stdout
    return img


def swap_case(words, *rules_, opts=(), more=None):
    def fn(tmp):
        img = swap_image(tmp)
        out, said = failing_guest(tmp, img, 'swapon /dev/vda; ./errors %s' % words, rules(tmp, *rules_), '-m', '128M', *opts)
        if out is None or 'fine\n' not in out:
            print('# ' + str(out))
            return False
        return not more or more(out, said)
    return fn


SLOT = 130


def all_stay(out, said):
    return 'resident 400' in out and 'write error' in said


def some_stay(out, said):
    n = int(re.search(r'resident (\d+)', out).group(1))
    print('# %d stay' % n)
    return n == 3			# what has a bad slot, and nothing else


def swap_dead(tmp):
    """An area that takes nothing: a program that needs it dies of the OOM killer, the machine goes on."""
    img = swap_image(tmp)
    out, said = failing_guest(tmp, img, 'swapon /dev/vda; python3 -S -c "x = [bytes([i]) * (1 << 20) for i in range(60)]";'
                              ' echo status $?; swapoff /dev/vda; echo off $?; ls / >/dev/null && echo alive',
                              rules(tmp, ('write', None, False)), '-m', '32M')
    return out is not None and 'status 137' in out and 'alive' in out and 'off 0' in out


def block_of(img, name, index):
    r = subprocess.run(['debugfs', '-R', 'bmap %s %d' % (name, index), img], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return int(r.stdout.split()[0])


def with_victim(tmp, bs):
    src = os.path.join(tmp, 'src')
    os.makedirs(src)
    with open(os.path.join(src, 'victim'), 'wb') as f:
        f.write(b'v' * (32 << 12))
    return image(tmp, '20M', '-b', str(bs), '-d', src)


MOUNT = 'mkdir -p /tmp/m; mount -t ext2 %s /dev/vda /tmp/m && cd /tmp/m || exit 9; '


def file_write(bs):
    """A block that cannot be written: each open file is told once; the neighbours are written (those in the same 4 KiB may not be)."""
    def fn(tmp):
        img = with_victim(tmp, bs)
        sector = block_of(img, 'victim', 13 * 4096 // bs) * bs // 512
        out, _ = failing_guest(tmp, img, MOUNT % '' + '%s/errors file victim 13; cd /; umount /tmp/m' % shlex.quote(tmp), rules(tmp, ('write', sector, False)))
        if out is None or 'fine\n' not in out:
            print('# ' + str(out))
            return False
        data = content(img, 'victim')
        first = subprocess.run([os.path.join(tmp, 'errors'), 'show'], stdout=subprocess.PIPE).stdout
        return clean(img) and data[13 * 4096:13 * 4096 + bs] == b'v' * bs and all(data[i * 4096:i * 4096 + 4096] == first[i * 4096:i * 4096 + 4096]
                                                                             for i in range(32) if abs(i - 13) > (bs < 4096))
    return fn


def file_read(tmp):
    """A block that cannot be read: EIO and SIGBUS there, and nowhere else; read again when the disk can."""
    img = with_victim(tmp, 4096)
    sector = block_of(img, 'victim', 13) * 8
    py = ('import os\nf = os.open("victim", 0)\nbad = []\nfor i in range(32):\n try:\n  assert os.pread(f, 4096, i << 12) == b"v" * 4096\n'
          ' except OSError as e: bad.append((i, e.errno))\nprint("bad", bad)\n')
    again = 'python3 -S -c \'%s\'; ' % py
    for once, want in ((False, 'bad [(13, 5)]\nbad [(13, 5)]\n'), (True, 'bad []\nbad []\n')):
        out, _ = failing_guest(tmp, img, MOUNT % '-o ro' + again * 2 + 'cd /; umount /tmp/m', rules(tmp, ('read', sector, once)))
        if out is None or not out.startswith(want):
            print('# ' + str(out))
            return False
    return True


def dumpe2fs(img, what):
    r = subprocess.run(['dumpe2fs', '-h', img], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    return re.search(what + r':\s*(.*)', r).group(1)


def inode_table(img):
    r = subprocess.run(['dumpe2fs', img], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    return int(re.search(r'Inode table at (\d+)', r).group(1))


def metadata(option, want, once=False):
    """The inode table cannot be written."""
    def fn(tmp):
        img = with_victim(tmp, 4096)
        script = MOUNT % option + ('grep /tmp/m /proc/mounts; echo x > new; sync; touch later && echo touched; cat victim | wc -c;'
                                   ' grep -o "/tmp/m ext2 r[ow]" /proc/mounts; cd /; umount /tmp/m; echo unmounted $?')
        out, said = failing_guest(tmp, img, script, rules(tmp, ('write', inode_table(img) * 8, once)))
        good = out is not None and 'unmounted 0' in out and '131072' in out and want(out, said, dumpe2fs(img, 'Filesystem state'))
        if not good:
            print('# %s %s\n# %s' % (out, said[-600:], dumpe2fs(img, 'Filesystem state')))
            return False
        return sh('e2fsck', '-fy', img).returncode <= 1 and clean(img)
    return fn


def goes_ro(out, said, state):
    return ('touched' not in out and 'ext2 ro' in out and 'errors=remount-ro' in out and 'remounting filesystem read-only' in said and
            'with errors' in state)


def goes_on(out, said, state):
    return 'touched' in out and 'ext2 rw' in out and 'errors=continue' in out and 'with errors' in state


def flush_fails(tmp):
    """The data is with the disk, but not safe: fsync says so, and the next one that works says so too."""
    img = with_victim(tmp, 4096)
    py = ('import os\nf = os.open("victim", os.O_RDWR)\nfor i in range(3):\n os.pwrite(f, b"w", 0)\n try: os.fsync(f); print("ok")\n'
          ' except OSError as e: print("errno", e.errno)\n')
    env = rules(tmp)
    with open(env['BLKDEBUG_RULES'], 'w') as f:		# from the second one on: the first is mount's
        f.write('[set-state]\nevent = "flush_to_disk"\nstate = "1"\nnew_state = "2"\n'
                '[inject-error]\nevent = "flush_to_disk"\nstate = "2"\niotype = "flush"\nerrno = "5"\n')
    out, _ = failing_guest(tmp, img, MOUNT % '' + 'python3 -S -c \'%s\'; cd /; umount /tmp/m' % py, env)
    return out is not None and out.startswith('errno 5\nerrno 5\nerrno 5\n') and content(img, 'victim')[:1] == b'w'


def each_alloc(tmp):
    """Every allocation of the kernel failed in turn: swapon, swapoff, pages out and in, and all that ext2 does."""
    exe = os.path.join(tmp, 'fault_injection')
    subprocess.run(['cc', '-O1', '-static', '-pthread', '-w', '-o', exe, os.path.join(TOP, 'tests/sys/fault_injection.c')], check=True)
    os.mkdir(os.path.join(tmp, 'w'))
    swap = os.path.join(swap_image(tmp), '')[:-1]
    os.rename(swap, swap + '.swap')
    for bs in (4096, 1024):
        img = image(tmp, '8M', '-b', str(bs))
        names = 'each_mount_ext2' if bs == 1024 else 'each_mount_ext2 each_swapon each_swap_out each_swap_shmem each_swap_in'
        r = sh(QUIRE, 'run', '-q', '--root', '--audit', '--disk', img, '--disk', swap + '.swap', '--rodir', tmp, '--', 'bash', '-c',
               'cd /tmp; export EXT2_DISK=/dev/vda SWAP_DISK=/dev/vdb; for t in %s; do [ ${t#each_swap_} = $t ] || swapon /dev/vdb;'
               ' %s $t 2>&1 | grep -v ^1; done; swapoff -a; echo done' % (names, shlex.quote(exe)))
        out = r.stdout.decode('utf-8', 'replace')
        good = r.returncode == 0 and 'not ok' not in out and out.count('ok ') == len(names.split()) and 'SKIP' not in out and 'done' in out
        if not good or not clean(img):
            print('# ' + out[-2000:].replace('\n', '\n# '))
            return False
    return True


TESTS = [
    ('fail_each_alloc', each_alloc),
    ('fail_swap_read', swap_case('swap-read %d' % SLOT, ('read', SLOT * 8 + 3, False))),
    ('fail_swap_read_once', swap_case('swap-read', ('read', SLOT * 8 + 3, True))),
    ('fail_swap_write', swap_case('swap-write', ('write', None, False), more=all_stay)),
    ('fail_swap_write_slots', swap_case('swap-write', *[('write', s * 8, False) for s in (70, 71, 200)], more=some_stay)),
    ('fail_swap_mixed', swap_case('swap-mixed %d' % SLOT, ('read', SLOT * 8, False))),
    ('fail_swap_shmem', swap_case('shmem-read %d' % SLOT, ('read', SLOT * 8 + 3, False))),
    ('fail_swap_zswap', swap_case('swap-write', ('write', None, False), opts=('--zswap', '1%'))),
    ('fail_swap_dead', swap_dead),
    ('fail_file_write_4096', file_write(4096)), ('fail_file_write_1024', file_write(1024)), ('fail_file_read', file_read),
    ('fail_metadata_ro', metadata('-o errors=remount-ro', goes_ro)), ('fail_metadata_on', metadata('-o errors=continue', goes_on)),
    ('fail_flush', flush_fails),
]
