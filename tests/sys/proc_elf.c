/* proc_elf.c - malformed and hostile ELF files: an errno or the death of the process, never of the machine. */
#include "t.h"
#include <elf.h>

static unsigned char image[3 * PG];
static Elf64_Ehdr *eh = (void *)image;
static Elf64_Phdr *ph = (void *)(image + sizeof(Elf64_Ehdr));

/* exit(42): mov $60,%eax; mov $42,%edi; syscall */
static const unsigned char code[] = { 0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 0x05 };

static void fresh(void)
{
	memset(image, 0, sizeof(image));
	memcpy(eh->e_ident, ELFMAG, 4);
	eh->e_ident[EI_CLASS] = ELFCLASS64, eh->e_ident[EI_DATA] = ELFDATA2LSB, eh->e_ident[EI_VERSION] = 1;
	eh->e_type = ET_EXEC, eh->e_machine = EM_X86_64, eh->e_version = 1;
	eh->e_phoff = sizeof(*eh), eh->e_ehsize = sizeof(*eh), eh->e_phentsize = sizeof(*ph), eh->e_phnum = 1;
	eh->e_entry = 0x400000 + 0x200;
	ph[0] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_filesz = PG,
			      .p_memsz = PG, .p_align = PG };
	memcpy(image + 0x200, code, sizeof(code));
}

/* Exit status, -signal, or 100 + errno when execve itself said no. */
static int go(size_t size)
{
	static int nr;
	char name[20];
	int fd, st;
	pid_t pid;

	snprintf(name, sizeof(name), "elf%d", nr++);
	fd = open(name, O_CREAT | O_WRONLY, 0755);
	if (write(fd, image, size) != (ssize_t)size)
		return -1000;
	close(fd);
	pid = fork();
	if (pid == 0) {
		struct rlimit none = { 0, 0 };

		setrlimit(RLIMIT_CORE, &none);
		execve(name, (char *[]){ name, NULL }, (char *[]){ NULL });
		_exit(100 + errno);
	}
	waitpid(pid, &st, 0);
	unlink(name);
	return WIFEXITED(st) ? WEXITSTATUS(st) : -WTERMSIG(st);
}

#define NOEXEC (100 + ENOEXEC)
#define REFUSED(r) ((r) >= 100 || (r) < 0)

TEST(the_good_one_runs)
{
	fresh();
	EXPECT_EQ(go(sizeof(image)), 42);
	EXPECT_EQ(go(PG), 42);
}

TEST(header_fields)
{
	fresh(), eh->e_ident[0] = 0;
	EXPECT_EQ(go(PG), NOEXEC);
	fresh(), eh->e_machine = EM_AARCH64;
	EXPECT_EQ(go(PG), NOEXEC);
	fresh(), eh->e_type = ET_REL;
	EXPECT_EQ(go(PG), NOEXEC);
	fresh(), eh->e_type = ET_CORE;
	EXPECT_EQ(go(PG), NOEXEC);
	fresh(), eh->e_phentsize = 32;
	EXPECT_EQ(go(PG), NOEXEC);
	fresh(), eh->e_phnum = 0;
	EXPECT_EQ(go(PG), NOEXEC);
	fresh(), eh->e_phnum = 0xffff;
	CHECK(REFUSED(go(PG)));
	fresh(), eh->e_phoff = 1UL << 62;
	CHECK(REFUSED(go(PG)));
	fresh(), eh->e_phoff = ~0UL - 10;
	CHECK(REFUSED(go(PG)));
	fresh(), eh->e_phoff = PG - 8;
	CHECK(REFUSED(go(PG)));
}

TEST(cut_short)
{
	static const size_t sizes[] = { 1, 3, 4, 5, 16, 40, 63, 64, 65, 100, 119 };

	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		fresh();
		int r = go(sizes[i]);
		if (!REFUSED(r))
			t_fail(__LINE__, "size %zu gave %d", sizes[i], r);
	}
	fresh();
	ph[0].p_filesz = ph[0].p_memsz = 16 * PG;	/* more than the file has: SIGBUS when touched, or fine */
	int r = go(PG);
	CHECK(r == 42 || REFUSED(r));
}

TEST(segment_sizes)
{
	fresh(), ph[0].p_memsz = 10;	/* less than filesz */
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_memsz = 1UL << 47;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_memsz = ~0UL;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_filesz = ~0UL, ph[0].p_memsz = ~0UL;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_vaddr = 0xffff800000000000UL;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_vaddr = 0x00ffffffffffe000UL;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_vaddr = 1UL << 63;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_offset = 1UL << 62;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_offset = ~0UL - PG + 1;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_offset = 1;	/* not the address's offset in its page */
	int r = go(PG);
	CHECK(REFUSED(r) || r == 42);
	fresh(), ph[0].p_memsz = ph[0].p_filesz = 0;
	CHECK(REFUSED(go(PG)));
}

