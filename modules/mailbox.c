/*
 * mailbox.c - a character device: /dev/mailbox holds one message. write() puts it, read() takes it and sleeps when there is
 * none, poll() tells, ioctl() counts and empties.
 */
#include <drivers/driver.h>

#define MAILBOX_MAX	4096
#define MAILBOX_COUNT	_IOR('q', 1, int)	/* messages ever */
#define MAILBOX_CLEAR	_IO('q', 2)

static struct mutex lock;
static wait_queue_head_t changed;
static char *message;
static size_t length;
static int count;

static ssize_t mailbox_read(struct file *f, char __user *buf, size_t n, loff_t *pos)
{
	ssize_t done;
	int err;

	mutex_lock(&lock);
	while (!message) {
		mutex_unlock(&lock);
		if (f->flags & 04000 /* O_NONBLOCK */)
			return -EAGAIN;
		err = wait_event_interruptible(&changed, READ_ONCE(message) != NULL);
		if (err)
			return err;
		mutex_lock(&lock);
	}
	done = (ssize_t)min(n, length);
	if (copy_to_user(buf, message, (size_t)done)) {
		mutex_unlock(&lock);
		return -EFAULT;
	}
	kfree(message);
	message = NULL;
	mutex_unlock(&lock);
	wake_up_all(&changed);
	return done;
}

static ssize_t mailbox_write(struct file *f, const char __user *buf, size_t n, loff_t *pos)
{
	char *text;

	if (n > MAILBOX_MAX)
		return -EMSGSIZE;
	text = kmalloc(n + 1, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	if (copy_from_user(text, buf, n)) {
		kfree(text);
		return -EFAULT;
	}
	mutex_lock(&lock);
	kfree(message);
	message = text;
	length = n;
	count++;
	mutex_unlock(&lock);
	wake_up_all(&changed);
	return (ssize_t)n;
}

static u32 mailbox_poll(struct file *f, poll_table *pt)
{
	poll_wait(f, &changed, pt);
	return (READ_ONCE(message) ? 0x41 /* POLLIN | POLLRDNORM */ : 0) | 0x104 /* POLLOUT | POLLWRNORM */;
}

static long mailbox_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	switch (cmd) {
	case MAILBOX_COUNT:
		return put_user(count, (int __user *)arg);
	case MAILBOX_CLEAR:
		mutex_lock(&lock);
		kfree(message);
		message = NULL;
		mutex_unlock(&lock);
		return 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations mailbox_fops = {
	.owner = THIS_MODULE, .read = mailbox_read, .write = mailbox_write, .poll = mailbox_poll, .unlocked_ioctl = mailbox_ioctl,
};
static struct miscdevice mailbox_device = { .minor = MISC_DYNAMIC_MINOR, .name = "mailbox", .fops = &mailbox_fops, .mode = 0666 };

static int __init mailbox_init(void)
{
	mutex_init(&lock, "mailbox", LOCK_PIPE);
	init_waitqueue_head(&changed);
	return misc_register(&mailbox_device);
}

static void __exit mailbox_exit(void)
{
	misc_deregister(&mailbox_device);
	kfree(message);
}

module_init(mailbox_init);
module_exit(mailbox_exit);
MODULE_LICENSE("MIT");
MODULE_DESCRIPTION("a character device with read, write, poll and ioctl");
