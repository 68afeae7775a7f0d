# Quire: one Makefile, no recursion. Warnings are errors.
#   make            the kernel, build/quire.elf        make DEBUG=1      build/debug/ (lock ranks, poison, asserts)
#   make run        boot it in QEMU                    make debug        QEMU stopped, gdb attached
#   make iso        GRUB (multiboot2) image            make check        style, arrows, unit and quick system tests
#   make CC=clang   the same with clang, build/clang/  make NO_LEDGER=1  build/noledger/
# Folders with more to build bring a build.mk of their own; it is included at the end.

.DEFAULT_GOAL := kernel
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

CC := gcc
ARCH := x86
V ?=
Q := $(if $(V),,@)

variant := $(if $(findstring clang,$(CC)),clang)$(if $(DEBUG),debug)$(if $(NO_LEDGER),noledger)
B := build$(if $(variant),/$(variant))

# ---- sources: mm and lib by list (the host build reads the same), the rest by folder --------------------------
lib_sources :=
mm_sources :=
-include lib/sources.mk
-include mm/sources.mk

find_sources = $(sort $(shell find $(1) -name '*.c' -not -path '*/vdso/*' 2>/dev/null))
kernel_sources := $(call find_sources,arch/$(ARCH)) $(call find_sources,kernel fs ipc proc drivers) \
	$(lib_sources) $(mm_sources)
asm_sources := $(sort $(shell find arch/$(ARCH) -name '*.S' -not -name '*.lds.S' -not -path '*/vdso/*'))
objects := $(kernel_sources:%.c=$(B)/obj/%.o) $(asm_sources:%.S=$(B)/obj/%.o)

# ---- flags ----------------------------------------------------------------------------------------------------
includes := -Iinclude -Iarch/$(ARCH)/include -I$(B)/gen
warnings := -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla
machine := -m64 -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie -fcf-protection=none
defines := -D__QUIRE__ $(if $(DEBUG),-DDEBUG=1) $(if $(NO_LEDGER),-DNO_LEDGER=1)
CFLAGS_kernel := -std=gnu11 -ffreestanding -O2 -g $(machine) $(warnings) $(includes) $(defines) \
	-fno-omit-frame-pointer -fno-strict-aliasing -fno-common -fno-stack-protector -fno-asynchronous-unwind-tables \
	-ffunction-sections -fwrapv -fno-delete-null-pointer-checks
AFLAGS_kernel := -D__ASSEMBLER__ -g $(filter -m64 -I% -D%,$(machine) $(includes) $(defines))
LDFLAGS_kernel := -nostdlib -static -z noexecstack -z max-page-size=4096 --build-id=none --no-warn-rwx-segments --gc-sections

ifneq ($(findstring clang,$(CC)),)
warnings += -Wno-unknown-warning-option -Wno-gnu-variable-sized-type-not-at-end -Wno-address-of-packed-member \
	-Wno-initializer-overrides
else
warnings += -Wno-override-init -Wno-address-of-packed-member
CFLAGS_kernel += -fno-tree-loop-distribute-patterns -falign-functions=16
endif

say = @printf '  %-7s %s\n' '$(1)' '$(2)'

# ---- the kernel -----------------------------------------------------------------------------------------------
kernel: $(B)/quire.elf

include arch/$(ARCH)/build.mk

$(B)/obj/%.o: %.c | $(generated)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_kernel) $(CFLAGS_$(subst /,_,$*)) -MMD -MP -c -o $@ $<

$(B)/obj/%.o: %.S | $(generated)
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(AFLAGS_kernel) -MMD -MP -c -o $@ $<

