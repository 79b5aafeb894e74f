/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What every fuzz target is: one function, called with one input
 *
 * With -Dfuzz=true libFuzzer calls it; otherwise replay.c does, with every kept input.
 */
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
