/*
 * symbols.h - names for code: a place in a file becomes functions, source files and lines; a captured stack its callers.
 */
#ifndef CLI_SYMBOLS_H
#define CLI_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options;
struct object; /* one program, library or kernel, opened once */

/* A place with a name. Texts live as long as the process; file NULL: unknown. */
struct place {
	const char *function, *file, *module;
	int line;
	bool kernel;
};

const char *keep_text(const char *s); /* the one copy of this text */

/* The host's file for a path of the guest. NULL: not there, or no ELF file. Kept until the end. */
struct object *object_of_guest(const struct options *o, const char *path);
struct object *object_of_file(const char *path);
struct object *object_of_kernel(const char *path);
const char *object_name(const struct object *o);
/* Where an offset of the file, in code, is in the object's own addresses; 0: nowhere. */
uint64_t object_address(struct object *o, uint64_t file_offset);
/* An address as the file itself has it, in the object's own addresses. */
uint64_t object_own_address(const struct object *o, uint64_t file_address);
/* The address of a function by name; 0: none such. */
uint64_t object_symbol(struct object *o, const char *name);
/*
 * What stands at an address, innermost first: inlined functions each have an entry. At least one, at most max. A caller's
 * address is that behind its call: pass it less one.
 */
unsigned object_places(struct object *o, uint64_t address, struct place *out, unsigned max);

/* Where code lies in one address space. */
struct code_map {
	struct mapping {
		uint64_t start, end, offset;
		uint64_t address; /* of start in the object's own addresses; 0: unknown */
		struct object *object; /* NULL: unknown, or no file */
		const char *name;
	} *at;
	size_t nr, size;
};

void code_map_add(struct code_map *m, uint64_t start, uint64_t end, uint64_t offset, struct object *o, const char *name);
void code_map_remove(struct code_map *m, uint64_t start, uint64_t end);
void code_map_copy(struct code_map *to, const struct code_map *from);
const struct mapping *code_map_find(const struct code_map *m, uint64_t pc);

#define UNWIND_REGS 17
#define UNWIND_MOST 256

/* Registers (by DWARF number) and a piece of stack become pcs, innermost first. Those of callers are behind their calls. */
unsigned unwind(const struct code_map *m, const uint64_t regs[UNWIND_REGS], const void *stack, size_t stack_len,
		uint64_t *pcs, unsigned max);

/* For unwind(): the rule for a pc. */
struct Dwarf_Frame_s;
struct Dwarf_Frame_s *object_frame(struct object *o, uint64_t address);

#endif
