# What lib/ is made of; the kernel and the host build read the same list.
lib_sources := lib/bitmap.c lib/chacha20.c lib/lz4.c lib/printf.c lib/rbtree.c lib/sort.c lib/string.c lib/strutil.c \
	lib/text.c lib/xarray.c
# memcpy must not become a call of memcpy
CFLAGS_lib_string := -fno-builtin
