/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Outer headers, two ways. The program writes them itself into room made in front of the
 * packet, and the kernel resolves the underlay's next hop (bpf_redirect_neigh): no second
 * pass through a device's transmit queue, no flow dissector, GSO super-packets stay whole.
 * Or the collect-metadata VXLAN device does: for what the room cannot be made for (frames
 * that are not IP), and for IPv4 packets that the outer layer must fragment.
 */
#ifndef TRIPTYCH_ENCAP_H
#define TRIPTYCH_ENCAP_H

#include "common.h"
#include "csum.h"
#include "events.h"
#include "hash.h"
#include "parse.h"

#define VXLAN_FLAG_VNI 0x08000000
#define OUTER_TTL 64
#define FIRST_SOURCE_PORT 49152

struct tri_vxlan {
	__be32 flags;
	__be32 vni; /* in the upper 24 bits */
};

struct tri_outer4 {
	struct iphdr ip;
	struct udphdr udp;
	struct tri_vxlan vxlan;
	struct ethhdr inner;
};

struct tri_outer6 {
	struct ipv6hdr ip;
	struct udphdr udp;
	struct tri_vxlan vxlan;
	struct ethhdr inner;
};

/* Bytes added, between the Ethernet header, which becomes the outer one, and the packet. */
#define OVERHEAD4 (offsetof(struct tri_outer4, inner) + ETH_HLEN)
#define OVERHEAD6 (offsetof(struct tri_outer6, inner) + ETH_HLEN)

/*
 * Fixed GSO: a segment of the inner packet is what was measured against the overlay's MTU.
 * The inner MAC header is said to be 14 bytes, so that the kernel's segmentation takes the
 * 16 bytes before it for the UDP and VXLAN headers.
 */
#define ROOM_FLAGS                                                                                                     \
	(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2(ETH_HLEN) |                  \
	 BPF_F_ADJ_ROOM_ENCAP_L2_ETH | BPF_F_ADJ_ROOM_NO_CSUM_RESET)

struct tri_tunnel {
	const struct tri_ip *remote;
	__be32 vni;
	__u32 hash;
	__u8 ecn;
};

static __always_inline void write_inside(struct udphdr *udp, struct tri_vxlan *vxlan, struct ethhdr *inner,
					 const struct tri_config *cfg, const struct tri_tunnel *t,
					 const struct ethhdr *eth, __u32 payload)
{
	udp->source = bpf_htons(FIRST_SOURCE_PORT + (t->hash >> 18));
	udp->dest = cfg->udp_port;
	udp->len = bpf_htons(payload < 0xffff ? payload : 0xffff);
	udp->check = 0;
	vxlan->flags = bpf_htonl(VXLAN_FLAG_VNI);
	vxlan->vni = bpf_htonl(bpf_ntohl(t->vni) << 8);
	*inner = *eth;
}

/* The neighbour subsystem writes the MACs; until then they must not look like a group's. */
static __always_inline void write_link(struct ethhdr *eth, __u16 protocol)
{
	*eth = (struct ethhdr){.h_proto = bpf_htons(protocol)};
}

/* Room between the Ethernet header and the packet; nothing has changed when there is none to be had. */
static __always_inline bool make_room(struct __sk_buff *ctx, bool four)
{
	return four ? !bpf_skb_adjust_room(ctx, OVERHEAD4, BPF_ADJ_ROOM_MAC, ROOM_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV4)
		    : !bpf_skb_adjust_room(ctx, OVERHEAD6, BPF_ADJ_ROOM_MAC, ROOM_FLAGS | BPF_F_ADJ_ROOM_ENCAP_L3_IPV6);
}

static __always_inline bool write_outer4(struct __sk_buff *ctx, const struct tri_config *cfg,
					 const struct tri_tunnel *t, const struct ethhdr *eth)
{
	__u32 total = ctx->len - ETH_HLEN;
	struct ethhdr *link = at(ctx, 0, sizeof(*link) + OVERHEAD4);
	struct tri_outer4 *outer = (void *)(link + 1);

	if (!link)
		return false;
	write_link(link, ETH_P_IP);
	*(word *)&outer->ip = bpf_htonl(0x45000000 | t->ecn << 16 | (total < 0xffff ? total : 0xffff));
	*(word *)&outer->ip.id = 0;
	*(word *)&outer->ip.ttl = bpf_htonl(OUTER_TTL << 24 | IPPROTO_UDP << 16);
	outer->ip.saddr = ip4_of(&cfg->vtep);
	outer->ip.daddr = ip4_of(t->remote);
	outer->ip.check = csum_ip4(&outer->ip);
	write_inside(&outer->udp, &outer->vxlan, &outer->inner, cfg, t, eth, total - sizeof(outer->ip));
	return true;
}

