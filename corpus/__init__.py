"""The corpus: curated tables and the builders that make its raw graphs."""
