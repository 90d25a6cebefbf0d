/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The flow hash: murmur3's 32-bit mixing over the words of the flow, seed 0. */
#ifndef TRIPTYCH_HASH_H
#define TRIPTYCH_HASH_H

#include "common.h"
#include "parse.h"

static __always_inline __u32 hash_word(__u32 h, __u32 k)
{
	k *= 0xcc9e2d51;
	k = (k << 15) | (k >> 17);
	k *= 0x1b873593;
	h ^= k;
	h = (h << 13) | (h >> 19);
	return h * 5 + 0xe6546b64;
}

static __always_inline __u32 hash_end(__u32 h, __u32 words)
{
	h ^= 4 * words;
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ (h >> 16);
}

static __always_inline __u32 hash_be(__u32 h, __be32 k)
{
	return hash_word(h, bpf_ntohl(k));
}

static __always_inline __u32 flow_hash(const struct tri_frame *f)
{
	const word *src = (const word *)&f->src, *dst = (const word *)&f->dst;
	const __u8 *s = f->eth.h_source, *d = f->eth.h_dest;
	__u32 h = 0;

	if (f->family == 4) {
		h = hash_be(h, src[3]);
		h = hash_be(h, dst[3]);
		h = hash_word(h, f->ports);
		h = hash_word(h, f->upper);
		return hash_end(h, 4);
	}
	if (f->family == 6) {
		for (int i = 0; i < 4; i++)
			h = hash_be(h, src[i]);
		for (int i = 0; i < 4; i++)
			h = hash_be(h, dst[i]);
		h = hash_word(h, f->ports);
		h = hash_word(h, f->flags & FRAME_FRAGMENT ? IPPROTO_FRAGMENT : f->upper);
		return hash_end(h, 10);
	}
	h = hash_word(h, (__u32)s[0] << 24 | s[1] << 16 | s[2] << 8 | s[3]);
	h = hash_word(h, (__u32)s[4] << 24 | s[5] << 16 | d[0] << 8 | d[1]);
	h = hash_word(h, (__u32)d[2] << 24 | d[3] << 16 | d[4] << 8 | d[5]);
	return hash_end(h, 3);
}

#endif
