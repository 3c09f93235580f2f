"""The fault campaign: each fault of a declared table inflicted on a run, and SIGKILL at random points; one judge.

| module | what |
|---|---|
| `expected` | what a fault may do to the cells of a run |
| `judge` | whether a run keeps the project's word: cells, reasons, files, what is held, results |
| `whole` | whether each file under a final name is whole |
| `held` | what a run that has ended still holds on the volume |
| `outcome` | results of a run that two runs of one plan must have in common |
| `scanners` | scanners of the runs, good and bad ones |
| `local_bench`, `local_faults` | runs of the local engine in a process of its own, and what is done to them |
| `clock` | a clock of the day that steps |
| `stores` | a database of all runs that is away while one is active |
| `cluster_bench` | what runs in the cluster scan, and what a trial there is |
| `cluster_faults`, `cluster_storage` | what is done to runs in the cluster: to processes, to what is read |
| `table` | fault × layout → outcome, printed at the end |
"""
