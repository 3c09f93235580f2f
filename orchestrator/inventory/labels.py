"""What a source that looks into clusters says of an image, as labels of its entries and, later on, of its names."""

from orchestrator.model.labels import CLUSTER, CONTACT, CONTAINER, MAX_LIFETIME, NAMESPACE, VOLUME, WORKLOAD

__all__ = ["CLUSTER", "CONTACT", "CONTAINER", "MAX_LIFETIME", "NAMESPACE", "VOLUME", "WORKLOAD"]
