"""The contract with Argo Workflows, written and read in one place."""
