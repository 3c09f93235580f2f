"""Git as a program: URLs, tokens, commands, failures, checkouts."""
