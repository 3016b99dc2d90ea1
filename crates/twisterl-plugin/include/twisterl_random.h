/* Random numbers for environments of TwisteRL in C: the stream of a key of 32 bytes, as the host hands it over at `begin`.
 *
 * The stream is ChaCha with 8 rounds, a counter of 64 bits and stream 0. te_u32, te_u64, te_below and te_f32, te_f64 draw the
 * numbers that rand_chacha 0.10 and rand 0.10 draw in Rust by next_u32, next_u64, random_range(0..n as u32) and random: an
 * environment in C plays the same episodes as one in Rust that draws the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TWISTERL_RANDOM_H
#define TWISTERL_RANDOM_H

#include <stdint.h>

typedef struct te_rng {
    uint32_t key[8];
    uint64_t block;     /* the next block */
    uint32_t words[16]; /* the current one */
    uint32_t used;      /* words of it that were drawn */
} te_rng;

/* The stream of a key, from its beginning. */
static inline te_rng te_rng_of(const uint8_t key[32]) {
    te_rng rng;
    for (int i = 0; i < 8; i++) {
        rng.key[i] = key[4 * i] | (uint32_t)key[4 * i + 1] << 8 | (uint32_t)key[4 * i + 2] << 16 |
                     (uint32_t)key[4 * i + 3] << 24;
    }
    for (int i = 0; i < 16; i++) rng.words[i] = 0;
    rng.block = 0;
    rng.used = 16;
    return rng;
}

static inline uint32_t te_rotated(uint32_t word, int by) { return word << by | word >> (32 - by); }

static inline void te_quarter_round(uint32_t *x, int a, int b, int c, int d) {
    x[a] += x[b], x[d] = te_rotated(x[d] ^ x[a], 16);
    x[c] += x[d], x[b] = te_rotated(x[b] ^ x[c], 12);
    x[a] += x[b], x[d] = te_rotated(x[d] ^ x[a], 8);
    x[c] += x[d], x[b] = te_rotated(x[b] ^ x[c], 7);
}

static inline void te_next_block(te_rng *rng) {
    const uint32_t begin[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,
                                rng->key[0], rng->key[1], rng->key[2], rng->key[3],
                                rng->key[4], rng->key[5], rng->key[6], rng->key[7],
                                (uint32_t)rng->block, (uint32_t)(rng->block >> 32), 0, 0};
    uint32_t *x = rng->words;
    for (int i = 0; i < 16; i++) x[i] = begin[i];
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4; i++) te_quarter_round(x, i, i + 4, i + 8, i + 12);
        for (int i = 0; i < 4; i++) {
            te_quarter_round(x, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
        }
    }
    for (int i = 0; i < 16; i++) x[i] += begin[i];
    rng->block++;
    rng->used = 0;
}

/* 32 random bits. */
static inline uint32_t te_u32(te_rng *rng) {
    if (rng->used == 16) te_next_block(rng);
    return rng->words[rng->used++];
}

/* 64 random bits. */
static inline uint64_t te_u64(te_rng *rng) {
    uint64_t low = te_u32(rng);
    return low | (uint64_t)te_u32(rng) << 32;
}

/* A number from 0 to n - 1; n is above 0. */
static inline uint32_t te_below(te_rng *rng, uint32_t n) {
    uint64_t product = (uint64_t)te_u32(rng) * n;
    uint32_t result = (uint32_t)(product >> 32), low = (uint32_t)product;
    if (low > -n) {
        uint32_t more = (uint32_t)((uint64_t)te_u32(rng) * n >> 32);
        if (low + more < low) result++;
    }
    return result;
}

/* Numbers in [0, 1). */
static inline float te_f32(te_rng *rng) { return (float)(te_u32(rng) >> 8) * 0x1p-24f; }
static inline double te_f64(te_rng *rng) { return (double)(te_u64(rng) >> 11) * 0x1p-53; }

#endif
