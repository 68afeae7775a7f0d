/*
 * proc_sysctl.c - /proc/sys: what is written holds, or is refused; nothing is ignored. Changes of the machine's own Linux are undone; where they are
 * not allowed the test is skipped.
 */
#include "t.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/shm.h>

#define DIR "/proc/sys/kernel/"

static int put(const char *file, const char *text)
{
	char path[200];

	snprintf(path, sizeof(path), DIR "%s", file);
	return t_write(path, 0, text);
}

static char *get(const char *file)
{
	static char buf[4][200];
	static int nth;
	char path[200], *to = buf[nth++ & 3];
	int fd, n;

	snprintf(path, sizeof(path), DIR "%s", file);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, to, 199);
	close(fd);
	to[n > 0 ? n : 0] = 0;
	return to;
}

/* Only where nobody else is disturbed. */
static int ours(void)
{
	return getenv("QUIRE_GUEST") != NULL;
}

TEST(shm)
{
	char *old;
	int id;

	if (!ours())
		SKIP("not a guest of ours");
	old = get("shmmax");
	CHECK(put("shmmax", "8192") == 0);
	CHECK(!strcmp(get("shmmax"), "8192\n"));
	CHECK(shmget(IPC_PRIVATE, 8193, IPC_CREAT | 0600) == -1 && errno == EINVAL);
	id = shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600);
	CHECK(id >= 0);
	CHECK(put("shmmax", old) == 0);
	old = get("shmall");
	CHECK(put("shmall", "3") == 0);
	CHECK(shmget(IPC_PRIVATE, 8192, IPC_CREAT | 0600) == -1 && errno == ENOSPC);
	CHECK(put("shmall", old) == 0);
	old = get("shmmni");
	CHECK(put("shmmni", "1") == 0);
	CHECK(shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600) == -1 && errno == ENOSPC);
	CHECK(put("shmmni", old) == 0);
	CHECK(put("shmmni", "40000") == -1 && errno == EINVAL);
	CHECK(shmctl(id, IPC_RMID, NULL) == 0);
}

TEST(messages)
{
	struct { long type; char text[200]; } m = { 1, "x" };
	struct msqid_ds ds;
	char *old;
	int id;

	if (!ours())
		SKIP("not a guest of ours");
	old = get("msgmax");
	CHECK(put("msgmax", "100") == 0);
	id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	CHECK(msgsnd(id, &m, 101, IPC_NOWAIT) == -1 && errno == EINVAL);
	CHECK(msgsnd(id, &m, 100, IPC_NOWAIT) == 0);
	CHECK(put("msgmax", old) == 0);
	CHECK(msgctl(id, IPC_RMID, NULL) == 0);
	old = get("msgmnb");
	CHECK(put("msgmnb", "5000") == 0);
	id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
	CHECK(msgctl(id, IPC_STAT, &ds) == 0 && ds.msg_qbytes == 5000);
	CHECK(msgctl(id, IPC_RMID, NULL) == 0);
	CHECK(put("msgmnb", old) == 0);
}

TEST(refused)
{
	if (!ours())
		SKIP("not a guest of ours");
	CHECK(open(DIR "ostype", O_WRONLY) == -1 && errno == EACCES);
	CHECK(open(DIR "panic_on_oops", O_RDWR) == -1 && errno == EACCES);
	CHECK(put("sem", "1 2 3") == -1 && errno == EINVAL);
	CHECK(put("sem", "x") == -1 && errno == EINVAL);
	CHECK(put("pid_max", "1") == -1 && errno == EINVAL);
	CHECK(put("randomize_va_space", "7") == -1 && errno == EINVAL);
	CHECK(put("printk", "99") == -1 && errno == EINVAL);
	CHECK(put("printk", "5 4 1 7") == 0);
	CHECK(!strcmp(get("printk"), "5\t4\t1\t7\n"));
	CHECK(put("printk", "7") == 0);
}
