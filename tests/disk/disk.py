"""disk.py - what the tests of disks share: images, guests, judges."""
import hashlib, os, subprocess, sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QUIRE = os.path.join(TOP, 'build', 'quire')
os.environ['PATH'] += ':/usr/sbin:/sbin'
VERBOSE = '-v' in sys.argv[1:]
LIMIT = 240


def sh(*cmd, **kw):
    return subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, **kw)


def image(tmp, size='40M', *opts):
    path = os.path.join(tmp, 'disk.img')
    with open(path, 'wb') as f:
        f.truncate(int(size[:-1]) << 20)
    r = sh('mke2fs', '-q', '-t', 'ext2', *opts, path)
    assert r.returncode == 0, r.stdout
    return path


def guest(img, script, *opts, **kw):
    r = sh(QUIRE, 'run', '-q', '--root', *opts, '--disk', img, '--', 'bash', '-c', script, **kw)
    if VERBOSE or r.returncode:
        for line in r.stdout.decode('utf-8', 'replace').splitlines()[-15:]:
            print('# ' + line)
    return r.returncode, r.stdout.decode('utf-8', 'replace')


def clean(img):
    r = sh('e2fsck', '-fn', img)
    if r.returncode:
        print('# ' + r.stdout.decode('utf-8', 'replace').replace('\n', '\n# '))
    return r.returncode == 0


def content(img, name):
    return subprocess.run(['debugfs', '-R', 'cat ' + name, img], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def same_big(img):
    return content(img, 'big.md5').split()[:1] == [hashlib.md5(content(img, 'big')).hexdigest().encode()]
