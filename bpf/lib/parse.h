/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a frame says of itself, read once into struct tri_frame. The common frame (no IP
 * options, no extension headers) is read by direct access; everything rarer by
 * bpf_skb_load_bytes, which needs no bounds proofs and no linear data.
 */
#ifndef TRIPTYCH_PARSE_H
#define TRIPTYCH_PARSE_H

#include "common.h"

#define MAX_EXTENSIONS 6
/* The end of six extension headers of 2048 bytes is below this; the verifier wants a bound. */
#define L4_MASK 0x3fff

enum tri_frame_flag {
	FRAME_FRAGMENT = 1,       /* any fragment */
	FRAME_LATER_FRAGMENT = 2, /* one that does not begin with the upper layer */
	FRAME_EXTENDED = 4,       /* IPv6 extension headers */
	FRAME_DF = 8,             /* IPv4 don't fragment */
};

/* ARP and ND are one thing: somebody asks, or somebody tells. */
enum tri_resolution {
	RESOLVE_NOTHING = 0,
	RESOLVE_ASKS = 1,
	RESOLVE_TELLS = 2,
	RESOLVE_ASKS_FOR_SENDER = 3, /* ARP request whose sender and target are equal */
};

struct tri_frame {
	struct tri_ip src; /* of IP, or the ARP sender */
	struct tri_ip dst;
	struct tri_ip asked; /* ARP target, ND target */
	struct ethhdr eth;
	__u16 l4;       /* offset of the upper layer in the frame */
	__u32 ports;    /* source << 16 | destination, or 0 */
	__u32 l3_len;   /* bytes of the IP packet by its own header */
	__u8 family;    /* 4, 6; 0: not IP */
	__u8 upper;
	__u8 ttl;
	__u8 flags;
	__u8 resolution;
	__u8 port_kind; /* of the port that sent it */
	__u8 ecn; /* of IP, the two bits (RFC 3168) */
	__u8 pad;
};

static __always_inline int parse_ip4(struct __sk_buff *ctx, struct tri_frame *f)
{
	const struct iphdr *ip = at(ctx, ETH_HLEN, sizeof(*ip));
	__u32 header, total;
	__u16 fragment;

	if (unlikely(!ip || ip->version != 4))
		return TRI_REASON_MALFORMED;
	header = ip->ihl * 4;
	total = bpf_ntohs(ip->tot_len);
	if (unlikely(header < sizeof(*ip) || total < header || total > ctx->len - ETH_HLEN))
		return TRI_REASON_MALFORMED;
	fragment = bpf_ntohs(ip->frag_off);
	f->family = 4;
	f->upper = ip->protocol;
	f->ttl = ip->ttl;
	f->ecn = ip->tos & 3;
	f->l3_len = total;
	f->l4 = ETH_HLEN + header;
	map_ip4(&f->src, ip->saddr);
	map_ip4(&f->dst, ip->daddr);
	if (fragment & 0x4000)
		f->flags |= FRAME_DF;
	if (unlikely(fragment & 0x3fff))
		f->flags |= fragment & 0x1fff ? FRAME_FRAGMENT | FRAME_LATER_FRAGMENT : FRAME_FRAGMENT;
	return TRI_REASON_NONE;
}

static __always_inline int parse_ip6(struct __sk_buff *ctx, struct tri_frame *f)
{
	const struct ipv6hdr *ip = at(ctx, ETH_HLEN, sizeof(*ip));
	__u32 payload;

	if (unlikely(!ip || ip->version != 6))
		return TRI_REASON_MALFORMED;
	payload = bpf_ntohs(ip->payload_len);
	if (unlikely(payload > ctx->len - ETH_HLEN - sizeof(*ip)))
		return TRI_REASON_MALFORMED;
	f->family = 6;
	f->upper = ip->nexthdr;
	f->ttl = ip->hop_limit;
	f->ecn = ip->flow_lbl[0] >> 4 & 3;
	f->l3_len = sizeof(*ip) + payload;
	f->l4 = ETH_HLEN + sizeof(*ip);
	copy_ip(&f->src, &ip->saddr);
	copy_ip(&f->dst, &ip->daddr);
	return TRI_REASON_NONE;
}

static __always_inline bool is_extension(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS || next == IPPROTO_AH;
}

/* Walks IPv6 extension headers (RFC 8200 section 4) to the upper layer. */
static __noinline int walk_extensions(struct __sk_buff *ctx, struct tri_frame *f)
{
	__u32 offset = ETH_HLEN + sizeof(struct ipv6hdr), end = ETH_HLEN + f->l3_len, size;
	__u8 next = f->upper, header[8];

	f->flags |= FRAME_EXTENDED;
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		if (offset + sizeof(header) > end || bpf_skb_load_bytes(ctx, offset, header, sizeof(header)))
			return TRI_REASON_MALFORMED;
		size = sizeof(header);
		if (next == IPPROTO_FRAGMENT) {
			f->flags |= FRAME_FRAGMENT;
			if (header[2] || header[3] & 0xf8) {
				f->flags |= FRAME_LATER_FRAGMENT;
				f->upper = IPPROTO_FRAGMENT;
				f->l4 = offset + size;
				return TRI_REASON_NONE;
			}
		} else if (next == IPPROTO_AH) {
			size = (header[1] + 2) * 4; /* RFC 4302 section 2.2 */
		} else {
			size = (header[1] + 1) * 8;
		}
		if (offset + size > end)
			return TRI_REASON_MALFORMED;
		offset += size;
		next = header[0];
		if (!is_extension(next)) {
			f->upper = next;
			f->l4 = offset;
			return TRI_REASON_NONE;
		}
	}
	return TRI_REASON_MALFORMED;
}

/* The ports of TCP and UDP that are no fragment; needed by the flow hash alone. */
static __always_inline void parse_ports(struct __sk_buff *ctx, struct tri_frame *f)
{
	const __be32 *ports;
	__u32 l4 = f->l4 & L4_MASK;

	if ((f->upper != IPPROTO_TCP && f->upper != IPPROTO_UDP) || f->flags & FRAME_FRAGMENT)
		return;
	if (unlikely(l4 + sizeof(*ports) > ETH_HLEN + f->l3_len))
		return;
	ports = at(ctx, l4, sizeof(*ports));
	if (likely(ports))
		f->ports = bpf_ntohl(*ports);
}

#endif
