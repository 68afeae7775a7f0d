/*
 * leaky.c - leaks on purpose, so that the unload report can be checked: `what` is a list of k(malloc), c(ache), v(malloc),
 * p(age); each letter leaks one. Everything else it takes it gives back.
 */
#include <drivers/driver.h>

static char *what = "";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "one leak a letter: k, c, v, p");

struct thing {
	u64 words[15];
};
static struct kmem_cache *things;
static bool cache_leaked;

static int leak_kmalloc(void)
{
	return kmalloc(500, GFP_KERNEL) ? 0 : -ENOMEM;
}

static int leak_cache(void)
{
	if (!things)
		things = kmem_cache_create("leaky_thing", sizeof(struct thing), 0, 0, NULL);
	cache_leaked = true;
	return things && kmem_cache_alloc(things, GFP_KERNEL) ? 0 : -ENOMEM;
}

static int leak_vmalloc(void)
{
	return vmalloc(3 * PAGE_SIZE) ? 0 : -ENOMEM;
}

static int leak_page(void)
{
	return alloc_page(GFP_KERNEL) ? 0 : -ENOMEM;
}

static int __init leaky_init(void)
{
	void *kept = kmalloc(100, GFP_KERNEL);		/* not a leak */
	int err = kept ? 0 : -ENOMEM;

	kfree(kept);
	for (const char *p = what; *p && !err; p++)
		err = *p == 'k' ? leak_kmalloc() : *p == 'c' ? leak_cache() : *p == 'v' ? leak_vmalloc() :
		      *p == 'p' ? leak_page() : -EINVAL;
	return err;
}

static void __exit leaky_exit(void)
{
	if (things && !cache_leaked)
		kmem_cache_destroy(things);
}

module_init(leaky_init);
module_exit(leaky_exit);
MODULE_LICENSE("MIT");
MODULE_DESCRIPTION("leaks on purpose");
