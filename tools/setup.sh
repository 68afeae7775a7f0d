# setup.sh - what has to be installed, for ./quire, ./demo and ./test. POSIX sh; read with ".".
#   missing_packages [tests]   print the Debian packages that are missing, each with a leading space
#   install_packages [tests]   install them through apt, with sudo when needed; elsewhere say what is missing

# A command or file that proves a package is there, and the package.
setup_list() {
	cat <<-END
		gcc			gcc
		make			make
		ld			binutils
		python3			python3
		/usr/include/stdio.h	libc6-dev
		/usr/include/linux/fs.h	linux-libc-dev
		qemu-system-x86_64	qemu-system-x86
		/usr/include/jansson.h	libjansson-dev
		/usr/include/elfutils/libdwfl.h	libdw-dev
		musl-gcc		musl-tools
	END
	[ "$1" = demo ] || [ "$1" = tests ] && cat <<-END
		sqlite3			sqlite3
		xz			xz-utils
	END
	[ "$1" = tests ] && cat <<-END
		clang			clang
		busybox			busybox-static
		gdb			gdb
		stress-ng		stress-ng
		strace			strace
		grub-mkrescue		grub-common
		/usr/lib/grub/i386-pc/boot.img	grub-pc-bin
		xorriso			xorriso
		git			git
		zstd			zstd
		gawk			gawk
		free			procps
		perl			perl
		/usr/lib/python3.11/test/test_mmap.py	libpython3.11-testsuite
		/sbin/e2fsck		e2fsprogs
		valgrind		valgrind
		smem			smem
		lsmod			kmod
		/usr/lib/gcc/x86_64-linux-gnu/12/32/libgcc.a	gcc-multilib
	END
	return 0
}

missing_packages() {
	setup_list "$1" | while read -r proof package; do
		case $proof in
		/*) [ -e "$proof" ] || printf ' %s' "$package" ;;
		*) command -v "$proof" >/dev/null 2>&1 || printf ' %s' "$package" ;;
		esac
	done
}

install_packages() {
	missing=$(missing_packages "$1")
	[ -n "$missing" ] || return 0
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "Please install (Debian's names):$missing" >&2
		return 1
	fi
	as_root=
	if [ "$(id -u)" != 0 ]; then
		command -v sudo >/dev/null 2>&1 || {
			echo "Please install as root: apt-get install$missing" >&2
			return 1
		}
		as_root=sudo
	fi
	echo "Installing with apt-get:$missing" >&2
	# shellcheck disable=SC2086 # a list of words
	$as_root apt-get update -qq &&
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
	[ -z "$(missing_packages "$1")" ] || {
		echo "Still missing:$(missing_packages "$1")" >&2
		return 1
	}
}
