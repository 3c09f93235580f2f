"""The controller of the custom resource `ScanMatrix`: what it asks for, compared with what is there, over and over.

desired.py      what a resource asks for: a configuration, and the objects that `scanmatrix install` makes of it
applying.py     what is there, made the same; nothing is written where nothing differs
observed.py     what runs, and how far it is
condition.py    what that means: the status of the resource
ending.py       what is done before a resource goes
reconciler.py   all of that, once, for one resource
operator.py     when: kopf watches resources, and calls the reconciler
"""
