"""How parts talk to the API: one Client protocol, informers and work queues."""