TEST(entry_points)
{
	fresh(), eh->e_entry = 0;
	EXPECT_EQ(go(PG), -SIGSEGV);
	fresh(), eh->e_entry = 0x8000000000000000UL;
	CHECK(REFUSED(go(PG)));
	fresh(), eh->e_entry = 0xffffffff81000000UL;
	CHECK(REFUSED(go(PG)));
	fresh(), eh->e_entry = 0x00ffffffffffffffUL;
	CHECK(REFUSED(go(PG)));
	fresh(), ph[0].p_flags = PF_R;	/* the entry is not executable */
	EXPECT_EQ(go(PG), -SIGSEGV);
	fresh(), ph[0].p_flags = 0;
	EXPECT_EQ(go(PG), -SIGSEGV);
}

TEST(bss)
{
	/* Reads the last byte of bss and exits with 42 + it. */
	static const unsigned char bss_code[] = { 0x0f, 0xb6, 0x3c, 0x25, 0xff, 0x2f, 0x40, 0x00,	/* movzbl 0x402fff,%edi */
						  0x83, 0xc7, 42, 0xb8, 60, 0, 0, 0, 0x0f, 0x05 };
	fresh();
	memcpy(image + 0x200, bss_code, sizeof(bss_code));
	ph[0].p_flags = PF_R | PF_W | PF_X;
	ph[0].p_filesz = 0x300, ph[0].p_memsz = 3 * PG;
	memset(image + 0x300, 0xee, sizeof(image) - 0x300);
	EXPECT_EQ(go(sizeof(image)), 42);
	/* The tail of the file's page behind filesz must be 0, too. */
	image[0x204] = 0x50, image[0x205] = 0x03;	/* 0x400350 */
	EXPECT_EQ(go(sizeof(image)), 42);
}

TEST(overlapping_segments)
{
	fresh();
	eh->e_phnum = 2;
	ph[1] = ph[0];
	CHECK(go(PG) == 42);
	ph[1].p_vaddr = 0x300000;	/* descending addresses */
	int r = go(PG);
	CHECK(r == 42 || REFUSED(r));
}

TEST(interpreters)
{
	fresh();
	eh->e_phnum = 2;
	ph[1] = (Elf64_Phdr){ .p_type = PT_INTERP, .p_offset = 0x800, .p_filesz = 16, .p_memsz = 16 };
	strcpy((char *)image + 0x800, "/no/such/interp");
	EXPECT_EQ(go(PG), 100 + ENOENT);
	memset(image + 0x800, 'x', 16);	/* no NUL at its end */
	EXPECT_EQ(go(PG), NOEXEC);
	ph[1].p_filesz = 1;
	EXPECT_EQ(go(PG), NOEXEC);
	ph[1].p_filesz = 0;
	EXPECT_EQ(go(PG), NOEXEC);
	ph[1].p_filesz = PATH_MAX + 1;
	EXPECT_EQ(go(sizeof(image)), NOEXEC);
	ph[1].p_filesz = 16, ph[1].p_offset = 1UL << 40;
	CHECK(REFUSED(go(PG)));
	ph[1].p_offset = 0x800;
	strcpy((char *)image + 0x800, "/dev/null");
	ph[1].p_filesz = 10;
	CHECK(REFUSED(go(PG)));
	strcpy((char *)image + 0x800, "/proc/self/exe");	/* a directory-like or looping thing must not hang */
	strcpy((char *)image + 0x800, "/");
	ph[1].p_filesz = 2;
	CHECK(REFUSED(go(PG)));
}

TEST(static_pie)
{
	fresh();
	eh->e_type = ET_DYN;
	ph[0].p_vaddr = 0;
	eh->e_entry = 0x200;
	EXPECT_EQ(go(PG), 42);
	ph[0].p_align = 1UL << 21;
	EXPECT_EQ(go(PG), 42);
	ph[0].p_align = 3;	/* no power of two: ignored or refused */
	int r = go(PG);
	CHECK(r == 42 || REFUSED(r));
	ph[0].p_align = 1UL << 63;
	r = go(PG);
	CHECK(r == 42 || REFUSED(r));
}

TEST(segment_at_zero)
{
	fresh();
	ph[0].p_vaddr = 0;
	eh->e_entry = 0x200;
	int r = go(PG);		/* below mmap_min_addr: refused, unless root may */
	CHECK(r == 42 || REFUSED(r));
}

static unsigned rnd = 12345;
static unsigned next(void)
{
	return rnd = rnd * 1103515245 + 12345, rnd >> 8;
}

/* Headers with random bytes in them: whatever comes back, the machine goes on. */
TEST(random_headers)
{
	for (int i = 0; i < 150; i++) {
		fresh();
		for (unsigned k = 0; k < 1 + next() % 3; k++)
			image[4 + next() % (64 + 56 - 4)] = next();
		go(PG);
	}
	fresh();
	EXPECT_EQ(go(PG), 42);
}

TEST(stack_flag)
{
	fresh();
	eh->e_phnum = 2;
	ph[1] = (Elf64_Phdr){ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W };
	EXPECT_EQ(go(PG), 42);
	ph[1].p_flags = PF_R | PF_W | PF_X;
	EXPECT_EQ(go(PG), 42);
}
