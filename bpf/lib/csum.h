/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Internet checksums: of new headers, and by difference (RFC 1624, equation 3). */
#ifndef TRIPTYCH_CSUM_H
#define TRIPTYCH_CSUM_H

#include "common.h"

/* bpf_csum_diff takes no more at a time. */
#define CSUM_CHUNK 512

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The checksum after a 16-bit word of what it covers changed; all as they stand in the packet. */
static __always_inline __u16 csum_replace(__u16 check, __u16 from, __u16 to)
{
	return csum_fold((__u16)~check + (__u16)~from + to);
}

/* Of an IPv4 header without options after it became another one; a wrong one stays wrong. */
static __always_inline __u16 csum_ip4_update(const struct iphdr *from, const struct iphdr *to)
{
	const half *f = (const half *)from, *t = (const half *)to;
	__u32 sum = (__u16)~from->check;

#pragma unroll
	for (int i = 0; i < 10; i++)
		if (i != 5)
			sum += (__u16)~f[i] + t[i];
	return csum_fold(sum);
}

/* Of an IPv4 header without options; `check` counts as zero. */
static __always_inline __u16 csum_ip4(const struct iphdr *ip)
{
	const half *w = (const half *)ip;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < 10; i++)
		if (i != 5)
			sum += w[i];
	return csum_fold(sum);
}

#endif
