"""The form of a claim, the rules, and what they make of records."""
