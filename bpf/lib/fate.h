/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What becomes of a frame from another host, whoever took the outer headers off. */
#ifndef TRIPTYCH_FATE_H
#define TRIPTYCH_FATE_H

#include "common.h"
#include "flood.h"
#include "layer2.h"
#include "maps.h"

/* Drops on this side are the underlay's, no port's. */
#define UNDERLAY 0

/* One port, or (none) another host, or (neither) a flood, or (nothing of it) a drop. */
struct tri_fate {
	const struct tri_local *local;
	const struct tri_ip *elsewhere;
	const struct tri_flood *flood;
	__u32 reason;
};

static __always_inline bool is_host(const struct tri_ip *ip)
{
	return bpf_map_lookup_elem(&vteps, ip) != NULL;
}

/*
 * The port has moved and the sender does not know yet. The frame goes on to where the port
 * is now, but not back to the sender, which would only return it, and not for ever: hosts
 * that disagree in a circle wear its outer TTL out.
 */
static __always_inline void look_elsewhere(const struct tri_config *cfg, const struct tri_location *location,
					   const struct tri_ip *source, __u8 ttl, struct tri_fate *fate)
{
	const struct tri_ip *target = &location->underlay;

	if (location->kind != TRI_LOCATION_VTEP || same_ip(target, &cfg->vtep) || same_ip(target, source))
		return;
	if (ttl <= 1)
		fate->reason = TRI_REASON_PASS_ON_EXPIRED;
	else if (is_ip4(target) != is_ip4(&cfg->vtep))
		fate->reason = TRI_REASON_ENCAP_FAILED;
	else
		fate->elsewhere = target;
}

/* `source` and `ttl` are the outer header's. */
static __always_inline struct tri_fate fate_of(const struct tri_config *cfg, __be32 vni, const __u8 *mac,
					       const struct tri_ip *source, __u8 ttl)
{
	struct tri_fate fate = {.reason = TRI_REASON_BUM};
	const struct tri_location *location;

	if (likely(!is_group_mac(mac))) {
		fate.reason = TRI_REASON_NO_LOCAL_PORT;
		fate.local = local_of(vni, mac);
		if (likely(fate.local))
			return fate;
		location = location_of(vni, mac);
		if (location) {
			look_elsewhere(cfg, location, source, ttl, &fate);
			return fate;
		}
	}
	fate.flood = flood_of(vni);
	return fate;
}

#endif
