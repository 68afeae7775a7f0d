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

/* mm/slab/: calls ledger_owner_seen() for the owner of every live object. */
extern void (*slab_walk_owners)(void);
void ledger_owner_seen(owner_t o);

#endif
