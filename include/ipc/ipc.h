/* ipc.h - what proc/ calls in ipc/. */
#ifndef IPC_IPC_H
#define IPC_IPC_H

void sem_exit(int pid);		/* undo the semaphore operations of a process that exits */

#endif
