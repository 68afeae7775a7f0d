/*
 * version.h - what uname and /proc/version say.
 *
 * The release is that of the Linux whose ABI we follow: C libraries refuse to run on "too old" kernels.
 */
#ifndef KERNEL_VERSION_H
#define KERNEL_VERSION_H

#define QUIRE_VERSION		"0.1"
#define QUIRE_LINUX_RELEASE	"6.1.0-quire"
#define QUIRE_VERSION_TEXT	"#1 Quire " QUIRE_VERSION

/* A module must have been built for this kernel: the structures differ between these builds. */
#ifdef DEBUG
#define MODULE_VERMAGIC		QUIRE_LINUX_RELEASE " SMP mod_unload modversions debug "
#else
#define MODULE_VERMAGIC		QUIRE_LINUX_RELEASE " SMP mod_unload modversions "
#endif

#ifdef __clang__
#define COMPILER_NAME		"clang " __clang_version__
#else
#define COMPILER_NAME		"gcc " __VERSION__
#endif
#ifdef DEBUG
#define DEBUG_NAME		", debug"
#else
#define DEBUG_NAME		""
#endif

#endif
