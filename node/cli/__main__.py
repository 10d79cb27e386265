"""`python -m node.cli`: the same as `commonweave`."""

from node.cli.root import main

main()
