"""Events from outside: accepted by `receiver`, worked on by `worker`; `sinks` says what became of them."""
