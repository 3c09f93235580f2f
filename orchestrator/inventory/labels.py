"""What a source that looks into clusters says of an image, as labels of its entries and, later on, of its names."""

CLUSTER = "cluster"
NAMESPACE = "namespace"
#: Kind and name: `Deployment/shop`.
WORKLOAD = "workload"
CONTAINER = "container"
CONTACT = "contact"
#: How old the image may be, as a duration; a column of that name in a CSV says the same.
MAX_LIFETIME = "maxLifetime"
