"""Payment channels: one port, an adapter each. An adapter is loaded when its first order is placed, never at start-up."""
