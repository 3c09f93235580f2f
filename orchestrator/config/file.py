"""What the file of the configuration is called."""

CONFIG_FILE = "scanmatrix.yaml"
