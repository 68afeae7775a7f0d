/* spy.c - something for a debugger to look at. */
#include <stdio.h>

static int counter;

static int add(int a, int b)
{
	counter += a;
	return a + b;
}

int main(void)
{
	int sum = 0;

	for (int i = 1; i < 5; i++)
		sum = add(sum, i);
	printf("sum %d counter %d\n", sum, counter);
	return 3;
}
