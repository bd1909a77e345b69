"""Who is loaded, and who may speak to whom: two pure parts and the pool that obeys them."""
