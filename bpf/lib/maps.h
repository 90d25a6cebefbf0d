/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every map, with one line on what it holds. Sizes here are defaults; the loader sets
 * max_entries from the host's configuration before the object is loaded.
 * Map names are the pin names below the host's directory in the BPF file system.
 */
#ifndef TRIPTYCH_MAPS_H
#define TRIPTYCH_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../include/triptych_abi.h"

/* Table 1: where each MAC of a segment is. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct tri_location_key);
	__type(value, struct tri_location);
} locations SEC(".maps");

/* Table 2: the MAC of each IP address of a segment. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct tri_neighbor_key);
	__type(value, struct tri_neighbor);
} neighbors SEC(".maps");

/* Table 3: where each router sends a destination; longest prefix. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tri_route_key);
	__type(value, struct tri_route);
} routes SEC(".maps");

/* Local ports by ifindex: what the interface may send. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 10);
	__type(key, __u32);
	__type(value, struct tri_port);
} ports SEC(".maps");

/* Local ports by segment and MAC: where a frame for this host is delivered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 10);
	__type(key, struct tri_location_key);
	__type(value, struct tri_local);
} locals SEC(".maps");

/* Addresses a port may send from that ports has no room for; the value is 1. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 13);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tri_allowed_key);
	__type(value, __u8);
} allowed SEC(".maps");

/* Underlay addresses of all hosts: whose VXLAN is accepted; the value is 1. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 14);
	__type(key, struct tri_ip);
	__type(value, __u8);
} vteps SEC(".maps");

/* Members of the segments that replicate BUM. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 10);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __be32);
	__type(value, struct tri_flood);
} floods SEC(".maps");

/* What the host is told once. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tri_config);
} config SEC(".maps");

/* Token buckets of ICMP errors, by ifindex; made at attach. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 10);
	__type(key, __u32);
	__type(value, struct tri_limit);
} limits SEC(".maps");

/* Frames dropped, by port and reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct tri_drop_key);
	__type(value, struct tri_count);
} drops SEC(".maps");

/* What was done besides dropping, by enum tri_event. There is room for more, so that a new
 * event leaves the size of a pinned map alone. */
#define TRI_EVENT_ROOM 64

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TRI_EVENT_ROOM);
	__type(key, __u32);
	__type(value, __u64);
} events SEC(".maps");

/* The decision on the last traced frame (BPF_PROG_TEST_RUN only). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tri_decision);
} last SEC(".maps");

/* Room to build an ICMP error in; the stack is too small for the quoted packet. */
struct tri_scratch {
	__u8 bytes[1536];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tri_scratch);
} scratch SEC(".maps");

#endif
