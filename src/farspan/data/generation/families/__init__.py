"""The task families: how each is made, how a program solves it, how a blind guesser does."""
