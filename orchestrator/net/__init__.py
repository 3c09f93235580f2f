"""The HTTP client: TLS, proxies, redirects, bounds, errors."""
