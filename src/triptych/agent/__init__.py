"""The agent of a host: takes the rows that the host should have, keeps its data plane so, and serves its VMs."""
