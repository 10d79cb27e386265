"""The choices: typed settings read once, the example file, and the policies that come with the node."""
