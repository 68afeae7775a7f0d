/*
 * uaccess_test.c - /dev/uaccess_test calls each function of the user-access API on the address and length it is told, and says what
 * came back and what happened to the kernel's side. tests/modules/uaccess.c drives it over every kind of address.
 */
#include <drivers/driver.h>
#include "uaccess_test.h"

static u8 *buffer;			/* UA_ROOM bytes */
static struct mutex lock;

static u64 filled(void)
{
	u64 n = UA_ROOM;

	while (n && buffer[n - 1] == UA_CANARY)
		n--;
	return n;
}

static long get(struct uaccess_call *c)
{
	u8 b = 0xee;
	u16 w = 0xeeee;
	u32 l = 0xeeeeeeee;
	u64 q = 0xeeeeeeeeeeeeeeee;
	long err;

	switch (c->n) {
	case 1:
		err = c->nofault ? get_user_nofault(b, (u8 __user *)c->address) : get_user(b, (u8 __user *)c->address);
		c->value = b;
		return err;
	case 2:
		err = c->nofault ? get_user_nofault(w, (u16 __user *)c->address) : get_user(w, (u16 __user *)c->address);
		c->value = w;
		return err;
	case 4:
		err = c->nofault ? get_user_nofault(l, (u32 __user *)c->address) : get_user(l, (u32 __user *)c->address);
		c->value = l;
		return err;
	case 8:
		err = c->nofault ? get_user_nofault(q, (u64 __user *)c->address) : get_user(q, (u64 __user *)c->address);
		c->value = q;
		return err;
	default:
		return -EINVAL;
	}
}

static long put(const struct uaccess_call *c)
{
	switch (c->n) {
	case 1:
		return c->nofault ? put_user_nofault((u8)c->value, (u8 __user *)c->address) : put_user((u8)c->value, (u8 __user *)c->address);
	case 2:
		return c->nofault ? put_user_nofault((u16)c->value, (u16 __user *)c->address) : put_user((u16)c->value, (u16 __user *)c->address);
	case 4:
		return c->nofault ? put_user_nofault((u32)c->value, (u32 __user *)c->address) : put_user((u32)c->value, (u32 __user *)c->address);
	case 8:
		return c->nofault ? put_user_nofault(c->value, (u64 __user *)c->address) : put_user(c->value, (u64 __user *)c->address);
	default:
		return -EINVAL;
	}
}

/* The length comes from outside: neither compiler nor reader can know it. */
static noinline long overrun_slab(void __user *to, size_t n)
{
	char *object = kzalloc(64, GFP_KERNEL);
	long left = object ? (long)copy_to_user(to, object, n) : -ENOMEM;

	kfree(object);
	return left;
}

static noinline long overrun_stack(void __user *to, size_t n)
{
	char array[64];

	memset(array, 0, sizeof(array));
	__asm__ volatile("" : : "r"(array) : "memory");
	return (long)copy_to_user(to, array, n);
}

static noinline long overrun_pages(void __user *to, size_t n)
{
	char *block = kzalloc(5 * 4096, GFP_KERNEL);	/* eight pages */
	long left = block ? (long)copy_to_user(to, block + 7 * 4096, n) : -ENOMEM;

	kfree(block);
	return left;
}

static long call(struct uaccess_call *c)
{
	void __user *p = (void __user *)c->address;

	if (c->n > UA_ROOM && (c->op == UA_COPY_TO || c->op == UA_COPY_FROM || c->op == UA_STRNCPY) && access_ok(p, c->n))
		return -E2BIG;		/* only what access_ok() refuses may be longer than the buffer */
	switch (c->op) {
	case UA_ACCESS_OK:
		return access_ok(p, c->n);
	case UA_COPY_TO:
		return (long)(c->nofault ? copy_to_user_nofault(p, buffer, c->n) : copy_to_user(p, buffer, c->n));
	case UA_COPY_FROM:
		return (long)(c->nofault ? copy_from_user_nofault(buffer, p, c->n) : copy_from_user(buffer, p, c->n));
	case UA_CLEAR:
		return (long)(c->nofault ? clear_user_nofault(p, c->n) : clear_user(p, c->n));
	case UA_STRNLEN:
		return (long)(c->nofault ? strnlen_user_nofault(p, c->n) : strnlen_user(p, c->n));
	case UA_STRNCPY:
		return c->nofault ? strncpy_from_user_nofault((char *)buffer, p, c->n) : strncpy_from_user((char *)buffer, p, c->n);
	case UA_GET:
		return get(c);
	case UA_PUT:
		return put(c);
	case UA_SLAB_OVERRUN:
		return overrun_slab(p, c->n);
	case UA_STACK_OVERRUN:
		return overrun_stack(p, c->n);
	case UA_PAGES_OVERRUN:
		return overrun_pages(p, c->n);
	default:
		return -EINVAL;
	}
}

static long test_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct uaccess_call c;

	if (cmd != UA_CALL)
		return -ENOTTY;
	if (copy_from_user(&c, (void __user *)arg, sizeof(c)))
		return -EFAULT;
	mutex_lock(&lock);
	if (c.op == UA_COPY_FROM || c.op == UA_STRNCPY)
		memset(buffer, UA_CANARY, UA_ROOM);
	c.result = call(&c);
	c.filled = filled();
	mutex_unlock(&lock);
	return copy_to_user((void __user *)arg, &c, sizeof(c)) ? -EFAULT : 0;
}

static ssize_t test_read(struct file *f, char __user *to, size_t n, loff_t *pos)
{
	size_t left = *pos < UA_ROOM ? min(n, (size_t)(UA_ROOM - *pos)) : 0;

	if (copy_to_user(to, buffer + *pos, left))
		return -EFAULT;
	*pos += (loff_t)left;
	return (ssize_t)left;
}

static ssize_t test_write(struct file *f, const char __user *from, size_t n, loff_t *pos)
{
	size_t left = *pos < UA_ROOM ? min(n, (size_t)(UA_ROOM - *pos)) : 0;

	if (!left)
		return -ENOSPC;
	if (copy_from_user(buffer + *pos, from, left))
		return -EFAULT;
	*pos += (loff_t)left;
	return (ssize_t)left;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE, .read = test_read, .write = test_write, .unlocked_ioctl = test_ioctl, .llseek = generic_llseek,
};
static struct miscdevice test_device = { .minor = MISC_DYNAMIC_MINOR, .name = "uaccess_test", .fops = &test_fops, .mode = 0666 };

static int __init test_init(void)
{
	int err;

	mutex_init(&lock, "uaccess_test", LOCK_PIPE);
	buffer = vmalloc(UA_ROOM);
	if (!buffer)
		return -ENOMEM;
	memset(buffer, UA_CANARY, UA_ROOM);
	err = misc_register(&test_device);
	if (err)
		vfree(buffer);
	return err;
}

static void __exit test_exit(void)
{
	misc_deregister(&test_device);
	vfree(buffer);
}

module_init(test_init);
module_exit(test_exit);
MODULE_LICENSE("MIT");
MODULE_DESCRIPTION("calls the user-access functions on any address");
