"""Authorization: may this user do this.

``attributes`` says what is asked, ``authorizer`` asks the modes in their order (administrators, nodes, RBAC) and
refuses what none of them allows, ``rbac`` evaluates roles and bindings, ``node`` lets a node see what its pods
name, ``escalation`` keeps people from granting what they do not hold.
"""
