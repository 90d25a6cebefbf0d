/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What is counted, and what is told to the one who traces. */
#ifndef TRIPTYCH_EVENTS_H
#define TRIPTYCH_EVENTS_H

#include "common.h"
#include "maps.h"

static __always_inline void count(__u32 event, __u64 by)
{
	__u64 *counter = bpf_map_lookup_elem(&events, &event);

	if (likely(counter))
		*counter += by;
}

/* cb[] is garbage on real traffic: a false hit costs one write to `last` and the copies of
 * one flooded frame, of the sender's own. */
static __always_inline bool traced(const struct __sk_buff *ctx)
{
	return unlikely(ctx->cb[4] == TRI_TRACE_MAGIC);
}

static __always_inline void tell(const struct __sk_buff *ctx, const struct tri_decision *decision)
{
	__u32 zero = 0;
	struct tri_decision *to;

	if (!traced(ctx))
		return;
	to = bpf_map_lookup_elem(&last, &zero);
	if (to)
		*to = *decision;
}

static __noinline int count_drop(__u32 ifindex, __u32 reason, __u32 bytes)
{
	struct tri_drop_key key = {.ifindex = ifindex, .reason = reason};
	struct tri_count first = {.packets = 1, .bytes = bytes};
	struct tri_count *counter = bpf_map_lookup_elem(&drops, &key);

	if (counter) {
		counter->packets++;
		counter->bytes += bytes;
		return 0;
	}
	/* Another CPU may have made the entry since; then only this frame goes uncounted. */
	return bpf_map_update_elem(&drops, &key, &first, BPF_NOEXIST);
}

static __always_inline int drop(struct __sk_buff *ctx, __u32 ifindex, __u32 reason)
{
	struct tri_decision decision = {.verdict = TRI_VERDICT_DROP, .reason = reason};

	count_drop(ifindex, reason, ctx->len);
	tell(ctx, &decision);
	return TC_ACT_SHOT;
}

#endif
