"""Stories told with kubectl: what is typed, and what it must print. Data only; ``test_kubectl_stories`` runs them."""
