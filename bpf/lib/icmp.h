/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the router says itself: ICMP errors and echo replies. An error is built in the
 * per-CPU scratch entry (the stack is too small for the quote), then becomes the frame.
 */
#ifndef TRIPTYCH_ICMP_H
#define TRIPTYCH_ICMP_H

#include "common.h"
#include "csum.h"
#include "deliver.h"
#include "events.h"
#include "maps.h"
#include "parse.h"

#define ICMP_TTL 64
#define QUOTE4 548
#define QUOTE6 1232
#define SECOND_NS 1000000000ULL

enum tri_icmp_error {
	ERROR_NETWORK,
	ERROR_HOST,
	ERROR_PORT,
	ERROR_TIME,
	ERROR_TOO_BIG,
};

struct tri_icmp {
	__u8 type;
	__u8 code;
	__u16 check;
	__be32 rest;
};

struct tri_error4 {
	struct iphdr ip;
	struct tri_icmp icmp;
	__u8 quote[QUOTE4];
};

struct tri_error6 {
	struct ipv6hdr ip;
	struct tri_icmp icmp;
	__u8 quote[QUOTE6];
};

/* Type and code (RFC 792, RFC 1122, RFC 4443), type in the high byte. */
static __always_inline __u16 error_code(enum tri_icmp_error error, bool four)
{
	switch (error) {
	case ERROR_NETWORK:
		return four ? 0x0300 : 0x0100;
	case ERROR_HOST:
		return four ? 0x0301 : 0x0103;
	case ERROR_PORT:
		return four ? 0x0303 : 0x0104;
	case ERROR_TIME:
		return four ? 0x0b00 : 0x0300;
	default:
		return four ? 0x0304 : 0x0200;
	}
}

/* A bucket of one second's worth. Two CPUs may both take the last token: that is near enough. */
static __always_inline bool take_token(__u32 ifindex, __u32 rate)
{
	struct tri_limit *limit;
	__u64 now, elapsed, added;

	if (!rate)
		return true;
	limit = bpf_map_lookup_elem(&limits, &ifindex);
	if (!limit)
		return false;
	now = bpf_ktime_get_ns();
	elapsed = now - limit->refilled_ns;
	if (elapsed >= SECOND_NS) {
		limit->tokens = rate;
		limit->refilled_ns = now;
	} else {
		added = elapsed * rate / SECOND_NS;
		if (added) {
			limit->refilled_ns += added * SECOND_NS / rate;
			added += limit->tokens;
			limit->tokens = added < rate ? added : rate;
		}
	}
	if (!limit->tokens)
		return false;
	limit->tokens--;
	return true;
}

static __always_inline bool is_group_ip(const struct tri_ip *ip, bool four)
{
	if (!four)
		return ip->bytes[0] == 0xff || is_zero_ip(ip);
	return (ip->bytes[12] & 0xf0) == 0xe0 || ip4_of(ip) == 0xffffffff || !ip4_of(ip);
}

/* RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e). The type is readable in first fragments and whole packets. */
static __always_inline bool may_answer(struct __sk_buff *ctx, const struct tri_frame *f, bool four)
{
	__u32 l4 = f->l4 & L4_MASK;
	__u8 type;

	if (f->flags & FRAME_LATER_FRAGMENT || is_group_mac(f->eth.h_dest))
		return false;
	if (is_group_ip(&f->src, four) || is_group_ip(&f->dst, four))
		return false;
	if (f->upper != (four ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return true;
	if (l4 + 1 > ETH_HLEN + f->l3_len || bpf_skb_load_bytes(ctx, l4, &type, 1))
		return false;
	if (!four)
		return type >= 128;
	return type != 3 && type != 4 && type != 5 && type != 11 && type != 12;
}

/*
 * Sum of the first `size` bytes of the scratch entry from `skip` on, which are zero-padded
 * to a whole word.
 */
static __always_inline __u32 scratch_sum(struct tri_scratch *s, __u32 skip, __u32 size, __u32 sum)
{
	for (__u32 i = 0; i < 3; i++) {
		__u32 begin = i * CSUM_CHUNK, left;

		if (begin >= size)
			break;
		left = (size - begin + 3) & ~3U;
		opaque(left);
		if (left > CSUM_CHUNK)
			left = CSUM_CHUNK;
		sum = bpf_csum_diff(NULL, 0, (__be32 *)(s->bytes + skip + begin), left, sum);
	}
	return sum;
}

/* Headers before the quote; the size of the whole packet comes back. */
static __always_inline __u32 write_error4(struct tri_scratch *s, const struct tri_frame *f, const struct tri_ip *source,
					  enum tri_icmp_error error, __u32 rest, __u32 quoted)
{
	struct tri_error4 *e = (struct tri_error4 *)s;
	__u32 size = offsetof(struct tri_error4, quote) + quoted;

	*(word *)&e->ip = bpf_htonl(0x45c00000 | size); /* precedence: internetwork control */
	*(word *)&e->ip.id = bpf_htonl(0x4000);         /* DF */
	*(word *)&e->ip.ttl = bpf_htonl(ICMP_TTL << 24 | IPPROTO_ICMP << 16);
	e->ip.saddr = ip4_of(source);
	e->ip.daddr = ip4_of(&f->src);
	e->ip.check = csum_ip4(&e->ip);
	*(half *)&e->icmp = bpf_htons(error_code(error, true));
	e->icmp.check = 0;
	e->icmp.rest = bpf_htonl(rest);
	e->icmp.check = csum_fold(scratch_sum(s, sizeof(e->ip), size - sizeof(e->ip), 0));
	return size;
}

static __always_inline __u32 write_error6(struct tri_scratch *s, const struct tri_frame *f, const struct tri_ip *source,
					  enum tri_icmp_error error, __u32 rest, __u32 quoted)
{
	struct tri_error6 *e = (struct tri_error6 *)s;
	__u32 payload = sizeof(e->icmp) + quoted;
	__u32 seed = bpf_htons(payload) + bpf_htons(IPPROTO_ICMPV6);

	*(word *)&e->ip = bpf_htonl(0x60000000);
	e->ip.payload_len = bpf_htons(payload);
	e->ip.nexthdr = IPPROTO_ICMPV6;
	e->ip.hop_limit = ICMP_TTL;
	copy_ip((struct tri_ip *)&e->ip.saddr, source);
	copy_ip((struct tri_ip *)&e->ip.daddr, &f->src);
	*(half *)&e->icmp = bpf_htons(error_code(error, false));
	e->icmp.check = 0;
	e->icmp.rest = bpf_htonl(rest);
	/* The addresses, which the pseudo-header counts, stand right before the message. */
	e->icmp.check = csum_fold(scratch_sum(s, offsetof(struct ipv6hdr, saddr), 2 * sizeof(*source) + payload, seed));
	return sizeof(e->ip) + payload;
}

/*
 * Makes the frame `size` bytes of packet long. The kernel may still hold the old packet's
 * checksum to be filled in somewhere in what is now the quote (CHECKSUM_PARTIAL, on its way
 * to a tap); it forgets that when the place is cut off in front, so that much is added first.
 */
static __always_inline bool resize(struct __sk_buff *ctx, const struct tri_frame *f, __u32 size)
{
	__u32 spare = (f->l4 & L4_MASK) + 4;

	if (bpf_skb_change_tail(ctx, ETH_HLEN + size + spare, 0))
		return false;
	return !bpf_skb_adjust_room(ctx, -(__s32)spare, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

static __always_inline bool write_frame(struct __sk_buff *ctx, const struct tri_frame *f, struct tri_scratch *s,
					__u32 size)
{
	struct ethhdr *eth;

	if (!resize(ctx, f, size))
		return false;
	if (!between_1_and(sizeof(*s), &size) || bpf_skb_store_bytes(ctx, ETH_HLEN, s, size, BPF_F_RECOMPUTE_CSUM))
		return false;
	eth = at(ctx, 0, sizeof(*eth));
	if (!eth)
		return false;
	copy_mac(eth->h_dest, f->eth.h_source);
	copy_mac(eth->h_source, f->eth.h_dest);
	eth->h_proto = f->eth.h_proto;
	return true;
}

/*
 * Drops the packet for `reason` and tells its sender, where that is allowed. `source` is
 * the address to tell it from, NULL when there is none.
 */
static __noinline int icmp_error(struct __sk_buff *ctx, const struct tri_frame *f, const struct tri_ip *source,
				 enum tri_icmp_error error, __u32 reason)
{
	bool four = f->family == 4;
	__u32 zero = 0, rest = 0, header, quoted = f->l3_len, size;
	const struct tri_config *cfg = bpf_map_lookup_elem(&config, &zero);
	struct tri_scratch *s = bpf_map_lookup_elem(&scratch, &zero);

	if (!source || !cfg || !s || !may_answer(ctx, f, four))
		return drop(ctx, ctx->ifindex, reason);
	if (!take_token(ctx->ifindex, cfg->icmp_rate)) {
		count(TRI_EVENT_ICMP_LIMITED, 1);
		return drop(ctx, ctx->ifindex, reason);
	}
	count_drop(ctx->ifindex, reason, ctx->len);
	if (error == ERROR_TOO_BIG)
		rest = cfg->overlay_mtu;
	header = four ? offsetof(struct tri_error4, quote) : offsetof(struct tri_error6, quote);
	if (quoted > (four ? QUOTE4 : QUOTE6))
		quoted = four ? QUOTE4 : QUOTE6;
	if (!between_1_and(QUOTE6, &quoted) || bpf_skb_load_bytes(ctx, ETH_HLEN, s->bytes + header, quoted))
		return TC_ACT_SHOT;
	__builtin_memset(s->bytes + header + quoted, 0, 4);
	size = four ? write_error4(s, f, source, error, rest, quoted) : write_error6(s, f, source, error, rest, quoted);
	if (!write_frame(ctx, f, s, size))
		return TC_ACT_SHOT;
	count(TRI_EVENT_ICMP_ERROR, 1);
	return reply(ctx, f, reason);
}

static __always_inline bool is_echo_request(struct __sk_buff *ctx, const struct tri_frame *f)
{
	__u32 l4 = f->l4 & L4_MASK;
	__u8 head[2];

	if (f->upper != (f->family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) || f->flags & FRAME_EXTENDED)
		return false;
	if (l4 + sizeof(struct tri_icmp) > ETH_HLEN + f->l3_len || bpf_skb_load_bytes(ctx, l4, head, sizeof(head)))
		return false;
	return head[0] == (f->family == 4 ? 8 : 128) && !head[1];
}

/* The request turned round in place; a wrong checksum stays wrong. Swapped addresses do not change sums. */
static __noinline int echo_reply(struct __sk_buff *ctx, const struct tri_frame *f)
{
	bool four = f->family == 4;
	struct tri_icmp *icmp = at(ctx, f->l4 & L4_MASK, sizeof(*icmp));
	struct ethhdr *eth;
	__u16 old;

	if (!icmp)
		return drop(ctx, ctx->ifindex, TRI_REASON_TO_ROUTER);
	old = *(half *)icmp;
	icmp->type = four ? 0 : 129;
	icmp->check = csum_replace(icmp->check, old, *(half *)icmp);
	if (four) {
		struct iphdr *ip = at(ctx, ETH_HLEN, sizeof(*ip));

		if (!ip)
			return drop(ctx, ctx->ifindex, TRI_REASON_TO_ROUTER);
		ip->saddr = ip4_of(&f->dst);
		ip->daddr = ip4_of(&f->src);
		old = *(half *)&ip->ttl;
		ip->ttl = ICMP_TTL;
		ip->check = csum_replace(ip->check, old, *(half *)&ip->ttl);
	} else {
		struct ipv6hdr *ip = at(ctx, ETH_HLEN, sizeof(*ip));

		if (!ip)
			return drop(ctx, ctx->ifindex, TRI_REASON_TO_ROUTER);
		copy_ip((struct tri_ip *)&ip->saddr, &f->dst);
		copy_ip((struct tri_ip *)&ip->daddr, &f->src);
		ip->hop_limit = ICMP_TTL;
	}
	eth = at(ctx, 0, sizeof(*eth));
	if (!eth)
		return drop(ctx, ctx->ifindex, TRI_REASON_TO_ROUTER);
	copy_mac(eth->h_dest, f->eth.h_source);
	copy_mac(eth->h_source, f->eth.h_dest);
	count(TRI_EVENT_ECHO, 1);
	return reply(ctx, f, TRI_REASON_NONE);
}

#endif
