/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a port may say of itself: its own MAC and IPs, in ARP and ND payloads too. */
#ifndef TRIPTYCH_SPOOF_H
#define TRIPTYCH_SPOOF_H

#include "common.h"
#include "maps.h"
#include "parse.h"

#define ND_ROUTER_SOLICIT 133
#define ND_ROUTER_ADVERT 134
#define ND_NEIGHBOR_SOLICIT 135
#define ND_NEIGHBOR_ADVERT 136
#define ND_REDIRECT 137
#define ND_MAX_OPTIONS 4
#define ND_SOURCE_LINK_LAYER 1
#define ND_TARGET_LINK_LAYER 2

#define ARP_REQUEST 1
#define ARP_REPLY 2

struct tri_arp {
	__be16 hardware;
	__be16 protocol;
	__u8 hardware_len;
	__u8 protocol_len;
	__be16 operation;
	__u8 sender_mac[6];
	__u8 sender[4];
	__u8 target_mac[6];
	__u8 target[4];
} __attribute__((packed, aligned(2)));

/* The port's addresses are few and in the row at hand; the trie is asked only for others. */
static __always_inline bool owns(__u32 ifindex, const struct tri_port *port, const struct tri_ip *ip)
{
	struct tri_allowed_key key;
	const __u8 *prefix;

	for (int i = 0; i < TRI_PORT_IPS; i++) {
		if (i >= port->ip_count)
			break;
		if (same_ip(&port->ips[i], ip))
			return true;
	}
	key.prefix_len = 32 + 128;
	key.ifindex = ifindex;
	copy_ip(&key.ip, ip);
	prefix = bpf_map_lookup_elem(&allowed, &key);
	if (!prefix || !is_ip4(ip))
		return prefix;
	/* The bits of a short IPv6 prefix (::/0) hold the v4-mapped addresses too: it is one
	 * when nothing longer than 95 bits was found. */
	key.prefix_len = 32 + 95;
	return prefix != bpf_map_lookup_elem(&allowed, &key);
}

static __noinline int check_arp(struct __sk_buff *ctx, const struct tri_port *port, struct tri_frame *f)
{
	const struct tri_arp *told = at(ctx, ETH_HLEN, sizeof(*told));
	struct tri_arp arp;
	bool asks;

	if (!told)
		return TRI_REASON_MALFORMED;
	arp = *told;
	if (arp.hardware != bpf_htons(1) || arp.protocol != bpf_htons(ETH_P_IP) || arp.hardware_len != ETH_ALEN ||
	    arp.protocol_len != 4)
		return TRI_REASON_MALFORMED;
	asks = arp.operation == bpf_htons(ARP_REQUEST);
	if (!asks && arp.operation != bpf_htons(ARP_REPLY))
		return TRI_REASON_MALFORMED;
	map_ip4(&f->src, *(const __be32 *)arp.sender);
	map_ip4(&f->asked, *(const __be32 *)arp.target);
	if (!same_mac(arp.sender_mac, port->mac))
		return TRI_REASON_SPOOFED_ARP;
	/* A probe has no sender address yet (RFC 5227 section 2.1.1). */
	if (!(asks && !ip4_of(&f->src)) && !owns(ctx->ifindex, port, &f->src))
		return TRI_REASON_SPOOFED_ARP;
	if (!asks)
		f->resolution = RESOLVE_TELLS;
	else if (ip4_of(&f->src) == ip4_of(&f->asked))
		f->resolution = RESOLVE_ASKS_FOR_SENDER;
	else
		f->resolution = RESOLVE_ASKS;
	return TRI_REASON_NONE;
}

static __always_inline int check_source(__u32 ifindex, const struct tri_port *port, const struct tri_frame *f)
{
	if (likely(owns(ifindex, port, &f->src))) {
		/* Allowed prefixes may cover them, but nobody is at home at these. In the records a
		 * v4-mapped address stands for the IPv4 one, so an IPv6 header must not carry it. */
		if (likely(f->family == 4 ? ip4_of(&f->src) != 0 : !is_ip4(&f->src) && !is_zero_ip(&f->src)))
			return TRI_REASON_NONE;
	}
	/* A DHCP client, or duplicate address detection. */
	if (f->family == 4 && !ip4_of(&f->src) && ip4_of(&f->dst) == 0xffffffff)
		return TRI_REASON_NONE;
	if (f->family == 6 && is_zero_ip(&f->src) && f->dst.bytes[0] == 0xff)
		return TRI_REASON_NONE;
	return TRI_REASON_SPOOFED_IP;
}

