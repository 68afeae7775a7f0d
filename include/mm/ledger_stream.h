/*
 * ledger_stream.h - the ledger's live stream to the host: who carries it, and what mm/ tells it.
 * Border: open to arch.
 */
#ifndef MM_LEDGER_STREAM_H
#define MM_LEDGER_STREAM_H

#include <lib/types.h>

struct mm;
struct vma;
struct page;

/*
 * Who carries the bytes. All four are called under the stream's lock, which is inside anything: they take no lock, allocate
 * nothing and do not sleep.
 */
struct ledger_sink {
	void	(*open)(struct ledger_sink *s);			/* may sleep: before the first submit */
	bool	(*submit)(struct ledger_sink *s, void *mem, u32 len);	/* direct-map memory; false: no room, reap first */
	void	*(*reap)(struct ledger_sink *s);			/* memory the host has taken, NULL: none */
	bool	(*gone)(struct ledger_sink *s);			/* the host does not listen any more */
	void	*priv;
};

void ledger_stream_attach(struct ledger_sink *s);	/* by a driver, once */

#define LEDGER_STREAM_PAGES	1	/* flag: tell each page that comes and goes, with its stack */
int ledger_stream_start(unsigned flags) must_check;	/* 0, -ENODEV without a sink, -ENOMEM, -EBUSY */
void ledger_stream_flush(void);				/* what is buffered goes to the host now */
void ledger_stream_stop(void);				/* the last snapshot, END; returns when the host has all of it */

/* ---- for mm/ ---- */

enum { STREAM_ON = 1, STREAM_PAGES = 2 };
extern u8 ledger_streaming;				/* bits above */

void ledger_stream_alloc(struct page *p, unsigned order);
struct page *ledger_stream_alloc_one(struct page *p);	/* p, for a tail call */
void ledger_stream_free(struct page **pages, unsigned nr, unsigned order);
void ledger_stream_move(struct page *p, unsigned order, unsigned account);
void ledger_stream_map(struct vma *v);			/* it was inserted; mmap_lock held for writing */
void ledger_stream_unmap(struct mm *mm, vaddr_t start, vaddr_t end);
void ledger_stream_fork(struct mm *from, struct mm *to);

#endif
