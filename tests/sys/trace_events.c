/* trace_events.c - tracefs: events on and off, filters, the marker, trace and trace_pipe. Skipped where there is no tracefs. */
#include "t.h"
#include <stdarg.h>

#define DIR "/sys/kernel/tracing/"

static int put(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), DIR "%s", file);
	return t_write(path, O_TRUNC, text);
}

static char *get(const char *file)
{
	char path[256];

	snprintf(path, sizeof(path), DIR "%s", file);
	return t_get(path);
}

static int here(void)
{
	return access(DIR "events/kmem/kmalloc/enable", W_OK) == 0 && put("tracing_on", "1") == 0;
}

TEST(format_and_list)
{
	char *s;

	if (!here())
		SKIP("no tracefs, or not ours to use");
	s = get("events/kmem/mm_page_alloc/format");
	CHECK(s && strstr(s, "name: mm_page_alloc\n"));
	CHECK(s && strstr(s, "field:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;"));
	CHECK(s && strstr(s, "field:unsigned long pfn;"));
	CHECK(s && strstr(s, "\nprint fmt: \"page=%p pfn=0x%lx order=%d migratetype=%d gfp_flags=%s\""));
	s = get("available_events");
	CHECK(s && strstr(s, "kmem:kmalloc\n") && strstr(s, "exceptions:page_fault_user\n"));
	CHECK(put("events/kmem/kmalloc/filter", "no_such_field > 1") < 0 && errno == EINVAL);
	CHECK(put("events/kmem/kmalloc/filter", "bytes_req >") < 0 && errno == EINVAL);
	CHECK(put("events/kmem/kmalloc/enable", "7") < 0 && errno == EINVAL);
}

/* A fault of a page that nobody touched yet: seen with its address and ours only. */
TEST(page_fault)
{
	char want[64], filter[64];
	char *page;

	if (!here())
		SKIP("no tracefs, or not ours to use");
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(put("trace", "\n") == 0);
	snprintf(filter, sizeof(filter), "common_pid == %d", (int)getpid());
	CHECK(put("events/exceptions/page_fault_user/filter", filter) == 0);
	CHECK(put("events/exceptions/page_fault_user/enable", "1") == 0);
	page[5] = 1;
	CHECK(put("events/exceptions/page_fault_user/enable", "0") == 0);
	snprintf(want, sizeof(want), "page_fault_user: address=0x%lx ", (unsigned long)page + 5);
	CHECK(strstr(get("trace"), want) != NULL);
	CHECK(put("events/exceptions/page_fault_user/filter", "0") == 0);
	CHECK(!strcmp(get("events/exceptions/page_fault_user/filter"), "none\n"));
	munmap(page, 4096);
}

TEST(marker_and_pipe)
{
	char buf[4096];
	int fd, n;

	if (!here())
		SKIP("no tracefs, or not ours to use");
	CHECK(put("trace", "\n") == 0);
	CHECK(put("trace_marker", "a mark of the test") == 0);
	CHECK(strstr(get("trace"), "tracing_mark_write: a mark of the test\n") != NULL);
	fd = open(DIR "trace_pipe", O_RDONLY | O_NONBLOCK);
	CHECK(fd >= 0);
	n = read(fd, buf, sizeof(buf) - 1);
	CHECK(n > 0);
	buf[n > 0 ? n : 0] = 0;
	CHECK(strstr(buf, "tracing_mark_write: a mark of the test\n") != NULL);
	CHECK(read(fd, buf, sizeof(buf)) == -1 && errno == EAGAIN);
	close(fd);
	CHECK(strstr(get("trace"), "a mark of the test") == NULL);	/* taken out */
	CHECK(put("tracing_on", "0") == 0);
	put("trace_marker", "not recorded");
	CHECK(strstr(get("trace"), "not recorded") == NULL);
	CHECK(put("tracing_on", "1") == 0);
}

/* As many kmem_cache_alloc of a pipe's inode as pipes made. */
TEST(allocations)
{
	char filter[64], *s;
	int p[2], n = 0;

	if (!here())
		SKIP("no tracefs, or not ours to use");
	CHECK(put("trace", "\n") == 0);
	snprintf(filter, sizeof(filter), "common_pid == %d && (bytes_req > 1 || bytes_req == 1)", (int)getpid());
	CHECK(put("events/kmem/kmem_cache_alloc/filter", filter) == 0);
	CHECK(put("events/kmem/kmem_cache_alloc/enable", "1") == 0);
	for (int i = 0; i < 10; i++)
		if (pipe(p) == 0) {
			close(p[0]);
			close(p[1]);
		}
	CHECK(put("events/kmem/kmem_cache_alloc/enable", "0") == 0);
	for (s = get("trace"); (s = strstr(s, "kmem_cache_alloc: call_site=")); s++)
		n += strstr(s, "inode_cache") && strstr(s, "inode_cache") < strchr(s, '\n');
	CHECK(n >= 10);
	CHECK(put("events/kmem/kmem_cache_alloc/filter", "0") == 0);
	put("trace", "\n");
}

/* A trigger with a condition of its own fires for that alone, whether the event is on or not. */
TEST(trigger_with_condition)
{
	char text[128], want[160], *s;
	int p[2];

	if (!here())
		SKIP("no tracefs, or not ours to use");
	snprintf(text, sizeof(text), "stacktrace:3 if common_pid == %d", (int)getpid());
	CHECK(put("trace", "\n") == 0);
	CHECK(put("events/kmem/kmem_cache_alloc/trigger", text) == 0);
	for (int i = 0; i < 5; i++) {
		CHECK(pipe(p) == 0);
		close(p[0]), close(p[1]);
	}
	snprintf(want, sizeof(want), "stacktrace:count=0 if common_pid == %d\n", (int)getpid());
	s = get("events/kmem/kmem_cache_alloc/trigger");
	CHECK(s && strstr(s, want));
	CHECK(put("events/kmem/kmem_cache_alloc/trigger", "!stacktrace") == 0);
	s = get("trace");
	CHECK(s && strstr(s, "<stack trace>") && !strstr(s, "kmem_cache_alloc: "));
	CHECK(put("events/kmem/kmem_cache_alloc/trigger", "!stacktrace") == -1 && errno == ENOENT);
	CHECK(put("events/kmem/kmem_cache_alloc/trigger", "stacktrace if") == -1 && errno == EINVAL);
	CHECK(put("events/kmem/kmem_cache_alloc/trigger", "stacktrace if no_field == 1") == -1 && errno == EINVAL);
	CHECK(put("events/kmem/kmem_cache_alloc/trigger", "stacktrace when") == -1 && errno == EINVAL);
	put("trace", "\n");
}
