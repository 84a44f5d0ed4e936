/* SPDX-License-Identifier: BSD-2-Clause */
#include "spread.h"

/* A cell's number is the value without the bits behind its first seven, and how many those are. */
void spread_add(struct spread *spread, uint64_t value)
{
    uint32_t bits = value == 0 ? 0 : 63 - (uint32_t)__builtin_clzll(value);
    uint32_t shift = bits > SPREAD_SUB_BITS ? bits - SPREAD_SUB_BITS : 0;

    spread->cells[((uint64_t)shift << SPREAD_SUB_BITS) + (value >> shift)]++;
    spread->count++;
    spread->max = value > spread->max ? value : spread->max;
}

void spread_merge(struct spread *into, const struct spread *from)
{
    for (uint32_t i = 0; i < SPREAD_CELLS; i++)
        into->cells[i] += from->cells[i];
    into->count += from->count;
    into->max = from->max > into->max ? from->max : into->max;
}

/* The greatest value of a cell. */
static uint64_t cell_end(uint32_t cell)
{
    uint32_t shift = cell >> SPREAD_SUB_BITS;
    uint64_t lead = cell;

    if (shift <= 1)
        return cell;
    shift--;
    lead -= (uint64_t)shift << SPREAD_SUB_BITS;
    return ((lead + 1) << shift) - 1;
}

uint64_t spread_percentile(const struct spread *spread, uint32_t per_mille)
{
    uint64_t rank = (spread->count * per_mille + 999) / 1000;
    uint64_t seen = 0;

    for (uint32_t i = 0; i < SPREAD_CELLS; i++) {
        seen += spread->cells[i];
        if (seen >= rank && seen > 0) {
            uint64_t end = cell_end(i);

            return end < spread->max ? end : spread->max;
        }
    }
    return 0;
}
