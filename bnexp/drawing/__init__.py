"""Figures of records: the plots of all claims, and those of any sweep."""
