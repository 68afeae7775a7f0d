# The host build: mm/ and lib/ as an ordinary program, under sanitizers. Included by the Makefile.
#   make unit            every variant, TAP          make unit-asan UNIT=slab    one variant, one suite

host_kernel := kernel/lock.c kernel/mutex.c kernel/rwsem.c kernel/wait.c kernel/cred.c kernel/trace.c
host_9p := fs/9p/proto.c fs/9p/client.c drivers/virtio/ring.c
host_fs := $(addprefix fs/,inode.c dcache.c super.c mount.c namei.c dirops.c file.c open.c attr.c read_write.c locks.c pipe.c select.c \
	cpio.c inflate.c initramfs.c devfs.c fdtable.c) $(wildcard fs/tmpfs/*.c)
host_sources := $(filter-out lib/string.c,$(lib_sources)) $(mm_sources) $(host_kernel) $(host_9p) $(host_fs) \
	$(wildcard arch/host/*.c) $(wildcard tests/unit/*.c) tests/fuzz/mm_model.c
HOST_CC ?= gcc
host_flags = -std=gnu11 -g -fno-omit-frame-pointer -fno-strict-aliasing -fwrapv -fno-common -pthread $(warnings) \
	-Wno-missing-prototypes -Iinclude -Iarch/host/include -Iarch/x86/include

# the compiler alone is not enough: a 32-bit C library must be installed
has_m32 := $(shell echo 'int main(void){return 0;}' | $(HOST_CC) -m32 -fsanitize=address -x c - -o /dev/null 2>/dev/null && echo yes)

# name, compiler and linker flags
host_flags_asan := -O1 -DDEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment,object-size
host_flags_tsan := -O1 -DDEBUG -DQUIRE_TSAN -fsanitize=thread -Wno-tsan
host_flags_plain := -O2
host_flags_noledger := -O1 -DNO_LEDGER -fsanitize=undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment,object-size
host_variants := asan tsan plain noledger $(if $(has_m32),m32)
host_sources_asan = $(host_sources)
host_sources_tsan = $(host_sources)
host_sources_plain = $(host_sources)
host_sources_noledger = $(host_sources)
host_sources_m32 = $(m32_sources)

# lib/string.c under other names: the program itself uses the C library's
string_functions := memcpy memmove memset memcmp memchr strlen strnlen strcmp strncmp strcasecmp strchr strrchr strstr strspn strcspn
string_renames := -D__QUIRE__ -fno-builtin $(foreach f,$(string_functions),-D$(f)=own_$(f))

# 32 bits: lib/ and mm/ whole, with page tables of three levels (x86's own format with PAE); no file systems
m32_tests := $(addprefix tests/unit/,main.c unit.c test_lib.c test_rbtree.c test_xarray.c test_slab.c test_page_alloc.c test_vmalloc.c \
	test_mm.c test_ledger.c test_lock.c test_timer.c)
m32_sources := $(filter-out lib/string.c,$(lib_sources)) $(mm_sources) $(host_kernel) $(wildcard arch/host/*.c) arch/host/nofs/nofs.c $(m32_tests) \
	tests/fuzz/mm_model.c
host_flags_m32 := -m32 -O1 -DDEBUG -D_FILE_OFFSET_BITS=64 -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -fno-sanitize=alignment,object-size,pointer-overflow -Wno-pointer-to-int-cast
define host_variant
build/host/$(1)/%.o: %.c
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC) $$(host_flags_$(1)) $$(host_flags) -MMD -MP -c -o $$@ $$<
build/host/$(1)/lib/string.o: lib/string.c
	@mkdir -p $$(@D)
	$$(Q)$$(HOST_CC) $$(host_flags_$(1)) $$(host_flags) $$(string_renames) -MMD -MP -c -o $$@ $$<
build/host/$(1)/unit: $$(host_sources_$(1):%.c=build/host/$(1)/%.o) build/host/$(1)/lib/string.o
	$$(call say,HOSTLD,$$@)
	$$(Q)$$(HOST_CC) $$(host_flags_$(1)) $$(host_flags) -o $$@ $$^
unit-$(1): build/host/$(1)/unit
	TSAN_OPTIONS=suppressions=tests/unit/tsan.supp build/host/$(1)/unit $$(UNIT)
-include $$(host_sources_$(1):%.c=build/host/$(1)/%.d)
.PHONY: unit-$(1)
endef
$(foreach v,$(host_variants),$(eval $(call host_variant,$(v))))

# The module loader, fed with damaged modules: make fuzz-modules [FUZZ="-t 600"]; a short run is part of the unit tests. With clang's
# libFuzzer: make fuzz-modules-libfuzzer, then build/fuzz-modules-lf FOLDER-OF-KO-FILES
fuzz_module_sources := $(wildcard kernel/module/*.c) arch/x86/reloc.c lib/text.c lib/printf.c lib/strutil.c tests/fuzz/modules.c
fuzz_module_flags = $(filter-out -DDEBUG,$(host_flags_asan)) $(filter-out -pthread,$(host_flags)) -Wno-unused-function -no-pie
build/fuzz-modules: $(fuzz_module_sources) include/kernel/module.h include/mm/ledger.h
	$(call say,HOSTLD,$@)
	$(Q)$(HOST_CC) $(fuzz_module_flags) -o $@ $(fuzz_module_sources)
fuzz-modules-libfuzzer:
	clang $(fuzz_module_flags) -DLIBFUZZER -fsanitize=fuzzer -o build/fuzz-modules-lf $(fuzz_module_sources)
fuzz-modules: build/fuzz-modules modules
	@build/fuzz-modules $(FUZZ) $(module_samples:%=$(B)/modules/%.ko)
.PHONY: fuzz-modules fuzz-modules-libfuzzer

unit: $(host_variants:%=unit-%) fuzz-modules
