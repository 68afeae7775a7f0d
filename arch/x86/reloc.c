/*
 * reloc.c - the relocations of modules. No instruction in here is x86's, so the host build fuzzes the loader with it (tests/fuzz/modules.c).
 */
#include <abi/errno.h>
#include <kernel/module.h>

enum { R_X86_64_64 = 1, R_X86_64_PC32 = 2, R_X86_64_PLT32 = 4, R_X86_64_32 = 10, R_X86_64_32S = 11, R_X86_64_PC64 = 24 };

unsigned module_reloc_width(unsigned type)
{
	static const u8 width[] = {
		[R_X86_64_64] = 8, [R_X86_64_PC64] = 8, [R_X86_64_32] = 4, [R_X86_64_32S] = 4, [R_X86_64_PC32] = 4, [R_X86_64_PLT32] = 4,
	};

	return type < ARRAY_SIZE(width) ? width[type] : 0;
}

bool module_reloc_is_relative(unsigned type)
{
	return type == R_X86_64_PC32 || type == R_X86_64_PLT32;
}

/* The place may lie at any address. As builtins: a call for four bytes costs more than all the rest. */
int module_relocate(unsigned type, void *place, u64 value, s64 addend)
{
	u64 v = value + (u64)addend;

	switch (type) {
	case R_X86_64_PC64:
		v -= (u64)place;
		/* fall through */
	case R_X86_64_64:
		__builtin_memcpy(place, &v, 8);
		return 0;
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
		v -= (u64)place;
		/* fall through */
	case R_X86_64_32S:
		if ((s64)v != (s32)v)
			return -ENOEXEC;
		break;
	case R_X86_64_32:
		if (v >> 32)
			return -ENOEXEC;
		break;
	default:
		return -ENOEXEC;
	}
	__builtin_memcpy(place, &v, 4);
	return 0;
}
