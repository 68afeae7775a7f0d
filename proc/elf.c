/*
 * elf.c - map an ELF program and its interpreter into a new address space.
 *
 * SHAPE       check the header -> read the program headers -> map each PT_LOAD -> clear the end of data -> place brk.
 *             The interpreter (PT_INTERP: ld.so) goes through the same, once.
 * PLACES      ET_EXEC where it says; a position-independent program with an interpreter above 2/3 of the address space,
 *             without one (static-pie, ld.so itself) in the mmap area; both moved by ASLR.
 * BAD INPUT   every number in the file is hostile. All sums are checked for overflow against the user half before anything
 *             is mapped. Nothing of the old program is gone yet, so every error is simply returned.
 * LINUX       fs/binfmt_elf.c decides the errnos: ENOEXEC for what is not ELF for this machine, EINVAL for impossible
 *             segments, ELIBBAD for a broken interpreter.
 * SOURCE      System V ABI, AMD64 supplement, chapter 5; elf(5).
 */
#include <abi/mman.h>
#include <kernel/random.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <proc/process.h>

#include "exec.h"

#define ELF_MAX_PHDRS_BYTES	65536

/* A checked header with its program headers; phdrs kmalloc'ed. */
struct elf_image {
	struct file	*file;
	Elf64_Ehdr	hdr;
	Elf64_Phdr	*phdrs;
	vaddr_t		bias;		/* what was added to every address */
	vaddr_t		base;		/* lowest mapped address */
	vaddr_t		code_start, code_end, data_start, data_end;
	vaddr_t		brk;		/* end of the highest segment, bss included */
	vaddr_t		phdr;		/* where the program headers are in memory; 0: nowhere */
};

/* Header fields that make the file one of ours. */
static bool elf_header_ok(const Elf64_Ehdr *h)
{
	return memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == ELFDATA2LSB && (h->e_type == ET_EXEC || h->e_type == ET_DYN) &&
	       h->e_machine == EM_X86_64 && h->e_phentsize == sizeof(Elf64_Phdr) && h->e_phnum > 0 &&
	       h->e_phnum * sizeof(Elf64_Phdr) <= ELF_MAX_PHDRS_BYTES;
}

/* Read exactly n bytes at off. -EIO when the file is too short, as Linux. */
static int elf_read(struct file *f, void *buf, size_t n, u64 off)
{
	ssize_t got;

	if (off > (u64)S64_MAX - n)
		return -EINVAL;
	got = file_read_kernel(f, buf, n, (loff_t)off);
	if (got < 0)
		return (int)got;
	return (size_t)got == n ? 0 : -EIO;
}

/* Fill hdr and phdrs from the file. 0, -ENOEXEC, -EIO, -ENOMEM. img->phdrs is the caller's to free. */
static int elf_read_headers(struct elf_image *img)
{
	size_t bytes;
	int err;

	if (!elf_header_ok(&img->hdr))
		return -ENOEXEC;
	bytes = img->hdr.e_phnum * sizeof(Elf64_Phdr);
	img->phdrs = kmalloc(bytes, GFP_KERNEL);
	if (!img->phdrs)
		return -ENOMEM;
	err = elf_read(img->file, img->phdrs, bytes, img->hdr.e_phoff);
	if (err == -EINVAL)
		err = -ENOEXEC;
	return err;
}

static int elf_prot(u32 flags)
{
	return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

/*
 * The span of all PT_LOAD segments, page-aligned. Also refuses segments that cannot be: larger in the file than in
 * memory, or not inside the user half. 0 or -EINVAL.
 */
static int elf_span(const struct elf_image *img, vaddr_t *lo, vaddr_t *hi, u64 *align)
{
	bool any = false;

	*lo = ~0UL;
	*hi = 0;
	*align = PAGE_SIZE;
	for (unsigned i = 0; i < img->hdr.e_phnum; i++) {
		const Elf64_Phdr *p = &img->phdrs[i];

		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_filesz > p->p_memsz || p->p_memsz > TASK_SIZE || p->p_vaddr > TASK_SIZE - p->p_memsz)
			return -EINVAL;
		if ((p->p_vaddr ^ p->p_offset) & (PAGE_SIZE - 1))
			return -EINVAL;
		if (p->p_align > *align && !(p->p_align & (p->p_align - 1)) && p->p_align <= GIB(1))
			*align = p->p_align;
		*lo = min(*lo, ALIGN_DOWN(p->p_vaddr, PAGE_SIZE));
		*hi = max(*hi, ALIGN_UP(p->p_vaddr + p->p_memsz, PAGE_SIZE));
		any = true;
	}
	return any ? 0 : -EINVAL;
}