static __always_inline __u32 nd_fixed_part(__u8 type)
{
	switch (type) {
	case ND_ROUTER_SOLICIT:
		return 8;
	case ND_ROUTER_ADVERT:
		return 16;
	case ND_REDIRECT:
		return 40;
	default:
		return 24;
	}
}

/* Neighbour discovery from a port (RFC 4861; RFC 6980 for what stands behind extension headers). */
static __noinline int check_icmp6(struct __sk_buff *ctx, const struct tri_port *port, struct tri_frame *f)
{
	__u32 offset = f->l4 & L4_MASK, end = ETH_HLEN + f->l3_len, size;
	__u8 type, wanted, head[8];

	if (offset + 4 > end || bpf_skb_load_bytes(ctx, offset, head, 4))
		return TRI_REASON_MALFORMED;
	type = head[0];
	if (type < ND_ROUTER_SOLICIT || type > ND_REDIRECT)
		return TRI_REASON_NONE;
	if (f->flags & FRAME_EXTENDED)
		return TRI_REASON_SPOOFED_ND;
	if (f->ttl != 255 || head[1] || offset + nd_fixed_part(type) > end)
		return TRI_REASON_MALFORMED;
	if (type == ND_ROUTER_ADVERT || type == ND_REDIRECT)
		return TRI_REASON_SPOOFED_ND;

	wanted = type == ND_NEIGHBOR_ADVERT ? ND_TARGET_LINK_LAYER : ND_SOURCE_LINK_LAYER;
	offset += nd_fixed_part(type);
	for (int i = 0; offset != end; i++) {
		if (i >= ND_MAX_OPTIONS || offset + sizeof(head) > end ||
		    bpf_skb_load_bytes(ctx, offset, head, sizeof(head)))
			return TRI_REASON_MALFORMED;
		size = head[1] * 8;
		if (!size || offset + size > end)
			return TRI_REASON_MALFORMED;
		if (head[0] == wanted && (size != sizeof(head) || !same_mac(head + 2, port->mac)))
			return TRI_REASON_SPOOFED_ND;
		offset += size;
	}
	if (type == ND_ROUTER_SOLICIT)
		return TRI_REASON_NONE;

	if (bpf_skb_load_bytes(ctx, (f->l4 & L4_MASK) + 8, &f->asked, sizeof(f->asked)) || f->asked.bytes[0] == 0xff ||
	    is_ip4(&f->asked))
		return TRI_REASON_MALFORMED;
	if (type == ND_NEIGHBOR_SOLICIT) {
		f->resolution = RESOLVE_ASKS;
		return TRI_REASON_NONE;
	}
	f->resolution = RESOLVE_TELLS;
	return owns(ctx->ifindex, port, &f->asked) ? TRI_REASON_NONE : TRI_REASON_SPOOFED_ND;
}

/* Reads the frame into `f` on the way; f->eth is there already. */
static __always_inline int check_frame(struct __sk_buff *ctx, const struct tri_port *port, struct tri_frame *f)
{
	int reason;

	if (likely(f->eth.h_proto == bpf_htons(ETH_P_IP))) {
		reason = parse_ip4(ctx, f);
		if (unlikely(reason))
			return reason;
	} else if (likely(f->eth.h_proto == bpf_htons(ETH_P_IPV6))) {
		reason = parse_ip6(ctx, f);
		if (unlikely(reason))
			return reason;
	} else {
		return f->eth.h_proto == bpf_htons(ETH_P_ARP) ? check_arp(ctx, port, f) : TRI_REASON_NONE;
	}
	reason = check_source(ctx->ifindex, port, f);
	if (unlikely(reason))
		return reason;
	if (f->family == 6) {
		if (unlikely(is_extension(f->upper))) {
			reason = walk_extensions(ctx, f);
			if (reason)
				return reason;
		}
		if (unlikely(f->upper == IPPROTO_ICMPV6))
			return check_icmp6(ctx, port, f);
	}
	parse_ports(ctx, f);
	return TRI_REASON_NONE;
}

#endif
