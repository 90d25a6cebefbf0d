/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The headers around a packet from another host, as the underlay interface sees them. */
#ifndef TRIPTYCH_OUTER_H
#define TRIPTYCH_OUTER_H

#include "common.h"
#include "encap.h"

#define ECN_CONGESTED 3

/* The outer headers of a packet that is ours. */
struct tri_outer {
	struct tri_ip source;
	__u32 begin;     /* of the inner frame; 0: the packet is not ours */
	__u32 end;       /* of the outer packet, counted as the frame is */
	__be16 protocol; /* of the outer packet */
	__u8 ttl;
	__u8 ecn; /* the two bits of RFC 3168 */
	bool checked;    /* it has a UDP checksum that somebody must verify */
};

static __always_inline void read_outer4(struct __sk_buff *ctx, const struct tri_config *cfg, struct tri_outer *o)
{
	const struct {
		struct iphdr ip;
		struct udphdr udp;
	} *p = at(ctx, ETH_HLEN, sizeof(*p));
	__u32 end;

	if (!p || *(__u8 *)&p->ip != 0x45 || p->ip.protocol != IPPROTO_UDP || p->udp.dest != cfg->udp_port ||
	    p->ip.daddr != ip4_of(&cfg->vtep) || p->ip.frag_off & bpf_htons(0x3fff))
		return;
	end = ETH_HLEN + bpf_ntohs(p->ip.tot_len);
	if (end < ETH_HLEN + sizeof(*p) || end > ctx->len || bpf_ntohs(p->udp.len) != end - ETH_HLEN - sizeof(p->ip))
		return;
	map_ip4(&o->source, p->ip.saddr);
	o->ttl = p->ip.ttl;
	o->ecn = p->ip.tos & 3;
	o->checked = p->udp.check != 0;
	o->begin = OVERHEAD4;
	o->end = end;
}

static __always_inline void read_outer6(struct __sk_buff *ctx, const struct tri_config *cfg, struct tri_outer *o)
{
	const struct {
		struct ipv6hdr ip;
		struct udphdr udp;
	} *p = at(ctx, ETH_HLEN, sizeof(*p));
	__u32 end;

	if (!p || p->ip.version != 6 || p->ip.nexthdr != IPPROTO_UDP || p->udp.dest != cfg->udp_port ||
	    !same_ip((struct tri_ip *)&p->ip.daddr, &cfg->vtep))
		return;
	end = ETH_HLEN + sizeof(p->ip) + bpf_ntohs(p->ip.payload_len);
	if (end < ETH_HLEN + sizeof(*p) || end > ctx->len || p->udp.len != p->ip.payload_len)
		return;
	copy_ip(&o->source, &p->ip.saddr);
	o->ttl = p->ip.hop_limit;
	o->ecn = p->ip.flow_lbl[0] >> 4 & 3;
	o->checked = p->udp.check != 0;
	o->begin = OVERHEAD6;
	o->end = end;
}

/* As they are, untouched by any device: nobody has to verify them, and nothing follows the packet. */
static __always_inline bool is_plain(const struct __sk_buff *ctx, const struct tri_outer *o)
{
	return !o->checked && o->end == ctx->len;
}

#endif
