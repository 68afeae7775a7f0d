/*
 * cycle.c COUNT FILE.ko... - load and unload each module COUNT times, and look at the kernel's books before and after: no account has grown,
 * no cache has more objects. The first rounds are not counted: they fill the stacks of free objects.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WARM = 100, MAX = 512, PAGES_MORE = 8, OBJECTS_MORE = 200 };

struct books {
	int n;
	struct { char name[64]; long v, more; } line[MAX];
};

static void take(struct books *b, const char *file, const char *format, long more)
{
	char text[512], name[64];
	FILE *f = fopen(file, "r");
	long v;

	while (f && fgets(text, sizeof(text), f))
		if (sscanf(text, format, name, &v) == 2 && b->n < MAX) {
			strcpy(b->line[b->n].name, name);
			b->line[b->n].v = v;
			b->line[b->n++].more = more;
		}
	if (f)
		fclose(f);
}

static void look(struct books *b)
{
	b->n = 0;
	take(b, "/proc/ledger/summary", "account %63s %*s %ld", PAGES_MORE);
	take(b, "/proc/slabinfo", "%63s %ld", OBJECTS_MORE);
}

static int grown(const char *module, const struct books *before, const struct books *after)
{
	int bad = before->n < 20;		/* nothing was read */

	for (int i = 0; i < after->n; i++)
		for (int k = 0; k < before->n; k++)
			if (strcmp(after->line[i].name, before->line[k].name) == 0 && after->line[i].more == before->line[k].more &&
			    strcmp(after->line[i].name, "free") != 0 && after->line[i].v - before->line[k].v > after->line[i].more) {
				printf("%s: %s from %ld to %ld\n", module, after->line[i].name, before->line[k].v, after->line[i].v);
				bad = 1;
			}
	return bad;
}

static int once(void *image, size_t len, const char *name)
{
	if (syscall(SYS_init_module, image, len, "") == 0 && syscall(SYS_delete_module, name, O_NONBLOCK) == 0)
		return 0;
	printf("%s: %s\n", name, strerror(errno));
	return 1;
}

static int cycle(const char *file, long count)
{
	static struct books before, after;
	const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	int fd = open(file, O_RDONLY), bad = 0;
	struct stat st;
	char name[64];
	void *image;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(base, "."), base);
	if (fd < 0 || fstat(fd, &st))
		return 1;
	image = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	for (long i = 0; i < WARM && !bad; i++)
		bad = once(image, (size_t)st.st_size, name);
	look(&before);
	look(&before);				/* looking takes memory, too: the first time more */
	for (long i = 0; i < count && !bad; i++)
		bad = once(image, (size_t)st.st_size, name);
	look(&after);
	close(fd);
	munmap(image, (size_t)st.st_size);
	return bad || grown(name, &before, &after);
}

int main(int argc, char **argv)
{
	int bad = 0;

	for (int i = 2; i < argc; i++)
		bad |= cycle(argv[i], atol(argv[1]));
	return bad;
}
