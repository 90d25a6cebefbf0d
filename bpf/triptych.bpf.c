/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The eBPF data plane: three tc ingress programs over the same maps. What they do is
 * docs/explanation/forwarding.md; why they do it this way, docs/explanation/dataplane.md.
 *
 *   from_port      on the host's side of a VM's veth, or its tap
 *   from_underlay  on the interface that carries the underlay
 *   from_tunnel    on the collect-metadata VXLAN device
 */
#include "lib/common.h"
#include "lib/events.h"
#include "lib/flood.h"
#include "lib/layer2.h"
#include "lib/layer3.h"
#include "lib/maps.h"
#include "lib/overlay.h"
#include "lib/resolve.h"
#include "lib/spoof.h"

SEC("tc")
int from_port(struct __sk_buff *ctx)
{
	__u32 zero = 0, ifindex = ctx->ifindex;
	const struct tri_config *cfg = bpf_map_lookup_elem(&config, &zero);
	const struct tri_location *location = NULL;
	const struct ethhdr *eth = at(ctx, 0, sizeof(*eth));
	const struct tri_port *port;
	struct tri_frame f = {};
	bool group;
	int reason;

	if (unlikely(!cfg || !eth))
		return drop(ctx, ifindex, TRI_REASON_MALFORMED);
	f.eth = *eth;
	port = bpf_map_lookup_elem(&ports, &ifindex);
	if (unlikely(!port))
		return drop(ctx, ifindex, TRI_REASON_UNKNOWN_PORT);
	f.port_kind = port->kind;
	if (unlikely(ctx->vlan_present || is_tag(f.eth.h_proto)))
		return drop(ctx, ifindex, TRI_REASON_VLAN_TAGGED);
	if (unlikely(bpf_ntohs(f.eth.h_proto) < LEAST_ETHERTYPE))
		return drop(ctx, ifindex, TRI_REASON_NOT_ETHERNET_II);
	if (unlikely(!same_mac(f.eth.h_source, port->mac)))
		return drop(ctx, ifindex, TRI_REASON_SPOOFED_MAC);
	reason = check_frame(ctx, port, &f);
	if (unlikely(reason))
		return drop(ctx, ifindex, reason);

	group = is_group_mac(f.eth.h_dest);
	if (likely(!group))
		location = location_of(port->vni, f.eth.h_dest);
	if (unlikely(f.resolution)) {
		bool to_router = location && location->kind == TRI_LOCATION_ROUTER;

		if (group || to_router)
			return resolve(ctx, port, &f, to_router);
	}
	if (unlikely(group))
		return flood_from_port(ctx, cfg, &f, port->vni, TRI_REASON_BUM);
	if (likely(location)) {
		if (location->kind == TRI_LOCATION_VTEP)
			return switch_frame(ctx, cfg, &f, port->vni, location);
		if (location->kind == TRI_LOCATION_ROUTER)
			return route_frame(ctx, cfg, &f, location->router);
	}
	return flood_from_port(ctx, cfg, &f, port->vni, TRI_REASON_UNKNOWN_UNICAST);
}

SEC("tc")
int from_underlay(struct __sk_buff *ctx)
{
	__u32 zero = 0;
	const struct tri_config *cfg = bpf_map_lookup_elem(&config, &zero);

	return likely(cfg) ? underlay(ctx, cfg) : TC_ACT_OK;
}

SEC("tc")
int from_tunnel(struct __sk_buff *ctx)
{
	__u32 zero = 0;
	const struct tri_config *cfg = bpf_map_lookup_elem(&config, &zero);

	return likely(cfg) ? tunnel(ctx, cfg) : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
