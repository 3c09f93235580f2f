"""What the templates are given: from the answers of `orchestrator.api` to what a page shows, without any I/O."""
