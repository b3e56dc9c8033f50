"""Headers of every answer that a browser may see: https only, and no guessing of content types."""

PROTECTION = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
}
