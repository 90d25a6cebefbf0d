"""The pure core: no sockets, no files, no clocks, no threads."""
