/*
 * acpi.c - the few facts we need from the firmware's tables: CPUs, interrupt controllers, how to power off.
 *
 * RSDP from the loader, else searched in the BIOS area. MADT for CPUs and IOAPICs; FADT and the \_S5 package of the DSDT for
 * power-off (the package is found by its name: no AML interpreter). Without ACPI, the Intel MP table (mptable_init()).
 */
#include <arch/apic.h>
#include <arch/io.h>
#include <arch/mmu.h>
#include <kernel/boot_info.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <mm/page.h>

#define BIOS_START	0xe0000
#define BIOS_END	0x100000
#define EBDA_POINTER	0x40e

struct platform platform;

struct rsdp {
	char	signature[8];
	u8	checksum;
	char	oem[6];
	u8	revision;
	u32	rsdt;
	u32	length;
	u64	xsdt;
} packed;

struct sdt {
	char	signature[4];
	u32	length;
	u8	revision, checksum;
	char	oem[6], oem_table[8];
	u32	oem_revision, creator, creator_revision;
} packed;

struct gas {			/* generic address */
	u8	space, width, offset, access;
	u64	address;
} packed;

struct fadt {
	struct sdt h;
	u32	firmware_control, dsdt;
	u8	pad1[16];
	u32	pm1a_event, pm1b_event, pm1a_control, pm1b_control;
	u8	pad2[44];
	u32	flags;
	struct gas reset;
	u8	reset_value;
	u8	pad3[3];
	u64	x_firmware_control, x_dsdt;
	struct gas x_blocks[8];
	struct gas sleep_control, sleep_status;
} packed;

#define FADT_HW_REDUCED	(1u << 20)

static init_text void *firmware(paddr_t pa, size_t len)
{
	vaddr_t v = (vaddr_t)phys_to_virt(pa);

	if (kernel_address_readable(v) && kernel_address_readable(v + len - 1))
		return (void *)v;
	return arch_map_device(pa, len, false);
}

static bool sum_ok(const void *p, size_t len)
{
	u8 sum = 0;

	for (const u8 *b = p; len--; b++)
		sum += *b;
	return !sum;
}

static init_text const struct sdt *table(paddr_t pa)
{
	const struct sdt *t = firmware(pa, sizeof(*t));

	return firmware(pa, t->length);
}

static init_text const void *search(const char *signature, paddr_t start, paddr_t end, size_t len)
{
	for (paddr_t pa = start; pa + len <= end; pa += 16) {
		const char *p = phys_to_virt(pa);

		if (memcmp(p, signature, strlen(signature)) == 0 && sum_ok(p, len))
			return p;
	}
	return NULL;
}

static init_text const void *search_bios(const char *signature, size_t len)
{
	paddr_t ebda = (paddr_t)*(const u16 *)phys_to_virt(EBDA_POINTER) << 4;
	const void *p = search(signature, BIOS_START, BIOS_END, len);

	if (!p)
		p = search(signature, 0x9fc00, 0xa0000, len);
	if (!p && ebda >= 0x80000 && ebda < 0x9fc00)
		p = search(signature, ebda, 0x9fc00, len);
	return p;
}

/* ---- MADT ------------------------------------------------------------------------------------------------------- */

static init_text void add_cpu(u32 apic_id)
{
	for (unsigned i = 0; i < platform.nr_cpus; i++) {
		if (platform.apic_ids[i] == apic_id)
			return;
	}
	if (platform.nr_cpus < ARRAY_SIZE(platform.apic_ids))
		platform.apic_ids[platform.nr_cpus++] = apic_id;
}

static init_text void add_ioapic(paddr_t address, u32 gsi_base)
{
	if (platform.nr_ioapics < ARRAY_SIZE(platform.ioapics))
		platform.ioapics[platform.nr_ioapics++] = (struct ioapic_info){ address, gsi_base };
}

