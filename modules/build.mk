# Modules: `make modules` builds the samples here; `make module M=path/to/driver` one from elsewhere: a .c file, or a folder
# whose .c files become one module named after it. Result: build/modules/NAME.ko.
MODULE_CFLAGS = $(filter-out -ffunction-sections,$(CFLAGS_kernel)) -DMODULE -fno-toplevel-reorder -Wno-unused-const-variable

module_samples := $(patsubst modules/%.c,%,$(sort $(wildcard modules/*.c)))

modules: $(module_samples:%=$(B)/modules/%.ko)

$(B)/modules/%.ko: modules/%.c kernel/module/exports.list
	$(call say,KO,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(MODULE_CFLAGS) -DKBUILD_MODNAME='"$*"' -MMD -MP -MT $@ -c -o $(@:.ko=.o) $<
	$(Q)ld -r --build-id=none -o $@ $(@:.ko=.o)

-include $(wildcard $(B)/modules/*.d)

ifneq ($(M),)
module_name := $(subst -,_,$(basename $(notdir $(M:%/=%))))
module_files := $(if $(wildcard $(M)/*.c),$(wildcard $(M)/*.c),$(M:.c=).c)
module: FORCE
	@mkdir -p $(B)/modules/$(module_name).parts
	$(Q)first=1; objects=; for c in $(module_files); do \
	  o=$(B)/modules/$(module_name).parts/$$(basename $$c .c).o; objects="$$objects $$o"; \
	  $(CC) $(MODULE_CFLAGS) $${first:+-DKBUILD_MODNAME='"$(module_name)"'} -c -o $$o $$c || exit 1; first=; done; \
	  ld -r --build-id=none -o $(B)/modules/$(module_name).ko $$objects
	@echo $(B)/modules/$(module_name).ko
endif
.PHONY: modules module
