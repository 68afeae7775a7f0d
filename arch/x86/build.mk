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
