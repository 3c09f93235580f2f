"""What may run at all: one decision, for scans, tasks and plugins, before a run is planned and again before it starts.

| module | has |
|---|---|
| `request` | what asks to run: an image, and what it wants of the cluster |
| `fields` | fields of pods that can be forbidden, in Python and as the API server reads them (CEL) |
| `policies` | which images may run: `allow`, and the policies of `admission` |
| `signatures` | who signed an image: found in registries, and verified |
| `judging` | the decision, by `AdmissionJudge` |
| `scans` | what a scan asks for |
| `cel` | the same policy as expressions for the API server |
"""
