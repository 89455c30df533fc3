"""The node executor: runs the pods bound to one node through a NodeRuntime."""
