"""What several test packages share: running kube-lite as a process, kubectl, and a look at the machine."""
