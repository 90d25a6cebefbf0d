/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* ARP and ND answered on the spot: one logic, the family is a value. */
#ifndef TRIPTYCH_RESOLVE_H
#define TRIPTYCH_RESOLVE_H

#include "common.h"
#include "csum.h"
#include "deliver.h"
#include "events.h"
#include "maps.h"
#include "parse.h"
#include "spoof.h"

#define NA_ROUTER 0x80
#define NA_SOLICITED 0x40
#define NA_OVERRIDE 0x20

struct tri_advert {
	struct ipv6hdr ip;
	__u8 type;
	__u8 code;
	__u16 check;
	__u8 flags;
	__u8 reserved[3];
	struct tri_ip target;
	__u8 option;
	__u8 option_len;
	__u8 mac[6];
};

/* The request turned round where it stands. */
static __always_inline bool write_arp_reply(struct __sk_buff *ctx, const struct tri_frame *f, const __u8 *mac)
{
	struct {
		struct ethhdr eth;
		struct tri_arp arp;
	} __attribute__((packed, aligned(2))) *frame = at(ctx, 0, sizeof(*frame));
	__be32 sender = ip4_of(&f->src), asked = ip4_of(&f->asked);

	if (!frame)
		return false;
	copy_mac(frame->eth.h_dest, f->eth.h_source);
	copy_mac(frame->eth.h_source, mac);
	frame->arp.operation = bpf_htons(ARP_REPLY);
	copy_mac(frame->arp.target_mac, frame->arp.sender_mac);
	copy_mac(frame->arp.sender_mac, mac);
	__builtin_memcpy(frame->arp.target, &sender, 4);
	__builtin_memcpy(frame->arp.sender, &asked, 4);
	return true;
}

static __always_inline bool write_advert(struct __sk_buff *ctx, const struct tri_frame *f, const struct tri_neighbor *n)
{
	__u32 size = sizeof(struct tri_advert) - sizeof(struct ipv6hdr), whole = ETH_HLEN + sizeof(struct tri_advert);
	bool probed = is_zero_ip(&f->src);
	struct tri_advert *na;
	struct ethhdr *link;
	__s64 sum;

	/* Also drops what offloads the request had: the frame is written anew. */
	if (bpf_skb_change_tail(ctx, whole, 0))
		return false;
	link = at(ctx, 0, whole);
	if (!link)
		return false;
	na = (void *)(link + 1);
	copy_mac(link->h_dest, f->eth.h_source);
	copy_mac(link->h_source, n->mac);
	*(word *)&na->ip = bpf_htonl(0x60000000);
	na->ip.payload_len = bpf_htons(size);
	na->ip.nexthdr = IPPROTO_ICMPV6;
	na->ip.hop_limit = 255;
	copy_ip((struct tri_ip *)&na->ip.saddr, &f->asked);
	copy_ip((struct tri_ip *)&na->ip.daddr, &f->src);
	na->type = ND_NEIGHBOR_ADVERT;
	na->code = 0;
	na->check = 0;
	na->flags = NA_OVERRIDE | (n->flags & TRI_NEIGHBOR_ROUTER ? NA_ROUTER : 0);
	na->reserved[0] = na->reserved[1] = na->reserved[2] = 0;
	copy_ip(&na->target, &f->asked);
	na->option = ND_TARGET_LINK_LAYER;
	na->option_len = 1;
	copy_mac(na->mac, n->mac);
	if (probed) {
		/* Nobody to answer yet: to all nodes (RFC 4861 section 7.2.4). */
		*(half *)&link->h_dest[0] = bpf_htons(0x3333);
		*(half *)&link->h_dest[2] = 0;
		*(half *)&link->h_dest[4] = bpf_htons(1);
		*(half *)&na->ip.daddr = bpf_htons(0xff02);
		na->ip.daddr.s6_addr[15] = 1;
	} else {
		na->flags |= NA_SOLICITED;
	}
	/* Addresses and message stand side by side; length and protocol of the pseudo-header are the seed. */
	sum = bpf_csum_diff(NULL, 0, (__be32 *)&na->ip.saddr, 2 * sizeof(struct tri_ip) + size,
			    bpf_htons(size) + bpf_htons(IPPROTO_ICMPV6));
	na->check = csum_fold(sum);
	return true;
}

static __noinline int answer(struct __sk_buff *ctx, const struct tri_frame *f, const struct tri_neighbor *n)
{
	bool written = f->family == 6 ? write_advert(ctx, f, n) : write_arp_reply(ctx, f, n->mac);

	if (!written)
		return drop(ctx, ctx->ifindex, TRI_REASON_MALFORMED);
	count(TRI_EVENT_RESOLVED, 1);
	return reply(ctx, f, TRI_REASON_NONE);
}

/* Sent to everyone, or to the router; `to_router` says which. */
static __noinline int resolve(struct __sk_buff *ctx, const struct tri_port *port, const struct tri_frame *f,
			      bool to_router)
{
	struct tri_neighbor_key key = {.vni = port->vni, .ip = f->asked};
	const struct tri_neighbor *n;

	if (to_router) {
		if (f->resolution == RESOLVE_TELLS)
			return drop(ctx, ctx->ifindex, TRI_REASON_RESOLVE_TO_ROUTER);
		n = bpf_map_lookup_elem(&neighbors, &key);
		if (!n || !(n->flags & TRI_NEIGHBOR_ROUTER))
			return drop(ctx, ctx->ifindex, TRI_REASON_RESOLVE_TO_ROUTER);
		return answer(ctx, f, n);
	}
	if (f->resolution != RESOLVE_ASKS)
		return drop(ctx, ctx->ifindex, TRI_REASON_UNSOLICITED_ADVERTISEMENT);
	n = bpf_map_lookup_elem(&neighbors, &key);
	if (!n)
		return drop(ctx, ctx->ifindex, TRI_REASON_RESOLVE_UNKNOWN);
	if (same_mac(n->mac, port->mac))
		return drop(ctx, ctx->ifindex, TRI_REASON_RESOLVE_SELF);
	return answer(ctx, f, n);
}

#endif
