/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The distributed router: routing happens once, at the source host. */
#ifndef TRIPTYCH_LAYER3_H
#define TRIPTYCH_LAYER3_H

#include "common.h"
#include "csum.h"
#include "hash.h"
#include "icmp.h"
#include "layer2.h"
#include "maps.h"

static __always_inline bool is_routable(const struct tri_ip *ip, bool four)
{
	const word *w = (const word *)ip;
	__u8 first;

	if (four) {
		first = ip->bytes[12];
		return first && first != 127 && first < 224 && !(first == 169 && ip->bytes[13] == 254);
	}
	if (ip->bytes[0] == 0xff || (ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80) || is_ip4(ip))
		return false;
	return w[0] | w[1] | w[2] | (w[3] & bpf_htonl(~1U)); /* not :: and not ::1 */
}

static __always_inline bool is_routable_source(const struct tri_ip *ip, bool four)
{
	if (four)
		return ip4_of(ip) && !(ip->bytes[12] == 169 && ip->bytes[13] == 254);
	return !is_zero_ip(ip) && !(ip->bytes[0] == 0xfe && (ip->bytes[1] & 0xc0) == 0x80);
}

/* The bits of a short IPv6 prefix (::/0) hold the v4-mapped addresses too, so a row says its family. */
static __always_inline const struct tri_route *route_of(__be32 router, const struct tri_ip *ip)
{
	struct tri_route_key key = {.prefix_len = 32 + 128, .router = router};
	const struct tri_route *route;

	copy_ip(&key.ip, ip);
	route = bpf_map_lookup_elem(&routes, &key);
	return route && route->family == (is_ip4(ip) ? 4 : 6) ? route : NULL;
}

static __always_inline const struct tri_neighbor *neighbor_of(__be32 vni, const struct tri_ip *ip)
{
	struct tri_neighbor_key key = {.vni = vni};

	copy_ip(&key.ip, ip);
	return bpf_map_lookup_elem(&neighbors, &key);
}

/* Drops the packet and tells its sender from the router's own address towards it. */
static __noinline int refuse(struct __sk_buff *ctx, const struct tri_frame *f, __be32 router, enum tri_icmp_error error,
			     __u32 reason)
{
	const struct tri_route *route = route_of(router, &f->src);
	struct tri_ip source;

	if (route && route->kind == TRI_ROUTE_VIA) {
		copy_ip(&source, &route->hops[0].ip);
		route = route_of(router, &source);
	}
	if (!route || route->kind != TRI_ROUTE_CONNECTED)
		return icmp_error(ctx, f, NULL, error, reason);
	copy_ip(&source, &route->hops[0].ip);
	return icmp_error(ctx, f, &source, error, reason);
}

/* The packet is for the router itself. */
static __noinline int serve(struct __sk_buff *ctx, const struct tri_frame *f)
{
	if (f->flags & FRAME_FRAGMENT)
		return drop(ctx, ctx->ifindex, TRI_REASON_FRAGMENT_TO_ROUTER);
	if (is_echo_request(ctx, f))
		return echo_reply(ctx, f);
	if (f->upper == IPPROTO_UDP || f->upper == IPPROTO_TCP)
		return icmp_error(ctx, f, &f->dst, ERROR_PORT, TRI_REASON_PORT_UNREACHABLE);
	return drop(ctx, ctx->ifindex, TRI_REASON_TO_ROUTER);
}

/* From the router to the next hop; one hop less to live. */
static __always_inline bool rewrite(struct __sk_buff *ctx, const struct tri_frame *f, const struct ethhdr *eth)
{
	struct ethhdr *link = at(ctx, 0, sizeof(*link) + sizeof(struct iphdr));
	struct iphdr *ip4 = (void *)(link + 1);
	struct ipv6hdr *ip6 = (void *)(link + 1);
	__u16 old;

	if (unlikely(!link))
		return false;
	*link = *eth;
	if (f->family == 6) {
		ip6->hop_limit--;
		return true;
	}
	old = *(half *)&ip4->ttl;
	ip4->ttl--;
	ip4->check = csum_replace(ip4->check, old, *(half *)&ip4->ttl);
	return true;
}

/* A frame whose destination MAC is that of `router`. */
static __always_inline int route_frame(struct __sk_buff *ctx, const struct tri_config *cfg, const struct tri_frame *f,
				       __be32 router)
{
	bool four = f->family == 4, remote, larger = false;
	const struct tri_neighbor *neighbor;
	const struct tri_location *location;
	const struct tri_local *local = NULL;
	const struct tri_route *route;
	struct ethhdr eth;
	struct tri_ip hop;
	__u32 choice;
	__be32 vni;

	if (unlikely(!f->family))
		return drop(ctx, ctx->ifindex, TRI_REASON_NOT_IP);
	if (unlikely(!is_routable(&f->dst, four)))
		return drop(ctx, ctx->ifindex, TRI_REASON_NOT_ROUTABLE);
	route = route_of(router, &f->dst);
	if (unlikely(!route))
		return refuse(ctx, f, router, ERROR_NETWORK, TRI_REASON_NO_ROUTE);
	if (route->kind == TRI_ROUTE_CONNECTED) {
		vni = route->vni;
		copy_ip(&hop, &f->dst);
	} else if (likely(route->kind == TRI_ROUTE_VIA)) {
		choice = ((flow_hash(f) & 0xffff) * route->hop_count) >> 16;
		if (choice >= TRI_MAX_HOPS)
			choice = 0;
		vni = route->hops[choice].vni;
		copy_ip(&hop, &route->hops[choice].ip);
	} else {
		return drop(ctx, ctx->ifindex, TRI_REASON_BLACKHOLE);
	}
	neighbor = neighbor_of(vni, &hop);
	if (neighbor && neighbor->flags & TRI_NEIGHBOR_ROUTER && route->kind == TRI_ROUTE_CONNECTED)
		return serve(ctx, f);
	if (unlikely(!is_routable_source(&f->src, four)))
		return drop(ctx, ctx->ifindex, TRI_REASON_NOT_ROUTABLE);
	if (unlikely(f->ttl <= 1))
		return refuse(ctx, f, router, ERROR_TIME, TRI_REASON_TTL_EXCEEDED);
	if (unlikely(!neighbor))
		return refuse(ctx, f, router, ERROR_HOST, TRI_REASON_NO_NEIGHBOR);
	location = location_of(vni, neighbor->mac);
	if (unlikely(!location || location->kind != TRI_LOCATION_VTEP))
		return refuse(ctx, f, router, ERROR_HOST, TRI_REASON_NO_LOCATION);

	remote = !same_ip(&location->underlay, &cfg->vtep);
	if (remote) {
		larger = is_larger(ctx, cfg, f);
		if (unlikely(larger && is_indivisible(cfg, f)))
			return refuse(ctx, f, router, ERROR_TOO_BIG, TRI_REASON_TOO_BIG);
	} else {
		local = local_of(vni, neighbor->mac);
		if (unlikely(!local))
			return drop(ctx, ctx->ifindex, TRI_REASON_NO_LOCAL_PORT);
	}
	copy_mac(eth.h_dest, neighbor->mac);
	copy_mac(eth.h_source, f->eth.h_dest);
	eth.h_proto = f->eth.h_proto;
	if (unlikely(!rewrite(ctx, f, &eth)))
		return drop(ctx, ctx->ifindex, TRI_REASON_MALFORMED);
	count(TRI_EVENT_ROUTED, 1);
	if (local)
		return deliver(ctx, local);
	return encapsulate(ctx, cfg, f, &eth, vni, &location->underlay, larger);
}

#endif
