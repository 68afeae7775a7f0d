/*
 * sort.c - heapsort: no recursion and no worst case, which is what kernel stacks want.
 */
#include <lib/sort.h>

static void swap_bytes(u8 *a, u8 *b, size_t size)
{
	while (size--) {
		u8 t = *a;

		*a++ = *b;
		*b++ = t;
	}
}

/* Let the element at `i` sink to its place in the heap of n elements. */
static void sift(u8 *base, size_t i, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	for (size_t kid; (kid = 2 * i + 1) < n; i = kid) {
		if (kid + 1 < n && cmp(base + kid * size, base + (kid + 1) * size) < 0)
			kid++;
		if (cmp(base + i * size, base + kid * size) >= 0)
			return;
		swap_bytes(base + i * size, base + kid * size, size);
	}
}

void sort(void *base, size_t n, size_t size, int (*cmp)(const void *a, const void *b))
{
	u8 *b = base;

	for (size_t i = n / 2; i-- > 0; )
		sift(b, i, n, size, cmp);
	while (n > 1) {
		n--;
		swap_bytes(b, b + n * size, size);
		sift(b, 0, n, size, cmp);
	}
}
