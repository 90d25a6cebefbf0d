/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The one header that the programs and user space share: records, local facts,
 * counters and numbers. Python holds the same declaration in
 * triptych.core.tables.schema, triptych.core.verdicts and triptych.drivers.ebpf.layout;
 * a test compares every field, size and enumerator with the BTF of the object.
 *
 * Rules: fixed-size members only; padding is explicit and zero; a member that is
 * big-endian has a __be type; IPv4 is v4-mapped in struct tri_ip.
 */
#ifndef TRIPTYCH_ABI_H
#define TRIPTYCH_ABI_H

#include <linux/types.h>

/* Raised only when old and new programs cannot share a pinned map. */
#define TRI_LAYOUT_VERSION 1

#define TRI_MAX_HOPS 8
#define TRI_PORT_IPS 8
#define TRI_FLOOD_VTEPS 128
#define TRI_FLOOD_PORTS 128

/* ---- rows: the record on the wire is the record in the map ---------------- */

struct tri_ip {
	__u8 bytes[16];
};

struct tri_location_key {
	__be32 vni;
	__u8 mac[6];
	__u8 pad[2];
};

enum tri_location_kind {
	TRI_LOCATION_VTEP = 1,
	TRI_LOCATION_ROUTER = 2,
	TRI_LOCATION_FLOOD = 3,
};

struct tri_location {
	__u8 kind;
	__u8 flags;
	__u8 pad[2];
	__be32 generation;
	__be32 router;
	struct tri_ip underlay;
};

struct tri_neighbor_key {
	__be32 vni;
	struct tri_ip ip;
};

enum tri_neighbor_flag {
	TRI_NEIGHBOR_ROUTER = 1,
};

struct tri_neighbor {
	__u8 mac[6];
	__u8 flags;
	__u8 pad;
};

struct tri_route_key {
	__u32 prefix_len; /* host order: the LPM trie's own */
	__be32 router;
	struct tri_ip ip;
};

enum tri_route_kind {
	TRI_ROUTE_CONNECTED = 1,
	TRI_ROUTE_VIA = 2,
	TRI_ROUTE_BLACKHOLE = 3,
};

struct tri_hop {
	__be32 vni;
	struct tri_ip ip;
};

struct tri_route {
	__u8 kind;
	__u8 hop_count;
	__u8 family; /* of the prefix, 4 or 6 */
	__u8 pad;
	__be32 vni;
	struct tri_hop hops[TRI_MAX_HOPS];
};

/* ---- local facts: what this host knows besides rows ----------------------- */

enum tri_port_kind {
	TRI_PORT_PEER = 1,   /* veth whose other end is in another namespace: bpf_redirect_peer */
	TRI_PORT_EGRESS = 2, /* tap, or veth without a namespace of its own: bpf_redirect */
};

/* ports: ifindex -> who sits there */
struct tri_port {
	__be32 vni;
	__u8 mac[6];
	__u8 kind;
	__u8 ip_count; /* of ips; what does not fit is in allowed */
	struct tri_ip ips[TRI_PORT_IPS];
};

/* locals: struct tri_location_key -> the port that has this MAC here */
struct tri_local {
	__u32 ifindex;
	__u8 kind;
	__u8 pad[3];
};

/* allowed: prefixes that a port may send from besides port.ips (LPM) */
struct tri_allowed_key {
	__u32 prefix_len; /* host order; 32 + prefix bits */
	__u32 ifindex;    /* host order */
	struct tri_ip ip;
};

/* floods: __be32 vni -> where a BUM frame of the segment goes; derived from the FLOOD rows
 * (this host left out) and the attached ports */
struct tri_flood {
	__u32 vtep_count;
	__u32 port_count;
	struct tri_ip vteps[TRI_FLOOD_VTEPS];
	__u32 ports[TRI_FLOOD_PORTS];
	__u8 replicate; /* 1: the segment has FLOOD rows */
	__u8 pad[3];
};

/* config: one entry */
enum tri_config_flag {
	TRI_ENCAP_PROGRAM = 1, /* the programs write the outer headers; else the VXLAN device does */
	TRI_DECAP_PROGRAM = 2, /* the underlay program removes them; else the VXLAN device does */
	TRI_DECAP_L3 = 4,      /* the kernel has BPF_F_ADJ_ROOM_DECAP_L3_*: inner and outer family may differ */
};

