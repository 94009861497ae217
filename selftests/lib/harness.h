/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's test harness, with time for a guest that is emulated on a host
 * which has other things to do. Only a test that hangs takes all of it.
 */
#ifndef SELFTESTS_LIB_HARNESS_H
#define SELFTESTS_LIB_HARNESS_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	600

#endif
