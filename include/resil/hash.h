/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef RESIL_HASH_H
#define RESIL_HASH_H

/*
 * The hash that the balancer's tables are made with, for making keys of whatever a program has: a
 * user's id, a path, a session. XXH64: Yann Collet, "xxHash fast digest algorithm", format
 * description 0.1.1, 2016. The same bytes and seed give the same number on every machine.
 *
 * A hash picker (ring, maglev, rendezvous, bounded load) takes its key as it is: all 64 bits of it
 * have to be mixed well. A bare counter would put every call on one endpoint; its hash spreads them.
 *
 * Not for cryptography: whoever chooses the bytes can make collisions.
 */

#include <resil/common.h>

RESIL_BEGIN_DECLS

/**
 * Hashes n bytes.
 *
 * 0 is an answer like any other, and to a picker it means "no key": one input in 2^64.
 *
 * @param bytes what to hash, at any alignment; NULL is allowed when n is 0.
 * @param n     Unit: bytes. Any number; 0 is the hash of nothing.
 * @param seed  any number: another seed gives an unrelated hash.
 * @return the hash.
 *
 * Threads:   may run concurrently with everything.
 * Progress:  wait-free; reads the n bytes once. Atomics: none. Syscalls: none.
 * Ordering:  none.
 * Signals:   async-signal-safe: yes.
 * Ownership: keeps nothing.
 * Since:     0.1
 */
RESIL_API uint64_t resil_hash64(const void *bytes, size_t n, uint64_t seed);

RESIL_END_DECLS

#endif
