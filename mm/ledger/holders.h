/* holders.h - who holds frames, without looking at everybody who might; private to the ledger. */
#ifndef MM_LEDGER_HOLDERS_H
#define MM_LEDGER_HOLDERS_H

#include "snapshot.h"

size_t holders_size(void);		/* bytes that holders_start() wants */
void holders_start(void *mem);		/* all of these: the books' lock is held */
void holders_top(struct snapshot *s);	/* the largest owners and call sites of now, names included */
void holders_owner_created(unsigned o);

#endif
