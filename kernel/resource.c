/*
 * resource.c - physical addresses: the loader's memory map, and what drivers have claimed. /proc/iomem is printed from here.
 *
 * A range inside another is its child and stands below it, indented, as Linux prints it. Few and rarely changed: a table.
 */
#include <abi/errno.h>
#include <kernel/boot_info.h>
#include <kernel/lock.h>
#include <kernel/resource.h>
#include <lib/sort.h>
#include <lib/string.h>
#include <lib/text.h>

#define MAX_CLAIMS	64

struct range {
	paddr_t		start, end;
	const char	*name;
};
static struct range claims[MAX_CLAIMS];
static unsigned nr_claims;
static spinlock_t claims_lock = SPINLOCK_INIT("iomem", LOCK_LEAF);

static bool overlap(const struct range *r, paddr_t start, paddr_t end)
{
	return r->start < end && start < r->end;
}

int iomem_claim(paddr_t start, u64 len, const char *name)
{
	int err = !len || start + len < start ? -EINVAL : nr_claims == MAX_CLAIMS ? -ENOMEM : 0;

	spin_lock(&claims_lock);
	for (unsigned i = 0; i < nr_claims && !err; i++)
		if (overlap(&claims[i], start, start + len))
			err = -EBUSY;
	if (!err)
		claims[nr_claims++] = (struct range){ start, start + len, name };
	spin_unlock(&claims_lock);
	return err;
}

void iomem_release(paddr_t start, u64 len)
{
	spin_lock(&claims_lock);
	for (unsigned i = 0; i < nr_claims; i++)
		if (claims[i].start == start && claims[i].end == start + len) {
			claims[i] = claims[--nr_claims];
			break;
		}
	spin_unlock(&claims_lock);
}

bool iomem_is_claimed(paddr_t start, paddr_t end)
{
	bool found = false;

	spin_lock(&claims_lock);
	for (unsigned i = 0; i < nr_claims; i++)
		found |= overlap(&claims[i], start, end);
	spin_unlock(&claims_lock);
	return found;
}

bool iomem_is_ram(paddr_t start, paddr_t end)
{
	for (unsigned i = 0; i < boot_info.nr_ranges; i++)
		if (boot_info.ranges[i].type == BOOT_RAM && boot_info.ranges[i].start < end && start < boot_info.ranges[i].end)
			return true;
	return false;
}

paddr_t iomem_end_of_ram(void)
{
	paddr_t end = 0;

	for (unsigned i = 0; i < boot_info.nr_ranges; i++)
		if (boot_info.ranges[i].type == BOOT_RAM && boot_info.ranges[i].end > end)
			end = boot_info.ranges[i].end;
	return end;
}

/* Parents before their children. */
static int by_place(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end > y->end ? -1 : x->end < y->end;
}

int iomem_text(struct text *out, bool addresses)
{
	static const char *const names[] = { "Reserved", "System RAM", "Reserved", "ACPI Tables", "ACPI Non-volatile Storage",
					     "Unusable memory" };
	struct range r[BOOT_MAX_RANGES + MAX_CLAIMS + 1];
	unsigned n = 0;

	for (unsigned i = 0; i < boot_info.nr_ranges; i++) {
		const struct boot_range *b = &boot_info.ranges[i];

		r[n++] = (struct range){ b->start, b->end, names[b->type < ARRAY_SIZE(names) ? b->type : 0] };
	}
	r[n++] = (struct range){ boot_info.kernel_start, boot_info.kernel_end, "Kernel image" };
	spin_lock(&claims_lock);
	memcpy(&r[n], claims, nr_claims * sizeof(claims[0]));
	n += nr_claims;
	spin_unlock(&claims_lock);
	sort(r, n, sizeof(r[0]), by_place);
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < i; k++)
			if (r[k].start <= r[i].start && r[i].end <= r[k].end)
				text_puts(out, "  ");
		text_printf(out, "%08llx-%08llx : %s\n", addresses ? (unsigned long long)r[i].start : 0,
			    addresses ? (unsigned long long)r[i].end - 1 : 0, r[i].name);
	}
	return 0;
}
