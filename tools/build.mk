# tools: the quick look before a commit, under a minute.
check: kernel
	tools/check-arrows --headers
	$(MAKE) --no-print-directory unit
	tests/run -l
	tests/run -q -s 1 'mm_*' proc_fork sig_basic

check-all:
	./test

.PHONY: check check-all
