"""Somebody's own norm in BN's place: held to the contract, trained, and put to every claim that can be asked of it."""
