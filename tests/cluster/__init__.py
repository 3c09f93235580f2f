"""A real Kubernetes node with Argo Workflows on a bare Debian machine: no Docker, nothing installed but packages.

`python -m tests.cluster up` starts etcd, the control plane, containerd, kubelet, kube-proxy, CoreDNS, the enforcement
of NetworkPolicies and Argo as processes and pods of this machine; `down` ends them and leaves no trace. Needs root.

| module | what it does |
|---|---|
| `state` | where everything lies and which addresses it uses |
| `processes` | starts processes that outlive the command, and ends exactly those |
| `host` | what of the machine itself is changed, and how it is put back |
| `control_plane` | etcd, API server, controller manager, scheduler, kubeconfig |
| `node` | containerd, kubelet, kube-proxy |
| `containers` | images in and out of containerd |
| `addons` | CoreDNS and Argo |
| `policy`, `policy_*` | enforces NetworkPolicies |
| `faults` | makes things go wrong |
"""
