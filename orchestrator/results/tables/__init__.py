"""The tables of a run: findings and merged findings."""
