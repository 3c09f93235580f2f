"""What results may cost in memory while they are put together."""

#: Limit of the aggregate step's pod; each further attempt gets as much again.
POD_MEMORY = "2Gi"
