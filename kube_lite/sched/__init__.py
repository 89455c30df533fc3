"""The scheduler: pop, snapshot, filter, score, select, assume, bind."""
