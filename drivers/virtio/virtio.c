/*
 * virtio.c - devices meet drivers.
 *
 * Transports are scanned at initcall stage 3; drivers registered themselves in stage 2 by a static initcall, so each
 * device found has its driver waiting. The status dance is the standard's: reset, ACKNOWLEDGE, DRIVER, features,
 * FEATURES_OK (read back), queues, DRIVER_OK. A device that refuses is marked FAILED and left alone.
 */
#include <abi/errno.h>
#include <drivers/virtio.h>
#include <kernel/printk.h>
#include <lib/string.h>

#include "virtio_private.h"

static struct list drivers = LIST_INIT(drivers);
static struct list devices = LIST_INIT(devices);
static unsigned nr_devices;

void virtio_driver_register(struct virtio_driver *drv)
{
	list_append(&drivers, &drv->link);
}

static struct virtio_driver *find_driver(u32 id)
{
	struct virtio_driver *drv;

	list_for_each(drv, &drivers, link)
		if (drv->id == id)
			return drv;
	return NULL;
}

static void status_add(struct virtio_device *d, u8 bits)
{
	d->transport->set_status(d, d->transport->get_status(d) | bits);
}

static int negotiate(struct virtio_device *d, u64 wanted)
{
	u64 offered = d->transport->get_features(d);

	if (!(offered & BIT(VIRTIO_F_VERSION_1)))
		return -ENODEV;
	d->features = offered & (wanted | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC));
	d->transport->set_features(d, d->features);
	status_add(d, VIRTIO_CONFIG_S_FEATURES_OK);
	return d->transport->get_status(d) & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -ENODEV;
}

int virtio_device_add(struct virtio_device *d)
{
	struct virtio_driver *drv = find_driver(d->id);
	int err;

	ksnprintf(d->name, sizeof(d->name), "virtio%u", nr_devices++);
	list_append(&devices, &d->link);
	d->transport->set_status(d, 0);
	status_add(d, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	if (!drv)
		return -ENODEV;
	status_add(d, VIRTIO_CONFIG_S_DRIVER);
	err = negotiate(d, drv->features);
	d->driver = drv;
	if (!err)
		err = drv->probe(d);
	if (err) {
		d->driver = NULL;
		pr_warn("%s: %s: error %d\n", d->name, drv->name, err);
		status_add(d, VIRTIO_CONFIG_S_FAILED);
	}
	return err;
}

void virtio_driver_ok(struct virtio_device *d)
{
	status_add(d, VIRTIO_CONFIG_S_DRIVER_OK);
}

void virtio_deferred(struct virtio_device *d)
{
	for (unsigned i = 0; i < d->nr_queues; i++)
		if (d->queues[i])
			virtqueue_run_callback(d->queues[i]);
	if (xchg(&d->config_pending, false) && d->driver && d->driver->config_changed)
		d->driver->config_changed(d);
}
