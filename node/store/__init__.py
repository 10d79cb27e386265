"""What the node keeps: rows, the store port, and the stores that pass one contract suite."""
