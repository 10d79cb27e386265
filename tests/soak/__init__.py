"""Three nodes at work for a while, looked at every few seconds: nothing may grow without need (`make soak`)."""
