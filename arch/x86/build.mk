# Generated sources of the x86 machine layer.
generated :=

# The system-call table. asm/unistd_64.h comes from the Linux headers the compiler finds.
$(B)/gen/syscall_table.S: tools/syscalls.py
	@mkdir -p $(@D)
	$(Q)echo '#include <asm/unistd_64.h>' | $(CC) -E -dM -x c - | python3 tools/syscalls.py > $@

$(B)/obj/gen/syscall_table.o: $(B)/gen/syscall_table.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(AFLAGS_kernel) -c -o $@ $<

objects += $(B)/obj/gen/syscall_table.o

# ---- the vDSO: a shared object inside the kernel ----------------------------------------------------------------
VDSO_CFLAGS := -std=gnu11 -O2 -m64 -fPIC -ffreestanding -fno-stack-protector -fcf-protection=none -fno-builtin -fomit-frame-pointer \
	-fasynchronous-unwind-tables -mno-sse -mno-mmx -fvisibility=default $(warnings) -Wno-missing-prototypes

$(B)/obj/arch/x86/vdso/vdso.so: arch/x86/vdso/vdso.c arch/x86/vdso/note.S arch/x86/vdso/vdso.lds include/kernel/clock_page.h
	$(call say,VDSO,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(VDSO_CFLAGS) $(includes) -c -o $(@D)/vdso.o arch/x86/vdso/vdso.c
	$(Q)$(CC) -c -o $(@D)/note.o arch/x86/vdso/note.S
	$(Q)ld -shared -Bsymbolic --hash-style=both --eh-frame-hdr --build-id=none -soname linux-vdso.so.1 -z max-page-size=4096 \
	  -z noexecstack -s -T arch/x86/vdso/vdso.lds -o $@ $(@D)/vdso.o $(@D)/note.o

$(B)/obj/arch/x86/vdso_image.o: $(B)/obj/arch/x86/vdso/vdso.so
$(B)/obj/arch/x86/vdso_image.o: AFLAGS_kernel += -DVDSO_FILE='"$(B)/obj/arch/x86/vdso/vdso.so"'

# ---- the symbols that modules may use -----------------------------------------------------------------------------
# Their versions, from what <drivers/driver.h> says of them; Module.symvers is the same as Linux's tools want it.
$(B)/gen/symvers: kernel/module/exports.list $(if $(DEBUG),kernel/module/exports-debug.list) tools/symvers.py
	@mkdir -p $(@D)
	$(Q)cat $(filter %.list,$^) > $(@D)/exports.all
	$(Q)echo '#include <drivers/driver.h>' | $(CC) $(CFLAGS_kernel) -E -P -MMD -MP -MT $@ -MF $(@D)/symvers.d -x c -o $(@D)/exports.i -
	$(Q)python3 tools/symvers.py -k $(@D)/exports.all $(@D)/exports.i > $@.new && mv $@.new $@
	$(Q)awk '{ print $$1 "\t" $$2 "\tvmlinux\tEXPORT_SYMBOL\t" }' $@ > $(B)/Module.symvers
-include $(B)/gen/symvers.d

$(B)/gen/exports.S: $(B)/gen/symvers tools/exports.py
	$(Q)python3 tools/exports.py $< > $@

$(B)/obj/gen/exports.o: $(B)/gen/exports.S
	@mkdir -p $(@D)
	$(Q)$(CC) $(AFLAGS_kernel) -c -o $@ $<

objects += $(B)/obj/gen/exports.o
