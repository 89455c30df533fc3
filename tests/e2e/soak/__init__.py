"""Hours of use in a few minutes: what a server holds must not grow with what has come and gone."""
