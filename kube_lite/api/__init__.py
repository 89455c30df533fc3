"""How objects are reached: the HTTP pipeline, the verbs, and the client without HTTP."""
