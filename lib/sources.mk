# Sources of lib/, for the kernel and for the host build.
lib_sources := $(wildcard lib/*.c)
