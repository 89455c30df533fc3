"""Pod addresses (routed veth) and Services (nftables)."""
