/*
 * System V IPC: shared memory across fork, semaphores with undo, message queues by type.
 */
#include "t.h"

#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
};

TEST(shm_is_shared_and_counted)
{
	int id = shmget(IPC_PRIVATE, 3 * 4096, IPC_CREAT | 0600), status;
	struct shmid_ds d;
	char *a, *b;

	CHECK(id >= 0);
	a = shmat(id, NULL, 0);
	b = shmat(id, NULL, SHM_RDONLY);
	CHECK(a != (void *)-1 && b != (void *)-1 && a != b);
	strcpy(a + 4096, "same frame");
	CHECK(strcmp(b + 4096, "same frame") == 0);
	EXPECT_EQ(shmctl(id, IPC_STAT, &d), 0);
	EXPECT_EQ(d.shm_nattch, 2);
	EXPECT_EQ(d.shm_segsz, 3 * 4096);
	if (fork() == 0) {
		struct shmid_ds c;

		shmctl(id, IPC_STAT, &c);
		a[0] = 'c';
		_exit(c.shm_nattch == 4 ? 0 : 1);
	}
	wait(&status);
	EXPECT_EQ(status, 0);
	EXPECT_EQ(b[0], 'c');
	EXPECT_EQ(shmctl(id, IPC_STAT, &d), 0);
	EXPECT_EQ(d.shm_nattch, 2);
	EXPECT_EQ(shmctl(id, IPC_RMID, NULL), 0);
	EXPECT_EQ(a[0], 'c');		/* lives until the last detach */
	EXPECT_EQ(shmdt(a), 0);
	EXPECT_EQ(shmdt(b), 0);
	EXPECT_ERR(shmdt(b), EINVAL);
	EXPECT_ERR(shmctl(id, IPC_STAT, &d), EINVAL);
}

TEST(shm_errors)
{
	EXPECT_ERR(shmget(IPC_PRIVATE, 0, IPC_CREAT | 0600), EINVAL);
	EXPECT_ERR(shmget(0x51e5, 4096, 0600), ENOENT);
	EXPECT_ERR((long)shmat(-1, NULL, 0), EINVAL);
}

static int sem_step(int id, int num, int op, int flags)
{
	struct sembuf b = { (unsigned short)num, (short)op, (short)flags };

	return semop(id, &b, 1);
}

TEST(semaphores_wait_and_undo)
{
	int id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600), status;
	union semun u = { .val = 1 };

	CHECK(id >= 0);
	EXPECT_EQ(semctl(id, 0, SETVAL, u), 0);
	EXPECT_EQ(semctl(id, 1, GETVAL), 0);
	EXPECT_ERR(sem_step(id, 1, -1, IPC_NOWAIT), EAGAIN);
	EXPECT_ERR(sem_step(id, 2, 1, 0), EFBIG);
	if (fork() == 0) {
		sem_step(id, 0, -1, SEM_UNDO);	/* given back when we exit */
		sem_step(id, 1, 1, 0);
		_exit(0);
	}
	EXPECT_EQ(sem_step(id, 1, -1, 0), 0);
	EXPECT_EQ(sem_step(id, 0, -1, 0), 0);	/* comes from the undo */
	wait(&status);
	u.val = 40000;
	EXPECT_ERR(semctl(id, 0, SETVAL, u), ERANGE);
	EXPECT_EQ(semctl(id, 0, IPC_RMID), 0);
	EXPECT_ERR(sem_step(id, 0, 1, 0), EINVAL);
}

TEST(messages_by_type)
{
	struct { long type; char text[32]; } m = { 5, "five" }, r;
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	CHECK(id >= 0);
	EXPECT_EQ(msgsnd(id, &m, 5, 0), 0);
	m.type = 3;
	strcpy(m.text, "three");
	EXPECT_EQ(msgsnd(id, &m, 6, 0), 0);
	EXPECT_EQ(msgrcv(id, &r, sizeof(r.text), 3, 0), 6);
	CHECK(strcmp(r.text, "three") == 0);
	EXPECT_ERR(msgrcv(id, &r, 2, 0, 0), E2BIG);
	EXPECT_EQ(msgrcv(id, &r, 2, 0, MSG_NOERROR), 2);
	EXPECT_ERR(msgrcv(id, &r, sizeof(r.text), 0, IPC_NOWAIT), ENOMSG);
	m.type = 0;
	EXPECT_ERR(msgsnd(id, &m, 1, 0), EINVAL);
	EXPECT_EQ(msgctl(id, IPC_RMID, NULL), 0);
}
