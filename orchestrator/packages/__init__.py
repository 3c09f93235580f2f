"""What a package is: one answer for merge, suppression, the merged BOM and searches.

`identity.canonical` makes one package of all its spellings, `spellings` says which texts of people mean it. Import the
modules themselves: planning reads ignore rules, and starts fast without packageurl.
"""
