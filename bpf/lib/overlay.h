/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What comes from other hosts. The underlay program checks the source and, where it can,
 * takes the outer headers off itself; the rest it leaves to the kernel's stack, whose
 * VXLAN device hands the inner frame to the tunnel program. Both decide alike.
 */
#ifndef TRIPTYCH_OVERLAY_H
#define TRIPTYCH_OVERLAY_H

#include "common.h"
#include "deliver.h"
#include "encap.h"
#include "events.h"
#include "fate.h"
#include "outer.h"
#include "passon.h"

/* Since Linux 6.3; asked for only when the loader found them (TRI_DECAP_L3). */
#define ROOM_DECAP_L3_IPV4 (1ULL << 7)
#define ROOM_DECAP_L3_IPV6 (1ULL << 8)

/*
 * Whether the program may take the outer headers off. What is left to the device, and why:
 * frames that are not IP and those of the other family (the kernel refuses to change the
 * packet's protocol); taps, because the super-packet keeps its tunnel marks, which tun
 * refuses to describe in a virtio header (the port's kind decides, not the packet's size,
 * so that a flow stays in order); UDP super-packets, which the guest's stack would cut by
 * the tunnel's rules; outer checksums, which the kernel verifies; trailing bytes;
 * congestion met on the way, which the kernel tells the inner packet (RFC 6040).
 */
static __always_inline bool may_decapsulate(struct __sk_buff *ctx, const struct tri_config *cfg,
					    const struct tri_outer *o, const struct tri_local *local, __be16 protocol)
{
	__u8 upper;

	if (!(cfg->flags & TRI_DECAP_PROGRAM) || local->kind != TRI_PORT_PEER || !is_plain(ctx, o) ||
	    o->ecn == ECN_CONGESTED)
		return false;
	if (protocol != bpf_htons(ETH_P_IP) && protocol != bpf_htons(ETH_P_IPV6))
		return false;
	if (protocol != o->protocol && !(cfg->flags & TRI_DECAP_L3))
		return false;
	if (!ctx->gso_size)
		return true;
	if (bpf_skb_load_bytes(ctx, o->begin + ETH_HLEN + (protocol == bpf_htons(ETH_P_IP) ? 9 : 6), &upper, 1))
		return false;
	return upper == IPPROTO_TCP;
}

/* What the kernel's VXLAN device demands of an inner frame as well: the fixed IP header is whole. */
static __always_inline __u32 least_payload(__be16 protocol)
{
	if (protocol == bpf_htons(ETH_P_IP))
		return sizeof(struct iphdr);
	return protocol == bpf_htons(ETH_P_IPV6) ? sizeof(struct ipv6hdr) : 0;
}

/* The device does it, and the tunnel program decides again; a trace is told already. */
static __always_inline int leave_to_device(struct __sk_buff *ctx, __be32 vni, const struct tri_fate *fate)
{
	struct tri_decision decision = {.verdict = TRI_VERDICT_FLOOD, .vni = vni, .by_device = 1};

	if (fate->local) {
		decision.verdict = TRI_VERDICT_LOCAL;
		decision.vni = 0;
		decision.ifindex = fate->local->ifindex;
	}
	tell(ctx, &decision);
	return TC_ACT_OK;
}

/*
 * The outer IP, UDP and VXLAN and the inner Ethernet header go; the outer Ethernet header
 * takes the inner one's content. The NIC's word on checksums covers one layer less: it is
 * taken down by one level, and what it did not verify stays unverified. A checksum still
 * to be filled in (CHECKSUM_PARTIAL) is the inner one's and stays.
 */
static __always_inline int decapsulate(struct __sk_buff *ctx, const struct tri_outer *o, const struct ethhdr *inner,
				       const struct tri_fate *fate)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
	struct ethhdr *eth;

	if (inner->h_proto != o->protocol)
		flags |= inner->h_proto == bpf_htons(ETH_P_IP) ? ROOM_DECAP_L3_IPV4 : ROOM_DECAP_L3_IPV6;
	if (bpf_skb_adjust_room(ctx, -(__s32)o->begin, BPF_ADJ_ROOM_MAC, flags))
		return leave_to_device(ctx, 0, fate);
	bpf_csum_level(ctx, BPF_CSUM_LEVEL_DEC);
	eth = at(ctx, 0, sizeof(*eth));
	if (!eth)
		return drop(ctx, UNDERLAY, TRI_REASON_ENCAP_FAILED);
	*eth = *inner;
	count(TRI_EVENT_DECAP, 1);
	return deliver(ctx, fate->local);
}

