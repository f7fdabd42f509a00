"""Splicing: bytes taken out of a TCP connection, put back later, or put in, while both ends keep working."""
