/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What the ledger costs: restoring 100 000 records, verifying and catching up with @n_records
 */
#include <stddef.h>
#include <stdint.h>

void ledger_bench(uint64_t seed, size_t n_records);
