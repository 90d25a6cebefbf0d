/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* BUM in segments that replicate: head-end replication with split horizon. */
#ifndef TRIPTYCH_FLOOD_H
#define TRIPTYCH_FLOOD_H

#include "common.h"
#include "encap.h"
#include "events.h"
#include "maps.h"
#include "size.h"

static __always_inline const struct tri_flood *flood_of(__be32 vni)
{
	const struct tri_flood *flood = bpf_map_lookup_elem(&floods, &vni);

	return flood && flood->replicate ? flood : NULL;
}

/* Copies to the segment's local ports; `sender` is left out. */
static __noinline int flood_locally(struct __sk_buff *ctx, const struct tri_flood *flood, __u32 sender)
{
	bool quiet = traced(ctx);
	int copies = 0;

	for (int i = 0; i < TRI_FLOOD_PORTS; i++) {
		if (i >= (int)flood->port_count)
			break;
		if (flood->ports[i] == sender)
			continue;
		copies++;
		if (!quiet)
			bpf_clone_redirect(ctx, flood->ports[i], 0);
	}
	return copies;
}

static __noinline int flood_overlay(struct __sk_buff *ctx, const struct tri_flood *flood, __be32 vni, __u32 device,
				    __u32 hash)
{
	bool quiet = traced(ctx);
	int copies = 0;

	bpf_set_hash(ctx, hash);
	for (int i = 0; i < TRI_FLOOD_VTEPS; i++) {
		if (i >= (int)flood->vtep_count)
			break;
		copies++;
		if (!quiet && !set_tunnel(ctx, vni, &flood->vteps[i], OUTER_TTL))
			bpf_clone_redirect(ctx, device, 0);
	}
	return copies;
}

/* The copies are on their way; the frame itself ends here, and counts as no drop. */
static __always_inline int flooded(struct __sk_buff *ctx, __be32 vni, int copies, __u32 hash)
{
	struct tri_decision decision = {.verdict = TRI_VERDICT_FLOOD, .vni = vni, .flow_hash = hash, .by_device = 1};

	count(TRI_EVENT_FLOODED, 1);
	count(TRI_EVENT_FLOOD_COPIES, copies);
	tell(ctx, &decision);
	return TC_ACT_SHOT;
}

static __noinline int flood_from_port(struct __sk_buff *ctx, const struct tri_config *cfg, const struct tri_frame *f,
				      __be32 vni, __u32 reason)
{
	const struct tri_flood *flood = flood_of(vni);
	__u32 hash;
	int copies;

	if (!flood)
		return drop(ctx, ctx->ifindex, reason);
	if (is_larger(ctx, cfg, f))
		return drop(ctx, ctx->ifindex, TRI_REASON_TOO_BIG);
	hash = flow_hash(f);
	/* Before the tunnel key is set, which stays on the frame. */
	copies = flood_locally(ctx, flood, ctx->ifindex);
	copies += flood_overlay(ctx, flood, vni, cfg->vxlan_ifindex, hash);
	return flooded(ctx, vni, copies, hash);
}

#endif
