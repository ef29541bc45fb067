"""`parkgate demo`: the whole of Hushu street on embedded parts, from a seed."""
