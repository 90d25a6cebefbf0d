"""What the eBPF driver and the lab need from Linux: bpf(2), the BPF file system, network namespaces, netlink.

Nothing here knows a table, a port or a VNI. Calls that the kernel refuses raise
OSError with its errno; what the machine lacks raises EnvironmentError_ subclasses.
"""
