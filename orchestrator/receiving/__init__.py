"""What others tell us: events of registries, of git hosts and of anybody who speaks CloudEvents.

`senders/` has one module for each kind of sender, `cloudevents.py` reads the standard form, `proof.py` decides who may
send, `rules.py` what an event may ask for. Nothing here writes or runs anything.
"""
