/*
 * mmap_buffer.c - /dev/mmap_buffer: the driver's pages, mapped into any number of processes at whatever addresses they like.
 */
#include <drivers/driver.h>

static unsigned pages = 4;
module_param(pages, uint, 0444);
MODULE_PARM_DESC(pages, "size of the buffer, a power of two, at most 256");

static struct page *buffer;
static unsigned order;

static int buffer_mmap(struct file *f, struct vm_area_struct *v)
{
	size_t len = v->vm_end - v->vm_start;

	if (v->vm_pgoff >= pages || len > (pages - v->vm_pgoff) * PAGE_SIZE)
		return -EINVAL;
	return remap_pfn_range(v, v->vm_start, page_to_pfn(buffer) + v->vm_pgoff, len, v->vm_page_prot);
}

static const struct file_operations buffer_fops = { .owner = THIS_MODULE, .mmap = buffer_mmap };
static struct miscdevice buffer_device = { .minor = MISC_DYNAMIC_MINOR, .name = "mmap_buffer", .fops = &buffer_fops, .mode = 0666 };

static int __init buffer_init(void)
{
	int err;

	if (!pages || pages > 256 || (pages & (pages - 1)))
		return -EINVAL;
	while (1u << order < pages)
		order++;
	buffer = alloc_pages(GFP_KERNEL | GFP_ZERO, order);
	if (!buffer)
		return -ENOMEM;
	strscpy(page_address(buffer), "from the driver", PAGE_SIZE);
	err = misc_register(&buffer_device);
	if (err)
		__free_pages(buffer, order);
	return err;
}

static void __exit buffer_exit(void)
{
	misc_deregister(&buffer_device);
	__free_pages(buffer, order);
}

module_init(buffer_init);
module_exit(buffer_exit);
MODULE_LICENSE("MIT");
MODULE_DESCRIPTION("a buffer shared with user space by mmap");
