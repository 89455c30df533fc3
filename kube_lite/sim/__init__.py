"""Simulated nodes: the same control plane, with nodes made of timers instead of processes."""
