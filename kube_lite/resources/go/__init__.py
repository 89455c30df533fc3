"""Answers in Go's own printed forms: what clients of upstream see because its server is written in Go.

Upstream's messages quote values as Go prints them, name Go's structs and fields, and carry the texts of its JSON
decoder and of its library for comparing. People search for these texts and programs match on them, so they are
made here to the letter:

types     the Go types of values that messages print, and their printed form (``%#v``)
structs   how Go's structs and their fields are named and laid out
cursor    JSON text read the way upstream's decoder reads it, also after an error
decoder   what that decoder says of a body that does not fit its type
diff      the difference of two values that an update may not change
"""
