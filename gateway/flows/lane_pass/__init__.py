"""无牌车: in and out of a lane with its printed QR code and a phone, for vehicles that have no plate to be read."""
