"""Names of entities: their canonical form, their key, and short forms of them."""
