// SPDX-License-Identifier: GPL-2.0
#include "random.h"

#include <stdlib.h>
#include <time.h>

unsigned int choose_seed(void)
{
	return getenv("SEED") ? strtoul(getenv("SEED"), NULL, 0) : time(NULL);
}

struct random start_random(unsigned int seed, unsigned int nr)
{
	return (struct random) { .state = ((unsigned long long)seed << 32) + nr };
}

unsigned int choose(struct random *random, unsigned int nr)
{
	/* Knuth's MMIX constants; the high bits are the good ones */
	random->state = random->state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random->state >> 33) % nr;
}

bool once_in(struct random *random, unsigned int nr)
{
	return !choose(random, nr);
}
