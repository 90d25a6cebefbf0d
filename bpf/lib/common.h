/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What every topic needs: branch hints, header bytes, addresses. */
#ifndef TRIPTYCH_COMMON_H
#define TRIPTYCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "../include/triptych_abi.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Keeps the compiler from reasoning about a value in ways that the verifier cannot follow. */
#define opaque(x) asm volatile("" : "+r"(x))

/*
 * Whether `*size` is between 1 and `limit`, in terms that every verifier can follow: before
 * Linux 6.8 it learns no lower bound from "not 0", and then takes a helper's size for 0.
 */
static __always_inline bool between_1_and(__u32 limit, __u32 *size)
{
	__u32 less = *size - 1;

	opaque(less);
	if (less >= limit)
		return false;
	*size = less + 1;
	return true;
}

/* Words of addresses: struct tri_ip is bytes so that it packs anywhere; all of its homes are 4-aligned. */
typedef __u32 __attribute__((may_alias)) word;
typedef __u16 __attribute__((may_alias)) half;

#define VLAN_8021Q 0x8100
#define VLAN_8021AD 0x88a8
#define VLAN_PBB 0x88e7
/* What switches used for stacked tags before 802.1ad, and some still do. */
#define VLAN_9100 0x9100
#define VLAN_9200 0x9200
/* Below it the field is a length (IEEE 802.3 clause 3.2.6). */
#define LEAST_ETHERTYPE 0x0600

/* A tag in front of the payload, by any of its ethertypes. */
static __always_inline bool is_tag(__be16 kind)
{
	/* Nearly every frame is told by one comparison or two. */
	if (likely(kind == bpf_htons(ETH_P_IP) || kind == bpf_htons(ETH_P_IPV6)))
		return false;
	return kind == bpf_htons(VLAN_8021Q) || kind == bpf_htons(VLAN_8021AD) || kind == bpf_htons(VLAN_PBB) ||
	       kind == bpf_htons(VLAN_9100) || kind == bpf_htons(VLAN_9200);
}

/* Written out, because the compiler, which takes the 32-bit members for numbers, cuts the
 * pointers that the verifier makes of them in half when it keeps one for a second use. */
static __always_inline void *frame_begin(const struct __sk_buff *ctx)
{
	void *begin;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		     : "=r"(begin)
		     : "r"(ctx), "i"(offsetof(struct __sk_buff, data)));
	return begin;
}

static __always_inline void *frame_end(const struct __sk_buff *ctx)
{
	void *end;

	asm volatile("%0 = *(u32 *)(%1 + %2)"
		     : "=r"(end)
		     : "r"(ctx), "i"(offsetof(struct __sk_buff, data_end)));
	return end;
}

/*
 * A pointer to `size` header bytes at `offset`, or NULL when the frame ends before that.
 * Bytes that lie in fragments are pulled, which makes earlier packet pointers stale: read
 * what you need of one header before asking for the next.
 */
static __always_inline void *at(struct __sk_buff *ctx, __u32 offset, __u32 size)
{
	void *start = frame_begin(ctx) + offset;

	if (likely(start + size <= frame_end(ctx)))
		return start;
	if (offset + size > ctx->len || bpf_skb_pull_data(ctx, offset + size))
		return NULL;
	start = frame_begin(ctx) + offset;
	if (start + size > frame_end(ctx))
		return NULL;
	return start;
}

static __always_inline void copy_ip(struct tri_ip *to, const void *from)
{
	const word *f = from;
	word *t = (word *)to;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
	t[3] = f[3];
}

/* The v4-mapped form (RFC 4291 section 2.5.5.2), so that one code path serves both families. */
static __always_inline void map_ip4(struct tri_ip *to, __be32 address)
{
	word *t = (word *)to;

	t[0] = 0;
	t[1] = 0;
	t[2] = bpf_htonl(0xffff);
	t[3] = address;
}

static __always_inline bool same_ip(const struct tri_ip *a, const struct tri_ip *b)
{
	const word *x = (const word *)a, *y = (const word *)b;

	return !((x[3] ^ y[3]) | (x[2] ^ y[2]) | (x[1] ^ y[1]) | (x[0] ^ y[0]));
}

static __always_inline bool is_ip4(const struct tri_ip *ip)
{
	const word *w = (const word *)ip;

	return w[2] == bpf_htonl(0xffff) && !(w[0] | w[1]);
}

static __always_inline __be32 ip4_of(const struct tri_ip *ip)
{
	return ((const word *)ip)[3];
}

static __always_inline bool is_zero_ip(const struct tri_ip *ip)
{
	const word *w = (const word *)ip;

	return !(w[0] | w[1] | w[2] | w[3]);
}

static __always_inline void copy_mac(void *to, const void *from)
{
	half *t = to;
	const half *f = from;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
}

static __always_inline bool same_mac(const void *a, const void *b)
{
	const half *x = a, *y = b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]));
}

static __always_inline bool is_group_mac(const __u8 *mac)
{
	return mac[0] & 1;
}

#endif
