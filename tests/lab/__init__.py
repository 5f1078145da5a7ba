"""The fault laboratory: real stream sources that misbehave on command."""
