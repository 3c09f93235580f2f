"""Source repositories as targets: a ref resolved to its commit, its files as a tarball, and these put into a folder.

A repository is a stranger's. Git is asked for objects only: no file of it is checked out by git, so no hook, no filter,
no attribute and no configuration of it is ever looked at, and submodules are not followed.
"""
