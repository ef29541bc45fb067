"""日清日对: a day's records read out of the database, held against each other, and what differs kept until it is explained."""
