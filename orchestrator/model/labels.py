"""Labels of names that mean something to us: what a source that looks into clusters says of an image."""

CLUSTER = "cluster"
NAMESPACE = "namespace"
#: Kind and name: `Deployment/shop`.
WORKLOAD = "workload"
CONTAINER = "container"
#: Name of the pod's volume that the image is mounted as, in place of a container.
VOLUME = "volume"
CONTACT = "contact"
#: How old the image may be, as a duration; a column of that name in a CSV says the same.
MAX_LIFETIME = "maxLifetime"
#: The image as somebody spelt it who put a result of it.
IMAGE_ID = "imageId"