/* Map [start, start + len) anonymously at exactly that place. */
static int elf_map_anon(struct mm *mm, vaddr_t start, size_t len, int prot)
{
	struct mmap_request req = {
		.addr = start, .len = len, .prot = prot,
		.flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	};
	vaddr_t got;

	return mm_mmap(mm, &req, &got);
}

/* Clear the rest of the last file page of a writable segment: bss starts in it, and programs use what lies behind. */
static int elf_clear_tail(struct mm *mm, vaddr_t from, vaddr_t to)
{
	static const u8 zeros[256];

	while (from < to) {
		size_t n = min((size_t)(to - from), sizeof(zeros));

		if (mm_access(mm, from, (void *)zeros, n, true, true) != (ssize_t)n)
			return -EFAULT;
		from += n;
	}
	return 0;
}

/* Map one PT_LOAD: file part, then anonymous pages for what memory has beyond the file. */
static int elf_map_segment(struct mm *mm, struct elf_image *img, const Elf64_Phdr *p)
{
	vaddr_t addr = ALIGN_DOWN(img->bias + p->p_vaddr, PAGE_SIZE);
	vaddr_t file_end = img->bias + p->p_vaddr + p->p_filesz;
	vaddr_t mem_end = img->bias + p->p_vaddr + p->p_memsz;
	vaddr_t mapped_end = p->p_filesz ? ALIGN_UP(file_end, PAGE_SIZE) : addr;
	int prot = elf_prot(p->p_flags);
	int err;

	if (p->p_filesz) {
		struct mmap_request req = {
			.addr = addr, .len = mapped_end - addr, .prot = prot,
			.flags = MAP_PRIVATE | MAP_FIXED,
			.pgoff = ALIGN_DOWN(p->p_offset, PAGE_SIZE) >> PAGE_SHIFT,
		};

		err = file_prepare_mmap(img->file, &req);
		if (!err)
			err = mm_mmap(mm, &req, &addr);
		if (err)
			return err;
	}
	if (mem_end > file_end && p->p_filesz && (prot & PROT_WRITE)) {
		err = elf_clear_tail(mm, file_end, mapped_end);
		if (err)
			return err;
	}
	if (mem_end > mapped_end)
		return elf_map_anon(mm, mapped_end, ALIGN_UP(mem_end, PAGE_SIZE) - mapped_end, prot);
	return 0;
}

/* Note the edges that /proc and brk want. */
static void elf_note_segment(struct elf_image *img, const Elf64_Phdr *p)
{
	vaddr_t start = img->bias + p->p_vaddr;

	if (p->p_flags & PF_X) {
		img->code_start = min(img->code_start, start);
		img->code_end = max(img->code_end, start + p->p_filesz);
	}
	img->data_start = max(img->data_start, start);
	img->data_end = max(img->data_end, start + p->p_filesz);
	img->brk = max(img->brk, start + p->p_memsz);
	if (p->p_offset <= img->hdr.e_phoff && img->hdr.e_phoff < p->p_offset + p->p_filesz)
		img->phdr = img->hdr.e_phoff - p->p_offset + start;
}

/*
 * Choose where an image of `span` bytes goes. For ET_DYN without a fixed place the whole span is claimed in the mmap area
 * first, so that its segments land in one free range; they then replace the claim.
 */
static int elf_place(struct mm *mm, struct elf_image *img, vaddr_t lo, vaddr_t hi, u64 align, bool high)
{
	struct mmap_request req = { .len = hi - lo, .prot = PROT_NONE,
				    .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };
	vaddr_t got;
	int err;

	if (img->hdr.e_type == ET_EXEC) {
		req.addr = lo;
		req.flags |= MAP_FIXED_NOREPLACE;
	} else if (high) {
		req.addr = ALIGN_DOWN(TASK_SIZE / 3 * 2, PAGE_SIZE);
		if (exec_aslr())
			req.addr += (random_u64() & (BIT(28) - 1)) << PAGE_SHIFT;
		req.addr = ALIGN_DOWN(req.addr, align);
		req.flags |= MAP_FIXED_NOREPLACE;
	} else if (align > PAGE_SIZE) {
		req.len += align;
	}
	err = mm_mmap(mm, &req, &got);
	if (err)
		return err == -EEXIST ? -ENOMEM : err;
	img->base = ALIGN_UP(got, align);
	if (img->hdr.e_type == ET_EXEC || high)
		img->base = got;
	img->bias = img->base - lo;
	/* The claim has done its work; the segments map themselves over what is then free. */
	return mm_munmap(mm, got, req.len);
}

