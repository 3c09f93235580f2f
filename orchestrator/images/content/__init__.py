"""What is inside an image: its merged filesystem, its user."""
