"""A running `scanmatrix serve`, asked from elsewhere: the functions of the SDK, as methods of two clients.

    from scanmatrix import ServiceClient

    with ServiceClient("https://scanmatrix.example") as service:       # the token is in SCANMATRIX_TOKEN
        rows, coverage = service.holders_now("CVE-2021-44228")

Needs the extra `client`.
"""
