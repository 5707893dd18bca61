"""What is measured on a network while it trains."""
