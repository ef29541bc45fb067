"""访客停车券: books, the register of who took what, redemption at the exit and without a network, buyers' months."""
