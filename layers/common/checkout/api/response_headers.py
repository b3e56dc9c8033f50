"""Headers of every answer that a browser may see: over https alone, and taken for nothing that it is not."""

PROTECTION = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
}
