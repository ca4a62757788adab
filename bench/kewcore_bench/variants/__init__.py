"""The original variant beside the one with synthetic images."""
