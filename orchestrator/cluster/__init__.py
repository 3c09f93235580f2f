"""The Kubernetes API as far as a run needs it: Workflows, their nodes, their pods and the pods' logs."""
