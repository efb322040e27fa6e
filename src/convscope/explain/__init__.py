"""Facts about a network as plain parts: summary rows, derivations, ledgers, mental models."""
