/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The size check before encapsulation. */
#ifndef TRIPTYCH_SIZE_H
#define TRIPTYCH_SIZE_H

#include "common.h"
#include "parse.h"

#define TCP_OFFSET_BYTE 12

/* One segment of a super-packet: its headers and as much payload as the sender's MSS says. */
static __always_inline __u32 segment_length(struct __sk_buff *ctx, const struct tri_frame *f)
{
	__u32 l4 = f->l4 & L4_MASK, length, header = sizeof(struct udphdr);
	__u8 offset;

	if (!ctx->gso_size || (f->upper != IPPROTO_TCP && f->upper != IPPROTO_UDP))
		return f->l3_len;
	if (f->upper == IPPROTO_TCP) {
		if (bpf_skb_load_bytes(ctx, l4 + TCP_OFFSET_BYTE, &offset, 1))
			return f->l3_len;
		header = (offset >> 4) * 4;
	}
	length = l4 - ETH_HLEN + header + ctx->gso_size;
	return length < f->l3_len ? length : f->l3_len;
}

/* An IP packet larger than the overlay MTU (0: unlimited). */
static __always_inline bool is_larger(struct __sk_buff *ctx, const struct tri_config *cfg, const struct tri_frame *f)
{
	if (likely(!f->family || !cfg->overlay_mtu || f->l3_len <= cfg->overlay_mtu))
		return false;
	return segment_length(ctx, f) > cfg->overlay_mtu;
}

/* Nobody on the way may fragment it: nor the outer packet, over IPv6, where the kernel's tunnels do not. */
static __always_inline bool is_indivisible(const struct tri_config *cfg, const struct tri_frame *f)
{
	return f->family == 6 || f->flags & FRAME_DF || !is_ip4(&cfg->vtep);
}

#endif
