"""The node's own HTTP side: API, pages and probes, all answering through the use cases and so through the gate."""
