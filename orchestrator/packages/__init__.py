"""What a package is: one answer for merge, suppression, the merged BOM and searches.

`identity.canonical` makes one package of all its spellings, `resolve` says which packages of a target are one although
reports say unequally much of them, `spellings` which texts of people mean a package. Import the modules themselves:
planning reads ignore rules, and starts fast without packageurl.
"""
