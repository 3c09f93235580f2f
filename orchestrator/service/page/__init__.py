"""The web page of the service: the matrix, runs, targets, search, changes and trends, drawn on the server.

Every view has an address of its own and works without a script; `static/live.js` redraws what changes
while it is shown.
"""
