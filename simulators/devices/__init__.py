"""Virtual devices of other vendors: what each says and hears, in its own bytes over real sockets."""
