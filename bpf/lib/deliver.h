/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Handing a frame to a port of this host. */
#ifndef TRIPTYCH_DELIVER_H
#define TRIPTYCH_DELIVER_H

#include "common.h"
#include "events.h"

/*
 * A veth's other end is entered directly (bpf_redirect_peer: no second softirq). Nobody
 * looks at the MAC again on that way, and the type still says what the frame was on the
 * interface it came in by: OTHERHOST, as a rule, which the guest's stack would drop.
 */
static __always_inline int hand_over(struct __sk_buff *ctx, __u32 ifindex, __u8 kind)
{
	if (likely(kind == TRI_PORT_PEER)) {
		if (ctx->pkt_type != PACKET_HOST)
			bpf_skb_change_type(ctx, PACKET_HOST);
		return bpf_redirect_peer(ifindex, 0);
	}
	return bpf_redirect(ifindex, 0);
}

static __always_inline int deliver(struct __sk_buff *ctx, const struct tri_local *local)
{
	struct tri_decision decision = {.verdict = TRI_VERDICT_LOCAL, .ifindex = local->ifindex};

	count(TRI_EVENT_LOCAL, 1);
	tell(ctx, &decision);
	return hand_over(ctx, local->ifindex, local->kind);
}

/* Back to the port that it came from; `reason` when it is an ICMP error that goes back. */
static __always_inline int reply(struct __sk_buff *ctx, const struct tri_frame *f, __u32 reason)
{
	struct tri_decision decision = {
		.verdict = TRI_VERDICT_REPLY,
		.reason = reason,
		.ifindex = ctx->ifindex,
	};

	tell(ctx, &decision);
	return hand_over(ctx, ctx->ifindex, f->port_kind);
}

#endif
