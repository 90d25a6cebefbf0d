/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Known unicast, and the last steps that layer 2 and layer 3 share: to a port here, or to another host. */
#ifndef TRIPTYCH_LAYER2_H
#define TRIPTYCH_LAYER2_H

#include "common.h"
#include "deliver.h"
#include "encap.h"
#include "icmp.h"
#include "maps.h"
#include "size.h"

static __always_inline const struct tri_location *location_of(__be32 vni, const void *mac)
{
	struct tri_location_key key = {.vni = vni};

	copy_mac(key.mac, mac);
	return bpf_map_lookup_elem(&locations, &key);
}

static __always_inline const struct tri_local *local_of(__be32 vni, const void *mac)
{
	struct tri_location_key key = {.vni = vni};

	copy_mac(key.mac, mac);
	return bpf_map_lookup_elem(&locals, &key);
}

/* A frame to a MAC of its own segment, whose location is a host. */
static __always_inline int switch_frame(struct __sk_buff *ctx, const struct tri_config *cfg, const struct tri_frame *f,
					__be32 vni, const struct tri_location *location)
{
	const struct tri_local *local;
	bool larger;

	if (same_ip(&location->underlay, &cfg->vtep)) {
		local = local_of(vni, f->eth.h_dest);
		if (unlikely(!local))
			return drop(ctx, ctx->ifindex, TRI_REASON_NO_LOCAL_PORT);
		if (unlikely(local->ifindex == ctx->ifindex))
			return drop(ctx, ctx->ifindex, TRI_REASON_HAIRPIN);
		return deliver(ctx, local);
	}
	larger = is_larger(ctx, cfg, f);
	/* As the kernel's bridged VXLAN answers: in the name of the one who cannot be reached. */
	if (unlikely(larger && is_indivisible(cfg, f)))
		return icmp_error(ctx, f, &f->dst, ERROR_TOO_BIG, TRI_REASON_TOO_BIG);
	return encapsulate(ctx, cfg, f, &f->eth, vni, &location->underlay, larger);
}

#endif
