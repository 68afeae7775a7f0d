# Modules: `make modules` builds the samples here; `make module M=path/to/driver` one from elsewhere: a .c file, or a folder
# whose .c files become one module named after it. Result: build/modules/NAME.ko.
MODULE_CFLAGS = $(filter-out -ffunction-sections,$(CFLAGS_kernel)) -DMODULE -fno-toplevel-reorder -Wno-unused-const-variable

module_samples := $(patsubst modules/%.c,%,$(sort $(wildcard modules/*.c)))

modules: $(module_samples:%=$(B)/modules/%.ko)

# NAME, SOURCES, OBJECTS -> FOLDER/NAME.ko: the objects, and what tools/modpost.py adds (versions of symbols, srcversion, depends).
link_module = ld -r --build-id=none -o $(parts)/all.o $(3) && \
  crcs=$$(python3 tools/modpost.py $(1) $(parts)/all.o $(B)/gen/symvers $(B)/modules $(2) -- $(CC) $(MODULE_CFLAGS)) && \
  $(CC) -c -o $(parts)/mod.o $(parts)/mod.S && ld -r --build-id=none $$crcs -o $(B)/modules/$(1).ko $(parts)/all.o $(parts)/mod.o
parts = $(B)/modules/$(1).parts

$(B)/modules/%.ko: modules/%.c kernel/module/exports.list $(B)/gen/symvers tools/modpost.py tools/symvers.py
	$(call say,KO,$@)
	@mkdir -p $(@:.ko=.parts)
	$(Q)$(CC) $(MODULE_CFLAGS) -DKBUILD_MODNAME='"$*"' -MMD -MP -MF $(@:.ko=.d) -MT $@ -c -o $(@:.ko=.parts)/$*.o $<
	$(Q)$(call link_module,$*,$<,$(@:.ko=.parts)/$*.o)

-include $(wildcard $(B)/modules/*.d)

ifneq ($(M),)
module_name := $(subst -,_,$(basename $(notdir $(M:%/=%))))
module_files := $(if $(wildcard $(M)/*.c),$(wildcard $(M)/*.c),$(M:.c=).c)
module: $(B)/gen/symvers FORCE
	@mkdir -p $(B)/modules/$(module_name).parts
	$(Q)first=1; objects=; for c in $(module_files); do \
	  o=$(B)/modules/$(module_name).parts/$$(basename $$c .c).o; objects="$$objects $$o"; \
	  $(CC) $(MODULE_CFLAGS) $${first:+-DKBUILD_MODNAME='"$(module_name)"'} -c -o $$o $$c || exit 1; first=; done; \
	  $(call link_module,$(module_name),$(module_files),$$objects)
	@echo $(B)/modules/$(module_name).ko
endif
.PHONY: modules module
