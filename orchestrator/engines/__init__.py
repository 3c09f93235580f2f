"""What runs a plan: the local engine now, Argo beside it."""