static u32 u32_at(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static init_text void parse_madt(const struct sdt *t)
{
	const u8 *p = (const u8 *)(t + 1), *end = (const u8 *)t + t->length;

	platform.lapic_address = u32_at(p);
	for (p += 8; p + 2 <= end && p[1] >= 2; p += p[1]) {
		switch (p[0]) {
		case 0:			/* local APIC */
			if (p[4] & 3)
				add_cpu(p[3]);
			break;
		case 1:
			add_ioapic(u32_at(p + 4), u32_at(p + 8));
			break;
		case 2:
			if (platform.nr_overrides < ARRAY_SIZE(platform.overrides))
				platform.overrides[platform.nr_overrides++] =
					(struct irq_override){ p[3], u32_at(p + 4), (u16)(p[8] | p[9] << 8) };
			break;
		case 9:			/* local x2APIC */
			if (p[8] & 3)
				add_cpu(u32_at(p + 4));
			break;
		}
	}
}

/* ---- power off ---------------------------------------------------------------------------------------------------- */

/* Name(_S5, Package(n){ SLP_TYPa, … }): 08 '_S5_' 12 length n 0a value */
static init_text int find_s5(const struct sdt *dsdt)
{
	const u8 *p = (const u8 *)(dsdt + 1), *end = (const u8 *)dsdt + dsdt->length - 10;

	for (; p < end; p++) {
		if (memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12)
			continue;
		p += 5;
		p += (*p >> 6) + 2;			/* package length, element count */
		return *p == 0x0a ? p[1] : *p <= 1 ? *p : -1;
	}
	return -1;
}

static init_text void parse_fadt(const struct fadt *f)
{
	int s5 = f->dsdt ? find_s5(table(f->dsdt)) : -1;

	if ((f->flags & FADT_HW_REDUCED) && f->h.length >= sizeof(*f)) {
		platform.sleep_control = f->sleep_control.space == 0 ? f->sleep_control.address : 0;
		platform.sleep_type = s5 >= 0 ? (u8)s5 : 5;
		if (platform.sleep_control)
			platform.sleep_control = (paddr_t)(vaddr_t)arch_map_device(platform.sleep_control, 1, true);
	} else if (f->pm1a_control && s5 >= 0) {
		platform.pm1a_control = (u16)f->pm1a_control;
		platform.pm1_sleep_type = (u16)s5;
	}
}

bool acpi_power_off(void);
bool acpi_power_off(void)
{
	if (platform.sleep_control)
		mmio_write8((void *)platform.sleep_control, (u8)(platform.sleep_type << 2 | 0x20));
	if (platform.pm1a_control)
		outw(platform.pm1a_control, (u16)(platform.pm1_sleep_type << 10 | 0x2000));
	return false;
}

static init_text void parse_table(paddr_t pa)
{
	const struct sdt *t = table(pa);

	if (memcmp(t->signature, "APIC", 4) == 0)
		parse_madt(t);
	else if (memcmp(t->signature, "FACP", 4) == 0)
		parse_fadt((const struct fadt *)t);
	else if (memcmp(t->signature, "HPET", 4) == 0)
		memcpy(&platform.hpet, (const u8 *)t + 44, 8);
}

init_text void acpi_init(void)
{
	const struct rsdp *r = boot_info.rsdp ? firmware(boot_info.rsdp, sizeof(*r)) : search_bios("RSD PTR ", 20);
	const struct sdt *root;
	bool wide;

	if (!r || memcmp(r->signature, "RSD PTR ", 8) != 0 || cmdline_has("noacpi"))
		return;
	wide = r->revision >= 2 && r->xsdt;
	root = table(wide ? r->xsdt : r->rsdt);
	for (u32 i = 0; i < (root->length - sizeof(*root)) / (wide ? 8 : 4); i++) {
		const u8 *e = (const u8 *)(root + 1) + i * (wide ? 8 : 4);

		parse_table(wide ? u32_at(e) | (u64)u32_at(e + 4) << 32 : u32_at(e));
	}
}

/* ---- MP table --------------------------------------------------------------------------------------------------- */

struct mp_pointer { char signature[4]; u32 table; u8 length, revision, checksum, features[5]; } packed;
struct mp_table { char signature[4]; u16 length; u8 revision, checksum; char oem[20]; u32 oem_table; u16 oem_size, count;
		  u32 lapic; u16 ext_length; u8 ext_checksum, reserved; } packed;

init_text void mptable_init(void)
{
	const struct mp_pointer *mp = search_bios("_MP_", 16);
	const struct mp_table *t;
	const u8 *p;

	if (!mp || !mp->table)
		return;
	t = firmware(mp->table, sizeof(*t));
	t = firmware(mp->table, t->length);
	platform.lapic_address = t->lapic;
	p = (const u8 *)(t + 1);
	while (p + 8 <= (const u8 *)t + t->length) {	/* not by t->count: qboot leaves that 0 */
		switch (p[0]) {
		case 0:
			if (p[3] & 1)
				add_cpu(p[1]);
			p += 20;
			break;
		case 2:
			if (p[3] & 1)
				add_ioapic(u32_at(p + 4), platform.nr_ioapics * 24);
			p += 8;
			break;
		default:
			p += 8;
		}
	}
}
