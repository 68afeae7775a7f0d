# cli/build.mk - the host command.
HOST_CFLAGS ?= -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror
cli_objects := $(patsubst %.c,$(B)/obj/%.o,$(sort $(wildcard cli/*.c)))

$(cli_objects): $(B)/obj/%.o: %.c
	$(call say,HOSTCC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE $(HOST_CFLAGS) -iquote . -MMD -MP -c -o $@ $<

$(B)/obj/cli/html.o: cli/page.html

$(B)/quire: $(cli_objects)
	$(call say,LINK,$@)
	$(Q)$(CC) $(HOST_CFLAGS) -o $@ $^ -ljansson -ldw -lelf -pthread

# Everything `quire run` needs.
command: kernel $(B)/quire $(B)/initramfs.cpio $(B)/heap.so
.DEFAULT_GOAL := command

PREFIX ?= /usr/local
install: command
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/quire $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(B)/quire $(DESTDIR)$(PREFIX)/bin/quire
	install -m 644 $(B)/quire.elf $(B)/initramfs.cpio $(B)/heap.so $(DESTDIR)$(PREFIX)/lib/quire/
	install -m 644 docs/quire.1 $(DESTDIR)$(PREFIX)/share/man/man1/quire.1

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/quire $(DESTDIR)$(PREFIX)/share/man/man1/quire.1
	rm -rf $(DESTDIR)$(PREFIX)/lib/quire

-include $(cli_objects:.o=.d)
.PHONY: command install uninstall

# The command's parsers under sanitizers, fed with damaged input: make fuzz-cli [ROUNDS=n]
fuzz_sources := $(sort $(wildcard cli/*.c)) tests/fuzz/cli_parsers.c
$(B)/cli_parsers: $(fuzz_sources) $(wildcard cli/*.h) cli/page.html
	$(call say,HOSTCC,$@)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g -Wno-format-truncation -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		-Dmain=cli_main -iquote . -c -o $(B)/cli_main.o cli/main.c
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O1 -g -Wno-format-truncation -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		-iquote . -o $@ $(filter-out cli/main.c,$(fuzz_sources)) $(B)/cli_main.o -ljansson -ldw -lelf -pthread

fuzz-cli: $(B)/cli_parsers
	$(B)/cli_parsers $(ROUNDS)
.PHONY: fuzz-cli
