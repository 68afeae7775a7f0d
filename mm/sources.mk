# What mm/ is made of; the kernel and the host build read the same list.
mm_sources := $(wildcard mm/*.c mm/*/*.c)
