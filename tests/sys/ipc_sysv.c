/* ipc_sysv.c - System V shared memory, semaphores, message queues; each part may be missing (ENOSYS). */
#include "t.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

TEST(shm_between_processes)
{
	int id = shmget(IPC_PRIVATE, 3 * PG, IPC_CREAT | 0600), st;
	struct shmid_ds ds;

	if (id < 0 && errno == ENOSYS)
		SKIP("no shared memory");
	REQUIRE(id >= 0);
	char *p = shmat(id, NULL, 0), *q = shmat(id, NULL, 0);
	REQUIRE(p != (void *)-1 && q != (void *)-1);
	CHECK(p != q);
	p[PG] = 5;
	EXPECT_EQ(q[PG], 5);
	if (fork() == 0) {
		q[2 * PG] = 6;
		_exit(0);
	}
	wait(&st);
	EXPECT_EQ(p[2 * PG], 6);
	EXPECT_OK(shmctl(id, IPC_STAT, &ds));
	CHECK(ds.shm_segsz == 3 * PG && ds.shm_nattch == 2 && ds.shm_cpid == getpid());
	EXPECT_OK(shmctl(id, IPC_RMID, NULL));
	EXPECT_EQ(p[PG], 5);	/* lives while attached */
	EXPECT_OK(shmdt(p));
	EXPECT_OK(shmdt(q));
	EXPECT_ERR(shmdt(q), EINVAL);
	CHECK((long)shmat(id, NULL, 0) == -1 && (errno == EINVAL || errno == EIDRM));
}

TEST(shm_errnos)
{
	if (shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600) < 0 && errno == ENOSYS)
		SKIP("no shared memory");
	EXPECT_ERR(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), EINVAL);
	EXPECT_ERR(shmget(0x51450001, PG, 0), ENOENT);
	int id = shmget(0x51450001, PG, IPC_CREAT | IPC_EXCL | 0600);
	REQUIRE(id >= 0);
	EXPECT_ERR(shmget(0x51450001, PG, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	EXPECT_EQ(shmget(0x51450001, PG, 0), id);
	EXPECT_ERR(shmget(0x51450001, 2 * PG, 0), EINVAL);
	char *p = shmat(id, NULL, SHM_RDONLY);
	FAULT_EQ(WRITE_OF(p), SIGSEGV, SEGV_ACCERR, p);
	EXPECT_ERR(shmat(id, (void *)1, 0), EINVAL);
	shmdt(p);
	EXPECT_OK(shmctl(id, IPC_RMID, NULL));
	EXPECT_ERR(shmctl(id, IPC_RMID, NULL), EINVAL);
}

TEST(semaphores)
{
	int id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600), st;
	struct sembuf down = { 0, -1, 0 }, up = { 0, 1, 0 }, try = { 0, -1, IPC_NOWAIT }, undo = { 1, 1, SEM_UNDO };

	if (id < 0 && errno == ENOSYS)
		SKIP("no semaphores");
	REQUIRE(id >= 0);
	EXPECT_OK(semctl(id, 0, SETVAL, 0));
	EXPECT_OK(semctl(id, 1, SETVAL, 0));
	EXPECT_ERR(semop(id, &try, 1), EAGAIN);
	if (fork() == 0)
		_exit(semop(id, &down, 1) != 0);
	EXPECT_OK(semop(id, &up, 1));
	wait(&st);
	EXPECT_EQ(st, 0);
	EXPECT_EQ(semctl(id, 0, GETVAL), 0);
	if (fork() == 0)
		_exit(semop(id, &undo, 1) != 0);
	wait(&st);
	EXPECT_EQ(semctl(id, 1, GETVAL), 0);	/* undone at exit */
	for (int i = 0; i < 5; i++) {			/* asleep until we let it go: no reference may stay */
		if (fork() == 0)
			_exit(semop(id, &down, 1) != 0);
		usleep(20000);
		EXPECT_OK(semop(id, &up, 1));
		wait(&st);
		EXPECT_EQ(st, 0);
	}
	up.sem_num = 7;
	EXPECT_ERR(semop(id, &up, 1), EFBIG);
	EXPECT_OK(semctl(id, 0, IPC_RMID));
	EXPECT_ERR(semop(id, &down, 1), EINVAL);
}

TEST(messages)
{
	struct {
		long type;
		char text[16];
	} m = { 5, "five" }, r;
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	if (id < 0 && errno == ENOSYS)
		SKIP("no message queues");
	REQUIRE(id >= 0);
	EXPECT_OK(msgsnd(id, &m, 5, 0));
	m.type = 3, strcpy(m.text, "three");
	EXPECT_OK(msgsnd(id, &m, 6, 0));
	EXPECT_EQ(msgrcv(id, &r, 16, 3, 0), 6);
	CHECK(!strcmp(r.text, "three"));
	EXPECT_ERR(msgrcv(id, &r, 2, 0, 0), E2BIG);
	EXPECT_EQ(msgrcv(id, &r, 2, 0, MSG_NOERROR), 2);
	EXPECT_ERR(msgrcv(id, &r, 16, 0, IPC_NOWAIT), ENOMSG);
	m.type = 0;
	EXPECT_ERR(msgsnd(id, &m, 1, 0), EINVAL);
	EXPECT_OK(msgctl(id, IPC_RMID, NULL));
}

TEST(shm_survives_exec_not)
{
	int id = shmget(IPC_PRIVATE, PG, IPC_CREAT | 0600), st;
	struct shmid_ds ds;

	if (id < 0)
		SKIP("no shared memory");
	char *p = shmat(id, NULL, 0);
	REQUIRE(p != (void *)-1);
	if (fork() == 0) {
		execl("/proc/self/exe", "self", "no-such-case", NULL);
		_exit(1);
	}
	wait(&st);
	EXPECT_OK(shmctl(id, IPC_STAT, &ds));
	EXPECT_EQ(ds.shm_nattch, 1);
	shmctl(id, IPC_RMID, NULL);
	shmdt(p);
}

/* Too large for a slab: made and given back like a small one. */
TEST(large_set)
{
	int id = semget(IPC_PRIVATE, 9000, IPC_CREAT | 0600);

	if (id < 0 && errno == ENOSYS)
		SKIP("no semaphores");
	EXPECT_OK(id);
	EXPECT_EQ(semctl(id, 8999, GETVAL), 0);
	EXPECT_OK(semctl(id, 0, IPC_RMID));
}
