# programs.sh - real programs at real work; each section prints something that is the same in every Linux.
# tests/cli/run runs it here and under Quire and compares.
export LC_ALL=C TMPDIR=/tmp
d=$(mktemp -d) && cd "$d" || exit 1
s() { echo "== $*"; }
s coreutils; seq 1 1000 > a; wc a; sha1sum a; md5sum a; sort -rn a | head -2; sort -R a | sort -n | cmp - a && echo same; split -l 100 a x; ls x* | wc -l; cat x?? | cmp - a && echo cat; tac a | head -1; shuf a | wc -l; od -c a | head -2; cksum a; expr 3 + 4; factor 123456789; date -u -d @0; basename /a/b.c .c; dirname /a/b; tr a-z A-Z </etc/hostname >/dev/null; cut -d: -f1 /etc/passwd | head -3; paste a a | head -1; join a a | tail -1; comm a a | tail -1; uniq -c a | tail -1; nl a | tail -1; fold -w 10 a | tail -1; truncate -s 1M big; stat -c %s big; du -b big | cut -f1; cp -a a b; mv b c; ln a hard; ln -s a soft; readlink soft; stat -c %h a; rm c; mkdir -p p/q/r; rmdir -p p/q/r; touch -d @1000 t; stat -c %Y t; chmod 640 t; stat -c %a t; install -m 755 a ins; stat -c %a ins; mkfifo f; (echo via fifo >f &); cat f; tee t1 t2 <a | tail -1; cmp t1 t2 && echo tee; timeout 1 sleep 5; echo $?; nice -n 5 true; env -i A=1 env; printf '%05d\n' 42; numfmt --to=iec 1048576; base64 a | tail -1; dd if=/dev/zero bs=4k count=10 2>/dev/null | wc -c; df -P . | wc -l; sync; tsort <<< "a b"; test -x ins && echo x; id -u; pwd | wc -c; yes | head -100000 | wc -l; stat -f -c %l . 
s findutils; find /etc -maxdepth 1 -name 'p*' | sort | head; find . -type f | sort | xargs sha1sum | sha1sum; find /usr/bin -perm -4000 | sort | head -3; ls | xargs -n 2 echo | wc -l; ls | xargs -P 4 -n 1 echo | sort | wc -l
s grep; grep -c 7 a; grep -E '^(1|2)0+$' a; grep -rl root /etc/passwd; zgrep --version | head -1
s sed; sed -n '5,7p' a; sed 's/1/one/g' a | tail -1; sed -i 's/^1$/uno/' a; head -1 a
s awk; gawk '{n+=$1} END {print n}' a; awk 'BEGIN { while (("echo x" | getline l) > 0) print l; printf "%.3f\n", atan2(0,-1) }'
s tar; tar cf t.tar x??; tar tf t.tar | wc -l; mkdir ex; tar xf t.tar -C ex; diff -r ex/xaa xaa && echo same; tar czf t.tgz x??; tar xzf t.tgz -O xaa | cmp - xaa && echo gz; tar cJf t.txz x??; tar xJf t.txz -O xab | cmp - xab && echo xz; tar --zstd -cf t.tzst x??; tar --zstd -xf t.tzst -O xac | cmp - xac && echo zst
s compress; for z in 'gzip -9' 'bzip2' 'xz -6' 'zstd -q -19' ; do $z -c a > z; ${z%% *} -dc z | cmp - a && echo "$z"; done; xz -T2 -c big | xz -dc | cmp - big && echo xzT
s perl; perl -e 'my %h; $h{$_ % 7}++ for 1..10000; print join(",", map {"$_=$h{$_}"} sort keys %h), "\n"'; perl -MPOSIX -e 'print POSIX::floor(3.7), "\n"; my $p = fork; if (!$p) { exit 3 } waitpid $p, 0; print $? >> 8, "\n"'; perl -MSocket -e 'socketpair(A,B,AF_UNIX,SOCK_STREAM,PF_UNSPEC) or die; syswrite A,"hi\n"; sysread B,$x,3; print $x'; perl -e 'local $SIG{ALRM}=sub{print "alarm\n"; exit}; alarm 1; sleep 10'
s bash; bash -c 'a=(1 2 3); echo ${#a[@]} ${a[@]:1}; declare -A m=([x]=1); echo ${m[x]}; diff <(echo 1) <(echo 1) && echo psub; coproc cat; echo hi >&${COPROC[1]}; read -u ${COPROC[0]} l; echo $l; kill %1; cat <<< here; [[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}; printf "%(%Y)T\n" 0; mapfile -t l < a; echo ${#l[@]}; ulimit -s; trap "echo trapped" USR1; kill -USR1 $$; wait; set -o pipefail; false | true; echo $?'
s dash; dash -c 'for i in 1 2 3; do (exit $i); echo $?; done; x=$(seq 5 | while read l; do echo -n $l; done); echo $x'
s python; /usr/bin/python3 -c 'import os,sys,subprocess,threading,mmap,tempfile,json,hashlib,socket,select,time,multiprocessing as mp
print(subprocess.run(["echo","sub"],capture_output=True).stdout)
t=[threading.Thread(target=lambda i=i: r.append(i)) for i in range(10)]; r=[]
[x.start() for x in t]; [x.join() for x in t]; print(sorted(r))
m=mmap.mmap(-1,8192); m[5000:5005]=b"hello"; print(m[5000:5005])
f=tempfile.TemporaryFile(); f.write(b"x"*100000); f.seek(0); print(len(f.read()))
a,b=socket.socketpair(); a.send(b"hey"); print(b.recv(10)); print(select.select([b],[],[],0.01))
def sq(x): return x*x
with mp.Pool(3) as p: print(p.map(sq, range(5)))
e=select.epoll(); e.register(b,1); a.send(b"1"); print(e.poll(1)[0][1])
print(hashlib.sha256(b"a"*1000000).hexdigest())
print(os.sched_getaffinity(0) != set(), os.getpid() > 0)
'
s git; git init -q repo && cd repo && git config user.email a@b && git config user.name n && for i in 1 2 3; do echo $i > f$i; git add .; GIT_AUTHOR_DATE="100000000$i +0000" GIT_COMMITTER_DATE="100000000$i +0000" git commit -q -m c$i; done; git log --oneline | wc -l; git log --format=%H | head -1; git status --short; echo x >> f1; git diff --stat; git stash -q; git fsck 2>&1 | grep -c dangling; git gc -q; git log | sha1sum; cd ..
s gcc; echo 'int main(){return 42;}' > m.c; gcc -O2 -o m m.c && ./m; echo $?; echo 'int f(int x){return x*3;}' > l.c; gcc -shared -fPIC -o libl.so l.c; echo 'int f(int); int main(){return f(5);}' > u.c; gcc -o u u.c -L. -ll -Wl,-rpath,. && ./u; echo $?; printf 'all: o\no: m.c\n\t@echo made > o\n' > Makefile; make -s; cat o; strip m; ./m; echo $?; ar rc la.a m.c; ar t la.a
s procps; ps -o comm= -p $$; free -b | awk 'NR==1'; ps aux | awk 'NR==1'; pgrep -x nosuch; uptime >/dev/null && echo up; vmstat 2>/dev/null | wc -l; pmap $$ | tail -1 | awk '{print $1}'; top -bn1 | head -1 | awk '{print $1}'
s busybox; busybox sh -c 'echo $((6*7)); ls / | busybox wc -l >/dev/null; seq 3 | busybox awk "{s+=\$1} END {print s}"'; busybox md5sum a; busybox gzip -c a | busybox zcat | cmp - a && echo bbgz; busybox vi --help 2>&1 | head -1 | cut -c1-7
s sqlite; sqlite3 t.db 'create table t(a,b); insert into t values(1,2),(3,4); select sum(a*b) from t; pragma journal_mode=wal; insert into t values(5,6); select count(*) from t; vacuum;'; sqlite3 t.db .dump | sha1sum
cd /; rm -rf $d; s end
