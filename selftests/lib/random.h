/* SPDX-License-Identifier: GPL-2.0 */
/* Choices that a seed repeats */
#ifndef SELFTESTS_LIB_RANDOM_H
#define SELFTESTS_LIB_RANDOM_H

#include <stdbool.h>

struct random {
	unsigned long long state;
};

/* $SEED, or a new one */
unsigned int choose_seed(void);
/* The same seed and number give the same choices. */
struct random start_random(unsigned int seed, unsigned int nr);
unsigned int choose(struct random *random, unsigned int nr);
/* True once in @nr */
bool once_in(struct random *random, unsigned int nr);

#endif
