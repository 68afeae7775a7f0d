/* owners.h - the cold half of the owner table; private to mm/. */
#ifndef MM_LEDGER_OWNERS_H
#define MM_LEDGER_OWNERS_H

#include <mm/ledger.h>

struct ledger_owner_name {
	u8	kind;			/* enum owner_kind; OWNER_FREE: unused */
	bool	released;		/* its process or module is gone; some of its memory may still be there */
	int	id;
	char	name[16];
};

unsigned ledger_nr_owners(void);
const struct ledger_owner_name *ledger_owner_name(unsigned o);

void ledger_owner_seen(owner_t o);	/* a live slab object names it */

#endif
