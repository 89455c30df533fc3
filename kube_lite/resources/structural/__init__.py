"""Structural schemas: what a CustomResourceDefinition says of its objects, compiled once and then run on each.

check       is the schema itself in order     rule_check    are its CEL rules
validate    is a value what the schema says   rules         do its CEL rules hold
defaults    what a value lacks                problems      what is wrong, and where
ratchet     what may stay wrong on an update  combinations  anyOf, oneOf, allOf, not
"""