# Link twice: the symbol table that panics print needs addresses, and its size must not move them.
$(B)/quire.elf: $(objects) $(B)/kernel.lds tools/kallsyms.py
	$(call say,LD,$@)
	$(Q)python3 tools/kallsyms.py --empty $(B)/kallsyms0.S && $(CC) $(AFLAGS_kernel) -c -o $(B)/kallsyms0.o $(B)/kallsyms0.S
	$(Q)ld $(LDFLAGS_kernel) -T $(B)/kernel.lds -o $(B)/pass1.elf $(objects) $(B)/kallsyms0.o
	$(Q)nm -n $(B)/pass1.elf | python3 tools/kallsyms.py $(B)/kallsyms1.S && $(CC) $(AFLAGS_kernel) -c -o $(B)/kallsyms1.o $(B)/kallsyms1.S
	$(Q)ld $(LDFLAGS_kernel) -T $(B)/kernel.lds -o $(B)/pass2.elf $(objects) $(B)/kallsyms1.o
	$(Q)nm -n $(B)/pass2.elf | python3 tools/kallsyms.py $(B)/kallsyms2.S && $(CC) $(AFLAGS_kernel) -c -o $(B)/kallsyms2.o $(B)/kallsyms2.S
	$(Q)ld $(LDFLAGS_kernel) -T $(B)/kernel.lds -Map=$(B)/quire.map -o $@ $(objects) $(B)/kallsyms2.o

# A source that appeared or vanished must relink: the list is a dependency.
$(B)/objects.list: FORCE
	@mkdir -p $(@D); echo '$(sort $(objects))' | cmp -s - $@ || echo '$(sort $(objects))' > $@
$(B)/quire.elf: $(B)/objects.list
FORCE:

$(B)/kernel.lds: arch/$(ARCH)/kernel.lds.S
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x c -D__ASSEMBLER__ $(includes) -o $@ $<

-include $(objects:.o=.d)

# ---- running --------------------------------------------------------------------------------------------------
QEMU := qemu-system-x86_64
MEM ?= 256M
CPUS ?= 1
APPEND ?=
INITRD ?=
qemu_machine := -M microvm,rtc=on,pic=off,pit=off,isa-serial=on -nodefaults -no-user-config
qemu_common = -accel tcg -cpu max -m $(MEM) -smp $(CPUS) -display none -serial stdio -no-reboot \
	-device isa-debug-exit,iobase=0xf4,iosize=0x04 -kernel $(B)/quire.elf \
	$(if $(INITRD),-initrd '$(INITRD)') -append "$(APPEND)"

run: kernel
	$(QEMU) $(qemu_machine) $(qemu_common)

run-q35: kernel
	$(QEMU) -M q35 -nodefaults $(qemu_common)

# QEMU waits for gdb before the first instruction; leaving gdb ends both.
debug: kernel
	$(QEMU) $(qemu_machine) $(qemu_common) -serial null -s -S & \
	  gdb -q -x tools/quire-gdb.py -ex 'target remote :1234' $(B)/quire.elf; kill %1

iso: $(B)/quire.iso
$(B)/quire.iso: $(B)/quire.elf tools/grub.cfg
	$(call say,ISO,$@)
	@rm -rf $(B)/iso; mkdir -p $(B)/iso/boot/grub
	$(Q)objcopy --strip-debug $(B)/quire.elf $(B)/iso/boot/quire.elf
	$(Q)sed 's|@APPEND@|$(APPEND)|; s|@INITRD@|$(if $(INITRD),module2 /boot/initrd)|' tools/grub.cfg > $(B)/iso/boot/grub/grub.cfg
	$(if $(INITRD),$(Q)cp '$(INITRD)' $(B)/iso/boot/initrd)
	$(Q)grub-mkrescue -o $@ $(B)/iso 2> $(B)/iso.log || { cat $(B)/iso.log; false; }

smoke: kernel
	tools/smoke

compile_commands.json: FORCE
	$(Q)python3 tools/compile_commands.py '$(CURDIR)' '$(CC) $(CFLAGS_kernel)' $(kernel_sources) > $@

clean:
	rm -rf build compile_commands.json

include arch/host/host.mk
-include $(filter-out arch/%,$(wildcard */build.mk))

.PHONY: kernel run run-q35 debug iso smoke clean FORCE check unit