/* Map all segments of a checked image. high: it is a program with an interpreter. */
static int elf_map_image(struct mm *mm, struct elf_image *img, bool high)
{
	vaddr_t lo, hi;
	u64 align;
	int err;

	err = elf_span(img, &lo, &hi, &align);
	if (err)
		return err;
	err = elf_place(mm, img, lo, hi, align, high);
	if (err)
		return err;
	img->code_start = ~0UL;
	for (unsigned i = 0; i < img->hdr.e_phnum; i++) {
		if (img->phdrs[i].p_type != PT_LOAD)
			continue;
		err = elf_map_segment(mm, img, &img->phdrs[i]);
		if (err)
			return err;
		elf_note_segment(img, &img->phdrs[i]);
	}
	return 0;
}

/* Open the file PT_INTERP names. 0, -ENOEXEC for a malformed name, or what opening it gives. */
static int elf_open_interp(struct exec *e, const Elf64_Phdr *p, struct file **out)
{
	struct path where;
	char *name;
	int err;

	if (p->p_filesz < 2 || p->p_filesz > PATH_MAX)
		return -ENOEXEC;
	name = kmalloc(p->p_filesz, GFP_KERNEL);
	if (!name)
		return -ENOMEM;
	err = elf_read(e->file, name, p->p_filesz, p->p_offset);
	if (!err && name[p->p_filesz - 1] != '\0')
		err = -ENOEXEC;
	if (!err)
		err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &where);
	kfree(name);
	if (err)
		return err;
	err = exec_open(&where, out);
	path_put(where);
	return err;
}

/* Load ld.so; its entry becomes the first instruction. */
static int elf_load_interp(struct exec *e, const Elf64_Phdr *p)
{
	struct elf_image img = { 0 };
	int err;

	err = elf_open_interp(e, p, &img.file);
	if (err)
		return err;
	err = elf_read(img.file, &img.hdr, sizeof(img.hdr), 0);
	if (!err)
		err = elf_read_headers(&img);
	if (err == -ENOEXEC || err == -EIO)
		err = -ELIBBAD;
	if (!err)
		err = elf_map_image(e->mm, &img, false);
	if (!err) {
		e->entry = img.bias + img.hdr.e_entry;
		e->interp_base = img.bias;
		if (e->entry >= TASK_SIZE)
			err = -EINVAL;
	}
	kfree(img.phdrs);
	exec_close(img.file);
	return err;
}

/* brk starts right after the program, or some random pages further (randomize_va_space 2). */
static void elf_place_brk(struct exec *e, const struct elf_image *img)
{
	struct mm *mm = e->mm;

	mm->start_code = img->code_start == ~0UL ? 0 : img->code_start;
	mm->end_code = img->code_end;
	mm->start_data = img->data_start;
	mm->end_data = img->data_end;
	mm->brk = ALIGN_UP(img->brk, PAGE_SIZE);
	if (exec_aslr() && sysctl_randomize_va_space == 2) {
		/* A program in the mmap area has no room above it: its heap goes where programs with ld.so are. */
		if (img->hdr.e_type == ET_DYN && !e->interp_base)
			mm->brk = ALIGN_DOWN(TASK_SIZE / 3 * 2, PAGE_SIZE);
		mm->brk += (random_u64() % 0x2000) << PAGE_SHIFT;
	}
	mm->start_brk = mm->brk;
}

static const Elf64_Phdr *elf_find(const struct elf_image *img, u32 type)
{
	for (unsigned i = 0; i < img->hdr.e_phnum; i++)
		if (img->phdrs[i].p_type == type)
			return &img->phdrs[i];
	return NULL;
}

int elf_load(struct exec *e)
{
	struct elf_image img = { .file = e->file };
	const Elf64_Phdr *interp, *stack;
	int err;

	if (e->head_len < sizeof(img.hdr))
		return -ENOEXEC;
	memcpy(&img.hdr, e->head, sizeof(img.hdr));
	err = elf_read_headers(&img);
	if (err)
		goto out;
	interp = elf_find(&img, PT_INTERP);
	stack = elf_find(&img, PT_GNU_STACK);
	e->exec_stack = stack && (stack->p_flags & PF_X);
	err = elf_map_image(e->mm, &img, interp != NULL);
	if (err)
		goto out;
	e->program_entry = e->entry = img.bias + img.hdr.e_entry;
	e->phdr = img.phdr;
	e->phnum = img.hdr.e_phnum;
	if (interp)
		err = elf_load_interp(e, interp);
	if (!err)
		elf_place_brk(e, &img);
out:
	kfree(img.phdrs);
	return err;
}
