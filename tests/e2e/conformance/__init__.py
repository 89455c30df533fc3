"""What upstream's conformance tests promise to users, asked of a running server over HTTP."""