static __always_inline bool write_outer6(struct __sk_buff *ctx, const struct tri_config *cfg,
					 const struct tri_tunnel *t, const struct ethhdr *eth)
{
	__u32 payload = ctx->len - ETH_HLEN - sizeof(struct ipv6hdr);
	struct ethhdr *link = at(ctx, 0, sizeof(*link) + OVERHEAD6);
	struct tri_outer6 *outer = (void *)(link + 1);

	if (!link)
		return false;
	write_link(link, ETH_P_IPV6);
	*(word *)&outer->ip = bpf_htonl(0x60000000 | t->ecn << 20);
	outer->ip.payload_len = bpf_htons(payload < 0xffff ? payload : 0xffff);
	outer->ip.nexthdr = IPPROTO_UDP;
	outer->ip.hop_limit = OUTER_TTL;
	copy_ip((struct tri_ip *)&outer->ip.saddr, &cfg->vtep);
	copy_ip((struct tri_ip *)&outer->ip.daddr, t->remote);
	write_inside(&outer->udp, &outer->vxlan, &outer->inner, cfg, t, eth, payload);
	return true;
}

/* What the VXLAN device is told; the prefix of struct bpf_tunnel_key that 5.15 knows. */
#define TUNNEL_KEY_SIZE offsetof(struct bpf_tunnel_key, local_ipv4)

static __always_inline long set_tunnel(struct __sk_buff *ctx, __be32 vni, const struct tri_ip *remote, __u8 ttl)
{
	struct bpf_tunnel_key key = {.tunnel_id = bpf_ntohl(vni), .tunnel_ttl = ttl};
	__u64 flags = BPF_F_ZERO_CSUM_TX;

	if (is_ip4(remote)) {
		key.remote_ipv4 = bpf_ntohl(ip4_of(remote)); /* the helper wants host order here alone */
	} else {
		copy_ip((struct tri_ip *)key.remote_ipv6, remote);
		flags |= BPF_F_TUNINFO_IPV6;
	}
	return bpf_skb_set_tunnel_key(ctx, &key, TUNNEL_KEY_SIZE, flags);
}

/*
 * Sends the frame to another host. `eth` is the inner Ethernet header to be; the packet
 * behind it is final. `fragmentable`: the outer layer has to fragment it.
 */
static __always_inline int encapsulate(struct __sk_buff *ctx, const struct tri_config *cfg, const struct tri_frame *f,
				       const struct ethhdr *eth, __be32 vni, const struct tri_ip *remote,
				       bool fragmentable)
{
	struct tri_tunnel t = {.remote = remote, .vni = vni, .hash = flow_hash(f), .ecn = f->ecn};
	struct tri_decision decision = {
		.verdict = TRI_VERDICT_ENCAP,
		.vni = vni,
		.vtep = *remote,
		.flow_hash = t.hash,
	};
	bool four = is_ip4(&cfg->vtep);

	if (unlikely(is_ip4(remote) != four))
		return drop(ctx, ctx->ifindex, TRI_REASON_ENCAP_FAILED);
	if (likely(cfg->flags & TRI_ENCAP_PROGRAM && f->family && !fragmentable) && likely(make_room(ctx, four))) {
		if (unlikely(!(four ? write_outer4(ctx, cfg, &t, eth) : write_outer6(ctx, cfg, &t, eth))))
			return drop(ctx, ctx->ifindex, TRI_REASON_ENCAP_FAILED);
		count(TRI_EVENT_ENCAP, 1);
		tell(ctx, &decision);
		return bpf_redirect_neigh(cfg->underlay_ifindex, NULL, 0, 0);
	}
	/* The device derives its source port from it, and need not dissect the packet. */
	bpf_set_hash(ctx, t.hash);
	if (set_tunnel(ctx, vni, remote, OUTER_TTL))
		return drop(ctx, ctx->ifindex, TRI_REASON_ENCAP_FAILED);
	count(TRI_EVENT_ENCAP, 1);
	count(TRI_EVENT_ENCAP_DEVICE, 1);
	decision.by_device = 1;
	tell(ctx, &decision);
	return bpf_redirect(cfg->vxlan_ifindex, 0);
}

#endif
