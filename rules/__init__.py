"""Files that Parkgate brings along: the reference policies and the Hushu street."""
