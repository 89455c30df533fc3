"""Tests inside a virtual machine: what the kernel of the machine at hand does not offer."""
