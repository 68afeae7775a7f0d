# Sources of mm/, for the kernel and for the host build.
mm_sources := $(wildcard mm/*.c mm/*/*.c)
