"""Jobs that events start: the language of `job/config.yaml`, plugins, and what an event matches."""
