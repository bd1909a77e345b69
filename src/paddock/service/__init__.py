"""What the APIs offer, without any of their words: answers, vectors, and the models themselves."""
