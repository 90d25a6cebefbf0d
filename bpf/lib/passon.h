/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Frames of other hosts for a port that has moved on. The underlay program addresses the
 * outer packet anew where it stands: nothing is taken off and put on again, a super-packet
 * stays whole, and what the outer headers say besides (source port, DSCP, congestion) is
 * kept. What only the kernel's stack could read goes on through the VXLAN device.
 */
#ifndef TRIPTYCH_PASSON_H
#define TRIPTYCH_PASSON_H

#include "common.h"
#include "csum.h"
#include "encap.h"
#include "events.h"
#include "fate.h"
#include "outer.h"

/* The helper adjusts what the NIC summed up (CHECKSUM_COMPLETE) besides writing. */
static __always_inline bool readdress4(struct __sk_buff *ctx, const struct tri_config *cfg, const struct tri_ip *to)
{
	const struct iphdr *came = at(ctx, ETH_HLEN, sizeof(*came));
	struct iphdr ip;

	if (!came)
		return false;
	ip = *came;
	ip.ttl--;
	ip.saddr = ip4_of(&cfg->vtep);
	ip.daddr = ip4_of(to);
	ip.check = csum_ip4_update(came, &ip);
	return !bpf_skb_store_bytes(ctx, ETH_HLEN, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM);
}

static __always_inline bool readdress6(struct __sk_buff *ctx, const struct tri_config *cfg, const struct tri_ip *to)
{
	const struct ipv6hdr *came = at(ctx, ETH_HLEN, sizeof(*came));
	struct ipv6hdr ip;

	if (!came)
		return false;
	ip = *came;
	ip.hop_limit--;
	copy_ip((struct tri_ip *)&ip.saddr, &cfg->vtep);
	copy_ip((struct tri_ip *)&ip.daddr, to);
	return !bpf_skb_store_bytes(ctx, ETH_HLEN, &ip, sizeof(ip), BPF_F_RECOMPUTE_CSUM);
}

/* From the underlay. What is left to the device comes back to pass_on_by_device; a trace is told already. */
static __noinline int pass_on(struct __sk_buff *ctx, const struct tri_config *cfg, const struct tri_outer *o,
			      __be32 vni, const struct tri_ip *to)
{
	struct tri_decision decision = {.verdict = TRI_VERDICT_ENCAP, .vni = vni, .vtep = *to};
	bool written;

	if (!(cfg->flags & TRI_ENCAP_PROGRAM) || !is_plain(ctx, o)) {
		decision.by_device = 1;
		tell(ctx, &decision);
		return TC_ACT_OK;
	}
	written = is_ip4(&cfg->vtep) ? readdress4(ctx, cfg, to) : readdress6(ctx, cfg, to);
	if (!written)
		return drop(ctx, UNDERLAY, TRI_REASON_ENCAP_FAILED);
	count(TRI_EVENT_ENCAP, 1);
	count(TRI_EVENT_PASSED_ON, 1);
	tell(ctx, &decision);
	return bpf_redirect_neigh(cfg->underlay_ifindex, NULL, 0, 0);
}

/* From the tunnel: outer headers made anew, but for the TTL; `ttl` is the one that it came with. */
static __noinline int pass_on_by_device(struct __sk_buff *ctx, const struct tri_config *cfg, __be32 vni,
					const struct tri_ip *to, __u32 ttl)
{
	struct tri_decision decision = {.verdict = TRI_VERDICT_ENCAP, .vni = vni, .vtep = *to, .by_device = 1};

	if (set_tunnel(ctx, vni, to, ttl - 1))
		return drop(ctx, UNDERLAY, TRI_REASON_ENCAP_FAILED);
	count(TRI_EVENT_ENCAP, 1);
	count(TRI_EVENT_ENCAP_DEVICE, 1);
	count(TRI_EVENT_PASSED_ON, 1);
	tell(ctx, &decision);
	return bpf_redirect(cfg->vxlan_ifindex, 0);
}

#endif
