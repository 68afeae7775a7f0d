# bench: Quire against stock Linux in the same QEMU.
bench: kernel
	bench/run

bench-quick: kernel
	bench/run --quick

.PHONY: bench bench-quick
