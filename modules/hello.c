/*
 * hello.c - the smallest module: says hello and good-bye, as often as it is told.
 */
#include <drivers/driver.h>

static int times = 1;
static char *whom = "world";
module_param(times, int, 0444);
MODULE_PARM_DESC(times, "how often to say it");
module_param(whom, charp, 0444);
MODULE_PARM_DESC(whom, "whom to greet");

static int __init hello_init(void)
{
	if (times < 0 || times > 10)
		return -EINVAL;
	for (int i = 0; i < times; i++)
		pr_info("hello, %s\n", whom);
	return 0;
}

static void __exit hello_exit(void)
{
	pr_info("good-bye, %s\n", whom);
}

module_init(hello_init);
module_exit(hello_exit);
MODULE_LICENSE("MIT");
MODULE_DESCRIPTION("says hello");
