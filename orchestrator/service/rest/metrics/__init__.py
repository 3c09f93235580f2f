"""What Prometheus reads: how long requests take (`durations`), and how the matrix stands (`gauges`)."""
