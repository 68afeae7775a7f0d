# user/build.mk - the guest agent and the initramfs around it.
USER_CFLAGS ?= -Os -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror -ffunction-sections \
	-fdata-sections
# With musl the agent is a twelfth of the size, and it stays in the guest's memory.
USERCC := $(or $(shell command -v musl-gcc),$(CC))
agent_objects := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard user/agent*.c)))

$(agent_objects): $(B)/obj/%.o: %.c
	$(call say,USERCC,$<)
	@mkdir -p $(@D)
	$(Q)$(USERCC) -std=gnu11 -D_GNU_SOURCE $(USER_CFLAGS) -iquote . -MMD -MP -c -o $@ $<

$(B)/agent: $(agent_objects)
	$(call say,LINK,$@)
	$(Q)$(USERCC) -static -s -Wl,--gc-sections -o $@ $^

$(B)/mkinitramfs: tools/mkinitramfs.c cli/cpio.c cli/cpio.h
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(HOST_CFLAGS) -iquote . -o $@ tools/mkinitramfs.c cli/cpio.c

$(B)/initramfs.cpio: $(B)/agent $(B)/mkinitramfs
	$(call say,CPIO,$@)
	$(Q)$(B)/mkinitramfs $@ $<

# What --heap puts into dynamic programs. rbp stays the program's: the library reads it (user/heap/heap.c).
heap_sources := user/heap/heap.c user/heap/walk.c
$(B)/heap.so: $(heap_sources) user/heap/heap_file.h user/heap/walk.h
	$(call say,USERCC,$@)
	@mkdir -p $(@D)
	$(Q)$(or $(HEAPCC),gcc) -std=gnu11 -D_GNU_SOURCE -O2 -g1 -Wall -Wextra -Werror -Wno-unused-parameter -fPIC -shared -s \
	  -fvisibility=hidden -fomit-frame-pointer -ffixed-rbp -fno-plt -fno-tree-slp-vectorize -fno-builtin-malloc -fno-builtin-free -fno-builtin-calloc \
	  -iquote . -o $@ $(heap_sources)

-include $(agent_objects:.o=.d)

# Programs for the guest that also run on any Linux.
$(B)/mem: user/mem.c
	$(call say,USERCC,$<)
	$(Q)$(USERCC) -std=gnu11 -D_GNU_SOURCE $(USER_CFLAGS) -static -s -o $@ $<
command: $(B)/mem
