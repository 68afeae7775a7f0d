/* mm_model.h - bytes become operations on address spaces and on a naive model of them. */
#ifndef TESTS_FUZZ_MM_MODEL_H
#define TESTS_FUZZ_MM_MODEL_H

#include <lib/types.h>

/* A started machine is needed. Panics on the first difference, after saying which operation it was. */
void mm_model_run(const u8 *bytes, size_t n);

#endif
