/* SPDX-License-Identifier: BSD-2-Clause */
#include "balancer/order.h"

#include <string.h>

/* One merge of [from, middle) and [middle, to). */
static void merge(const void *items, resil__before_fn *before, const uint32_t *in, uint32_t *out,
                  size_t from, size_t middle, size_t to)
{
    size_t left = from, right = middle;

    if (middle < to && before(items, in[middle], in[middle - 1])) {
        for (; left < middle && right < to; from++)
            out[from] = before(items, in[right], in[left]) ? in[right++] : in[left++];
        memcpy(out + from, in + left, (middle - left) * sizeof *out);
        from += middle - left;
        left = right;
    }
    memcpy(out + from, in + left, (to - left) * sizeof *out);
}

void resil__order(const void *items, uint32_t count, resil__before_fn *before, uint32_t *order,
                  uint32_t *scratch)
{
    uint32_t *in = order, *out = scratch;

    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t width = 1; width < count; width *= 2) {
        uint32_t *done = out;

        for (size_t from = 0; from < count; from += 2 * width) {
            size_t middle = from + width < count ? from + width : count;
            size_t to = middle + width < count ? middle + width : count;

            merge(items, before, in, out, from, middle, to);
        }
        out = in;
        in = done;
    }
    if (in != order)
        memcpy(order, in, count * sizeof *order);
}

static bool address_before(const void *items, uint32_t a, uint32_t b)
{
    const struct resil_member *members = items;
    int order = strcmp(members[a].address, members[b].address);

    return order != 0 ? order < 0 : members[a].weight < members[b].weight;
}

void resil__order_by_address(const struct resil_member *members, uint32_t count, uint32_t *order,
                             uint32_t *scratch)
{
    resil__order(members, count, address_before, order, scratch);
}
