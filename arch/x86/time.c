/*
 * time.c - how fast the TSC runs, and the battery clock.
 *
 * The speed comes from CPUID where it is said there. Under QEMU and KVM the local APIC timer counts at exactly 1 GHz, so a
 * look at both clocks over a few microseconds gives a first value, and a second look when the timer is first needed, some
 * milliseconds later, a good one: boot waits for nothing. On other machines the PIT gives 10 ms to measure.
 */
#include <arch/apic.h>
#include <arch/cpu.h>
#include <arch/io.h>
#include <arch/time.h>
#include <kernel/boot_info.h>
#include <kernel/clock_page.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <lib/string.h>

#define PIT_HZ		1193182
#define PIT_MS		10
#define CMOS_INDEX	0x70
#define CMOS_DATA	0x71

u64 tsc_khz;

/* ---- speed ---------------------------------------------------------------------------------------------------------- */

static init_text u64 khz_from_cpuid(void)
{
	u32 max_leaf = cpuid(0, 0).eax;
	struct cpuid_regs r;

	if (max_leaf >= 0x15) {
		r = cpuid(0x15, 0);
		if (r.eax && r.ebx && r.ecx)
			return (u64)r.ecx * r.ebx / r.eax / 1000;
	}
	if (cpuid(1, 0).ecx >> 31) {
		r = cpuid(0x40000000, 0);
		if (r.eax >= 0x40000010)
			return cpuid(0x40000010, 0).eax;
	}
	return 0;
}

/* Hypervisors whose APIC timer is known to run at 1 GHz. */
static init_text bool apic_is_1ghz(void)
{
	struct cpuid_regs r;

	if (!(cpuid(1, 0).ecx >> 31))
		return false;
	r = cpuid(0x40000000, 0);
	return memcmp(&r.ebx, "TCGT", 4) == 0 || memcmp(&r.ebx, "KVMK", 4) == 0;
}

static init_text u64 khz_from_pit(void)
{
	u16 count = PIT_HZ * PIT_MS / 1000;
	u64 start, limit = 1000000000;

	outb(0x61, (inb(0x61) & ~2) | 1);		/* gate on, speaker off */
	outb(0x43, 0xb0);				/* channel 2, both bytes, mode 0 */
	outb(0x42, (u8)count);
	outb(0x42, (u8)(count >> 8));
	start = rdtsc();
	while (!(inb(0x61) & 0x20)) {
		if (rdtsc() - start > limit)
			panic("no clock: neither CPUID nor the timer chip tells the TSC's speed");
	}
	return (rdtsc() - start) / PIT_MS;
}

/* One look at both clocks, as close together as five tries give. */
struct look {
	u64 tsc, apic_ns;
};
static struct look first_look;

/* Never inlined: an emulator translates code when it first runs, which must not fall between the two clocks each time. */
static noinline u64 look_once(struct look *l)
{
	u64 before = rdtsc(), ns = lapic_elapsed_ns(), gap = rdtsc() - before;

	*l = (struct look){ before + gap / 2, ns };
	return gap;
}

static struct look look_at_clocks(void)
{
	struct look best = { 0 }, l;
	u64 best_gap = ~0ull;

	for (int i = 0; i < 5; i++) {
		u64 gap = look_once(&l);

		if (gap < best_gap) {
			best_gap = gap;
			best = l;
		}
	}
	return best;
}

static u64 khz_between(struct look a, struct look b)
{
	u64 ns = b.apic_ns - a.apic_ns;

	return ns ? mul_div(b.tsc - a.tsc, 1000000, ns) : 1000000;
}

static init_text u64 khz_from_apic(void)
{
	struct look now;

	lapic_count_freely();
	first_look = look_at_clocks();
	do
		now = look_at_clocks();
	while (now.apic_ns - first_look.apic_ns < 20000);
	return khz_between(first_look, now);
}

/* The APIC timer is about to be used for something else: the last chance to measure with it. */
void time_refine(void)
{
	static bool done;

	if (done || !first_look.tsc)
		return;
	done = true;
	tsc_khz = khz_between(first_look, look_at_clocks());
	clock_set_speed(tsc_khz);
}

u64 ktime_to_tsc(ktime_t mono)
{
	const struct clock_page *c = &clock_page_frame.c;
	s64 delta = mono - c->mono_base;
	u64 cycles;

	if (delta <= 0)
		return 1;
	cycles = mul_div((u64)delta, tsc_khz, 1000000);
	return c->cycle_base + cycles;
}

/* ---- battery clock ---------------------------------------------------------------------------------------------------- */

static u8 cmos(u8 reg)
{
	outb(CMOS_INDEX, reg);
	return inb(CMOS_DATA);
}

static unsigned from_bcd(u8 v, bool binary)
{
	return binary ? v : (v >> 4) * 10u + (v & 15);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static s64 days_to(unsigned year, unsigned month, unsigned day)
{
	if (month <= 2) {		/* the year begins in March: leap days come last */
		month += 12;
		year--;
	}
	return 365 * (s64)year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 719469;
}

s64 rtc_read(void)
{
	unsigned sec, min, hour, day, month, year;
	bool binary;
	u8 status;

	if (cmos(0x0d) == 0xff || cmos(0x0a) == 0xff)
		return 0;
	for (int i = 0; i < 10000 && (cmos(0x0a) & 0x80); i++)
		cpu_relax();
	status = cmos(0x0b);
	binary = status & 4;
	sec = from_bcd(cmos(0), binary);
	min = from_bcd(cmos(2), binary);
	hour = from_bcd(cmos(4) & 0x7f, binary);
	day = from_bcd(cmos(7), binary);
	month = from_bcd(cmos(8), binary);
	year = 2000 + from_bcd(cmos(9), binary);
	return ((days_to(year, month, day) * 24 + hour) * 60 + min) * 60 + sec;
}

/*
 * The battery clock counts whole seconds, so it is up to one behind. Who starts the machine may say the time in nanoseconds
 * (quire.time=), which is behind by what the start took: the later of the two is nearer.
 */
init_text void time_init(void)
{
	lapic_known_1ghz = apic_is_1ghz();
	tsc_khz = khz_from_cpuid();
	if (!tsc_khz)
		tsc_khz = lapic_known_1ghz ? khz_from_apic() : khz_from_pit();
	clock_set_speed(tsc_khz);
	ktime_set_real(max((u64)rtc_read() * NSEC_PER_SEC, cmdline_get_size("quire.time", 0)));
	pr_info("TSC: %lu.%03lu MHz\n", tsc_khz / 1000, tsc_khz % 1000);
}
