"""ordinary.py - what a runner that imports this does not inherit.

Signals that nohup, a shell's background job or a CI's supervisor ignored or blocked: programs under test would get the same, and
`quire run` hands it on to the guest, as it should. A locale that translates messages, or is not there. Variables that the Makefile
or the command would take for orders.
"""
import os, signal, sys

LOCALE = 'C.UTF-8'
if os.environ.get('LC_ALL') != LOCALE:
    for k in [k for k in os.environ if k.startswith('LC_') or k in ('LANG', 'LANGUAGE')]:
        del os.environ[k]
    os.environ['LC_ALL'] = LOCALE
    if sys.getfilesystemencoding() != 'utf-8':
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
for k in [k for k in os.environ if k in ('DEBUG', 'NO_LEDGER', 'M', 'V', 'INITRD', 'APPEND', 'MEM', 'CPUS', 'MAKEFLAGS', 'MFLAGS', 'MAKELEVEL',
                                         'HOST_CFLAGS', 'USER_CFLAGS', 'HEAPCC', 'POSIXLY_CORRECT', 'BASH_ENV', 'QUIRE_GUEST')]:
    del os.environ[k]
for s in signal.valid_signals():
    if s not in (signal.SIGPIPE, signal.SIGXFSZ) and signal.getsignal(s) == signal.SIG_IGN:       # these two are Python's own doing, and not inherited
        signal.signal(s, signal.default_int_handler if s == signal.SIGINT else signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
