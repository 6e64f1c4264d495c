"""Texts of a small town, for indexes that are built and searched."""

TOWN = {
    "lamp": "The lighthouse lamp burns colza oil. Keeper Maud Quill trims the wick at dusk.",
    "ferry": "The ferry Teasel crosses every hour. A crossing costs two pence for a grown person.",
    "bread": "The baker fires his oven at three. Rye loaves are sold before breakfast.",
}  # fmt: skip
YARD = "O'Hara's yard mends boats. Its slip takes hulls of up to forty feet."
LONG = " ".join(f"Room {n} of the museum shows knot number {n} of the guild." for n in range(40))
