"""CEL, the expression language of rules in schemas and admission policies.

An expression goes through these, in this order; whoever has one calls ``program`` to run it, or ``examine`` to be
told about it before it is stored:

syntax      words and tokens           parse       the tree, with places for messages
types       types of values            declared    functions and their signatures
check       the type of a tree         builtin     the types of Kubernetes' own objects
cost        the most that it may take  examine     type, cost and complaints in one
rewrite     the tree as the evaluating library knows it
functions   what Kubernetes adds       values      URLs, quantities, addresses and versions
authorizer  the variable that asks for permissions
program     compiled expressions and their evaluation
"""