struct tri_config {
	struct tri_ip vtep;
	__u32 layout_version;
	__u32 flags;
	__u32 underlay_ifindex; /* of the interface that encapsulated frames leave by */
	__u32 vxlan_ifindex;
	__u32 overlay_mtu;      /* largest inner IP packet, bytes; 0: unlimited */
	__u32 icmp_rate;        /* ICMP errors per second and port; 0: unlimited */
	__be16 udp_port;
	__u8 pad[2];
};

/* limits: ifindex -> token bucket of ICMP errors */
struct tri_limit {
	__u64 refilled_ns;
	__u64 tokens;
};

/* drops: per CPU; ifindex 0 is the underlay */
struct tri_drop_key {
	__u32 ifindex;
	__u32 reason;
};

struct tri_count {
	__u64 packets;
	__u64 bytes;
};

/* last: one entry per CPU; what the program decided, written only when the caller of
 * BPF_PROG_TEST_RUN put TRI_TRACE_MAGIC into cb[4] (no copy is sent on that occasion) */
#define TRI_TRACE_MAGIC 0x54524950

struct tri_decision {
	__u32 verdict;
	__u32 reason;
	__u32 ifindex; /* LOCAL and REPLY: the port */
	__be32 vni;    /* ENCAP and FLOOD */
	struct tri_ip vtep; /* ENCAP */
	__u32 by_device; /* ENCAP: left to the VXLAN device */
	__u32 flow_hash;
};

/* ---- numbers: never reused ------------------------------------------------ */

enum tri_verdict {
	TRI_VERDICT_DROP = 1,
	TRI_VERDICT_REPLY = 2,
	TRI_VERDICT_LOCAL = 3,
	TRI_VERDICT_ENCAP = 4,
	TRI_VERDICT_FLOOD = 5,
	TRI_VERDICT_PASS = 6,
};

enum tri_reason {
	TRI_REASON_NONE = 0,
	TRI_REASON_MALFORMED = 1,
	TRI_REASON_VLAN_TAGGED = 2,
	TRI_REASON_SPOOFED_MAC = 3,
	TRI_REASON_SPOOFED_IP = 4,
	TRI_REASON_SPOOFED_ARP = 5,
	TRI_REASON_SPOOFED_ND = 6,
	TRI_REASON_UNSOLICITED_ADVERTISEMENT = 7,
	TRI_REASON_RESOLVE_SELF = 8,
	TRI_REASON_RESOLVE_UNKNOWN = 9,
	TRI_REASON_RESOLVE_TO_ROUTER = 10,
	TRI_REASON_BUM = 11,
	TRI_REASON_UNKNOWN_UNICAST = 12,
	TRI_REASON_NO_LOCAL_PORT = 13,
	TRI_REASON_NO_LOCATION = 14,
	TRI_REASON_NOT_IP = 15,
	TRI_REASON_NOT_ROUTABLE = 16,
	TRI_REASON_NO_ROUTE = 17,
	TRI_REASON_BLACKHOLE = 18,
	TRI_REASON_NO_NEIGHBOR = 19,
	TRI_REASON_TTL_EXCEEDED = 20,
	TRI_REASON_TOO_BIG = 21,
	TRI_REASON_TO_ROUTER = 22,
	TRI_REASON_FRAGMENT_TO_ROUTER = 23,
	TRI_REASON_UNKNOWN_VTEP = 24,
	TRI_REASON_MALFORMED_TUNNEL = 25,
	TRI_REASON_UNKNOWN_PORT = 26,
	TRI_REASON_HAIRPIN = 27,
	TRI_REASON_ENCAP_FAILED = 28,
	TRI_REASON_PORT_UNREACHABLE = 29,
	TRI_REASON_PASS_ON_EXPIRED = 30,
	TRI_REASON_NOT_ETHERNET_II = 31,
	TRI_REASON_COUNT,
};

enum tri_event {
	TRI_EVENT_LOCAL = 0,
	TRI_EVENT_ENCAP = 1,
	TRI_EVENT_ENCAP_DEVICE = 2,
	TRI_EVENT_DECAP = 3,
	TRI_EVENT_RESOLVED = 4,
	TRI_EVENT_ECHO = 5,
	TRI_EVENT_ICMP_ERROR = 6,
	TRI_EVENT_ICMP_LIMITED = 7,
	TRI_EVENT_ROUTED = 8,
	TRI_EVENT_FLOODED = 9,
	TRI_EVENT_FLOOD_COPIES = 10,
	TRI_EVENT_PASSED_ON = 11,
	TRI_EVENT_COUNT,
};

#endif