static __always_inline int pass(struct __sk_buff *ctx)
{
	struct tri_decision decision = {.verdict = TRI_VERDICT_PASS};

	tell(ctx, &decision);
	return TC_ACT_OK;
}

static __always_inline int underlay(struct __sk_buff *ctx, const struct tri_config *cfg)
{
	struct tri_outer o = {.protocol = ctx->protocol};
	struct tri_fate fate;
	struct ethhdr inner;
	__be32 vni;
	const struct tri_vxlan *vxlan;

	/* What is tagged is another network's: it is shown here before it gets to the VLAN's own interface. */
	if (unlikely(ctx->vlan_present))
		return pass(ctx);
	if (is_ip4(&cfg->vtep)) {
		if (o.protocol == bpf_htons(ETH_P_IP))
			read_outer4(ctx, cfg, &o);
	} else if (o.protocol == bpf_htons(ETH_P_IPV6)) {
		read_outer6(ctx, cfg, &o);
	}
	if (!o.begin)
		return pass(ctx);
	if (unlikely(!is_host(&o.source)))
		return drop(ctx, UNDERLAY, TRI_REASON_UNKNOWN_VTEP);
	if (unlikely(o.end < o.begin + sizeof(inner)))
		return drop(ctx, UNDERLAY, TRI_REASON_MALFORMED_TUNNEL);
	vxlan = at(ctx, o.begin - sizeof(*vxlan), sizeof(*vxlan) + sizeof(inner));
	if (unlikely(!vxlan || !(vxlan->flags & bpf_htonl(VXLAN_FLAG_VNI))))
		return drop(ctx, UNDERLAY, TRI_REASON_MALFORMED_TUNNEL);
	vni = bpf_htonl(bpf_ntohl(vxlan->vni) >> 8);
	inner = *(const struct ethhdr *)(vxlan + 1);
	if (unlikely(is_tag(inner.h_proto)))
		return drop(ctx, UNDERLAY, TRI_REASON_VLAN_TAGGED);
	if (unlikely(o.end - o.begin - sizeof(inner) < least_payload(inner.h_proto)))
		return drop(ctx, UNDERLAY, TRI_REASON_MALFORMED_TUNNEL);
	fate = fate_of(cfg, vni, inner.h_dest, &o.source, o.ttl);
	if (fate.local && may_decapsulate(ctx, cfg, &o, fate.local, inner.h_proto))
		return decapsulate(ctx, &o, &inner, &fate);
	if (fate.local || fate.flood)
		return leave_to_device(ctx, vni, &fate);
	if (fate.elsewhere)
		return pass_on(ctx, cfg, &o, vni, fate.elsewhere);
	return drop(ctx, UNDERLAY, fate.reason);
}

static __always_inline int tunnel(struct __sk_buff *ctx, const struct tri_config *cfg)
{
	bool four = is_ip4(&cfg->vtep);
	struct bpf_tunnel_key key = {};
	struct tri_ip source;
	struct tri_fate fate;
	struct ethhdr *eth;
	__be32 vni;

	if (bpf_skb_get_tunnel_key(ctx, &key, TUNNEL_KEY_SIZE, four ? 0 : BPF_F_TUNINFO_IPV6))
		return drop(ctx, UNDERLAY, TRI_REASON_MALFORMED_TUNNEL);
	if (four)
		map_ip4(&source, bpf_htonl(key.remote_ipv4));
	else
		copy_ip(&source, key.remote_ipv6);
	/* Again, since outer fragments do not show it to the underlay program. */
	if (unlikely(!is_host(&source)))
		return drop(ctx, UNDERLAY, TRI_REASON_UNKNOWN_VTEP);
	eth = at(ctx, 0, sizeof(*eth));
	if (unlikely(!eth))
		return drop(ctx, UNDERLAY, TRI_REASON_MALFORMED_TUNNEL);
	if (unlikely(ctx->vlan_present || is_tag(eth->h_proto)))
		return drop(ctx, UNDERLAY, TRI_REASON_VLAN_TAGGED);
	vni = bpf_htonl(key.tunnel_id);
	fate = fate_of(cfg, vni, eth->h_dest, &source, key.tunnel_ttl);
	if (fate.elsewhere)
		return pass_on_by_device(ctx, cfg, vni, fate.elsewhere, key.tunnel_ttl);
	if (!fate.local && !fate.flood)
		return drop(ctx, UNDERLAY, fate.reason);
	count(TRI_EVENT_DECAP, 1);
	if (fate.local)
		return deliver(ctx, fate.local);
	return flooded(ctx, vni, flood_locally(ctx, fate.flood, 0), 0);
}

#endif
