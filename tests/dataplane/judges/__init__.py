"""Three judges of one packet: the reference forwarder, the loaded program, real namespaces."""
