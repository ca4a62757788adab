"""Time: latency in interleaved rounds, throughput, loading, and what a baseline says of them."""
