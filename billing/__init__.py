"""The money world as pure code: policies, tariffs, benefits, bills, postings, the close. No I/O, no devices."""
