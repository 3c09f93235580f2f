"""Who asks: tokens of a file, and tokens of an OpenID provider."""
