"""What a user types: flags and overrides read, composed to configs, explained, completed; mistakes as one line."""
