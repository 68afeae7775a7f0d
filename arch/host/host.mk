# The host build: mm/ and lib/ as an ordinary program, under sanitizers. Included by the Makefile.
#   make unit            every variant, TAP          make unit-asan UNIT=slab    one variant, one suite

host_kernel := kernel/lock.c kernel/mutex.c kernel/rwsem.c kernel/wait.c kernel/cred.c
host_9p := fs/9p/proto.c fs/9p/client.c drivers/virtio/ring.c
host_fs := $(addprefix fs/,inode.c dcache.c super.c mount.c namei.c dirops.c file.c open.c attr.c read_write.c locks.c pipe.c select.c \
	cpio.c inflate.c initramfs.c devfs.c fdtable.c) $(wildcard fs/tmpfs/*.c)
host_sources := $(filter-out lib/string.c,$(lib_sources)) $(mm_sources) $(host_kernel) $(host_9p) $(host_fs) \
	$(wildcard arch/host/*.c) $(wildcard tests/unit/*.c) tests/fuzz/mm_model.c
HOST_CC ?= gcc
host_flags := -std=gnu11 -g -fno-omit-frame-pointer -fno-strict-aliasing -fwrapv -fno-common -pthread $(warnings) \
	-Wno-missing-prototypes -Iinclude -Iarch/host/include -Iarch/x86/include

# name, compiler and linker flags
host_flags_asan := -O1 -DDEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment,object-size
host_flags_tsan := -O1 -DDEBUG -DQUIRE_TSAN -fsanitize=thread -Wno-tsan
host_flags_plain := -O2
host_flags_noledger := -O1 -DNO_LEDGER -fsanitize=undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment,object-size
host_variants := asan tsan plain noledger

# lib/string.c under other names: the program itself uses the C library's
string_functions := memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strcasecmp strchr strrchr strstr strspn strcspn
string_renames := -D__QUIRE__ -fno-builtin $(foreach f,$(string_functions),-D$(f)=own_$(f))

define host_variant
build/host/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC) $$(host_flags) $$(host_flags_$(1)) -MMD -MP -c -o $$@ $$<
build/host/$(1)/lib/string.o: lib/string.c
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC) $$(host_flags) $$(host_flags_$(1)) $$(string_renames) -MMD -MP -c -o $$@ $$<
build/host/$(1)/unit: $$(host_sources:%.c=build/host/$(1)/%.o) build/host/$(1)/lib/string.o
	$$(call say,HOSTLD,$$@)
	$$(Q)$$(HOST_CC) $$(host_flags) $$(host_flags_$(1)) -o $$@ $$^
unit-$(1): build/host/$(1)/unit
	TSAN_OPTIONS=suppressions=tests/unit/tsan.supp build/host/$(1)/unit $$(UNIT)
-include $$(host_sources:%.c=build/host/$(1)/%.d)
.PHONY: unit-$(1)
endef
$(foreach v,$(host_variants),$(eval $(call host_variant,$(v))))

unit: $(host_variants:%=unit-%)
