"""One module or folder a vendor: bytes to neutral events and back. Pure codecs; the transport belongs to the bridge."""
